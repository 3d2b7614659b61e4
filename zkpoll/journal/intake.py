"""One visit's way into the journal: punches, watermark and outbox rows in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from zkpoll.journal.holds import HOLD_NOTHING, Decided, decide
from zkpoll.journal.sqlite import now
from zkpoll.model.log import Watermark
from zkpoll.model.punch import Quarantined, event
from zkpoll.model.sums import Tally
from zkpoll.wall_clock import clock_suspect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

    from zkpoll.journal.holds import Hold, Holding, Who
    from zkpoll.journal.sqlite import Journal
    from zkpoll.model.log import Slice
    from zkpoll.model.punch import Event, Punch


@dataclass(frozen=True, slots=True)
class Sorted:
    """What the records of a slice are to the journal; nothing is written yet."""

    tally: Tally
    first_seen: tuple[tuple[Event, bytes], ...]
    """New punches, each with its canonical bytes."""
    same_second: tuple[tuple[Event, bytes], ...]
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


class Ledger:
    """Takes the slices of one visit to one device."""

    def __init__(
        self,
        journal: Journal,
        name: str,
        key: str,
        zone: tzinfo,
        *,
        held: str | None = None,
        holding: Holding = HOLD_NOTHING,
    ) -> None:
        """Given a device's inventory name, its key and the zone of its clock, begin a visit.

        `held` is the reason why nothing of it may be delivered for now; `holding` says which of its new
        punches are held, whoever it is.
        """
        self._journal = journal
        self._held = held
        self._name = name
        self._key = key
        self._zone = zone
        row = journal.one("device_by_key", key=key)
        self._device: int | None = row[0] if row else None
        # A first reading may take several visits: it lasts until one came to the log's end.
        self._holding = replace(holding, since=None) if row and row[2] else holding
        self._kept: dict[Who, str] = {}  # what a visit that writes nothing would have kept
        self._before = self._last_punch()

    def watermark(self) -> Watermark | None:
        """Return how much of the device's log the journal holds, or None if it was never read."""
        row = self._journal.one("watermark", device=self._device)
        if row is None:
            return None
        layout, records, tail, fold, whole_at = row
        width = max(layout, 1)
        return Watermark(
            layout,
            records,
            tuple(tail[at : at + width] for at in range(0, len(tail), width)),
            fold,
            datetime.fromisoformat(whole_at) if whole_at else None,
        )

    def sort(self, piece: Slice) -> Sorted:
        """Say what each record of `piece` is to the journal, without writing anything.

        What was sorted before in this visit counts as kept, so that the same punches are held as in `take`.
        """
        piece, again = self._without_known(self._without_quarantined(piece))
        found = self._sorted(piece, self._last_kept(piece) | self._kept)
        self._kept.update(found.decided.kept)
        return replace(found, tally=found.tally + again)

    def _sorted(self, piece: Slice, last: Mapping[Who, str]) -> Sorted:
        sorting = _Sorting(self._before)
        unknown = sorting.known_records(piece.punches, self._seqs(piece.punches))
        events = [self._event(punch, piece) for punch in unknown]
        sorting.new_records(unknown, events, self._holders(events))
        tally = Tally(
            len(sorting.first_seen),
            sorting.seen_before,
            sorting.exact_repeats,
            len(sorting.same_second),
            len(piece.quarantined),
        )
        return self._decided(tally, sorting.first_seen, sorting.same_second, last)

    def _decided(
        self,
        tally: Tally,
        first_seen: Sequence[tuple[Event, bytes]],
        same_second: Sequence[tuple[Event, bytes]],
        last: Mapping[Who, str],
    ) -> Sorted:
        """Decide what of `first_seen` is held, given when people's last punches were kept; count it."""
        decided = decide([event for event, _ in first_seen], self._holding, last)
        holds = decided.holds
        tally = replace(tally, held_since=holds.count("since"), held_repeats=holds.count("repeat"))
        return Sorted(tally, tuple(first_seen), tuple(same_second), decided)

    def _without_quarantined(self, piece: Slice) -> Slice:
        """Return `piece` with what is in quarantine left there.

        A slot of the user table that was nobody's may be another person's by now; whose punch it was then,
        no later table can tell.
        """
        if self._journal.one("any_quarantined", device=self._device) is None:
            return piece
        values = [punch.canonical for punch in piece.punches]
        found = {row[0] for row in self._journal.look_up("quarantined_records", values, device=self._device)}
        stay = [Quarantined(values[index], "in quarantine") for index in sorted(found)]
        punches = tuple(punch for index, punch in enumerate(piece.punches) if index not in found)
        return replace(piece, punches=punches, quarantined=(*piece.quarantined, *stay)) if stay else piece

    def _without_known(self, piece: Slice) -> tuple[Slice, Tally]:
        """Return `piece` without those impossible records that the journal holds as punches, and their count.

        A slot that nobody has any more was somebody's when its punch was read.
        """
        if not piece.quarantined:
            return piece, Tally()
        values = [record.raw for record in piece.quarantined]
        found = {row[0] for row in self._journal.look_up("punches_by_record", values, device=self._device)}
        left = tuple(record for index, record in enumerate(piece.quarantined) if index not in found)
        return replace(piece, quarantined=left), Tally(seen_before=len(found))

    def _event(self, punch: Punch, piece: Slice) -> Event:
        suspect = clock_suspect(punch.time, self._zone, piece.drift)
        return event(punch, self._key, self._name, self._zone, "pull", suspect)

    def _seqs(self, punches: Sequence[Punch]) -> dict[int, int]:
        """Return the journal's place of each of `punches` whose record it holds, by index."""
        values = [punch.canonical for punch in punches]
        return dict(self._journal.look_up("punches_by_record", values, device=self._device))

    def _holders(self, events: Sequence[Event]) -> dict[str, list[_Holder]]:
        """Return the journal's punches that have the id of one of `events`, by id."""
        holders: dict[str, list[_Holder]] = {}
        for index, *fields in self._journal.look_up("punches_by_identity", [new.id for new in events]):
            holders.setdefault(events[index].id, []).append(_Holder(*fields))
        return holders

    def _last_kept(self, piece: Slice) -> dict[Who, str]:
        """Return when the last punches of the users in `piece` were kept, if repeats are to be held."""
        if self._holding.repeat_within is None:
            return {}
        users = list({punch.user_id for punch in piece.punches})
        found = self._journal.look_up("last_kept", users, device=self._device)
        return {(users[index], state): timestamp for index, state, timestamp in found}

    def take(self, piece: Slice) -> Tally:
        """Keep `piece` and, if it has one, its watermark; put what is new into every outbox.

        On disk when it returns. Raise `JournalError` with nothing of it kept.
        """
        with self._journal.transaction():
            piece, again = self._without_known(self._without_quarantined(piece))
            after = self._last_punch()
            last = self._last_kept(piece)
            found = self._add_all(piece, last) or self._add_new(piece, last)
            self._keep_last(found.decided.kept)
            self._journal.run("add_to_outbox", after=after, held=self._held, now=now())
            newly_quarantined = self._quarantine(piece)
            if piece.mark:
                self._set_watermark(piece.mark)
        return replace(found.tally + again, newly_quarantined=newly_quarantined)

    def _add_all(self, piece: Slice, last: Mapping[Who, str]) -> Sorted | None:
        """Add the punches of `piece` if all of them are new, as they are in most slices; else add none."""
        new = [(self._event(punch, piece), punch.canonical) for punch in piece.punches]
        found = self._decided(Tally(len(new), quarantined=len(piece.quarantined)), new, (), last)
        rows = self._rows(new, found.decided.holds, 0)
        return found if self._journal.insert_all("add_punch", rows) else None

    def _add_new(self, piece: Slice, last: Mapping[Who, str]) -> Sorted:
        """Add those punches of `piece` that are new."""
        found = self._sorted(piece, last)
        self._journal.run_many("add_punch", self._rows(found.first_seen, found.decided.holds, 0))
        self._journal.run_many("add_punch", self._rows(found.same_second, repeat(None), 1))
        return found

    def _keep_last(self, kept: Mapping[Who, str]) -> None:
        rows = [
            {"device": self._device, "user_id": user_id, "state": state, "timestamp": timestamp}
            for (user_id, state), timestamp in kept.items()
        ]
        if rows:
            self._journal.run_many("keep_last", rows)

    def _rows(
        self, new: Iterable[tuple[Event, bytes]], holds: Iterable[Hold | None], same_second: int
    ) -> list[dict[str, object]]:
        moment = now()
        return [
            {
                "id": event.id,
                "same_second": same_second,
                "device": self._device,
                "device_name": event.device,
                "user_id": event.user_id,
                "timestamp": event.timestamp,
                "verify": event.verify,
                "state": event.state,
                "work_code": event.work_code,
                "clock_suspect": event.clock_suspect,
                "canonical": canonical,
                "source": event.source,
                "hold": hold,
                "now": moment,
            }
            for (event, canonical), hold in zip(new, holds, strict=False)
        ]

    def _quarantine(self, piece: Slice) -> int:
        """Keep what is no believable record; return how many of them were not there before."""
        rows = [
            {"device": self._device, "raw": record.raw, "reason": record.reason, "now": now()}
            for record in piece.quarantined
        ]
        return self._journal.run_many("add_to_quarantine", rows)

    def _set_watermark(self, mark: Watermark) -> None:
        self._journal.run(
            "set_watermark",
            device=self._device,
            layout=mark.layout,
            records=mark.count,
            tail=b"".join(mark.tail),
            fold=mark.fold,
            now=now(),
        )

    def _last_punch(self) -> int:
        row = self._journal.one("last_punch")
        return row[0] if row else 0


