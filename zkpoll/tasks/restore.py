"""Prove the journal by the raw copy of a log, and put back the punches that it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from zkpoll.journal.comparison import Comparison, Restoring, meet
from zkpoll.journal.devices import Devices
from zkpoll.journal.holds import HOLD_NOTHING, Holding
from zkpoll.journal.outbox import JournalOutbox

if TYPE_CHECKING:
    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.sums import Tally
    from zkpoll.pull.raw_copy import RawCopy


def compare(journal: Journal, copy: RawCopy) -> Comparison:
    """Given a raw copy, return which of its records the journal holds; nothing is written."""
    room = Restoring(journal, copy.device, copy.serial_number, ZoneInfo(copy.zone), source="pull")
    found: list[Comparison] = []
    copy.hand_on(lambda piece: found.append(room.compare(piece)))
    return sum(found, Comparison())


def restore(journal: Journal, inventory: Inventory, copy: RawCopy) -> tuple[Comparison, int]:
    """Put the records of a raw copy into the journal that it lacks.

    Return which of them it holds then, and how many were put there. They go to every dashboard of the
    inventory, and are held by the settings of the device as it is named by now.
    """
    for dashboard in inventory.dashboards:  # a new one gets only what is journalled after it was met
        JournalOutbox(journal, dashboard.name)
    meet(journal, copy.device, copy.serial_number)
    name = Devices(journal).name_of(copy.serial_number)
    holds = (Holding(one.since, one.repeat_within) for one in inventory.devices if one.name == name)
    holding = next(holds, HOLD_NOTHING)
    room = Restoring(journal, copy.device, copy.serial_number, ZoneInfo(copy.zone), holding, source="pull")
    tallies: list[Tally] = []
    copy.hand_on(lambda piece: tallies.append(room.add(piece)))
    written = sum(
        one.first_seen + one.same_second + one.held_exact_repeats + one.newly_quarantined for one in tallies
    )
    return compare(journal, copy), written
