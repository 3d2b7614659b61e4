"""The plainest client: one request, and the frames that come back until it is quiet."""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING, Any, Final, Self

import yaml

from zkpoll.simulator import Command, WireFrame
from zkpoll.simulator.wire import decode, encode, scramble_key, take_payloads, with_top

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_CAPTURES: Final = Path(__file__).parents[1] / "captures" / "4370.yaml"
LOG: Final = pack("<BHII", 1, Command.ATTLOG_RRQ, 0, 0)
USERS: Final = pack("<BHII", 1, Command.USERTEMP_RRQ, 5, 0)


@cache
def captures() -> list[dict[str, Any]]:
    """Return every published capture that has bytes."""
    listed = yaml.safe_load(_CAPTURES.read_text())["captures"]
    return [capture for capture in listed if capture.get("hex")]


def capture(name: str) -> bytes:
    """Return the bytes of capture `name`; of a TCP frame, its payload."""
    found = next(one for one in captures() if one["id"] == name)
    return payload_of(found)


def payload_of(found: dict[str, Any]) -> bytes:
    """Return the bytes of a capture without the TCP top."""
    raw = bytes.fromhex(str(found["hex"]))
    return raw[8:] if found["hex_scope"] == "tcp-frame" else raw


class Client:
    """A client over TCP or UDP. `wait` is the silence, in seconds, that ends an answer."""

    def __init__(self, address: tuple[str, int], udp: bool = False, wait: float = 0.3) -> None:
        kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, kind)
        self.socket.settimeout(wait)
        self.socket.connect(address)
        self.udp = udp
        self.session = 0
        self.reply_id = 0
        self.received = 0
        self.pieces: list[int] = []
        self._stream = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, command: int, data: bytes = b"") -> None:
        """Send one request."""
        payload = encode(WireFrame(command, self.session, self.reply_id, data))
        self.socket.sendall(payload if self.udp else with_top(payload))

    def ask(self, command: int, data: bytes = b"") -> WireFrame:
        """Send one request, and return the first frame of its answer."""
        self.send(command, data)
        frame = next(self.frames())
        self.reply_id += 1
        return frame

    def ask_all(self, command: int, data: bytes = b"") -> list[WireFrame]:
        """Send one request, and return every frame that comes until it is quiet."""
        self.send(command, data)
        self.reply_id += 1
        return list(self.frames())

    def connect(self, key: int | None = None) -> WireFrame:
        """CONNECT, and AUTH if there is a comm key; return the last answer."""
        answer = self.ask(Command.CONNECT)
        self.session = answer.session
        return answer if key is None else self.ask(Command.AUTH, scramble_key(key, self.session))

    def frames(self) -> Iterator[WireFrame]:
        """Yield frames until it is quiet or the terminal hangs up."""
        while True:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return
            if not data:
                return
            self.received += len(data)
            self.pieces.append(len(data))
            yield from self._decoded(data)

    def _decoded(self, data: bytes) -> Iterator[WireFrame]:
        self._stream += b"" if self.udp else data
        payloads = [data] if self.udp else list(take_payloads(self._stream))
        for payload in payloads:
            frame = decode(payload)
            assert frame is not None, "a wrong checksum"
            yield frame

    def hung_up(self) -> bool:
        """Return whether the terminal has closed the connection."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def read(self, table: bytes) -> bytes:
        """Read a whole table with 1503 and 1504."""
        answer = self.ask(Command.PREPARE_BUFFER, table)
        if answer.command == Command.DATA:
            return answer.data
        size = int.from_bytes(answer.data[1:5], "little")
        return self.slice(0, size)

    def slice(self, start: int, size: int) -> bytes:
        """Read `size` bytes from `start` of the prepared buffer, up to the last ACK_OK."""
        self.send(Command.READ_BUFFER, pack("<II", start, size))
        self.reply_id += 1
        body = b""
        for frame in self.frames():
            body += frame.data if frame.command == Command.DATA else b""
            if frame.command in {Command.ACK_OK, Command.ACK_ERROR}:
                break
        return body
