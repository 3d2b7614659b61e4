"""What each request of a known terminal leads to."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.push.terminals import KNOWN, NOW, SERIAL, batch_of, call_of, fields_of, get, post, post_any
from zkpoll.model.punch import Form
from zkpoll.push import options
from zkpoll.push.contract import Answer, Order, Reaction
from zkpoll.push.reaction import react

SN = f"SN={SERIAL}"
LINE = b"1001\t2026-11-22 08:59:58\t0\t1\t0\t0\t0\n"
KEYED = b"time=2026-11-22 08:59:58\tpin=1001\tevent=3\tinoutstatus=0\tverifytype=1\n"
PUNCH = ["1001", "2026-11-22 08:59:58", 0, 1, 0]


# --- the handshake ---


@pytest.mark.parametrize(
    "query",
    [
        *(
            "options=all",
            "options=all&pushver=2.4.1&DeviceType=att",
            "pushver=2.4.0&DeviceType=middle%20east",
        ),
        *("pushver=3.1.2&DeviceType=att", "", "PushVersion=Ver%203.1.2S"),
    ],
)
def test_a_terminal_of_the_attendance_dialect_is_told_its_settings(query: str) -> None:
    """With the zone it is told, so that a change of its offset can be noticed."""
    reaction = get(f"cdata?{SN}&{query}")
    assert reaction.text == options.attendance(KNOWN, NOW)
    assert (reaction.dialect, reaction.zone_told, reaction.registers) == ("attendance", "6", False)
    assert f"TimeZone={reaction.zone_told}\n" in reaction.text


@pytest.mark.parametrize(
    "query", ["DeviceType=acc", "DeviceType=acc&pushver=2.4.1", "pushver=3.0.1", "pushver=3.1.2&DeviceType=x"]
)
def test_a_terminal_of_the_access_dialect_registers_first(query: str) -> None:
    """`OK` until it has its code, then code and settings; it is told no TimeZone."""
    stranger = get(f"cdata?{SN}&{query}")
    assert (stranger.text, stranger.dialect, stranger.registers) == ("OK", "access", False)
    registered = get(f"cdata?{SN}&{query}", replace(KNOWN, registered=True))
    assert registered.text == options.access_registered(KNOWN)
    assert (registered.dialect, registered.registers, registered.zone_told) == ("access", True, None)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_access_dialect_has_routes_of_its_own(method: str) -> None:
    """Registration, settings and time, however they are asked for."""
    body = b"DeviceType=acc,~DeviceName=SenseFace 2A,UserCount=4"
    registry = react(call_of(f"/iclock/registry?{SN}", method), body, KNOWN, NOW)
    assert registry == Reaction(
        "RegistryCode=c0de0123456789ab",
        told={"DeviceName": "SenseFace 2A", "UserCount": "4"},
        dialect="access",
        registers=True,
    )
    pushed = react(call_of(f"/iclock/push?{SN}", method), b"", KNOWN, NOW)
    assert pushed == Reaction(options.access(KNOWN), dialect="access")
    time = react(call_of(f"/iclock/rtdata?{SN}&type=time", method), b"", KNOWN, NOW)
    assert time == Reaction(options.server_time(KNOWN, NOW), dialect="access")
    assert react(call_of(f"/iclock/rtdata?{SN}", method), b"", KNOWN, NOW) == Reaction("OK")


# --- punches ---


def test_punches_are_a_batch_and_the_answer_counts_the_lines() -> None:
    """New ones, bad ones and events of doors alike: N is what was handled."""
    body = LINE + b"\r\n" + b"rubbish\n" + KEYED + b"time=2026-11-22 09:00:00\tpin=0\tevent=200"
    reaction = post(f"cdata?{SN}&table=ATTLOG&Stamp=9999", body)
    batch = batch_of(reaction)
    assert reaction.text == "OK: 4"
    assert [fields_of(punch) for punch in batch.punches] == [PUNCH, PUNCH]
    assert [bad.raw for bad in batch.quarantined] == [b"push\nrubbish"]
    assert (batch.form, batch.table, batch.stamp, batch.lines) == (Form.PUSH, "ATTLOG", "9999", 4)
    assert batch.digest == hashlib.sha256(body).digest()
    assert batch.rests == (b"0\t0", b"event=3")
    assert dict(reaction.counted) == {"door event": 1}
    assert batch.proved_new is False


@pytest.mark.parametrize(
    ("query", "text", "table"),
    [
        ("table=ATTLOG", "OK: 1", "ATTLOG"),
        ("table=attlog", "OK: 1", "ATTLOG"),
        ("Table=AttLog", "OK: 1", "ATTLOG"),
        ("", "OK: 1", "ATTLOG"),
        ("table=", "OK: 1", "ATTLOG"),
        ("table=ATTLOG&table=OPERLOG", "OK: 1", "ATTLOG"),
        ("table=rtlog", "OK", "RTLOG"),
        ("table=tabledata&tablename=transaction&count=1", "transaction=1", "TRANSACTION"),
    ],
)
@pytest.mark.parametrize("line", [LINE, KEYED])
def test_punches_come_in_several_ways(query: str, text: str, table: str, line: bytes) -> None:
    """Each way has its receipt, and both shapes of a line may come by any."""
    reaction = post(f"cdata?{SN}&{query}", line)
    batch = batch_of(reaction)
    assert (reaction.text, batch.table) == (text, table)
    assert [fields_of(punch) for punch in batch.punches] == [PUNCH]


def test_a_transaction_may_begin_with_its_name() -> None:
    """As the rows of other tables do."""
    reaction = post(f"cdata?{SN}&table=tabledata&tablename=transaction", b"transaction " + KEYED)
    assert [fields_of(punch) for punch in batch_of(reaction).punches] == [PUNCH]


@pytest.mark.parametrize("line", [LINE, KEYED])
@pytest.mark.parametrize(
    ("query", "text"),
    [("table=rtattlog", "OK: 2"), ("table=tabledata&tablename=attlog", "attlog=2")],
)
def test_punches_of_a_table_that_nobody_knows_are_kept(query: str, text: str, line: bytes) -> None:
    """They are acknowledged, and so would be lost else; the stamp of that table is none of theirs."""
    reaction = post(f"cdata?{SN}&{query}&Stamp=7", b"x\n" + line)
    batch = batch_of(reaction)
    assert (reaction.text, len(batch.punches), len(batch.quarantined), batch.stamp) == (text, 1, 1, None)


def test_without_a_table_one_line_that_reads_as_a_punch_is_enough() -> None:
    """The others are looked at by a person; a broken time is a punch's shape, too."""
    reaction = post(f"cdata?{SN}", b"noise\n1\t1971--10--29 -23:-27:-54\t0\t1\n")
    assert (reaction.text, batch_of(reaction).records) == ("OK: 2", 2)


