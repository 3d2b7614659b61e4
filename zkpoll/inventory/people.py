"""Rules for user ids: as the devices have them -> as a dashboard knows them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import ConfigDict, Field, PlainSerializer, model_validator
from pydantic_core import core_schema

from zkpoll.inventory.files import content
from zkpoll.inventory.kinds import Choice, File, Label, YesNo
from zkpoll.inventory.problems import Sentence
from zkpoll.inventory.scalars import as_written
from zkpoll.inventory.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic import GetCoreSchemaHandler

_LARGEST: Final = 16 * 1024 * 1024
"""Bytes: half a million people with ids of 15 characters, which is more than any terminal holds."""
_KEPT: Final = 32
"""Files whose content is kept at a time: a map for each of a company's sites."""
_HEADING: Final = "user_id"
"""What stands first in a line of names, where a file begins with one."""
_COLUMNS: Final = "an id as the device has it, and as the dashboard knows it"


@dataclass(frozen=True)
class Badges:
    """The map of user ids in a file."""

    path: Path
    ids: Mapping[str, str] = field(repr=False)
    problem: str = ""
    """Why it cannot be used, in one sentence: then nobody can tell any id. People edit such files every day,
    and a slip in one must not keep terminals from being read."""


class MapFile(File):
    """The path of a CSV file with two columns: an id as the device has it, and for the dashboard."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self._read)

    def _read(self, value: object, info: core_schema.ValidationInfo) -> Badges:
        if isinstance(value, Badges):
            return value
        path = self._placed(value, info)
        try:
            return _read(path)
        except Sentence as error:
            if (info.context or {}).get("strict"):
                raise
            return Badges(path, {}, error.told(as_written(value)))


def _read(path: Path) -> Badges:
    """Given a path, return the map in its file. Raise Sentence with the reason if it cannot be used."""
    try:
        found = path.stat()
    except OSError as error:
        raise Sentence(f"cannot read {{it}}: {error.strerror}", value=path) from None
    return _badges(path, found.st_mtime_ns, found.st_size)


@lru_cache(_KEPT)
def _badges(path: Path, _mtime_ns: int, _size: int) -> Badges:
    """Given a path, and figures that change with its file, return its map. Many devices may name it."""
    ids: dict[str, str] = {}
    for line, (inside, outside) in _pairs(path, content(path, _LARGEST).removeprefix("\ufeff")):
        if ids.setdefault(inside, outside) != outside:
            raise Sentence(
                f"{{it}}:{line}: found an id that stands above with another one beside it", value=path
            )
    if not ids:
        raise Sentence(f"{{it}} is empty, expected lines of two columns: {_COLUMNS}", value=path)
    return Badges(path, ids)


def _pairs(path: Path, text: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """Given a file's path and its text, yield its pairs of ids, each with its line."""
    for number, (line, cells) in enumerate(_rows(path, text)):
        if number == 0 and cells[0] == _HEADING:
            continue
        if len(cells) != 2:
            columns = "one column" if len(cells) == 1 else f"{len(cells)} columns"
            raise Sentence(f"{{it}}:{line}: found {columns}, expected two: {_COLUMNS}", value=path)
        if not all(cell and cell.isprintable() for cell in cells):
            raise Sentence(
                f"{{it}}:{line}: found an empty cell or a character that cannot be seen", value=path
            )
        yield line, (cells[0], cells[1])


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Given a file's path and its text, yield its rows that hold anything, each with its line."""
    # Spreadsheets write semicolons where a comma is what stands before decimals.
    delimiter = "," if "," in text.lstrip().partition("\n")[0] else ";"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise Sentence(f"{{it}}:{reader.line_num}: not CSV: {error}", value=path) from None


class UserIds(Settings):
    """The changes of user ids on the way out. The steps are taken in the order of the settings."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    strip_zeros: Annotated[bool, YesNo()] = Field(
        default=False, description="true takes the zeros off the front of an id: 0017 becomes 17"
    )
    prefix: Annotated[str, Label()] | None = Field(
        default=None, description="Put in front of an id, after zeros were taken off"
    )
    map_file: (
        Annotated[Badges, MapFile(), PlainSerializer(lambda badges: str(badges.path), return_type=str)] | None
    ) = Field(
        default=None,
        description="A CSV file of two columns: an id as it is after the settings above, and as the dashboard"
        " knows it",
    )
    unknown: Annotated[Literal["park", "pass"], Choice("park", "pass")] = Field(
        default="park",
        description="What becomes of a punch whose id is not in the file: park (a person must look), or pass"
        " (sent with the id that it has)",
    )

    def outward(self, user_id: str) -> str | None:
        """Given an id as the device has it, return it for the dashboard. None if nobody can tell it."""
        if self.strip_zeros:
            user_id = user_id.lstrip("0") or user_id[:1]
        user_id = (self.prefix or "") + user_id
        if self.map_file is None:
            return user_id
        if self.map_file.problem:
            return None
        return self.map_file.ids.get(user_id, user_id if self.unknown == "pass" else None)

    @model_validator(mode="after")
    def _check_asked(self) -> UserIds:
        if not self.model_fields_set:
            raise Sentence("found nothing that is asked for, expected strip_zeros, prefix or map_file")
        if self.unknown == "pass" and self.map_file is None:
            raise Sentence("means something with map_file only", key="unknown")
        return self
