"""Where is this punch?

Somebody says that she went home at five on Monday, and payroll has no such punch. The person who looks
after zkpoll asks `explain` for her and that day. It shows that she came at eight, and that more may come of
that day: the terminal in the hall was not read since the morning, as cron had told. So she was right, and
her punch is still in it. When the hall answers again, the same question is answered with the terminal, the
time, when it was read, and when the dashboard confirmed it, under which id: that can be looked for at the
dashboard. Of somebody who was not seen at all it says so, and until when that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_where_is_this_punch(office: Office) -> None:
    """What is known of a person's day, and until when; then all that became of it."""
    office.install("gate")
    office.install("hall")
    office.punch("gate", "1001")
    office.cron()
    office.silent()

    office.pull_the_plug("hall")
    office.passes(hours=9)
    office.punch("hall", "1001")
    office.cron(ends=1)
    office.says("zkpoll: device hall: ")
    office.person("explain", "1001", "2026-12-07")
    office.says("gate (GATE)", "2026-12-07T08:00:00+00:00", "dashboard: confirmed 2026-12-07 08:01:")
    office.says(
        "More may come of that day: hall was last read 2026-12-07 08:01:",
        "gate was last read 2026-12-07 17:03:",
    )

    office.plug_in("hall")
    office.cron()
    office.says("zkpoll: device hall: well again, after ")
    office.person("explain", "1001", "2026-12-07")
    office.says("hall (HALL)", "2026-12-07T17:02:00+00:00", "read 2026-12-07 17:05:")
    _, hers = office.dashboard.events
    office.says(hers, "dashboard: confirmed 2026-12-07 17:05:")
    office.person("explain", "1001", "2026-12-06")
    office.says("No device has shown a punch of user 1001 on 2026-12-06.", "hall: read 2026-12-07 17:05:")
    office.all_arrived_once()
