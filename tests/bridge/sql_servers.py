"""The stand-in for SQL Server, as a server that programs' tables are made on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, make_url
from sqlalchemy.dialects.mssql import DATETIME2

from tests.bridge.servers import SECRET, Server
from tests.bridge.tds_server import TdsServer
from tests.bridge.tsql_database import Database, Login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bridge.vendors import Vendor
    from zkpoll.bridge.contract import Target


@dataclass
class SqlServer(Server):
    """A database on it. The vendor's program is its administrator, zkpoll a login that may read."""

    tds: TdsServer = field(default_factory=TdsServer)
    query: str = ""
    """What the address has behind its question mark."""

    @property
    def reader(self) -> Login:
        """The login of zkpoll."""
        return self.tds.logins["reader"]

    def make(self, vendor: Vendor) -> None:
        """Make the tables of a program. Where others have instants, its tables there have the wall clock."""
        for table in vendor.metadata.sorted_tables:
            for one in table.columns:
                if isinstance(one.type, DateTime) and one.type.timezone:
                    one.type = DateTime() if self.tds.database.year < 2008 else DATETIME2()  # type: ignore[no-untyped-call]
        super().make(vendor)

    def target(self, vendor: Vendor | None = None, **more: Any) -> Target:
        """Return what the inventory says of it."""
        url = self.tds.url(query=self.query).replace("mssql+pymssql", "mssql")
        return super().target(vendor, **({"url": url, "password": SECRET} | more))


@contextmanager
def sql_server(
    year: int = 2019, collation: str = "SQL_Latin1_General_CP1_CI_AS", query: str = ""
) -> Iterator[SqlServer]:
    """Give a database on a server of its own."""
    database = Database(year=year, collation=collation)
    logins = (Login("reader", SECRET), Login("sa", SECRET, may_write=True))
    with TdsServer(database, *logins) as tds:
        url = make_url(tds.url("sa")).set(password=SECRET)
        yield SqlServer("mssql", url, tds=tds, query=query)
