"""What a virtual terminal that pushes sends, byte for byte as real ones were captured."""

from __future__ import annotations

from datetime import datetime
from hashlib import md5
from typing import Final

import pytest

from tests.simulator.push_server import Asked, Booth, settings
from zkpoll.simulator import EnrolledUser, Model, PushFaults, PushModel, PushTerminal, Record, Terminal
from zkpoll.simulator.push_lines import CARD, NO_TIME, PASSWORD, TEMPLATE

SERIAL: Final = "KJVRWZ22365184"
_CLOSE: Final = ["User-Agent: iClock Proxy/1.09", "Connection: close", "Accept: */*"]


def terminal(*punches: tuple[str, str, int, int, int], serial: str = SERIAL) -> Terminal:
    """Return a terminal that holds these punches: user id, time, state, verify, work code."""
    made = Terminal(Model(serial=serial), users=[EnrolledUser(1, "1156", "Usr004")])
    made.record(
        Record(number, 1, user_id, datetime.fromisoformat(time), verify, state, work_code)
        for number, (user_id, time, state, verify, work_code) in enumerate(punches, 1)
    )
    return made


def posted(model: PushModel, held: Terminal, **others: str | None) -> Asked:
    """Return the request with which a model posts the punches of `held`."""
    with Booth(settings(**others)) as booth:
        PushTerminal(booth.url, held, model).round()
        (asked,) = [
            one for one in booth.requests if b"2024-08-05 12:40:57" in one.body or b"time=" in one.body
        ]
    return asked


ONE: Final = ("1156", "2024-08-05 12:40:57", 1, 1, 0)


def test_a_handshake_is_that_of_a_capture() -> None:
    """Target, headers and their order are those of a SpeedFace-V5L and an X100-C."""
    with Booth() as booth:
        PushTerminal(booth.url, terminal(serial="CEV5783349146")).round()
        first = booth.requests[0]
    assert first.line == (
        "GET /iclock/cdata?SN=CEV5783349146&options=all&language=69&pushver=2.4.1"
        "&DeviceType=att&PushOptionsFlag=1 HTTP/1.1"
    )
    assert first.head == [f"Host: 127.0.0.1:{booth.port}", *_CLOSE]
    assert first.body == b""


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (
            PushModel(language=73, pushver="2.4.0", device_type=None, options_flag=None),
            "language=73&pushver=2.4.0",
        ),
        (
            PushModel(pushver="2.4.0", device_type="middle east"),
            "language=69&pushver=2.4.0&DeviceType=middle%20east&PushOptionsFlag=1",
        ),
        (
            PushModel(language=83, pushver="2.4.0", device_type=None, comm_key="commkey"),
            "language=83&pushver=2.4.0&pushcommkey=commkey&PushOptionsFlag=1",
        ),
    ],
)
def test_handshakes_differ_as_those_of_real_models(model: PushModel, query: str) -> None:
    """Language, build region and comm key stand where the captures have them; only spaces are escaped."""
    with Booth() as booth:
        PushTerminal(booth.url, terminal(), model).round()
    assert booth.requests[0].line == f"GET /iclock/cdata?SN={SERIAL}&options=all&{query} HTTP/1.1"


def test_a_single_punch_is_that_of_an_x100c() -> None:
    """35 bytes: an empty work code, a trailing TAB, one LF; and no Content-Type."""
    asked = posted(PushModel(empty_work_code=True, trailing_tab=True), terminal(ONE))
    assert asked.line == f"POST /iclock/cdata?SN={SERIAL}&table=ATTLOG&Stamp=9999 HTTP/1.1"
    assert asked.head[1:] == [*_CLOSE, "Content-Length: 35"]
    assert asked.body == b"1156\t2024-08-05 12:40:57\t1\t1\t\t0\t0\t\n"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (PushModel(fields=4), b"1156\t2024-08-05 12:40:57\t1\t1\n"),
        (PushModel(fields=5), b"1156\t2024-08-05 12:40:57\t1\t1\t0\n"),
        (PushModel(), b"1156\t2024-08-05 12:40:57\t1\t1\t0\t0\t0\n"),
        (PushModel(final_end=False), b"1156\t2024-08-05 12:40:57\t1\t1\t0\t0\t0"),
        (PushModel(line_end="\r\n"), b"1156\t2024-08-05 12:40:57\t1\t1\t0\t0\t0\r\n"),
        (
            PushModel(fields=10, mask="255", trailing_tab=True),
            b"1156\t2024-08-05 12:40:57\t1\t1\t0\t0\t0\t255\t0\t0\t\n",
        ),
        (PushModel(fields=9, counter_field=9), b"1156\t2024-08-05 12:40:57\t1\t1\t0\t0\t0\t0\t1\n"),
        (PushModel(fields=11), b"1156\t2024-08-05 12:40:57\t1\t1\t0\t0\t0\t0\t0\t0\t1\n"),
    ],
)
def test_lines_differ_as_those_of_real_models(model: PushModel, body: bytes) -> None:
    """A line has 4 to 11 fields, a mask, a row number, a TAB at its end, an end of its own kind or none."""
    assert posted(model, terminal(ONE)).body == body


