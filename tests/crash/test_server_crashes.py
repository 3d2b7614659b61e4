"""The PostgreSQL server of a journal crashes in the middle of runs, and comes back: nothing is lost.

A failure names its seed: with CRASH_SEED in the environment, it is drawn again.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.bridge.own_postgres import OwnPostgres, why_not
from tests.cli.test_on_postgres import OnServer
from tests.crash.test_two_hosts import finished, inventory, shown
from tests.site import TOKEN
from zkpoll.simulator import Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS: Final = 10
_BEGIN: Final = datetime(2026, 11, 22, 6)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_the_server_crashes_in_the_middle(tmp_path: Path, popen: type[subprocess.Popen[Any]]) -> None:
    """A run says so in one sentence (74), or was through; with the server back, the next one goes on."""
    seed = int(os.environ.get("CRASH_SEED", random.randrange(1_000_000)))
    print(f"CRASH_SEED={seed}")  # noqa: T201  # shown with a failure, wherever that is
    dice, seconds, lost, longest = random.Random(seed), 0, 0, 2.0
    serials = [f"GATE{number}" for number in range(3)]
    terminals = {serial: Terminal.with_samples(40, model=Model(serial=serial)) for serial in serials}
    with ExitStack() as stack:
        server = OwnPostgres()
        stack.callback(server.end)
        server.start()
        dashboard = stack.enter_context(SampleDashboard(TOKEN))
        served = {serial: stack.enter_context(serve(one)) for serial, one in terminals.items()}
        url = server.url.set(drivername="postgresql").render_as_string()
        host = OnServer(tmp_path, popen, url)
        inventory(host, dashboard, served)
        for _ in range(ROUNDS):
            for one in terminals.values():
                for user in dice.sample(one.users, 5):
                    seconds += 2
                    assert one.punch(user.user_id, _BEGIN + timedelta(seconds=seconds))
            began, run = time.monotonic(), host.start("sync")
            with suppress(subprocess.TimeoutExpired):
                run.wait(dice.uniform(0.1, 0.9) * longest)
                longest = time.monotonic() - began
            server.crash()
            result = finished(run)
            assert result.code in {0, 74}, result.err
            assert result.code == 0 or "not reachable" in result.err, result.err
            lost += result.code == 74
            server.start()
        for _ in range(2):
            last = finished(host.start("sync", "--json", "--full"))
        assert last.code == 0, last.err
        assert dashboard.events.keys() == shown(terminals)
        assert (dashboard.conflicts, [one for one in terminals.values() if one.disabled]) == ([], [])
        (sums,) = last.document()["sums"]["journal"].values()
    assert lost, "the server never crashed in the middle"
    assert (sums["punches"], sums["confirmed"]) == (len(dashboard.events), len(dashboard.events))
