"""Runs of the real `sync()`, each in a process of its own that is killed at one point.

    python -m tests.clearing.machine_process

reads from stdin, a line of JSON each, what to run and where to kill it, forks, and answers with the exit
code. SIGKILL leaves no time to tidy up, which nothing inside a living process can imitate; a fork spares the
second that a fresh process needs to begin.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tests.crash.points import places_in
from tests.crash.process import by_file, killer, watch_places
from tests.site import TOKEN
from zkpoll.inventory import load
from zkpoll.pull.link import TcpLink
from zkpoll.sync import sync
from zkpoll.tasks.run import Options

if TYPE_CHECKING:
    from types import TracebackType

    from tests.crash.process import Reached
    from zkpoll.pull.framing import Frame

ROOT: Final = Path(__file__).parents[2]
KILLED: Final = -signal.SIGKILL
_LONGEST: Final = 60
"""Seconds after which a run that does not end is ended, as a failure."""


class Runner:
    """The process that forks; a context manager that ends it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.clearing.machine_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=_LONGEST)

    def kill(self, config: Path, point: str, number: int) -> bool:
        """Run `sync`, kill it when it reaches `point` for the `number`-th time, and say whether it did.

        A point is `before` or `after`, and a file of the package, whose places all count alike, or the
        number of a command on its way to a terminal.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(config), point, number]) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in {KILLED, 0}, code
        return code == KILLED


def _watch(point: str, number: int) -> None:
    """Let this process be killed at a point."""
    reached, what = killer(point, number), point.partition(" ")[2]
    if what.isdigit():
        _watch_commands(reached)
    else:
        watch_places(by_file(places_in(what)), lambda one: reached(one.partition(":")[0]))


def _watch_commands(reached: Reached) -> None:
    """Tell of every command before it goes out, and when it has gone."""
    send = TcpLink.send

    def sent(link: TcpLink, frame: Frame) -> None:
        reached(f"before {frame.command}")
        send(link, frame)
        reached(f"after {frame.command}")

    TcpLink.send = sent  # type: ignore[assignment, method-assign]


def _run(config: str, point: str, number: int) -> None:
    """Run `sync` in this process, which does not outlive it."""
    signal.alarm(_LONGEST)
    code = 1
    try:
        _watch(point, number)
        sync(load(Path(config), {"TOKEN": TOKEN}), Options())
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        os._exit(code)


def _forked(order: Any) -> int:
    """Return how the process ended that carried out `order`."""
    child = os.fork()
    if not child:
        _run(*order)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    logging.disable()
    for line in sys.stdin:
        sys.stdout.write(f"{_forked(json.loads(line))}\n")
        sys.stdout.flush()
