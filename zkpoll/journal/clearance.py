"""Whether a device's log may be cleared, and what is remembered of clearing it.

Nothing here touches the device: whoever clears it asks first, and writes down what it is about to do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, get_args

from zkpoll.errors import WrongSerial
from zkpoll.journal.database import now
from zkpoll.journal.forgotten import forgotten_bytes
from zkpoll.journal.known_bytes import Showings, known_bytes
from zkpoll.model.delivery import OutboxState
from zkpoll.model.punch import PUSHED, is_counted
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.journal.database import Journal, Row
    from zkpoll.model.log import Records
    from zkpoll.model.punch import Form


@dataclass(frozen=True, slots=True)
class Unsettled:
    """How many records of a piece of a log must stay on their device, and why; known ones count once."""

    unknown: int = 0
    """Records that the journal does not hold."""
    strange: int = 0
    """Punches held because their terminal answered where another one belongs."""
    quarantined: int = 0
    """Records in quarantine that nobody has accepted."""
    parked: Mapping[str, int] = field(default_factory=dict)
    """Punches that a dashboard refused, by its name."""
    pending: Mapping[str, int] = field(default_factory=dict)
    """Punches that wait for a dashboard, by its name; also for one that left the inventory."""

    @property
    def refusal(self) -> str | None:
        """Why the log must not be cleared, and what to do about it, in one sentence; None if it may be."""
        whys = [
            _said(self.unknown, *_UNKNOWN),
            _said(self.strange, *_STRANGE),
            _said(self.quarantined, *_QUARANTINED),
            *(_said(count, *_PARKED, name) for name, count in self.parked.items()),
            *(_said(count, *_PENDING, name) for name, count in self.pending.items()),
        ]
        return ", ".join(filter(None, whys)) or None


_REASONS: Final = frozenset(("unknown", "held", "quarantined", "parked", "pending"))
_STATES: Final = frozenset(get_args(OutboxState))
_UNKNOWN: Final = ("record is", "records are", "not in the journal{} (`zkpoll sync --full`)")
_STRANGE: Final = ("punch is", "punches are", "another terminal's{} (`zkpoll devices accept`)")
_QUARANTINED: Final = ("record is", "records are", "in quarantine{} (`zkpoll quarantine accept`)")
_PARKED: Final = ("punch is", "punches are", "parked for {} (`zkpoll outbox list`)")
_PENDING: Final = ("punch waits", "punches wait", "for {} (`zkpoll sync`, or `zkpoll outbox discard`)")


def _said(count: int, one: str, more: str, what: str, dashboard: str = "") -> str:
    return f"{count:,} {one if count == 1 else more} {what.format(dashboard)}" if count else ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the journal holds of one device, whether it is still in the device's log or not."""

    punches: int
    dashboards: Mapping[str, Counts]
    """Of each dashboard that was to get any of them, those in its outbox, by state."""
    quarantined: int
    """Records in quarantine."""
    accepted: int
    """Those of them that a person accepted."""


