"""`zkpoll quarantine`: what nobody can believe, as it came, and a person who accepts that it is so."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import KEY, Bridge, aside, bucket, connection, odd, piece, punch, visit
from tests.site import at_a_terminal, entry
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.intake import Intake
from zkpoll.journal.opening import open_journal
from zkpoll.model.punch import Quarantined, punch_id
from zkpoll.simulator import EnrolledUser, Model, Terminal, serve
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

SERIAL = "CQZ7224760045"


def with_an_impossible_record(serial: str = SERIAL) -> tuple[Terminal, bytes]:
    """Return a terminal one record of which is of 30 February, and that record."""
    terminal = Terminal.with_samples(40, model=Model(serial=serial))
    second = pack_time(datetime(2026, 2, 28, 8)) + 2 * 86_400
    raw = terminal.log[0][:27] + second.to_bytes(4, "little") + terminal.log[0][31:]
    terminal.append(raw)
    return terminal, raw


def test_it_lists_what_came(site: Site, dashboard: SampleDashboard) -> None:
    """Each impossible record is listed once with its device, the reason, when it came, and its bytes."""
    terminal, raw = with_an_impossible_record()
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 1
        site.sync("--full")
    told, listed = site.run("quarantine", "list"), site.run("quarantine", "list", "--json")
    assert (told.code, told.err, listed.code, listed.err) == (0, "", 0, "")
    (record,) = json.loads(listed.out)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", record["quarantined_at"])
    assert record == {
        "device": "front",
        "serial_number": SERIAL,
        "raw": raw.hex(),
        "reason": "no such date",
        "quarantined_at": record["quarantined_at"],
        "accepted_at": None,
    }
    assert told.out == f"{record['quarantined_at']}  front ({SERIAL})  no such date: {raw.hex()}\n"


def test_a_terminal_that_was_replaced(site: Site, dashboard: SampleDashboard) -> None:
    """What came from a terminal that is no device any more is listed all the same."""
    with serve(with_an_impossible_record()[0]) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    with serve(Terminal.with_samples(3, model=Model(serial="NEW1")), port=address.port):
        site.sync()
    assert site.run("devices", "accept", "front").code == 0
    told, listed = site.run("quarantine", "list"), site.run("quarantine", "list", "--json")
    assert f"no device any more ({SERIAL})" in told.out
    assert json.loads(listed.out)[0]["device"] is None


def test_an_empty_quarantine(site: Site, dashboard: SampleDashboard) -> None:
    """With nothing in it, a pipe gets nothing and a program an empty list."""
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    told, listed = site.run("quarantine", "list"), site.run("quarantine", "list", "--json")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert (listed.code, json.loads(listed.out)) == (0, [])


def test_looking_needs_no_secret(site: Site, dashboard: SampleDashboard) -> None:
    """An operator's shell has neither the variables nor the files of secrets, and may look all the same."""
    with serve(with_an_impossible_record()[0]) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    site.inventory.write_text(site.inventory.read_text().replace("${TOKEN}", "${NOT_HERE}"))
    told = site.run("quarantine", "list")
    assert (told.code, told.err) == (0, "")
    assert "no such date" in told.out


def test_no_journal_yet(site: Site, dashboard: SampleDashboard) -> None:
    """Looking at a journal that is not there makes none: code 74 and one sentence."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    result = site.run("quarantine", "list")
    assert result.code == 74
    assert len(result.err.splitlines()) == 1
    assert not site.journal.exists()


# --- accepting them ---


@pytest.fixture
def kept(site: Site, dashboard: SampleDashboard) -> Site:
    """Give a site with three records in quarantine: two of `front`, and one of a stranger at its address."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        visit(journal, "front").take(piece(punch(), odd(b"1"), odd(b"2")))
        visit(journal, "other", "NEW1").take(piece(odd(b"1")))
        Devices(journal).meet_stranger("front", "NEW1")
        connection(journal).execute("UPDATE device SET name = NULL WHERE key = 'NEW1'")
    return site


def accepted(site: Site) -> dict[str, list[bool]]:
    """Return which records are accepted, by serial number."""
    listed: list[dict[str, Any]] = json.loads(site.run("quarantine", "list", "--json").out)
    return {
        key: [one["accepted_at"] is not None for one in listed if one.get("serial_number") == key]
        for key in (KEY, "NEW1")
    }


