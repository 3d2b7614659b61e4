"""How the push door and the devices that call there stand, for the screen of `zkpoll status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkpoll.journal import callers
from zkpoll.journal.pushed import pushed_standings
from zkpoll.reports.refused_callers import is_let_in
from zkpoll.reports.verdict import Need
from zkpoll.reports.words import STAMPED_AHEAD, ahead, counted, iso, minute, span
from zkpoll.tasks.push_outcome import PUSH, ListenerOutcome, is_silent
from zkpoll.wall_clock import age, is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.pushed import PushStanding


@dataclass(frozen=True, slots=True)
class PushStatus:
    """A device that pushes, and how it stands."""

    name: str
    standing: PushStanding | None
    """None while it never called."""
    silent: bool
    """Whether it leaves out its calls, or has never called; not where it is taken out."""
    stale: bool
    """Whether it does so for longer than it may."""
    ahead: bool = False
    """Whether its last call is stamped ahead of now, so that nobody knows how long ago it was."""
    enabled: bool = True

    @property
    def subject(self) -> str:
        """The subject of its troubles."""
        return f"{PUSH}{self.name}"

    @property
    def attention(self) -> bool:
        """Whether a person has to see to its calls."""
        return any(self.needs())

    def needs(self) -> Iterator[Need]:
        """Yield what a person has to see to."""
        subject, last = self.subject, self.standing.last_call_at if self.standing else None
        if self.stale and last:
            yield Need(subject, "silent", "it does not call", last)
        elif self.stale:
            text = "it has never called; `zkpoll devices pending` shows who was refused"
            yield Need(subject, "never called", text)
        if self.ahead:
            yield Need(subject, "ahead", f"its last call is {STAMPED_AHEAD}")

    @property
    def looks_bad(self) -> bool:
        """Whether it is shown in red."""
        return self.silent or self.attention

    def cells(self, now: datetime) -> tuple[str, str, str, str, str]:
        """Return its last call, its last punches, its clock, the TimeZone it was told, and its replays."""
        standing = self.standing
        if standing is None:
            return "never, TOO LONG" if self.stale else "never", "", "", "", ""
        call = f"{span(age(standing.last_call_at, now))} ago"
        call = f"{minute(standing.last_call_at)}, AHEAD" if self.ahead else call
        word = ", TOO LONG" if self.stale else ", SILENT" if self.silent else ""
        batch = standing.committed_at
        return (
            f"{call}{word}",
            f"{span(age(batch, now))} ago" if batch else "never",
            "" if standing.skew is None else ahead(-standing.skew),
            standing.zone_told or "",
            f"{standing.replays:,}" if standing.replays else "",
        )

    def words(self, now: datetime) -> Iterator[str]:
        """Yield the same in words, without what is empty."""
        call, batch, clock, zone, replays = self.cells(now)
        if self.standing is None:
            yield call.replace("never", "never called")
            return
        yield f"called {call}"
        yield f"pushed {batch}"
        if clock:
            yield f"push clock {clock}"
        if zone:
            yield f"TimeZone {zone}"
        if self.standing.dialect:
            yield f"dialect {self.standing.dialect}"
        if replays:
            yield f"replays {replays}"

    def document(self) -> dict[str, Any]:
        """Return it for JSON. `skew` are the seconds from punch to receipt."""
        one = self.standing
        first, last, batch = (one.first_call_at, one.last_call_at, one.committed_at) if one else [None] * 3
        return {
            "silent": self.silent,
            "stale": self.stale,
            "ahead_of_clock": self.ahead,
            "first_call": iso(first),
            "last_call": iso(last),
            "last_batch": iso(batch),
            "address": one and one.address,
            "dialect": one and one.dialect,
            "timezone_told": one and one.zone_told,
            "skew": one and one.skew,
            "replays": one.replays if one else 0,
            "door_events": one.door_events if one else 0,
        }


@dataclass(frozen=True, slots=True)
class DoorStatus:
    """The push door: whether anybody listens there, and who was not let in."""

    open: bool | None
    """Whether a `zkpoll serve` has the journal; None where that cannot be seen."""
    needed: bool
    """Whether any device that is in use pushes."""
    refused: int = 0
    """Serial numbers of callers that were refused, and are not let in by now."""
    nameless: int = 0
    """Requests without a well-formed serial number."""

    @property
    def attention(self) -> bool:
        """Whether punches wait in terminals because nobody listens."""
        return any(self.needs())

    def needs(self) -> Iterator[Need]:
        """Yield what a person has to see to."""
        if self.needed and self.open is False:
            text = "no `zkpoll serve` runs, so no punches arrive; terminals keep them"
            yield Need(ListenerOutcome().subject, "closed", text)

    def words(self) -> Iterator[str]:
        """Yield how it stands, in words."""
        if self.open is None:
            yield "whether `zkpoll serve` runs cannot be seen from here"
        else:
            yield "`zkpoll serve` runs" if self.open else "no `zkpoll serve` runs"
        if self.refused:
            were = "was" if self.refused == 1 else "were"
            yield f"{counted(self.refused, 'caller')} {were} refused; see `zkpoll devices pending`"

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"serving": self.open, "refused_callers": self.refused, "nameless_requests": self.nameless}


def push_status(
    inventory: Inventory, journal: Journal, limit: timedelta, now: datetime
) -> tuple[dict[str, PushStatus], DoorStatus | None]:
    """Return the devices that push, by name, and their door; None where none does.

    `limit` is for how long one may be silent, `now` is UTC.
    """
    if not inventory.pushing:
        return {}, None
    poll_every = inventory.listen.poll_every if inventory.listen else 0
    standings = pushed_standings(journal)
    found = {}
    for device in inventory.pushing:
        one = standings.get(device.name)
        last = one.last_call_at if one else None
        silent = device.enabled and (last is None or is_silent(last, now, poll_every))
        stale = silent and (last is None or age(last, now) > limit)
        in_future = device.enabled and last is not None and is_ahead(last, now)
        found[device.name] = PushStatus(device.name, one, silent, stale, in_future, device.enabled)
    door = DoorStatus(
        journal.is_locked("serve"),
        any(device.enabled for device in inventory.pushing),
        sum(not is_let_in(one, standings.values()) for one in callers.pending(journal)),
        callers.nameless(journal),
    )
    return found, door
