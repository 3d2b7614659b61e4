"""The screen of old punches: numbers, and reasons."""

from __future__ import annotations

from datetime import UTC, datetime

from zkpoll.journal.prune import PruneShare
from zkpoll.reports.old_punches import OldPunches

BEFORE = datetime(2025, 11, 22, 3, tzinfo=UTC)
DOOR = PruneShare("front-door", "S1", "it was never cleared", {"removable": 1_200, "held": 1})
GATE = PruneShare("gate", "S2", None, {"undelivered": 2})
OLD = OldPunches(BEFORE, (DOOR, GATE))


def test_lines() -> None:
    """A line has only the reasons that keep punches, and why they may be on the device only if any may."""
    assert list(OLD.lines()) == [
        "front-door  1,200 may go  1 held  others may be on the device: it was never cleared",
        "gate  0 may go  2 undelivered",
    ]
    assert list(OLD.remarks()) == ["front-door: others may be on the device: it was never cleared"]


def test_rows_and_document() -> None:
    """A table and JSON have all numbers, zeros too."""
    assert OLD.removable == 1_200
    assert list(OLD.rows()) == [
        ("front-door", "1,200", "0", "1", "0", "0"),
        ("gate", "0", "2", "0", "0", "0"),
    ]
    assert OLD.document(removed=5) == {
        "before": "2025-11-22T03:00:00.000+00:00",
        "devices": [
            {
                "device": "front-door",
                "serial_number": "S1",
                "removable": 1_200,
                "undelivered": 0,
                "held": 1,
                "same_second": 0,
                "in_database": 0,
                "why": "it was never cleared",
            },
            {
                "device": "gate",
                "serial_number": "S2",
                "removable": 0,
                "undelivered": 2,
                "held": 0,
                "same_second": 0,
                "in_database": 0,
                "why": None,
            },
        ],
        "removed": 5,
    }
