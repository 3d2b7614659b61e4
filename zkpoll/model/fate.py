"""The fates of a device's log that was to be cleared."""

from __future__ import annotations

from enum import StrEnum


class Fate(StrEnum):
    """The fate of a log. Only `CLEARED`, `EMPTY` and `UNKNOWN` may leave it without what it held."""

    CLEARED = "cleared"
    EMPTY = "empty"
    """There was nothing to clear."""
    UNSETTLED = "unsettled"
    """The keeper does not let all of its records go; the device was not disabled."""
    CHANGED = "changed"
    """Somebody punched before the device was disabled."""
    DISABLE_IGNORED = "disable ignored"
    """Its log changes while it is disabled: it must not be cleared before a person has looked at it."""
    CLEAR_IGNORED = "clear ignored"
    """CLEAR was acknowledged, and the log is still there."""
    NOT_CLEARED = "not cleared"
    """The visit broke off, or would take too long while nobody can punch; the log is still there."""
    UNKNOWN = "unknown"
    """CLEAR was sent, and the state of the log could not be found out; the copy has all of it."""
    BUSY = "busy"
    """Another run is at the device; it is left to that one."""
    REFUSED = "refused"
    """Not tried: the device proved unfit for it before, as was told then."""
    BUG = "bug"
    """Broken off by a bug in zkpoll."""
