"""Lines of punches: what is believed, what is quarantined, and that nothing is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.push.terminals import fields_of
from zkpoll.push.lines import (
    MOST_LINES,
    RAW,
    REST,
    Lines,
    Oddity,
    read,
    reads_as_punch,
    settle_passes,
    split,
)

if TYPE_CHECKING:
    from zkpoll.model.punch import Punch

AT = b"2026-11-22 08:59:58"
LONDON = ZoneInfo("Europe/London")
"""On 2026-10-25, 01:00-02:00 is shown twice: at 00:00-01:00 UTC and at 01:00-02:00 UTC."""


def line_of(*fields: bytes | str) -> bytes:
    """Return fields with TABs between them."""
    return b"\t".join(field if isinstance(field, bytes) else field.encode() for field in fields)


def keyed(**values: str) -> bytes:
    """Return a `key=value` line: a punch of 1001, with other values where they are given."""
    usual = {"time": AT.decode(), "pin": "1001", "event": "0", "inoutstatus": "0", "verifytype": "1"}
    return line_of(*(f"{key}={value}" for key, value in (usual | values).items() if value != "absent"))


def punch_of(line: bytes) -> Punch:
    """Return the punch that a line must be."""
    found = read([line])
    assert not found.quarantined
    (punch,) = found.punches
    return punch


def oddity_of(line: bytes) -> str:
    """Return why a line, that must be in quarantine, is there."""
    found = read([line])
    assert not found.punches
    (bad,) = found.quarantined
    assert bad.raw.startswith(b"push\n")
    return bad.reason


def total(found: Lines) -> int:
    """Return how many lines were read."""
    return len(found.punches) + len(found.quarantined) + found.door_events


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_lf_or_crlf_or_cr(ending: bytes) -> None:
    """No record hides behind another one, and the last needs no end; empty lines mean nothing."""
    assert split(b"a" + ending + ending + b"b" + ending) == split(b"a" + ending + b"b") == [b"a", b"b"]
    assert split(b"a\r\r\n \n\t\n") == [b"a", b" ", b"\t"]
    assert split(b"") == split(ending * 3) == []


def test_more_lines_than_a_terminal_sends_are_too_many() -> None:
    """Ten thousand are read; of one more, none. Empty ones do not count."""
    assert len(split(b"x\n\n" * MOST_LINES) or []) == MOST_LINES
    assert split(b"x\n" * MOST_LINES + b"y") is None


@pytest.mark.parametrize("pin", ["1", "0001", "ABCD061007XY5", "a b", " 7", "~", "x=1", "0", "9" * 24])
def test_an_id_is_kept_as_it_was_sent(pin: str) -> None:
    """Zeros, letters, spaces: an id is text."""
    assert punch_of(line_of(pin, AT, "0", "1")).user_id == pin
    assert punch_of(line_of(pin, AT, "0", "1")).canonical == b"push\n" + line_of(pin, AT, "0", "1", "0")


@pytest.mark.parametrize(
    "pin", [b"", b"9" * 25, b"a\x00", b"\x7f", "é".encode(), b"\xc0\xae", b"   ", b"a\rb"]
)
def test_what_is_no_id_is_quarantined(pin: bytes) -> None:
    """An id has 1-24 printable ASCII characters, and not only spaces."""
    assert oddity_of(line_of(pin, AT, "0", "1")) == Oddity.NO_ID


@pytest.mark.parametrize("time", ["2000-01-01 00:00:00", "2099-12-31 23:59:59", "2024-02-29 12:00:00"])
def test_any_date_of_the_century_is_a_time(time: str) -> None:
    """A clock that restarted in 2000 is no reason for doubt here."""
    assert str(punch_of(line_of("1", time, "0", "1")).time) == time


@pytest.mark.parametrize(
    "time",
    [
        *("1999-12-31 23:59:59", "2100-01-01 00:00:00", "2026-02-29 08:00:00", "2026-13-01 08:00:00"),
        *("2026-11-22 24:00:00", "2026-11-22 08:60:00", "2026-11-22 08:59:60", "1971--10--29 -23:-27:-54"),
        *("2026-11-22T08:59:58", "2026-11-22  08:59:58", "2026-1-2 8:9:8", "2026-11-22 08:59", "", "now"),
        *("2026-11-22 08:59:58 ", "\uff12\uff10\uff12\uff16-11-22 08:59:58", "2026-11-22 08:59:58+06:00"),
    ],
)
def test_what_no_calendar_has_is_quarantined(time: str) -> None:
    """So is every other spelling: what it means would be a guess."""
    assert oddity_of(line_of("1", time, "0", "1")) == Oddity.NO_DATE
    assert oddity_of(keyed(time=time)) == Oddity.NO_DATE


@pytest.mark.parametrize("number", ["", "-1", "256", "1.0", " 1", "0x1", "1_0", "٣", "9" * 5000])
def test_numbers_are_0_to_255(number: str) -> None:
    """Of status and verify alike; no other text is a number."""
    assert oddity_of(line_of("1", AT, number, "1")) == Oddity.NO_STATE
    assert oddity_of(line_of("1", AT, "0", number)) == Oddity.NO_VERIFY
    assert oddity_of(keyed(verifytype=number)) == Oddity.NO_VERIFY


def test_numbers_are_decimal_in_the_form() -> None:
    """`007` is 7: another spelling is no other punch."""
    assert punch_of(line_of("1", AT, "000", "007", "00")) == punch_of(line_of("1", AT, "0", "7"))
    assert punch_of(line_of("1", AT, "255", "15", "12")).canonical == b"push\n1\t" + AT + b"\t255\t15\t12"


@pytest.mark.parametrize(
    ("sent", "code"),
    [("", 0), ("0", 0), ("7", 7), ("4294967295", 4294967295), ("4294967296", 0), ("-3", 0), ("abc", 0)],
)
def test_a_work_code_is_a_number_or_0(sent: str, code: int) -> None:
    """An odd one never costs the punch."""
    assert punch_of(line_of("1", AT, "0", "1", sent, "0", "0")).work_code == code


@pytest.mark.parametrize(
    "rest",
    [b"", b"0", b"0\t0\t", b"0\t0\t255\t36.5\t0\t10881", b"\t\t\t43", "0\t王\t".encode("gb2312"), b"=\x00"],
)
def test_what_follows_is_kept_and_is_no_identity(rest: bytes) -> None:
    """Columns come and go with firmware: the punch is the same, the rest stands beside it as it came."""
    found = read([line_of("1", AT, "0", "1", "0", rest)])
    assert found.rests == (rest,)
    assert found.punches == (punch_of(line_of("1", AT, "0", "1")),)


@pytest.mark.parametrize("line", [b"1", b"1\t2", b"1\t" + AT + b"\t0", b" ", b"\t", b"OPLOG 4\t1"])
def test_fewer_than_four_fields_are_no_punch(line: bytes) -> None:
    """They are set aside with what was sent."""
    assert oddity_of(line) == Oddity.FEW
    assert read([line]).quarantined[0].raw == b"push\n" + line


@pytest.mark.parametrize("line", [b"USER PIN=1\tName=x\tPri=0\tGrp=1", b"ATTLOG PIN=5\ttime=" + AT])
def test_a_line_of_another_table_is_told_as_such(line: bytes) -> None:
    """It is neither a punch nor an event of a door, whatever keys it has."""
    assert oddity_of(line) == Oddity.OTHER_TABLE


def test_keys_may_stand_in_any_order() -> None:
    """The same fields are the same punch, however they are ordered."""
    fields = keyed(index="353", cardno="1233447").split(b"\t")
    punches = {punch_of(line_of(*fields[turn:], *fields[:turn])) for turn in range(len(fields))}
    assert [fields_of(punch) for punch in punches] == [["1001", AT.decode(), 0, 1, 0]]


def test_both_shapes_of_a_punch_have_one_form() -> None:
    """A firmware that changes from one to the other makes no punch a second time."""
    assert punch_of(keyed(inoutstatus="1", verifytype="15")) == punch_of(line_of("1001", AT, "1", "15"))


@pytest.mark.parametrize(
    ("sent", "state"), [("0", 0), ("1", 1), ("2", 255), ("9", 255), ("", 255), ("absent", 255), ("x", 255)]
)
def test_a_direction_is_in_or_out_or_none(sent: str, state: int) -> None:
    """A controller always sends 2."""
    assert punch_of(keyed(inoutstatus=sent)).state == state


@pytest.mark.parametrize(
    ("sent", "verify"), [("0", 0), ("4", 4), ("255", 255), ("0000000000000110", 200), ("1" * 16, 200)]
)
def test_sixteen_bits_of_verify_are_other(sent: str, verify: int) -> None:
    """The vendor's number for what has none."""
    assert punch_of(keyed(verifytype=sent)).verify == verify


