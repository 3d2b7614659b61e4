"""Two terminals with one address.

A terminal is put up in the store, and gets the address that the one at the gate has. Now the one answers at
it, now the other: the network lets the faster one through. The first time cron mails that another terminal
answers, and one could think that it was exchanged. When the gate has answered in between, cron mails what
it really is: two terminals have this address, and which one to change. Nothing is mixed up, and nothing of
the store is sent. The person copies the entry of the gate for the store and forgets its address, which
`config check` does not take. With an address of its own the store is a terminal like any other, and all
that was punched there arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.simulator import Model, Terminal

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_duplicate_address(office: Office) -> None:
    """Two that answer in turn are named as such; each punch stays with its own terminal."""
    office.install("gate")
    store = Terminal(Model(serial="STORE"))
    office.terminals["store"] = store
    office.punch("gate", "1001")
    office.cron()
    office.silent()

    office.plug_in("gate", store)
    office.punch("store", "1002")
    office.cron(ends=1)
    office.says("zkpoll: device gate: another terminal answers here: serial number STORE, it was GATE")
    office.plug_in("gate")
    office.punch("gate", "1001")
    office.cron()
    office.says("zkpoll: device gate: well again, after ")
    office.plug_in("gate", store)
    office.punch("store", "1003")
    office.cron(ends=1)
    office.says(
        "zkpoll: device gate: two terminals have this address, and answer in turn: serial number STORE,"
        " and GATE, which is gate; give STORE another one in its Comm. menu; its log is kept, and not"
        " delivered"
    )
    office.cron(ends=1)
    office.silent()
    assert len(office.dashboard.events) == 2

    office.plug_in("gate")
    office.inventory["devices"].append(office.device("gate") | {"name": "store"})
    office.person("config", "check", ends=78)
    office.says("(store).host: ", " is already an enabled device on line ")
    office.device("store")["port"] = 0  # any free one
    office.plug_in("store")
    office.cron()
    office.says("zkpoll: device gate: well again, after ")
    office.person("status")
    office.says("2 terminals and 1 dashboard well", "4 of 4 punches confirmed")
    office.all_arrived_once()
