"""What a virtual terminal answers, without a socket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from struct import pack, unpack

import pytest

from tests.simulator.client import LOG, USERS, capture
from zkpoll.simulator import (
    ClientSession,
    Command,
    EnrolledUser,
    Faults,
    Model,
    Terminal,
    WireFrame,
    never,
    refuse,
)
from zkpoll.simulator.wire import decode, encode, scramble_key

Ask = Callable[..., list[WireFrame]]


def client_of(
    terminal: Terminal, connected: bool = True, seated: bool = False, largest: int | None = None
) -> Ask:
    """Return a function that asks `terminal`, in a session of its own."""
    session = ClientSession(seated=seated, largest=largest)

    def ask(command: int, data: bytes = b"", reply_id: int = 7) -> list[WireFrame]:
        request = encode(WireFrame(command, session.id, reply_id, data))
        frames = [decode(payload) for payload in terminal.reply(session, request)]
        return [frame for frame in frames if frame is not None]

    if connected:
        ask(Command.CONNECT)
    return ask


def option(ask: Ask, name: str) -> bytes:
    """Return the answer to the question for option `name`."""
    return ask(Command.OPTIONS_RRQ, name.encode() + b"\0")[0].data


def test_a_comm_key_is_asked_for() -> None:
    """With a comm key, CONNECT gets 2005, a wrong key 2005, the right one 2000, in one session."""
    ask = client_of(Terminal(Model(comm_key=12)), connected=False)
    first = ask(Command.CONNECT)[0]
    wrong = ask(Command.AUTH, scramble_key(45, first.session))[0]
    refused = ask(Command.GET_TIME)[0]
    right = ask(Command.AUTH, scramble_key(12, first.session))[0]
    codes = [frame.command for frame in (first, wrong, refused, right)]
    assert codes == [Command.ACK_UNAUTH] * 3 + [Command.ACK_OK]
    assert {frame.session for frame in (first, wrong, refused, right)} == {first.session}
    assert ask(Command.GET_TIME)[0].command == Command.ACK_OK


def test_nothing_is_answered_before_connect() -> None:
    """A command before CONNECT is refused, and so is one after EXIT."""
    ask = client_of(Terminal(), connected=False)
    assert ask(Command.GET_TIME)[0].command == Command.ACK_UNAUTH
    ask(Command.CONNECT)
    assert ask(Command.EXIT)[0].command == Command.ACK_OK
    assert ask(Command.GET_TIME)[0].command == Command.ACK_UNAUTH


def test_every_connect_makes_a_new_session() -> None:
    """Two CONNECTs in a row get different session ids."""
    ask = client_of(Terminal(), connected=False)
    assert ask(Command.CONNECT)[0].session != ask(Command.CONNECT)[0].session


def test_options_are_told_by_name() -> None:
    """A known option is answered `Name=value`, ended by a NUL."""
    terminal = Terminal(Model(serial="0123", options={"~Platform": "ZEM760_TFT"}))
    ask = client_of(terminal)
    assert option(ask, "~SerialNumber") == b"~SerialNumber=0123\0"
    published = decode(capture("zkp-platform-rep"))
    assert published is not None
    assert option(ask, "~Platform") == published.data
    assert option(ask, "WorkCode") == b"WorkCode=0\0"


@pytest.mark.parametrize("code", [Command.ACK_ERROR, Command.ACK_UNKNOWN])
def test_unknown_options_are_errors(code: int) -> None:
    """An unknown option, and the serial of a unit that tells none, gets the unit's error code."""
    ask = client_of(Terminal(Model(serial=None, unknown_option=code)))
    answers = [ask(Command.OPTIONS_RRQ, name)[0] for name in (b"FaceFunOn\0", b"~SerialNumber\0")]
    assert [frame.command for frame in answers] == [code, code]


