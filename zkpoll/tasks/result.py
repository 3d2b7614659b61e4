"""Results of tasks: their four questions, the exit code, and how one failure stays one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from zkpoll.errors import OUT_OF_MEMORY, Busy, ExitCode, StopRun, Unreachable, ZkpollError
from zkpoll.model.report import BUG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zkpoll.model.report import Notice, Trouble

T = TypeVar("T")

FAILED: Final = "zkpoll itself failed here ({}); please report it, with what -v prints"
"""The words for a bug; they name the exception's type."""
MEMORY: Final = "memory"
"""The kind of a failure for want of memory."""

_log = logging.getLogger(__name__)


class Result(Protocol):
    """The result of one piece of work, frozen."""

    @property
    def subject(self) -> str:
        """The subject of its trouble and its notices: `device front-door`."""

    @property
    def kind(self) -> str | None:
        """The kind of the failure that ended the work, or None."""

    @property
    def trouble(self) -> Trouble | None:
        """The trouble its subject is in. It is one at most, since a subject has one condition at a time."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The events that a person should know of."""


def troubles(results: Iterable[Result]) -> dict[str, Trouble]:
    """Return the troubles by subject. Of two results on one subject, the later one counts.

    What another run is at is no trouble: that run tells of it.
    """
    return {one.subject: one.trouble for one in results if one.trouble and one.kind != Busy.kind}


def said(troubles: Mapping[str, Trouble]) -> dict[str, Trouble]:
    """Given troubles by subject, return those that say something: what another one says is left out."""
    return {subject: one for subject, one in troubles.items() if one.told_by not in troubles}


def notices(results: Iterable[Result]) -> tuple[tuple[str, Notice], ...]:
    """Return the notices, each with its subject."""
    return tuple((one.subject, notice) for one in results for notice in one.notices)


def exit_code(asked: Iterable[Result], besides: Iterable[Result] = (), *, reached: bool = False) -> ExitCode:
    """Given the results that a person asked for, and those besides, return the exit code.

    A bug anywhere comes first. Then what another run is at counts as if nobody had asked for it, unless that
    is all of it: `LOCKED`. `UNREACHABLE` needs all of the rest. `reached` says that something besides was
    reached.
    """
    asked = tuple(asked)
    everything = (*asked, *besides)
    found = troubles(everything)
    kinds = [one.kind for one in asked if one.kind != Busy.kind]
    if BUG in kinds or any(trouble.kind == BUG for trouble in found.values()):
        return ExitCode.BUG
    if asked and not kinds:
        return ExitCode.LOCKED
    if kinds and all(kind == Unreachable.kind for kind in kinds) and not reached:
        return ExitCode.UNREACHABLE
    attention = any(not notice.harmless for _, notice in notices(everything))
    return ExitCode.ATTENTION if found or attention else ExitCode.OK


def one_failure(name: str, work: Callable[[], T], failed: Callable[[str, str], T]) -> T:
    """Do one piece of work. If it fails, also by a bug, return `failed(problem, kind)`.

    `name` is the device or dashboard, for the log. Raise only `StopRun`.
    """
    try:
        return work()
    except StopRun:
        raise
    except ZkpollError as error:
        return failed(str(error), error.kind)
    except MemoryError:
        return failed(OUT_OF_MEMORY, MEMORY)
    except Exception as error:  # noqa: BLE001  # one failure stays one failure
        problem = FAILED.format(type(error).__name__)
        _log.exception("%s: %s", name, problem)
        return failed(problem, BUG)
