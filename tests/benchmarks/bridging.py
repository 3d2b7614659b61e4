"""The bridge: an Access file and an SQL table of a million rows, read bare, for the first time, and idle.

All in one run: our reader beside `mdb-export`, our reading of SQL beside a bare SELECT of the same columns.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.benchmarks.measure import Row, run
from tests.bridge.jackcess import Checked, Jackcess, Machine, Person, why_not
from tests.look import look
from tests.site import TOKEN, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Scale

ROWS: Final = 1_000_000
PEOPLE: Final = 400
BEGIN: Final = datetime(2023, 1, 2, 6)
SERIAL: Final = "CQZ7224760045"
READ: Final = """
import sys
from pathlib import Path
from zkpoll.bridge.contract import Target
from zkpoll.bridge.opening import open_database
kind, file = sys.argv[1:3]
with open_database(Target(file, kind, file, file=Path(file))) as source:
    read = sum(len(piece.rows) for piece in source.read(source.fingerprints()))
if read != int(sys.argv[3]):
    raise SystemExit(f"{read} rows were read")
"""
"""Reads all rows of a file, and does nothing with them."""
SELECT: Final = """
import sqlite3, sys
columns = "id, emp_code, punch_time, punch_state, verify_type, work_code, terminal_sn"
rows = sqlite3.connect(sys.argv[1]).execute(f"SELECT {columns} FROM iclock_transaction")
if sum(1 for _ in rows) != int(sys.argv[2]):
    raise SystemExit("not all rows were read")
"""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure a million rows of each sort of database; that takes minutes."""
    if scale.short:
        return
    with TemporaryDirectory() as folder:
        if why_not() is None:
            yield from _access(Path(folder))
        yield from _sqlite(Path(folder))


def _access(folder: Path) -> Iterator[Row]:
    file = folder / "att2000.mdb"
    people = [Person(number, str(1000 + number)) for number in range(1, PEOPLE + 1)]
    with Jackcess() as jackcess:
        jackcess.att2000(file, _punches(), people, [Machine(1, SERIAL)])
    read = run([sys.executable, "-c", READ, "att2000", str(file), str(ROWS)])
    yield Row("Access file of 1,000,000 rows: its peak memory", read.megabytes, "MB", target=100)
    if program := shutil.which("mdb-export"):
        export = run([program, str(file), "CHECKINOUT"])
        what = "Access file of 1,000,000 rows, read: mdb-export"
        yield Row(what, read.seconds, peer=export.seconds, target=4)
    yield from _visits(folder / "access", f"kind: att2000, file: {file}", "an Access file")


def _punches() -> Iterator[Checked]:
    """Yield rows as the vendor's program writes them: no two of one person in one second."""
    for number in range(ROWS):
        round_, person = divmod(number, PEOPLE)
        moment = BEGIN + timedelta(hours=5 * round_, seconds=person * 7 % 3600)
        yield Checked(1 + person, moment, "IO"[round_ % 2], 1, "1", serial=SERIAL)


def _sqlite(folder: Path) -> Iterator[Row]:
    """The table of BioTime, in a file, so that no server's share of the machine is measured."""
    file = folder / "punches.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "CREATE TABLE iclock_transaction (id INTEGER PRIMARY KEY, emp_code TEXT, punch_time TEXT,"
            " punch_state TEXT, verify_type INTEGER, work_code TEXT, terminal_sn TEXT)"
        )
        rows = (
            (1 + at, str(1000 + one.user), f"{one.time:%F %T}", "0", 1, "0", SERIAL)
            for at, one in enumerate(_punches())
        )
        database.executemany("INSERT INTO iclock_transaction VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.commit()
    bare = run([sys.executable, "-c", SELECT, str(file), str(ROWS)])
    columns = (
        "columns: {id: id, user_id: emp_code, time: punch_time, state: punch_state, verify: verify_type,"
        " work_code: work_code, serial: terminal_sn}"
    )
    settings = f"kind: custom, file: {file}, table: iclock_transaction, {columns}"
    yield from _visits(folder / "sqlite", settings, "SQLite", bare.seconds)


def _visits(folder: Path, settings: str, what: str, bare: float | None = None) -> Iterator[Row]:
    """Run the real `zkpoll sync` twice: all rows are new, and none is."""
    folder.mkdir()
    site = Site(folder)
    site.write("http://127.0.0.1:9/", more=f"databases:\n  - {{name: office, {settings}}}\n")
    command = [sys.executable, "-m", "zkpoll", "sync", "--no-deliver", "--config", str(site.inventory)]
    first = run(command, {"TOKEN": TOKEN})
    count = look(site.journal, "SELECT count(*) FROM punch")[0][0]
    if count != ROWS:
        raise RuntimeError(f"{count} punches are in the journal")
    idle = run(command, {"TOKEN": TOKEN})
    whole = run([*command, "--full"], {"TOKEN": TOKEN})
    name = f"1,000,000 rows of {what}"
    if bare is not None:
        yield Row(f"{name}: first sync: a bare SELECT", first.seconds, floor=bare)
        yield Row(f"{name}: idle: a bare SELECT", idle.seconds, floor=bare, target=4)
    yield Row(f"{name}: idle: first sync", idle.seconds, peer=first.seconds, target=0.08)
    yield Row(f"{name}: --full: first sync", whole.seconds, peer=first.seconds, target=0.5)
    yield Row(f"{name}: its peak memory", first.megabytes, "MB", target=451)
    yield Row(f"{name}: journal, a row", site.journal.stat().st_size / ROWS, "B", target=600)