def test_accepting(kept: Site) -> None:
    """All of that device's records are accepted, and no other's; they stay in the list, marked."""
    result = kept.run("quarantine", "accept", "--device", "front", "--yes")
    assert (result.code, result.out, result.err) == (0, "2 records of front are accepted.\n", "")
    assert accepted(kept) == {KEY: [True, True], "NEW1": [False]}
    lines = kept.run("quarantine", "list").out.splitlines()
    assert [line.endswith("  (accepted)") for line in lines] == [KEY in line for line in lines]


def test_accepting_twice(kept: Site) -> None:
    """Where nothing is left to accept, all is well; one that came since is accepted alone."""
    arguments = ("quarantine", "accept", "--device", "front", "--yes")
    kept.run(*arguments)
    again = kept.run(*arguments)
    assert (again.code, again.out) == (0, "Nothing of front is in quarantine that is not accepted.\n")
    with open_journal(kept.journal) as journal:
        visit(journal, "front").take(piece(odd(b"1"), odd(b"3")))
    assert kept.run(*arguments).out == "1 record of front is accepted.\n"


def test_a_person_is_asked(kept: Site) -> None:
    """At a terminal the records are shown, and nothing but a yes accepts them."""
    code, shown = at_a_terminal(kept, "quarantine", "accept", "--device", "front", answer="n\n")
    assert code == 1
    assert shown.count(f"front ({KEY})  no such date: ") == 2
    assert "Accept 2 records of front? [y/N]" in shown
    assert "Nothing is accepted." in shown
    assert accepted(kept)[KEY] == [False, False]
    code, shown = at_a_terminal(kept, "quarantine", "accept", "--device", "front", answer="y\n")
    assert (code, accepted(kept)[KEY]) == (0, [True, True])
    assert "2 records of front are accepted." in shown


def test_only_the_first_of_many_are_shown(kept: Site) -> None:
    """A terminal that went mad does not fill the screen before the question."""
    with open_journal(kept.journal) as journal:
        visit(journal, "front").take(piece(*(odd(b"many %d" % number) for number in range(1200))))
    _, shown = at_a_terminal(kept, "quarantine", "accept", "--device", "front", answer="n\n")
    assert shown.count("no such date") == 5
    assert "... and 1,197 more" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--device", "front"), "nobody is there to be asked; say --yes"),
        (("--device", "nobody", "--yes"), "no device 'nobody' in the journal"),
        (("--yes",), "say which: --device or --site"),
    ],
)
def test_what_is_not_accepted(kept: Site, arguments: tuple[str, ...], told: str) -> None:
    """Without a person to ask, a device that is known, or any device at all, nothing is changed."""
    result = kept.run("quarantine", "accept", *arguments)
    assert (result.code, result.out) == (2, "")
    assert told in result.err
    assert accepted(kept) == {KEY: [False, False], "NEW1": [False]}


# --- rows of a database ---


@pytest.fixture
def bridged(kept: Site) -> Site:
    """Give a site with two rows of a database besides, of which nobody knows whose they are."""
    with open_journal(kept.journal) as journal:
        Bridge(journal).take(bucket(1, aside("7 x", "no serial", "machine 3"), aside("8 \x1b")))
    return kept


def test_rows_are_listed(bridged: Site) -> None:
    """Each has its database, why, and how it stands there, without letters that steer."""
    told, listed = bridged.run("quarantine", "list"), bridged.run("quarantine", "list", "--json")
    first, second = json.loads(listed.out)[-2:]
    assert first == {
        "database": "head-office", "address": "att2000.mdb", "key": "7 x", "raw": "raw 7 x",
        "reason": "no serial", "detail": "machine 3", "since": first["since"], "accepted_at": None,
    }  # fmt: skip
    assert told.out.splitlines()[-2:] == [
        f"{first['since']}  head-office (row 7 x)  no serial (machine 3): raw 7 x",
        f"{second['since']}  head-office (row 8 \\x1b)  no person: raw 8 \\x1b",
    ]


def test_rows_are_accepted(bridged: Site) -> None:
    """By the name of their database, all at once, and nothing of a device."""
    result = bridged.run("quarantine", "accept", "--device", "head-office", "--yes")
    assert (result.code, result.out, result.err) == (0, "2 rows of head-office are accepted.\n", "")
    assert accepted(bridged) == {KEY: [False, False], "NEW1": [False]}
    lines = bridged.run("quarantine", "list").out.splitlines()
    assert [line.endswith("  (accepted)") for line in lines] == ["(row " in line for line in lines]
    again = bridged.run("quarantine", "accept", "--device", "head-office", "--yes")
    assert again.out == "Nothing of head-office is in quarantine that is not accepted.\n"


