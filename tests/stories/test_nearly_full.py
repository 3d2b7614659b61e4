"""A terminal that is 95 % full.

The terminal at the gate has room for 400 punches, and nobody has ever cleared it. With 340 in it there are
four weeks left: nothing is mailed. On the day when 380 are in it cron mails that it is nearly full, and on
which day it will be full: there is time to see to it before people cannot punch. The person has its log
cleared. All of it has arrived by then, which the command proves before it clears anything, and the next run
mails that it is over.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from zkpoll.simulator import Model

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_nearly_full(office: Office) -> None:
    """It is told before it is full, with the day on which it will be, until it is cleared."""
    gate = office.install("gate", model=Model(serial="GATE", capacity=400))
    for days_ago in range(170, 0, -1):
        gate.punch("1001", office.now - timedelta(days=days_ago, hours=9))
        gate.punch("1001", office.now - timedelta(days=days_ago))
    office.cron()
    office.silent()

    for _ in range(20):
        office.passes(days=1)
        office.punch("gate", "1001", "1002")
    office.cron(ends=1)
    office.says(
        "zkpoll: device gate: its log is 95 % full (380 of 400 records), full on about 2027-01-06 at 2 a day;"
        " have it cleared (docs/clearing.md)"
    )
    office.cron(ends=1)
    office.silent()
    office.person("devices", "ping", ends=1)
    office.says("nearly full; have its log cleared (docs/clearing.md)")
    office.person("status", ends=1)
    office.says("1 thing needs you", "- device gate: its log is 95 % full")

    office.person("devices", "clear", "gate", answer="y\n")
    assert not gate.log
    office.punch("gate", "1003")
    office.cron()
    office.says("zkpoll: device gate: well again, after ")
    office.person("status")
    office.says("1 terminal and 1 dashboard well", "381 of 381 punches confirmed")
    office.all_arrived_once()
