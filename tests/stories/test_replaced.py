"""A terminal that breaks, and is replaced by another one.

The terminal at the gate is dead. The vendor's man brings another one, gives it the same address, and people
punch. At the next run cron mails that another terminal answers there, with both serial numbers, and what to
do. Until then its punches are kept and not sent, for it could be any terminal; `explain` says so of each.
The person knows that it is the new one, says so at a terminal, and the next run sends them. What the old
one had brought stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.simulator import Model, Terminal

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_replaced(office: Office) -> None:
    """Nothing of a terminal that nobody knows is sent; once a person knows it, all of it is."""
    office.install("gate")
    office.punch("gate", "1001")
    office.cron()
    office.silent()

    new = Terminal(Model(serial="GATE-2"))
    office.terminals["new"] = new
    office.plug_in("gate", new)
    office.punch("new", "1002")
    office.cron(ends=1)
    office.says(
        "zkpoll: device gate: another terminal answers here: serial number GATE-2, it was GATE;"
        " its log is kept, and not delivered. Put host: right, or run `zkpoll devices accept gate`"
    )
    office.cron(ends=1)
    office.silent()
    office.person("explain", "1002", "2026-12-07")
    office.says("gate (GATE-2)", "its terminal is not accepted")
    assert len(office.dashboard.events) == 1

    office.person("devices", "accept", "gate")
    office.says("gate is a new terminal from now on (serial number GATE-2)")
    office.cron()
    office.says("zkpoll: device gate: well again, after ")
    office.person("status")
    office.says("1 terminal and 1 dashboard well", "2 of 2 punches confirmed")
    office.all_arrived_once()
