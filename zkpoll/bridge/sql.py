"""Opens databases on servers, and SQLite files. The packages for it are loaded once one is opened."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from zkpoll.bridge.sql_errors import missing_driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.bridge.contract import Source, Target


@contextmanager
def open_sql(target: Target) -> Iterator[Source]:
    """Open a database on a server, or a SQLite file, for one visit. Raise as `Opens` does."""
    # Looked for first: two threads that fail to import a module at once may find half of it.
    if find_spec("sqlalchemy") is None:
        raise missing_driver(target)
    from zkpoll.bridge.sql_sessions import connected
    from zkpoll.bridge.sql_source import SqlSource

    with connected(target) as session:
        yield SqlSource(target, session)
