"""What a database's rows mean: punches, rows set aside, events that are none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.bridge.contract import Lookups, PunchRow, from_raw
from zkpoll.bridge.meaning import LONGEST, RowRules, Settler
from zkpoll.model.bridged import AsideReason, AsideRow, SettledRow
from zkpoll.model.printable import shown
from zkpoll.model.punch import BRIDGED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.bridge.contract import Cell

DHAKA, LONDON = ZoneInfo("Asia/Dhaka"), ZoneInfo("Europe/London")
MORNING = datetime(2026, 11, 22, 8, 59, 58)
LETTERS = {"I": 0, "O": 1, "0": 2, "1": 3, "i": 4, "o": 5}
NUMBERS = RowRules("HQ", user_is="number", states=LETTERS)
BADGES = RowRules("HQ")
DOORS = RowRules("HQ", events=frozenset({0, 1, 14}), door_states=True)
KNOWN = Lookups(
    people={"17": "1001", "18": "", "19": "x" * (LONGEST + 1), "20": "10\x1b01", "21": "শ্রমিক-7"},
    machines={
        "1": frozenset({"CQZ1"}),
        "2": frozenset({"CQZ2", "CQZ3"}),
        "3": frozenset(),
        "4": frozenset({"CQZ4", "", "0"}),
    },
    typed=frozenset({("17", "2026-11-22T08:59:58")}),
)


def settle(
    row: PunchRow,
    rules: RowRules = BADGES,
    lookups: Lookups = KNOWN,
    zones: Mapping[str, ZoneInfo] | None = None,
) -> SettledRow | AsideRow | None:
    """Settle one row; all devices are in Dhaka but those in `zones`."""
    return Settler(rules, lookups, lambda key: (zones or {}).get(key, DHAKA)).settle(row)


def punch_of(row: PunchRow, rules: RowRules = BADGES) -> SettledRow:
    """Settle one row that is a punch."""
    found = settle(row, rules)
    assert isinstance(found, SettledRow)
    return found


def aside(row: PunchRow, rules: RowRules = BADGES) -> tuple[str, str]:
    """Settle one row that is none for now, and return reason and detail."""
    found = settle(row, rules)
    assert isinstance(found, AsideRow)
    return found.reason, found.detail


def row(**cells: Cell) -> PunchRow:
    """Return a row of badge 1001 in the morning, with these cells."""
    told: dict[str, Any] = {"time": MORNING, "user": "1001", **cells}
    return PunchRow(**told)


# --- a whole row ---


def test_a_row_is_a_punch() -> None:
    """All that an att2000 row tells is in the punch, under its machine's serial number."""
    found = settle(row(user=17, state="O", verify=257, work_code="7", machine="1"), NUMBERS)
    assert isinstance(found, SettledRow)
    assert found.key == "17 2026-11-22T08:59:58"
    assert found.device == "CQZ1"
    assert found.punch == ("1001", MORNING, 1, 1, 7, BRIDGED + b"1001\t2026-11-22T08:59:58")
    assert found.manual  # CHECKEXACT has it


# --- the person ---


@pytest.mark.parametrize(
    ("user", "rules", "expected"),
    [
        ("1001", BADGES, "1001"),
        ("  1001\t ", BADGES, "1001"),
        ("0017", BADGES, "0017"),
        ("0", BADGES, "0"),
        (1001, BADGES, "1001"),
        (1001.0, BADGES, "1001"),
        (b"1001", BADGES, "1001"),
        ("শ্রমিক-7", BADGES, "শ্রমিক-7"),
        ("x" * LONGEST, BADGES, "x" * LONGEST),
        (17, NUMBERS, "1001"),
        ("17 ", NUMBERS, "1001"),
        (17.0, NUMBERS, "1001"),
        (21, NUMBERS, "শ্রমিক-7"),
    ],
)
def test_the_user_id_is_the_badge(user: Cell, rules: RowRules, expected: str) -> None:
    """A person is known by the badge, never by the program's own number."""
    assert punch_of(row(user=user), rules).punch.user_id == expected