def test_small_answers_have_their_published_shape() -> None:
    """Version is text alone, PIN width one byte, the state stands in the session field."""
    ask = client_of(Terminal(Model(firmware="Ver 6.60 (build39)")))
    published = {name: decode(capture(name)) for name in ("codefans-01", "zkp-state-rep")}
    version, state = published["codefans-01"], published["zkp-state-rep"]
    assert version is not None
    assert ask(Command.GET_VERSION)[0].data == version.data
    assert ask(Command.GET_PINWIDTH)[0].data == b"\x09"
    assert ask(Command.STATE_RRQ, reply_id=55)[0] == state


def test_unknown_commands_get_ffff() -> None:
    """A command this terminal does not know is answered 0xffff."""
    assert client_of(Terminal())(9999)[0].command == Command.ACK_UNKNOWN


@pytest.mark.parametrize("width", [92, 80, 112, 4])
def test_sizes_have_the_models_width(width: int) -> None:
    """The sizes reply is as wide as the model's; four bytes are one zero."""
    data = client_of(Terminal.with_samples(9, 5, Model(sizes=width)))(Command.GET_FREE_SIZES)[0].data
    assert len(data) == width
    assert data == b"\0\0\0\0" if width == 4 else unpack("<20I", data[:80])[4:9:2] == (5, 0, 9)


def test_sizes_may_be_refused_or_lie() -> None:
    """The sizes may be refused, tell no records, or be one behind."""
    assert client_of(Terminal(Model(sizes=None)))(50)[0].command == Command.ACK_ERROR
    terminal = Terminal.with_samples(9)
    ask = client_of(terminal)
    for faults, told in [(Faults(sizes_records=0), 0), (Faults(sizes_stale=1), 8)]:
        terminal.faults = faults
        assert unpack("<23I", ask(Command.GET_FREE_SIZES)[0].data)[8] == told


def test_the_clock_is_set_offset_and_frozen() -> None:
    """The clock tells what it was set to, and stands still if frozen."""
    terminal = Terminal()
    ask = client_of(terminal)
    ask(Command.SET_TIME, bytes.fromhex("580d0423"))
    assert (terminal.now() - datetime(2018, 4, 11, 9, 35, 20)).total_seconds() < 5
    terminal.set_clock(datetime(2014, 12, 7, 14, 22, 51), frozen=True)
    assert ask(Command.GET_TIME)[0].data == capture("time-tad")


def test_a_small_table_comes_at_once() -> None:
    """Seven users come in one DATA frame with the session id, as published."""
    ids = {1: "808", 2: "821", 3: "835", 4: "831", 5: "832", 6: "86", 12: "842"}
    users = [EnrolledUser(uid, name, privilege=14 * (uid == 1), group=0) for uid, name in ids.items()]
    answer = client_of(Terminal(users=users))(Command.PREPARE_BUFFER, USERS)
    published = decode(capture("pyzk-users-inline-7x72"))
    assert published is not None
    assert [(frame.command, frame.data) for frame in answer] == [(Command.DATA, published.data)]


def test_a_large_table_is_prepared_and_handed_out_in_slices() -> None:
    """A large table is announced in 13 bytes; any slice of it can be had, none beyond its end."""
    terminal = Terminal.with_samples(100)
    ask = client_of(terminal)
    announced = ask(Command.PREPARE_BUFFER, LOG)[0].data
    assert unpack("<BII", announced[:9]) == (0, 4004, 4004)
    assert len(announced) == 13
    prepare, data, ack = ask(Command.READ_BUFFER, pack("<II", 44, 40))
    assert (prepare.command, data.command, ack.command) == (1500, 1501, 2000)
    assert unpack("<II", prepare.data) == (40, 0x10000)
    assert data.data == terminal.log[1]
    assert ask(Command.READ_BUFFER, pack("<II", 3965, 40))[0].command == Command.ACK_ERROR
    ask(Command.FREE_DATA)
    assert ask(Command.READ_BUFFER, pack("<II", 0, 4))[0].command == Command.ACK_ERROR