@pytest.mark.parametrize("sent", ["absent", "11111111", "0" * 17, "0000000000000002"])
def test_other_strings_of_verify_are_quarantined(sent: str) -> None:
    """Of bits there are sixteen."""
    assert oddity_of(keyed(verifytype=sent)) == Oddity.NO_VERIFY


@pytest.mark.parametrize("event", ["absent", *map(str, [*range(20), 4000, 4999])])
def test_events_that_let_a_person_in_are_punches(event: str) -> None:
    """A SenseFace 2A tells a plain success as 3."""
    assert punch_of(keyed(event=event)).user_id == "1001"


@pytest.mark.parametrize(
    "event", ["20", "27", "99", "100", "206", "3999", "5000", "6000", "-1", "", "x", "9" * 30]
)
def test_all_other_events_of_a_person_are_quarantined(event: str) -> None:
    """A refused person is no punch, and a table of events that is wrong loses nothing."""
    assert oddity_of(keyed(event=event)) == Oddity.NO_GRANT


@pytest.mark.parametrize("pin", ["0", "", "absent"])
@pytest.mark.parametrize("event", ["0", "200", "absent"])
def test_an_event_of_the_door_is_only_counted(pin: str, event: str) -> None:
    """No person, no punch, and nothing to look at."""
    found = read([keyed(pin=pin, event=event), b"time=" + AT + b"\tsensor=02\trelay=01\talarm=00\tdoor=01\t"])
    assert (found.door_events, total(found)) == (2, 2)