@pytest.mark.parametrize(
    ("user", "rules", "reason"),
    [
        (None, BADGES, ("no user id", "")),
        ("", BADGES, ("no user id", "")),
        ("  ", BADGES, ("no user id", "")),
        ("10\n01", BADGES, ("no user id", "")),
        ("10\u202e01", BADGES, ("no user id", "")),
        ("\ud800", BADGES, ("no user id", "")),
        (b"\xff\xfe\x00", BADGES, ("no user id", "")),
        ("x" * (LONGEST + 1), BADGES, ("no user id", "")),
        (99, NUMBERS, ("no person", "99")),
        (None, NUMBERS, ("no person", "")),
        (18, NUMBERS, ("no user id", "")),
        (19, NUMBERS, ("no user id", "")),
        (20, NUMBERS, ("no user id", "")),
    ],
)
def test_a_row_of_nobody_is_set_aside(user: Cell, rules: RowRules, reason: tuple[str, str]) -> None:
    """Without a badge that can be written there is no punch, and no number takes its place."""
    assert aside(row(user=user), rules) == reason


# --- the time ---


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (MORNING, MORNING),
        (MORNING + timedelta(microseconds=1), MORNING),
        (MORNING - timedelta(microseconds=1), MORNING),
        (MORNING + timedelta(microseconds=499_999), MORNING),
        (MORNING + timedelta(microseconds=500_000), MORNING + timedelta(seconds=1)),
        (datetime(2000, 1, 1), datetime(2000, 1, 1)),
        (datetime(1999, 12, 31, 23, 59, 59, 999_999), datetime(2000, 1, 1)),
        (datetime(2133, 3, 10, 8), datetime(2133, 3, 10, 8)),
        (datetime(2199, 12, 31, 23, 59, 59), datetime(2199, 12, 31, 23, 59, 59)),
    ],
)
def test_a_time_is_rounded_to_the_second(time: datetime, expected: datetime) -> None:
    """Programs that store fractions of a day or of a second mean the nearest second."""
    found = punch_of(row(time=time))
    assert found.punch.time == expected
    assert found.key == f"1001 {expected.isoformat()}"
    assert found.punch.canonical.endswith(expected.isoformat().encode())


