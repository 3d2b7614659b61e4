"""The one rule that turns results into an exit code, and how one failure stays one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from zkpoll.errors import Busy, ExitCode, JournalError, Refused, Stopped
from zkpoll.model.report import BUG, Notice, Trouble
from zkpoll.tasks.result import exit_code, notices, one_failure, troubles


@dataclass(frozen=True)
class Found:
    """A result of any task."""

    kind: str | None = None
    trouble: Trouble | None = None
    notices: tuple[Notice, ...] = ()
    subject: str = "device front"


def failed(kind: str, subject: str = "device front") -> Found:
    """Return the result of a task that failed."""
    return Found(kind, Trouble(kind, "something is wrong"), subject=subject)


WELL, BUSY, AWAY, MUTE, BROKEN = Found(), failed("busy"), failed("unreachable"), failed("silent"), failed(BUG)
ODD = Found(trouble=Trouble("clock", "its clock is off"))


@pytest.mark.parametrize(
    ("asked", "besides", "reached", "code"),
    [
        ([], [], False, ExitCode.OK),
        ([WELL, WELL], [], False, ExitCode.OK),
        ([WELL, MUTE], [], False, ExitCode.ATTENTION),
        ([ODD], [], False, ExitCode.ATTENTION),
        ([BUSY, BUSY], [], False, ExitCode.LOCKED),
        ([BUSY, WELL], [], False, ExitCode.OK),
        ([BUSY, AWAY], [], False, ExitCode.UNREACHABLE),
        ([BUSY, AWAY, WELL], [], False, ExitCode.ATTENTION),
        ([BUSY, BUSY], [ODD], False, ExitCode.LOCKED),
        ([AWAY, AWAY], [], False, ExitCode.UNREACHABLE),
        ([AWAY, AWAY], [WELL], True, ExitCode.ATTENTION),
        ([AWAY, WELL], [], False, ExitCode.ATTENTION),
        ([BROKEN, AWAY], [], False, ExitCode.BUG),
        ([BUSY], [failed(BUG, "dashboard main")], False, ExitCode.BUG),
        ([WELL], [failed("busy", "dashboard main")], False, ExitCode.OK),
        ([Found(notices=(Notice("it was set", harmless=True),))], [], False, ExitCode.OK),
        ([Found(notices=(Notice("2 records are impossible"),))], [], False, ExitCode.ATTENTION),
    ],
)
def test_the_exit_code(asked: list[Found], besides: list[Found], reached: bool, code: ExitCode) -> None:
    """A bug comes first; what another run is at counts as not asked for, unless that is all there is."""
    assert exit_code(asked, besides, reached=reached) is code


def test_the_later_trouble_of_a_subject_counts() -> None:
    """A subject is in one trouble at a time; notices are all told."""
    assert troubles([MUTE, WELL, AWAY]) == {"device front": AWAY.trouble}
    one, other = Notice("one"), Notice("other")
    assert notices([Found(notices=(one,)), Found(notices=(other,))]) == (
        ("device front", one),
        ("device front", other),
    )


@pytest.mark.parametrize(
    ("error", "problem", "kind"),
    [
        (Busy("another run is at it"), "another run is at it", "busy"),
        (Refused("it will not"), "it will not", "refused"),
        (MemoryError(), "there was not enough memory for it", "memory"),
        (ZeroDivisionError(), "zkpoll itself failed here (ZeroDivisionError); please report it", BUG),
    ],
)
def test_one_failure_stays_one(error: Exception, problem: str, kind: str) -> None:
    """Errors and bugs become the result of the one piece of work."""

    def work() -> tuple[str, str]:
        raise error

    told = one_failure("front", work, lambda problem, kind: (problem, kind))
    assert told[0].startswith(problem)
    assert told[1] == kind


@pytest.mark.parametrize("error", [Stopped("stopped"), JournalError("the disk is full"), KeyboardInterrupt()])
def test_what_stops_a_run_goes_up(error: BaseException) -> None:
    """A stop, and a journal that cannot be used, are no failure of one device."""

    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        one_failure("front", work, lambda _problem, _kind: None)
