"""`zkpoll journal restore`: what a raw copy holds is in the journal, or can be put back as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.look import inside, look
from tests.pull.records import damage
from tests.site import at_a_terminal, entry
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import folders, open_journal
from zkpoll.pull.raw_copy import RawCopy, save
from zkpoll.simulator import LAYOUTS, EnrolledUser, Model, Record, Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.site import Site
    from zkpoll.simulator import Listening, SampleDashboard

KEY = "CQZ7224760045"
TAKEN = datetime(2026, 11, 22, 3, tzinfo=UTC)
BERLIN = "Europe/Berlin"
NIGHT = datetime(2026, 10, 25, 2)
"""The hour that is twice this night in Berlin."""
PUNCHES = """
SELECT punch.id, nth, device.key, device.name, device_name, user_id, timestamp, verify, state,
       work_code, clock_suspect, bytes, source, hold, occurrence, kinds, first_id
FROM punch JOIN device ON device.id = punch.device JOIN form ON form.punch = seq ORDER BY seq, bytes
"""
"""All that a journal says of its punches, but when they were journalled."""


def terminal_of(layout: int) -> Terminal:
    """Return a terminal whose log has everything in it that a journal treats in its own way."""
    terminal = Terminal.with_samples(60, users=9, model=Model(layout=layout))
    one, other = terminal.users[:2]
    minutes = (-5, 30, 50, 10, 40, 65)  # the clock was put back between the third and the fourth
    night = [(one, NIGHT + timedelta(minutes=minute), 0) for minute in minutes]
    more = [
        (other, NIGHT.replace(hour=8), 0),
        (other, NIGHT.replace(hour=8), 1),  # the same second with other content
        (other, NIGHT.replace(hour=8, second=20), 0),  # a repeat
        (other, datetime(2000, 1, 1, 0, 5), 0),  # from a clock that lost its power
    ]
    first = len(terminal.log) + 1
    terminal.record(
        Record(number, user.uid, user.user_id, moment, 1, state)
        for number, (user, moment, state) in enumerate(night + more, first)
    )
    terminal.append(damage(layout, terminal.log[-2]))  # 30 February
    terminal.append(terminal.log[-3])  # the same record once more
    return terminal


def copy_of(terminal: Terminal, name: str = "front") -> RawCopy:
    """Return the raw copy of the log of `terminal`."""
    layout = terminal.model.layout
    users = {user.uid: user.user_id for user in terminal.users} if layout == 8 else {}
    return RawCopy(name, KEY, TAKEN, BERLIN, layout, users, b"".join(terminal.log))


def device(address: Listening | tuple[str, int]) -> str:
    """Return the device as the inventory has it."""
    return entry("front", address, timezone=BERLIN, repeat_within="60s")


@pytest.fixture(params=[8, 40])
def terminal(request: pytest.FixtureRequest) -> Terminal:
    """Give such a terminal whose records name slots, and one whose records name users."""
    return terminal_of(request.param)


def synced(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> Path:
    """Have the log of `terminal` read and delivered; return its raw copy."""
    with serve(terminal) as address:
        site.write(dashboard.url, device(address))
        assert site.sync().code == 1  # for the record of 30 February
    return save(folders(site.journal).raw_copies, copy_of(terminal))


def punches(path: Path) -> list[tuple[Any, ...]]:
    """Return all a journal says of its punches, in the order of journalling."""
    return look(path, PUNCHES)


def quarantine(path: Path) -> list[tuple[Any, ...]]:
    """Return what a journal has in quarantine."""
    return look(path, "SELECT device.key, hex(raw), reason FROM quarantine JOIN device ON id = device")


def restored(site: Site, path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return how `journal restore` ended, and its document."""
    result = site.run("journal", "restore", str(path), "--json", *arguments)
    assert result.err == ""
    return result.code, result.document()


def numbers(document: dict[str, Any]) -> tuple[int, ...]:
    """Return what was found, and how many records were put back."""
    return tuple(document[name] for name in ("in_journal", "missing", "quarantined", "differ", "written"))


# --- what is there ---


