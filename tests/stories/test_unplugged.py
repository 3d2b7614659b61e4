"""A terminal that is unplugged.

The cleaner needs the socket at the gate, and forgets to put the plug back. At the next run cron mails one
line, which says what does not answer and what to look at; then it says nothing more, but once a day.
`devices ping` tells the same of the gate, and that the hall is well. All the while the hall is read, and
its punches arrive. When somebody finds the plug a day later, cron mails that it is over, and for how long
it was so. The gate has kept its log without power: nothing is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_unplugged(office: Office) -> None:
    """Told when it begins, once a day and when it ends; the hall goes on, and nothing is missing."""
    office.install("gate")
    office.install("hall")
    office.punch("gate", "1001")
    office.punch("hall", "1002")
    office.cron()
    office.silent()

    office.pull_the_plug("gate")
    office.punch("hall", "1003")
    office.cron(ends=1)
    office.says(
        "zkpoll: device gate: ",
        " does not answer for 0.5 s; is it switched on, on this network, and not behind a firewall?",
    )
    assert len(office.dashboard.events) == 3
    office.cron(ends=1)
    office.silent()
    office.person("devices", "ping", "gate", ends=69)
    office.says("does not answer, nor on UDP: what is sent there is filtered or lost; is it switched on")

    office.passes(days=1)
    office.cron(ends=1)
    office.says("device gate: still, for 24 h: ", "is it switched on")
    office.person("status", ends=1)
    office.says("1 thing needs you", "- device gate: ", "is it switched on", "(since 2026-12-07 08:04Z)")

    office.plug_in("gate")
    office.punch("gate", "1001")
    office.cron()
    office.says("zkpoll: device gate: well again, after 24 h")
    office.person("status")
    office.says("2 terminals and 1 dashboard well", "4 of 4 punches confirmed")
    office.all_arrived_once()