def test_a_prepared_table_is_a_snapshot() -> None:
    """A punch after 1503 is not in the buffer, but in the next one."""
    terminal = Terminal.with_samples(100)
    ask = client_of(terminal)
    ask(Command.PREPARE_BUFFER, LOG)
    terminal.punch("1001")
    assert ask(Command.READ_BUFFER, pack("<II", 4004, 40))[0].command == Command.ACK_ERROR
    assert ask(Command.PREPARE_BUFFER, LOG)[0].data[1:5] == pack("<I", 4044)


@pytest.mark.parametrize(("ends", "last"), [("block", 3), ("bytes", 4004)])
def test_streams_count_blocks_in_the_session_field(ends: str, last: int) -> None:
    """Blocks are numbered from 0, and the last ACK_OK holds the last number or the byte count."""
    model = Model(block_size=1008, final_ack_field="block" if ends == "block" else "bytes")
    ask = client_of(Terminal.with_samples(100, model=model))
    prepare, *blocks, ack = ask(Command.ATTLOG_RRQ)
    assert unpack("<II", prepare.data) == (4004, 1008)
    assert [block.session for block in blocks] == [0, 1, 2, 3]
    assert [len(block.data) for block in blocks] == [1008, 1008, 1008, 980]
    assert ack.session == last


def test_a_k40s_small_log_is_streamed_as_published() -> None:
    """Three records by command 13: the K40's PREPARE_DATA and last ACK_OK, byte for byte."""
    ask = client_of(Terminal.with_samples(3, model=Model(block_size=1008)))
    prepare, data, ack = ask(Command.ATTLOG_RRQ, reply_id=2)
    for frame, name in (prepare, "k40-prepare"), (ack, "k40-final-ack"):
        published = decode(capture(name))
        assert published is not None
        assert frame._replace(session=published.session) == published
    assert len(data.data) == 124
    assert ack.session == 124


@pytest.mark.parametrize("command", [Command.ATTLOG_RRQ, Command.PREPARE_BUFFER])
def test_an_empty_log_is_an_error_with_session_0(command: int) -> None:
    """An empty log is answered as published; some models send an empty table instead."""
    published = decode(capture("jsspec-ack-error-empty-tcp"))
    assert client_of(Terminal())(command, LOG, reply_id=2) == [published]
    frames = client_of(Terminal(Model(empty_log="table")))(command, LOG)
    assert b"".join(frame.data for frame in frames if frame.command == 1501) == b"\0\0\0\0"


def test_the_legacy_command_streams_users() -> None:
    """Command 9 streams the user table."""
    terminal = Terminal.with_samples(0, 3)
    data = client_of(terminal)(Command.USERTEMP_RRQ, b"\x05")[1].data
    assert len(data) == 4 + 3 * 72


def test_legacy_rubbish_has_the_right_length() -> None:
    """Rubbish by command 13 is as long as the log; 1503 still tells the truth."""
    terminal = Terminal.with_samples(3, faults=Faults(legacy_rubbish=True))
    ask = client_of(terminal)
    true = ask(Command.PREPARE_BUFFER, LOG)[0].data
    rubbish = ask(Command.ATTLOG_RRQ)[1].data
    assert true[4:] == b"".join(terminal.log)
    assert len(rubbish) == len(true)
    assert rubbish[:4] == true[:4]
    assert rubbish != true


def test_nobody_punches_while_disabled() -> None:
    """A disabled terminal takes no punch until it is enabled, or restarted, unless it ignores it."""
    terminal = Terminal()
    ask = client_of(terminal)
    ask(Command.DISABLEDEVICE)
    assert terminal.disabled
    assert terminal.punch("1") is None
    terminal.faults = Faults(ignores_disable=True)
    assert terminal.punch("1") is not None
    ask(Command.ENABLEDEVICE)
    assert not terminal.disabled