def test_all_of_it_is_there(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """After a sync every record of the copy is found in the journal, and nothing is written."""
    path = synced(site, dashboard, terminal)
    before = punches(site.journal)
    code, document = restored(site, path, "--write", "--yes")
    assert (code, numbers(document)) == (0, (len(terminal.log) - 1, 0, 1, 0, 0))
    assert document["count"] == len(terminal.log)
    assert document["serial_number"] == KEY
    assert punches(site.journal) == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_lost_journal_is_rebuilt(site: Site, dashboard: SampleDashboard, layout: int) -> None:
    """A new journal gets every row as it was: ids, offsets, holds, quarantine; the next sync adds nothing."""
    terminal = terminal_of(layout)
    path = synced(site, dashboard, terminal)
    before, quarantined = punches(site.journal), quarantine(site.journal)
    delivered = dict(dashboard.events)
    offsets = [row[6][-6:] for row in before if row[6] > "2026-10-25T02" and row[6] < "2026-10-25T03"]
    assert offsets == ["+02:00", "+02:00", "+01:00", "+01:00"]
    assert {row[1] for row in before} == {1, 2}
    assert {row[10] for row in before} == {0, 1}
    equal = set() if layout in {40, 49} else {"exact repeat"}
    assert {row[13] for row in before} == {None, "repeat", "same second"} | equal
    lose_journal(site)
    looked = site.run("journal", "restore", str(path))
    assert (looked.code, looked.out, site.journal.exists()) == (74, "", False)
    code, document = restored(site, path, "--write", "--yes")
    assert (code, numbers(document)) == (0, (len(terminal.log) - 1, 0, 1, 0, len(before) + 1))
    assert punches(site.journal) == before
    assert quarantine(site.journal) == quarantined
    assert look(site.journal, "SELECT * FROM watermark") == []
    with serve(terminal) as address:
        site.write(dashboard.url, device(address))
        site.sync()
    assert punches(site.journal) == before
    assert dashboard.events == delivered
    assert (dashboard.duplicates, dashboard.conflicts) == (len(delivered), [])


def lose_journal(site: Site) -> None:
    """Delete the journal, but not the raw copies beside it."""
    for left in site.folder.glob("journal.db*"):
        if left.is_file():
            left.unlink()


def forget(site: Site, *lost: int) -> None:
    """Have the journal lose some punches, by their place, and all that is in quarantine."""
    places = [(place,) for place in lost]
    with inside(site.journal) as db:
        db.executemany("DELETE FROM outbox WHERE punch = ?", places)
        db.executemany("DELETE FROM form WHERE punch = ?", places)
        db.executemany("DELETE FROM punch WHERE seq = ?", places)
        db.execute("DELETE FROM quarantine")


# --- what is missing ---


def test_what_is_missing_is_told_and_put_back(
    site: Site, dashboard: SampleDashboard, terminal: Terminal
) -> None:
    """What a journal lost is counted, put back as it was, and waits for every dashboard once more."""
    path = synced(site, dashboard, terminal)
    before, quarantined = set(punches(site.journal)), quarantine(site.journal)
    lost = len(range(1, 60, 3))
    forget(site, *range(1, 60, 3))
    left = punches(site.journal)
    code, document = restored(site, path)
    assert (code, document["missing"], document["quarantined"]) == (1, lost + 1, 0)
    assert document["in_journal"] == len(terminal.log) - lost - 1
    assert punches(site.journal) == left
    code, document = restored(site, path, "--write", "--yes")
    assert (code, numbers(document)) == (0, (len(terminal.log) - 1, 0, 1, 0, lost + 1))
    assert set(punches(site.journal)) == before
    assert quarantine(site.journal) == quarantined
    assert look(site.journal, "SELECT * FROM watermark") == []  # the log is read whole next time
    states = look(site.journal, "SELECT state, count(*) FROM outbox GROUP BY state ORDER BY state")
    assert sum(count for _, count in states) == len(before)
    assert dict(states)["pending"] == lost


@pytest.mark.parametrize(("answer", "code", "missing"), [("y\n", 0, 0), ("n\n", 1, 2), ("\n", 1, 2)])
def test_a_person_is_asked(
    site: Site, dashboard: SampleDashboard, answer: str, code: int, missing: int
) -> None:
    """At a terminal it shows what is missing and asks; only yes puts it back."""
    path = synced(site, dashboard, terminal_of(40))
    forget(site, 5)
    ended, shown = at_a_terminal(site, "journal", "restore", str(path), "--write", answer=answer)
    assert ended == code
    assert "70 in the journal, 2 missing, 0 quarantined, 0 differ" in shown
    assert "Put 2 missing records into the journal? [y/N]: " in shown
    assert ("Nothing is put into the journal." in shown) == (missing > 0)
    assert restored(site, path)[1]["missing"] == missing


def test_nobody_is_there_to_be_asked(site: Site, dashboard: SampleDashboard) -> None:
    """Without a terminal --write needs --yes."""
    path = synced(site, dashboard, terminal_of(40))
    result = site.run("journal", "restore", str(path), "--write")
    assert (result.code, result.out) == (2, "")
    assert "nobody is there to be asked; say --yes" in result.err


def test_for_people(site: Site, dashboard: SampleDashboard) -> None:
    """What was missing, what was put back and what there is now are told in words."""
    path = synced(site, dashboard, terminal_of(40))
    forget(site, 5, 6)
    told = site.run("journal", "restore", str(path), "--write", "--yes")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        f"front ({KEY}), as read at 2026-11-22 03:00 UTC: 72 records of 40 bytes",
        "69 in the journal, 3 missing, 0 quarantined, 0 differ",
        "3 put into the journal, which now has: 71 in the journal, 0 missing, 1 quarantined, 0 differ",
    ]


def test_a_damaged_copy(site: Site, dashboard: SampleDashboard) -> None:
    """A copy that is not sound proves nothing and restores nothing: code 1 and one sentence."""
    path = synced(site, dashboard, terminal_of(40))
    path.write_bytes(path.read_bytes()[:-9])
    lose_journal(site)
    result = site.run("journal", "restore", str(path), "--write", "--yes")
    assert (result.code, result.out) == (1, "")
    assert result.err == f"zkpoll: {path} is cut short; what is missing cannot be told\n"
    assert not site.journal.exists()


