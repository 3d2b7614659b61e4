"""A run in one line, in a letter, and as a JSON document. Pure."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from zkpoll.model.log import Reading
from zkpoll.model.punch import as_json
from zkpoll.model.sums import BridgeTally, Tally
from zkpoll.reports.words import ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zkpoll.tasks.database_outcome import DatabaseOutcome
    from zkpoll.tasks.delivery_outcome import DeliveryOutcome
    from zkpoll.tasks.device_outcome import DeviceOutcome
    from zkpoll.tasks.outcome import Outcome

_READING: Final = [field.name for field in fields(Reading)]


def summary(outcome: Outcome) -> str:
    """Return a run's outcome in one line."""
    parts = []
    if outcome.devices or not outcome.databases:
        parts.append(f"{_well(outcome.devices)} of {len(outcome.devices)} devices read")
    if outcome.databases:
        parts.append(f"{_well(outcome.databases)} of {len(outcome.databases)} databases read")
    new = sum(one.tally.first_seen for one in outcome.read)
    parts.append(f"{new:,} new punches")
    for one in outcome.deliveries:
        since = f" since {one.oldest_pending[:16]}Z" if one.oldest_pending else ""
        pending = f", {one.counts.pending:,} wait{since}" if one.counts.pending else ""
        parked = f", {one.counts.parked:,} parked" if one.counts.parked else ""
        parts.append(f"{one.confirmed:,} delivered to {one.name}{pending}{parked}")
    if outcome.would_send is not None:
        parts.append(f"{len(outcome.would_send):,} of them would be sent, nothing was written")
    return f"{', '.join(parts)}; {outcome.seconds:.1f} s"


def _well(read: Iterable[DeviceOutcome | DatabaseOutcome]) -> int:
    return sum(one.problem is None for one in read)


def letter(outcome: Outcome) -> str:
    """Return a run's outcome in one line, and a line for each thing that needs a person."""
    return "\n".join([summary(outcome), *trouble_lines(outcome), *notice_lines(outcome)])


def trouble_lines(outcome: Outcome) -> Iterator[str]:
    """Yield a line for each trouble of a run, its subject in front."""
    return (f"{subject}: {trouble.text}" for subject, trouble in outcome.said().items())


def notice_lines(outcome: Outcome) -> Iterator[str]:
    """Yield a line for each notice of a run, its subject in front."""
    return (f"{subject}: {notice.text}" for subject, notice in outcome.notices())


def log_reading(device: DeviceOutcome) -> str:
    """Return the result of reading a device's log in words, or no words where it was not read."""
    reading = device.reading
    if reading is None:
        return ""
    clock = "no clock" if reading.drift is None else f"clock {ahead(reading.drift)}"
    new = device.tally.first_seen
    return f"{new:,} new of {reading.on_device:,} records, {clock}, {device.seconds:.1f} s"


def rows_read(database: DatabaseOutcome) -> str:
    """Return the result of reading a database in words."""
    of_all = "" if database.rows is None else f" of {database.rows:,} rows"
    return f"{database.tally.first_seen:,} new{of_all}, {database.seconds:.1f} s"


def document(outcome: Outcome) -> dict[str, Any]:
    """Return a run's outcome as one JSON document."""
    data: dict[str, Any] = {
        "exit_code": int(outcome.exit_code),
        "devices": [_device(device) for device in outcome.devices],
        "databases": [_database(database) for database in outcome.databases],
        "maybe_disabled": sorted(outcome.locked),
        "troubles": {
            subject: {
                "kind": trouble.kind,
                "text": trouble.text,
                "advice": trouble.once,
                "told_by": trouble.told_by,
            }
            for subject, trouble in (*outcome.troubles().items(), *outcome.advice().items())
        },
        "untold": [{"subject": subject, "text": text} for subject, text in outcome.overdue],
        "deliveries": [_delivery(delivery) for delivery in outcome.deliveries],
        "sums": {
            "reading": _reading_sum(outcome),
            "bridge": _bridge_sum(outcome),
            "journal": {delivery.name: asdict(delivery.counts) for delivery in outcome.deliveries},
        },
        "seconds": round(outcome.seconds, 3),
    }
    if outcome.would_send is not None:
        data["would_send"] = [as_json(event) for event in outcome.would_send]
        data["first_requests"] = [asdict(preview) for preview in outcome.previews]
    return data


def _device(outcome: DeviceOutcome) -> dict[str, Any]:
    reading = asdict(outcome.reading) if outcome.reading else dict.fromkeys(_READING)
    until = outcome.reading and outcome.reading.complete_until
    return {
        "name": outcome.name,
        "address": outcome.address,
        "serial_number": outcome.key,
        "ok": outcome.trouble is None,
        "failure": outcome.kind,
        "problem": outcome.trouble.text if outcome.trouble else None,
        "notices": [notice.text for notice in outcome.notices],
        "clearing": asdict(outcome.clearing) if outcome.clearing else None,
        **reading,
        "complete_until": until and until.isoformat(timespec="seconds"),
        **asdict(outcome.tally),
        "seconds": round(outcome.seconds, 3),
    }


def _database(outcome: DatabaseOutcome) -> dict[str, Any]:
    tally = asdict(outcome.tally)
    return {
        "name": outcome.name,
        "kind": outcome.kind_of_database,
        "address": outcome.address,
        "ok": outcome.trouble is None,
        "failure": outcome.kind,
        "problem": outcome.trouble.text if outcome.trouble else None,
        "notices": [notice.text for notice in outcome.notices],
        "complete": outcome.complete,
        "rows": outcome.rows,
        "buckets": outcome.buckets,
        "buckets_read": outcome.buckets_read,
        "in_motion": outcome.in_motion,
        "rows_read": tally.pop("rows"),
        **tally,
        "seconds": round(outcome.seconds, 3),
    }


def _bridge_sum(outcome: Outcome) -> dict[str, int]:
    """Return the fates of all rows that were read. `rows` is the sum of the rest."""
    tally = sum((one.tally for one in outcome.databases), start=BridgeTally())
    return {
        "rows": tally.rows,
        "first_seen": tally.first_seen,
        "seen_before": tally.seen_before,
        "repeats": tally.repeats,
        "set_aside": tally.set_aside,
    }


def _delivery(outcome: DeliveryOutcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "ok": outcome.trouble is None,
        "failure": outcome.kind,
        "problem": outcome.trouble.text if outcome.trouble else None,
        "confirmed_now": outcome.confirmed,
        "parked_now": outcome.parked,
        "exposed": outcome.exposed,
        "requests": outcome.requests,
        "capped": outcome.capped,
        "shifts": [
            asdict(shift) | {"until": shift.until and shift.until.isoformat(timespec="seconds")}
            for shift in outcome.shifts
        ],
        "pending": outcome.counts.pending,
        "oldest_pending": outcome.oldest_pending,
        "seconds": round(outcome.seconds, 3),
    }


def _reading_sum(outcome: Outcome) -> dict[str, int]:
    """Return the fates of all records that were read. `records` is the sum of the rest."""
    tally = sum((device.tally for device in outcome.devices), start=Tally())
    records = tally.records + sum(one.difference for one in outcome.devices)
    return {
        "records": records,
        "first_seen": tally.first_seen,
        "seen_before": tally.seen_before,
        "exact_repeats": tally.exact_repeats,
        "same_second": tally.same_second,
        "quarantined": tally.quarantined,
    }
