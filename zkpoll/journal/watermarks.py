"""How much of each device's log the journal holds: the progress of the pull door.

Stored in the transaction that keeps the records themselves, so that neither is there without the other.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from zkpoll.journal.database import now
from zkpoll.model.log import Watermark, WholeReading
from zkpoll.model.punch import bytes_known_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.journal.database import Journal


def load(journal: Journal, key: str) -> Watermark | None:
    """Given a device key, return how much of its log the journal holds, or None if it was never read."""
    row = journal.one("watermark", key=key)
    if row is None:
        return None
    layout, records, tail, fold, whole_at, all_read, clear_sent, before, seen = row
    width = max(bytes_known_by(layout), 1)
    proof = tuple(tail[at : at + width] for at in range(0, len(tail), width))
    whole = None if before is None else WholeReading(before, seen)
    last = datetime.fromisoformat(whole_at) if whole_at else None
    if clear_sent:
        return Watermark(layout, 0, (), 0, last, whole=whole, before_clear=(records, proof))
    return Watermark(layout, records, proof, fold, last, all_read=bool(all_read), whole=whole)


def forget(journal: Journal, device: int) -> None:
    """Let all of a device's log be read again, in the transaction under way.

    That is due where records of it came to the journal by another way: their place in the log proves nothing.
    """
    journal.run("forget_watermark", device=device)


def translate(journal: Journal, device: int, found: Mapping[bytes, bytes]) -> None:
    """Put other bytes in the place of records' bytes (`found` has both), in the transaction under way.

    Else the last records would not seem to be in their places, and all of the log would be read again.
    """
    row = journal.one("tail", device=device)
    layout, tail = row or (0, b"")
    width = max(bytes_known_by(layout), 1)
    last = [tail[at : at + width] for at in range(0, len(tail), width)]
    if found.keys() & set(last):
        translated = b"".join(found.get(one, one) for one in last)
        journal.run("set_tail", device=device, tail=translated)


def store(journal: Journal, key: str, mark: Watermark) -> None:
    """Store the watermark of the device with this key, in the transaction under way."""
    row = {
        "key": key,
        "layout": mark.layout,
        "records": mark.count,
        "tail": b"".join(mark.tail),
        "fold": mark.fold,
        "all_read": int(mark.all_read),
        "whole_before": mark.whole and mark.whole.before,
        "whole_seen": mark.whole and mark.whole.seen,
        "now": now(),
    }
    journal.run_later("set_watermark", [row])


def end(journal: Journal, key: str) -> None:
    """Note, in the transaction under way, that the reading of this device came to its log's end.

    All of the log is known then: what is found behind it is new.
    """
    journal.run_later("end_of_log", [{"key": key}])
