"""Tables: whole, in slices, empty, refused, and with bytes missing or too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pull.devices import TIMEOUT, Network, check_whole, read, session, terminal_of, through
from zkpoll.errors import Refused, Silent, WireError, ZkpollError
from zkpoll.pull.device_tables import LOG, USERS, MaybeEmpty, Table
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.session import Session
from zkpoll.simulator import Command, Faults, WireFrame, refuse, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.simulator import ClientSession, Transport
    from zkpoll.simulator.terminal import Handler

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
LONG = 100
"""Records of a log that does not come at once."""


@BOTH
@pytest.mark.parametrize("size", [1, 4, 1008])
def test_a_table_may_come_at_once(transport: Transport, size: int) -> None:
    """A table that comes in answer to 1503 is had whole and in parts."""
    terminal = terminal_of()
    content = bytes(range(256)) * 4
    terminal.handlers[Command.PREPARE_BUFFER] = lambda s, r: [
        WireFrame(Command.DATA, s.id, r.reply_id, content[:size])
    ]
    with session(terminal, transport) as open_session:
        table = open_session.tables.prepare(LOG)
        assert table == Table(size, content[:size])
        assert b"".join(open_session.tables.runs(table)) == content[:size]
        assert b"".join(open_session.tables.runs(table, 4)) == content[4:size]
        assert open_session.tables.read(table, 2, 3) == content[:size][2:5]


@BOTH
@pytest.mark.parametrize(("table", "most"), [((LOG,), 64 << 20), (USERS, 8 << 20)])
def test_a_table_that_no_terminal_holds_is_refused(
    table: tuple[int, ...], most: int, transport: Transport
) -> None:
    """The size that 1503 tells is believed up to what terminals hold, and no further."""
    terminal, told = terminal_of(), iter((most, most + 1))
    terminal.handlers[Command.PREPARE_BUFFER] = lambda s, r: [
        WireFrame(Command.ACK_OK, s.id, r.reply_id, b"\0" + next(told).to_bytes(4, "little"))
    ]
    with session(terminal, transport) as open_session:
        assert open_session.tables.prepare(*table) == Table(most, None)
        with pytest.raises(WireError, match=f"table of {most + 1:,} bytes; no terminal holds more than"):
            open_session.tables.prepare(*table)


@BOTH
def test_a_slice_of_another_size_than_asked_is_refused(transport: Transport) -> None:
    """Fewer or more bytes announced than were asked for are no answer, whatever comes behind."""
    terminal = terminal_of(records=LONG)
    terminal.rewrite = lambda _, answer: [
        frame._replace(data=(999).to_bytes(4, "little")) if frame.command == Command.PREPARE_DATA else frame
        for frame in answer
    ]
    with session(terminal, transport) as open_session:
        table = open_session.tables.prepare(LOG)
        for size in (998, 1000):
            with pytest.raises(WireError, match=f"asked for {size} bytes of a table, got 999"):
                open_session.tables.read(table, 0, size)


@BOTH
def test_any_part_of_a_table_can_be_read(transport: Transport) -> None:
    """Any offset and size give those bytes of the table."""
    terminal = terminal_of(records=3000)
    whole = (40 * 3000).to_bytes(4, "little") + b"".join(terminal.log)
    with session(terminal, transport, timeout=1) as open_session:
        table = open_session.tables.prepare(LOG)
        assert table == Table(len(whole), None)
        for offset, size in ((0, 4), (4, 1), (17, 1023), (1000, 1025), (60_000, 50_000), (len(whole) - 1, 1)):
            assert open_session.tables.read(table, offset, size) == whole[offset : offset + size]
        assert b"".join(open_session.tables.runs(table)) == whole
        assert b"".join(open_session.tables.runs(table, 65_473)) == whole[65_473:]
        assert open_session.bytes_received >= 2 * len(whole) - 65_473


@BOTH
def test_a_slice_past_the_end_is_refused(transport: Transport) -> None:
    """What the terminal does not have, it refuses; nothing is made up."""
    with session(terminal_of(records=LONG), transport) as open_session:
        table = open_session.tables.prepare(LOG)
        with pytest.raises(Refused, match="the device answers command 1504 with 2001"):
            open_session.tables.read(table, table.size, 1)


@BOTH
def test_the_old_commands_read_tables_too(transport: Transport) -> None:
    """Commands 13 and 9 give the whole log and the whole user table."""
    terminal = terminal_of(records=1500)
    with session(terminal, transport) as open_session:
        log = open_session.tables.read_whole(LOG)
        users = open_session.tables.read_whole(*USERS)
    assert log.content
    assert log.content[4:] == b"".join(terminal.log)
    assert users.size == 4 + 50 * 72


@pytest.mark.parametrize("number", range(1, 14))
@pytest.mark.parametrize("fate", ["lost", "doubled", "swapped"])
def test_an_old_command_is_given_again_where_a_datagram_is_lost(number: int, fate: str) -> None:
    """A table that cannot be asked for in parts is asked for again, whichever datagram was lost."""
    terminal = terminal_of(records=200)
    with serve(terminal, transport="udp") as device, through(Network.bad("back", number, fate), device) as at:
        limits = Limits(TIMEOUT, 30)
        with Session(Address(*at, "udp"), limits=limits) as open_session:
            table = open_session.tables.read_whole(LOG)
    assert table.content == (8000).to_bytes(4, "little") + b"".join(terminal.log)


def test_a_table_that_is_never_whole_is_given_up() -> None:
    """A table of which a part is lost every time is given up, in words."""
    terminal = terminal_of(records=200)
    terminal.rewrite = lambda request, answer: [
        frame for number, frame in enumerate(answer) if request.command != LOG or number != 3
    ]
    with session(terminal, "udp") as open_session, pytest.raises(Silent, match="each time"):
        open_session.tables.read_whole(LOG)


def test_the_general_error_may_mean_empty() -> None:
    """Code 2001 is told from codes that cannot mean an empty table."""
    terminal = terminal_of()
    terminal.faults = Faults(instead=(refuse(LOG, 2001, times=1), refuse(LOG, 4989, first=2)))
    with session(terminal) as open_session:
        with pytest.raises(MaybeEmpty):
            open_session.tables.read_whole(LOG)
        with pytest.raises(Refused) as caught:
            open_session.tables.read_whole(LOG)
    assert type(caught.value) is Refused


def stream(size: int, *parts: bytes) -> Callable[[ClientSession, WireFrame], list[WireFrame]]:
    """Return a handler that announces `size` bytes and sends `parts`."""
    return lambda client, request: [
        WireFrame(Command.PREPARE_DATA, client.id, request.reply_id, size.to_bytes(4, "little")),
        *(WireFrame(Command.DATA, number, request.reply_id, part) for number, part in enumerate(parts)),
        WireFrame(Command.ACK_OK, size & 0xFFFF, request.reply_id),
    ]


@pytest.mark.parametrize(
    ("handler", "error", "message"),
    [
        (stream(9, b"12345"), Silent, "no answer"),
        (stream(9, b"12345", b"67890"), WireError, "a stream of 9 bytes brought 1 too many"),
        (stream(5, b"12345"), WireError, "asked for 9 bytes of a table, got 5"),
        (lambda s, r: [WireFrame(Command.DATA, s.id, r.reply_id, b"1")], WireError, "asked for 9 bytes"),
        (lambda s, r: [WireFrame(Command.ACK_OK, s.id, r.reply_id)], WireError, "a table was due"),
        (lambda s, r: [WireFrame(Command.PREPARE_DATA, s.id, r.reply_id)], WireError, "a table was due"),
        (lambda s, r: [WireFrame(Command.ACK_ERROR, s.id, r.reply_id)], Refused, "command 1504 with 2001"),
    ],
)
def test_a_slice_that_is_not_the_one_asked_for(
    handler: Handler, error: type[ZkpollError], message: str
) -> None:
    """Too little, too much or something else than a slice is an error, never a table."""
    terminal = terminal_of(records=LONG)
    terminal.handlers[Command.READ_BUFFER] = handler
    with session(terminal) as open_session:
        table = open_session.tables.prepare(LOG)
        with pytest.raises(error, match=message):
            open_session.tables.read(table, 0, 9)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\1\2\3"])
def test_a_table_without_a_size(data: bytes) -> None:
    """A terminal that lays a table out without telling its size is not guessed at."""
    terminal = terminal_of()
    terminal.handlers[Command.PREPARE_BUFFER] = lambda s, r: [
        WireFrame(Command.ACK_OK, s.id, r.reply_id, data)
    ]
    with session(terminal) as open_session, pytest.raises(WireError, match="without telling its size"):
        open_session.tables.prepare(LOG)


@pytest.mark.parametrize(
    "answer", [(Command.DATA, b""), (Command.PREPARE_DATA, bytes(8)), (Command.ACK_OK, bytes(13))]
)
def test_a_table_of_no_bytes_may_mean_empty(answer: tuple[int, bytes]) -> None:
    """A table without even its length is none, and may be how a terminal says that there is none."""
    terminal = terminal_of()
    command, data = answer
    terminal.handlers[Command.PREPARE_BUFFER] = lambda s, r: [WireFrame(command, s.id, r.reply_id, data)]
    with session(terminal) as open_session, pytest.raises(MaybeEmpty, match="for command 13 has no bytes"):
        open_session.tables.prepare(LOG)


def test_freeing_a_table_may_be_refused() -> None:
    """A terminal that refuses to free its table frees it at EXIT."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(instead=(refuse(Command.FREE_DATA, 0xFFFF),))
    check_whole(terminal, *read(terminal))
