"""Tries changes: the tests of a module in a process of their own, in which the module is another.

This process imports what the tests need of other people once, and nothing of ours. Each trial is a fork of
it, so that it begins at once and imports our modules anew, the changed one among them.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

TOP: Final = Path(__file__).parents[2]
_OURS: Final = ("zkpoll", "tests")
_PATIENCE: Final = 10.0
"""How many times longer than without a change the tests may take, before the change is taken for a hang."""
_LEAST: Final = 20.0
"""Seconds that they may take at least: the machine may be busy."""


class Outcome(Enum):
    """What became of a change."""

    KILLED = "killed"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Module:
    """A module, and the tests that judge it."""

    name: str
    """As in `pairs`: model/days."""
    tests: tuple[str, ...]
    """Files of tests, from the top of the checkout."""

    @property
    def path(self) -> Path:
        """Where its source is."""
        return TOP / "zkpoll" / f"{self.name}.py"

    @property
    def imported_as(self) -> str:
        """Its name for Python."""
        return f"zkpoll.{self.name.replace('/', '.')}"


class Trials:
    """The trials of one module. Raise `ValueError` where its tests fail without any change."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._limit = 600.0
        _import_what_others_made(module.tests)
        begun = time.monotonic()
        if self.of(module.path.read_text("utf-8")) is Outcome.KILLED:
            raise ValueError(f"the tests of {module.name} fail as it is: {' '.join(module.tests)}")
        self._limit = max(_LEAST, _PATIENCE * (time.monotonic() - begun))

    def of(self, source: str) -> Outcome:
        """Run the tests with this source of the module, and say what they say of it."""
        child = os.fork()
        if not child:
            _run(self.module, source)  # never comes back
        code = _ended(child, self._limit)
        return Outcome.SURVIVED if code == pytest.ExitCode.OK else Outcome.KILLED


def _import_what_others_made(tests: Sequence[str]) -> None:
    """Import what these tests import and is not ours, for all trials at once."""
    asked = "import sys, pytest; pytest.main(['--collect-only', '-q', *sys.argv[1:]]); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", asked, *tests],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    for name in ran.stdout.splitlines()[-1].split():
        if name.partition(".")[0] not in _OURS:
            with contextlib.suppress(ImportError):  # such as parts of packages that are made as they run
                importlib.import_module(name)


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module as another source."""

    def __init__(self, module: Module, source: str) -> None:
        self._module = module
        self._source = source

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how it is loaded, for the one module."""
        if name != self._module.imported_as:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=str(self._module.path))

    def exec_module(self, module: ModuleType) -> None:
        """Run the other source, in the name of the file."""
        module.__file__ = str(self._module.path)
        exec(compile(self._source, str(self._module.path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102


def _run(module: Module, source: str) -> None:
    """Run the tests, and end this process with what they say. In the child."""
    os.setsid()  # so that it ends with all that it starts
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(silent, descriptor)
    code: int = pytest.ExitCode.INTERNAL_ERROR
    try:
        os.chdir(TOP)
        sys.meta_path.insert(0, _Changed(module, source))
        words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--quick"]
        # Plugins were imported before the fork; no trial looks at how their own assertions read.
        words += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main([*words, *module.tests]))
    finally:
        os._exit(code)


def _ended(child: int, limit: float) -> int:
    """Wait for a child and return its exit code; end it, and all that it started, after `limit` seconds."""
    descriptor = os.pidfd_open(child)
    try:
        ended = select.select([descriptor], [], [], limit)[0]
        if not ended:
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(status)
    finally:
        os.close(descriptor)
