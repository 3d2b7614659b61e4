"""The push door: a thousand terminals after a power cut, then their heartbeats; replays; finger to dashboard.

The terminals share the machine with `zkpoll serve`.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.benchmarks.measure import Row
from tests.fuzz.command import peak_in
from tests.look import look
from tests.serve.serving import Serving, serving
from tests.site import TOKEN, Site
from zkpoll.simulator import SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Scale

EACH: Final = 12
"""Punches that each of them has gathered while the power was away."""
POLLS: Final = 5
"""Heartbeats of each."""
BATCH: Final = 128
"""Lines of a post, as terminals were seen to send."""
FINGERS: Final = 20
AT_ONCE: Final = 200
"""Connections that the crowd opens at the same time: its routers let no more through in one moment."""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure a crowd, a replay and single punches."""
    with TemporaryDirectory() as folder, SampleDashboard(TOKEN) as dashboard:
        site = Site(Path(folder))
        devices = [f"name: t{number}, serial: T{number:04}, push: true" for number in range(scale.terminals)]
        site.write(dashboard.url, *devices, more="listen: {address: '127.0.0.1:0'}\n")
        with serving(site, "--no-deliver") as door:
            yield from _crowd(door, scale.terminals)
            yield from _replay(door, site, scale.records // 2 // BATCH * BATCH)
        with serving(site) as door:
            yield from _finger(door, dashboard)


def _crowd(door: Serving, terminals: int) -> Iterator[Row]:
    """Let all terminals begin at once: a handshake and a batch each. Then they only poll."""
    what = f"{terminals:,} terminals that push"
    before = _megabytes(door)
    began = time.perf_counter()
    asyncio.run(_all_of(door, [_handshake(n) for n in range(terminals)]))
    asyncio.run(_all_of(door, [_batch(n) for n in range(terminals)]))
    seconds = time.perf_counter() - began
    yield Row(f"{what}: all in after a power cut", seconds, target=0.03 * terminals)
    began = time.perf_counter()
    asyncio.run(_all_of(door, [_poll(n) for n in range(terminals)] * POLLS))
    a_round = (time.perf_counter() - began) / POLLS
    yield Row(f"{what}: a poll of each, of the 30 s it has", a_round, peer=30, target=0.2)
    yield Row(f"{what}: peak memory", _megabytes(door), "MB", target=200)
    yield Row(f"{what}: memory they took", _megabytes(door) - before, "MB")


def _replay(door: Serving, site: Site, count: int) -> Iterator[Row]:
    """Let one terminal send a log, and all of it again."""
    log = [_lines(start, BATCH) for start in range(0, count, BATCH)]
    first = _sent(door, log)
    had = _count(site)
    again = _sent(door, log)
    if _count(site) != had:
        raise RuntimeError("a replay added punches")
    yield Row(f"{count:,} punches pushed in batches of {BATCH}", first)
    yield Row("the same again: the first time", again, peer=first, target=0.7)


def _finger(door: Serving, dashboard: SampleDashboard) -> Iterator[Row]:
    """Let single people punch, and see when the dashboard has it."""
    _wait(dashboard)
    took = []
    for number in range(FINGERS):
        had, began = len(dashboard.events), time.perf_counter()
        door.push(f"7\t2027-01-01 00:00:{number:02}\t0\t1\t0\t0\t0", serial="T0007")
        while len(dashboard.events) == had:
            time.sleep(0.001)
        took.append(time.perf_counter() - began)
    yield Row(f"finger to dashboard, median of {FINGERS}", median(took), target=1)


# --- what terminals send ---


def _handshake(number: int) -> bytes:
    return _head("GET", f"/iclock/cdata?SN=T{number:04}&options=all&pushver=2.4.1&DeviceType=att")


def _poll(number: int) -> bytes:
    return _head("GET", f"/iclock/getrequest?SN=T{number:04}")


def _batch(number: int) -> bytes:
    body = _lines(number * EACH, EACH)
    return _head("POST", f"/iclock/cdata?SN=T{number:04}&table=ATTLOG&Stamp=9999", body)


def _lines(start: int, count: int) -> bytes:
    rows = []
    for number in range(start, start + count):
        minutes, second = divmod(number, 60)
        days, minutes = divmod(minutes, 1440)
        hour, minute = divmod(minutes, 60)
        time_ = f"2026-{1 + days // 28:02}-{1 + days % 28:02} {hour:02}:{minute:02}:{second:02}"
        rows.append(f"{1000 + number % 300}\t{time_}\t{number % 2}\t1\t0\t0\t0\n")
    return "".join(rows).encode()


def _head(method: str, target: str, body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: iClock Proxy/1.09\r\nConnection: close\r\n"
    return f"{head}Accept: */*\r\n{length}\r\n".encode() + body


async def _all_of(door: Serving, requests: list[bytes]) -> None:
    """Send requests, each on a connection of its own; all must be answered with 200."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(request: bytes) -> None:
        async with room:
            reader, writer = await asyncio.open_connection(*door.address)
            writer.write(request)
            answer = await reader.read()
            writer.close()
            if b" 200 " not in answer[:20]:
                raise RuntimeError(f"answered with {answer[:60]!r}")

    await asyncio.gather(*map(one, requests))


def _sent(door: Serving, bodies: list[bytes]) -> float:
    """Return the seconds in which one terminal has its batches taken, one after the other."""
    began = time.perf_counter()
    for body in bodies:
        heard = door.ask("/iclock/cdata?SN=T0000&table=ATTLOG&Stamp=9999", body)
        if heard.status != 200:
            raise RuntimeError(f"answered with {heard}")
    return time.perf_counter() - began


def _count(site: Site) -> int:
    return int(look(site.journal, "SELECT count(*) FROM punch")[0][0])


def _megabytes(door: Serving) -> float:
    return peak_in(Path(f"/proc/{door.process.pid}/status").read_text()) / 1_000_000


def _wait(dashboard: SampleDashboard) -> None:
    """Wait until the dashboard has what was journalled before."""
    had = -1
    while len(dashboard.events) != had:
        had = len(dashboard.events)
        time.sleep(2)
