"""The status page of 2,000 terminals, each with four weeks of punches: how long it takes, how large it is."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.benchmarks.measure import Row, in_turns, median_cost, run
from tests.browser.office import estate
from tests.look import look
from zkpoll.inventory import load
from zkpoll.journal.opening import open_journal
from zkpoll.reports.page.html import page
from zkpoll.reports.page.view import page_view
from zkpoll.reports.status import status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.benchmarks.measure import Scale
    from tests.browser.office import Place

_TERMINALS: Final = 2_000
_SECONDS: Final = 1.0
"""The most that the page may take, from the journal to its last tag."""
_KILOBYTES: Final = 1_000


def rows(scale: Scale) -> Iterator[Row]:
    """Measure the page beside `status`, which has the same numbers, and as commands."""
    with TemporaryDirectory() as name:
        place = estate(Path(name), _TERMINALS, a_day=1 if scale.short else 4)
        (punches,) = look(place.journal, "SELECT count(*) FROM punch")[0]
        inventory = load(place.inventory, {})
        with open_journal(place.journal, writable=False) as journal:

            def drawn() -> str:
                return page(page_view(inventory, journal, place.now))

            def listed() -> str:
                return json.dumps(status(inventory, journal, place.now).document())

            size = len(drawn().encode()) / 1000
            took = in_turns(5, page=partial(_cpu, drawn), status=partial(_cpu, listed))
        what = f"the page of {_TERMINALS:,} terminals, {punches:,} punches, CPU"
        yield Row(what, took["page"], target=_SECONDS)
        yield Row("the same, CPU: what status --json has", took["page"], peer=took["status"], target=4)
        yield Row("its size", size, unit="kB", target=_KILOBYTES)
        yield _commands(place, scale.turns)


def _cpu(work: Callable[[], object]) -> float:
    """Do it, and return its seconds of CPU: it waits for nobody, and others may be at work beside it."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _commands(place: Place, turns: int) -> Row:
    """Measure whole commands; most of both is to read and validate an inventory of so many terminals."""
    zkpoll = [sys.executable, "-m", "zkpoll", "status", "--config", str(place.inventory)]
    works = {
        "page": [*zkpoll, "--html", str(place.folder / "page.html")],
        "status": zkpoll,
    }
    costs = [{name: run(command, may_end_with=1) for name, command in works.items()} for _ in range(turns)]
    took = {name: median_cost([one[name] for one in costs]).seconds for name in works}
    return Row("zkpoll status --html of it: zkpoll status", took["page"], peer=took["status"], target=2)
