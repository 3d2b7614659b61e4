"""Whether this host's clock is synchronised."""

from __future__ import annotations

import ctypes
import struct
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from zkpoll.pull.host_clock import alike, doubt, may_have_jumped, synchronised

if TYPE_CHECKING:
    from collections.abc import Callable

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="adjtimex(2) is Linux's")
MODES = struct.Struct("@I")
# struct timex (man 2 adjtimex) up to its status.
HEAD = struct.Struct("@Illlli")


class Libc:
    """A C library whose kernel gives one answer, and that keeps what it was asked."""

    def __init__(self, state: int, status: int) -> None:
        self.asked: list[bytes] = []
        self._state = state
        self._status = status

    def adjtimex(self, buffer: ctypes.Array[ctypes.c_char]) -> int:
        """Take a struct timex, fill in its status, and return the state."""
        self.asked.append(buffer.raw)
        HEAD.pack_into(buffer, 0, 0, 0, 0, 0, 0, self._status)
        return self._state


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Give a way to put another C library in the place of this host's."""

    def put(library: Any) -> None:
        monkeypatch.setattr(ctypes, "CDLL", lambda _: library)

    return put


@LINUX
@pytest.mark.parametrize(
    ("state", "status", "answer"),
    [
        (0, 0x2001, True),  # TIME_OK; STA_PLL, STA_NANO
        (1, 0x0011, True),  # TIME_INS: a leap second is announced
        (5, 0x0040, False),  # TIME_ERROR; STA_UNSYNC: no daemon has said anything since the boot
        (0, 0x0041, False),
        (5, 0x0001, False),
        (-1, 0, None),  # a sandbox refuses the call
    ],
)
def test_the_kernels_word_is_taken(
    libc: Callable[[Any], None], state: int, status: int, answer: bool | None
) -> None:
    """TIME_ERROR or STA_UNSYNC is no, a refused call is no answer, all else is yes."""
    libc(Libc(state, status))
    assert synchronised() is answer


@LINUX
def test_asking_sets_nothing(libc: Callable[[Any], None]) -> None:
    """The kernel is asked once, with no mode set, and has room for its whole answer."""
    library = Libc(0, 0)
    libc(library)
    synchronised()
    (asked,) = library.asked
    assert MODES.unpack_from(asked) == (0,)
    assert len(asked) >= 208


def test_a_library_without_the_call_gives_no_answer(libc: Callable[[Any], None]) -> None:
    """Where the C library has no adjtimex, nobody can tell."""
    libc(object())
    assert synchronised() is None


def test_another_system_gives_no_answer(libc: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system is not Linux, nobody can tell, and nothing is called."""
    library = Libc(0, 0)
    libc(library)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert synchronised() is None
    assert library.asked == []


@pytest.mark.parametrize("error", [ImportError, MemoryError, OSError])
def test_a_host_that_cannot_ask_gives_no_answer(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Where the C library cannot be reached at all, nobody can tell."""

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert synchronised() is None


def test_this_host_answers() -> None:
    """The real kernel's answer is yes, no or none, and the same again."""
    first = synchronised()
    assert first in (True, False, None)
    assert synchronised() is first


# --- whether anything may be deleted for its age ---

NTP = "this host's clock is not synchronised by NTP"
ALONE = "no terminal's clock is within an hour of this host's"
UNKNOWN = "nobody can tell whether this host's clock is right"


@pytest.mark.parametrize(
    ("vouched", "drifts", "why"),
    [
        (True, [], None),
        (True, [-3.0, 4e8], None),  # one bears it out; the other has lost its power
        (True, [-6.3e7], ALONE),
        (True, [3600.0, -3600.0], ALONE),
        (None, [3599.0], None),
        (None, [-6.3e7, -6.3e7], ALONE),
        (None, [], UNKNOWN),
        (False, [0.0], NTP),
        (False, [], NTP),
    ],
)
def test_when_an_age_means_nothing(vouched: bool | None, drifts: list[float], why: str | None) -> None:
    """Neither the kernel nor all terminals may say no, and one of them must say yes."""
    assert doubt(vouched, drifts) == why


@pytest.mark.parametrize(
    ("ago", "jumped"),
    [(None, True), (timedelta(0), False), (timedelta(days=2), False), (timedelta(days=3), True)],
)
def test_a_long_pause_may_be_a_jump(ago: timedelta | None, jumped: bool) -> None:
    """A clock that is days past the newest reading, or that has none behind it, may have jumped."""
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    assert may_have_jumped(None if ago is None else now - ago, now) is jumped


# --- whose clock is off ---

DAYS = 86_400.0


@pytest.mark.parametrize(
    ("off", "read", "found"),
    [
        ([], 3, 0),
        ([-730 * DAYS], 1, 0),
        ([-730 * DAYS, -730 * DAYS + 200], 2, 2),
        ([-730 * DAYS, -730 * DAYS + 200], 3, 0),  # the third is right
        ([-730 * DAYS, -730 * DAYS + 200, -730 * DAYS - 200, 9e8], 4, 3),
        ([-730 * DAYS, -730 * DAYS, -730 * DAYS], 6, 0),
        ([3600.0, 3700.0, 3890.0], 3, 3),
        ([3600.0, 7200.0], 2, 0),
        ([3600.0, -3600.0], 2, 0),
        ([90.0, 92.0], 2, 2),
        ([60.0, 90.0], 2, 0),  # two slow clocks
    ],
)
def test_clocks_do_not_go_wrong_together(off: list[float], read: int, found: int) -> None:
    """Those off alike are all that were read, two at least, or three and most of them."""
    assert len(alike(off, read)) == found