def test_key_value_lines_are_those_of_an_f22() -> None:
    """An F22 posts `key=value` lines under table=ATTLOG, typed, without a stamp and a final LF."""
    model = PushModel(key_value=True, final_end=False, content_type="text/plain")
    asked = posted(model, terminal(ONE))
    assert asked.line == f"POST /iclock/cdata?SN={SERIAL}&table=ATTLOG HTTP/1.1"
    assert asked.head[-2] == "Content-Type: text/plain"
    assert asked.body == (
        b"time=2024-08-05 12:40:57\tpin=1156\tcardno=0\teventaddr=1\tevent=0\tinoutstatus=1"
        b"\tverifytype=1\tindex=1"
    )


def test_firmware_may_name_no_table() -> None:
    """Old firmware posts punches without naming their table."""
    with Booth() as booth:
        PushTerminal(booth.url, terminal(ONE), PushModel(names_table=False)).round()
    (asked,) = booth.posted("Stamp=")
    assert asked.line == f"POST /iclock/cdata?SN={SERIAL}&Stamp=9999 HTTP/1.1"


@pytest.mark.parametrize(
    ("model", "prefix", "line", "first"),
    [
        (PushModel(aspx=True), "", "GET /iclock/cdata.aspx?", "Host"),
        (PushModel(host=False), "", "GET /iclock/cdata?", "User-Agent"),
        (PushModel(), "/gate-secret-path", "GET /gate-secret-path/iclock/cdata?", "Host"),
        (PushModel(keeps_prefix=False), "/gate-secret-path/", "GET /iclock/cdata?", "Host"),
    ],
)
def test_paths_and_heads_are_as_odd_as_real_ones(
    model: PushModel, prefix: str, line: str, first: str
) -> None:
    """`.aspx`, no Host with HTTP/1.1, and a typed prefix that is kept or dropped."""
    with Booth() as booth:
        PushTerminal(booth.url + prefix, terminal(), model).round()
    for asked in booth.requests:
        assert line.split("cdata")[0] in asked.line
        assert asked.line.endswith("HTTP/1.1")
        assert asked.head[0].startswith(first)
    assert booth.requests[0].line.startswith(line)


def test_old_boards_speak_http_10() -> None:
    """HTTP/1.0 is a knob."""
    with Booth() as booth:
        PushTerminal(booth.url, terminal(), PushModel(http="1.0")).round()
    assert all(asked.line.endswith("HTTP/1.0") for asked in booth.requests)


@pytest.mark.parametrize(("values", "tail"), [(6, ",10"), (10, ",10,7,12,0,111"), (13, ",111,0,0,0")])
def test_info_tells_the_counts_when_they_are_new(values: int, tail: str) -> None:
    """After boot, and when a count changed, the poll tells 6, 10 or 13 values; the fourth is the punches."""
    held = terminal(ONE)
    with Booth() as booth:
        caller = PushTerminal(booth.url, held, PushModel(info_values=values))  # type: ignore[arg-type]
        caller.round()
        caller.round()
        held.punch("1156")
        caller.round()
    polls = [asked.line.split(" ")[1] for asked in booth.posted("getrequest")]
    start = f"/iclock/getrequest?SN={SERIAL}"
    assert polls[0].startswith(f"{start}&INFO=Ver%208.0.4.2-I113-02,1,1,1,127.0.0.1,10")
    assert polls[0].endswith(tail)
    assert polls[1] == start
    assert ",1,1,2,127.0.0.1," in polls[2]


