"""`zkpoll simulate` as clients in other languages use it.

`OneFrameARead` asks what zkteco-js 1.7 and node-zklib 1.3 ask, and reads as they do: of what one read brings
they see the head of it as one frame. The real ones are run where ZKPOLL_TEST_NPM is a folder in which
`npm install zkteco-js node-zklib` was done.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING, Final, Self

import pytest

from tests.simulator.client import LOG, Client
from tests.simulator.test_simulate import simulator
from zkpoll.simulator import Command, Listening, Model, Terminal, WireFrame, serve
from zkpoll.simulator.records import encode_user, table
from zkpoll.simulator.wire import encode, with_top

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK: Final = 65472
"""Bytes of the log that these clients ask for at once."""
_USERS: Final = bytes.fromhex("0109000500000000000000")
_LOG: Final = bytes.fromhex("010d000000000000000000")


class OneFrameARead:
    """A client that takes each read for one frame: `writeMessage` and `handleOnData` of zkteco-js."""

    def __init__(self, address: Listening) -> None:
        self.socket = socket.create_connection(address, 5)
        self.session = self.reply_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, command: int, data: bytes = b"") -> None:
        """Send a request under the next reply id."""
        self.reply_id = 0 if command == Command.CONNECT else self.reply_id + 1
        frame = WireFrame(command, self.session, self.reply_id, data)
        self.socket.sendall(with_top(encode(frame)))

    def ask(self, command: int, data: bytes = b"") -> bytes:
        """Return whatever the next read brings, behind the TCP top."""
        self.send(command, data)
        return self.socket.recv(65536)[8:]

    def connect(self) -> None:
        """Begin a session."""
        self.session = int.from_bytes(self.ask(Command.CONNECT)[4:6], "little")

    def sizes(self) -> tuple[int, int]:
        """Return the number of users and of records."""
        data = self.ask(Command.GET_FREE_SIZES)
        return int.from_bytes(data[24:28], "little"), int.from_bytes(data[40:44], "little")

    def table(self, request: bytes) -> bytes:
        """Return a table, with 1502 before and behind; less than that where frames came joined."""
        self.ask(Command.FREE_DATA)
        size = int.from_bytes(self.ask(Command.PREPARE_BUFFER, request)[9:13], "little")
        body = b""
        with suppress(TimeoutError):
            while len(body) < size:
                body += self._chunk(len(body), min(_CHUNK, size - len(body)))
        self.ask(Command.FREE_DATA)
        return body

    def _chunk(self, start: int, size: int) -> bytes:
        """Return one slice. Each read lets at most one frame out of the buffer."""
        self.send(Command.READ_BUFFER, pack("<II", start, size))
        buffer = taken = b""
        self.socket.settimeout(1)
        while len(taken) < size + 8:  # PREPARE_DATA has 8
            buffer += self.socket.recv(65536)
            end = 8 + int.from_bytes(buffer[4:6], "little")
            if len(buffer) >= end:
                taken, buffer = taken + buffer[16:end], buffer[end:]
        return taken[8:]


@pytest.mark.parametrize("records", [1000, 5000])
def test_a_client_that_sees_one_frame_a_read_gets_all(records: int) -> None:
    """Users, log, sizes and time are right for it, in this order, and so is the end."""
    terminal = Terminal.with_samples(records, model=Model(gap=0.03))
    with serve(terminal) as address, OneFrameARead(address) as client:
        client.connect()
        assert client.sizes() == (50, records)
        assert client.table(_USERS) == table(encode_user(user, 72) for user in terminal.users)
        assert client.table(_LOG) == table(terminal.log)
        assert client.sizes() == (50, records)
        assert len(client.ask(Command.GET_TIME)) == 12
        assert client.ask(Command.EXIT)[:2] == pack("<H", Command.ACK_OK)
        assert client.socket.recv(1) == b""


def test_the_command_leaves_such_a_gap_by_itself() -> None:
    """`zkpoll simulate` as it is: one frame a read, 1,000 of 1,000 records."""
    with simulator("--records", "1000") as running:
        read = []
        for _ in range(5):  # on a busy machine the reader may come late for once
            with OneFrameARead(running.address) as client:
                client.connect()
                read.append((len(client.table(_LOG)) - 4) // 40)
            if read[-1] == 1000:
                return
    pytest.fail(f"it got {read} of 1000")


def test_each_frame_comes_alone() -> None:
    """With `--gap` every frame is a read of its own; the end of an answer, too, if one waits for it."""
    options = ("--records", "100", "--gap", "30ms", "--block-size", "1008")
    with simulator(*options) as running, Client(running.address) as client:
        client.connect()
        client.pieces.clear()
        client.read(LOG)
    blocks = [16 + 1008] * 3 + [16 + 4004 - 3 * 1008]
    assert client.pieces == [16 + 13, 16 + 8, *blocks, 16]


def test_who_asks_on_before_the_end_gets_it_with_the_next_answer() -> None:
    """A client that asks on once it has the last DATA finds the stream's ACK_OK in front of that answer."""
    terminal = Terminal.with_samples(100, model=Model(gap=0.2))
    with serve(terminal) as address, Client(address) as client:
        client.connect()
        client.send(Command.ATTLOG_RRQ)
        frames = client.frames()
        assert [next(frames).command for _ in range(2)] == [Command.PREPARE_DATA, Command.DATA]
        client.pieces.clear()
        client.reply_id += 1
        client.send(Command.GET_TIME)
        last, answer = next(frames), next(frames)
        assert client.pieces == [16 + 20]
        assert (last.command, last.reply_id, answer.reply_id) == (Command.ACK_OK, 1, 2)