# --- records that are punches after all ---


def set_aside_before(
    site: Site, raw: bytes, place: int, layout: int = 40, reason: str = "unknown state"
) -> None:
    """Let the journal hold a record of `front` as an older zkpoll left it: read, and in quarantine."""
    with open_journal(site.journal) as journal:
        log = piece(Quarantined(raw, reason), end=place, layout=layout)
        visit(journal, "front", SERIAL).take(log)


def with_a_believable_record() -> tuple[Terminal, bytes]:
    """Return a terminal with one more record than its people know of, whose tail is old memory."""
    terminal = Terminal.with_samples(40, model=Model(serial=SERIAL))
    raw = terminal.log[0][:27] + pack_time(datetime(2026, 11, 22, 23)).to_bytes(4, "little") + b"\0oldmemry"
    terminal.append(raw)
    return terminal, raw


def test_it_is_released_at_the_next_visit(site: Site, dashboard: SampleDashboard) -> None:
    """What an older zkpoll could not read is delivered once, told, and seen before in each later reading."""
    terminal, raw = with_a_believable_record()
    late = terminal.log.pop()
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 0
        terminal.append(late)
        set_aside_before(site, raw, 41)
        assert site.run("quarantine", "accept", "--device", "front", "--yes").code == 0
        first, second, third = site.report(), site.report(), site.report("--full")
    user = raw[2:26].partition(b"\0")[0].decode()
    (event,) = [one for one in dashboard.events.values() if one["timestamp"] == "2026-11-22T23:00:00+00:00"]
    assert (event["user_id"], len(dashboard.events)) == (user, 41)
    assert first["devices"][0]["notices"] == ["1 record that was in quarantine is a punch now"]
    assert second["devices"][0]["notices"] == third["devices"][0]["notices"] == []
    for document in (first, second, third):
        reading = document["sums"]["reading"]
        assert reading.pop("records") == sum(reading.values())
        assert (reading["first_seen"], reading["quarantined"]) == (0, 0)
    assert first["sums"]["reading"]["seen_before"] == 1  # by the proof that the log was only appended to
    assert third["sums"]["reading"]["seen_before"] == 41
    assert third["sums"]["journal"]["dashboard"]["confirmed"] == 41
    assert json.loads(site.run("quarantine", "list", "--json").out) == []


def test_it_need_not_be_in_the_log_any_more(site: Site, dashboard: SampleDashboard) -> None:
    """The journal's own bytes are read: a terminal that was cleared since has nothing to show."""
    terminal, raw = with_a_believable_record()
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        set_aside_before(site, raw, 41)
        terminal.clear()
        site.sync()
    assert [event["timestamp"] for event in dashboard.events.values()] == ["2026-11-22T23:00:00+00:00"]


def test_a_dry_run_releases_nothing(site: Site, dashboard: SampleDashboard) -> None:
    """It says what would be sent, and leaves all as it is."""
    terminal, raw = with_a_believable_record()
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        set_aside_before(site, raw, 41)
        terminal.clear()
        told = site.sync("--dry-run")
    assert json.loads(told.out.splitlines()[0])["timestamp"] == "2026-11-22T23:00:00+00:00"
    assert len(json.loads(site.run("quarantine", "list", "--json").out)) == 1


def test_a_strangers_records_stay(site: Site, dashboard: SampleDashboard) -> None:
    """A terminal that answers where another one belongs has nothing released before it is accepted."""
    terminal, raw = with_a_believable_record()
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        with open_journal(site.journal) as journal:
            Devices(journal).meet("front", "OLD1")
            Devices(journal).meet_stranger("front", SERIAL)
            intake = Intake(journal, "front", SERIAL, UTC, source="pull", held=STRANGER)
            with journal.transaction():
                intake.add(piece(Quarantined(raw, "unknown state")))
        terminal.clear()
        assert site.sync().code == 1
        assert len(json.loads(site.run("quarantine", "list", "--json").out)) == 1
        assert site.run("devices", "accept", "front").code == 0
        assert site.sync().code == 0
    assert len(dashboard.events) == 1


# --- records of a slot that is nobody's ---

SLOT = 7


