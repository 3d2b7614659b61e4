"""Records that are impossible, and rows that are nobody's: kept, accepted by a person, and released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.journal import watermarks
from zkpoll.journal.database import now
from zkpoll.model.log import Records
from zkpoll.model.punch import ANOTHERS, LAYOUT_FORMS, NOBODYS, PUSHED
from zkpoll.model.sums import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.journal.database import Journal
    from zkpoll.journal.intake import Intake
    from zkpoll.model.bridged import AsideReason
    from zkpoll.model.punch import Form, Punch


@dataclass(frozen=True, slots=True)
class Impossible:
    """One record in quarantine."""

    device: str | None
    """Its inventory name; None for a terminal that was replaced."""
    serial_number: str
    raw: bytes
    reason: str
    quarantined_at: str
    """UTC, ISO 8601."""
    accepted_at: str | None
    """When a person accepted it (UTC, ISO 8601); None while it keeps its device's log from being cleared."""


def quarantined(journal: Journal) -> list[Impossible]:
    """Return all records in quarantine, oldest first."""
    return [Impossible(*row) for row in journal.all("quarantined")]


def not_accepted(journal: Journal, limit: int) -> tuple[list[Impossible], int]:
    """Return the first records that nobody accepted, no more than `limit`, and how many there are."""
    row = journal.one("quarantined_in_all")
    first = [Impossible(*row) for row in journal.all("quarantined_first", limit=limit)]
    return first, row[0] if row else 0


def accept(journal: Journal, records: Sequence[Impossible]) -> int:
    """Let the log that `records` are in be cleared as far as they go; return how many were not accepted yet.

    They stay in quarantine, and accepted, wherever they are met again, unless they are believed some day.
    """
    rows = [{"key": record.serial_number, "raw": record.raw, "now": now()} for record in records]
    with journal.transaction():
        return journal.run_many("accept_quarantined", rows)


# --- records that are punches after all ---


def to_be_judged(journal: Journal, key: str) -> list[bytes]:
    """Return the records of the device with this key that may be believable to a reading of today.

    Not those of which a person has to say whose they are, nor lines that were pushed.
    """
    rows = journal.all("to_be_judged", key=key, pushed=PUSHED, nobodys=NOBODYS, anothers=ANOTHERS)
    return [raw for (raw,) in rows]


def people_of(journal: Journal, key: str, first: bytes, last: bytes, width: int) -> frozenset[str]:
    """Return whose punches of the device bytes of this width, from `first` to `last`, have shown."""
    rows = journal.all("people_of_bytes", key=key, first=first, last=last, width=width)
    return frozenset(user_id for (user_id,) in rows)


def judge(journal: Journal, key: str, reasons: Mapping[bytes, str]) -> None:
    """Note, in the transaction under way, why records stay in quarantine."""
    rows = [{"key": key, "raw": raw, "reason": reason} for raw, reason in reasons.items()]
    journal.run_many("judge_quarantined", rows)


def as_records(believed: Mapping[bytes, Punch], drift: float | None) -> list[Records]:
    """Given punches by their bytes in quarantine, return them as records of each form, by time."""
    forms: dict[Form, list[Punch]] = {}
    for raw, punch in sorted(believed.items(), key=lambda one: one[1].time):
        forms.setdefault(LAYOUT_FORMS[len(raw)], []).append(punch)
    return [Records(tuple(punches), (), form=form, drift=drift) for form, punches in forms.items()]


def release(
    journal: Journal, key: str, intake: Intake, believed: Mapping[bytes, Punch], drift: float | None = None
) -> Tally:
    """Let records be punches, in the transaction under way, and leave quarantine; return what became of them.

    `believed` has the punch of each by the bytes that are in quarantine. What is not there any more is left
    out. In the watermark each gets the bytes by which it will be found again.
    """
    return _released(journal, key, intake, believed, drift)[1]


def assign(
    journal: Journal, key: str, intake: Intake, believed: Mapping[bytes, Punch], slot: int, person: str
) -> Tally:
    """Let records of a slot be the punches that a person says they are; return what became of them.

    Who said so is kept beside each punch. On disk when it returns.
    """
    with journal.transaction():
        found, tally = _released(journal, key, intake, believed, None)
        row = journal.one("device_by_key", key=key)
        shown = [punch.canonical for punch in found]
        journal.run_over("assign", shown, device=row and row[0], slot=slot, person=person, now=now())
    return tally


def _released(
    journal: Journal, key: str, intake: Intake, believed: Mapping[bytes, Punch], drift: float | None
) -> tuple[list[Punch], Tally]:
    row, asked = journal.one("device_by_key", key=key), list(believed)
    device = row[0] if row else None
    there = [asked[place] for (place,) in journal.look_up("quarantined_records", asked, device=device)]
    journal.run_over("leave_quarantine", there, device=device)  # first: what is in it is no punch
    tally, found = Tally(), {raw: believed[raw] for raw in there}
    for records in as_records(found, drift):
        tally += intake.add(records)
    if device is not None:
        watermarks.translate(journal, device, {raw: punch.canonical for raw, punch in found.items()})
    return list(found.values()), tally


# --- rows of databases ---


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row of a database that is no punch for now."""

    database: str | None
    """Its inventory name; None where another address has that by now."""
    address: str
    key: str
    """The row's own identity."""
    raw: str
    """The row as it stands there."""
    reason: AsideReason
    detail: str
    since: str
    """When it was first seen (UTC, ISO 8601)."""
    accepted_at: str | None
    """When a person accepted it (UTC, ISO 8601); None while it is told, and tried again at every visit."""


def rows_set_aside(journal: Journal) -> list[SetAside]:
    """Return the rows that are set aside and are still in their databases, by database."""
    return [SetAside(*row) for row in journal.all("rows_set_aside")]


def rows_not_accepted(journal: Journal, limit: int) -> list[SetAside]:
    """Return the first rows that are set aside and that nobody accepted, no more than `limit`."""
    return [SetAside(*row) for row in journal.all("rows_set_aside_first", limit=limit)]


def accept_rows(journal: Journal, rows: Sequence[SetAside]) -> int:
    """Let rows stay set aside without being told or tried again; return how many were not accepted yet.

    Should one be read again and be known by then whose it is, it is a punch all the same.
    """
    accepted = [{"address": row.address, "key": row.key, "now": now()} for row in rows]
    with journal.transaction():
        return journal.run_many("accept_row", accepted)
