"""What all threads of a run share: what was asked, the journal, the locks, and who is watching."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from zkpoll.errors import WrongSerial
from zkpoll.journal.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from zkpoll.inventory import Inventory
    from zkpoll.journal.locks import Locks
    from zkpoll.journal.sqlite import Journal
    from zkpoll.tasks.arrivals import Feed
    from zkpoll.tasks.outcome import DeviceOutcome

T = TypeVar("T")

FAILED: Final = "zkpoll itself failed here ({}); please report it, with what -v prints"
"""What is told of a bug."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person asked of this run."""

    devices: frozenset[str] = frozenset()
    """Names of the devices to visit; empty for all that are enabled."""
    full: bool = False
    """Read whole logs, also where only the new part is needed."""
    deliver: bool = True
    dry_run: bool = False
    """Read, and write nothing: neither to the journal nor to a dashboard."""
    clear: Literal["due", "never", "now"] = "due"
    """Which logs to clear, once they are read: those whose settings say so, none, or all."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is watching. Called from the threads that do the work."""

    records_read: Callable[[str, int], None] = lambda _device, _records: None
    device_done: Callable[[DeviceOutcome], None] = lambda _outcome: None
    delivered: Callable[[str, int], None] = lambda _dashboard, _punches: None


@dataclass(frozen=True, slots=True)
class Run:
    """What all threads of a run share."""

    inventory: Inventory
    options: Options
    journal: Journal
    locks: Locks
    stop: threading.Event
    observer: Observer
    feed: Feed
    newest: datetime | None
    """When any device was last read, before this run."""
    claims: Claims = field(default_factory=lambda: Claims())
    names: dict[str, str] = field(default_factory=dict)
    """The devices' names in the inventory by their keys, as far as they are known; visits add to them."""

    def outboxes(self) -> dict[str, Outbox]:
        """Return every dashboard's outbox, by name."""
        return {where.name: Outbox(self.journal, where.name) for where in self.inventory.dashboards}

    def end(self) -> None:
        """Let all threads end soon."""
        self.stop.set()
        self.feed.close()

    def lock(self, what: str) -> AbstractContextManager[None]:
        """Return the lock of `what`; where there is no journal yet, nobody else can be at it."""
        if self.options.dry_run and not self.inventory.journal.exists():
            return nullcontext()
        return self.locks.held(what)


def joined(futures: Sequence[Future[T]], stop: Callable[[], None]) -> list[T]:
    """Wait for all threads, and return what they came to.

    When one raises what stops the whole run, `stop` the others and raise that.
    """
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    failure = next((error for future in done if (error := future.exception())), None)
    if failure is not None:
        stop()
        raise failure
    return [future.result() for future in futures]


class Claims:
    """Which device of the inventory reached which terminal in this run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}

    def claim(self, key: str, name: str) -> None:
        """Raise `WrongSerial` if another device of the inventory is that terminal."""
        with self._lock:
            other = self._names.setdefault(key, name)
        if other != name:
            raise WrongSerial(f"{name} is the same terminal as {other} (serial number {key}); take one out")
