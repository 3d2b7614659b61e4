"""Records of a device on their way into the journal: sorted, kept, and put into every outbox.

How a record is sorted. The first line that fits decides; all of it in the transaction that keeps it:

    its bytes are known of this device   they stay what they were when they were first read:
      as a punch of an earlier visit       seen before
      as a punch of this visit             exact repeat
      in quarantine                        quarantined, as before
    no person can have made it           quarantined, newly
    a punch has its id (device, user, second):
      in another form, of equal content    the same punch: seen before, or exact repeat
      otherwise                            same second: a punch of its own, held for a person
    else                                 first seen
      before the device's `since`          held, as `since`
      soon after the last one kept         held, as `repeat`

What is new goes into every outbox as pending or held. Nothing that is known is added or changed, so a log may
be read again, cut anywhere, and by two doors. What must never happen: a punch without its place in an outbox;
a door's progress without the records before it (the caller stores both in one transaction); one record that
is two punches, or two that are one; a record that becomes another person's, as where a slot of the device's
user table has changed hands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from zkpoll.journal.database import AlreadyThere, now
from zkpoll.journal.holds import HOLD_NOTHING, Decided, decide
from zkpoll.journal.known_bytes import as_first_read
from zkpoll.model.punch import LAYOUT_FORMS, event
from zkpoll.model.sums import Tally
from zkpoll.wall_clock import clock_suspect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from zkpoll.journal.database import Journal
    from zkpoll.journal.holds import HeldReason, Hold, Holding, Who
    from zkpoll.model.log import Records
    from zkpoll.model.punch import Door, Event, Form, Punch, Quarantined

New = tuple["Event", bytes]
"""A new punch, and its canonical bytes."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Records, sorted by what the journal holds."""

    tally: Tally
    first_seen: tuple[New, ...]
    same_second: tuple[New, ...]
    """New punches whose id another punch holds, each with content that no other punch of that id has.

    They wait for a person in any case: none of them is a repeat, and no repeat is measured by them.
    """
    decided: Decided
    """Which of those first seen are held."""

    @property
    def to_send(self) -> list[Event]:
        """The punches first seen that nothing holds."""
        new = zip(self.first_seen, self.decided.holds, strict=True)
        return [event for (event, _), hold in new if hold is None]


