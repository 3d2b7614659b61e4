"""`zkpoll serve` with a journal in PostgreSQL, whose server ends its sessions: it goes on by itself."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import psycopg

from tests.journal.on_postgres import empty_database
from tests.serve.serving import GATE, SERIAL, serving
from tests.site import entry
from tests.waiting import wait_for
from tests.watch.watching import is_registered
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

END_ALL: Final = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE application_name = 'zkpoll' AND datname = current_database()"
)
BATCH: Final = f"/iclock/cdata?SN={SERIAL}&table=ATTLOG&Stamp=1"


def line(second: int) -> bytes:
    """Return a line of a punch today."""
    return f"7\t{datetime.now(UTC):%Y-%m-%d} 00:00:{second:02}\t0\t1\t0\t0\t0\n".encode()


def in_postgres(site: Site, url: str) -> None:
    """Let the inventory's journal be in a database."""
    (site.folder / "state").mkdir()
    file = f"journal: {site.journal.name}\n"
    site.inventory.write_text(
        site.inventory.read_text().replace(file, f"journal: '{url}'\nstate_dir: state\n")
    )


def test_punches_are_taken_again(site: Site, dashboard: SampleDashboard) -> None:
    """Once its sessions were ended it takes punches again, and no second `serve` may have its place."""
    with empty_database() as url:
        site.write(dashboard.url, GATE, more="listen: {address: '127.0.0.1:0'}\n")
        in_postgres(site, url)
        with serving(site) as door, closing(psycopg.connect(url, autocommit=True)) as server:
            assert door.ask(BATCH, line(1)).status == 200
            assert server.execute(END_ALL).fetchone() != (0,)
            wait_for(lambda: door.ask(BATCH, line(2)).status == 200, 30)
            wait_for(lambda: len(dashboard.events) == 2)
            second = site.run("serve")
            assert second.code == 75
            assert "another `zkpoll serve` has the journal" in second.err


def test_devices_under_watch_are_read_again(site: Site, dashboard: SampleDashboard) -> None:
    """With --watch, callers and devices are both heard again."""
    terminal = Terminal.with_samples(1, model=Model(serial="S1"))
    with empty_database() as url, serve(terminal) as place:
        site.write(dashboard.url, GATE, entry("door", place), more="listen: {address: '127.0.0.1:0'}\n")
        in_postgres(site, url)
        with serving(site, "--watch") as door, closing(psycopg.connect(url, autocommit=True)) as server:
            wait_for(lambda: is_registered(terminal))
            server.execute(END_ALL)
            terminal.punch("8", datetime(2026, 11, 22, 8, 0))
            wait_for(lambda: len(dashboard.events) == 2, 60)
            wait_for(lambda: door.ask(BATCH, line(1)).status == 200, 60)
            wait_for(lambda: len(dashboard.events) == 3, 60)
