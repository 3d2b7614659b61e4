"""`zkpoll sync` as a process over SQL Server: its stand-in, the real driver, a dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bridge.servers import SECRET
from tests.bridge.sql_servers import sql_server
from tests.bridge.tds_server import READS
from tests.bridge.vendors import vendor

if TYPE_CHECKING:
    from tests.bridge.sql_servers import SqlServer
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def write(site: Site, url: str, server: SqlServer, password: str = SECRET) -> None:
    """Write an inventory with a server's database."""
    address = server.tds.url(query=server.query).replace("mssql+pymssql", "mssql")
    site.inventory.write_text(
        f"dashboard: {{url: '{url}', token: '${{TOKEN}}', attempts: 1, timeout: 5}}\n"
        f"journal: {site.journal.name}\n"
        "defaults: {timezone: Asia/Dhaka}\n"
        f"databases:\n  - {{name: head-office, kind: att2000, url: '{address}', password: {password}}}\n"
    )


@pytest.mark.parametrize(("year", "query"), [(2019, ""), (2005, "tds_version=7.1&encryption=off")])
def test_the_whole_way(site: Site, dashboard: SampleDashboard, year: int, query: str) -> None:
    """Every row arrives once, a late one as well, from a server that was sent nothing but what reads."""
    with sql_server(year, query=query) as server:
        there = vendor("att2000", "mssql", 40)
        server.make(there)
        write(site, dashboard.url, server)
        first, second = site.sync(), site.sync()
        assert [(one.code, one.out, one.err) for one in (first, second)] == [(0, "", "")] * 2
        assert len(dashboard.events) == 40
        late = there.make(-400)
        server.run(there.punches.insert().values(late))
        assert site.sync().code == 0
        assert len(dashboard.events) == 41
        time = late["CHECKTIME"].isoformat()
        assert [one for one in dashboard.events.values() if str(one["timestamp"]).startswith(time)]
        assert server.tds.words() <= READS


def test_a_login_that_is_refused_is_told_in_one_sentence(site: Site, dashboard: SampleDashboard) -> None:
    """Whoever reads cron's mail learns what the server said, and no password."""
    with sql_server() as server:
        write(site, dashboard.url, server, "wrong-one")
        run = site.sync()
    assert run.code == 1
    assert "Login failed for user 'reader'" in run.err
    assert "wrong-one" not in run.err
    assert "DB-Lib" not in run.err