class Intake:
    """Takes the records of one visit to one device."""

    def __init__(
        self,
        journal: Journal,
        name: str,
        key: str,
        zone: tzinfo,
        *,
        source: Door,
        held: HeldReason | None = None,
        holding: Holding = HOLD_NOTHING,
    ) -> None:
        """Given a device's inventory name, its key and the zone of its clock, begin a visit.

        `source` is the door the records come in by. `held` is the reason why nothing of them may be delivered
        for now, `holding` which of the new punches are held in any case.
        """
        self._journal = journal
        self._name = name
        self._key = key
        self._zone = zone
        self._source: Door = source
        self._held = held
        row = journal.one("device_by_key", key=key)
        self._device: int | None = row[0] if row else None
        # A first reading may take several visits: it lasts until one came to the log's end.
        self._holding = replace(holding, since=None) if row and row[2] else holding
        self._before: int | None = None  # the last punch journalled before this visit
        self._kept: dict[Who, str] = {}  # what a visit that writes nothing would have kept
        self._shown = _Shown(set(), {})  # the new punches that it met

    def add(self, records: Records) -> Tally:
        """Keep `records` in the transaction under way, and put what is new into every outbox.

        On disk when the transaction ends. Raise `JournalError`, which undoes the transaction.
        """
        records, again = as_first_read(self._journal, self._device, records)
        before, last = self._before_visit(), self._last_kept(records)
        try:  # in most calls, every record is new
            found = self._all_new(records, last)
            seqs = self._insert(found)
        except AlreadyThere:
            found = self._sorted(records, before, last)
            seqs = self._insert(found)
        if seqs:
            self._journal.run_over("add_to_outbox", seqs, held=self._held, now=now())
        self._keep_last(found.decided.kept)
        return replace(found.tally + again, newly_quarantined=self._quarantine(records.quarantined))

    def sort(self, records: Records) -> Sorted:
        """Sort `records` without writing anything.

        What was sorted before in this visit counts as known and kept, so that all comes out as by `add`.
        A dry run needs this beside `add` and a rollback: it may not be allowed to write, must not keep others
        from writing while it waits for a device, and what it rolled back would not measure what follows.
        """
        records, again = as_first_read(self._journal, self._device, records)
        before, last = self._before_visit(), self._last_kept(records) | self._kept
        found = self._sorted(records, before, last, self._shown)
        self._kept.update(found.decided.kept)
        for new, canonical in (*found.first_seen, *found.same_second):
            self._shown.bytes_.add(canonical)
            holder = _Holder(before + 1, records.form, new.verify, new.state, new.work_code)
            self._shown.holders.setdefault(new.id, []).append(holder)
        return replace(found, tally=found.tally + again)

    def _before_visit(self) -> int:
        """Return the place of the last punch from before this visit; read when its first records come."""
        if self._before is None:
            row = self._journal.one("last_punch")
            self._before = row[0] if row else 0
        return self._before

    def _last_kept(self, records: Records) -> dict[Who, str]:
        """Return when the last punches of the users in `records` were kept, if repeats are to be held."""
        if self._holding.repeat_within is None:
            return {}
        users = list({punch.user_id for punch in records.punches})
        found = self._journal.look_up("last_kept", users, device=self._device)
        return {(users[index], state): timestamp for index, state, timestamp in found}

    def _all_new(self, records: Records, last: Mapping[Who, str]) -> Sorted:
        """Return `records` as if no punch of them were known."""
        new = [(self._event(punch, records.drift), punch.canonical) for punch in records.punches]
        return self._decided(Tally(len(new), quarantined=len(records.quarantined)), new, (), last)

    def _sorted(
        self, records: Records, before: int, last: Mapping[Who, str], shown: _Shown | None = None
    ) -> Sorted:
        """Look up what the journal holds of `records`, and sort them by it and by what was `shown` before."""
        bytes_ = [punch.canonical for punch in records.punches]
        seqs: dict[int, int] = dict(self._journal.look_up("punches_by_record", bytes_, device=self._device))
        if shown:
            met = {index: before + 1 for index, one in enumerate(bytes_) if one in shown.bytes_}
            seqs = met | seqs
        sorting = _Sorting(records.form, before)
        unknown = sorting.by_bytes(records.punches, seqs)
        events = [self._event(punch, records.drift) for punch in unknown]
        holders: dict[str, list[_Holder]] = {}
        for index, seq, width, *content in self._journal.look_up(
            "punches_by_identity", [new.id for new in events]
        ):
            holders.setdefault(events[index].id, []).append(_Holder(seq, LAYOUT_FORMS.get(width), *content))
        if shown:
            for id_ in shown.holders.keys() & {new.id for new in events}:
                holders.setdefault(id_, []).extend(shown.holders[id_])
        sorting.by_identity(unknown, events, holders)
        tally = Tally(
            len(sorting.first_seen),
            sorting.seen_before,
            sorting.exact_repeats,
            len(sorting.same_second),
            len(records.quarantined),
        )
        return self._decided(tally, sorting.first_seen, sorting.same_second, last)

    def _decided(
        self, tally: Tally, first_seen: Sequence[New], same_second: Sequence[New], last: Mapping[Who, str]
    ) -> Sorted:
        """Decide what of `first_seen` is held, given when people's last punches were kept, and count it."""
        decided = decide([event for event, _ in first_seen], self._holding, last)
        holds = decided.holds
        tally = replace(tally, held_since=holds.count("since"), held_repeats=holds.count("repeat"))
        return Sorted(tally, tuple(first_seen), tuple(same_second), decided)

    def _event(self, punch: Punch, drift: float | None) -> Event:
        suspect = clock_suspect(punch.time, self._zone, drift)
        return event(punch, self._key, self._name, self._zone, self._source, suspect)

    def _insert(self, found: Sorted) -> list[int]:
        """Insert what is new and return its places in the journal, in order."""
        moment = now()
        rows = [
            self._row(new, 0, hold, moment)
            for new, hold in zip(found.first_seen, found.decided.holds, strict=True)
        ]
        rows += [self._row(new, 1, None, moment) for new in found.same_second]
        return self._journal.insert_all("add_punch", rows)

    def _row(self, new: New, same_second: int, hold: Hold | None, moment: str) -> dict[str, object]:
        event, canonical = new
        return {
            "id": event.id,
            "same_second": same_second,
            "device": self._device,
            "device_name": event.device,
            "user_id": event.user_id,
            "timestamp": event.timestamp,
            "verify": event.verify,
            "state": event.state,
            "work_code": event.work_code,
            "clock_suspect": int(event.clock_suspect),
            "canonical": canonical,
            "source": event.source,
            "hold": hold,
            "now": moment,
        }

    def _keep_last(self, kept: Mapping[Who, str]) -> None:
        """Keep the times of people's last punches, by which repeats are told."""
        rows = [
            {"device": self._device, "user_id": user_id, "state": state, "timestamp": timestamp}
            for (user_id, state), timestamp in kept.items()
        ]
        if rows:
            self._journal.run_many("keep_last", rows)

    def _quarantine(self, records: Sequence[Quarantined]) -> int:
        """Keep impossible records; return how many of them were not in quarantine."""
        moment = now()
        rows = [
            {"device": self._device, "raw": record.raw, "reason": record.reason, "now": moment}
            for record in records
        ]
        return self._journal.run_many("add_to_quarantine", rows)


