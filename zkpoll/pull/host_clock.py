"""This host's own clock: whether the kernel trusts it, and whether we do."""

from __future__ import annotations

import struct
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.wall_clock import TOO_FAR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# struct timex begins with: unsigned modes; long offset, freq, maxerror, esterror; int status.
_STATUS: Final = struct.Struct("@Illlli")
_ROOM: Final = 512  # bytes, for a struct of 208 on 64-bit Linux
_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x0040
_PAUSE: Final = timedelta(days=2)
"""Runs come once a day at the least; a longer pause and a clock that jumped look alike."""

_APART: Final = 300.0
"""Seconds by which clocks that nobody sets are apart; those of one company, set by hand, are seldom more."""
_SHARE: Final = 0.1
"""Clocks that are slow by a minute and two are not off alike."""
_SOME: Final = 2
"""So many may be off alike by chance, beside others."""


def doubt(vouched: bool | None, drifts: Sequence[float]) -> str | None:
    """Return why nothing may be deleted for its age by this host's clock, or None.

    `vouched` is the kernel's word, as `synchronised` has it. `drifts` are the seconds by which the clocks of
    terminals that were read just now are ahead of it: one at least must bear it out, and where the kernel
    cannot tell, that is enough. Pure.
    """
    if vouched is False:
        return "this host's clock is not synchronised by NTP"
    if drifts and not any(abs(drift) < TOO_FAR for drift in drifts):
        return "no terminal's clock is within an hour of this host's"
    if vouched is None and not drifts:
        return "nobody can tell whether this host's clock is right"
    return None


def alike(off: Sequence[float], read: int) -> tuple[float, ...]:
    """Given by how much the clocks are ahead that are off, of so many that were read, return those off alike.

    In seconds. Clocks do not go wrong together: it is this host's that is off, or the zone of all of them.
    None are alike unless they are all that were read, two at least, or three and most of them. Pure.
    """
    groups = (
        tuple(one for one in off if abs(one - middle) <= min(abs(middle) * _SHARE, _APART)) for middle in off
    )
    found = max(groups, key=len, default=())
    enough = len(found) == read > 1 or (len(found) > _SOME and 2 * len(found) > read)
    return found if enough else ()


def may_have_jumped(newest: datetime | None, now: datetime) -> bool:
    """Given the newest reading that is not ahead of now (aware), say whether the clock may have jumped since.

    So it may where there is no such reading. A machine that was switched off for so long looks the same: the
    run that finds it so makes a reading, and the next one does not find it any more. Pure.
    """
    return newest is None or now - newest > _PAUSE


def synchronised() -> bool | None:
    """Return whether this host's clock is synchronised, by the kernel's word; None if it cannot tell.

    It is not when adjtimex(2) returns TIME_ERROR or the status STA_UNSYNC: so it is after every boot and
    every setting by hand, until ntpd, chrony or systemd-timesyncd says otherwise, and again some hours after
    they fall silent. chrony says so only with its `rtcsync`, which distributions set. The call changes
    nothing (`modes` is 0), which needs no privilege; a sandbox may refuse it all the same.
    Source: man 2 adjtimex.
    """
    told = _adjtimex()
    if told is None:
        return None
    state, status = told
    return state != _TIME_ERROR and not status & _STA_UNSYNC


def _adjtimex() -> tuple[int, int] | None:
    """Return the state and the status word that adjtimex(2) tells, or None if it cannot be asked."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        call = ctypes.CDLL(None).adjtimex
    # Without libffi; where memory may not be made executable; a libc without the name.
    except (ImportError, MemoryError, OSError, AttributeError):
        return None
    buffer = ctypes.create_string_buffer(_ROOM)  # all zeros: `modes` too, so that nothing is set
    state: int = call(buffer)
    return None if state < 0 else (state, _STATUS.unpack_from(buffer)[-1])
