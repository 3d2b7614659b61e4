"""Rows as text: what is written can be read, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zkpoll.cli import export_output
from zkpoll.reports.tables import FORMATS, harmless, original

ROWS = [
    {"name": 'a "b", c', "card": 7, "enabled": True, "hold": None, "dashboards": {"main": "held", "b": None}},
    {"name": "=1+1", "card": 0, "enabled": False, "hold": "x", "dashboards": {"main": "held", "b": "parked"}},
]
COLUMNS = ["name", "card", "enabled", "hold", "dashboards.main", "dashboards.b"]


def text(name: str) -> str:
    """Return the rows in a format."""
    return "".join(FORMATS[name](COLUMNS, ROWS))


def test_csv() -> None:
    """A header, a row each; words for booleans, nothing for null, a column for each key of a mapping."""
    assert text("csv") == (
        "name,card,enabled,hold,dashboards.main,dashboards.b\n"
        '"a ""b"", c",7,true,,held,\n'
        "'=1+1,0,false,x,held,parked\n"
    )


def test_json_and_ndjson() -> None:
    """The rows as they are: one array with a line each, or a line each alone."""
    assert json.loads(text("json")) == ROWS
    assert len(text("json").splitlines()) == len(ROWS) + 2
    assert [json.loads(line) for line in text("ndjson").splitlines()] == ROWS


@pytest.mark.parametrize(
    ("name", "nothing"), [("csv", "a;b\n"), ("json", "[]\n"), ("ndjson", "")], ids=["csv", "json", "ndjson"]
)
def test_no_rows(name: str, nothing: str) -> None:
    """Of no rows the header is left, or an empty array, or nothing."""
    assert "".join(FORMATS[name](["a;b"], [])) == nothing


def test_pieces_come_as_rows_do() -> None:
    """However many rows there are, only one of them is in memory."""
    for encode in FORMATS.values():
        endless = encode(["a"], iter(lambda: {"a": 1}, None))
        assert [next(endless) for _ in range(3)]


def test_the_command_line_knows_the_formats() -> None:
    """The choice in the help is what there is."""
    assert list(export_output.NAMES) == [*FORMATS, "xlsx"]


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("Ada", "Ada"),
        ("O'Neill-Smith", "O'Neill-Smith"),
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("'=1", "''=1"),
        ("a;=1", "a;'=1"),
        ("", ""),
    ],
)
def test_formulas_are_made_harmless(cell: str, safe: str) -> None:
    """What a spreadsheet would run begins with an apostrophe, also behind a separator of other countries."""
    assert harmless(cell) == safe
    assert original(safe) == cell


@given(st.text(alphabet=st.sampled_from("=+-@';|\t\r\n a\uff1d"), max_size=12) | st.text())
@example("'\t=;''@")
def test_any_cell_comes_back(cell: str) -> None:
    """Whatever a user is called, the export tells it harmless, and reading it gives the name back."""
    safe = harmless(cell)
    assert original(safe) == cell
    assert harmless(safe) != cell or safe == cell
    for piece in [safe, *safe.replace("|", ";").split(";")]:
        assert piece.lstrip()[:1] not in set("=+-@\uff1d")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_csv_is_csv(cells: list[str]) -> None:
    """Quotes, commas and line breaks inside a cell stay inside it."""
    columns = [str(number) for number in range(len(cells))]
    written = "".join(FORMATS["csv"](columns, [dict(zip(columns, cells, strict=True))]))
    _, row = csv.reader(io.StringIO(written, newline=""))
    assert [original(cell) for cell in row] == cells
