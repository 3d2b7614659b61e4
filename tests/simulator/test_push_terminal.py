"""How a virtual terminal that pushes takes answers: what it believes, obeys, and sends again."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.peers import closed_port
from tests.simulator.client import Client
from tests.simulator.push_server import DATE, Booth, reply, settings
from zkpoll.simulator import (
    Command,
    Model,
    PushFaults,
    PushModel,
    PushTerminal,
    Terminal,
    pushing,
    serve,
)

if TYPE_CHECKING:
    from collections.abc import Callable

OLD: Final = datetime(2020, 1, 1)


def terminal(records: int = 0, **model: int) -> Terminal:
    """Return a terminal with so many sample punches, whose clock is years behind."""
    made = Terminal.with_samples(records, users=5, model=Model(**model) if model else None)  # type: ignore[arg-type]
    made.set_clock(OLD)
    return made


def shows(caller: PushTerminal, moment: datetime) -> bool:
    """Say whether a terminal's clock shows `moment`, or some seconds later."""
    return timedelta() <= caller.terminal.now() - moment < timedelta(seconds=10)


# --- delivery ---


@pytest.mark.parametrize("answer", ["OK", "OK:1", "OK: 1", "OK: 1\n", "result: OK"])
def test_a_200_with_ok_in_it_delivers(answer: str) -> None:
    """Status 200 and `OK` anywhere in the body: these punches are delivered, and never sent again."""
    held = terminal(3)
    with Booth() as booth:
        caller = PushTerminal(booth.url, held)
        caller.step()
        booth.answers.append(reply(answer))
        caller.round()
        caller.round()
    assert len(booth.posted()) == 1
    assert caller.acknowledged == held.history


