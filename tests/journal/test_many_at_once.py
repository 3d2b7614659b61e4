"""Many runs at one journal in PostgreSQL, each with a session of its own, which are killed at random.

Each does at random what a run does: it reads a log, from anywhere to anywhere, hears the same punches by
push, finds them in a database, sends what waits, settles what is answered and what is refused; some meet a
dashboard or give one up. Nobody knows what the others do. At the end the journal holds each record once, in
each outbox, and all sums are right.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.journal.helpers import SHOWN, Bridge, bucket, line, piece, punch, push, row, visit
from tests.journal.stores import InPostgres, _database
from tests.journal.test_commit_order import BESIDES, MISSED
from zkpoll.errors import Busy, JournalError
from zkpoll.journal.database import of_device
from zkpoll.journal.decisions import Decisions
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.log import Reading
from zkpoll.model.punch import punch_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.journal.database import Journal

DEVICES: Final = ("FRONT", "BACK", "SIDE")
DASHBOARDS: Final = ("main", "spare")
RECORDS: Final = 400
"""Of each device's log."""
RUNS: Final = 6
READING: Final = Reading(40, 0, 0, RECORDS, 50_000, 0.0, whole=True, before=0, continued=True)


@dataclass
class World:
    """What there is beside the journal."""

    brought: dict[str, set[int]] = field(default_factory=lambda: {key: set() for key in DEVICES})
    """The records of each device that a run has been told are on disk."""
    taken: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in DASHBOARDS})
    """How often each dashboard was sent each punch."""
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def reads(journal: Journal, world: World, chance: random.Random) -> None:
    """Read a part of a log in slices, under its lock, and note that it was read."""
    key = chance.choice(DEVICES)
    with journal.lock(f"device {key}"):
        reading = visit(journal, key.lower(), key)
        first = chance.randrange(RECORDS)
        for _ in range(chance.randint(1, 3)):
            numbers = range(first, min(RECORDS, first + chance.randint(1, 25)))
            reading.take(piece(*(punch(str(one % 7), one) for one in numbers)))
            world.brought[key].update(numbers)
            first = numbers.stop
        with journal.transaction(only=of_device(key)):
            Devices(journal).note_reading(key, READING)


def hears(journal: Journal, world: World, chance: random.Random) -> None:
    """Take what a device pushes, which holds no lock."""
    key = chance.choice(DEVICES)
    numbers = chance.sample(range(RECORDS), chance.randint(1, 8))
    push(journal, *(line(str(one % 7), one) for one in sorted(numbers)), name=key.lower(), key=key)
    world.brought[key].update(numbers)


def finds(journal: Journal, world: World, chance: random.Random) -> None:
    """Find punches of all devices in a database."""
    with journal.lock("database head-office"):
        bridge, found = Bridge(journal), []
        for key in DEVICES:
            numbers = chance.sample(range(RECORDS), 3)
            found += [row(str(one % 7), one, device=key, key=f"{key} {one}") for one in sorted(numbers)]
        bridge.take(bucket(1, *found, ends=False))
    for one in found:
        key, number = one.key.split()
        world.brought[key].add(int(number))


