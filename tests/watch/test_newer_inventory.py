"""A watch goes by the inventory as it was when it began; runs beside it may have a newer one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.site import entry
from zkpoll.journal import conditions
from zkpoll.journal.opening import open_journal
from zkpoll.journal.watches import watch_of
from zkpoll.model.report import Condition, News
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
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
