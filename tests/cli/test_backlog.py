"""`zkpoll sync` and dashboards that take fewer punches than come in, though they confirm what is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.look import inside, look
from tests.site import Site, entry
from zkpoll.simulator import HttpAnswer, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLD = (
    "zkpoll: backlog of dashboard: 140 punches wait, 35 more than yesterday:"
    " it takes fewer than come in; raise max_per_run\n"
)


@pytest.fixture
def terminal(site: Site, dashboard: SampleDashboard) -> Iterator[Terminal]:
    """Give a terminal that the site's inventory names; a run sends five punches."""
    terminal = Terminal.with_samples(110)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        write(site, "attempts: 1", "attempts: 1, max_per_run: 5")
        yield terminal


def write(site: Site, before: str, after: str) -> None:
    """Change a setting of the inventory's one dashboard."""
    site.inventory.write_text(site.inventory.read_text().replace(before, after, 1))


def a_day_passes(site: Site) -> None:
    """Let all that the journal has stamped be a day older."""
    with inside(site.journal) as db:
        db.create_function("a_day_before", 1, a_day_before)
        for statement in (
            "UPDATE backlog SET at = a_day_before(at)",
            "UPDATE outbox SET changed_at = a_day_before(changed_at)",
            "UPDATE condition SET since = a_day_before(since), told_at = a_day_before(told_at)",
        ):
            db.execute(statement)


def a_day_before(text: str) -> str:
    """Return a moment of the journal a day earlier."""
    earlier = datetime.fromisoformat(text).astimezone(UTC) - timedelta(days=1)
    return earlier.isoformat(timespec="milliseconds")


def come(terminal: Terminal, count: int, day: int) -> None:
    """Let so many punches come in."""
    began = datetime(2026, 11, 1) + timedelta(days=day)
    for second in range(count):
        terminal.punch(terminal.users[0].user_id, began + timedelta(seconds=second))


def test_it_is_told_while_it_grows(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """It begins with the figures, is told once a day while it lasts, and ends; status shows it."""
    first = site.sync()
    assert (first.code, first.err) == (0, "")
    a_day_passes(site)
    come(terminal, 40, 1)
    second, third = site.sync(), site.sync()
    assert (second.code, second.err) == (1, TOLD)
    assert (third.code, third.err) == (1, "")
    screen = site.run("status")
    assert screen.code == 1
    assert f"trouble  {TOLD.removeprefix('zkpoll: ').rstrip()} (since " in screen.out
    assert "backlog of dashboard" in screen.out
    (shown,) = site.run("status", "--json").document()["dashboards"]
    assert shown["more_than_before"] == 30
    a_day_passes(site)
    come(terminal, 60, 2)
    assert (
        "backlog of dashboard: still, for 24 h: 190 punches wait, 50 more than yesterday" in site.sync().err
    )
    write(site, "max_per_run: 5", "max_per_run: 5000")
    last = site.sync()
    assert (last.code, last.err) == (0, "zkpoll: backlog of dashboard: well again, after 24 h\n")
    assert len(dashboard.events) == 210


def test_an_outage_says_it_all(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """Nothing of a backlog is told of a dashboard that fails, nor on the day it is back."""
    site.sync()
    a_day_passes(site)
    come(terminal, 40, 1)
    dashboard.answers.append(HttpAnswer(503))
    assert "backlog" not in site.sync().err
    come(terminal, 40, 2)
    back = site.sync()
    assert (back.code, "backlog" in back.err) == (0, False)
    assert len(look(site.journal, "SELECT * FROM backlog")) == 1


def test_one_that_left(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """What was told of a backlog ends when its dashboard leaves the inventory."""
    site.sync()
    a_day_passes(site)
    come(terminal, 40, 1)
    assert site.sync().err == TOLD
    write(site, "{url:", "{name: another, url:")
    assert "backlog of dashboard: ended, after 0 min: taken out of the inventory" in site.sync().err
    assert dashboard.events