def test_without_a_table_results_of_orders_are_results() -> None:
    """An X100-C sends them so."""
    reaction = post(f"cdata?{SN}", b"ID=7&Return=0&CMD=INFO\n~DeviceName=X100-C\n")
    assert (reaction.batch, reaction.returned, reaction.told) == (None, {"7": 0}, {"DeviceName": "X100-C"})


@pytest.mark.parametrize("name", ["fdata", "upload"])
@pytest.mark.parametrize("table", ["&table=ATTLOG", "&table=other", ""])
def test_punches_are_punches_on_a_route_where_none_are_expected(name: str, table: str) -> None:
    """A terminal that hears `OK` never sends them again."""
    reaction = post(f"{name}?{SN}{table}", LINE)
    assert (reaction.text, batch_of(reaction).lines) == ("OK: 1", 1)
    assert reaction.unknown == (None if name == "fdata" else name)


@pytest.mark.parametrize(
    ("query", "stamp"),
    [
        ("Stamp=9999", "9999"),
        ("ATTLOGStamp=82983982", "82983982"),
        ("Stamp=None", "None"),
        ("Stamp=" + "9" * 32, "9" * 32),
        ("Stamp=" + "9" * 33, None),
        ("Stamp=", None),
        ("Stamp=1%0ATimeZone=8", None),
        ("Stamp=1+2", None),
        ("OpStamp=5", None),
        ("stamp=5", None),
    ],
)
def test_a_stamp_is_kept_if_it_can_be_handed_back(query: str, stamp: str | None) -> None:
    """32 printable characters at most: one that holds a line would be a setting of its own."""
    assert batch_of(post(f"cdata?{SN}&table=ATTLOG&{query}", LINE)).stamp == stamp


