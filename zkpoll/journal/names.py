"""What the journal knows of people: names, by the exports of users; ids, by the punches. Nothing here writes.

Names are as their device has them, in bytes: how they are read is a setting, which may be put right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal


def exported_names(journal: Journal) -> Iterator[tuple[str, str | None, list[tuple[str, bytes]]]]:
    """Yield each device whose users were exported: its key, its name if known, and its ids with their names.

    One device is in memory at a time.
    """
    for key, name in journal.all("exported_devices"):
        yield key, name, [(user_id, given) for user_id, given in journal.all("names_on_device", key=key)]


def has_punched(journal: Journal, user: str) -> bool:
    """Say whether the journal holds a punch of this user id."""
    return journal.one("punch_of_user", user=user) is not None


def ids_of_punches(journal: Journal) -> list[str]:
    """Return every user id that punched."""
    return [row[0] for row in journal.all("users_of_punches")]
