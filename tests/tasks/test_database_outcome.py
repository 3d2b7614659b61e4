"""What a person is told of a database's part of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from zkpoll.errors import Damaged, OverLimit, Unreachable
from zkpoll.model.bridged import AsideReason
from zkpoll.model.report import BUG
from zkpoll.model.sums import BridgeTally
from zkpoll.tasks.database_outcome import DatabaseOutcome

READ = DatabaseOutcome("head-office", "att2000", "/mnt/zk/att2000.mdb", complete=True, rows=100)
CHANGES = "see `zkpoll databases changes head-office`"
TYPED = "row that a person typed in"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        ({"tally": BridgeTally(rows=5, first_seen=3, seen_before=1, repeats=1)}, ""),
        (
            {"asides": {("no serial", "3"): 3}},
            ("3 rows are set aside: machine 3 has no serial number here; name it in machines:; "
            "see `zkpoll quarantine list`"),
        ),
        ({"tally": BridgeTally(gone=25)}, f"25 rows are gone; what was sent stays as it is; {CHANGES}"),
        (
            {"tally": BridgeTally(gone=26)},
            f"26 rows are gone: it was cleared or replaced; what was sent stays as it is; {CHANGES}",
        ),
        (
            {"tally": BridgeTally(rows=1, seen_before=1, changed=1)},
            f"1 row was edited after it was read; what was sent first stays; {CHANGES}",
        ),
        (
            {"tally": BridgeTally(rows=3, seen_before=3, other_state=3)},
            "3 punches have another state there than at the terminal; the one that came first stays",
        ),
        (
            {"tally": BridgeTally(rows=2000, first_seen=2000, sudden=1500)},
            ("1,500 new punches are held, as most of their seconds are known under other user ids: other "
            "badges were put in place there; see `zkpoll outbox list --held`"),
        ),
        (
            {"renumbered": 37},
            ("37 people have another number there than before: it was rebuilt or replaced; rows are known "
            "by badge and second in this visit"),
        ),
        ({"tally": BridgeTally(held_manual=1)}, f"1 {TYPED} is held, not sent"),
        ({"tally": BridgeTally(held_since=2)}, "2 rows older than since: are held, not sent"),
    ],
)  # fmt: skip
def test_what_is_told(changed: dict[str, Any], told: str) -> None:
    """Each event has its words; a quiet visit has none."""
    found = replace(READ, **changed)
    assert "\n".join(notice.text for notice in found.notices) == told
    assert found.trouble is None


@pytest.mark.parametrize("reason", get_args(AsideReason))
def test_each_reason_has_its_words(reason: AsideReason) -> None:
    """Whatever a row is set aside for, a person is told how many, why, and where to look."""
    (one,), (many,) = (replace(READ, asides={(reason, "3"): number}).notices for number in (1, 2000))
    assert one.text.startswith("1 row is set aside: ")
    assert many.text.startswith("2,000 rows are set aside: ")
    assert one.text.endswith("; see `zkpoll quarantine list`")
    assert not one.harmless


def test_what_is_held_by_the_inventory_is_no_trouble() -> None:
    """Settings that hold punches are told of once, and change no exit code."""
    found = replace(READ, tally=BridgeTally(held_manual=1, held_since=1))
    assert all(notice.harmless for notice in found.notices)


@pytest.mark.parametrize("kind", [Damaged.kind, OverLimit.kind])
def test_a_trouble_that_counts_stays_one(kind: str) -> None:
    """Another page or another number of parts is no other trouble."""
    first, second = (replace(READ, problem=f"{left} are left", kind=kind).trouble for left in (3, 2))
    assert first
    assert second
    assert first.kind == second.kind


def test_another_failure_is_another_trouble() -> None:
    """A folder that is not there any more is told, also where the host was away before."""
    first, second = (replace(READ, problem=text, kind=Unreachable.kind).trouble for text in ("a", "b"))
    assert first
    assert second
    assert first.kind != second.kind


def test_a_row_that_is_nowhere_is_a_bug() -> None:
    """The sum of what became of the rows must come out."""
    trouble = replace(READ, tally=BridgeTally(rows=2, first_seen=1)).trouble
    assert trouble
    assert trouble.kind == BUG
