"""Records of a device on their way into the journal: sorted, kept, and put into every outbox.

How a record is sorted. The first line that fits decides; all of it in the transaction that keeps it:

    its bytes are in quarantine, as its
      slot was nobody's, or another's      quarantined, as before
    no person can have made it           quarantined, newly
    its bytes are known of this device, and its place does not prove it another record:
      as a punch of this visit             exact repeat
      else                                 seen before
    a punch of its user and second was not shown in this form yet, in an equal state; or in whatever state,
      where a database shows one of the two:
                                         the same punch: seen before, or exact repeat
    its bytes are known                  the terminal showed them for another punch, held for a person:
      its clock cannot have been right     same second
      else                                 exact repeat (some firmware stores one press twice)
    a punch has its user and second      same second: a punch of its own, held for a person; but first seen
                                           where that is held as a `repeat`, and this one repeats nothing
    else                                 first seen
      before the device's `since`          held, as `since`
      soon after the last one kept         held, as `repeat`

A place proves a record another one where it lies behind the last known records, or in a log that was seen
empty, or found to have been emptied; and, where records carry no number, where one reading shows it more
often than the journal knows it. Clocks prove nothing: one that restarts every day shows the same bytes every
day. A batch that was pushed has no place: it may come again at any time, as may the whole log.

A database has one row for a person and second, in whatever state. So a row is the punch that any door showed
in that second; and what a row showed first, another door shows then, once in each of its forms. Of several
records at once, that of its own state is it.

Two doors may be at one device at once. What the other one journals in the middle of a visit is known, and no
punch of this visit.

What is new goes into every outbox as pending or held. Nothing that is known is changed, so a log may be read
again, cut anywhere, and by two doors. What must never happen: a punch without its place in an outbox; a
door's progress without the records before it (the caller stores both in one transaction); one record that is
two punches, or two that are one; a record that becomes another person's, as where a slot of the device's user
table has changed hands.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from zkpoll.journal.database import AlreadyThere, now
from zkpoll.journal.forgotten import digest, holders_of_seconds
from zkpoll.journal.holds import HOLD_NOTHING, decide
from zkpoll.journal.known_bytes import Known, Showings, as_first_read, known_bytes
from zkpoll.journal.spans import Places, spans
from zkpoll.model.punch import PUSHED, Event, Form, events, is_counted, of_one_door, punch_id
from zkpoll.model.sums import Tally
from zkpoll.wall_clock import DAY, WALL, Stamps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

    from zkpoll.journal.database import Journal
    from zkpoll.journal.holds import HeldReason, Hold, Holding, Who
    from zkpoll.model.log import Records
    from zkpoll.model.punch import Door, Punch, Quarantined


Pruned: TypeAlias = bytes | None

_UNPLACED: Final = 1 << 60
"""The place of the first new punch before the journal gives it one; above all that it gives."""


class New(NamedTuple):
    """A new punch, and the bytes that showed it."""

    event: Event
    bytes: bytes
    occurrence: int = 1
    """How often the journal knows these bytes, with this time."""
    nth: int = 1
    """Which punch of its user and second it is."""
    first_id: str | None = None
    """Of a further one, the id of the first."""
    hold: Hold | None = None
    """Why it is not sent unless a person asks."""


class Again(NamedTuple):
    """Other bytes of a punch that is known, in a form that had not shown it."""

    seq: int
    bytes: bytes
    occurrence: int
    pruned: Pruned = None
    """Its identity, where it was pruned."""
    is_first: bool = False
    """Whether the device itself had not shown it: a database had."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Records, sorted by what the journal holds."""

    tally: Tally
    new: tuple[New, ...]
    """The new punches, in the log's order."""
    again: tuple[Again, ...]
    kept: dict[Who, str]
    """When people's last punches were kept."""

    @property
    def to_send(self) -> list[Event]:
        """The new punches that nothing holds."""
        return [new.event for new in self.new if new.hold is None]


class _Kept(NamedTuple):
    """What became of records that were kept."""

    found: Sorted
    seqs: Sequence[int]
    """The places of the new punches, in order."""
    shown: dict[int, int]
    """How often the records were shown, by their first punches."""


