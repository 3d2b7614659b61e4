"""This host's own clock: whether the kernel trusts it."""

from __future__ import annotations

import struct
import sys
from typing import Final

# struct timex begins with: unsigned modes; long offset, freq, maxerror, esterror; int status.
_STATUS: Final = struct.Struct("@Illlli")
_ROOM: Final = 512  # bytes, for a struct of 208 on 64-bit Linux
_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x0040


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