@pytest.mark.parametrize(
    "time",
    [
        None,
        "",
        "0000-00-00 00:00:00",
        "soon\x1b[2J",
        41_234.5,
        datetime(1899, 12, 30),
        datetime(1999, 12, 31, 23, 59, 59),
        datetime(2199, 12, 31, 23, 59, 59, 500_000),
        datetime(2200, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999_999),
        datetime(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(1999, 12, 31, 17, 59, 59, tzinfo=UTC),
    ],
)
def test_an_absurd_time_is_set_aside(time: Cell) -> None:
    """What is no date from 2000 to 2199 is no punch, and its key can be shown."""
    found = settle(row(time=time, id=7))
    assert isinstance(found, AsideRow)
    assert found.reason == "absurd time"
    assert found.key.startswith("7 ")
    assert shown(found.key) == found.key


def test_an_instant_is_the_wall_clock_of_its_device() -> None:
    """BioTime on PostgreSQL tells instants; its terminal's zone makes one wall clock, of a known pass."""
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    found = [settle(row(time=one, id=1, serial="L"), zones={"L": LONDON}) for one in (first, second)]
    walls = [one.punch.time for one in found if isinstance(one, SettledRow)]
    assert walls == [datetime(2026, 10, 25, 1, 30)] * 2
    assert [one.fold for one in walls] == [0, 1]
    assert [one and one.key for one in found] == ["1 2026-10-25T00:30:00", "1 2026-10-25T01:30:00"]


def test_an_instant_is_told_in_the_zone_of_its_own_device() -> None:
    """Two terminals of one database may hang in two countries."""
    at = datetime(2026, 11, 22, 2, 59, 58, tzinfo=UTC)
    places = {"L": LONDON}
    found = [settle(row(time=at, serial=serial), zones=places) for serial in ("D", "L", "D")]
    hours = [one.punch.time.hour for one in found if isinstance(one, SettledRow)]
    assert hours == [8, 2, 8]


def test_an_instant_has_one_key_in_every_zone() -> None:
    """A server whose session shows another offset shows the same row."""
    at = datetime(2026, 11, 22, 2, 59, 58, tzinfo=UTC)
    shown = [at, at.astimezone(DHAKA), at.astimezone(LONDON)]
    assert len({punch_of(row(time=one, id=1)).key for one in shown}) == 1


def test_wall_clock_is_of_the_first_pass() -> None:
    """Rows have no order, so nothing tells which pass of a repeated hour a wall clock's time is of."""
    found = punch_of(row(time=datetime(2026, 10, 25, 1, 30, fold=1)))
    assert found.punch.time.fold == 0


# --- the terminal ---


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"serial": "CQZ7", "machine": 2}, "CQZ7"),
        ({"serial": " CQZ7 "}, "CQZ7"),
        ({"serial": 7224760045}, "7224760045"),
        ({"serial": "", "machine": "1"}, "CQZ1"),
        ({"serial": "0", "machine": "1"}, "CQZ1"),
        ({"serial": 0, "machine": 1}, "CQZ1"),
        ({"machine": 1.0}, "CQZ1"),
        ({"machine": "5"}, "FIVE"),
        ({"machine": "2 "}, "TWO"),
        ({"machine": 4}, "CQZ4"),
        ({}, "HQ"),
        ({"machine": " "}, "HQ"),
        ({"machine": "3", "operator": "admin"}, "HQ"),
        ({"machine": "1", "operator": "admin"}, "CQZ1"),
    ],
)
def test_the_device_key_is_what_answers_first(cells: dict[str, Cell], expected: str) -> None:
    """The row's serial number, else the inventory's for its machine, else the program's, else our own."""
    rules = replace(BADGES, machines={"5": "FIVE", "2": "TWO"})
    assert punch_of(row(**cells), rules).device == expected


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"machine": "2"}, ("ambiguous serial", "2")),
        ({"machine": "2", "operator": "admin"}, ("ambiguous serial", "2")),
        ({"machine": "3"}, ("no serial", "3")),
        ({"machine": 77}, ("no serial", "77")),
        ({"machine": 0}, ("no serial", "0")),
        ({"machine": "\x07"}, ("no serial", "\\x07")),
        ({"serial": "C\nQ"}, ("no serial", "C\\nQ")),
        ({"serial": "9" * (LONGEST + 1)}, ("no serial", "9" * LONGEST)),
    ],
)
def test_a_row_of_an_unknown_machine_is_set_aside(cells: dict[str, Cell], reason: tuple[str, str]) -> None:
    """No device is made up; the machine's number tells a person what to name."""
    assert aside(row(**cells)) == reason


def test_a_serial_number_of_a_repair_means_its_device() -> None:
    """Wherever a serial number comes from, it goes through what the journal knows of repairs."""
    settler = Settler(BADGES, KNOWN, lambda _: DHAKA, {"CQZ1": "OLD"}.get)  # type: ignore[arg-type]
    found = [settler.settle(row(machine="1")), settler.settle(row(serial="CQZ1"))]
    assert [one.device for one in found if isinstance(one, SettledRow)] == ["OLD", "OLD"]


# --- state, verify, work code ---


@pytest.mark.parametrize(
    ("cell", "rules", "expected"),
    [
        *((letter, NUMBERS, number) for letter, number in LETTERS.items()),
        ("I ", NUMBERS, 0),
        ("2", NUMBERS, 2),
        ("X", NUMBERS, 255),
        ("", NUMBERS, 255),
        (None, NUMBERS, 255),
        ("i", replace(NUMBERS, states={**LETTERS, "i": 2}), 2),
        ("0", BADGES, 0),
        (4, BADGES, 4),
        ("5", BADGES, 5),
        ("255", BADGES, 255),
        (256, BADGES, 255),
        (-1, BADGES, 255),
        ("in", BADGES, 255),
        ("in", replace(BADGES, states={"in": 0}), 0),
        (True, BADGES, 1),
        (1.0, BADGES, 1),
        ("²", BADGES, 255),
    ],
)
def test_a_state(cell: Cell, rules: RowRules, expected: int) -> None:
    """A letter as the program means it, case and all, or as `states:` says; a number as it is; else none."""
    assert punch_of(row(user=17, state=cell), rules).punch.state == expected


