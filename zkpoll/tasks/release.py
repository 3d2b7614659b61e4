"""Records that leave quarantine: those that are believed by now, and those that a person says whose they are.

    a visit, before it reads    what a reading found impossible is decoded anew, by its bytes
      it is a punch               it leaves quarantine as one, whether or not the log still shows it
      its slot is nobody's, or
      was another person's        it stays: the user table of today must not say whose it was
      else                        it stays, and is looked at again at the next visit
    `quarantine assign`         what is nobody's is the punch of whom a person names

What a person had accepted is released as well: that it is never sent was accepted of a record which nobody
could read. What must never happen: a record that is a punch and in quarantine, or neither; another person's
punch; a record of a stranger at the device's address that is told as the device's own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from zkpoll import wall_clock
from zkpoll.errors import Refused, WireError
from zkpoll.journal import quarantine
from zkpoll.journal.devices import STRANGER
from zkpoll.journal.holds import Holding
from zkpoll.journal.intake import Intake
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.punch import ANOTHERS, NOBODYS
from zkpoll.pull.layouts import ANY_SLOT
from zkpoll.pull.reader import slots
from zkpoll.pull.second_reading import bytes_of_slot, of_slot, read_again

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Punch
    from zkpoll.model.sums import Tally
    from zkpoll.pull.session import Session

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a device's records in quarantine are by now, by their bytes."""

    punches: Mapping[bytes, Punch] = field(default_factory=dict)
    nobodys: Mapping[bytes, str] = field(default_factory=dict)
    """Why records would be punches if it were known whose."""
    drift: float | None = None
    """Seconds by which the device's clock is ahead now, where it shows a date."""


def judged(journal: Journal, key: str, session: Session, device: Device) -> Judgement:
    """Return what the records in quarantine are of a device that is visited. Raise one of the device errors.

    Costs one look into the journal where nothing is in quarantine, and asks the device only about what is
    believed. One that does not tell its users keeps the records that need them in quarantine.
    """
    read = {raw: read_again(raw, ANY_SLOT) for raw in quarantine.to_be_judged(journal, key)}
    believed = {raw: punch for raw, punch in read.items() if punch}
    if not believed:
        return Judgement()
    of_slots = {raw: found.slot for raw in believed if (found := of_slot(raw))}
    punches = {raw: punch for raw, punch in believed.items() if raw not in of_slots}
    nobodys: dict[bytes, str] = {}
    users = _users(session, device.name, len(of_slots)) if of_slots else {}
    if users is None:
        of_slots, users = {}, {}
    for raw, slot in of_slots.items():
        user_id, punch = users.get(slot), read_again(raw, users)
        others = quarantine.people_of(journal, key, *bytes_of_slot(raw), len(raw)) - {user_id}
        if punch and not others:
            punches[raw] = punch
        else:
            nobodys[raw] = ANOTHERS if punch else NOBODYS
    shown = session.time()
    drift = wall_clock.drift(shown, datetime.now(UTC), ZoneInfo(device.timezone)) if shown else None
    return Judgement(punches, nobodys, drift.total_seconds() if drift is not None else None)


def _users(session: Session, name: str, records: int) -> Mapping[int, str] | None:
    """Return the users of a device by slot; None where it does not tell them, and why in the log."""
    try:
        return slots(session)
    except (Refused, WireError) as error:
        _log.warning("%s: %d records stay in quarantine: %s", name, records, error)
        return None


def late_intake(journal: Journal, device: Device, name: str, key: str) -> Intake:
    """Return the way into the journal of records that have waited in quarantine."""
    row = journal.one("device_by_key", key=key)
    return Intake(
        journal,
        name,
        key,
        ZoneInfo(device.timezone),
        source="pull",
        held=STRANGER if row and row[3] else None,
        holding=Holding(device.since, device.repeat_within),
        late=True,
    )


# --- whose they are, as a person says ---


@dataclass(frozen=True, slots=True)
class Unowned:
    """A record in quarantine that is a punch of nobody."""

    record: quarantine.Impossible
    slot: int
    time: datetime
    """The device's wall clock."""


def unowned(record: quarantine.Impossible) -> Unowned | None:
    """Given a record in quarantine, return its slot and time where it lacks nothing but a person."""
    found = of_slot(record.raw) if record.reason in {NOBODYS, ANOTHERS} else None
    return Unowned(record, *found) if found else None


def assign(
    journal: Journal,
    inventory: Inventory,
    device: Device,
    key: str,
    records: Collection[Unowned],
    user_id: str,
    person: str,
) -> Tally:
    """Journal records of one slot as punches of a user, as `person` says; return what became of them.

    `key` is the key of the device. They go to every dashboard of the inventory.
    """
    for dashboard in inventory.dashboards:  # a new one gets only what is journalled after it was met
        JournalOutbox(journal, dashboard.name)
    believed = {one.record.raw: read_again(one.record.raw, {one.slot: user_id}) for one in records}
    return quarantine.assign(
        journal,
        key,
        late_intake(journal, device, device.name, key),
        {raw: punch for raw, punch in believed.items() if punch},
        next((one.slot for one in records), 0),
        person,
    )