def test_clearing_empties_the_log_unless_it_is_ignored() -> None:
    """CLEAR_ATTLOG empties the log and keeps the users; some units only say so."""
    terminal = Terminal.with_samples(10, 2, faults=Faults(ignores_clear=True))
    ask = client_of(terminal)
    assert ask(Command.CLEAR_ATTLOG)[0].command == Command.ACK_OK
    assert len(terminal.log) == 10
    terminal.faults = Faults()
    assert ask(Command.CLEAR_ATTLOG)[0].command == Command.ACK_OK
    assert (len(terminal.log), len(terminal.users), len(terminal.history)) == (0, 2, 10)
    ask(Command.CLEAR_DATA)
    assert not terminal.users


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (Model(capacity=3, when_full="stop"), [0, 1, 2]),
        (Model(capacity=3, when_full="drop", drop_count=2), [2, 3, 4]),
        (Model(capacity=3, when_full="overwrite"), [3, 4, 2]),
    ],
    ids=["stop", "drop", "overwrite"],
)
def test_a_full_log_stops_drops_or_overwrites(model: Model, left: list[int]) -> None:
    """At capacity: nothing more, or the oldest go, or the oldest is overwritten in place."""
    terminal = Terminal(model)
    taken = [terminal.append(bytes([row]) * 40) for row in range(5)]
    assert [row[0] for row in terminal.log] == left
    assert taken == [True, True, True] + [model.when_full != "stop"] * 2


def test_a_punch_is_numbered_and_remembered() -> None:
    """Punches are numbered from 1, carry the user's slot, and stay in the history."""
    terminal = Terminal(users=[EnrolledUser(7, "NB2401004")])
    first = terminal.punch("NB2401004", datetime(2026, 1, 2, 3, 4, 5), verify=4, state=1)
    second = terminal.punch("nobody")
    assert first is not None
    assert second is not None
    assert (first.number, first.uid, second.number, second.uid) == (1, 7, 2, 0)
    assert terminal.history == [first, second]


def test_commands_are_recorded_and_hooked() -> None:
    """Every command is recorded; a punch can land between any two of them."""
    terminal = Terminal.with_samples(3)
    ask = client_of(terminal)

    def somebody_punches(command: int) -> None:
        if command == Command.PREPARE_BUFFER:
            terminal.punch("1001")

    terminal.before_command = somebody_punches
    ask(Command.GET_FREE_SIZES)
    assert len(ask(Command.PREPARE_BUFFER, LOG)[0].data) == 4 + 4 * 40
    assert terminal.commands == [Command.CONNECT, Command.GET_FREE_SIZES, Command.PREPARE_BUFFER]


def test_handlers_and_rewrite_take_what_the_knobs_do_not_foresee() -> None:
    """A test can answer a command itself, and change any answer."""
    terminal = Terminal()
    ask = client_of(terminal)
    terminal.handlers[Command.GET_TIME] = lambda _, request: [WireFrame(6001, 0, request.reply_id)]
    terminal.rewrite = lambda request, answer: answer * 2 if request.command == 201 else answer
    assert [frame.command for frame in ask(Command.GET_TIME)] == [6001, 6001]


def test_requests_that_are_no_frames_are_counted() -> None:
    """A request with a wrong checksum gets no answer, and is counted."""
    terminal = Terminal()
    assert terminal.reply(ClientSession(), b"\0" * 8) == []
    assert terminal.rejected == 1


def test_a_command_is_never_answered_from_the_nth_time_for_m_times() -> None:
    """The second and third GET_TIME get no answer, the others do; setting faults counts anew."""
    terminal = Terminal(faults=Faults(instead=(never(Command.GET_TIME, first=2, times=2),)))
    ask = client_of(terminal)
    assert [len(ask(Command.GET_TIME)) for _ in range(5)] == [1, 0, 0, 1, 1]
    terminal.faults = terminal.faults
    assert [len(ask(Command.GET_TIME)) for _ in range(5)] == [1, 0, 0, 1, 1]