class Intake:
    """Takes the records of one visit to one device, or of one batch that a device pushed."""

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
        late: bool = False,
    ) -> None:
        """Given a device's inventory name, its key and the zone of its clock, begin a visit.

        `source` is the door the records come in by. `held` is the reason why nothing of them may be delivered
        for now, `holding` which of the new punches are held in any case. `late` records have waited since a
        reading before: its starting line counts for them, and they measure no repeat of what came after them.
        A visit whose transaction was undone goes on with another `Intake`.
        """
        self._journal = journal
        self._name = name
        self._key = key
        self._zone = zone
        self._source: Door = source
        self._held = held
        row = journal.one("device_by_key", key=key)
        self._device: int | None = row[0] if row else None
        # A first reading may take several visits: it lasts until one came to the log's end. Push has no end:
        # what is older may come at any time.
        is_read = source == "pull" and row and row[2] and not late
        self._holding = replace(holding, since=None) if is_read else holding
        # A row has no clock that could be asked: what is more than a day ahead of ours is doubted.
        latest = datetime.now(zone) + timedelta(seconds=DAY)
        self._latest = latest.replace(tzinfo=None) if source == "bridge" else None
        self._late = late
        self._own = _Own()
        self._showings = Showings()
        self._dry = _DryRun()

    def add(self, records: Records, rests: Sequence[bytes] = ()) -> Tally:
        """Keep `records` in the transaction under way, and put what is new into every outbox.

        `rests` has for each punch what else its line said, where it came on one; it is kept beside the punch.
        On disk when the transaction ends. Raise `JournalError`, which undoes the transaction.
        """
        lines = _by_bytes(records, rests) if rests else {}
        quarantined, pruned = self._beside_punches()
        records, again = as_first_read(self._journal, self._device, _marked(records), quarantined=quarantined)
        last = self._last_kept(records)
        kept = None if pruned else self._keep_as_new(records, last)
        found, seqs, shown = kept or self._keep_sorted(records, last, pruned=pruned)
        self._keep_lines(found, seqs, lines)
        self._own.add(seqs, found.again)
        self._showings.add(records.form, shown)
        if seqs:
            moment = now()
            between = [
                {"first": first, "last": last, "held": self._held, "now": moment}
                for first, last in spans(seqs)
            ]
            self._journal.run_later("keep_name", [{"name": self._name}])
            self._journal.run_later("add_to_outbox", between)
            self._journal.run_at_end("count_due", number=len(seqs))
        self._keep_last(_later(found.kept, last) if self._late else found.kept)
        if quarantined:
            self._release(records)
        return replace(found.tally + again, newly_quarantined=self._quarantine(records.quarantined))

    def _release(self, records: Records) -> None:
        """Let what was in quarantine, and is a punch by now, leave it."""
        shown = [punch.canonical for punch in records.punches]
        places = self._journal.look_up("quarantined_records", shown, device=self._device)
        if released := [shown[place] for (place,) in places]:
            self._journal.run_over("leave_quarantine", released, device=self._device)

    def sort(self, records: Records) -> Sorted:
        """Sort `records` without writing anything.

        What was sorted before in this visit counts as known and kept, so that all comes out as by `add`.
        A dry run needs this beside `add` and a rollback: it may not be allowed to write, must not keep others
        from writing while it waits for a device, and what it rolled back would not measure what follows.
        """
        quarantined, pruned = self._beside_punches()
        records, again = as_first_read(self._journal, self._device, _marked(records), quarantined=quarantined)
        dry, last = self._dry, self._last_kept(records) | self._dry.kept
        sorting = self._sorting(records, _UNPLACED + dry.new, pruned=pruned)
        found = self._decided(sorting.tally, sorting.new, last, sorting.again, sorting.seconds)
        for one in found.new:
            sorting.seconds[one.first_id or one.event.id].holds.add(one.hold)
        places = range(sorting.place, sorting.place + len(found.new))
        self._own.add(places, found.again)
        self._showings.add(records.form, sorting.shown(places))
        dry.new += len(places)
        dry.kept |= found.kept
        dry.known |= sorting.changed()
        dry.seconds |= sorting.seconds
        return replace(found, tally=found.tally + again)

    def _beside_punches(self) -> tuple[bool, bool]:
        """Say whether records of the device are in quarantine, and whether punches of it were pruned."""
        quarantined, pruned = self._journal.one("beside_punches", device=self._device) or (0, 0)
        return bool(quarantined), bool(pruned)

    def _last_kept(self, records: Records) -> dict[Who, str]:
        """Return when the last punches of the users in `records` were kept, if repeats are to be held."""
        if self._holding.repeat_within is None:
            return {}
        users = list({punch.user_id for punch in records.punches})
        found = self._journal.look_up("last_kept", users, device=self._device)
        return {(users[index], state): timestamp for index, state, timestamp in found}

    def _keep_as_new(self, records: Records, last: Mapping[Who, str]) -> _Kept | None:
        """Keep `records` as if none of them were known, as in most visits none is; None if one is known.

        Not of a device of which punches were pruned: no index refuses what is forgotten.
        """
        ends = {punch.canonical for punch in (*records.punches[:1], *records.punches[-1:])}
        if known_bytes(self._journal, self._device, ends, pruned=False):  # a log that is gone over
            return None
        shown = self._events(records.punches, records)
        new = [New(one, punch.canonical) for one, punch in zip(shown, records.punches, strict=True)]
        found = self._decided(Tally(len(new), quarantined=len(records.quarantined)), new, last)
        try:
            seqs = self._insert(found, records.form)
        except AlreadyThere:
            return None
        return _Kept(found, seqs, dict.fromkeys(seqs, 1))

    def _keep_sorted(self, records: Records, last: Mapping[Who, str], *, pruned: bool) -> _Kept:
        """Keep what of `records` is not known."""
        sorting = self._sorting(records, _UNPLACED, pruned=pruned)
        found = self._decided(sorting.tally, sorting.new, last, sorting.again, sorting.seconds)
        seqs = self._insert(found, records.form)
        return _Kept(found, seqs, sorting.shown(seqs))

    def _sorting(self, records: Records, place: int, *, pruned: bool) -> _Sorting:
        """Look up what the journal holds of `records`, and sort them by it and by what a dry run met.

        `place` is that of the first new one. `pruned`: punches of the device were pruned.
        """
        bytes_ = {punch.canonical for punch in records.punches}
        known = known_bytes(self._journal, self._device, bytes_, pruned=pruned)
        known |= {one: self._dry.known[one] for one in bytes_ & self._dry.known.keys()}
        sorting = _Sorting(records, self._own, place, known, self._showings)
        sorting.by_bytes()
        shown = self._events([punch for punch, _ in sorting.unknown], records)
        ids = list({new.id for new in shown})
        seconds: defaultdict[str, _Second] = defaultdict(_Second)
        for index, holder in holders_of_seconds(self._journal, self._device, ids, pruned=pruned):
            second = seconds[ids[index]]
            second.last = max(second.last, holder.nth)
            second.holds.add(holder.hold)
            if not holder.kinds & int(records.form or 0):
                any_state = "bridge" in {holder.source, self._source}
                other = _Other(holder.seq, holder.kinds, any_state=any_state, pruned=holder.pruned)
                content = holder.verify, holder.state, holder.work_code
                second.others.setdefault(content, deque()).append(other)
        seconds |= {one: self._dry.seconds[one] for one in set(ids) & self._dry.seconds.keys()}
        sorting.by_identity(shown, seconds)
        return sorting

    def _decided(
        self,
        tally: Tally,
        new: Sequence[New],
        last: Mapping[Who, str],
        again: Sequence[Again] = (),
        seconds: Mapping[str, _Second] | None = None,
    ) -> Sorted:
        """Decide which of the new punches are held, given when people's last punches were kept.

        Those that share their bytes with another one are held in any case: none of them is a repeat, and no
        repeat is measured by them. `seconds` are those of the new punches, by the ids of their first ones.
        """
        if self._holding == HOLD_NOTHING and not seconds:  # as in most first readings
            return Sorted(tally, tuple(new), tuple(again), {})
        open_ = [one for one in new if one.occurrence == 1]
        further = {index: one.first_id for index, one in enumerate(open_) if one.first_id}
        unsent = [first for first, second in (seconds or {}).items() if second.is_unsent]
        decided = decide([one.event for one in open_], self._holding, last, further, unsent)
        since, repeats = decided.holds.count("since"), decided.holds.count("repeat")
        manual = decided.holds.count("manual")
        sent = sum(decided.holds[index] is None for index in further)
        if since or repeats or manual or sent:
            holds = iter(decided.holds)
            new = [one._replace(hold=next(holds)) if one.occurrence == 1 else one for one in new]
        tally = replace(
            tally,
            first_seen=tally.first_seen + sent,
            same_second=tally.same_second - sent,
            held_since=since,
            held_repeats=repeats,
            held_manual=manual,
        )
        return Sorted(tally, tuple(new), tuple(again), decided.kept)

    def _events(self, punches: Iterable[Punch], records: Records) -> list[Event]:
        """Return some of the punches of `records` with what the journal keeps of each."""
        stamps = Stamps(self._zone, records.drift, self._latest)
        return events(punches, self._key, self._name, stamps, self._source, records.manual)

    def _insert(self, found: Sorted, form: Form | None) -> Sequence[int]:
        """Insert what is new, with the bytes that showed it, and return its places in the journal, in order.

        Raise `AlreadyThere`, with all of it undone, if any of it is known.
        """
        if not (found.new or found.again):  # a batch that came before costs as little as it can
            return ()
        moment, kind = now(), int(form or 0)
        rows = self._rows(found.new, kind, moment)
        with self._journal.savepoint():
            seqs = self._journal.insert_all("add_punch", rows)
            showings = [
                self._showing(seq, one.bytes, one.occurrence)
                for seq, one in zip(seqs, found.new, strict=True)
            ]
            again = [one for one in found.again if one.pruned is None]
            showings += [self._showing(one.seq, one.bytes, one.occurrence) for one in again]
            self._journal.insert_all("add_form", showings)
        if found.again:
            self._journal.run_many("add_kind", [{"punch": one.seq, "kind": kind} for one in again])
            self._add_forgotten([one for one in found.again if one.pruned], kind)
        if form is not Form.BRIDGE:
            self._count_shown(len(found.new) + sum(one.is_first for one in found.again))
        return seqs

    def _count_shown(self, more: int) -> None:
        if more:
            self._journal.run_later("add_shown", [{"device": self._device, "more": more}])

    def _add_forgotten(self, again: Sequence[Again], kind: int) -> None:
        """Keep that pruned punches were shown in another form."""
        shown = [
            {
                "device": self._device,
                "digest": digest(one.bytes),
                "occurrence": one.occurrence,
                "punch": one.seq,
            }
            for one in again
        ]
        self._journal.run_many("forget_form", shown)
        kinds = [{"id": one.pruned, "kind": kind} for one in again]
        self._journal.run_many("add_kind_of_forgotten", kinds)

    def _rows(self, new: Iterable[New], kind: int, moment: str) -> Sequence[tuple[object, ...]]:
        """Return the values of `add_punch` for each, in its order."""
        device, rows = self._device, []
        for punch, _, _, nth, first_id, hold in new:
            id_, name, _, user_id, timestamp, verify, state, work_code, source, suspect, manual = punch
            first = id_, nth, first_id, device, name, user_id, timestamp, verify, state, work_code
            rows.append((*first, int(suspect), kind, source, hold, int(manual), moment))
        return rows

    def _showing(self, seq: int, bytes_: bytes, occurrence: int) -> tuple[object, ...]:
        """Return the values of `add_form`, in its order."""
        return self._device, bytes_, occurrence, seq

    def _keep_lines(self, found: Sorted, seqs: Sequence[int], lines: Mapping[bytes, bytes]) -> None:
        """Keep what else the lines said that showed these punches first, by the bytes of each."""
        if not lines:
            return
        shown = [(seq, one.bytes) for seq, one in zip(seqs, found.new, strict=True)]
        shown += [(one.seq, one.bytes) for one in found.again if one.pruned is None]
        rows = [{"punch": seq, "rest": lines[bytes_]} for seq, bytes_ in shown if bytes_ in lines]
        self._journal.run_later("add_line", rows)

    def _keep_last(self, kept: Mapping[Who, str]) -> None:
        """Keep the times of people's last punches, by which repeats are told."""
        rows = [
            {"device": self._device, "user_id": user_id, "state": state, "timestamp": timestamp}
            for (user_id, state), timestamp in kept.items()
        ]
        self._journal.run_later("keep_last", rows)

    def _quarantine(self, records: Sequence[Quarantined]) -> int:
        """Keep impossible records; return how many of them were not in quarantine."""
        moment = now()
        rows = [
            {"device": self._device, "raw": record.raw, "reason": record.reason, "now": moment}
            for record in records
        ]
        return self._journal.run_many("add_to_quarantine", rows)


