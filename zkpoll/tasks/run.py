"""The options of a run, its observer, and how its threads are joined."""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, wait
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from zkpoll.tasks.database_outcome import DatabaseOutcome
    from zkpoll.tasks.device_outcome import DeviceOutcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """The options that a person gave a run."""

    devices: frozenset[str] = frozenset()
    """Names of the devices and databases to read; empty for all that are enabled. A device without a host is
    never visited."""
    full: bool = False
    """Read whole logs and databases, also where only the new part is needed."""
    deliver: bool = True
    dry_run: bool = False
    """Read, and write nothing: neither to the journal nor to a dashboard."""
    clear: Literal["due", "never", "now"] = "due"
    """Which logs to clear, once they are read: those whose settings say so, none, or all."""


@dataclass(frozen=True, slots=True)
class Observer:
    """The listener to a run. Called from the threads that do the work."""

    records_read: Callable[[str, int], None] = lambda _source, _records: None
    device_done: Callable[[DeviceOutcome], None] = lambda _outcome: None
    database_done: Callable[[DatabaseOutcome], None] = lambda _outcome: None
    delivered: Callable[[str, int], None] = lambda _dashboard, _punches: None
    silenced: Callable[[], AbstractContextManager[None]] = nullcontext
    """While inside, it shows nothing, for a question to a person."""


def joined(futures: Sequence[Future[T]], stop: Callable[[], None]) -> list[T]:
    """Wait for all threads, and return their results.

    If one raises an error, `stop` the others and raise it.
    """
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    failure = next((error for future in done if (error := future.exception())), None)
    if failure is not None:
        stop()
        raise failure
    return [future.result() for future in futures]