def test_options_are_told_when_asked_for() -> None:
    """With PushOptionsFlag=1 the options are posted, one of them with a comma in its value."""
    with Booth(settings(PushOptionsFlag="1")) as booth:
        PushTerminal(booth.url, terminal(ONE)).round()
    (asked,) = booth.posted("table=options")
    assert asked.line == f"POST /iclock/cdata?SN={SERIAL}&table=options HTTP/1.1"
    assert b"TransactionCount=1," in asked.body
    assert b"~OEMVendor=ZKTECO CO., LTD.,FWVersion=" in asked.body
    with Booth() as booth:
        PushTerminal(booth.url, terminal(ONE)).round()
    assert booth.posted("table=options") == []


@pytest.mark.parametrize(
    ("told", "query"),
    [({}, "Stamp=9999"), ({"ServerVer": None}, "OpStamp=9999"), ({"OPERLOGStamp": "5"}, "Stamp=5")],
)
def test_people_are_told_with_made_up_secrets(told: dict[str, str | None], query: str) -> None:
    """OPERLOG holds operations, a user with password and card, and a template, as an X100-C posts them."""
    with Booth(settings(**told)) as booth:
        PushTerminal(booth.url, terminal(), PushModel(operlog=True, biodata=True)).round()
    (asked,) = booth.posted("table=OPERLOG")
    assert asked.line == f"POST /iclock/cdata?SN={SERIAL}&table=OPERLOG&{query} HTTP/1.1"
    boot, new, user, finger = asked.body.decode().splitlines()
    assert boot.startswith("OPLOG 4\t0\t2026-11-22 ")
    assert new.split("\t")[3:] == ["1156", "0", "0", "0"]
    assert user == (
        f"USER PIN=1156\tName=Usr004\tPri=0\tPasswd={PASSWORD}\tCard={CARD}\tGrp=1\tTZ=0000000100000000"
        "\tVerify=0\tViceCard="
    )
    assert finger == f"FP PIN=1156\tFID=0\tSize={len(TEMPLATE)}\tValid=1\tTMP={TEMPLATE}"
    assert booth.posted("table=BIODATA")[0].body.startswith(
        b"BIODATA Pin=1156\tNo=0\tIndex=0\tValid=1\tDuress=0"
    )


def test_names_are_chinese_where_the_menu_is() -> None:
    """With language 83 names are GB2312, else UTF-8."""
    for language, encoding in (83, "gb2312"), (69, "utf-8"):
        held = Terminal(Model(serial=SERIAL), users=[EnrolledUser(1, "7", "王伟")])
        with Booth() as booth:
            PushTerminal(booth.url, held, PushModel(operlog=True, language=language)).round()
        assert "Name=王伟\t".encode(encoding) in booth.posted("table=OPERLOG")[0].body


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (PushModel(photos=True), "/iclock/cdata?SN=KJVRWZ22365184&table=ATTPHOTO&Stamp=9999"),
        (PushModel(photos=True, old=True), "/iclock/fdata?SN=KJVRWZ22365184&table=ATTPHOTO&PhotoStamp=9999"),
    ],
)
def test_a_photo_stands_behind_a_nul(model: PushModel, line: str) -> None:
    """ATTPHOTO is lines, a NUL and a picture of the size told."""
    with Booth() as booth:
        PushTerminal(booth.url, terminal(), model).round()
    (asked,) = booth.posted("ATTPHOTO")
    assert asked.line.split(" ")[1] == line
    head, _, picture = asked.body.partition(b"\0")
    assert head.decode().splitlines()[1:] == [
        f"SN={SERIAL}",
        f"size={len(picture)}",
        "CMD=uploadphoto",
    ]
    assert picture.startswith(b"\xff\xd8")


def test_floods_of_nothing() -> None:
    """Empty OPERLOG requests come as often as asked for, in every round."""
    with Booth() as booth:
        caller = PushTerminal(booth.url, terminal(), faults=PushFaults(empty_operlogs=3))
        caller.round()
        caller.round()
    assert [asked.head[-1] for asked in booth.posted("table=OPERLOG")] == ["Content-Length: 0"] * 6


def test_before_its_first_clock_a_punch_has_no_time() -> None:
    """A punch that was made before the clock was ever set has a time that is none; later ones have one."""
    held = terminal()
    with Booth() as booth:
        caller = PushTerminal(booth.url, held, faults=PushFaults(broken_times=True))
        held.punch("1")
        caller.round()
        held.punch("2")
        caller.round()
    first, second = booth.posted()
    assert first.body == f"1\t{NO_TIME}\t0\t1\t0\t0\t0\n".encode()
    assert second.body.startswith(b"2\t2026-11-22 08:59:5")


