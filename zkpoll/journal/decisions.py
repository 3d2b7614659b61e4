"""What a person decides about the punches of one dashboard: to try again, to discard, to send older ones.

The caller holds the dashboard's lock while it writes, so that nothing changes under a delivery.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from zkpoll.journal.database import now
from zkpoll.journal.day_index import places_of_days
from zkpoll.journal.devices import STRANGER
from zkpoll.journal.holds import FOR_A_PERSON
from zkpoll.journal.spans import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from zkpoll.journal.database import Journal
    from zkpoll.journal.holds import HeldReason, Hold
    from zkpoll.model.delivery import OutboxState

PAGE: Final = 5000
"""Punches looked at, or changed, at a time: what a page holds is all that is in memory, and no other process
waits for more than a page."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A punch, and how it stands with one dashboard."""

    dashboard: str
    seq: int
    id: str
    device: str
    """The device's name when the punch was journalled."""
    serial_number: str
    user_id: str
    timestamp: str
    state: OutboxState
    reason: str | None
    since: str
    """When it came to be in that state (UTC, ISO 8601)."""
    tried_at: str | None
    """Parked: when it was last refused; None when the next sync tries it."""
    named_now: str | None
    """The device's name in the inventory; None where it has none any more."""
    stranger: bool
    """Whether its terminal answers where another one belongs, and is not accepted."""
    same_terminal: bool
    """Whether it came in under a serial number that a repair gave to a terminal of the inventory."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which punches of a dashboard are meant: those that fit all that is given."""

    states: frozenset[str]
    """Of `parked`, `held`, `pending`, `discarded`; with `ids` any state is meant."""
    user: str | None = None
    devices: frozenset[str] | None = None
    """Names of devices, today or when the punch was journalled; None for all."""
    ids: tuple[str, ...] = ()

    def means(self, punch: Waiting) -> bool:
        """Given a punch, say whether it is one of them."""
        return (
            (bool(self.ids) or punch.state in self.states)
            and self.user in {None, punch.user_id}
            and (self.devices is None or bool(self.devices & {punch.device, punch.named_now}))
        )