def test_events_of_doors_alone_are_no_batch() -> None:
    """Nothing has to be on disk for them."""
    reaction = post(f"cdata?{SN}&table=rtlog", b"time=2026-11-22 09:00:00\tsensor=02\tdoor=01\n" * 3)
    assert (reaction.text, reaction.batch, dict(reaction.counted)) == ("OK", None, {"door event": 3})


@pytest.mark.parametrize(
    "query", ["table=ATTLOG", "table=rtlog", "table=tabledata&tablename=transaction", ""]
)
def test_too_many_punches_are_refused(query: str) -> None:
    """A body of more than ten thousand lines is none of a terminal; nothing of it is used."""
    assert post_any(f"cdata?{SN}&{query}", LINE * 10_001) == Answer(413)
    assert isinstance(post_any(f"cdata?{SN}&{query}", LINE * 10_000), Reaction)


def test_packed_bodies_stay_packed() -> None:
    """A punch inside is not looked for; what comes is set aside for a person."""
    batch = batch_of(post(f"cdata?{SN}&table=ATTLOG&ContentType=tgz", gzip.compress(LINE)))
    assert not batch.punches
    assert batch.lines == len(batch.quarantined) > 0


def test_the_hour_that_is_shown_twice_is_told_by_the_last_punch() -> None:
    """And by the moment at which a punch comes, where that is one of its two."""
    london = replace(KNOWN, zone=ZoneInfo("Europe/London"), last_punch=datetime(2026, 10, 25, 1, 40))
    line = b"1001\t2026-10-25 01:20:00\t0\t1\n"
    later, at_once = datetime(2026, 10, 25, 9, tzinfo=UTC), datetime(2026, 10, 25, 0, 20, 9, tzinfo=UTC)
    for now, fold in ((later, 1), (at_once, 0)):
        (punch,) = batch_of(post(f"cdata?{SN}&table=ATTLOG", line, london, now)).punches
        assert punch.time.fold == fold


