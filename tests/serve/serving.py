"""A real `zkpoll serve` as a process, and callers over real sockets."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.look import look

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from tests.site import Site

SERIAL: Final = "CQZ7224760045"
GATE: Final = f"name: gate, serial: '{SERIAL}', push: true"
AWAY: Final = "http://127.0.0.1:9"
"""A dashboard where nobody listens."""


@dataclass(frozen=True)
class Heard:
    """An answer: its status and its body."""

    status: int
    text: str


def ask(
    line: socket.socket,
    target: str,
    body: bytes | None = None,
    method: str | None = None,
    *,
    host: str | None = "x",
    http: str = "1.1",
) -> Heard:
    """Send one request over a connection, and return the answer. Without `host` there is no such header.

    Raise `OSError` where there is no answer, or not all of it.
    """
    word = method or ("GET" if body is None else "POST")
    lines = [f"{word} {target} HTTP/{http}", *([f"Host: {host}"] if host else []), "Connection: close"]
    lines += [] if body is None else [f"Content-Length: {len(body)}"]
    line.sendall("\r\n".join([*lines, "", ""]).encode() + (body or b""))
    answer = b"".join(iter(lambda: line.recv(65536), b""))
    first, _, text = answer.partition(b"\r\n\r\n")
    told = re.search(rb"Content-Length: (\d+)", first)
    if told is None or (method != "HEAD" and len(text) != int(told[1])):
        raise ConnectionError("no whole answer")
    return Heard(int(first.split()[1]), text.decode())


class EndedError(Exception):
    """It ended before it listened; what it said."""


class Serving:
    """A running `zkpoll serve`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        """What it said on stderr since it listens."""
        assert process.stderr is not None
        self.before = ""
        """What it said until then."""
        while True:
            line = process.stderr.readline()
            self.before += line
            if not line:
                raise EndedError(self.before)
            if found := re.fullmatch(r"listening on (.*):(\d+)\n", line):
                break
        self.address = found[1], int(found[2])
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def url(self) -> str:
        """What is typed into a terminal."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def ask(self, target: str, body: bytes | None = None, method: str | None = None) -> Heard:
        """Send one request as terminals do, on a connection of its own, and return the answer."""
        with socket.create_connection(self.address, timeout=40) as line:
            return ask(line, target, body, method)

    def push(self, *records: str, serial: str = SERIAL, stamp: str = "9999") -> Heard:
        """Post lines of ATTLOG."""
        body = "".join(f"{record}\n" for record in records).encode()
        return self.ask(f"/iclock/cdata?SN={serial}&table=ATTLOG&Stamp={stamp}", body)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=40)
        self.end()
        return code

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait(timeout=40)
        self.end()

    def end(self) -> None:
        """Read the last of what it said."""
        self._reader.join(timeout=10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def serving(site: Site, *words: str) -> Iterator[Serving]:
    """Run `zkpoll serve` while inside; it is stopped at the end if it still runs."""
    running = Serving(site.start("serve", *words))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            assert running.stop() == 0
        running.end()


def write(site: Site, url: str = AWAY, devices: Sequence[str] = (GATE,), more: str = "") -> None:
    """Write an inventory with a listener at a free port."""
    site.write(url, *devices, more=f"listen: {{address: '127.0.0.1:0'}}\n{more}")


def journalled(site: Site) -> list[tuple[str, str]]:
    """Return the user ids and wall clock times of the punches in the journal, as they came."""
    return look(site.journal, "SELECT user_id, substr(timestamp, 1, 19) FROM punch ORDER BY seq")


def line(user: str, time: str, state: int = 0, verify: int = 1) -> str:
    """Return a line of ATTLOG."""
    return f"{user}\t{time}\t{state}\t{verify}\t0\t0\t0"
