"""`--output x.xlsx`: workbooks, other endings, and a file that is there already."""

from __future__ import annotations

import stat
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import click
import openpyxl
import pytest

from tests.cli.test_punches import exported, journalled
from zkpoll.cli import export_output
from zkpoll.cli.export_output import ExportOutput
from zkpoll.reports import workbook
from zkpoll.reports.workbook import write_workbook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site

__all__ = ["journalled"]


def sheets(source: Path | BytesIO) -> dict[str, list[tuple[Any, ...]]]:
    """Return the values of a workbook, by sheet."""
    book = openpyxl.load_workbook(source)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}


def test_punches(journalled: Site, tmp_path: Path) -> None:
    """A workbook has the rows of the CSV, readable times, and no formula; nothing is overwritten unasked."""
    path = tmp_path / "punches.xlsx"
    words = ("punches", "export", "--output", str(path))
    assert [(one.code, one.out, one.err) for one in (journalled.run(*words),)] == [(0, "", "")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (head, *rows) = sheets(path)["punches"]
    expected = exported(journalled)
    assert [row[head.index("user_id")] for row in rows] == [one["user_id"] for one in expected]
    assert rows[-1][0] == "-1003"
    assert rows[0][head.index("timestamp")] == datetime(2026, 11, 22, 8, 59, 58)
    assert isinstance(rows[0][head.index("journalled_at")], datetime)
    assert rows[0][head.index("dashboards.old")] == "confirmed"
    before = path.read_bytes()
    again = journalled.run(*words)
    assert (again.code, f"{path} is there already; --force overwrites it" in again.err) == (2, True)
    assert path.read_bytes() == before
    only = journalled.run(*words, "--force", "--to", "dashboard")
    assert (only.code, [row[0] for row in sheets(path)["punches"][1:]]) == (0, ["-1003"])
    diff = journalled.run("users", "diff", str(path), str(path))
    assert (diff.code, "is a workbook; compare exports in csv, json or ndjson" in diff.err) == (2, True)


def test_a_text_is_a_text() -> None:
    """What looks like a formula, an error or a number is the text it was, and no byte breaks the file."""
    texts = ["=1+1", "+1", "-1003", "@SUM(A1)", "#N/A", "007", "a\x01b", "\ud800", "b\uffff", "দরজা", "'", ""]
    row = {"a": None, "b": True, "c": 2**63, "times": {"x": "2026-11-22T08:59:58+06:00"}}
    rows = [{"text": text, **row} for text in texts]
    file = BytesIO()
    columns = ("text", "a", "b", "c", "times.x")
    write_workbook(file, "users", columns, frozenset(("times.x",)), rows)
    ((_, cells),) = sheets(file).items()
    escaped = {"a\x01b": "a\\x01b", "\ud800": "\\ud800", "b\uffff": "b\\uffff"}
    told = [escaped.get(text, text) for text in texts]
    assert [cell[0] or "" for cell in cells[1:]] == told
    assert cells[1][1:] == (None, True, str(2**63), datetime(2026, 11, 22, 8, 59, 58))
    book = openpyxl.load_workbook(file)
    assert {cell.data_type for (cell,) in book["users"].iter_rows(min_row=2, max_col=1) if cell.value} == {
        "s"
    }


def test_more_than_a_sheet_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit goes into another sheet, with its head; without rows there is a head alone."""
    monkeypatch.setattr(workbook, "_ROWS", 3)
    for count, expected in (
        (0, {"users": 1}),
        (2, {"users": 3}),
        (5, {"users": 3, "users 2": 3, "users 3": 2}),
    ):
        file = BytesIO()
        write_workbook(file, "users", ["a"], frozenset(), ({"a": number} for number in range(count)))
        assert {name: len(rows) for name, rows in sheets(file).items()} == expected


@pytest.mark.parametrize(
    ("format_", "name", "told"),
    [
        (None, "a.xls", "ends in .xls; known are .csv, .json, .ndjson, .xlsx, or say --format"),
        (None, "a.pdf", "ends in .pdf; known are"),
        ("csv", "a.xlsx", "--format csv and --output a.xlsx do not fit together"),
        ("xlsx", "a.csv", "--format xlsx and --output a.csv do not fit together"),
        ("xlsx", None, "a workbook goes into a file: --output FILE.xlsx"),
    ],
)
def test_what_cannot_be(tmp_path: Path, format_: str | None, name: str | None, told: str) -> None:
    """An ending that nobody knows, or that says something else than --format, is wrong usage."""
    path = tmp_path / name if name else None
    with pytest.raises(click.UsageError) as raised:
        ExportOutput.asked(format_, path, as_json=False)
    assert told in str(raised.value).replace(f"{tmp_path}/", "")


def test_without_openpyxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing, one sentence says how to get it."""
    monkeypatch.setattr(export_output, "find_spec", lambda _name: None)
    with pytest.raises(click.UsageError, match=r"pip install 'zkpoll\[xlsx\]'"):
        ExportOutput.asked(None, tmp_path / "a.xlsx", as_json=False)