class _Holder(NamedTuple):
    """A punch that has an id: the first, or one of the same second."""

    seq: int
    width: int
    """Bytes of its record."""
    verify: int
    state: int
    work_code: int

    def is_record(self, event: Event, canonical: bytes) -> bool:
        """Say whether a record with other bytes, of the same user and second, is this one all the same.

        It is where firmware changed the layout. In one layout other bytes are another record: a clock that
        stands still gives many people's days one second.
        """
        same_content = self[2:] == (event.verify, event.state, event.work_code)
        return same_content and self.width != len(canonical)


class _Sorting:
    """Sorts the records of one slice. Pure: what the journal holds is given as values."""

    def __init__(self, before: int) -> None:
        self._before = before  # the last punch journalled before this visit
        self.first_seen: list[tuple[Event, bytes]] = []
        self.same_second: list[tuple[Event, bytes]] = []
        self.seen_before = 0
        self.exact_repeats = 0

    def known_records(self, punches: Sequence[Punch], seqs: Mapping[int, int]) -> list[Punch]:
        """Count the punches whose record is known, by index in `seqs`, and return the others."""
        unknown: dict[bytes, Punch] = {}
        for index, punch in enumerate(punches):
            if (seq := seqs.get(index)) is not None:
                self._count_again(seq)
            elif punch.canonical in unknown:
                self.exact_repeats += 1
            else:
                unknown[punch.canonical] = punch
        return list(unknown.values())

    def new_records(
        self, punches: Sequence[Punch], events: Sequence[Event], holders: dict[str, list[_Holder]]
    ) -> None:
        """Sort punches whose record is new by whether their id is new, too; add them to `holders`."""
        for punch, new in zip(punches, events, strict=True):
            others = holders.setdefault(new.id, [])
            if again := next((other for other in others if other.is_record(new, punch.canonical)), None):
                self._count_again(again.seq)
                continue
            (self.same_second if others else self.first_seen).append((new, punch.canonical))
            width = len(punch.canonical)
            others.append(_Holder(self._before + 1, width, new.verify, new.state, new.work_code))

    def _count_again(self, seq: int) -> None:
        if seq > self._before:
            self.exact_repeats += 1
        else:
            self.seen_before += 1
