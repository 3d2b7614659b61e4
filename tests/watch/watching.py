"""A real `zkpoll watch` as a process, and one inside of the test that looks more often."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import zkpoll.watch
from tests.waiting import wait_for
from zkpoll.inventory import load
from zkpoll.tasks import watch_device
from zkpoll.watch import WatchObservers

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    import pytest

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard, Terminal
    from zkpoll.tasks.outcome import Outcome

DISABLE: Final = 1003
ENABLE: Final = 1002
EXIT: Final = 1001


class EndedError(Exception):
    """It ended before it watched; what it said."""


class Watching:
    """A running `zkpoll watch`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        """What it says on stderr, from the line by which it tells what it watches."""
        assert process.stderr is not None
        said = ""
        while not (line := process.stderr.readline()).startswith("watching "):
            said += line
            if not line:
                process.wait(timeout=40)
                self._close()
                raise EndedError(said)
        self.lines.append(line)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=40)
        self.end()
        return code

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait(timeout=40)
        self.end()

    def end(self) -> None:
        """Read the last of what it said."""
        self._reader.join(timeout=10)
        self._close()

    def _close(self) -> None:
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def watching(site: Site, *words: str) -> Iterator[Watching]:
    """Run `zkpoll watch` while inside; it is stopped at the end if it still runs."""
    running = Watching(site.start("watch", *words))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            assert running.stop() == 0
        running.end()


@dataclass
class Quick:
    """A watch inside of the test."""

    stop: threading.Event = field(default_factory=threading.Event)
    outcomes: list[Outcome] = field(default_factory=list)
    """What it had to tell, each time."""
    journal: list[str | None] = field(default_factory=list)
    """Why it could not use the journal, or None where it could."""
    error: BaseException | None = None
    """What it raised."""

    def told(self) -> list[str]:
        """Return the notices that it has told, without their subjects."""
        return [notice.text for one in self.outcomes for _, notice in one.notices()]


@contextmanager
def quick(site: Site, patch: pytest.MonkeyPatch, look: float = 0.2, news: float = 0.05) -> Iterator[Quick]:
    """Watch all devices of a site within this process while inside. Seconds are shorter than in earnest."""
    patch.setattr(watch_device, "LOOK", look)
    patch.setattr(watch_device, "_BETWEEN", 0.02)
    patch.setattr(watch_device, "FIRST_REST", 0.02)
    patch.setattr(watch_device, "LONGEST_REST", 0.2)
    patch.setattr(zkpoll.watch, "_UPKEEP", 0.02)
    patch.setattr(zkpoll.watch, "NEWS", news)
    running, ready = Quick(), threading.Event()
    inventory = load(site.inventory, site.environment)
    observers = WatchObservers(
        ready=lambda _devices, _left: ready.set(),
        journal=running.journal.append,
        news=lambda outcome, _journal: running.outcomes.append(outcome),
    )

    def work() -> None:
        try:
            devices = [one for one in inventory.called if one.enabled]
            zkpoll.watch.watch(inventory, devices, observers, stop=running.stop)
        except BaseException as error:  # noqa: BLE001  # it is the test's to look at
            running.error = error
        finally:
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    try:
        yield running
    finally:
        running.stop.set()
        thread.join()


def arrived(dashboard: SampleDashboard, number: int) -> None:
    """Wait until so many punches have arrived, and see that none came twice."""
    wait_for(lambda: len(dashboard.events) >= number)
    assert (len(dashboard.events), dashboard.duplicates) == (number, 0)


def is_registered(terminal: Terminal) -> bool:
    """Say whether somebody hears the terminal, and has read it since."""
    commands = list(terminal.commands)
    return 500 in commands and 1503 in commands[len(commands) - commands[::-1].index(500) :]