def of_slot(minute: int, slot: int = SLOT, day: int = 22) -> bytes:
    """Return an 8-byte record: a check-in by finger on a day of November."""
    moment = datetime(2026, 11, day, 8, minute)
    return slot.to_bytes(2, "little") + b"\x08\0" + pack_time(moment).to_bytes(4, "little")


@pytest.fixture
def slotted(site: Site, dashboard: SampleDashboard) -> Iterator[tuple[Site, Terminal]]:
    """Give a site with a terminal that has user 1001 in slot 1, and records of slot 7, which is nobody's."""
    terminal = Terminal(Model(serial=SERIAL, layout=8), users=[EnrolledUser(1, "1001")])
    for minute in range(20):
        terminal.append(of_slot(minute, slot=1))
    terminal.append(of_slot(30, day=20))
    terminal.append(of_slot(30))
    terminal.append(of_slot(31))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 1
        yield site, terminal


def test_slot_and_time_are_listed(slotted: tuple[Site, Terminal]) -> None:
    """Of a record of a slot both are told, to people and programs."""
    site, _ = slotted
    listed = json.loads(site.run("quarantine", "list", "--json").out)
    assert sorted((one["slot"], one["time"]) for one in listed) == [
        (7, "2026-11-20T08:30:00"), (7, "2026-11-22T08:30:00"), (7, "2026-11-22T08:31:00"),
    ]  # fmt: skip
    shown = site.run("quarantine", "list").out
    assert f"its slot is not in the user table (slot 7, 2026-11-22 08:30:00): {of_slot(30).hex()}\n" in shown


def test_a_person_says_whose_they_are(slotted: tuple[Site, Terminal], dashboard: SampleDashboard) -> None:
    """They are that user's punches for good, whoever has the slot later; later ones need another word."""
    site, terminal = slotted
    assert site.run("quarantine", "accept", "--device", "front", "--yes").code == 0
    told = site.run("quarantine", "assign", "front", "--slot", "7", "--user", "1007", "--yes")
    assert (told.code, told.err) == (0, "")
    assert told.out == "3 records of front are of user 1007 now.\n3 punches go out at the next sync.\n"
    assert json.loads(site.run("quarantine", "list", "--json").out) == []
    terminal.append(of_slot(50))
    found = site.report("--full")
    assert found["sums"]["reading"] == {
        "records": 24, "first_seen": 0, "seen_before": 23, "exact_repeats": 0, "same_second": 0,
        "quarantined": 1,
    }  # fmt: skip
    told = site.run("explain", "1007", "2026-11-20")
    assert re.search(r"whose it is was said by \w+ 20\d\d-[-\d: ]+Z \(slot 7\)", told.out)
    (explained,) = site.run("explain", "1007", "2026-11-20", "--json").document()["punches"]
    assert explained["assigned"]["slot"] == 7
    mine = {one["id"]: one for one in dashboard.events.values() if one["user_id"] == "1007"}
    assert set(mine) == {
        punch_id(SERIAL, "1007", moment)
        for moment in ("2026-11-20T08:30:00", "2026-11-22T08:30:00", "2026-11-22T08:31:00")
    }
    terminal.users.append(EnrolledUser(SLOT, "2222"))
    site.sync("--full")
    assert {one["user_id"] for one in dashboard.events.values()} == {"1001", "1007"}
    assert [one["slot"] for one in json.loads(site.run("quarantine", "list", "--json").out)] == [7]


def test_only_some_days(slotted: tuple[Site, Terminal], dashboard: SampleDashboard) -> None:
    """Where a slot was two persons', each gets the days that were theirs."""
    site, _ = slotted
    ask = ("quarantine", "assign", "front", "--slot", "7", "--yes")
    assert site.run(*ask, "--user", "1007", "--until", "2026-11-20").code == 0
    assert site.run(*ask, "--user", "1008", "--from", "2026-11-22", "--until", "2026-11-22").code == 0
    site.sync()
    assert Counter(one["user_id"] for one in dashboard.events.values()) == {"1001": 20, "1007": 1, "1008": 2}