# --- all that is no punch ---


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("table=ATTLOG", "OK: 0"),
        ("table=OPERLOG", "OK: 0"),
        ("table=WHATEVER", "OK: 0"),
        ("", "OK: 0"),
        ("table=rtlog", "OK"),
        ("table=ATTPHOTO", "OK"),
        ("table=options", "OK"),
        ("table=tabledata&tablename=user", "user=0"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n\r\n"])
def test_an_empty_body_is_no_error(query: str, text: str, body: bytes) -> None:
    """Some firmware floods with them; nothing is kept of it."""
    assert post(f"cdata?{SN}&{query}", body) == Reaction(text)


def test_lines_of_other_tables_are_counted_by_kind() -> None:
    """Of a kind that is not known no word is left, since it may be anything."""
    body = b"OPLOG 4\t0\nUSER PIN=1\tPasswd=12\nuser uid=1\tpassword=12\nFP PIN=1\tTMP=ab\n12 x\n\xff\xfe\n"
    for query in ("table=OPERLOG&OpStamp=9999", "table=WHATEVER", "table=tabledata&tablename=user", ""):
        reaction = post(f"cdata?{SN}&{query}", body)
        assert dict(reaction.counted) == {"OPLOG": 1, "USER": 2, "FP": 1, "other": 2}
        assert reaction.batch is None
        assert reaction.text == ("user=6" if "user" in query else "OK: 6")


def test_lines_that_are_only_counted_may_be_many() -> None:
    """The limit is that of punches."""
    assert post(f"cdata?{SN}&table=OPERLOG", b"OPLOG 4\n" * 20_000).text == "OK: 20000"


@pytest.mark.parametrize("query", ["table=ATTPHOTO", "table=rtstate", "table=RTSTATE", "type=PostVerifyData"])
def test_photos_states_and_questions_are_not_kept(query: str) -> None:
    """They are taken, so that nothing behind them waits."""
    assert post(f"cdata?{SN}&{query}", b"PIN=1.jpg\nCMD=uploadphoto\0\xff\xd8" + LINE) == Reaction("OK")


@pytest.mark.parametrize("name", ["a b", "a%0AOK", "x" * 33, "", "%C3%A9"])
def test_a_name_of_a_table_that_is_none_is_not_sent_back(name: str) -> None:
    """Letters, digits and `_` are a name; nothing else a terminal sends is ever in an answer."""
    assert post(f"cdata?{SN}&table=tabledata&tablename={name}", b"user pin=1\n").text == "OK"


def test_what_a_terminal_tells_of_itself_is_kept() -> None:
    """Options that are posted, and the counts of a poll."""
    told = {"FWVersion": "Ver 8", "UserCount": "3", "TransactionCount": "9"}
    body = b"FWVersion=Ver 8,UserCount=3,TransactionCount=9,IPAddress=192.0.2.9"
    assert post(f"cdata?{SN}&table=options", body) == Reaction("OK", told=told)
    assert get(f"getrequest?{SN}&INFO=Ver%208,3,1,9,192.0.2.9,10") == Reaction("OK", told=told)


def test_an_order_is_fetched_by_a_poll() -> None:
    """One line that ends; without an order `OK` and no LF, which would be taken for one."""
    waiting = replace(KNOWN, order=Order("abc123def456", "CHECK"))
    assert get(f"getrequest?{SN}").text == "OK"
    assert get(f"getrequest?{SN}", waiting) == Reaction("C:abc123def456:CHECK\n", offered="abc123def456")


def test_results_of_orders_are_told() -> None:
    """By their ids; settings that come with them, too."""
    reaction = post(f"devicecmd?{SN}", b"ID=a1&Return=0&CMD=INFO\r\nUserCount=3\r\n\r\n")
    assert reaction == Reaction("OK", returned={"a1": 0}, told={"UserCount": "3"})


@pytest.mark.parametrize("name", ["fdata", "ping", "querydata", "event", "exchange", "file"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_routes_to_which_there_is_nothing_to_say(name: str, method: str) -> None:
    """`OK`, and nothing is kept."""
    assert react(call_of(f"/iclock/{name}?{SN}", method), b"PIN=1", KNOWN, NOW) == Reaction("OK")


@pytest.mark.parametrize("name", ["", "nobody", "cdatax"])
def test_an_unknown_route_is_told(name: str) -> None:
    """`OK`, so that nothing behind it waits, and somebody hears of it."""
    assert get(f"{name}?{SN}") == Reaction("OK", unknown=name)


@pytest.mark.parametrize("length", [16, 5000])
def test_a_long_route_is_not_told(length: int) -> None:
    """It may be a secret, typed in behind `/iclock/`; no known route is so long."""
    assert get("x" * length + f"?{SN}").unknown == "(a long name)"


# --- whatever comes ---

NAMES = st.sampled_from(
    [
        "cdata",
        "getrequest",
        "devicecmd",
        "registry",
        "push",
        "rtdata",
        "fdata",
        "ping",
        "querydata",
        "event",
        "exchange",
        "other",
    ]
)
TABLES = st.sampled_from(
    [
        "ATTLOG",
        "rtlog",
        "tabledata",
        "OPERLOG",
        "BIODATA",
        "options",
        "ATTPHOTO",
        "rtstate",
        "IDCARD",
        "unheard-of",
    ]
)
BODIES = st.one_of(
    st.binary(),
    st.lists(st.sampled_from([LINE, KEYED, b"\r\n", b"rubbish\n", b"USER PIN=1\tPasswd=1\n"])).map(b"".join),
)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="&#?"), max_size=20)


@given(NAMES, st.none() | TABLES, BODIES, st.sampled_from(["GET", "POST", "PUT", ""]), TEXTS)
def test_any_bytes_get_an_answer(name: str, table: str | None, body: bytes, method: str, text: str) -> None:
    """N is the number of lines that are not empty, each of them is somewhere, and nothing is raised."""
    query = f"{SN}&tablename={text}&Stamp={text}&INFO={text}&type={text}" + (
        f"&table={table}" if table else ""
    )
    reaction = react(call_of(f"/iclock/{name}?{query}", method), body, KNOWN, NOW)
    assert isinstance(reaction, Reaction)
    lines = sum(1 for line in body.split(b"\n") if line.removesuffix(b"\r"))
    if reaction.text.startswith("OK: "):
        assert reaction.text == f"OK: {lines}"
    if reaction.batch is not None:
        assert reaction.batch.lines == lines == reaction.batch.records + reaction.counted.total()
        assert len(reaction.batch.rests) == len(reaction.batch.punches)
    elif reaction.counted:
        assert reaction.counted.total() == lines
    assert method == "POST" or name == "cdata" or reaction.batch is None
