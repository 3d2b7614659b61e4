"""Machines of a fleet: an inventory with `workers:`, the real `zkpoll dispatch` and `zkpoll worker`."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tests.fleet.own_redis import SECRET
from tests.host_clock import on_a_host
from tests.waiting import wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.fleet.brokers import Broker
    from tests.site import Result, Site

LONGEST_END: Final = 15.0
"""Seconds that a worker has to end in, once it was asked to."""
EVERY: Final = timedelta(minutes=1)
"""What inventories here say: as short as it may be."""
FORGET_CLEARINGS: Final = (
    "UPDATE {}errand SET sent_at = '2000-01-01T00:00:00.000+00:00' WHERE subject LIKE 'clear %'"
)
"""A clearing is sent again once the log was read after that: by the reader's clock, which is behind here."""
END_SESSIONS: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'zkpoll'"
)
_NOW: Final = timedelta(0)


def sent_by(between: Broker, site: Site, *, every: str = "1m", more: str = "") -> str:
    """Return the part of a site's inventory that names its broker, and let the site know the password."""
    site.environment["BROKER_PASSWORD"] = SECRET
    url = between.url.replace(SECRET, "${BROKER_PASSWORD}")
    return f"workers: {{broker: '{url}', every: {every}}}\n{more}"


def dispatch(site: Site, *, ahead: timedelta = _NOW) -> Result:
    """Send what is due, on a host whose clock is a span ahead, and so far more.

    Else a span may end while a test is at it; and with it, what was sent.
    """
    return site.finish(start_dispatch(site, ahead=ahead))


def start_dispatch(site: Site, *, ahead: timedelta = _NOW) -> subprocess.Popen[str]:
    """Start to send what is due, as `dispatch` does."""
    with on_a_host(site, ahead=EVERY + ahead):
        return site.start("dispatch")


class Worker:
    """A running `zkpoll worker`."""

    def __init__(self, site: Site, *words: str) -> None:
        self.process = site.start("worker", *words)
        self.lines: list[str] = []
        """What it has said on stderr."""
        self.printed: list[str] = []
        """What it has said on stdout."""
        self._readers = [
            threading.Thread(target=self._read, args=pair)
            for pair in ((self.process.stderr, self.lines), (self.process.stdout, self.printed))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Iterator[str], lines: list[str]) -> None:
        for line in stream:
            lines.append(line)  # noqa: PERF402  # others look at it meanwhile

    @property
    def said(self) -> str:
        """All that it has said on stderr."""
        return "".join(self.lines)

    def wait_until_it_says(self, text: str, seconds: float = 30) -> None:
        """Wait until something was said; fail where it ends before."""

        def has_said() -> bool:
            over = self.process.poll() is not None
            assert text in self.said or not over, self.said
            return text in self.said

        wait_for(has_said, seconds)

    def freeze(self) -> None:
        """Let it stand still."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, which: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to end; return the seconds that it took. It has to end well, and within its time."""
        began = time.monotonic()
        self.process.send_signal(which)
        code = self.process.wait(timeout=4 * LONGEST_END)
        took = time.monotonic() - began
        self.end()
        assert (code, took < LONGEST_END) == (0, True), f"code {code} after {took:.1f} s: {self.said}"
        return took

    def kill(self) -> None:
        """Kill it, also if it is frozen."""
        self.process.kill()
        self.process.wait(timeout=20)
        self.end()

    def end(self) -> None:
        """Read the last of what it said."""
        for reader in self._readers:
            reader.join(timeout=20)
            assert not reader.is_alive(), "somebody else has its streams"
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()
        assert SECRET not in self.said + "".join(self.printed)


@contextmanager
def working(site: Site, *words: str) -> Iterator[Worker]:
    """Let a worker run while inside. It ends well after that, if it still runs."""
    worker = Worker(site, *words)
    try:
        yield worker
    except BaseException:
        worker.kill()
        print(worker.said)  # noqa: T201  # shown with a failure
        raise
    if worker.process.poll() is None:
        worker.stop()
    worker.end()
