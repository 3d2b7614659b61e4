"""An auditor, who wants to know who may do what, and that nothing was left out.

Once a year somebody asks for a list of everyone on every terminal, with rights, and no passwords: `users
export`. It is kept, so that the next question is answered, too: who has come, and who got rights since? In
between somebody has made a friend an administrator at the gate; `users diff` tells that, and ends with 1
where cron asks it to. Then the auditor wants all punches of the month in one file, each with what became of
it, and counts them.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

from zkpoll.simulator import EnrolledUser

if TYPE_CHECKING:
    from tests.stories.office import Office


def test_auditor(office: Office) -> None:
    """Users with their rights, what changed of them, and every punch with what became of it."""
    amina, bashir = EnrolledUser(1, "1001", "Amina", 14, "48151623"), EnrolledUser(2, "1002", "Bashir")
    gate = office.install("gate", amina, bashir)
    office.install("hall", amina, bashir)
    office.punch("gate", "1001", "1002")
    office.punch("hall", "1001")
    office.cron()
    office.silent()

    users = office.site.folder / "users.csv"
    office.person("users", "export", "--output", str(users))
    listed = list(csv.DictReader(users.read_text().splitlines()))
    assert [(one["device"], one["name"], one["privilege_name"], one["has_password"]) for one in listed] == [
        ("gate", "Amina", "administrator", "true"),
        ("gate", "Bashir", "user", "false"),
        ("hall", "Amina", "administrator", "true"),
        ("hall", "Bashir", "user", "false"),
    ]
    assert "48151623" not in users.read_text()
    office.person("users", "diff", "--exit-code")

    gate.users = [amina, replace(bashir, privilege=14), EnrolledUser(3, "1003", "Chitra")]
    office.person("users", "diff", "--exit-code", ends=1)
    office.says("gate 1002 Bashir became administrator: user -> administrator", "gate 1003 Chitra added")

    punches = office.site.folder / "december.csv"
    office.person("punches", "export", "--from", "2026-12-01", "--output", str(punches))
    rows = list(csv.DictReader(punches.read_text().splitlines()))
    assert {row["id"] for row in rows} == office.dashboard.events.keys()
    assert [row["dashboards.dashboard"] for row in rows] == ["confirmed"] * 3
    office.all_arrived_once()
