"""A terminal whose clock is wrong.

Somebody has set the clock of the gate to summer time by hand: it is an hour ahead, and so is what people
punch. The next run mails that, and as it is about an hour, it asks first whether `timezone:` is right.
`devices clock` shows the clock; `devices clock --set` puts it right, and cron mails that it is over. The
one in the hall is a minute off: nobody is mailed of that. What was punched meanwhile keeps the time that
the terminal gave it, for nobody can know better; `explain` shows that it was read before the time that it
tells.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_wrong_clock(office: Office) -> None:
    """An hour is told, with the question for the zone, until it is set right; a minute is nothing."""
    office.install("gate")
    office.install("hall")
    office.punch("gate", "1001")
    office.cron()
    office.silent()

    office.ahead = {"gate": timedelta(minutes=59), "hall": timedelta(minutes=-1)}
    office.punch("gate", "1002")
    office.cron(ends=1)
    office.says(
        "zkpoll: device gate: its clock is 59 min ahead, and so are its punches: is timezone: UTC right?"
    )
    office.says("If it is, put the clock right")
    office.cron(ends=1)
    office.silent()
    office.person("status", ends=1)
    office.says("1 thing needs you", "- device gate: its clock is 59 min ahead")

    office.person("devices", "clock", "--set", "gate")
    office.says("set; it was 59 min ahead")
    office.cron()
    office.says("zkpoll: device gate: well again, after ")
    office.person("explain", "1002", "2026-12-07")
    office.says(
        "2026-12-07T09:01:00+00:00", "read 2026-12-07 08:03:", "dashboard: confirmed 2026-12-07 08:03:"
    )
    office.all_arrived_once()
