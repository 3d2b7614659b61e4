"""Rows of databases that were edited or are gone, in words and for JSON."""

from __future__ import annotations

from dataclasses import replace

from zkpoll.journal.database_overview import RowChange
from zkpoll.reports.database_changes import change_cells, change_document

NOW = '{"time": {"at": "2026-11-22T08:59:58"}, "user": 17, "state": "O", "verify": 1}'
EDITED = RowChange(
    key="17 2026-11-22T08:59:58",
    changed_at="2026-11-22T03:00:05.250+00:00",
    gone_at=None,
    raw=NOW,
    id="224c9c2b-8130-5e29-a627-3b68fe8961e9",
    device="front-door",
    serial_number="CQZ7224760045",
    user_id="1001",
    timestamp="2026-11-22T08:59:58+06:00",
    verify=1,
    state=0,
    work_code=0,
)
GONE = replace(EDITED, gone_at="2026-11-23T03:00:05.250+00:00")


def test_what_was_edited() -> None:
    """An edited row tells when that was seen, whose it is, what it says now and what was sent."""
    assert change_cells(EDITED) == (
        "2026-11-22 03:00:05Z",
        "1001",
        "2026-11-22 08:59:58",
        "front-door",
        "now state O, verify 1; sent as check_in (0), verify 1, work code 0",
    )


def test_a_state_without_a_word() -> None:
    """A number that no standard word stands for is told as such."""
    assert "sent as state 255, verify" in change_cells(replace(EDITED, state=255))[-1]


def test_what_is_gone() -> None:
    """A row that is gone is told as such, with when that was seen, also where it had been edited before."""
    assert change_cells(GONE)[::4] == ("2026-11-23 03:00:05Z", "gone")


def test_a_row_whose_punch_was_pruned() -> None:
    """Where the punch is in the journal no more, the row's key says which it was."""
    pruned = RowChange(GONE.key, GONE.changed_at, GONE.gone_at, NOW, *[None] * 8)
    what = "gone (row 17 2026-11-22T08:59:58, whose punch was pruned)"
    assert change_cells(pruned)[1:] == ("-", "-", "-", what)


def test_as_json() -> None:
    """For a program there are both moments, the punch as it was sent, and what the row says now."""
    told = change_document(GONE)
    assert (told["what"], told["changed_at"], told["gone_at"]) == ("gone", EDITED.changed_at, GONE.gone_at)
    assert told["says_now"] == {"time": "2026-11-22T08:59:58", "user": 17, "state": "O", "verify": 1}
    assert (told["user_id"], told["state"], told["id"]) == ("1001", 0, EDITED.id)
    told = change_document(replace(GONE, changed_at=None, raw=None))
    assert (told["what"], told["says_now"]) == ("gone", None)
    assert change_document(EDITED)["what"] == "edited"


def test_rows_steer_no_screen() -> None:
    """What somebody typed into a database reaches a screen without control characters."""
    typed = replace(
        EDITED, raw='{"time": null, "user": null, "state": "\\u001b[2J", "operator": {"bytes": "1b"}}'
    )
    assert change_cells(typed)[-1].startswith("now state \\x1b[2J, operator 1b; ")