@pytest.mark.parametrize(
    "answer",
    [
        reply("OK: 1", 503),
        reply("OK: 1", 201),
        reply("OK", 302, DATE, "Location: http://127.0.0.1/"),
        reply("Unavailable", 503),
        reply(""),
        reply("ok: 1"),
        reply("<html>"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nOK: 1",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
)
def test_anything_else_is_sent_again_for_ever_with_the_same_bytes(answer: bytes) -> None:
    """A batch stays as it is until its `OK` comes, whatever is answered and whoever punches meanwhile."""
    held = terminal(3)
    with Booth() as booth:
        caller = PushTerminal(booth.url, held)
        caller.step()
        for _ in range(4):
            booth.answers.append(answer)
            caller.round()
            assert caller.acknowledged == []
            assert caller.wait == 30
            held.punch("1001")
            if b"HTTP/1.1 " not in answer or b"100" in answer:
                caller.step()  # it shakes hands again
        caller.round()
    bodies = [asked.body for asked in booth.posted()]
    assert bodies[0] == bodies[1] == bodies[2] == bodies[3] == bodies[4]
    assert bodies[0].count(b"\n") == 3
    assert bodies[5].count(b"\n") == 4
    assert caller.acknowledged == held.history


def test_a_log_goes_in_batches() -> None:
    """128 punches a request, in the order of the log, each once."""
    held = terminal(300)
    with Booth() as booth:
        PushTerminal(booth.url, held).round()
    bodies = [asked.body for asked in booth.posted()]
    assert [body.count(b"\n") for body in bodies] == [128, 128, 44]
    lines = b"".join(bodies).decode().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [[one.user_id, str(one.time)] for one in held.history]


def test_what_has_been_delivered_survives_a_boot_and_what_has_not_is_sent() -> None:
    """A boot forgets what it was told, not which punches were taken."""
    held = terminal(4)
    with Booth() as booth:
        caller = PushTerminal(booth.url, held, PushModel(batch=2))
        caller.step()
        booth.answers.extend([reply("OK"), reply("", 503)])
        caller.round()
        caller.boot()
        said = caller.round()
    assert [one.what for one in said] == ["handshake", "punches", "getrequest"]
    bodies = [asked.body for asked in booth.posted()]
    assert bodies[1] == bodies[2] != bodies[0]
    assert caller.acknowledged == held.history


@pytest.mark.parametrize("moved", [False, True])
def test_whole_logs_come_again(moved: bool) -> None:
    """With the fault at every boot, and for every new address, the whole log is sent again."""
    held = terminal(3)
    with Booth() as booth, Booth() as other:
        caller = PushTerminal(booth.url, held, faults=PushFaults(replays_at_boot=not moved))
        caller.round()
        if moved:
            caller.point_at(other.url)
        else:
            caller.boot()
        caller.round()
        first, second = booth.posted() + other.posted()
    assert first.body == second.body
    assert len(other.posted()) == moved


def test_a_server_that_is_away_is_tried_again() -> None:
    """Without a server a round is one failed handshake, and the wait is ErrorDelay."""
    with closed_port() as (host, port):
        caller = PushTerminal(f"http://{host}:{port}", terminal(1))
        (only,) = caller.round()
    assert (only.what, only.answer, only.accepted, only.trouble) == (
        "handshake",
        None,
        False,
        "Connection refused",
    )
    assert caller.wait == 30


@pytest.mark.parametrize(("once", "expected"), [(False, "handshake"), (True, "punches")])
def test_after_a_lost_connection_it_shakes_hands_again_or_not(once: bool, expected: str) -> None:
    """A failure brings a new handshake, but on units that shake hands only at boot."""
    with Booth() as booth:
        caller = PushTerminal(booth.url, terminal(1), PushModel(handshakes_once=once))
        caller.step()
        booth.answers.append(b"")
        caller.round()
        assert caller.step().what == expected


# --- the clock ---


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [
        ("6", 360),
        ("-3", -180),
        ("330", 330),
        ("-210", -210),
        ("840", 840),
        ("0", 0),
        ("5.5", 300),
        ("Asia/Dhaka", 0),
        ("None", 0),
        (None, 480),
    ],
)
def test_date_and_time_zone_set_the_clock(zone: str | None, minutes: int) -> None:
    """The clock shows Date plus TimeZone: hours, minutes, what atoi reads, and UTC+8 without one."""
    with Booth(settings(TimeZone=zone)) as booth:
        caller = PushTerminal(booth.url, terminal())
        caller.step()
    assert shows(caller, datetime(2026, 11, 22, 2, 59, 58) + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    "answer",
    [
        reply("TimeZone=6\n", 403),
        reply("TimeZone=6\n", 503),
        reply("TimeZone=6\n", 404),
        reply("TimeZone=6\n", 200, None),
        reply("TimeZone=6\n", 200, "yesterday"),
        reply("TimeZone=12\n"),
        reply("TimeZone=99999999999999999999\n"),
    ],
)
def test_what_is_no_200_with_a_date_never_sets_the_clock(answer: bytes) -> None:
    """Another status, no date, or a zone that is defined nowhere leaves the clock alone."""
    with Booth() as booth:
        booth.answers.append(answer)
        caller = PushTerminal(booth.url, terminal())
        caller.step()
    assert shows(caller, OLD)
    assert caller.clock_sets == 0


def test_polls_set_the_clock_too_and_only_if_it_is_off() -> None:
    """A getrequest that is answered with 200 sets the clock; a few seconds are left alone."""
    with Booth() as booth:
        caller = PushTerminal(booth.url, terminal())
        caller.round()
        caller.terminal.set_clock(OLD)
        caller.round()
        assert shows(caller, datetime(2026, 11, 22, 8, 59, 58))
        caller.terminal.set_clock(datetime(2026, 11, 22, 9, 0, 0))
        caller.round()
        assert shows(caller, datetime(2026, 11, 22, 9, 0, 0))
        caller.terminal.set_clock(OLD)
        booth.answers.append(reply("OK", 503))
        caller.round()
    assert shows(caller, OLD)


def test_a_frozen_clock_stands_still_where_it_is_set() -> None:
    """A clock that stands still is set, and stands still there."""
    held = terminal()
    held.set_clock(OLD, frozen=True)
    with Booth() as booth:
        PushTerminal(booth.url, held).round()
    time.sleep(0.01)
    assert held.now() == datetime(2026, 11, 22, 8, 59, 58)


# --- settings ---


def test_keys_are_looked_up_with_their_case() -> None:
    """A misspelt key is unknown, and does nothing."""
    with Booth({"timezone": "6", "DELAY": "3", "PUSHOPTIONSFLAG": "1", "attlogstamp": "5"}) as booth:
        caller = PushTerminal(booth.url, terminal(1))
        caller.round()
    assert shows(caller, datetime(2026, 11, 22, 10, 59, 58))
    assert caller.wait == 10
    assert [asked.line.split("&")[-1] for asked in booth.posted()] == ["Stamp=9999 HTTP/1.1"]
    assert booth.posted("table=options") == []


def test_delays_are_those_it_was_told() -> None:
    """Delay is the wait between polls, ErrorDelay the one after a failure; nonsense is the usual."""
    with Booth(settings(Delay="5.5", ErrorDelay="None")) as booth:
        caller = PushTerminal(booth.url, terminal())
        caller.round()
        assert caller.wait == 5
        booth.answers.append(reply("", 500))
        caller.round()
        assert caller.wait == 30


@pytest.mark.parametrize(
    ("stamps", "sent"),
    [
        ({"ATTLOGStamp": "None"}, "9999"),
        ({"ATTLOGStamp": "0"}, "9999"),
        ({"ATTLOGStamp": "1722836442", "Stamp": "7"}, "1722836442"),
        ({"ATTLOGStamp": None, "Stamp": "7"}, "7"),
    ],
)
def test_stamps_are_handed_back(stamps: dict[str, str | None], sent: str) -> None:
    """The stamp of the handshake comes back with the punches; it keeps none of them from being sent."""
    with Booth(settings(**stamps)) as booth:
        PushTerminal(booth.url, terminal(2)).round()
    (asked,) = booth.posted()
    assert asked.line.endswith(f"&Stamp={sent} HTTP/1.1")
    assert asked.body.count(b"\n") == 2


def test_an_old_model_goes_by_stamps() -> None:
    """It sends what is newer than the server's stamp; everything, if that is later than its clock."""
    held = Terminal()
    for day in 20, 21, 22:
        held.punch("1", datetime(2026, 11, day))
    with Booth() as booth:
        caller = PushTerminal(booth.url, held, PushModel(old=True))
        caller.round()
        newest = booth.posted()[-1].line.split("Stamp=")[1].split()[0]
        for stamp, sent in ("0", 3), (newest, 0), (str(int(newest) - 1), 1), ("1722836442", 3):
            booth.settings["Stamp"] = stamp
            before = len(booth.posted())
            caller.boot()
            caller.round()
            lines = b"".join(asked.body for asked in booth.posted()[before:]).splitlines()
            assert len(lines) == sent


@pytest.mark.parametrize(
    ("flag", "tables"),
    [
        ("100000000000", {"ATTLOG"}),
        ("010010000000", {"OPERLOG"}),
        ("000000000000", set()),
        (None, {"ATTLOG", "OPERLOG", "ATTPHOTO"}),
        ("TransData AttLog\tOpLog", {"ATTLOG", "OPERLOG"}),
    ],
)
def test_transflag_says_what_is_uploaded(flag: str | None, tables: set[str]) -> None:
    """Only what TransFlag names is uploaded, but for BIODATA, and on models that do not care."""
    model = PushModel(operlog=True, photos=True, biodata=True)
    with Booth(settings(TransFlag=flag)) as booth:
        PushTerminal(booth.url, terminal(1), model).round()
        assert {asked.line.split("table=")[1].split("&")[0] for asked in booth.posted("table=")} == {
            *tables,
            "BIODATA",
        }
    with Booth(settings(TransFlag=flag)) as booth:
        PushTerminal(booth.url, terminal(1), PushModel(obeys_transflag=False)).round()
        assert len(booth.posted()) == 1


def test_without_realtime_it_looks_when_it_is_told_to() -> None:
    """With Realtime=0 a punch waits for TransInterval, TransTimes, LOG, or the next boot."""
    held = terminal()
    told = settings(Realtime="0", TransInterval="1", TransTimes="10:00;14:05")
    with Booth(told) as booth:
        caller = PushTerminal(booth.url, held)
        caller.round()
        held.punch("1")
        caller.round()
        assert caller.acknowledged == []
        booth.commands.append("C:1:LOG")
        caller.round()
        caller.round()
        assert len(caller.acknowledged) == 1
        held.punch("2")
        held.set_clock(datetime(2026, 11, 22, 14, 5, 3))
        caller.round()
        assert len(caller.acknowledged) == 2
        held.punch("3")
        caller.pace = 0.0001
        time.sleep(0.02)
        caller.round()
        assert len(caller.acknowledged) == 3


# --- commands ---


def results(booth: Booth) -> list[bytes]:
    """Return what the terminal has posted about commands."""
    return [asked.body for asked in booth.posted("/devicecmd")]


def test_check_brings_a_handshake_and_everything_again() -> None:
    """After CHECK comes a result, then a handshake, then the whole log."""
    held = terminal(3)
    with Booth() as booth:
        caller = PushTerminal(booth.url, held)
        caller.round()
        booth.commands.append("C:abc123:CHECK")
        assert [one.what for one in caller.round()] == ["getrequest", "results"]
        assert caller.wait == 1
        assert [one.what for one in caller.round()] == ["handshake", "punches", "getrequest"]
    assert results(booth) == [b"ID=abc123&Return=0&CMD=CHECK\n"]
    first, second = booth.posted()
    assert first.body == second.body


def test_info_is_answered_with_options() -> None:
    """The result of INFO has the options on lines behind it."""
    with Booth() as booth:
        booth.commands.append("C:122:INFO")
        PushTerminal(booth.url, terminal(2)).round()
    (body,) = results(booth)
    assert body.startswith(b"ID=122&Return=0&CMD=INFO\n~DeviceName=Simulator\nMAC=00:17:61:00:00:01\n")
    assert b"\nTransactionCount=2\n" in body


def test_a_query_brings_punches_again_as_ordinary_posts() -> None:
    """DATA QUERY ATTLOG sends the punches of its times again, and -1 if there are none."""
    held = Terminal()
    for day in 20, 21, 22:
        held.punch("1", datetime(2026, 11, day))
    with Booth() as booth:
        caller = PushTerminal(booth.url, held)
        caller.round()
        booth.commands += [
            "C:1:DATA QUERY ATTLOG StartTime=2026-11-21 00:00:00\tEndTime=2026-11-22 00:00:00",
            "C:2:DATA QUERY ATTLOG StartTime=2027-01-01 00:00:00\tEndTime=2027-02-01 00:00:00",
            "C:3:DATA QUERY ATTLOG",
        ]
        caller.round()
    assert results(booth) == [b"ID=1&Return=0&CMD=DATA\nID=2&Return=-1&CMD=DATA\nID=3&Return=0&CMD=DATA\n"]
    assert [asked.body.count(b"\n") for asked in booth.posted()] == [3, 2, 3]


@pytest.mark.parametrize("command", ["REBOOT", "CLEAR LOG", "SHELL id", "DATA UPDATE USERINFO PIN=1", "OK"])
def test_all_other_commands_are_unsupported_and_do_nothing(command: str) -> None:
    """What writes, wipes or runs is refused with -1002, remembered, and carried out never."""
    held = terminal(2)
    with Booth() as booth:
        booth.commands += [f"C:9:{command}", "no command at all"]
        caller = PushTerminal(booth.url, held)
        caller.round()
    assert results(booth) == [f"ID=9&Return=-1002&CMD={command.split()[0]}\n".encode()]
    assert caller.commands == [("9", command)]
    assert len(held.log) == 2


def test_commands_that_come_twice_are_carried_out_twice() -> None:
    """A terminal knows no command ids: duplicates are executed, and their results posted until `OK`."""
    with Booth() as booth:
        caller = PushTerminal(booth.url, terminal())
        caller.round()
        booth.commands.append("C:7:INFO")
        caller.step()
        booth.answers.append(reply("", 503))
        caller.round()
        booth.commands.append("C:7:INFO")
        caller.round()
    assert len(results(booth)) == 3
    assert [number for number, _ in caller.commands] == ["7", "7"]


def test_the_access_dialect_has_another_table() -> None:
    """A terminal of the access dialect has no ATTLOG to be asked for."""
    with Booth(registered=True) as booth:
        booth.commands.append("C:1:DATA QUERY ATTLOG")
        PushTerminal(booth.url, terminal(), PushModel(dialect="3.x")).round()
    assert results(booth) == [b"ID=1&Return=-629&CMD=DATA\n"]


def test_a_picky_one_takes_the_hints_at_their_word() -> None:
    """Lines without a final LF are dropped, and header names count with their case."""
    model = PushModel(picky=True)
    with Booth() as booth:
        booth.answers.append(reply("TimeZone=6\nDelay=3").replace(b"Date:", b"date:"))
        caller = PushTerminal(booth.url, terminal(), model)
        caller.step()
        assert caller.settings.told == {"TimeZone": "6"}
        assert caller.clock_sets == 0
        booth.answers += [reply("C:1:INFO"), reply("C:2:INFO\n")]
        caller.round()
        booth.answers.insert(1, reply("OK").replace(b"text/plain", b"text/html"))
        assert [one.accepted for one in caller.round()] == [True, False]
        assert caller.commands == [("2", "INFO")]
        assert [one.accepted for one in caller.round()] == [True, True]


# --- the line ---


def test_a_socket_may_stay_open() -> None:
    """A unit that keeps its socket sends all over one connection, and over a new one if that was closed."""
    with Booth() as booth:
        caller = PushTerminal(booth.url, terminal(3), PushModel(keeps_open=True))
        caller.round()
        assert {asked.connection for asked in booth.requests} == {1}
        booth.hang_up()
        assert [one.accepted for one in caller.round()] == [True]
        caller.close()
    assert booth.requests[-1].connection == 2


def test_without_that_each_request_has_a_connection() -> None:
    """Nearly all units open a connection for each request."""
    with Booth() as booth:
        PushTerminal(booth.url, terminal(3)).round()
    assert [asked.connection for asked in booth.requests] == [1, 2, 3]


def test_it_may_die_in_the_middle_of_a_body() -> None:
    """The body ends after so many bytes, so many times; the batch is sent again then."""
    held = terminal(3)
    with Booth() as booth:
        caller = PushTerminal(booth.url, held, faults=PushFaults(hang_up_after=10, hang_up_times=2))
        said = caller.round() + caller.round() + caller.round()
    assert [one.trouble for one in said if one.what == "punches"] == [
        "broken off in the middle of the body"
    ] * 2 + [""]
    assert [len(raw.partition(b"\r\n\r\n")[2]) for raw in booth.broken] == [10, 10]
    assert caller.acknowledged == held.history


def test_it_may_send_slowly() -> None:
    """At 2,000 bytes a second a request of 500 takes a quarter of a second."""
    with Booth() as booth:
        caller = PushTerminal(booth.url, terminal(10), faults=PushFaults(bandwidth=2000))
        caller.step()
        began = time.monotonic()
        caller.step()
        assert time.monotonic() - began > len(booth.requests[-1].raw) / 2000 * 0.9


def test_chunked_answers_are_understood() -> None:
    """An answer in chunks, without a Content-Type, is one (an X100-C took it)."""
    with Booth() as booth:
        booth.answers.append(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nTimeZone=6\n\r\n0\r\n\r\n"
        )
        caller = PushTerminal(booth.url, terminal())
        caller.step()
    assert caller.settings.told == {"TimeZone": "6"}


def test_a_silent_server_is_given_up() -> None:
    """Silence ends a request after `timeout` seconds."""
    with Booth(silent=True) as booth:
        (only,) = PushTerminal(booth.url, terminal(), timeout=0.05).round()
    assert only.trouble == "timed out"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1",
        "127.0.0.1:80",
        "http://",
        "http://a:99999",
        "http://a/?b",
        "http://u@a",
        "http://a..b",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """Only `http://HOST[:PORT][/PREFIX]` can be pushed to."""
    with pytest.raises(ValueError, match=r"."):
        PushTerminal(url)


def test_a_serial_number_is_needed() -> None:
    """A terminal without a serial number cannot push: nobody would know it."""
    with pytest.raises(ValueError, match="serial number"):
        PushTerminal("http://127.0.0.1", Terminal(Model(serial=None)))


# --- two doors, and by itself ---


def test_one_terminal_may_have_both_doors() -> None:
    """What is punched is in the log that is read over 4370 and is pushed; one clock shows on both."""
    held = terminal(3)
    with Booth() as booth, serve(held) as address, Client(address) as client:
        caller = PushTerminal(booth.url, held)
        caller.round()
        held.punch("1001")
        caller.round()
        client.connect()
        client.ask(Command.CLEAR_ATTLOG)
        held.punch("1002")
        booth.commands.append("C:1:CHECK")
        caller.round()
        caller.round()
    assert len(held.log) == 1
    assert [asked.body.count(b"\n") for asked in booth.posted()] == [3, 1, 1, 1]
    assert caller.acknowledged == held.history
    assert shows(caller, datetime(2026, 11, 22, 8, 59, 58))


@pytest.mark.parametrize("when_full", ["drop", "overwrite"])
def test_what_the_log_has_lost_is_not_sent(when_full: str) -> None:
    """A punch that was overwritten before it was delivered is gone."""
    held = Terminal(Model(capacity=2, when_full=when_full))  # type: ignore[arg-type]
    for number in range(5):
        held.punch(str(number))
    with Booth() as booth:
        caller = PushTerminal(booth.url, held)
        caller.round()
    assert [one.user_id for one in caller.acknowledged] == ["3", "4"]


def test_by_itself_it_pushes_each_punch_at_once() -> None:
    """While it goes on by itself, a punch is delivered long before the next poll is due, and no poll more
    is made for it.
    """
    held = terminal()
    with Booth() as booth:
        caller = PushTerminal(booth.url, held)
        with pushing(caller):
            _until(lambda: len(booth.posted("getrequest")) == 1)
            held.punch("1001")
            _until(lambda: caller.acknowledged == held.history)
        assert len(booth.posted("getrequest")) == 1


def test_its_waits_are_scaled() -> None:
    """With a pace of a thousandth, polls come every few milliseconds."""
    with Booth() as booth, pushing(PushTerminal(booth.url, terminal(), pace=0.001)):
        _until(lambda: len(booth.posted("getrequest")) > 5)


@pytest.mark.parametrize("keeps_open", [False, True])
def test_hanging_up_ends_a_request_at_once(keeps_open: bool) -> None:
    """A request under way does not hold up the end, over a new connection or one that was kept."""
    with Booth() as booth:
        caller = PushTerminal(booth.url, terminal(), PushModel(keeps_open=keeps_open))
        caller.step()
        booth.silent = True
        began = time.monotonic()
        with pushing(caller):
            _until(lambda: len(booth.requests) == 2)
        assert time.monotonic() - began < 2
        assert len(booth.requests) == 2


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