def test_who_asks_on_for_more_of_a_table_gets_each_frame_alone() -> None:
    """The ACK_OK of a slice is never joined with the head of the next one."""
    terminal = Terminal.with_samples(100, model=Model(gap=0.05))
    with serve(terminal) as address, Client(address) as client:
        client.connect()
        client.ask(Command.PREPARE_BUFFER, LOG)
        client.pieces.clear()
        for start in 0, 2000:
            client.send(Command.READ_BUFFER, pack("<II", start, 2000))
            client.reply_id += 1
        commands = [frame.command for frame in client.frames()]
    assert commands == [Command.PREPARE_DATA, Command.DATA, Command.ACK_OK] * 2
    assert client.pieces == [24, 2016, 16] * 2


def test_options_are_written_and_read_back() -> None:
    """Command 12 keeps an option for 11, whatever ends its text; without `=` it is refused."""
    with serve(Terminal()) as address, Client(address) as client:
        client.connect()
        for data in b"SDKBuild=1", b"DeviceID=7\0", b"~DeviceName=Front=door\0":
            assert client.ask(Command.OPTIONS_WRQ, data).command == Command.ACK_OK
        for data in b"SDKBuild", b"=1\0", b"":
            assert client.ask(Command.OPTIONS_WRQ, data).command == Command.ACK_ERROR
        assert client.ask(Command.REFRESHOPTION) == WireFrame(Command.ACK_OK, client.session, 7)
        told = [client.ask(Command.OPTIONS_RRQ, name).data for name in (b"SDKBuild\0", b"~DeviceName\0")]
    assert told == [b"SDKBuild=1\0", b"~DeviceName=Front=door\0"]


def test_capture_is_cancelled_and_taken_up_again() -> None:
    """Commands 62 and 60 are acknowledged, and the state tells the difference."""
    with serve(Terminal()) as address, Client(address) as client:
        client.connect()
        states = []
        for command in Command.CANCELCAPTURE, Command.STARTVERIFY:
            assert client.ask(command).command == Command.ACK_OK
            states.append(client.ask(Command.STATE_RRQ).session)
    assert states == [0, 2]


def test_numbers_of_commands() -> None:
    """The commands have the numbers of the published tables."""
    names = ("OPTIONS_WRQ", "STARTVERIFY", "CANCELCAPTURE", "REG_EVENT", "REFRESHOPTION")
    assert [Command[name] for name in names] == [12, 60, 62, 500, 1014]


@pytest.mark.parametrize(
    ("options", "width"), [((), 32), (("--layout", "16"), 12), (("--event-width", "10"), 10)]
)
def test_the_command_tells_of_punches(options: tuple[str, ...], width: int) -> None:
    """With `--punch-every`, a client that registered gets events of the width that the terminal has."""
    with simulator("--punch-every", "50ms", *options) as running, Client(running.address) as client:
        client.connect()
        client.send(Command.REG_EVENT, pack("<I", 1))
        frames = client.frames()
        events = [frame for frame in (next(frames) for _ in range(4)) if frame.command == Command.REG_EVENT]
    assert {len(frame.data) for frame in events} == {width}


_JAVASCRIPT: Final = """
const Client = require(process.argv[1]);
const tell = (what) => console.log('told ' + JSON.stringify(what));
(async () => {
  const unit = new Client('127.0.0.1', +process.argv[2], 4000, 5200);
  await unit.createSocket();
  tell((await unit.getInfo()).logCounts);
  tell((await unit.getUsers()).data.length);
  tell((await unit.getAttendances()).data.length);
  tell((await unit.getInfo()).userCounts);
  if (unit.getTime) await unit.getTime();
  tell(await unit.disconnect());
  process.exit(0);
})();
"""


@pytest.mark.skipif("ZKPOLL_TEST_NPM" not in os.environ, reason="no folder with the npm packages is named")
@pytest.mark.parametrize("package", ["zkteco-js", "node-zklib"])
def test_the_real_ones_get_all(package: str) -> None:
    """Unmodified zkteco-js and node-zklib read sizes, users, log and sizes again, and take their leave."""
    node, folder = shutil.which("node"), Path(os.environ["ZKPOLL_TEST_NPM"])
    assert node is not None
    with simulator() as running:
        command = [node, "-e", _JAVASCRIPT, package, str(running.address.port)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    told = [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("told ")]
    assert told == [1000, 50, 1000, 50, True], done.stderr
