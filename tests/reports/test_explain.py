"""The screen of a person's day, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from zkpoll.journal.database_overview import RowSighting
from zkpoll.journal.overview import Place, Sighting
from zkpoll.reports.explain import DatabaseReach, DeviceReach, PersonDay, details, fate

if TYPE_CHECKING:
    from zkpoll.model.delivery import OutboxState

DAY = date(2026, 11, 22)
SINCE = "2026-11-22T09:10:11.123+00:00"
WHEN = "2026-11-22 09:10:11Z"
READ = datetime(2026, 11, 22, 9, 10, 11, tzinfo=UTC)


def place(state: OutboxState | None, reason: str | None = None, tried_at: str | None = None) -> Place:
    """Return how a punch stands with a dashboard since `SINCE`."""
    return Place("main", state, reason, SINCE if state else None, tried_at, in_flight=False)


def sighting(*places: Place, suspect: bool = False, stranger: bool = False) -> Sighting:
    """Return a punch by finger."""
    return Sighting(
        id="an-id",
        device="front-door",
        serial_number="S1",
        timestamp="2026-11-22T08:00:00+00:00",
        verify=1,
        state=0,
        work_code=0,
        source="pull",
        journalled_at=SINCE,
        hold=None,
        clock_suspect=suspect,
        stranger=stranger,
        places=places,
    )


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (place(None), "never meant for it: journalled before it was known; see `zkpoll backfill`"),
        (place("confirmed"), "confirmed 2026-11-22 09:10:11Z"),
        (place("pending"), "pending since 2026-11-22 09:10:11Z"),
        (
            Place("main", "pending", None, SINCE, None, in_flight=True),
            "pending since 2026-11-22 09:10:11Z, sent, not answered yet",
        ),
        (
            place("parked", "no such user", SINCE),
            "parked since 2026-11-22 09:10:11Z, last refused 2026-11-22 09:10:11Z: no such user",
        ),
        (
            place("held", "repeat"),
            "held since 2026-11-22 09:10:11Z: it is within repeat_within of the one before",
        ),
        (place("discarded", "shut down (by me)"), "discarded since 2026-11-22 09:10:11Z: shut down (by me)"),
    ],
)
def test_fates(found: Place, text: str) -> None:
    """Each state of a punch has its sentence, with the reason if there is one."""
    assert fate(found) == text


def test_a_line_for_each_dashboard() -> None:
    """A punch has a line for each of its dashboards, and one where there is none."""
    head = "2026-11-22T08:00:00+00:00  front-door  finger (1)  check_in (0)  read 2026-11-22 09:10:11Z"
    punches = (sighting(place("confirmed"), place("pending")), sighting(suspect=True, stranger=True))
    assert list(PersonDay("1", DAY, punches, ()).lines()) == [
        "user 1 on Sunday 2026-11-22",
        f"{head}  main  confirmed 2026-11-22 09:10:11Z",
        f"{head}  main  pending since 2026-11-22 09:10:11Z",
        f"{head}  its clock cannot have been right  its terminal is not accepted",
    ]
    assert list(details(punches[1]))[-2:] == [
        "its clock cannot have been right",
        "its terminal is not accepted",
    ]


def test_nothing_was_seen() -> None:
    """Without punches each device says how far it is read, and what may be missing."""
    devices = (
        DeviceReach("a", None, None, None, {}),
        DeviceReach("b", READ, None, False, {"no such date": 2}),
        DeviceReach("c", READ, READ, True, {}),
        DeviceReach("d", READ, READ, None, {}, ahead=True),
    )
    assert list(PersonDay("1", DAY, (), devices).lines()) == [
        "user 1 on Sunday 2026-11-22",
        "No device has shown a punch of user 1 on 2026-11-22.",
        "a: never read",
        f"b: read {WHEN}, never read whole, NOT READ since that day ended, 2 in quarantine: no such date",
        f"c: read {WHEN}, read whole {WHEN}",
        f"d: read {WHEN}, WHICH IS AHEAD of this host's clock, read whole {WHEN}",
    ]


def test_what_may_still_come() -> None:
    """Below punches those are told that were not read since the day ended, but for what is switched off."""
    open_ = [DeviceReach(name, READ, READ, False, {}) for name in "dcba"]
    never, off = (
        DeviceReach("z", None, None, False, {}),
        DeviceReach("y", READ, READ, False, {}, in_use=False),
    )
    read, unknown = DeviceReach("r", READ, READ, True, {}), DeviceReach("u", READ, READ, None, {})
    found = PersonDay("1", DAY, (sighting(),), (*open_, never, off, read, unknown))
    assert found.more_may_come() == (
        f"More may come of that day: z was never read, a was last read {WHEN}, b was last read {WHEN},"
        " and 2 others later."
    )
    assert PersonDay("1", DAY, (sighting(),), (off, read, unknown)).more_may_come() is None


def test_the_rows_that_show_it() -> None:
    """It says where a punch stands, since when, what else showed it, and what a person did to it."""
    rows = RowSighting("head-office", SINCE, None, None), RowSighting("branch", SINCE, SINCE, None)
    gone = RowSighting("copy", SINCE, SINCE, SINCE)
    came = list(details(replace(sighting(), rows=(*rows, gone))))
    assert (
        f"read {WHEN}; also in head-office {WHEN}; also in branch {WHEN} (changed there {WHEN}); "
        f"also in copy {WHEN} (gone from there {WHEN})"
    ) in came
    every = replace(sighting(), source="bridge", rows=rows[:1], doors=("pull", "push", "bridge"))
    assert f"read in head-office {WHEN}; also at its terminal; also by push" in list(details(every))
    both = replace(sighting(), doors=("pull", "push"))
    assert f"read {WHEN}; also by push" in list(details(both))
    typed = replace(sighting(), source="bridge", rows=rows[:1], manual=True)
    assert {f"read in head-office {WHEN}", "typed in at the vendor's program"} <= {*details(typed)}


def test_a_punch_that_was_pushed() -> None:
    """It says by which door a punch came, and what else stood on its line, without letters that steer."""
    pushed = replace(sighting(), source="push", line_rest="0\t\x1b[2J")
    assert f"received by push {WHEN}" in list(details(pushed))
    assert "what else stood on its line: 0\\t\\x1b[2J" in list(details(pushed))
    whose, line = PersonDay("1", DAY, (pushed,), (), name="Ada").lines()
    assert whose == "user 1 (Ada) on Sunday 2026-11-22"
    assert f"  received by push {WHEN}" in line


def test_how_far_databases_are_read() -> None:
    """Where nothing has shown a punch, it is told when each database was read, and what is aside there."""
    databases = (
        DatabaseReach("head-office", READ, set_aside=2),
        DatabaseReach("branch", None),
        DatabaseReach("ahead", READ, ahead=True),
    )
    day = PersonDay("7", DAY, (), (), databases)
    unknown = "what its program had not fetched by then is not known"
    assert list(day.lines())[1:] == [
        "No device and no database has shown a punch of user 7 on 2026-11-22.",
        f"head-office: read {WHEN}, {unknown}, 2 rows set aside",
        "branch: never read",
        f"ahead: read {WHEN}, WHICH IS AHEAD of this host's clock, {unknown}",
    ]
    assert day.document()["databases"][:2] == [
        {"name": "head-office", "read_at": "2026-11-22T09:10:11.000+00:00", "set_aside": 2},
        {"name": "branch", "read_at": None, "set_aside": 0},
    ]
