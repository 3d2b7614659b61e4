"""Devices under watch with a journal in PostgreSQL: few sessions for many terminals, and one that is lost."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg

from tests.journal.on_postgres import empty_database
from tests.site import entry
from tests.waiting import wait_for
from tests.watch.watching import arrived, is_registered, quick
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    import pytest

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

TERMINALS: Final = 12
SESSIONS: Final = "FROM pg_stat_activity WHERE application_name = 'zkpoll' AND datname = current_database()"


def test_few_sessions_and_one_that_is_lost(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many terminals share eight sessions; when the server ends all of them, the watch begins new ones."""
    terminals = [Terminal.with_samples(1, model=Model(serial=f"S{number}")) for number in range(TERMINALS)]

    def all_punch(number: int) -> None:
        for terminal in terminals:
            terminal.punch("7", datetime(2026, 11, 22, 8, 0) + timedelta(seconds=number))

    with empty_database() as url, ExitStack() as stack:
        places = [stack.enter_context(serve(one)) for one in terminals]
        site.write(dashboard.url, *(entry(f"door-{number}", one) for number, one in enumerate(places)))
        (site.folder / "state").mkdir()
        text = site.inventory.read_text().replace(
            f"journal: {site.journal.name}\n", f"journal: '{url}'\nstate_dir: state\n"
        )
        site.inventory.write_text(text)
        with quick(site, monkeypatch) as watch, closing(psycopg.connect(url, autocommit=True)) as server:
            wait_for(lambda: all(map(is_registered, terminals)))
            all_punch(1)
            arrived(dashboard, 2 * TERMINALS)
            (count,) = server.execute(f"SELECT count(*) {SESSIONS}").fetchone() or (0,)
            assert 1 < count <= 8
            server.execute(f"SELECT pg_terminate_backend(pid) {SESSIONS}")
            all_punch(2)
            wait_for(lambda: len(dashboard.events) == 3 * TERMINALS, 60)
            wait_for(lambda: watch.journal[-1:] == [None] and not watch.outcomes[-1].troubles())
        assert watch.error is None
        assert not dashboard.conflicts