@pytest.mark.parametrize(("cell", "expected"), [(0, 0), (1, 1), ("1", 1), (2, 255), (None, 255), ("x", 255)])
def test_a_state_of_a_door(cell: Cell, expected: int) -> None:
    """Doors know in and out alone."""
    assert punch_of(row(state=cell, event=0), DOORS).punch.state == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *[(None, 0), (15, 15), (257, 1), ("1", 1), (" 200 ", 200), ("FP", 0), (-1, 255), (3.0, 3)],
        *[(False, 0), (float("nan"), 0), (float("inf"), 0), ("1" * 30, 0)],
    ],
)
def test_verify(cell: Cell, expected: int) -> None:
    """A number modulo 256: above that it says only that somebody confirmed the row."""
    assert punch_of(row(verify=cell)).punch.verify == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(None, 0), (7, 7), ("7", 7), ("", 0), (2**32 - 1, 2**32 - 1), (2**32, 0), (-2_147_483_648, 0), ("a", 0)],
)
def test_a_work_code(cell: Cell, expected: int) -> None:
    """A number as terminals have it; old files hold rubbish, which is none."""
    assert punch_of(row(work_code=cell)).punch.work_code == expected


# --- by hand, and events ---


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"user": 17}, True),
        ({"user": "17", "time": MORNING + timedelta(microseconds=3)}, True),
        ({"user": 17, "time": MORNING + timedelta(seconds=1)}, False),
        ({"user": 21}, False),
        ({"user": 21, "operator": "admin"}, True),
        ({"user": 21, "operator": " "}, False),
        ({"user": 21, "operator": 0}, False),
    ],
)
def test_a_row_that_a_person_typed_in(cells: dict[str, Cell], expected: bool) -> None:
    """CHECKEXACT has it, or the row tells its operator."""
    assert punch_of(row(**cells), NUMBERS).manual is expected


@pytest.mark.parametrize(
    ("cells", "is_punch"),
    [
        ({"event": 0}, True),
        ({"event": "14"}, True),
        ({"event": 27}, False),
        ({"event": None}, False),
        ({"event": "open"}, False),
        ({"event": 0, "user": ""}, False),
        ({"event": 0, "user": None}, False),
        ({"event": 0, "user": "0"}, False),
        ({"event": 27, "time": None}, False),
    ],
)
def test_events(cells: dict[str, Cell], is_punch: bool) -> None:
    """A door's event is a punch where its type is one of those, and a person is told."""
    assert (settle(row(**cells), DOORS) is not None) is is_punch


def test_events_are_left_out_of_many_rows() -> None:
    """An event that is no punch is no row, set aside or not."""
    settler = Settler(DOORS, Lookups(), lambda _: DHAKA)
    found = settler.settle_all([row(event=0), row(event=27), row(event=0, user="\n7\n\x00")])
    assert [type(one) for one in found] == [SettledRow, AsideRow]


# --- keys ---


@pytest.mark.parametrize(
    ("cells", "key"),
    [
        ({"user": 17}, "17 2026-11-22T08:59:58"),
        ({"id": 4711}, "4711 2026-11-22T08:59:58"),
        ({"id": "8a8\x00"}, "8a8\\x00 2026-11-22T08:59:58"),
        ({"id": 4711, "user": 99}, "4711 2026-11-22T08:59:58"),
        ({"user": 99}, "99 2026-11-22T08:59:58"),
        ({"user": None}, " 2026-11-22T08:59:58"),
        ({"time": None, "user": 17}, "17 "),
    ],
)
def test_a_row_is_known_by_its_key(cells: dict[str, Cell], key: str) -> None:
    """Its number where the table has one, else its person's, and its second: set aside or not."""
    found = settle(row(**cells), NUMBERS)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"serial": "CQZ1"}, {"serial": "CQZ2"}),
        ({"machine": "1"}, {"machine": 2}),
        ({"machine": "1", "serial": "CQZ9"}, {"machine": "1"}),
        ({"machine": "1"}, {}),
        ({"id": b"\x01\xff"}, {"id": b"\x02\xff"}),
        ({"id": b"\xfe"}, {"id": b"\xff"}),
        ({"user": b"M\xfcl"}, {"user": b"M\xe4l"}),
        ({"time": None, "serial": "CQZ1"}, {"time": None, "serial": "CQZ2"}),
    ],
)
def test_rows_of_one_second_are_told_apart(one: dict[str, Cell], other: dict[str, Cell]) -> None:
    """Two terminals, two numbers or two people in one second are two rows, and none hides the other."""
    found = [settle(row(**cells)) for cells in (one, other)]
    assert len({row.key for row in found if row is not None}) == 2


