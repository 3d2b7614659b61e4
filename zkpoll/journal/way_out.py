"""Punches on their way out of the journal: each is still the one whose id it has."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from zkpoll.model.punch import Event, punch_id
from zkpoll.wall_clock import WALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.journal.database import Journal, Row


def events(journal: Journal, rows: Sequence[Row]) -> tuple[Event, ...]:
    """Return the punches of rows, which are each a place in the journal and the fields of an event.

    A bit that has flipped on the disk may name another person: the id is computed anew from device key, user
    and time. Raise `JournalError` where it is another one.
    """
    found = tuple(Event._make((*row[1:-1], bool(row[-1]))) for row in rows)
    doubtful = [place for place, one in enumerate(found) if one.id != _id_of(one)]
    if doubtful:  # further punches of a second, as a rule
        seqs = [rows[place][0] for place in doubtful]
        nths: dict[int, int] = dict(journal.look_up("nth_of_second", seqs))
        for index, place in enumerate(doubtful):
            if found[place].id != _id_of(found[place], nths.get(index, 1)):
                raise journal.damaged()
    return found


def _id_of(event: Event, nth: int = 1) -> str:
    return punch_id(event.serial_number, event.user_id, event.timestamp[:WALL], nth)


def check_bytes(journal: Journal, key: str, body: bytes) -> None:
    """Given a request's key, the SHA-256 of its body, raise `JournalError` where the body is another one."""
    if sha256(body).hexdigest() != key:
        raise journal.damaged()