class Clearance:
    """One device's part in the journal that has to do with clearing its log."""

    def __init__(self, journal: Journal, key: str) -> None:
        """Given a device key, look at that device. Raise `WrongSerial` when the journal has not met it."""
        self._journal = journal
        row = journal.one("device_by_key", key=key)
        if row is None:
            raise WrongSerial(f"no device with serial number {key} was ever read")
        self._device: int = row[0]
        self._showings = Showings()
        self._place: tuple[int | None, int | None] = (None, None)
        """The last punch in the journal when the device was about to be disabled, and the number of records
        of it in quarantine."""

    # --- may it be cleared? ---

    def unsettled(self, records: Records) -> Unsettled:
        """Given a piece of the log, behind those given before, say what must not be lost of it.

        Settled is what every dashboard has, was not to get, or is held back from for good: because of
        `since`, as a repeat, as one of the same second, or discarded by a person. A record that carries no
        number must be known as often as the log shows it. A punch that was pushed is known by its line alone,
        and must stay until a reading has found its record. Raise `JournalError` where the state of a punch is
        none.
        """
        shown = Counter(punch.canonical for punch in records.punches)
        asked = list({*shown, *(record.raw for record in records.quarantined)})
        found = self._journal.look_up("unsettled", asked, device=self._device)
        if not _REASONS.issuperset(why for _, why, _ in found):
            raise self._journal.damaged()
        found = self._without_forgotten(asked, found)
        counts = Counter((why, name) for _, why, name in found)
        return Unsettled(
            counts["unknown", None] + self._more_than_known(records.form, shown),
            len({place for place, why, _ in found if why == "held"}),
            counts["quarantined", None],
            parked=_by_dashboard(counts, "parked"),
            pending=_by_dashboard(counts, "pending"),
        )

    def _without_forgotten(self, asked: Sequence[bytes], found: Sequence[Row]) -> list[Row]:
        """Return what was found of records, without those whose punches were pruned: these are settled."""
        unknown = [place for place, why, _ in found if why == "unknown"]
        rows = forgotten_bytes(self._journal, self._device, [asked[place] for place in unknown])
        settled = {unknown[row[0]] for row in rows}
        return [row for row in found if row[1] != "unknown" or row[0] not in settled]

    def _more_than_known(self, form: Form | None, shown: Mapping[bytes, int]) -> int:
        """Given how often a piece of the log shows bytes, return how many showings are of no known punch.

        Of bytes that are not known at all, all but one.
        """
        if not is_counted(form):
            return 0
        known = known_bytes(self._journal, self._device, shown.keys())
        more = sum(times - 1 for one, times in shown.items() if one not in known)
        for one, what in known.items():
            before = max(what.count, self._showings.of(what.first))
            more += max(0, self._showings.of(what.first) + shown[one] - before)
        self._showings.add(form, {what.first: shown[one] for one, what in known.items()})
        return more

    def refused(self) -> str | None:
        """Return why its log is never cleared before a person allows it again, or None."""
        row = self._journal.one("why_not_cleared", device=self._device)
        clear_ignored, disable_ignored = row or (None, None)
        why: str | None = disable_ignored
        if why is None and clear_ignored:
            why = f"it said on {clear_ignored[:10]} that it had cleared its log, and kept it"
        return why

    def numbers(self) -> Numbers:
        """Return what the journal holds of the device. Raise `JournalError` where a state is none."""
        states: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for name, state, count in self._journal.all("punches_by_state", device=self._device):
            if state not in _STATES:
                raise self._journal.damaged()
            states[name][state] = count
        punches, quarantined, accepted = (
            self._journal.one("records_of_device", device=self._device) or (0,) * 3
        )
        dashboards = {name: Counts(sum(found.values()), **found) for name, found in states.items()}
        return Numbers(punches, dashboards, quarantined, accepted)

    # --- it may be disabled ---

    def intend(self) -> None:
        """Write down that the device is about to be disabled, if it is not yet; on disk when it returns.

        What is in the journal by now is what a clearing takes from the device; what is pushed later is not.
        """
        with self._journal.transaction():
            row = self._journal.one("place_of_clearing", device=self._device, pushed=PUSHED)
            after, quarantined = row or (None, None)
            self._place = after, quarantined
            self._journal.run("add_intent", device=self._device, now=now())

    def done(self, *, clear_sent: bool = False) -> None:
        """Strike that out: the device has answered ENABLE.

        With `clear_sent` its log may be empty by now: whatever it holds at the next visit is read whole, and
        is new where what it held is not in its place any more.
        """
        with self._journal.transaction():
            self._journal.run("strike_intent", device=self._device)
            if clear_sent:
                self._journal.run("doubt_watermark", device=self._device, now=now())

    # --- what came of it ---

    def cleared(self) -> None:
        """Write down that the device is enabled and its log was seen empty: what it holds later is new.

        Which punches are on it no more is known if it was written down before that it would be disabled.
        """
        with self._journal.transaction():
            self._journal.run("strike_intent", device=self._device)
            self._journal.run("expect_nothing", device=self._device, nothing=b"", now=now())
            after, quarantined = self._place
            self._journal.run(
                "note_cleared", device=self._device, now=now(), after=after, quarantined=quarantined
            )

    def note_clear_ignored(self) -> None:
        """Write down that the device acknowledged CLEAR and kept its log; it is not to be cleared again."""
        with self._journal.transaction():
            self._journal.run("note_clear_ignored", device=self._device, now=now())

    def note_disable_ignored(self, why: str) -> None:
        """Write down how the device showed that it ignores DISABLE; it is not to be cleared again."""
        with self._journal.transaction():
            self._journal.run("note_disable_ignored", device=self._device, why=why)

    def allow(self) -> None:
        """Let the device be cleared whatever it ignored: a person has looked at it."""
        with self._journal.transaction():
            self._journal.run("allow_clearing", device=self._device)


def _by_dashboard(counts: Mapping[tuple[str, str | None], int], why: str) -> dict[str, int]:
    return {name: count for (reason, name), count in sorted(counts.items()) if reason == why and name}


def intended(journal: Journal, key: str) -> bool:
    """Say whether the device with a key may be disabled, by a run that could not enable it again."""
    return journal.one("intent", key=key) is not None


def seconds_since_intended(journal: Journal, key: str) -> float | None:
    """Return how long ago the intent for a device was written down, by the clock of the journal's server.

    None where there is none, or whoever wrote it down and lost its locks has surely ended: as with a journal
    in a file, whose locks the system frees.
    """
    row = journal.one("intent_age", key=key)
    return row[0] if row else None


def maybe_disabled(journal: Journal) -> frozenset[str]:
    """Return the names of devices that may be disabled; the key of one that has no name any more.

    One whose log another run is clearing at this moment is in good hands.
    """
    free = [(name, key) for name, key in journal.all("intents") if not journal.is_locked(f"clearing {key}")]
    if not free:
        return frozenset()
    still = journal.all("intents")  # its clearing may have ended while we looked
    return frozenset(name for name, key in free if (name, key) in still)
