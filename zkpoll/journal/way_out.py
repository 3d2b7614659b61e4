"""Punches on their way out of the journal: each is still the one whose id it has."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from zkpoll.journal.spans import spans_in
from zkpoll.model.punch import Event, punch_id
from zkpoll.wall_clock import WALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.journal.database import Journal, Row
    from zkpoll.journal.spans import Span


def events(journal: Journal, rows: Sequence[Row]) -> tuple[Event, ...]:
    """Return the punches of rows, which are each a place in the journal and the fields of an event.

    A bit that has flipped on the disk may name another person: the id is computed anew from device key, user
    and time. Raise `JournalError` where it is another one.
    """
    found, doubtful = [], []
    for seq, id_, name, key, user_id, timestamp, verify, state, work_code, source, suspect, manual in rows:
        if id_ != punch_id(key, user_id, timestamp[:WALL]):
            doubtful.append((seq, id_, key, user_id, timestamp[:WALL]))
        told = id_, name, key, user_id, timestamp, verify, state, work_code, source
        found.append(Event(*told, clock_suspect=bool(suspect), manual=bool(manual)))
    if doubtful:  # further punches of a second, as a rule
        nths: dict[int, int] = dict(journal.look_up("nth_of_second", [seq for seq, *_ in doubtful]))
        for index, (_, id_, key, user_id, wall) in enumerate(doubtful):
            if id_ != punch_id(key, user_id, wall, nths.get(index, 1)):
                raise journal.damaged()
    return tuple(found)


def spans_sent(journal: Journal, text: str) -> list[Span]:
    """Given the places of a request in flight as text, return them. Raise `JournalError` where it is none."""
    try:
        return spans_in(text)
    except ValueError:
        raise journal.damaged() from None


def check_bytes(journal: Journal, key: str, body: bytes) -> None:
    """Given a request's key, the SHA-256 of its body, raise `JournalError` where the body is another one."""
    if sha256(body).hexdigest() != key:
        raise journal.damaged()
