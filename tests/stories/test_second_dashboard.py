"""A second dashboard.

Payroll wants the punches as well. The inventory gets a list of two dashboards, each with a name, as `config
check` asks for. The person forgets to say which of them is the one that was there before: the next run says
what to write. From then on new punches go to both; the old ones are sent to payroll with `backfill`.
Neither dashboard gets a punch twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.site import TOKEN
from zkpoll.simulator import SampleDashboard

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_second_dashboard(office: Office) -> None:
    """The first one goes on where it was; the second one gets what is new, and on demand what was before."""
    office.install("gate")
    office.punch("gate", "1001")
    office.cron()
    office.silent()
    office.stop_dashboard()
    office.punch("gate", "1002")
    office.cron(ends=1)
    office.start_dashboard()

    payroll = SampleDashboard(TOKEN)
    first = office.inventory["dashboard"]
    second = first | {"url": office.start(payroll), "name": "payroll"}
    office.inventory["dashboard"] = [first, second]
    office.person("config", "check", ends=78)
    office.says("dashboard[0].name: missing")
    first["name"] = "main"
    office.cron(ends=1)
    office.says("dashboard dashboard: 1 punch waits for it, and it is not in the inventory any more; ")
    office.says("if it has another name there, write `was: dashboard` beside that")

    first["was"] = "dashboard"
    office.punch("gate", "1003")
    office.cron()
    office.says("dashboard dashboard is called main now")
    office.all_arrived_once()
    assert len(payroll.events) == 1

    office.person("backfill", "--to", "payroll", "--from", "2026-12-01", "--until", "2026-12-31")
    office.cron()
    office.silent()
    office.person("status")
    office.says("1 terminal and 2 dashboards well", "3 of 3 punches confirmed")
    office.all_arrived_once()
    office.all_arrived_once(payroll)