def _later(kept: Mapping[Who, str], last: Mapping[Who, str]) -> dict[Who, str]:
    """Return those of the times that are later than the `last` ones."""
    return {
        who: time
        for who, time in kept.items()
        if who not in last or datetime.fromisoformat(time) > datetime.fromisoformat(last[who])
    }


def _marked(records: Records) -> Records:
    """Return records whose quarantined bytes tell a line of push from a record of a log, as punches' do."""
    if records.form is not Form.PUSH or not records.quarantined:
        return records
    odd = records.quarantined
    marked = (one if one.raw.startswith(PUSHED) else replace(one, raw=PUSHED + one.raw) for one in odd)
    return replace(records, quarantined=tuple(marked))


def _by_bytes(records: Records, rests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return what else was said of punches, by their bytes: of equal ones the first, and nothing empty."""
    pairs = [(punch.canonical, rest) for punch, rest in zip(records.punches, rests, strict=True) if rest]
    return dict(reversed(pairs))


class _Own:
    """The punches that a visit has journalled, or was the first of its door to show, by their places.

    Not those behind a mark: another door may journal in the middle of a visit.
    """

    def __init__(self) -> None:
        self._new = Places()
        self._again: set[int] = set()

    def __contains__(self, seq: int) -> bool:
        return seq >= _UNPLACED or seq in self._again or seq in self._new

    def add(self, seqs: Sequence[int], again: Iterable[Again]) -> None:
        """Add those of one transaction, which stand behind those of the one before."""
        for first, last in spans(seqs):
            self._new.add(first, last)
        self._again.update(one.seq for one in again)


class _Other(NamedTuple):
    """A punch that the form at hand has not shown."""

    seq: int
    kinds: int
    """The forms that have, as a sum."""
    any_state: bool
    """Whether it may be what tells another state: it came by the bridge, or that does."""
    pruned: Pruned = None
    """Its identity, where it was pruned."""


@dataclass(slots=True)
class _Second:
    """The punches of one user and second."""

    last: int = 0
    """How many there ever were."""
    holds: set[Hold | None] = field(default_factory=set)
    """Why they are held; None is among these where one is not."""
    others: dict[tuple[int, int, int], deque[_Other]] = field(default_factory=dict)
    """Those of them that the form at hand has not shown, by verify, state and work code."""

    @property
    def is_unsent(self) -> bool:
        """Whether a repeat has the second, and nothing of it is sent."""
        return "repeat" in self.holds and None not in self.holds

    def take(self, content: tuple[int, int, int]) -> _Other | None:
        """Return the one that a record of this content shows, once; None if it shows none.

        It is where firmware changed the layout, and where another door was first. One of equal content comes
        first: doors number verify each in their own way, and not every one tells a work code. The state is
        equal in any case: a forged IN may not swallow a real OUT.
        """
        equal = (other for other in self.others if other[1] == content[1])
        for other in (content, *equal):
            if places := self.others.get(other):
                return places.popleft()
        return None

    def take_any(self) -> _Other | None:
        """Return, once, the first one that a record of another state shows; None if it shows none."""
        found = [(other, places) for places in self.others.values() for other in places if other.any_state]
        if not found:
            return None
        other, places = min(found)
        places.remove(other)
        return other


@dataclass(slots=True)
class _DryRun:
    """What a visit met that writes nothing, as the journal would know it."""

    new: int = 0
    """How many new punches."""
    known: dict[bytes, Known] = field(default_factory=dict)
    """What it knows of their bytes."""
    seconds: dict[str, _Second] = field(default_factory=dict)
    """By the id of the first punch of a user and second."""
    kept: dict[Who, str] = field(default_factory=dict)
    """When people's last punches were kept."""


class _Sorting:
    """Sorts punches of one form. Pure: what the journal holds is given as values."""

    def __init__(
        self, records: Records, own: _Own, place: int, known: dict[bytes, Known], showings: Showings
    ) -> None:
        """Given what is `known` of their bytes, sort nothing yet.

        `own` are the punches of this visit, `place` is the one that the first new punch would have.
        `showings` are those of the slices before.
        """
        self.place = place
        self.unknown: list[tuple[Punch, int]] = []
        """The punches that their bytes alone do not settle, each with the occurrence of these."""
        self.seconds: dict[str, _Second] = {}
        self.new: list[New] = []
        self.again: list[Again] = []
        self._records = records
        self._counted = is_counted(records.form)
        self._own = own
        self._known = known
        self._showings = showings
        self._shown: Counter[bytes] = Counter()
        self._seen_before = self._exact_repeats = self._clock_repeats = 0
        self._by_other_door = self._other_state = 0

    @property
    def tally(self) -> Tally:
        """The sum over the records."""
        holds = Counter(new.hold for new in self.new)
        return Tally(
            holds[None],
            self._seen_before,
            self._exact_repeats + holds["exact repeat"],
            holds["same second"],
            len(self._records.quarantined),
            held_exact_repeats=holds["exact repeat"],
            clock_repeats=self._clock_repeats,
            by_other_door=self._by_other_door,
            other_state=self._other_state,
        )

    def by_bytes(self) -> None:
        """Count the punches that are known by their bytes; the others are `unknown` then."""
        for punch in self._records.punches:
            known = self._known.get(punch.canonical)
            if self._counted:
                self._shown[punch.canonical] += 1
            if known is None:
                known = self._known[punch.canonical] = Known()
            elif not self._is_another(punch.canonical, known):
                self._count_again(0 if self._counted else known.newest)
                continue
            known.count += 1
            known.occurrence += 1
            known.newest = self.place
            self.unknown.append((punch, known.occurrence))

    def _is_another(self, bytes_: bytes, known: Known) -> bool:
        """Say whether a record whose bytes are known is another one than those known, by its place."""
        if not self._counted:
            return self._records.proved_new and known.newest not in self._own
        shown = self._showings.of(known.first) + self._shown[bytes_]
        return self._records.proved_new or shown > known.count

    def by_identity(self, events: Sequence[Event], seconds: defaultdict[str, _Second]) -> None:
        """Sort the unknown punches, with their `events`, by the punches of their user and second."""
        self.seconds = seconds
        door = of_one_door(self._records.form)
        # Before any of another state is: a forged OUT may not take the place of the IN behind it.
        equal = [seconds[new.id].take((new.verify, new.state, new.work_code)) for new in events]
        for (punch, occurrence), new, like in zip(self.unknown, events, equal, strict=True):
            second = seconds[new.id]
            other = like or second.take_any()
            self._other_state += other is not None and like is None
            if other:
                seq = other.seq
                is_first = other.kinds == Form.BRIDGE
                self.again.append(Again(seq, punch.canonical, occurrence, other.pruned, is_first))
                self._count_again(seq)
                self._by_other_door += not other.kinds & door
            else:
                seq = self.place + len(self.new)
                second.last += 1
                self.new.append(self._new(new, punch.canonical, occurrence, second.last))
            known = self._known[punch.canonical]
            known.first, known.newest = known.first or seq, seq

    def shown(self, seqs: Sequence[int]) -> dict[int, int]:
        """Return how often records were shown, by their first punches. `seqs` are the places of new ones."""
        firsts = ((self._known[one].first, times) for one, times in self._shown.items())
        return {seqs[first - self.place] if first >= self.place else first: times for first, times in firsts}

    def changed(self) -> dict[bytes, Known]:
        """Return what is known by now of the bytes that were shown for another punch."""
        return {punch.canonical: self._known[punch.canonical] for punch, _ in self.unknown}

    def _new(self, new: Event, bytes_: bytes, occurrence: int, nth: int) -> New:
        """Return a record as a new punch, the `nth` of its user and second."""
        if nth == occurrence == 1:
            return New(new, bytes_)
        clock_repeats = occurrence > 1 and new.clock_suspect
        self._clock_repeats += clock_repeats
        hold: Hold = "same second" if occurrence == 1 or clock_repeats else "exact repeat"
        first_id = new.id if nth > 1 else None
        id_ = punch_id(new.serial_number, new.user_id, new.timestamp[:WALL], nth)
        return New(new._replace(id=id_), bytes_, occurrence, nth, first_id, hold)

    def _count_again(self, seq: int) -> None:
        if seq in self._own:
            self._exact_repeats += 1
        else:
            self._seen_before += 1
