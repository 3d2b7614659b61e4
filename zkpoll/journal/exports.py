"""What is exported: the users each device had last time, and the punches of some days.

Users are kept as their device has them, names in bytes, so that a corrected `encoding` renames nobody.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from zkpoll.journal import way_out
from zkpoll.journal.database import now
from zkpoll.journal.day_index import places_of_days
from zkpoll.model.user import User

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from zkpoll.journal.database import Journal, Row
    from zkpoll.model.delivery import OutboxState
    from zkpoll.model.punch import Event

PAGE: Final = 2000
"""Punches looked at at a time; what a page holds is all that is in memory."""


@dataclass(frozen=True, slots=True)
class LastExport:
    """The users a device had when they were last exported."""

    exported_at: str
    """UTC, ISO 8601."""
    users: tuple[User, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which punches are meant: those that fit all that is given."""

    first: date | None = None
    """By their devices' wall clocks, as is `last`."""
    last: date | None = None
    """Inclusive."""
    user: str | None = None
    devices: frozenset[str] | None = None
    """Names of devices, today or when the punch was journalled; None for all."""


@dataclass(frozen=True, slots=True)
class Journalled:
    """A punch, and how it stands."""

    event: Event
    journalled_at: str
    """UTC, ISO 8601."""
    states: Mapping[str, OutboxState]
    """By dashboard; one that the punch is older than is not among them."""
    hold: str | None
    """Why dashboards do not get it unless a person asks for it; None where it is held from none."""


def last_users(journal: Journal, key: str) -> LastExport | None:
    """Given a device key, return the users last exported of it, or None if none ever were."""
    row = journal.one("last_export", key=key)
    if row is None:
        return None
    users = (User(*[*fields, bool(has)]) for *fields, has in journal.all("exported_users", key=key))
    return LastExport(row[0], tuple(users))


def keep_users(journal: Journal, key: str, users: Sequence[User]) -> None:
    """Keep `users` as those last exported of the device with this key, in place of the ones before."""
    rows = [
        {**asdict(user), "key": key, "place": place, "has_password": int(user.has_password)}
        for place, user in enumerate(users)
    ]
    with journal.transaction():
        journal.run("note_export", key=key, now=now())
        journal.run("forget_exported_users", key=key)
        journal.run_many("add_exported_user", rows)


def punches(journal: Journal, wanted: Wanted) -> Iterator[Journalled]:
    """Yield the punches that are meant, in the order of journalling; no transaction is open in between.

    Those of a person, or of some days, are found by an index: what is journalled meanwhile is not among them.
    """
    chosen = bool(wanted.user is not None or wanted.first or wanted.last)
    pages = _pages_of(journal, wanted) if chosen else _pages(journal, wanted)
    for page in pages:
        yield from _with_states(journal, page)


def _pages(journal: Journal, wanted: Wanted) -> Iterator[Sequence[Row]]:
    names, after, every = sorted(wanted.devices or ()), 0, wanted.devices is None
    while page := journal.look_up("punches_to_export", names, after=after, all=every, limit=PAGE):
        yield page
        after = page[-1][0]


def _pages_of(journal: Journal, wanted: Wanted) -> Iterator[Sequence[Row]]:
    places = places_of_days(journal, wanted.first, wanted.last, wanted.user)
    for at in range(0, len(places), PAGE):
        rows = journal.look_up("punches_at", places[at : at + PAGE])
        yield [row[:-1] for row in rows if wanted.devices is None or wanted.devices & {row[3], row[-1]}]


def _with_states(journal: Journal, page: Sequence[Row]) -> Iterator[Journalled]:
    states: list[dict[str, OutboxState]] = [{} for _ in page]
    holds: list[dict[str, None]] = [{} for _ in page]  # each reason once, in order
    for place, name, state, reason in journal.look_up("states_of_punches", [row[0] for row in page]):
        states[place][name] = state
        if state == "held":
            holds[place][reason] = None
    events = way_out.events(journal, [(seq, *fields) for seq, _, *fields in page])
    for (_, journalled_at, *_), event, found, held in zip(page, events, states, holds, strict=True):
        yield Journalled(event, journalled_at, found, ", ".join(held) or None)