@dataclass(frozen=True, slots=True)
class Span:
    """Punches of some days, by their devices' wall clocks."""

    first: date
    last: date
    """Inclusive."""
    devices: frozenset[str] | None = None
    """Names of devices, today or when the punch was journalled; None for all."""


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What became of the punches of a span."""

    added: int = 0
    """Punches that the dashboard was never to get, pending now."""
    released: int = 0
    """Punches that were held, pending now."""
    held: int = 0
    """Punches that the dashboard was never to get, held now."""
    left: int = 0
    """Punches left as they were."""

    def __add__(self, other: Backfilled) -> Backfilled:
        return Backfilled(
            self.added + other.added,
            self.released + other.released,
            self.held + other.held,
            self.left + other.left,
        )


def dashboards(journal: Journal) -> list[str]:
    """Return the names of all dashboards that the journal has punches for, or had."""
    return [name for name, _ in journal.all("destinations")]


def device_names(journal: Journal) -> frozenset[str]:
    """Return the names that devices have today."""
    return frozenset(name for (name,) in journal.all("device_names"))


def names_of_punches(journal: Journal) -> frozenset[str]:
    """Return the names that devices had when a punch was journalled."""
    return frozenset(name for (name,) in journal.all("names_of_punches"))


# --- what may be done, and what is due; pure ---


def why_not_retried(punch: Waiting) -> str | None:
    """Given a punch, return why it is not to be sent again, or None if it may be."""
    if why := _NOT_RETRIED.get(punch.state):
        return why
    if punch.stranger or punch.reason == STRANGER:
        return "it is of a terminal that is not accepted; see zkpoll devices accept"
    if punch.same_terminal:
        return "its terminal has shown it under its own serial number, too"
    return None


def why_not_discarded(punch: Waiting) -> str | None:
    """Given a punch, return why it is not to be discarded, or None if it may be."""
    return _NOT_DISCARDED.get(punch.state)


_NOT_RETRIED: Final[Mapping[OutboxState, str]] = {
    "confirmed": "the dashboard has it",
    "pending": "the next sync sends it anyway",
}
_NOT_DISCARDED: Final[Mapping[OutboxState, str]] = {
    "confirmed": "the dashboard has it",
    "discarded": "it is discarded already",
}


_Place: TypeAlias = "tuple[OutboxState, HeldReason | None]"
"""A state, and the reason for it."""


class _Row(NamedTuple):
    """A punch of a span, and its place in one outbox."""

    seq: int
    hold: Hold | None
    stranger: int
    state: OutboxState | None
    """None where the outbox lacks it."""
    reason: str | None


def _due(punch: _Row, repeats: bool) -> _Place | None:
    """Return the state and reason that a backfill gives a punch, or None if it is left as it is.

    `repeats`: whether repeats are sent as well. Never sent are those that share their second or their bytes
    with another one, were typed in or came all of a sudden, for a person decides about each, and those of a
    stranger.
    """
    if punch.state is None:
        reason = _why_held(punch, repeats)
        return ("held" if reason else "pending"), reason
    wanted = {"since", "repeat"} if repeats else {"since"}
    if punch.state == "held" and punch.reason in wanted and not punch.stranger:
        return "pending", None
    return None


def _why_held(punch: _Row, repeats: bool) -> HeldReason | None:
    if punch.hold in FOR_A_PERSON:
        return punch.hold
    if punch.stranger:
        return STRANGER
    return "repeat" if punch.hold == "repeat" and not repeats else None


class Decisions:
    """One dashboard's punches, as a person looks at them and decides."""

    def __init__(self, journal: Journal, dashboard: str) -> None:
        """Given a dashboard's name, look at its punches; one that the journal does not know has none."""
        self._journal = journal
        self._name = dashboard
        ids: dict[str, int] = dict(journal.all("destinations"))
        self._destination = ids.get(dashboard)

    def punches(self, choice: Selection) -> Iterator[Waiting]:
        """Yield the punches that are meant, oldest first. Between two of them no transaction is open."""
        for seqs in [self._with_ids(choice.ids)] if choice.ids else self._pages(choice.states):
            yield from filter(choice.means, self._at(seqs))

    def first(self, state: OutboxState, limit: int) -> list[Waiting]:
        """Return the first punches in a state, oldest first, no more than `limit`."""
        return self._at(self._page(frozenset({state}), 0, limit))

    def _pages(self, states: frozenset[str]) -> Iterator[list[int]]:
        seqs = [0]
        while seqs:
            seqs = self._page(states, seqs[-1], PAGE)
            yield seqs

    def _page(self, states: frozenset[str], after: int, limit: int) -> list[int]:
        asked = {state: state in states for state in ("parked", "held", "pending", "discarded")}
        rows = self._journal.all(
            "outbox_page", destination=self._destination, after=after, limit=limit, **asked
        )
        return [seq for (seq,) in rows]

    def _with_ids(self, ids: Sequence[str]) -> list[int]:
        return sorted({seq for (seq,) in self._journal.look_up("punches_by_id", ids)})

    def _at(self, seqs: Sequence[int]) -> list[Waiting]:
        rows = self._journal.look_up("outbox_rows", seqs, destination=self._destination)
        return [
            Waiting(self._name, *fields, *map(bool, flags))
            for fields, flags in ((row[1:-2], row[-2:]) for row in rows)
        ]

    def retry(self, choice: Selection, seen: Places) -> int:
        """Let the next sync send those that are meant, of the places that were seen; return how many.

        Parked ones stay parked until the dashboard takes them. What may not be sent is left.
        """
        return self._change("retry", self._of_seen(seen, choice, why_not_retried))

    def discard(self, choice: Selection, seen: Places, reason: str) -> int:
        """Never send those that are meant, of the places that were seen, and write down why; return how many.

        The journal keeps them.
        """
        return self._change("discard", self._of_seen(seen, choice, why_not_discarded), reason=reason)

    def _of_seen(
        self, seen: Places, choice: Selection, why_not: Callable[[Waiting], str | None]
    ) -> Iterator[Waiting]:
        until = takewhile(lambda punch: punch.seq <= seen.end, self.punches(choice))
        return (punch for punch in until if punch.seq in seen and why_not(punch) is None)

    def _change(self, statement: str, punches: Iterator[Waiting], **parameters: object) -> int:
        changed = 0
        common = {"destination": self._destination, "now": now(), **parameters}
        while page := list(islice(punches, PAGE)):
            with self._journal.transaction():
                for state in sorted({one.state for one in page}):
                    rows = [common | {"punch": one.seq, "state": state} for one in page if one.state == state]
                    number = self._journal.run_many(statement, rows)
                    changed += number
                    more = number * ((statement == "discard") - (state == "discarded"))
                    self._journal.run("count_discarded", destination=self._destination, number=more)
        return changed

    def backfill(self, span: Span, *, repeats: bool, dry_run: bool) -> Backfilled:
        """Put the punches of `span` that the dashboard was not to get into its outbox; return what was done.

        What is held because of `since:` goes out, with `repeats` what is held as a repeat, too. Confirmed,
        parked, pending and discarded ones are left. A dry run writes nothing. One that was broken off has
        done a part; doing it again does the rest.
        """
        if self._destination is None and not dry_run:
            self._meet()
        total = Backfilled()
        places = places_of_days(self._journal, span.first, span.last)
        for at in range(0, len(places), PAGE):
            # What is read is true until it is written: no terminal is accepted in between.
            with nullcontext() if dry_run else self._journal.transaction():
                page = self._page_of(span, places[at : at + PAGE])
                due = [(punch, place) for punch in page if (place := _due(punch, repeats))]
                if not dry_run:
                    self._write(due)
            total += _tally(page, due)
        return total

    def _meet(self) -> None:
        with self._journal.transaction():
            row = self._journal.one("meet_destination", name=self._name)
        self._destination = row[0] if row else None

    def _page_of(self, span: Span, seqs: Sequence[int]) -> list[_Row]:
        rows = self._journal.look_up("backfill_of", seqs, destination=self._destination)
        return [
            _Row(*row) for *row, then, today in rows if span.devices is None or span.devices & {then, today}
        ]

    def _write(self, due: Sequence[tuple[_Row, _Place]]) -> None:
        common = {"destination": self._destination, "now": now()}
        rows = [
            common | {"punch": punch.seq, "state": state, "reason": reason} for punch, (state, reason) in due
        ]
        self._journal.run_many("backfill", rows)
        added = sum(punch.state is None for punch, _ in due)
        self._journal.run("count_backfilled", destination=self._destination, number=added)
        if rows:  # what waits from here on is no sign of the dashboard's pace
            self._journal.run("forget_backlog", destination=self._destination)

    def give_up(self) -> None:
        """Keep nothing for the dashboard any more, until the inventory names it again."""
        with self._journal.transaction():
            self._journal.run("give_up", name=self._name, now=now())
            self._journal.run("forget_requests", destination=self._destination)

    def resume(self) -> str | None:
        """Let deliveries to a dashboard that was gone for good go on; return what it had said, or None."""
        row = self._journal.one("halted", destination=self._destination)
        with self._journal.transaction():
            self._journal.run("resume", destination=self._destination)
        return row[0] if row else None


