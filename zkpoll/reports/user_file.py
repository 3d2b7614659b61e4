"""Reads an export of users back as rows."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from zkpoll.errors import ExitCode, SetAside, reason
from zkpoll.reports.tables import original
from zkpoll.reports.user_rows import COLUMNS, UserRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_ROW: Final = TypeAdapter(UserRow)
_LONGEST: Final = 256 * 1024 * 1024
"""Bytes: a million rows of the longest format, which is JSON."""
_ZIP: Final = b"PK\3\4"
"""What a workbook begins with."""


class BadExport(SetAside):
    """This file is no export of users."""

    kind = "bad_export"
    exit_code = ExitCode.USAGE


def load(path: Path) -> tuple[UserRow, ...]:
    """Given the path of an export in any of the formats, return its rows. Raise `BadExport`."""
    try:
        with path.open("rb") as file:  # a pipe, too: `users diff <(ssh elsewhere zkpoll users export)`
            data = file.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise BadExport(f"{path} is larger than {_LONGEST} bytes; is it an export of users?")
        if data.startswith(_ZIP):
            raise BadExport(f"{path} is a workbook; compare exports in csv, json or ndjson")
        text = data.decode("utf-8-sig")  # some spreadsheets put a mark in front
    except UnicodeDecodeError as error:
        raise BadExport(f"{path} is not in UTF-8") from error
    except OSError as error:
        raise BadExport(f"{path} cannot be read: {reason(error)}") from error
    return tuple(
        _row(record, f"{path}, row {number}") for number, record in enumerate(_records(text, path), 1)
    )


def _records(text: str, path: Path) -> Iterable[Any]:
    """Return the rows as they are written. The first character tells the format."""
    try:
        match text.lstrip()[:1]:
            case "[":
                return list(json.loads(text))
            case "{":
                return [json.loads(line) for line in text.split("\n") if line.strip()]
            case _:
                return list(_of_csv(text))
    except (ValueError, RecursionError, csv.Error) as error:
        raise BadExport(f"{path} is damaged: {error}") from error


def _of_csv(text: str) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    for record in reader:
        yield {column: original(cell) if isinstance(cell, str) else cell for column, cell in record.items()}
    if not {*COLUMNS} <= {*(reader.fieldnames or ())}:
        raise ValueError("its first line does not name the columns of an export of users")


def _row(record: Any, where: str) -> UserRow:
    try:
        return _ROW.validate_python(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = ".".join(map(str, first["loc"])) or "the row"
        raise BadExport(f"{where}: {column}: {first['msg'].lower()}; is it an export of users?") from error
