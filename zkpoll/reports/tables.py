"""Rows as CSV, JSON or NDJSON, piece by piece. Pure.

A spreadsheet that opens a CSV file must not run the name of a terminal's user. A cell that would be a formula
gets an apostrophe in front: spreadsheets show it as text, and `original` takes it away again. Some break
lines at other separators than ours, so the text behind one inside a cell counts as a cell's beginning.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

Row = Mapping[str, object]
"""By column; a value that is a mapping itself stands for the columns `column.key`."""
Encode = Callable[[Sequence[str], Iterable[Row]], Iterator[str]]
"""Given the columns and the rows, yield the text of an export."""

_BEGINNING: Final = r"(?:^|(?<=[;|\t\r\n]))"
_FORMULA: Final = "['\\s]*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
"""The beginnings of formulas in spreadsheets, also in the full width of East Asian ones."""
_DANGER: Final = re.compile(f"{_BEGINNING}(?={_FORMULA})")
_DISARMED: Final = re.compile(f"{_BEGINNING}'(?={_FORMULA})")
_PLAIN: Final = re.compile("[^\\s'=+\\-@\uff1d\uff0b\uff0d\uff20;|][^;|\t\r\n]*")
"""Text that is harmless at a glance, as nearly every cell is."""
_END: Final = "\r\n"
"""With this end of line for its own, a CSV writer quotes cells that hold either half of it."""
_WORDS: Final = {None: "", True: "true", False: "false"}


def harmless(text: str) -> str:
    """Given the text of a cell, return it so that no spreadsheet runs it."""
    return text if _PLAIN.fullmatch(text) else _DANGER.sub("'", text)


def original(text: str) -> str:
    """Given a result of `harmless`, return the text of the cell."""
    return _DISARMED.sub("", text)


class _Echo:
    """A file that returns the text instead of writing it."""

    def write(self, text: str) -> str:
        return text


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """UTF-8, with a header, `true` and `false`, and nothing for null."""
    write = csv.writer(_Echo(), lineterminator=_END).writerow
    yield _ended(write(map(harmless, columns)))
    for row in rows:
        cells = flat(row)
        yield _ended(write([_cell(cells[column]) for column in columns]))


def _ended(line: object) -> str:
    return str(line).removesuffix(_END) + "\n"


def flat(row: Row) -> Row:
    """Return a row without mappings in it: their values by `column.key`."""
    found: dict[str, object] = {}
    for column, value in row.items():
        if isinstance(value, Mapping):
            found |= {f"{column}.{key}": inner for key, inner in value.items()}
        else:
            found[column] = value
    return found


def _cell(value: object) -> object:
    if isinstance(value, str):
        return harmless(value)
    return _WORDS[value] if value is None or isinstance(value, bool) else value


def _json(_columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One array with an object a line."""
    before = "[\n"
    for row in rows:
        yield before + json.dumps(row)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _ndjson(_columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One object a line."""
    for row in rows:
        yield json.dumps(row) + "\n"


FORMATS: Final[Mapping[str, Encode]] = {"csv": _csv, "json": _json, "ndjson": _ndjson}
