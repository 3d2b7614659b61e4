"""docs/dashboards.md says what the program does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.delivery.answers import CASES, IDS, Case
from tests.delivery.forms import carried
from tests.delivery.outbox import EXAMPLE
from zkpoll.delivery.verdicts import LONGEST_WAIT, judge

PAGE = (Path(__file__).parents[2] / "docs" / "dashboards.md").read_text("utf-8")


@pytest.mark.parametrize("case", CASES, ids=[case.shown for case in CASES])
def test_each_answer_means_what_the_page_says(case: Case) -> None:
    """Each answer of a row has its verdict, and the row is in the table."""
    assert {judge(answer, (), IDS).verdict for answer in case.answers} == {case.verdict}
    assert case.row in PAGE


def test_the_table_has_no_other_row() -> None:
    """No row is left of what the program no longer does."""
    (table,) = re.findall(r"^\| answer \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert table.strip().splitlines()[2:] == [case.row for case in CASES]


def test_the_body_is_the_one_shown() -> None:
    """The sample request is what goes out."""
    (shown,) = re.findall(r"```json\n(\{\"events\".*?)```", PAGE, re.DOTALL)
    assert json.loads(shown) == json.loads(carried("events", [EXAMPLE]).body)


def test_the_longest_wait_is_the_one_told() -> None:
    """How far Retry-After is honoured is told right."""
    assert f"up to {LONGEST_WAIT:g} s" in PAGE
