"""Journals in PostgreSQL, each in a database of its own on a real server."""

from __future__ import annotations

import atexit
import uuid
from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.bridge.servers import admin
from zkpoll.journal.postgres import PostgresJournal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL


def _address(url: URL, database: str) -> str:
    plain = url.set(drivername="postgresql", database=database)
    return plain.render_as_string(hide_password=False)


def _admin() -> URL:
    found = admin("postgresql")
    if isinstance(found, str):
        pytest.skip(found)
    return found


def _run(*statements: str) -> None:
    url = _admin()
    with closing(psycopg.connect(_address(url, url.database or "postgres"), autocommit=True)) as db:
        for one in statements:
            db.execute(one.encode())


@cache
def _template() -> str:
    """Make a database with an empty journal, once in this process, and return its name. It goes with it."""
    name = f"zkpoll_{uuid.uuid4().hex[:12]}"
    _run(f"CREATE DATABASE {name}")
    atexit.register(_run, f"DROP DATABASE {name} WITH (FORCE)")
    with PostgresJournal(_address(_admin(), name)):
        pass
    return name


@contextmanager
def empty_database(template: str = "") -> Iterator[str]:
    """Give the URL of a new database, which is gone afterwards; skip the test where there is no server."""
    name = f"zkpoll_{uuid.uuid4().hex[:12]}"
    _run(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    try:
        yield _address(_admin(), name)
    finally:
        _run(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def journal_url() -> Iterator[str]:
    """Give the URL of a new, empty journal."""
    _admin()
    with empty_database(_template()) as url:
        yield url
