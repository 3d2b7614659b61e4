"""The command line run in this process, and bounds on what a run may say and take.

A run in this process takes milliseconds, so that thousands of hostile answers can be tried.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from hypothesis import HealthCheck, settings

from tests.examples import examples
from zkpoll.cli import main
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import ParamSpec

    P = ParamSpec("P")

IN_MEMORY: Final = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""A place for journals where syncing costs nothing, where there is one."""
MOST_MEMORY: Final = 100_000_000
"""Bytes that a run may take at most: the answers it gets here are small, whatever they announce."""
LONGEST_RUN: Final = 30.0
"""Seconds in which a run must end. Its limits here add up to some three; the rest is for a busy machine."""
LONGEST_LINE: Final = 2_000
"""Characters of a line that is told; a document may hold a whole request."""
MOST_WORDS: Final = 200_000
"""Characters that are told in all."""
ALLOWED: Final = frozenset({ExitCode.OK, ExitCode.ATTENTION, ExitCode.UNREACHABLE})
"""Exit codes that answers from outside may lead to."""

_SECONDS: Final = float(os.environ.get("FUZZ_SECONDS") or "inf")


def fuzzed(gate: int) -> settings:
    """Return settings that draw `gate` examples in the gate; FUZZ_EXAMPLES says another number."""
    return settings(
        max_examples=int(os.environ.get("FUZZ_EXAMPLES") or examples(gate)),
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def while_there_is_time(test: Callable[P, None]) -> Callable[P, None]:
    """Try no more examples once FUZZ_SECONDS are over, from the first one on.

    Where one has failed, the shortest like it is looked for beyond that.
    """
    began: float | None = None
    failed = False

    @wraps(test)
    def turn(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal began, failed
        began = time.monotonic() if began is None else began
        if time.monotonic() - began > _SECONDS and not failed:
            return
        try:
            test(*args, **kwargs)
        except BaseException:
            failed = True
            raise

    return turn


class _Screen(io.TextIOWrapper):
    """A terminal's screen, 80 columns wide."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


@dataclass(frozen=True)
class Told:
    """A run's end, and its words."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """All of them."""
        return self.out + self.err

    def document(self) -> Any:
        """Return stdout as the one JSON document that it has to be."""
        return json.loads(self.out)


def run(*words: str, config: Path, person: bool = False) -> Told:
    """Run `zkpoll` in this process, for a `person` at a terminal or in pipes; check its bounds."""
    kind = _Screen if person else io.TextIOWrapper
    out, err = (kind(io.BytesIO(), "utf-8", newline="\n", write_through=True) for _ in range(2))
    began = time.monotonic()
    with (
        memory_bounded(),
        patch.object(sys, "argv", ["zkpoll", *words, "--config", str(config)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    told = Told(code, _written(out), _written(err))
    check_bounds(
        told, time.monotonic() - began, longest_line=MOST_WORDS if "--json" in words else LONGEST_LINE
    )
    if "--json" in words and (told.out or not told.code):
        check_document(told.document())
    return told


def _written(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def check_bounds(told: Told, seconds: float, longest_line: int = LONGEST_LINE) -> None:
    """Assert that a run ended in time, with a code it may end with, and in words that are lines of text."""
    assert seconds < LONGEST_RUN
    assert "Traceback" not in told.words, told.words
    assert "please report it" not in told.words, told.words
    assert told.code in ALLOWED, told
    assert len(told.words) < MOST_WORDS
    for line in (told.out + told.err).split("\n"):
        assert line.isprintable(), line
        assert len(line) < longest_line, line


def check_document(value: Any) -> None:
    """Assert that no text within a JSON document would steer a screen or break a line."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                assert text.isprintable(), text
            case dict() as found:
                waiting += [*found.keys(), *found.values()]
            case list() as found:
                waiting += found
            case _:
                pass


@contextmanager
def memory_bounded() -> Iterator[None]:
    """Assert that this process takes no more than `MOST_MEMORY` while inside, at any moment."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    before = _peak()
    yield
    assert _peak() - before < MOST_MEMORY


def _peak() -> int:
    return peak_in(Path("/proc/self/status").read_text())


def peak_in(status: str) -> int:
    """Given the status of a process, as /proc has it, return the most bytes of memory that it held."""
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
