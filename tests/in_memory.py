"""Keeps files of the quick tests in memory, where the machine has it.

Thousands of journals are synced, and on disk each of them waits. The long tests write to disk.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from tests.bridge.own_postgres import why_not
from tests.bridge.servers import OWN

_MEMORY: Final = Path("/dev/shm")
_ENOUGH: Final = 2 << 30
"""Bytes that must be free."""


def stay_in_memory() -> None:
    """Put temporary files of this process, and of those it starts, into memory, and PostgreSQL with them.

    What the environment says of either stands.
    """
    if "TMPDIR" in os.environ or not _fits():
        return
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None  # asked for again
    if not why_not():
        os.environ.setdefault("ZKPOLL_TEST_POSTGRES", OWN)


def _fits() -> bool:
    """Say whether there is memory for files, also for programs."""
    if not os.access(_MEMORY, os.W_OK):
        return False
    found = os.statvfs(_MEMORY)
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize >= _ENOUGH