class _Holder(NamedTuple):
    """A punch that has an id: the first, or one of the same second."""

    seq: int
    form: Form | None
    """Told by the bytes of its record, as long as all that is journalled came by port 4370."""
    verify: int
    state: int
    work_code: int

    def is_shown_by(self, event: Event, form: Form | None) -> bool:
        """Say whether a record of other bytes, of the same user and second, shows this punch all the same.

        It does where firmware changed the layout. In one form other bytes are another record: a clock that
        stands still gives many people's days one second.
        """
        same_content = self[2:] == (event.verify, event.state, event.work_code)
        return same_content and form is not None and self.form is not form


class _Shown(NamedTuple):
    """The new punches that a visit met which writes nothing, as the journal would know them."""

    bytes_: set[bytes]
    holders: dict[str, list[_Holder]]
    """By id."""


class _Sorting:
    """Sorts punches of one form. Pure: what the journal holds is given as values."""

    def __init__(self, form: Form | None, before: int) -> None:
        self._form = form
        self._before = before  # the last punch journalled before this visit
        self.first_seen: list[New] = []
        self.same_second: list[New] = []
        self.seen_before = 0
        self.exact_repeats = 0

    def by_bytes(self, punches: Sequence[Punch], seqs: Mapping[int, int]) -> list[Punch]:
        """Count the punches whose bytes are known, by index in `seqs`, and return the others."""
        unknown: dict[bytes, Punch] = {}
        for index, punch in enumerate(punches):
            if (seq := seqs.get(index)) is not None:
                self._count_again(seq)
            elif punch.canonical in unknown:
                self.exact_repeats += 1
            else:
                unknown[punch.canonical] = punch
        return list(unknown.values())

    def by_identity(
        self, punches: Sequence[Punch], events: Sequence[Event], holders: dict[str, list[_Holder]]
    ) -> None:
        """Sort punches whose bytes are new by whether their id is new, too; add them to `holders`."""
        for punch, new in zip(punches, events, strict=True):
            others = holders.setdefault(new.id, [])
            if again := next((other for other in others if other.is_shown_by(new, self._form)), None):
                self._count_again(again.seq)
                continue
            (self.same_second if others else self.first_seen).append((new, punch.canonical))
            others.append(_Holder(self._before + 1, self._form, new.verify, new.state, new.work_code))

    def _count_again(self, seq: int) -> None:
        if seq > self._before:
            self.exact_repeats += 1
        else:
            self.seen_before += 1
