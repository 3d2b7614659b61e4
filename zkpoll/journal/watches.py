"""Who watches: locks that say so for as long as a process lives, whatever it does at the moment.

watch         some `zkpoll watch` has the journal
watch NAME    one of them has this device, also while it waits for it or leaves its seat to others
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

ANY_WATCH: Final = "watch"
"""The subject of the lock that one of them holds."""


def watch_of(name: str) -> str:
    """Given a device, return the subject of the lock of the process that watches it."""
    return f"watch {name}"


def is_watched(journal: Journal, name: str) -> bool:
    """Say whether a process watches a device."""
    return bool(journal.is_locked(watch_of(name)))
