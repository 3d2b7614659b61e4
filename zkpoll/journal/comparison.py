"""What the journal holds of records that were put aside, and putting back what it lacks."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import astuple, dataclass, replace
from operator import add
from typing import TYPE_CHECKING

from zkpoll.journal import watermarks
from zkpoll.journal.database import now
from zkpoll.journal.devices import Devices
from zkpoll.journal.forgotten import holders_of_seconds
from zkpoll.journal.holds import HOLD_NOTHING
from zkpoll.journal.intake import Intake
from zkpoll.journal.known_bytes import known_bytes
from zkpoll.model.punch import punch_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from zkpoll.journal.database import Journal
    from zkpoll.journal.holds import Holding
    from zkpoll.model.log import Records
    from zkpoll.model.punch import Door, Punch, Quarantined
    from zkpoll.model.sums import Tally


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the journal holds of some records; each is counted once."""

    in_journal: int = 0
    """Punches that it holds, each under the id that the record gives it."""
    missing: int = 0
    quarantined: int = 0
    """Records that it holds in quarantine."""
    differ: int = 0
    """Records that it holds as punches under another id, or whose user only the journal knows.

    That is where a slot of the user table has changed hands since. The journal's word stands.
    """

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(*map(add, astuple(self), astuple(other)))

    @property
    def proved(self) -> bool:
        """Whether the journal's rows of these records could be rebuilt from them, and are all there."""
        return not (self.missing or self.differ)


def meet(journal: Journal, name: str, key: str) -> None:
    """Let the journal know the device that had this name and key, if it does not.

    Whatever is known by now is newer: a device keeps the name it has, and a name its device.
    """
    devices = Devices(journal)
    if journal.one("device_by_key", key=key) is not None:
        return
    if devices.key_of(name) is None:
        devices.meet(name, key)
        return
    with journal.transaction():
        journal.one("meet_device", name=None, key=key, now=now())


class Restoring:
    """One device's records that were put aside, beside the journal."""

    def __init__(
        self,
        journal: Journal,
        name: str,
        key: str,
        zone: tzinfo,
        holding: Holding = HOLD_NOTHING,
        *,
        source: Door,
    ) -> None:
        """Given the name, key and zone that a device had then, look at it in the journal.

        `holding` says which of the punches that are put back are held, `source` by which door they came.
        """
        self._journal = journal
        self._key = key
        self._intake = Intake(journal, name, key, zone, source=source, holding=holding)
        row = journal.one("device_by_key", key=key)
        self._device: int | None = row[0] if row else None

    def compare(self, records: Records) -> Comparison:
        """Say what the journal holds of `records`; nothing is written."""
        return self._compare_punches(records) + self._compare_quarantined(records.quarantined)

    def add(self, records: Records) -> Tally:
        """Put those of `records` into the journal that it lacks, as when they were read.

        The device's log is read whole next time: behind the last records that were read of it, some are known
        by now. On disk when it returns. Raise `JournalError` with nothing of it kept.
        """
        with self._journal.transaction():
            if self._device is not None:
                watermarks.forget(self._journal, self._device)
            return self._intake.add(records)

    def _compare_punches(self, records: Records) -> Comparison:
        # Firmware may have changed the layout since, and what is in quarantine stays there: the intake knows.
        tally = self._intake.sort(replace(records, quarantined=())).tally
        missing = tally.first_seen + tally.same_second + tally.exact_repeats
        differ = self._under_another_id(records.punches)
        return Comparison(tally.seen_before - differ, missing, tally.quarantined, differ)

    def _compare_quarantined(self, records: Sequence[Quarantined]) -> Comparison:
        raw = [record.raw for record in records]
        known = known_bytes(self._journal, self._device, set(raw))
        punches = {place for place, record in enumerate(raw) if record in known}
        rows = self._journal.look_up("quarantined_records", raw, device=self._device)
        quarantined = {row[0] for row in rows} - punches
        missing = len(raw) - len(punches) - len(quarantined)
        return Comparison(missing=missing, quarantined=len(quarantined), differ=len(punches))

    def _under_another_id(self, punches: Sequence[Punch]) -> int:
        """Return how many of `punches` the journal holds by their bytes as another person's, or second's."""
        shown = Counter(punch.canonical for punch in punches)
        known = known_bytes(self._journal, self._device, shown.keys())
        held = [(punch, known[punch.canonical]) for punch in punches if punch.canonical in known]
        ids = [punch_id(self._key, punch.user_id, punch.time.isoformat()) for punch, _ in held]
        holders: defaultdict[int, set[int]] = defaultdict(set)
        for place, holder in holders_of_seconds(self._journal, self._device, ids):
            holders[place].add(holder.seq)
        others = {
            punch.canonical for place, (punch, what) in enumerate(held) if what.first not in holders[place]
        }
        return sum(min(shown[one], known[one].count) for one in others)
