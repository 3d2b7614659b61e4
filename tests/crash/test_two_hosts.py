"""Two hosts with one journal in PostgreSQL: one is killed, the server ends their sessions, people punch on.

A failure names its seed: with CRASH_SEED in the environment, it is drawn again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from contextlib import ExitStack, closing, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.cli.test_on_postgres import OnServer
from tests.journal.on_postgres import empty_database
from tests.site import TOKEN, Result, entry
from zkpoll.model.punch import punch_id
from zkpoll.simulator import Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.simulator import Listening

ROUNDS: Final = 10
_LONGEST: Final = 150
"""Seconds of a run: one that was killed while it cleared a terminal is waited for, 60 s at most."""
_BEGIN: Final = datetime(2026, 11, 22, 6)
_KILLED: Final = -signal.SIGKILL
_USUAL: Final = frozenset({0, 1, 74, 75, _KILLED})
"""How a run may end: 74 where its session was ended, 75 where the other host was at all it wanted."""
_END_SESSIONS: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'zkpoll'"
)


def shown(terminals: dict[str, Terminal]) -> set[str]:
    """Return the ids of all that people have punched at terminals, which are given by serial number."""
    return {
        punch_id(serial, record.user_id, record.time.isoformat())
        for serial, one in terminals.items()
        for record in one.history
    }


def inventory(host: OnServer, dashboard: SampleDashboard, terminals: dict[str, Listening]) -> None:
    """Name terminals by their serial numbers, the first of which is cleared, and small requests."""
    clears = dict.fromkeys(terminals, "never") | dict.fromkeys(list(terminals)[:1], "confirmed")
    host.write_for(
        f"url: '{dashboard.url}', token: '${{TOKEN}}', batch_size: 7, retry_wait: 0",
        *(entry(serial.lower(), where, clear=clears[serial]) for serial, where in terminals.items()),
    )


def finished(run: subprocess.Popen[str]) -> Result:
    """Wait for a run, also for one that waits for another's end."""
    with run:
        out, err = run.communicate(timeout=_LONGEST)
    return Result(run.returncode, out, err)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_hosts_are_each_others_spare(tmp_path: Path, popen: type[subprocess.Popen[Any]]) -> None:
    """Whoever is killed, and whatever session is ended: all arrives once, no terminal is left disabled."""
    seed = int(os.environ.get("CRASH_SEED", random.randrange(1_000_000)))
    print(f"CRASH_SEED={seed}")  # noqa: T201  # shown with a failure, wherever that is
    dice, seconds, ended = random.Random(seed), 0, list[Result]()
    serials = [f"GATE{number}" for number in range(4)]
    terminals = {serial: Terminal.with_samples(30, model=Model(serial=serial)) for serial in serials}
    with ExitStack() as stack:
        url = stack.enter_context(empty_database())
        dashboard = stack.enter_context(SampleDashboard(TOKEN))
        served = {serial: stack.enter_context(serve(one)) for serial, one in terminals.items()}
        hosts = []
        for name in ("one", "other"):
            (folder := tmp_path / name).mkdir()
            hosts.append(host := OnServer(folder, popen, url))
            inventory(host, dashboard, served)
        for _ in range(ROUNDS):
            for one in terminals.values():
                for user in dice.sample(one.users, 4):
                    seconds += 2
                    assert one.punch(user.user_id, _BEGIN + timedelta(seconds=seconds))
            runs = [host.start("sync") for host in hosts]
            victim = dice.choice((None, *runs))
            with suppress(subprocess.TimeoutExpired):
                runs[0].wait(dice.uniform(0.1, 1))
            if victim:
                victim.kill()
            elif dice.random() < 0.5:
                with closing(psycopg.connect(url, autocommit=True)) as db:
                    db.execute(_END_SESSIONS)
            ended += [finished(run) for run in runs]
        for host in hosts * 2:
            last = finished(host.start("sync", "--json", "--full"))
        assert {one.code for one in ended} <= _USUAL, [one.err for one in ended if one.code not in _USUAL]
        assert last.code == 0, last.err
        assert dashboard.events.keys() == shown(terminals)
        assert (dashboard.conflicts, [one for one in terminals.values() if one.disabled]) == ([], [])
        (sums,) = last.document()["sums"]["journal"].values()
    assert (sums["punches"], sums["confirmed"]) == (len(dashboard.events), len(dashboard.events))
    assert any(one.code == _KILLED for one in ended)
