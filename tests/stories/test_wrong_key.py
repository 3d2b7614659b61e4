"""A key that somebody set at the terminal.

A technician was at the gate, and has set a Comm Key in its menu: nobody told the person who looks after
zkpoll. At the next run cron mails one line, which says that a key is needed and where it stands. The person
asks the technician on the phone, hears a number wrong, and writes it down: cron mails another line, as it
is another fault. `devices ping` shows how far one comes, and at which step it ends. With the right number
all is well, and what was punched in between arrives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_wrong_key(office: Office) -> None:
    """A key that is needed, and one that is wrong, are told with where the right one stands."""
    gate = office.install("gate")
    office.punch("gate", "1001")
    office.cron()
    office.silent()

    gate.model = replace(gate.model, comm_key=4711)
    office.punch("gate", "1002")
    office.cron(ends=1)
    office.says(
        "zkpoll: device gate: ", "refuses the login: a comm_key is needed; see Comm Key in the Comm. menu"
    )
    office.cron(ends=1)
    office.silent()

    office.device("gate")["comm_key"] = 4771
    office.cron(ends=1)
    office.says("refuses the login: the comm_key is wrong; see Comm Key in the Comm. menu of the terminal")
    office.person("devices", "ping", ends=1)
    office.says("the comm_key is wrong; see Comm Key in the Comm. menu of the terminal")
    office.person("status", ends=1)
    office.says("1 thing needs you", "- device gate: ", "refuses the login: the comm_key is wrong")

    office.device("gate")["comm_key"] = 4711
    office.cron()
    office.says("zkpoll: device gate: well again, after ")
    office.all_arrived_once()
