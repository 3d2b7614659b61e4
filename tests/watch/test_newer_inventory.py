"""A watch goes by the inventory as it was when it began; runs beside it may have a newer one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.look import look
from tests.site import entry
from tests.waiting import wait_for
from tests.watch.watching import arrived, is_registered, quick
from zkpoll.journal import conditions
from zkpoll.journal.opening import open_journal
from zkpoll.journal.watches import watch_of
from zkpoll.model.report import Condition, News
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    import pytest

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def test_what_another_process_still_watches_has_not_ended(site: Site, dashboard: SampleDashboard) -> None:
    """A run does not tell the end of what a watch would tell again, but when that has ended itself."""
    now = datetime.now(UTC)
    standing = dict.fromkeys(
        ("device back", "bell of gone", "device gone"), Condition("x", now, now, "a text")
    )
    with serve(Terminal.with_samples(1)) as address:
        site.write(dashboard.url, entry("front", address), entry("back", ("127.0.0.1", 9), enabled="false"))
        assert site.sync().code == 0
        with open_journal(site.journal) as journal:
            conditions.tell(journal, lambda _: News((), standing))
            with journal.lock(watch_of("back")), journal.lock(watch_of("gone")):
                assert (site.sync().err, conditions.told(journal)) == ("", standing)
            ended = [line.split(": ")[1] for line in site.sync().err.splitlines()]
        assert ended == ["bell of gone", "device back", "device gone"]


def test_a_device_with_another_name_is_left_to_the_newer_inventory(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch does not take the name back that a run gave (was:): that would be told at every run."""
    terminals = [Terminal.with_samples(1, model=Model(serial=serial)) for serial in ("A", "B")]
    with serve(terminals[0]) as one, serve(terminals[1]) as two:
        site.write(dashboard.url, entry("front", one), entry("back", two))
        with quick(site, monkeypatch):
            wait_for(lambda: all(map(is_registered, terminals)))
            site.write(dashboard.url, entry("door", one, was="front"), entry("back", two))
            assert "device front is called door now" in site.sync().err
            wait_for(lambda: terminals[0].seats_taken == 0)
            told = site.sync()
            assert (told.code, told.err.count("\n")) == (1, 1)
            assert "device front was given another name" in told.err
            for number, terminal in enumerate(terminals):
                terminal.punch("7", datetime(2026, 11, 22, 8, number))
            again = site.sync()
            assert (again.code, again.err) == (0, "")
            arrived(dashboard, 4)
        assert dict(look(site.journal, "SELECT key, name FROM device")) == {"A": "door", "B": "back"}
