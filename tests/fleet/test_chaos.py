"""A fleet of which all is killed, frozen and started anew: each punch arrives once, nobody is shut out.

The dispatchers' clocks are ahead, a minute more each time: so spans go by in seconds. A failure names its
seed: with CHAOS_SEED in the environment, it is drawn again, as far as the machine lets it.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.bridge.own_postgres import OwnPostgres, why_not
from tests.cli.test_on_postgres import OnServer
from tests.crash.test_two_hosts import finished
from tests.fleet.brokers import QUEUES, SITES, InRabbit, InRedis, waiting
from tests.fleet.crowd import Crowd, People
from tests.fleet.fleet import END_SESSIONS, EVERY, FORGET_CLEARINGS, Worker, sent_by, start_dispatch
from tests.look import look
from tests.site import TOKEN, Site, entry
from tests.waiting import wait_for
from zkpoll.simulator import Command, HttpAnswer, SampleDashboard

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.fleet.brokers import Broker

WORKERS: Final = (
    ("--site", "dhaka", "--site", "sylhet"),
    ("--site", "khulna"),
    ("--deliver",),
    (),
)
_WORDS: Final = ("--threads", "16", "-v")
_QUIET: Final = 300
"""Seconds in which all that was left lying has to be done: a broken clearing is waited for, 60 s."""
_FAILURES: Final = (
    HttpAnswer(503, b"busy"),
    HttpAnswer(500, b"", keep=True),
    HttpAnswer(cut=True, body=b"", keep=True),
    HttpAnswer(delay=1.5),
)


class _Fleet:
    """Machines, their workers, and what they hang on."""

    LOST_JOURNAL: frozenset[int] = frozenset()
    """The exit code of what found no journal, where it can be away."""

    def __init__(
        self, dice: random.Random, hosts: Sequence[Site], between: Broker, dashboard: SampleDashboard
    ) -> None:
        self.dice = dice
        self.hosts = hosts
        self.between = between
        self.dashboard = dashboard
        self.workers: dict[tuple[str, ...], Worker] = {}
        self._wakings = ExitStack()
        self._coming: list[Callable[[], None]] = []
        self.locks_lost: list[float] = []
        self.codes = Counter[int]()
        """How dispatches ended."""
        self.done = Counter[str]()
        """What happened how often."""
        self.rounds = 0

    def start_workers(self) -> None:
        """Start those that do not run. One that found no journal has said so, and ended with 74."""
        for number, words in enumerate(WORKERS):
            old = self.workers.get(words)
            if old and old.process.poll() is None:
                continue
            if old:
                old.end()
                assert old.process.returncode in self.LOST_JOURNAL, (words, old.process.returncode, old.said)
                self.done["worker found no journal"] += 1
            self.workers[words] = Worker(self.hosts[number % 2], *words, *_WORDS)

    def dispatch(self) -> None:
        """Send what is due by two at once, of which none may fail but for what is away."""
        self.rounds += 1
        runs = [start_dispatch(host, ahead=self.rounds * EVERY) for host in self.hosts]
        self.suffer()
        for run in runs:
            ended = finished(run)
            self.codes[ended.code] += 1
            assert ended.code in {0, 1, *self.LOST_JOURNAL}, ended.err
            assert all(line.startswith("zkpoll: ") for line in ended.err.splitlines()), ended.err

    # --- what happens to it ---

    def suffer(self) -> None:
        """Let something happen, a moment after now; each thing in its turn, in whatever order."""
        time.sleep(self.dice.uniform(0, 0.7))
        if not self._coming:
            self._coming = self.calamities()
            self.dice.shuffle(self._coming)
        calamity = self._coming.pop()
        self.done[calamity.__name__.strip("_")] += 1
        calamity()

    def calamities(self) -> list[Callable[[], None]]:
        """Return what may happen."""
        return [self._kill_worker, self._kill_worker, self._freeze_worker, self._kill_broker, self._fail]

    def _one(self) -> tuple[str, ...]:
        return self.dice.choice(list(self.workers))

    def _kill_worker(self) -> None:
        self.workers.pop(self._one()).kill()

    def _freeze_worker(self) -> None:
        worker = self.workers[self._one()]
        worker.freeze()
        waking = threading.Timer(self.dice.uniform(1, 8), worker.wake)  # whoever waits for it or not
        self._wakings.callback(waking.join)
        waking.start()

    def wake_workers(self) -> None:
        """Wait until none stands still any more."""
        self._wakings.close()

    def _kill_broker(self) -> None:
        self.between.away()
        time.sleep(self.dice.uniform(0, 2))
        self.between.back()

    def _fail(self) -> None:
        self.dashboard.answers.extend(self.dice.choices(_FAILURES, k=3))

    def forget_clearings(self) -> None:
        """Let clearings be due again."""
        raise NotImplementedError

    def story(self) -> str:
        """Return what a person who looks for a fault wants to know."""
        queues = {one: waiting(self.between, one) for one in QUEUES}
        said = "\n".join(f"{words}: {one.said[-3000:]}" for words, one in self.workers.items())
        status = self.hosts[0].run("status", "--json").out
        return f"{self.done} {self.codes} {queues}\n{said}\n{status}"

    def end(self) -> None:
        """Kill what still runs."""
        self.wake_workers()
        for worker in self.workers.values():
            worker.kill()


class _OnFile(_Fleet):
    def forget_clearings(self) -> None:
        look(self.hosts[0].journal, FORGET_CLEARINGS.format(""))


class _OnServer(_Fleet):
    LOST_JOURNAL = frozenset({74})

    def __init__(self, server: OwnPostgres, url: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._server = server
        self._url = url

    def calamities(self) -> list[Callable[[], None]]:
        return [*super().calamities(), self._crash_journal, self._end_sessions]

    def _crash_journal(self) -> None:
        self.locks_lost.append(time.monotonic())
        self._server.crash()
        time.sleep(self.dice.uniform(0, 2))
        self._server.start()
        self.locks_lost.append(time.monotonic())

    def _end_sessions(self) -> None:
        self.locks_lost.append(time.monotonic())
        self._run(END_SESSIONS)

    def forget_clearings(self) -> None:
        self._run(FORGET_CLEARINGS.format("zkpoll."))

    def _run(self, statement: str) -> None:
        with closing(psycopg.connect(self._url, autocommit=True)) as db:
            db.execute(statement.encode())


@contextmanager
def _fleet(
    kind: str, folder: Path, popen: type[subprocess.Popen[Any]], dice: random.Random, crowd: Crowd
) -> Iterator[_Fleet]:
    """Give a fleet with one journal for a crowd of terminals, with its workers running."""
    with ExitStack() as stack:
        dashboard = stack.enter_context(SampleDashboard(TOKEN))
        hosts: list[Site] = []
        if kind == "sqlite":
            between: Broker = stack.enter_context(InRabbit())
            hosts = [Site(folder, popen)] * 2
            fleet: _Fleet = _OnFile(dice, hosts, between, dashboard)
        else:
            between = stack.enter_context(InRedis())
            server = OwnPostgres("-c", "max_connections=300")
            stack.callback(server.end)
            server.start()
            url = server.url.set(drivername="postgresql").render_as_string()
            for name in ("one", "other"):
                (folder / name).mkdir()
                hosts.append(OnServer(folder / name, popen, url))
            fleet = _OnServer(server, url, dice, hosts, between, dashboard)
        for host in hosts:
            _write(host, between, dashboard, crowd)
        stack.callback(fleet.end)
        fleet.start_workers()
        yield fleet


def _write(host: Site, between: Broker, dashboard: SampleDashboard, crowd: Crowd) -> None:
    """Name terminals by their serial numbers, at the sites in turns; one in five is cleared."""
    devices = []
    for number, (serial, where) in enumerate(crowd.places.items()):
        site = (*SITES, None)[number % (len(SITES) + 1)]
        settings = {"site": site} if site else {}
        settings |= {"clear": "confirmed"} if number % 5 == 0 else {}
        devices.append(entry(serial.lower(), where, **settings))
    sites = "".join(f"  {site}: {{}}\n" for site in SITES)
    host.write_for(
        f"url: '{dashboard.url}', token: '${{TOKEN}}', batch_size: 50, attempts: 1, retry_wait: 0",
        *devices,
        more=sent_by(between, host, more=f"sites:\n{sites}"),
    )


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kind", "terminals", "seconds"),
    [
        pytest.param("postgres", 300, 100, marks=pytest.mark.skipif(bool(why_not()), reason=str(why_not()))),
        ("sqlite", 60, 50),
    ],
)
def test_nothing_is_lost_doubled_crowded_or_left_disabled(
    tmp_path: Path, popen: type[subprocess.Popen[Any]], kind: str, terminals: int, seconds: float
) -> None:
    """Whatever is killed, frozen or away, and whoever sends twice: each punch arrives, as one, with proof."""
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(1_000_000)))
    print(f"CHAOS_SEED={seed}")  # noqa: T201  # shown with a failure, wherever that is
    dice = random.Random(seed)
    with (
        Crowd(terminals, records=20, delay=0.01) as crowd,
        _fleet(kind, tmp_path, popen, dice, crowd) as fleet,
    ):
        with People(crowd, seed, 0.04):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                fleet.dispatch()
                with suppress(psycopg.Error, sqlite3.OperationalError):
                    fleet.forget_clearings()
                fleet.start_workers()
                time.sleep(dice.uniform(0, 4))
        _come_to_rest(fleet, crowd)
        print(fleet.done, fleet.codes)  # noqa: T201  # what happened, beside a failure
        last = [finished(host.start("sync", "--json", "--full")) for host in fleet.hosts][-1]
        assert last.code == 0, last.err
        (sums,) = last.document()["sums"]["journal"].values()
        assert fleet.dashboard.events.keys() == crowd.punched
        assert fleet.dashboard.conflicts == []
        assert crowd.disabled == []
        assert crowd.crowded(fleet.locks_lost) == []
        assert (sums["punches"], sums["confirmed"]) == (len(crowd.punched), len(crowd.punched))
    cleared = sum(one.terminal.commands.count(Command.CLEAR_ATTLOG) for one in crowd.watched.values())
    assert cleared > 0, "no log was ever cleared"
    assert set(fleet.done) >= {"kill_worker", "freeze_worker", "kill_broker"}, "too little happened"


def _come_to_rest(fleet: _Fleet, crowd: Crowd) -> None:
    """Let all go on until everything is done; then every worker ends well."""
    fleet.dashboard.answers.clear()
    fleet.wake_workers()
    fleet.start_workers()
    punched, end = crowd.punched, time.monotonic() + _QUIET

    def is_done() -> bool:
        return not crowd.disabled and fleet.dashboard.events.keys() == punched

    while not is_done():
        left = punched - fleet.dashboard.events.keys()
        assert time.monotonic() < end, (
            f"{len(left)} never arrived; disabled: {crowd.disabled}; {fleet.story()}"
        )
        fleet.rounds += 1
        told = [finished(start_dispatch(host, ahead=fleet.rounds * EVERY)) for host in fleet.hosts]
        assert {one.code for one in told} <= {0, 1}, [one.err for one in told]
        fleet.start_workers()
        with suppress(AssertionError):
            wait_for(is_done, seconds=10)
    for worker in fleet.workers.values():
        worker.stop()