# --- what differs ---


def moved(site: Site, users: dict[int, str]) -> Path:
    """Return the raw copy of a log of two 8-byte records, of slots 1 and 2, that the journal knows."""
    terminal = Terminal(Model(layout=8), users=[EnrolledUser(1, "1001"), EnrolledUser(2, "1002")])
    for user, minute in (("1001", 1), ("1002", 2)):
        terminal.punch(user, datetime(2026, 11, 20, 8, minute))
    with serve(terminal) as address:
        site.write("http://127.0.0.1:9", entry("front", address, timezone=BERLIN))
        site.sync("--no-deliver")
    return save(folders(site.journal).raw_copies, replace(copy_of(terminal), users=users))


@pytest.mark.parametrize("users", [{1: "1001", 2: "2002"}, {1: "1001"}])
def test_a_slot_that_changed_hands(site: Site, users: dict[int, str]) -> None:
    """A record whose slot is another user's now, or nobody's, differs; the journal's word stands."""
    path = moved(site, users)
    before = punches(site.journal)
    code, document = restored(site, path, "--write", "--yes")
    assert (code, numbers(document)) == (1, (1, 0, 0, 1, 0))
    assert punches(site.journal) == before
    forget(site, 1)
    code, document = restored(site, path, "--write", "--yes")
    assert (code, numbers(document)) == (1, (1, 0, 0, 1, 1))
    assert {row[5] for row in punches(site.journal)} == {"1001", "1002"}
    assert quarantine(site.journal) == []


def test_a_slot_that_was_nobodys(site: Site) -> None:
    """A record that is in quarantine because nobody had its slot stays there, whoever has it by now."""
    terminal = Terminal(Model(layout=8), users=[EnrolledUser(1, "1001")])
    terminal.record([Record(1, 1, "1001", NIGHT, 1), Record(2, 2, "1002", NIGHT, 1)])
    with serve(terminal) as address:
        site.write("http://127.0.0.1:9", entry("front", address, timezone=BERLIN))
        site.sync("--no-deliver")
    path = save(folders(site.journal).raw_copies, replace(copy_of(terminal), users={1: "1001", 2: "1002"}))
    code, document = restored(site, path, "--write", "--yes")
    assert (code, numbers(document)) == (0, (1, 0, 1, 0, 0))


# --- whose it is by now ---


def names(site: Site) -> dict[str, str | None]:
    """Return the devices of the journal: name by key."""
    return dict(look(site.journal, "SELECT key, name FROM device"))


def meet(site: Site, name: str, key: str) -> None:
    """Have the journal know a device."""
    with open_journal(site.journal) as journal:
        Devices(journal).meet(name, key)


@pytest.mark.parametrize(
    ("known", "then"),
    [
        (("front", KEY), {KEY: "front"}),
        (("back", KEY), {KEY: "back"}),
        (("front", "OTHER1"), {"OTHER1": "front", KEY: None}),
        (("back", "OTHER1"), {"OTHER1": "back", KEY: "front"}),
    ],
)
def test_what_is_known_by_now_stays(
    site: Site, dashboard: SampleDashboard, known: tuple[str, str], then: dict[str, str | None]
) -> None:
    """A device that was renamed or replaced since keeps its new name, and a name its new device."""
    site.write(dashboard.url, device(("127.0.0.1", 9)))
    meet(site, *known)
    path = save(folders(site.journal).raw_copies, copy_of(terminal_of(40)))
    code, document = restored(site, path, "--write", "--yes")
    assert (code, document["missing"], document["written"]) == (0, 0, 71)
    assert names(site) == then
    assert {(row[2], row[4]) for row in punches(site.journal)} == {(KEY, "front")}
    code, document = restored(site, path, "--write", "--yes")
    assert (code, document["written"]) == (0, 0)
    assert names(site) == then


def test_what_the_inventory_holds_is_held(site: Site) -> None:
    """Punches that a sync would hold are held when they are put back, too, and none else."""
    site.write("http://127.0.0.1:9", entry("front", ("127.0.0.1", 9), timezone=BERLIN, since="2026-10-25"))
    path = save(folders(site.journal).raw_copies, copy_of(terminal_of(40)))
    restored(site, path, "--write", "--yes")
    holds = {(row[6] < "2026-10-25", row[13]) for row in punches(site.journal)}
    assert holds == {(True, "since"), (False, None), (False, "same second")}


def test_copies_in_any_order(site: Site, dashboard: SampleDashboard) -> None:
    """Copies that overlap, put back in any order, come to the same punches, each once."""
    terminal = terminal_of(40)
    path = synced(site, dashboard, terminal)
    before = set(punches(site.journal))
    early = replace(copy_of(terminal), log=b"".join(terminal.log[:40]), taken_at=TAKEN - timedelta(days=9))
    lose_journal(site)
    for each in (path, save(folders(site.journal).raw_copies, early), path):
        assert restored(site, each, "--write", "--yes")[0] == 0
    assert set(punches(site.journal)) == before