def _tally(page: Sequence[_Row], due: Sequence[tuple[_Row, _Place]]) -> Backfilled:
    released = sum(punch.state is not None for punch, _ in due)
    held = sum(state == "held" for _, (state, _) in due)
    return Backfilled(len(due) - released - held, released, held, len(page) - len(due))


# --- a choice over several dashboards ---


@dataclass(frozen=True, slots=True)
class Portion:
    """Those punches of a choice that are one dashboard's."""

    count: int
    first: tuple[Waiting, ...]
    """The first few, to be shown."""
    seen: Places
    """Their places: what comes to the journal while a person thinks is not meant, wherever it stands."""


@dataclass(frozen=True, slots=True)
class Meant:
    """The punches that a choice means, as they were when it was made."""

    choice: Selection
    portions: Mapping[str, Portion]
    """By dashboard; one without any is not among them."""
    refused: Mapping[str, str]
    """Those of the ids asked for that are not meant, each with the reason."""


def meant(
    journal: Journal,
    dashboards: Iterable[str],
    choice: Selection,
    why_not: Callable[[Waiting], str | None],
    *,
    shown: int,
) -> Meant:
    """Given a choice and why a punch is left out of it, or None, return what it means for some dashboards.

    Of each portion the first `shown` are kept; of the others their places alone are in memory.
    """
    desks = {name: Decisions(journal, name) for name in dashboards}
    portions: dict[str, Portion] = {}
    for name, desk in desks.items():
        punches = (punch for punch in desk.punches(choice) if why_not(punch) is None)
        first, count, seen = list[Waiting](), 0, Places()
        for punch in punches:
            count += 1
            seen.add(punch.seq, punch.seq)
            if count <= shown:
                first.append(punch)
        if first:
            portions[name] = Portion(count, tuple(first), seen)
    found = [punch for desk in desks.values() for punch in desk.punches(choice)] if choice.ids else []
    fit = {punch.id for punch in found if why_not(punch) is None}
    refused = {
        one: "; ".join(f"{punch.dashboard}: {why_not(punch)}" for punch in found if punch.id == one)
        or "there is no such punch"
        for one in choice.ids
        if one not in fit
    }
    return Meant(choice, portions, refused)
