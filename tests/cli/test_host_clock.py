"""What a run whose host clock was wrong leaves behind: nothing lost, nothing forgotten, nothing silenced."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.host_clock import YEARS, on_a_host
from tests.site import at_a_terminal, entry
from zkpoll.simulator import HttpAnswer, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import Received, SampleDashboard


def unknown(dashboard: SampleDashboard, user: str) -> None:
    """Let a dashboard refuse every request with a punch of this user, as one whom it does not know."""

    def answer(request: Received) -> HttpAnswer:
        known = f'"{user}"'.encode() not in request.body
        return dashboard.default(request) if known else HttpAnswer(422, b"no such employee")

    dashboard.answers.extend([answer] * 40)


def test_what_was_parked_ahead_of_time_is_tried_again(site: Site, dashboard: SampleDashboard) -> None:
    """A punch that was refused on a day to come is due at once when the clock is right again."""
    terminal = Terminal.with_samples(20)
    unknown(dashboard, terminal.history[4].user_id)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        with on_a_host(site, ahead=YEARS):
            site.sync()
        parked = 20 - len(dashboard.events)
        assert parked > 0
        dashboard.answers.clear()
        site.sync()
    assert len(dashboard.events) == 20
    assert dashboard.duplicates == 0


def test_status_knows_a_reading_of_a_time_to_come(site: Site, dashboard: SampleDashboard) -> None:
    """What was read under a clock that was ahead is not shown as fresh; the next reading puts it right."""
    with serve(Terminal.with_samples(20)) as address:
        site.write(dashboard.url, entry("front", address))
        with on_a_host(site, ahead=YEARS):
            site.sync()
        told, found = site.run("status"), site.run("status", "--json")
        code, screen = at_a_terminal(site, "status")
        with on_a_host(site, ahead=timedelta(days=-30)):
            behind = site.run("status")
        site.sync()
        again = site.run("status")
    assert (told.code, found.code, behind.code, again.code) == (1, 1, 1, 0)
    for lines in (told.out, behind.out):
        assert "AHEAD  " in lines
        assert "its last reading is stamped ahead of this host's clock, which was wrong then, or is" in lines
        assert " ago" not in lines
    assert (found.document()["attention"], found.document()["devices"][0]["ahead_of_clock"]) == (True, True)
    assert (code, max(map(len, screen.splitlines())) <= 80) == (1, True)
    assert "AHEAD" not in again.out


def test_no_words_of_less_than_no_time(site: Site, dashboard: SampleDashboard) -> None:
    """What a run under a clock that was ahead told is told again, and lasts from now."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    with on_a_host(site, ahead=YEARS):
        assert site.sync().err.count("\n") == 1
    still, silent = site.sync(), site.sync()
    assert still.err.startswith("zkpoll: device front: still, for 0 min: ")
    assert (silent.code, silent.err) == (69, "")
