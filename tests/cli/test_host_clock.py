"""What a run whose host clock was wrong leaves behind: nothing lost, nothing forgotten, nothing silenced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.host_clock import YEARS, on_a_host
from tests.site import entry
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
