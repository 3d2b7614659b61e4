"""The terminals of a network, found at a polite rate.

Each address gets one TCP connection and, where no terminal answers over that, one datagram. A terminal that
answers is asked for its serial number and model. Nothing on it is changed.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from zkpoll.errors import StopRun, TryLater, WrongKey, ZkpollError
from zkpoll.pull.diagnosis import Watched, speaks
from zkpoll.pull.link import Address, Limits

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable, Iterator, Sequence

    from zkpoll.pull.diagnosis import Hook

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network
    Around = Callable[[Address], AbstractContextManager[Hook]]

RATE: Final = 50.0
"""Probes a second; a network of 254 addresses takes ten seconds, and no switch takes that for an attack."""
TIMEOUT: Final = 1.0
"""Seconds; terminals answer within 0.15 s."""
AT_ONCE: Final = 64
_LIMIT: Final = 10.0
"""Seconds for one terminal that answers."""


@dataclass(frozen=True, slots=True)
class Responder:
    """A terminal, or something else, that answers on the port."""

    address: Address
    serial_number: str | None = None
    model: str | None = None
    kind: str | None = None
    """Kind of the error that kept it from telling what it is; None for a terminal that told."""
    problem: str | None = None
    """The trouble with it, in one sentence."""

    @property
    def terminal(self) -> bool:
        """Whether it is a terminal: one that told, or that asks for its comm key."""
        return self.kind in (None, WrongKey.kind)


def hosts(network: Network) -> list[str]:
    """Return the addresses of a network that hosts can have."""
    return [str(address) for address in network.hosts()]


def discover(
    addresses: Sequence[str],
    port: int = 4370,
    *,
    rate: float = RATE,
    stopped: Callable[[], bool] = lambda: False,
    around: Around = lambda _address: nullcontext(lambda _session: None),
) -> Iterator[Responder]:
    """Given addresses, yield the responders there, in their order.

    `around` is entered before a terminal is spoken to, and gives the hook that is called right after the
    login. Raise `Stopped` soon after `stopped` says so.
    """
    search = _Search(port, _Pace(rate, stopped), stopped, around)
    with ThreadPoolExecutor(AT_ONCE, "probe") as pool:
        yield from filter(None, pool.map(search.probe, addresses))


class _Pace:
    """The common pace of all threads: so many turns a second."""

    def __init__(self, rate: float, stopped: Callable[[], bool]) -> None:
        self._apart = 1 / rate
        self._limits = Limits(TIMEOUT, float("inf"), stopped)
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def wait(self) -> None:
        """Wait for one's turn."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._apart
        self._limits.check()
        self._limits.sleep(turn - time.monotonic())


@dataclass(frozen=True, slots=True)
class _Search:
    """One search, shared by its threads."""

    port: int
    pace: _Pace
    stopped: Callable[[], bool]
    around: Around

    def probe(self, host: str) -> Responder | None:
        """Return the responder at an address, over TCP or else over UDP; None when nothing answers."""
        address = Address(host, self.port)
        try:
            with self.around(address) as hook:
                self.pace.wait()
                over_tcp = self._asked(address, hook)
                if over_tcp and over_tcp.terminal:
                    return over_tcp
                self.pace.wait()
                udp = replace(address, transport="udp")
                over_udp = self._asked(udp, hook) if speaks(udp, self._limits()) else None
                return over_udp or over_tcp
        except TryLater as error:  # another run is at it
            return Responder(address, kind=error.kind, problem=f"{address}: {error}")

    def _asked(self, address: Address, hook: Hook) -> Responder | None:
        session = _OneKnock(address, limits=self._limits())
        try:
            with session:
                hook(session)
                serial, model = session.serial_number(), session.option("~DeviceName")
        except StopRun:
            raise
        except ZkpollError as error:
            return Responder(address, kind=error.kind, problem=str(error)) if session.opened else None
        return Responder(address, serial, model)

    def _limits(self) -> Limits:
        return Limits(TIMEOUT, _LIMIT, self.stopped)


class _OneKnock(Watched):
    """A session that knocks once."""

    knocks = 1
