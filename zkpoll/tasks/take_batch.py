"""One batch that a device pushed: journalled whole, in one transaction, or refused whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.journal import conditions
from zkpoll.journal.devices import Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.intake import Intake
from zkpoll.journal.pushed import Pushed
from zkpoll.tasks.device_outcome import notices_of_records
from zkpoll.tasks.push_outcome import PUSH
from zkpoll.wall_clock import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from zkpoll.inventory import Device
    from zkpoll.journal.database import Journal
    from zkpoll.journal.devices import Met
    from zkpoll.journal.pushed import Contact
    from zkpoll.model.sums import Tally
    from zkpoll.push.contract import Batch

_AT_ONCE: Final = 3
"""Lines of a batch that was sent as people punched; a longer one may have waited."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch that is on disk."""

    met: Met
    """The device it was journalled for, and why nothing of it may be delivered."""
    tally: Tally


def take_batch(
    journal: Journal,
    device: Device,
    batch: Batch,
    received: datetime,
    patience: float | None = None,
    call: Contact | None = None,
) -> Taken:
    """Journal a batch of a device, with its stamp, and return what became of it. On disk when it returns.

    `received` is when it came (UTC), `patience` how many seconds to wait for the journal. What a person has
    to know of it is owed in the same transaction, and `call`, if given, is written in it: else a device whose
    punches are in could be said never to have called. Raise `JournalError`, with nothing of it kept.
    """
    serial, zone = device.serial or "", ZoneInfo(device.timezone)
    known = Devices(journal)
    with known.transaction_of_caller(device.name, serial, patience) as met:
        intake = Intake(
            journal,
            known.name_of(met.key) or device.name,
            met.key,
            zone,
            source="push",
            held=met.held,
            holding=Holding(device.since, device.repeat_within),
        )
        tally = intake.add(batch, batch.rests)
        at_once = tally.first_seen and batch.lines <= _AT_ONCE
        pushed = Pushed(journal, met.key)
        if call:
            pushed.keep_call(call)
        pushed.keep_batch(
            batch.table,
            batch.stamp,
            batch.digest,
            last=batch.punches[-1].time if batch.punches else None,
            skews=tuple(_skews(batch, zone, received)) if at_once else (),
        )
        for notice in notices_of_records(tally):
            if not notice.harmless:
                conditions.owe(journal, f"{PUSH}{device.name}", notice.text)
    return Taken(met, tally)


def _skews(batch: Batch, zone: ZoneInfo, received: datetime) -> Iterator[float]:
    """Yield the seconds from punch to receipt of punches that cannot have waited long."""
    for punch in batch.punches:
        seconds = (received - punch.time.replace(tzinfo=zone)).total_seconds()
        if abs(seconds) < DAY:
            yield seconds
