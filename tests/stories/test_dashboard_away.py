"""A dashboard that is away for two days.

The server of the dashboard is switched off over a weekend. Cron mails one line when that begins, which says
since when punches wait, then one a day. The terminals are read all the while, so that their logs do not run
full, and `status` tells how many wait and that this is too long. When the dashboard is back on Monday, the
next run sends all of it, the oldest first, and mails that it is over. The dashboard gets each punch once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_dashboard_away(office: Office) -> None:
    """Everything is read meanwhile, waits in the journal, and goes out by itself."""
    office.install("gate")
    office.punch("gate", "1001")
    office.cron()
    office.silent()

    office.stop_dashboard()
    office.punch("gate", "1002")
    office.cron(ends=1)
    office.says(
        "zkpoll: dashboard dashboard: ",
        " refuses the connection; is the dashboard running there?;"
        " 1 punch waits, the oldest since 2026-12-07T08:03Z",
    )
    office.punch("gate", "1003")
    office.cron(ends=1)
    office.silent()
    office.person("dashboards", "ping", ends=69)
    office.says("refuses the connection; is the dashboard running there?")

    office.passes(days=2)
    office.punch("gate", "1001", "1002")
    office.cron(ends=1)
    office.says(
        "dashboard dashboard: still, for 2 days: ", "4 punches wait, the oldest since 2026-12-07T08:03Z"
    )
    office.person("status", ends=1)
    office.says("1 thing needs you", "1 of 5 punches confirmed", "- dashboard dashboard: ", "TOO LONG")

    office.start_dashboard()
    office.cron()
    office.says("zkpoll: dashboard dashboard: well again, after 2 days")
    office.person("status")
    office.says("1 terminal and 1 dashboard well", "5 of 5 punches confirmed")
    office.all_arrived_once()
    assert list(office.dashboard.events.values()) == sorted(office.dashboard.events.values(), key=_time)


def _time(event: dict[str, str]) -> str:
    return event["timestamp"]