def test_a_line_that_is_not_all_keys_is_no_event_of_the_door() -> None:
    """Where an id may stand without its key, somebody has to look."""
    assert oddity_of(keyed(pin="absent") + b"\t1001") == Oddity.NO_ID
    assert oddity_of(keyed(pin="0") + b"\t1001") == Oddity.NO_ID


def test_a_key_that_is_there_twice_is_quarantined() -> None:
    """Which one is meant would be a guess."""
    assert oddity_of(keyed() + b"\tpin=1002") == oddity_of(keyed() + b"\tPIN=1002") == Oddity.TWICE


def test_beside_a_keyed_punch_stands_what_the_form_does_not_hold() -> None:
    """Its values of no identity are kept as they came, and those that were read as another number."""
    rest = line_of("eventaddr=1", "index=353", "temperature=36.5")
    plain = keyed(event="absent") + b"\t" + rest
    odd = keyed(event="absent", inoutstatus="2", verifytype="0" * 16) + b"\t" + rest
    assert read([plain, odd]).rests == (rest, line_of("inoutstatus=2", "verifytype=" + "0" * 16, rest))


def test_long_lines_are_cut_where_they_are_kept() -> None:
    """4 kB of a line in quarantine, 1 kB beside a punch."""
    found = read([b"\xff " * 5000, line_of("1", AT, "0", "1", "0", b"\xfe " * 5000)])
    assert len(found.quarantined[0].raw) == len(b"push\n") + RAW
    assert found.rests == (b"\xfe " * (REST // 2),)


@pytest.mark.parametrize(
    "line",
    [
        line_of("1", AT, "0", "1"),
        line_of("1", "1971--10--29 -23:-27:-54", "0", "1"),
        line_of("1", "2099-99-99 99:99:99", "x", ""),
        keyed(),
        b"time=1971--10--29 -23:-27:-54",
    ],
)
def test_the_shape_of_a_punch_is_known_without_a_table(line: bytes) -> None:
    """Also of one that nobody would believe."""
    assert reads_as_punch(line)


@pytest.mark.parametrize(
    "line",
    [
        b"OPLOG 13\t0\t2024-03-12 11:03:28\t0\t0\t0\t0",
        b"USER PIN=1\tName=2024-03-12 11:03:28\tPri=0\tPasswd=",
        b"ID=1&Return=0&CMD=INFO",
        b"~DeviceName=MB360/ID",
        b"FP PIN=1\tFID=0\tSize=440\tValid=1\tTMP=xyz",
    ],
)
def test_other_lines_have_another_shape(line: bytes) -> None:
    """Operations, users, templates and results are none."""
    assert not reads_as_punch(line)


SHAPED = st.lists(
    st.one_of(
        st.sampled_from(
            [AT, b"0", b"1", b"", b"time=" + AT, b"pin=0", b"pin=5", b"event=3", b"verifytype=1"]
        ),
        st.binary(max_size=12),
    ),
    max_size=9,
).map(b"\t".join)


@given(st.lists(SHAPED, max_size=8).map(b"\n".join))
def test_every_line_is_a_punch_or_quarantined_or_an_event(body: bytes) -> None:
    """Whatever comes: none is left out, none counts twice, a punch is believable, and nothing is raised."""
    lines = split(body)
    assert lines is not None
    found = read(lines)
    assert total(found) == len(lines)
    assert len(found.rests) == len(found.punches)
    for punch in found.punches:
        again = line_of(
            punch.user_id, str(punch.time), f"{punch.state}", f"{punch.verify}", f"{punch.work_code}"
        )
        assert punch.canonical == b"push\n" + again
        assert punch_of(again) == punch
    assert all(bad.raw.startswith(b"push\n") and len(bad.raw) <= RAW + 5 for bad in found.quarantined)


@given(st.binary())
def test_no_line_is_the_same_as_two(body: bytes) -> None:
    """Lines are read one by one: what stands around one changes nothing of it."""
    lines = split(body) or []
    found = read(lines)
    alone = [read([line]) for line in lines]
    assert found.punches == tuple(punch for one in alone for punch in one.punches)
    assert found.quarantined == tuple(bad for one in alone for bad in one.quarantined)


# --- the hour that is shown twice ---


def passes(*clocks: str, received: datetime, last: datetime | None = None) -> list[int]:
    """Return the `fold` of times of the night on which London repeats an hour."""
    times = [datetime.fromisoformat(f"2026-10-25 {clock}") for clock in clocks]
    settled = settle_passes(times, LONDON, last, received)
    assert settled == times
    return [time.fold for time in settled]


NIGHT = datetime(2026, 10, 25, tzinfo=UTC)
LATER = NIGHT + timedelta(hours=9)


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_a_punch_that_comes_at_once_has_the_reading_of_that_moment(minutes: int) -> None:
    """Within five minutes of one of its two readings, whatever the order says."""
    away = timedelta(minutes=minutes)
    assert passes("01:30", received=NIGHT + timedelta(minutes=30) + away) == [0]
    assert passes("01:30", received=NIGHT + timedelta(minutes=90) + away) == [1]
    assert passes("01:30", received=(NIGHT + timedelta(minutes=90) + away).astimezone(LONDON)) == [1]


def test_punches_that_come_later_are_told_by_their_order() -> None:
    """A step back begins the second pass, and the last punch before the batch counts."""
    assert passes("01:40", "01:20", "01:30", "02:10", received=LATER) == [0, 1, 1, 0]
    assert passes("01:20", received=LATER) == [0]
    assert passes("01:20", received=LATER, last=datetime(2026, 10, 25, 1, 40)) == [1]
    assert passes("01:20", received=LATER, last=datetime(2026, 10, 25, 1, 10, fold=1)) == [1]


def test_the_moment_of_one_punch_settles_those_that_follow() -> None:
    """Behind a punch of the second pass, the next one is of the second pass."""
    received = NIGHT + timedelta(minutes=91)
    assert passes("01:10", "01:30", "01:50", received=received) == [0, 1, 1]


def test_times_that_are_shown_once_stay_as_they_are() -> None:
    """So do those that the zone skips, however soon they come."""
    skipped = datetime(2026, 3, 29, 1, 30)
    for received in (datetime(2026, 3, 29, hour, 30, tzinfo=UTC) for hour in (0, 1)):
        assert settle_passes([skipped], LONDON, None, received)[0].fold == 0
        assert settle_passes([datetime(2026, 3, 29, 0, 30)], LONDON, None, received)[0].fold == 0
