"""Real servers, each test's database its own: PostgreSQL, MariaDB, SQLite."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from tests.bridge.own_postgres import own_postgres, why_not
from zkpoll.bridge.contract import Target
from zkpoll.bridge.sql import open_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.bridge.vendors import Vendor
    from zkpoll.bridge.contract import Source

POSTGRES = "postgresql+psycopg://root@127.0.0.1:5432/test"
SECRET = "s3cret-pass"
"""The password of every login that is made."""
MYSQL = "mysql+pymysql://root@127.0.0.1:3306/test"
OWN = "pgserver"
"""As `ZKPOLL_TEST_POSTGRES`: a server of the tests' own, whatever runs here."""
_USUAL = {
    "postgresql": ("ZKPOLL_TEST_POSTGRES", [POSTGRES, POSTGRES.replace("root", "postgres")]),
    "mysql": ("ZKPOLL_TEST_MYSQL", [MYSQL]),
}
"""Which variable names an engine's server, and where else one is looked for."""


@dataclass
class Server:
    """A database on a real server, or in a file."""

    engine: str
    url: URL
    file: Path | None = None
    logins: list[str] = field(default_factory=list)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a connection of the vendor's program; what it does is committed at the end."""
        engine = create_engine(self.url, poolclass=NullPool)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def run(self, *statements: Any) -> None:
        """Carry out statements, as the vendor's program."""
        with self.connection() as connection:
            for one in statements:
                connection.execute(text(one) if isinstance(one, str) else one)

    def put(self, table: str, *rows: Sequence[Any]) -> None:
        """Insert rows, whose values are in the order of the table's columns."""
        places = ", ".join(f":v{place}" for place in range(len(rows[0])))
        with self.connection() as connection:
            connection.execute(
                text(f"INSERT INTO {table} VALUES ({places})"),  # noqa: S608 - names of the tests' own
                [{f"v{place}": value for place, value in enumerate(row)} for row in rows],
            )

    def make(self, vendor: Vendor) -> None:
        """Make the tables of a program, with their rows."""
        with self.connection() as connection:
            vendor.metadata.create_all(connection)
            for table in vendor.metadata.sorted_tables:
                if rows := vendor.rows.get(table.name):
                    connection.execute(table.insert(), rows)

    def quote(self, name: str) -> str:
        """Return a name as it stands in this engine's statements."""
        return f"`{name}`" if self.engine == "mysql" else f'"{name}"'

    def target(self, vendor: Vendor | None = None, **more: Any) -> Target:
        """Return what the inventory says of it."""
        told: dict[str, Any] = {
            "name": "head-office",
            "kind": "custom",
            "address": "head-office",
            "timeout": 10,
        }
        if self.file is not None:
            told["file"] = self.file
        else:
            plain = self.url.set(drivername=self.engine, password=None)
            told |= {"url": plain.render_as_string(), "password": self.url.password}
        if vendor is not None:
            told |= {"kind": vendor.kind, "take": vendor.take, **vendor.more}
        return Target(**(told | more))

    def open(self, vendor: Vendor | None = None, **more: Any) -> AbstractContextManager[Source]:
        """Open it as zkpoll does."""
        return open_sql(self.target(vendor, **more))

    def login(self, *, may: str | None = "SELECT") -> tuple[str, str]:
        """Make a login that may do this and nothing else; return its name and its password."""
        password = SECRET
        name = f"zk{uuid.uuid4().hex[:12]}"
        if self.engine == "postgresql":
            self.run(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
            if may:
                self.run(f"GRANT {may} ON ALL TABLES IN SCHEMA public TO {name}")
        else:
            self.run(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{password}'")
            if may:
                self.run(f"GRANT {may} ON `{self.url.database}`.* TO {name}@'127.0.0.1'")
        self.logins.append(name)
        return name, password

    def drop_logins(self) -> None:
        """Remove the logins that were made."""
        for name in self.logins:
            if self.engine == "postgresql":
                self.run(f"DROP OWNED BY {name}", f"DROP ROLE {name}")
            else:
                self.run(f"DROP USER {name}@'127.0.0.1'")


def _reached(url: URL) -> bool:
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect():
            return True
    except Exception:  # noqa: BLE001 - whatever keeps it away: then there is none
        return False
    finally:
        engine.dispose()


@cache
def admin(engine: str) -> URL | str:
    """Return the address of a server of an engine, or why there is none.

    That of PostgreSQL is one of the tests' own where none runs, or where `ZKPOLL_TEST_POSTGRES=pgserver`.
    """
    variable, usual = _USUAL[engine]
    asked = os.environ.get(variable)
    if engine == "postgresql" and asked == OWN:
        return why_not() or own_postgres()
    driver = make_url(usual[0]).drivername
    urls = [make_url(one).set(drivername=driver) for one in ([asked] if asked else usual)]
    if found := next(filter(_reached, urls), None):
        return found
    if asked:
        return f"{variable} names no {engine} that answers"
    reason = f"no {engine} runs here at 127.0.0.1, and {variable} names none"
    if engine != "postgresql":
        return reason
    missing = why_not()
    return f"{reason}; {missing}" if missing else own_postgres()


@contextmanager
def served(engine: str, folder: Path) -> Iterator[Server]:
    """Give a database of its own on the server of an engine; skip the test where there is none."""
    if engine == "sqlite":
        file = folder / "ZKTimeNet.db"
        file.touch()
        yield Server(engine, URL.create("sqlite", database=str(file)), file)
        return
    url = admin(engine)
    if isinstance(url, str):
        pytest.skip(url)
    name = f"zkpoll_{uuid.uuid4().hex[:12]}"
    maker = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with maker.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    server = Server(engine, url.set(database=name))
    try:
        yield server
    finally:
        server.drop_logins()
        with maker.connect() as connection:
            force = " WITH (FORCE)" if engine == "postgresql" else ""
            connection.execute(text(f"DROP DATABASE {name}{force}"))
        maker.dispose()
