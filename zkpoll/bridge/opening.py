"""Opening a database of any sort, by what it is and not by what its name says."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from zkpoll.bridge.access import PATIENCE, Patience, open_access, refusal
from zkpoll.ordinary_files import open_to_read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.bridge.contract import Source, Target

_SQLITE: Final = b"SQLite format 3\0"


@contextmanager
def open_database(target: Target, patience: Patience = PATIENCE) -> Iterator[Source]:
    """Open a database for one visit.

    A file is SQLite's if it begins so, else it is taken for one of Access. Raise as `Source` does, or
    `Encrypted`, `MissingDriver`.
    """
    if target.file is not None and not _is_sqlite(target.file):
        with open_access(target.file, target, patience) as source:
            yield source
    else:
        from zkpoll.bridge.sql import open_sql

        with open_sql(target) as source:
            yield source


def _is_sqlite(path: Path) -> bool:
    """Say whether a file begins as SQLite's."""
    try:
        with open_to_read(path) as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise refusal(path, error) from error