def delivers(journal: Journal, world: World, chance: random.Random) -> None:
    """Send what waits and settle what is answered, some of it refused, some not answered for."""
    name = chance.choice(DASHBOARDS)
    with journal.lock(f"dashboard {name}"):
        outbox = JournalOutbox(journal, name)
        for _ in range(chance.randint(1, 4)):
            if chance.random() < 0.2:
                events = outbox.parked(9, datetime.now(UTC)).events
            else:
                events = outbox.next(chance.randint(1, 30)).events
            ids = tuple(event.id for event in events)
            if not ids:
                return
            outbox.send(SentRequest(ids))
            with world.lock:
                world.taken[name].update(ids)
            refused = {one: "no" for one in ids if chance.random() < 0.1}
            answered = [one for one in ids if one not in refused]
            if chance.random() < 0.3:
                answered = answered[: len(answered) // 2]
                refused = {}
            outbox.settle(Settled(tuple(answered), parked=refused), [*answered, *refused])


def decides(journal: Journal, world: World, chance: random.Random) -> None:
    """Meet a dashboard that comes and goes."""
    del world
    if chance.random() < 0.5:
        JournalOutbox(journal, "passing")
    else:
        Decisions(journal, "passing").give_up()


WORK: Final[tuple[Callable[[Journal, World, random.Random], None], ...]] = (
    *(reads,) * 6,
    *(hears,) * 6,
    *(delivers,) * 6,
    finds,
    decides,
)


def runs(store: InPostgres, world: World, chance: random.Random, until: float) -> None:
    """Begin one piece of work after the other, each as a run of its own after a failure."""
    journal = opened(store)
    while time.monotonic() < until:
        work = chance.choice(WORK)
        try:
            work(journal, world, chance)
            world.done[work.__name__] += 1
        except Busy:
            continue
        except JournalError as error:
            world.failed[str(error).partition("zkpoll_")[2][13:]] += 1
            journal.__exit__(None, None, None)
            journal = opened(store)
    journal.__exit__(None, None, None)


def opened(store: InPostgres) -> Journal:
    """Open the journal, as often as it takes."""
    while True:
        with suppress(JournalError):
            return store.open()


def kills(chance: random.Random, until: float) -> int:
    """End sessions at random."""
    killed = 0
    with closing(psycopg.connect(_database(), autocommit=True)) as db:
        while time.monotonic() < until:
            time.sleep(chance.uniform(0.01, 0.15))
            killed += len(
                db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'zkpoll'"
                    " ORDER BY random() LIMIT 1"
                ).fetchall()
            )
    return killed


def check(store: InPostgres, world: World) -> None:
    """Each record is there once, in every outbox, counted; what is confirmed was sent."""
    expected = {
        (key, punch_id(key, str(one % 7), punch(str(one % 7), one).time.isoformat()))
        for key, some in world.brought.items()
        for one in some
    }
    found = store.look("SELECT device.key, punch.id FROM punch JOIN device ON device.id = punch.device")
    assert len(found) == len(set(found))
    missing, more = expected - set(found), set(found) - expected
    assert not missing
    assert store.look("SELECT 1 FROM punch WHERE nth <> 1 OR hold IS NOT NULL") == []
    whole = {
        (key, punch_id(key, str(one % 7), punch(str(one % 7), one).time.isoformat()))
        for key in DEVICES
        for one in range(RECORDS)
    }
    assert more <= whole  # of runs that were killed when they had ended
    assert store.look("SELECT 1 FROM punch WHERE substr(timestamp, 1, 4) <> '2026'") == []
    assert all(counted == shown for counted, shown in store.look(SHOWN))
    assert store.look(BESIDES.replace("punch <= after OR", "name <> 'passing' AND punch <= after OR")) == []
    confirmed = store.look(
        "SELECT name, punch.id FROM punch JOIN outbox ON seq = outbox.punch"
        " JOIN destination ON destination.id = destination WHERE outbox.state = 'confirmed'"
    )
    with store.open() as journal:
        for name, _ in journal.all("destinations"):
            outbox = JournalOutbox(journal, name)
            if name == "passing":
                assert outbox.recount() == outbox.counts()
                continue
            counts = outbox.recount()
            assert counts == outbox.counts()
            assert (counts.difference, counts.punches) == (0, len(found))
            assert {one for dashboard, one in confirmed if dashboard == name} <= world.taken[name].keys()
    assert store.look(MISSED) == []


@pytest.mark.parametrize("seed", [
    1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 5)),
])  # fmt: skip
def test_many_at_once(seed: int) -> None:
    """Nothing is lost, doubled, in no outbox or counted wrongly, and no two wait for each other for ever."""
    store, world, chance = InPostgres(), World(), random.Random(seed)
    try:
        with store.open() as journal:
            for name in (*DASHBOARDS, "passing"):
                JournalOutbox(journal, name)
        until = time.monotonic() + (2.5 if seed == 1 else 8)
        with ThreadPoolExecutor(RUNS + 1) as pool:
            killing = pool.submit(kills, random.Random(seed), until - 0.5)
            some = [
                pool.submit(runs, store, world, random.Random(chance.random()), until) for _ in range(RUNS)
            ]
            for one in some:
                one.result()
        assert killing.result()
        assert not [words for words in world.failed if not is_of_the_session(words)], world.failed
        assert min(world.done[work.__name__] for work in WORK) > 0
        check(store, world)
    finally:
        store.close()


def is_of_the_session(words: str) -> bool:
    """Say whether an error is that a session was ended."""
    return "not reachable" in words
