"""A Redis of a test's own, on loopback, which keeps nothing: it can be killed, frozen and begun empty."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import redis
from redis.exceptions import ConnectionError as NotThereError

from tests.peers import free_ports
from tests.waiting import wait_for

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM: Final = shutil.which("redis-server")
WHY_NOT: Final = "no redis-server is installed"
SECRET: Final = "hunter2-of-the-broker"
"""The password of all brokers of tests."""


class OwnRedis:
    """A server in a folder of its own, for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="zkpoll-redis-")
        (self.port,) = free_ports(1)
        self.url = f"redis://:{SECRET}@127.0.0.1:{self.port}/0"
        self._settings = Path(self._folder.name) / "redis.conf"
        self._settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\nsave ''\nappendonly no\nrequirepass {SECRET}\n"
            f"dir {self._folder.name}\n"
        )
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it empty, and wait until it answers."""
        assert self._server is None
        assert PROGRAM, WHY_NOT
        self._server = subprocess.Popen([PROGRAM, str(self._settings)], stdout=subprocess.DEVNULL)
        wait_for(self._answers)

    def kill(self) -> None:
        """Kill it with SIGKILL, with all that waits in it."""
        if self._server:
            self._server.kill()
            self._server.wait(20)
            self._server = None

    def freeze(self) -> None:
        """Let it be silent: connections stay, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on where it was frozen."""
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        assert self._server
        self._server.send_signal(which)

    def client(self) -> redis.Redis:
        """Return a client that looks into it; who opens it closes it."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def _answers(self) -> bool:
        assert self._server
        assert self._server.poll() is None, "redis-server ended"
        try:
            with self.client() as client:
                return bool(client.ping())
        except NotThereError:
            return False
