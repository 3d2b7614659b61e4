"""Rows as a workbook (.xlsx), written as they come: no more than one of them is in memory.

A text is always a text, also one that begins like a formula. Moments are those of a spreadsheet, which has no
zones: what stood in front of the offset, so a punch has the time that its terminal showed.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import IO, TYPE_CHECKING, Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from zkpoll.reports.tables import flat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkpoll.reports.tables import Row

_ROWS: Final = 1_048_576
"""Rows of a sheet, its head included; a spreadsheet shows no more."""
_LONGEST_TEXT: Final = 32_767
"""Characters of a cell."""
_LARGEST: Final = 10**15
"""A spreadsheet rounds larger numbers."""
_NARROWEST: Final = 12
"""Characters of a column, at least."""
_WIDE: Final = 21
"""Characters of a column that has a time in it."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_FORMAT: Final = "yyyy-mm-dd hh:mm:ss"
_NO_CHARACTER: Final = re.compile("[\ufffe\uffff]")
"""What XML cannot hold either; a file with one in it is damaged for every program."""
_FIRST_DAY: Final = date(1900, 3, 1)
"""Before that, spreadsheets disagree about the day."""


def write_workbook(
    file: IO[bytes], title: str, columns: Sequence[str], times: frozenset[str], rows: Iterable[Row]
) -> None:
    """Write rows with their columns into a file as a workbook, whose sheet has `title`.

    `times` are the columns that have moments in ISO 8601. What does not fit into a sheet goes into another.
    """
    book, sheet = Workbook(write_only=True), None
    for number, row in enumerate(rows):
        if sheet is None or number % (_ROWS - 1) == 0:
            sheet = _sheet(book, title, columns, times)
        values = flat(row)
        sheet.append([_cell(sheet, values[column], is_time=column in times) for column in columns])
    if sheet is None:
        _sheet(book, title, columns, times)
    book.save(file)


def _sheet(book: Workbook, title: str, columns: Sequence[str], times: frozenset[str]) -> Any:
    """Begin a sheet with a head that stays in sight."""
    count = len(book.worksheets)
    sheet: Any = book.create_sheet(f"{title} {count + 1}" if count else title)
    sheet.freeze_panes = "A2"
    heads = []
    for place, column in enumerate(columns):
        letter = get_column_letter(place + 1)
        sheet.column_dimensions[letter].width = _WIDE if column in times else max(_NARROWEST, len(column) + 2)
        cell = _cell(sheet, column, is_time=False)
        cell.font = Font(bold=True)
        heads.append(cell)
    sheet.append(heads)
    return sheet


def _cell(sheet: Any, value: Any, *, is_time: bool) -> Any:
    if isinstance(value, str) and is_time and (moment := _moment(value)):
        cell = WriteOnlyCell(sheet, moment)
        cell.number_format = _FORMAT
        return cell
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST:
        value = str(value)
    if not isinstance(value, str):
        return WriteOnlyCell(sheet, value)
    cell = WriteOnlyCell(sheet, _printable(value)[:_LONGEST_TEXT])
    cell.data_type = "s"  # whatever it looks like: a formula, an error
    return cell


def _printable(text: str) -> str:
    """Return a text without what no XML can hold, which is written as \\x01."""  # noqa: D301  # as it is shown
    text = ILLEGAL_CHARACTERS_RE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    text = _NO_CHARACTER.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode("utf-8", "backslashreplace").decode()


def _moment(text: str) -> datetime | None:
    """Return a moment as its wall clock shows it, without its zone; None for what no spreadsheet can show."""
    if not _MOMENT.fullmatch(text):
        return None
    moment = datetime.fromisoformat(text).replace(tzinfo=None, microsecond=0)
    return moment if moment.date() >= _FIRST_DAY else None