def test_a_person_is_asked_whose_they_are(slotted: tuple[Site, Terminal]) -> None:
    """The records are shown with their times, and nothing but a yes assigns them."""
    site, _ = slotted
    ask = ("quarantine", "assign", "front", "--slot", "7", "--user", "1007")
    code, shown = at_a_terminal(site, *ask, answer="n\n", columns=200)
    assert code == 1
    assert shown.count("(slot 7, 2026-11-2") == 3
    asked = "3 records of slot 7 of front, from 2026-11-20 08:30:00 to 2026-11-22 08:31:00: all of user 1007?"
    assert f"{asked} Nobody can undo this. [y/N]" in shown
    assert "Nothing is assigned." in shown
    assert len(json.loads(site.run("quarantine", "list", "--json").out)) == 3
    code, shown = at_a_terminal(site, *ask, answer="y\n")
    assert (code, json.loads(site.run("quarantine", "list", "--json").out)) == (0, [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("front --slot 7 --user 1007", "nobody is there to be asked; say --yes"),
        ("front --slot 9 --user 1 --yes",
         "no record of slot 9 of front is in quarantine; there are records of slot 7"),
        ("front --slot 7 --user 1 --until 2026-01-01 --yes",
         "of slot 7 are from 2026-11-20 to 2026-11-22; none is of the"),
        ("front --slot 7 --user 1 --from 2026-02-01 --until 2026-01-01 --yes",
         "--from is later than --until"),
        ("nobody --slot 7 --user 1007 --yes", "no device 'nobody' in the journal"),
        ("front --user 1007 --yes", "Missing option '--slot'"),
    ],
)  # fmt: skip
def test_what_is_not_assigned(slotted: tuple[Site, Terminal], words: str, told: str) -> None:
    """Without a person to ask, such a slot, day or device nothing is changed, and a sentence says why."""
    site, _ = slotted
    result = site.run("quarantine", "assign", *words.split())
    assert (result.code, result.out) == (2, "")
    assert told in " ".join(result.err.split())
    assert len(json.loads(site.run("quarantine", "list", "--json").out)) == 3


@pytest.mark.parametrize("user", ["", " ", "1007 ", "10\n07", "Ñ", "1" * 25])
def test_what_is_no_user_id(slotted: tuple[Site, Terminal], user: str) -> None:
    """An id that no terminal could have is refused."""
    site, _ = slotted
    result = site.run("quarantine", "assign", "front", "--slot", "7", "--user", user, "--yes")
    assert result.code == 2
    assert "a user id is 1 to 24" in result.err


def test_a_device_that_left_the_inventory(slotted: tuple[Site, Terminal], dashboard: SampleDashboard) -> None:
    """Nobody knows the zone of its clock any more."""
    site, _ = slotted
    site.write(dashboard.url, entry("back", ("127.0.0.1", 9)))
    result = site.run("quarantine", "assign", "front", "--slot", "7", "--user", "1007", "--yes")
    assert result.code == 2
    assert "front is not in the inventory any more" in " ".join(result.err.split())


@pytest.mark.parametrize("slot_of", ["nobody's", "another's", "the same person's"])
def test_a_slot_that_may_have_changed_hands(
    slotted: tuple[Site, Terminal], dashboard: SampleDashboard, slot_of: str
) -> None:
    """A record that is believed by now is released only if its slot was never another person's."""
    site, terminal = slotted
    raw = of_slot(55, slot=1)
    terminal.append(raw)
    set_aside_before(site, raw, 24, layout=8, reason="bytes that are constant in this layout differ")
    if slot_of == "another's":
        terminal.users[:] = [EnrolledUser(1, "2222")]
    if slot_of == "nobody's":
        terminal.users[:] = [EnrolledUser(2, "1002")]
    document = site.report()
    listed = json.loads(site.run("quarantine", "list", "--json").out)
    notices = document["devices"][0]["notices"]
    if slot_of == "the same person's":
        assert notices == ["1 record that was in quarantine is a punch now"]
        assert len(dashboard.events) == 21
        assert len(listed) == 3
    else:
        why = {
            "nobody's": "its slot is not in the user table",
            "another's": "its slot was another person's before",
        }
        assert notices == [
            "1 record in quarantine is a punch of nobody; say whose (`zkpoll quarantine assign`)"
        ]
        assert [one["reason"] for one in listed if one["slot"] == 1] == [why[slot_of]]
        assert len(dashboard.events) == 20
        assert site.report("--full")["devices"][0]["notices"] == []
        told = site.run("quarantine", "assign", "front", "--slot", "1", "--user", "1001", "--yes")
        assert told.code == 0
        site.sync("--full")
        assert {one["user_id"] for one in dashboard.events.values()} == {"1001"}
        assert len(dashboard.events) == 21
