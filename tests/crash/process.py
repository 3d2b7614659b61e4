"""A process that runs the real `zkpoll` until it reaches one point, and is killed there.

    python -m tests.crash.process "before INSERT punch" 3 sync --config FILE
    python -m tests.crash.process count 0 sync --config FILE

The first is killed at the third row. The second is not killed: it says on stdout, as JSON, how often it
reached each point, and what it wrote where there is none. zkpoll itself knows nothing of this: its lines are
watched as a debugger does, its statements by SQLite's own trace. This host's clock counts as synchronised.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.crash.points import PACKAGE, Place, places, places_in, statement
from zkpoll.cli import main
from zkpoll.pull import host_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    Reached = Callable[[str], object]
    Lines = dict[int, Place]

_COUNT: Final = "count"
_TO_WRITE: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LEAVES_A_TRACE: Final = frozenset(
    ("os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
     "socket.connect", "socket.sendmsg", "socket.sendto", "sqlite3.connect")
)  # fmt: skip
"""Audit events, besides `open`, of what reaches beyond the process."""


class Counts:
    """How often each point was reached, by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reached: Counter[str] = Counter()

    def __call__(self, point: str) -> int:
        """Count a point, and return how often it was reached by now."""
        with self._lock:
            self.reached[point] += 1
            return self.reached[point]


def killer(point: str, number: int) -> Reached:
    """Return what kills this process when `point` is reached for the `number`-th time."""
    counts = Counts()

    def reached(one: str) -> None:
        if one == point and counts(one) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


# --- places ---


def by_file(some: Iterable[Place]) -> dict[str, Lines]:
    """Return places by the file and the lines they stand on."""
    found: dict[str, Lines] = {}
    for place in some:
        lines = found.setdefault(str(PACKAGE / place.file), {})
        lines |= dict.fromkeys(range(place.first, place.last + 1), place)
    return found


def watch_places(files: dict[str, Lines], reached: Reached) -> None:
    """Tell of every place that a thread comes to, and of its leaving it, also by an exception."""

    def called(frame: FrameType, _event: str, _argument: Any) -> Any:
        lines = files.get(frame.f_code.co_filename)
        return follow(lines, reached) if lines else None

    threading.settrace(called)
    sys.settrace(called)


def follow(lines: Lines, reached: Reached) -> Any:
    """Return the trace function of one call of a function."""
    inside: Place | None = None

    def traced(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal inside
        place = lines.get(frame.f_lineno) if event == "line" else None
        if place is not inside:
            before, inside = inside, place
            if before:
                reached(f"after {before}")
            if place:
                reached(f"before {place}")
        return traced

    return traced


# --- statements ---


def watch_statements(reached: Reached) -> None:
    """Tell of every row that a statement of a connection opened from now on is about to write."""
    connect = sqlite3.connect

    def traced(sql: str) -> None:
        if what := statement(sql):
            reached(f"before {what}")

    def connected(*arguments: Any, **settings: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **settings)
        connection.set_trace_callback(traced)
        return connection

    sqlite3.connect = connected  # type: ignore[assignment]


# --- what has no point ---


def watch_the_rest(files: dict[str, Lines], strays: list[str]) -> None:
    """Note whatever leaves a trace in the world while no place is on the stack."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        # A file by its number is open already: one of the standard streams.
        opens = event == "open" and not isinstance(arguments[0], int)
        writes = opens and bool(arguments[2] & _TO_WRITE)
        if (writes or event in _LEAVES_A_TRACE) and not _at_a_place(files):
            strays.append(f"{event} {arguments}")

    sys.addaudithook(audit)


def _at_a_place(files: dict[str, Lines]) -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_lineno in files.get(frame.f_code.co_filename, {}):
            return True
        frame = frame.f_back
    return False


def _count() -> None:
    counts, strays, files = Counts(), list[str](), by_file(places())
    watch_statements(counts)
    watch_the_rest(files, strays)
    watch_places(files, counts)
    try:
        main()
    finally:
        sys.settrace(None)
        found = {"reached": counts.reached, "strays": strays, "modules": _modules()}
        sys.stdout.write(json.dumps(found))


def _modules() -> list[str]:
    """Return the files of zkpoll that were loaded, below the package."""
    files = [
        Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))
    ]
    return [file.relative_to(PACKAGE).as_posix() for file in files if file.is_relative_to(PACKAGE)]


def _run(point: str, number: int) -> None:
    _when, _, rest = point.partition(" ")
    file, colon, _ = rest.partition(":")
    reached = killer(point, number)
    if colon:
        watch_places(by_file(places_in(file)), reached)
    else:
        watch_statements(reached)
    main()


if __name__ == "__main__":
    host_clock.synchronised = lambda: True
    what, times, *command = sys.argv[1:]
    sys.argv = ["zkpoll", *command]
    if what == _COUNT:
        _count()
    else:
        _run(what, int(times))
