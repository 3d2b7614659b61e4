"""What does not grow with the journal's years: the same commands on journals of very different size.

Each journal has the same terminal, whose log was read, and all of its history is confirmed.
"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.benchmarks.measure import Row, in_turns, run
from tests.benchmarks.serving import served
from tests.look import inside, look
from tests.site import TOKEN, Site, entry
from zkpoll.model.punch import punch_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Scale

_LOG: Final = 5_000
"""Records of the terminal, and the first of each journal."""
_A_DAY: Final = 300
"""Punches of a day in the history."""
_HISTORY: Final = """
WITH RECURSIVE past (n) AS (SELECT :had UNION ALL SELECT n + 1 FROM past WHERE n + 1 < :size),
made (user, wall, state) AS (
    SELECT CAST(1000 + n % 300 AS TEXT),
           strftime('%Y-%m-%dT%H:%M:%S', '1980-01-01', '+' || (n / :a_day) || ' days',
                    '+' || (n % :a_day * 60) || ' seconds'),
           n % 2
    FROM past)
INSERT INTO punch (id, device, device_name, user_id, timestamp, verify, state, work_code, clock_suspect,
                   source, journalled_at, kinds)
SELECT punch_id(:key, user, wall, 1), :device, 'front', user, wall || '+00:00', 1, state, 0, 0, 'pull',
       '2020-01-01T00:00:00.000+00:00', 8
FROM made
"""
_FORMS: Final = "INSERT INTO form SELECT device, randomblob(40), 1, seq FROM punch WHERE seq > :log"
_OUTBOX: Final = """
INSERT INTO outbox (destination, punch, state, changed_at)
SELECT 1, seq, 'confirmed', '2020-01-01T00:00:01.000+00:00' FROM punch WHERE seq > :log
"""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure commands on journals of all sizes, in turns; each size is held against the smallest."""
    with TemporaryDirectory() as name, served("logs", _LOG) as terminal, served("counting") as counter:
        sites: dict[str, Site] = {}
        journal: Path | None = None
        for size in scale.sizes:
            site = sites[f"{size:,}"] = Site(Path(name) / str(size))
            site.folder.mkdir()
            site.write(counter.said, entry("front", terminal.places[0]))
            if journal:
                shutil.copy(journal, site.journal)
            else:
                run(_command(site, "sync"), {"TOKEN": TOKEN})
            journal = site.journal
            _grow(journal, size)
            run(_command(site, "sync", "--full"), {"TOKEN": TOKEN})
        for what, words in _COMMANDS.items():
            works = {size: partial(_seconds, site, words) for size, site in sites.items()}
            took = in_turns(3, **works)
            smallest, *larger = took
            for many in larger:
                yield Row(f"{what}, {many} punches: {smallest}", took[many], peer=took[smallest], target=1.5)


_COMMANDS: Final = {
    "an idle sync": ("sync",),
    "status": ("status",),
    "outbox list": ("outbox", "list"),
    "explain": ("explain", "1007", "1980-02-03"),
    "one day's export": ("punches", "export", "--from", "1980-02-03", "--until", "1980-02-03"),
    "a preview of prune": ("journal", "prune", "--older-than", "400d", "--dry-run"),
}


def _command(site: Site, *words: str) -> list[str]:
    return [sys.executable, "-m", "zkpoll", *words, "--config", str(site.inventory)]


def _seconds(site: Site, words: tuple[str, ...]) -> float:
    return run(_command(site, *words), {"TOKEN": TOKEN}, may_end_with=1).seconds


def _grow(journal: Path, size: int) -> None:
    """Add history until there are `size` punches: read years ago, confirmed, off the terminal since long."""
    (had,) = look(journal, "SELECT count(*) FROM punch")[0]
    (log,) = look(journal, "SELECT max(seq) FROM punch")[0]
    with inside(journal) as db:
        db.create_function("punch_id", 4, punch_id, deterministic=True)
        device, key = db.execute("SELECT id, key FROM device").fetchone()
        given = {"had": had, "size": size, "a_day": _A_DAY, "device": device, "key": key}
        db.execute(_HISTORY, given)
        db.execute(_FORMS, {"log": log})
        db.execute(_OUTBOX, {"log": log})
        new = {"new": size - had}
        db.execute("UPDATE destination SET due = due + :new, confirmed = confirmed + :new", new)
