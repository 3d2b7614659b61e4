"""How long a person waits for help, and what an idle run from cron costs."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.benchmarks.measure import Row, median_cost, run
from tests.benchmarks.serving import served
from tests.site import TOKEN, Site, entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Scale

_TIMES: Final = 9


def rows(_scale: Scale) -> Iterator[Row]:
    """Measure the CPU of whole processes, in turns."""
    with TemporaryDirectory() as folder, served("logs", 1000) as terminal, served("counting") as counter:
        site = Site(Path(folder))
        site.write(counter.said, entry("front", terminal.places[0]))
        zkpoll = [sys.executable, "-m", "zkpoll"]
        idle = [*zkpoll, "sync", "--config", str(site.inventory)]
        run(idle, {"TOKEN": TOKEN})
        commands = {
            "help": [*zkpoll, "--help"],
            "click": [sys.executable, "-c", "import click"],
            "idle": idle,
            "imports": [sys.executable, "-c", "import click, yaml, sqlite3"],
            "pydantic": [sys.executable, "-c", "import click, yaml, sqlite3, zkpoll.inventory"],
        }
        costs = [
            {name: run(command, {"TOKEN": TOKEN}) for name, command in commands.items()}
            for _ in range(_TIMES)
        ]
    cpu = {name: median_cost([turn[name] for turn in costs]).cpu for name in commands}
    yield Row("zkpoll --help, CPU: python -c 'import click'", cpu["help"], floor=cpu["click"], target=2.5)
    yield Row("an idle sync, CPU: 'import click, yaml, sqlite3'", cpu["idle"], floor=cpu["imports"], target=8)
    yield Row("an idle sync, CPU: the import of its inventory", cpu["idle"], floor=cpu["pydantic"], target=2)
