"""An employee whom the dashboard does not know.

Somebody is new, punches at the gate, and nobody has entered the person at the dashboard yet, which refuses
the request. All other punches arrive, now and later; this one is parked. Cron mails one line that says
where to look. `outbox list` has the dashboard's own words, and so has `explain` for the person who asks why
the hours are missing. Once the employee is entered there, `outbox retry` sends what was parked, and it is
there with its own time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zkpoll.simulator import HttpAnswer

if TYPE_CHECKING:
    from tests.stories.office import Office
    from zkpoll.simulator import Received


def test_refused_employee(office: Office) -> None:
    """One punch holds up nobody, is told in the dashboard's words, and goes out when a person says so."""
    office.install("gate")
    employees = {"1001", "1002"}

    def answer(request: Received) -> HttpAnswer:
        users = [event["user_id"] for event in json.loads(request.body)["events"]]
        unknown = [user for user in users if user not in employees]
        if unknown:
            return HttpAnswer(422, f'{{"message": "no employee {unknown[0]}"}}'.encode())
        return office.dashboard.default(request)

    office.dashboard.answers.extend([answer] * 50)
    office.punch("gate", "1001", "1007", "1002")
    office.cron(ends=1)
    office.says("zkpoll: dashboard dashboard: 1 punch is parked; see `zkpoll outbox list`")
    office.punch("gate", "1001")
    office.cron(ends=1)
    office.silent()
    assert len(office.dashboard.events) == 3

    office.person("outbox", "list")
    office.says("gate, user 1007", "the dashboard answered 422 and refused it; it says: ", "no employee 1007")
    office.says(
        "Once that is mended: `zkpoll outbox retry`. What shall never go there: `zkpoll outbox discard`."
    )
    office.person("explain", "1007", "2026-12-07")
    office.says("dashboard: parked since ", "no employee 1007")

    employees.add("1007")
    office.person("outbox", "retry", "--user", "1007")
    office.says("1 punch for dashboard is sent again at the next sync")
    office.cron()
    office.says("zkpoll: dashboard dashboard: well again, after ")
    office.person("outbox", "list")
    office.says("Nothing is parked.")
    office.all_arrived_once()