@pytest.mark.parametrize("user", [b"M\xfcller", "M\ufffdller"])
def test_a_badge_that_cannot_be_read_is_nobodys(user: Cell) -> None:
    """Bytes that are no text might be several people's."""
    assert aside(row(user=user)) == ("no user id", "")


def test_the_digest_tells_what_may_settle_a_row() -> None:
    """Another badge, another machine's serial number, here or there: rows set aside are looked at again."""
    others = [
        BADGES.digest(Lookups()),
        BADGES.digest(KNOWN),
        BADGES.digest(replace(KNOWN, people={"17": "1002"})),
        replace(BADGES, machines={"3": "CQZ3"}).digest(KNOWN),
        replace(BADGES, own_key="HQ2").digest(KNOWN),
    ]
    assert len(set(others)) == len(others)
    assert replace(BADGES).digest(replace(KNOWN)) == BADGES.digest(KNOWN)


# --- drawn ---

TEXTS = st.text(max_size=8) | st.sampled_from(["1", "17", "I", "o", "0", " 2", "CQZ1", "-5", "1.5"])
TIMES = st.datetimes() | st.datetimes(datetime(1999, 12, 31), datetime(2200, 1, 2))
INSTANTS = st.datetimes(timezones=st.sampled_from([UTC, DHAKA, timezone(timedelta(hours=-12))]))
CELLS = (
    st.none() | TEXTS | st.integers() | st.floats() | st.booleans() | st.binary(max_size=4) | TIMES | INSTANTS
)
ROWS = st.builds(PunchRow, TIMES | INSTANTS | CELLS, *[CELLS] * 9)
RULES = st.sampled_from([NUMBERS, BADGES, DOORS])


@given(st.lists(ROWS, max_size=5), RULES)
def test_any_row_is_one_thing(rows: list[PunchRow], rules: RowRules) -> None:
    """No cell of any kind stops a visit, and what is handed on can be believed, stored and shown."""
    settler = Settler(rules, KNOWN, lambda _: LONDON)
    for found in settler.settle_all(rows):
        assert shown(found.key) == found.key
        found.raw.encode()
        if isinstance(found, AsideRow):
            assert found.reason in get_args(AsideReason)
            assert shown(found.detail) == found.detail
            continue
        user_id, time, verify, state, work_code, canonical = found.punch
        assert user_id == user_id.strip()
        assert 0 < len(user_id) <= LONGEST
        assert shown(user_id) == user_id
        assert shown(found.device) == found.device
        assert datetime(2000, 1, 1) <= time < datetime(2200, 1, 1)
        assert time.tzinfo is None
        assert not time.microsecond
        assert 0 <= verify <= 255
        assert 0 <= state <= 255
        assert 0 <= work_code < 2**32
        assert canonical == f"db\n{user_id}\t{time.isoformat()}".encode()


@given(ROWS, RULES)
def test_a_row_comes_back_from_its_text(row: PunchRow, rules: RowRules) -> None:
    """A row that is set aside is settled anew from what was kept of it, to the same end."""
    if (found := settle(row, rules)) is not None:
        again = settle(from_raw(found.raw), rules)
        assert again
        assert again._replace(raw="") == found._replace(raw="")


@given(st.lists(ROWS, max_size=8), RULES)
def test_what_was_met_before_changes_nothing(rows: list[PunchRow], rules: RowRules) -> None:
    """A row is the same alone and behind others."""
    together = Settler(rules, KNOWN, lambda _: DHAKA)
    for one in rows:
        found, alone = together.settle(one), settle(one, rules)
        assert (found and found._replace(raw="")) == (alone and alone._replace(raw=""))


@given(st.datetimes(datetime(2000, 1, 2), datetime(2199, 12, 30)), st.sampled_from([DHAKA, LONDON]))
def test_an_instant_keeps_its_moment(time: datetime, zone: ZoneInfo) -> None:
    """The wall clock, with its pass, is the instant again."""
    at = time.replace(microsecond=0, tzinfo=UTC)
    found = settle(row(time=at, serial="L"), zones={"L": zone})
    assert isinstance(found, SettledRow)
    assert found.punch.time.replace(tzinfo=zone).astimezone(UTC) == at
