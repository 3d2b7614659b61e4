"""The first reading of a terminal that hung there for years: a person says whether all that is to go out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.site import Result, at_a_terminal, entry
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

OLD: Final = 1100


@pytest.fixture
def terminal() -> Terminal:
    """Give a terminal with 1,100 punches from March 2024 on, and five of yesterday."""
    terminal = Terminal.with_samples(0)
    terminal.set_clock(datetime.now(UTC).replace(tzinfo=None))
    for number in range(OLD):
        terminal.punch("1001", datetime(2024, 3, 2, 8) + timedelta(hours=number))
    yesterday = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=1)
    for number in range(5):
        terminal.punch("1001", yesterday + timedelta(minutes=number))
    return terminal


def test_a_person_is_asked_before_anything_is_sent(
    site: Site, dashboard: SampleDashboard, terminal: Terminal
) -> None:
    """A dry run names `since:`; a run at a terminal asks, and a no holds them until somebody wants them."""
    before = datetime.now(UTC).date() - timedelta(days=30)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        dry = site.sync("--dry-run")
        assert dry.code == 0
        assert (
            "zkpoll: front brings 1,100 punches older than a month (from 2024-03-02);"
            f" they are sent unless `since: {before}` in its entry (or defaults:) holds them back\n"
        ) in dry.err
        code, screen = at_a_terminal(site, "sync", answer="n\n", columns=120)
        assert code == 0
        assert "front brought 1,100 punches older than a month (from 2024-03-02)" in screen
        assert "Send them? If not, they are held [y/N]" in screen
        assert len(dashboard.events) == 5
        (words,) = re.findall(r"Held\. `zkpoll (backfill [^`]*)` sends them\.", screen)
        assert len(site.run("outbox", "list", "--held", "--json").document()) == OLD
        assert "Send them?" not in at_a_terminal(site, "sync", columns=120)[1]
        assert site.run(*words.split()).out.startswith("1,100 go to dashboard at the next sync")
        assert (site.sync().err, len(dashboard.events)) == ("", OLD + 5)


def test_a_question_that_nobody_answers(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """Whoever leaves the question has sent nothing, and the next run from cron sends what is not old."""
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        code, _ = at_a_terminal(site, "sync", answer="\x04", columns=120)
        assert (code, len(dashboard.events)) == (130, 0)
        assert (site.sync().err, len(dashboard.events)) == ("", 5)


def test_cron_waits_for_nobody(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """Without a person all is sent without a word; with `since:` a dry run has nothing to say of it."""
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, since="2026-01-01"))
        assert site.sync("--dry-run").err.count("older than a month") == 0
        site.write(dashboard.url, entry("front", address))
        assert site.sync() == Result(0, "", "")
        assert len(dashboard.events) == OLD + 5