def test_a_lost_answer_may_hide_a_done_command() -> None:
    """The log is cleared although CLEAR_ATTLOG is never answered, if the fault says so."""
    terminal = Terminal.with_samples(5)
    ask = client_of(terminal)
    for carried_out, left in (False, 5), (True, 0):
        fault = never(Command.CLEAR_ATTLOG, carried_out=carried_out)
        terminal.faults = Faults(instead=(fault,))
        assert ask(Command.CLEAR_ATTLOG) == []
        assert len(terminal.log) == left


@pytest.mark.parametrize(
    ("command", "code"),
    [(Command.CONNECT, Command.CLOSED_FIRMWARE), (Command.PREPARE_BUFFER, Command.NOT_SUPPORTED)],
)
def test_a_command_is_refused(command: int, code: int) -> None:
    """Any command can be answered with any code."""
    ask = client_of(Terminal(faults=Faults(instead=(refuse(command, code),))))
    assert ask(command)[0].command == code


@pytest.mark.parametrize(
    ("when", "codes"),
    [
        ("sent", [1500, 1501, 1501, 2000]),
        ("missing", [1500, 1501, 1501]),
        ("early", [1500, 1501, 2000, 1501]),
        ("late", [1500, 1501, 1501]),
    ],
)
def test_the_last_ack_is_missing_late_or_early(when: str, codes: list[int]) -> None:
    """The last ACK_OK comes where it was told to; a late one stands before the answer to EXIT."""
    faults = Faults(final_ack=when)  # type: ignore[arg-type]
    ask = client_of(Terminal.with_samples(50, faults=faults), largest=1024)
    answer = ask(Command.ATTLOG_RRQ, reply_id=2)
    assert [frame.command for frame in answer] == codes
    assert len(ask(Command.EXIT, reply_id=3)) == (2 if when == "late" else 1)


def test_events_come_before_answers() -> None:
    """An event of 32 bytes comes in front of the answer, with the reply id it was given."""
    faults = Faults(events=(Command.GET_TIME,), event_reply_id=3)
    terminal = Terminal(faults=faults, users=[EnrolledUser(1, "999111333")])
    terminal.set_clock(datetime(2018, 6, 25, 17, 41, 5), frozen=True)
    event, answer = client_of(terminal)(Command.GET_TIME)
    published = decode(capture("zkp-event-attlog-32"))
    assert published is not None
    assert event == published._replace(reply_id=3)
    assert answer.command == Command.ACK_OK


def test_the_session_field_may_hold_anything() -> None:
    """With rubbish in the session field everything but the answer to CONNECT is affected."""
    ask = client_of(Terminal(faults=Faults(session_rubbish=True)), connected=False)
    session = ask(Command.CONNECT)[0].session
    assert {ask(Command.GET_TIME)[0].session for _ in range(5)} != {session}


def test_old_memory_differs_between_reads() -> None:
    """Two reads of one log differ where bytes mean nothing, and only there."""
    terminal = Terminal.with_samples(3, faults=Faults(old_memory=True))
    ask = client_of(terminal)
    first, second = (ask(Command.PREPARE_BUFFER, LOG)[0].data for _ in range(2))
    assert first != second
    assert first[:9] == second[:9]


def test_datagrams_never_carry_more_than_1024_bytes() -> None:
    """Over UDP tables come in blocks of 1024 bytes, whatever the model's block size."""
    model = Model(block_size=60000, inline_limit=60000)
    ask = client_of(Terminal.with_samples(100, model=model), largest=1024)
    assert ask(Command.PREPARE_BUFFER, LOG)[0].command == Command.ACK_OK
    frames = ask(Command.READ_BUFFER, pack("<II", 0, 4004))
    assert [len(frame.data) for frame in frames] == [8, 1024, 1024, 1024, 932, 0]
