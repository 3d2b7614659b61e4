"""A journal on a file system that cannot lock files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.bad_luck import IMPATIENT
from tests.site import TOKEN, entry
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

COMPILER = shutil.which("cc")
LIBRARY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

static int answer(const char *name, int file, int command, void *argument) {
    if ((ONLY_OURS ? 0 : command == F_SETLK) || command == F_OFD_SETLK) {
        errno = ERROR;
        return -1;
    }
    int (*real)(int, int, void *) = dlsym(RTLD_NEXT, name);
    return real(file, command, argument);
}

#define REPLACED(NAME) int NAME(int file, int command, ...) { \\
    va_list rest; va_start(rest, command); void *argument = va_arg(rest, void *); va_end(rest); \\
    return answer(#NAME, file, command, argument); }
REPLACED(fcntl)
REPLACED(fcntl64)
"""
"""What stands between a program and the system, and refuses its locks."""


def without_locks(folder: Path, number: int, *, only_ours: bool) -> Path:
    """Return a library to be loaded before others, with which locks fail: all, or all but SQLite's."""
    made, source = folder / "locks.so", folder / "locks.c"
    source.write_text(LIBRARY)
    names = [f"-DERROR={number}", f"-DONLY_OURS={int(only_ours)}"]
    subprocess.run([str(COMPILER), "-shared", "-fPIC", *names, "-o", made, source, "-ldl"], check=True)
    return made


@pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="needs a compiler, and Linux")
@pytest.mark.parametrize("only_ours", [True, False])
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_nothing_runs_without_locks(
    site: Site,
    dashboard: SampleDashboard,
    tmp_path_factory: pytest.TempPathFactory,
    number: int,
    only_ours: bool,
) -> None:
    """Whether SQLite's lock or ours is refused first: one sentence, code 74, and nothing is sent."""
    library = without_locks(tmp_path_factory.mktemp("library"), number, only_ours=only_ours)
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        result = subprocess.run(
            [sys.executable, *IMPATIENT, "sync", "--config", str(site.inventory)],
            capture_output=True,
            text=True,
            env=os.environ | {"TOKEN": TOKEN, "LD_PRELOAD": str(library)},
            timeout=60,
            check=False,
        )
    why = os.strerror(number).lower()
    assert result.stderr == (
        f"zkpoll: the journal {site.journal} cannot be used: the file system of {site.folder} locks no files"
        f" ({why}), and two runs would collide; keep the journal on a local disk\n"
    )
    assert (result.returncode, result.stdout) == (74, "")
    assert dashboard.requests == []