# --- the access dialect ---

ACCESS: Final = PushModel(dialect="3.x", verify_bits=True, event=3, line_end="\r\n")


def test_the_access_dialect_goes_its_way() -> None:
    """Handshake, registry, push, time, then punches as rtlog under the session's token, then polls."""
    with Booth(settings(SessionID="abc", RequestDelay="9")) as booth:
        caller = PushTerminal(booth.url, terminal(ONE), ACCESS)
        said = caller.round()
    assert [one.what for one in said] == ["handshake", "registry", "push", "time", "punches", "getrequest"]
    lines = [asked.line.removesuffix(" HTTP/1.1") for asked in booth.requests]
    assert lines == [
        f"GET /iclock/cdata?SN={SERIAL}&options=all&pushver=3.1.2&DeviceType=acc",
        f"POST /iclock/registry?SN={SERIAL}",
        f"POST /iclock/push?SN={SERIAL}",
        f"GET /iclock/rtdata?SN={SERIAL}&type=time",
        f"POST /iclock/cdata?SN={SERIAL}&table=rtlog",
        f"GET /iclock/getrequest?SN={SERIAL}&INFO=Ver%208.0.4.2-I113-02,1,1,1,127.0.0.1,10,7,12,0,111",
    ]
    assert booth.requests[1].body.startswith(b"DeviceType=acc,~DeviceName=Simulator,")
    assert booth.requests[4].body == (
        b"time=2024-08-05 12:40:57\tpin=1156\tcardno=0\teventaddr=1\tevent=3\tinoutstatus=1"
        b"\tverifytype=0000000000000010\tindex=1\r\n"
    )
    token = md5(f"Uy47fxftP3{SERIAL}abc".encode(), usedforsecurity=False).hexdigest()
    assert booth.requests[4].head[0] == f"Cookie: token={token}"
    assert (caller.wait, len(caller.acknowledged)) == (9, 1)
    assert abs((caller.terminal.now() - datetime(2026, 11, 22, 8, 29, 58)).total_seconds()) < 3


def test_without_a_registry_code_it_never_sends() -> None:
    """An access terminal that gets no RegistryCode asks again after 15 seconds, and posts no punch."""
    with Booth() as booth:
        booth.answers.extend([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"] * 4)
        caller = PushTerminal(booth.url, terminal(ONE), ACCESS)
        said = caller.round() + caller.round()
    assert [one.what for one in said] == ["handshake", "registry"] * 2
    assert (caller.wait, caller.acknowledged) == (15, [])


def test_a_known_access_terminal_does_not_register() -> None:
    """`registry=ok` with the settings is all that a known one needs."""
    with Booth(registered=True) as booth:
        said = PushTerminal(booth.url, terminal(ONE), ACCESS).round()
    assert [one.what for one in said] == ["handshake", "time", "punches", "getrequest"]


@pytest.mark.parametrize(("until_ok", "times"), [(False, 1), (True, 3)])
def test_a_user_table_is_settled_by_its_count_or_by_ok_alone(until_ok: bool, times: int) -> None:
    """`user=1` settles a user table; one firmware repeats it until `OK`."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuser=1"
    with Booth(registered=True) as booth:
        model = PushModel(dialect="3.x", operlog=True, door_events=True)
        caller = PushTerminal(booth.url, terminal(), model, PushFaults(until_ok=until_ok))
        caller.step()
        caller.step()
        booth.answers.append(answer)
        caller.round()
        booth.answers.extend([answer] * (times - 2))
        caller.round()
        caller.round()
    rows = booth.posted("table=tabledata&tablename=user&count=1")
    assert len(rows) == times
    user = f"uid=1\tcardno={CARD}\tpin=1156\tpassword={PASSWORD}\tgroup=1\tname=Usr004\tprivilege=0"
    assert {row.body for row in rows} == {f"user {user}\n".encode()}
    assert booth.posted("table=rtstate")[0].body.startswith(b"time=2026-11-22 08:29:5")


def test_events_of_the_door_stand_among_punches() -> None:
    """An rtlog may hold lines that are no punch: a button, and the state of the door."""
    with Booth(registered=True) as booth:
        PushTerminal(booth.url, terminal(ONE), PushModel(dialect="3.x", door_events=True)).round()
    button, door, punch = booth.posted("table=rtlog")[0].body.decode().splitlines()
    assert "\tpin=0\t" in button
    assert "\tdoor=01" in door
    assert "\tpin=1156\t" in punch
