"""Visits by `zkpoll sync`, by a worker, and by a worker from which the journal is 50 ms away."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import psycopg
from _pytest.outcomes import Skipped

from tests.benchmarks.measure import Row, in_turns, run
from tests.benchmarks.serving import served
from tests.benchmarks.stores import far
from tests.cli.test_on_postgres import OnServer
from tests.fleet.brokers import broker
from tests.fleet.fleet import sent_by, working
from tests.fleet.own_redis import SECRET
from tests.journal.on_postgres import empty_database
from tests.site import TOKEN, Site, entry
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.measure import Scale
    from tests.fleet.brokers import Broker
    from zkpoll.simulator import Listening

_REPLY: Final = 0.02
"""Seconds before each answer of a terminal."""
_THREADS: Final = 32
"""Visits at the same time, of a run and of a worker."""
_WORDS: Final = ("--site", "plant", "--threads", str(_THREADS))
_LONGEST: Final = 300.0
"""Seconds for all of them."""
_ALL_ARE_DUE: Final = "UPDATE zkpoll.errand SET until = NULL, taken = NULL, done_at = NULL"
_DONE: Final = (
    "SELECT count(*) FROM zkpoll.errand WHERE taken = until AND done_at IS NOT NULL AND outcome = 'ok'"
)


def rows(scale: Scale) -> Iterator[Row]:
    """Measure visits to terminals that have nothing new, each figure beside that of the way before it."""
    count = 100 if scale.short else 300
    with TemporaryDirectory() as name, ExitStack() as stack:
        try:
            url = stack.enter_context(empty_database())
            between = stack.enter_context(broker("redis"))
        except Skipped:
            return  # no PostgreSQL, or no Redis
        places = stack.enter_context(served("idle", count, _REPLY)).places
        in_a_file = _site(Site(_folder(name, "file")), places, between)
        on_server = _site(OnServer(_folder(name, "near"), subprocess.Popen, url), places, between)
        away = OnServer(_folder(name, "far"), subprocess.Popen, stack.enter_context(far(url)))
        away.environment |= on_server.environment
        for site in (in_a_file, on_server):
            _sync(site)
        took = in_turns(scale.turns, file=partial(_sync, in_a_file), server=partial(_sync, on_server))
        what = f"{count} terminals, {_REPLY * 1000:.0f} ms a reply"
        yield Row(f"{what}: a run, journal in PostgreSQL", took["server"], peer=took["file"], target=1.5)
        with working(on_server, *_WORDS) as worker:
            worker.wait_until_it_says("taking errands")
            near = in_turns(scale.turns, work=partial(_worked, on_server, url, count))["work"]
        yield Row(f"{what}: a worker", near, peer=took["server"], target=1.8)
        _site(away, places, between)
        with working(away, *_WORDS) as worker:
            worker.wait_until_it_says("taking errands")
            distant = in_turns(1, work=partial(_worked, on_server, url, count))["work"]
        yield Row(f"{what}: a worker 50 ms from it", distant, peer=near, target=15)


def _folder(parent: str, name: str) -> Path:
    (folder := Path(parent) / name).mkdir()
    return folder


def _site(site: Site, places: Sequence[Listening], between: Broker) -> Site:
    """Write the inventory of a site, and return it."""
    devices = [entry(f"d{number}", where, site="plant") for number, where in enumerate(places)]
    more = sent_by(between, site, every="1d", more=f"parallel: {_THREADS}\nsites:\n  plant: {{}}\n")
    site.write("http://127.0.0.1:9/", *devices, more=more, timeout=10)
    return site


def _sync(site: Site) -> float:
    """Return the seconds of a run that visits all of them."""
    command = [sys.executable, "-m", "zkpoll", "sync", "--no-deliver", "--config", str(site.inventory)]
    return run(command, {"TOKEN": TOKEN, "BROKER_PASSWORD": SECRET}).seconds


def _worked(site: Site, url: str, count: int) -> float:
    """Return the seconds from the start of a dispatch until a worker has visited all of them."""
    with closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute(_ALL_ARE_DUE)
        began = time.perf_counter()
        if site.run("dispatch").code:
            raise RuntimeError("not all was sent")

        def is_done() -> bool:
            time.sleep(0.02)
            (found,) = db.execute(_DONE).fetchall()
            return bool(found[0] >= count)

        wait_for(is_done, _LONGEST)
        return time.perf_counter() - began
