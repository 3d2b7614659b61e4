"""A vendor's database beside the terminals: a SQLite file with the tables of ZKTime 5."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

SERIAL = "OFFICE1"
_BEGIN = datetime(2026, 10, 1, 8)


class Office:
    """The file, and what it ever held."""

    def __init__(self, path: Path, random: Random) -> None:
        self.path = path
        self.shown: set[tuple[str, datetime]] = set()
        """User id and time of every row there ever was. All are check-ins by finger."""
        self._random = random
        self._day = 0
        with closing(sqlite3.connect(path)) as db, db:
            db.executescript(
                "CREATE TABLE CHECKINOUT (USERID INTEGER, CHECKTIME TEXT, CHECKTYPE TEXT, VERIFYCODE INTEGER,"
                " SENSORID TEXT, PRIMARY KEY (USERID, CHECKTIME));"
                "CREATE TABLE USERINFO (USERID INTEGER PRIMARY KEY, Badgenumber TEXT);"
                "CREATE TABLE Machines (ID INTEGER PRIMARY KEY, MachineNumber INTEGER, sn TEXT);"
                "INSERT INTO USERINFO VALUES (1, '1001'), (2, '1002'), (3, '1003');"
            )
            db.execute("INSERT INTO Machines VALUES (1, 1, ?)", [SERIAL])
        self.people_punch()
        self.people_punch()

    @property
    def entry(self) -> str:
        """Return it for an inventory."""
        return f"name: office, kind: att2000, file: '{self.path}'"

    def people_punch(self) -> None:
        """Add some rows of a new day, and a late one of the day before."""
        self._day += 1
        with closing(sqlite3.connect(self.path)) as db, db:
            for minute in self._random.sample(range(600), 12):
                self._punch(db, timedelta(days=self._day, minutes=minute))
            self._punch(db, timedelta(days=self._day - 1, minutes=self._random.randrange(700, 900)))

    def _punch(self, db: sqlite3.Connection, since: timedelta) -> None:
        number, badge = self._random.choice(db.execute("SELECT * FROM USERINFO").fetchall())
        self.shown.add((badge, _BEGIN + since))
        db.execute(
            "INSERT OR IGNORE INTO CHECKINOUT VALUES (?, ?, 'I', 1, '1')", [number, str(_BEGIN + since)]
        )

    def a_year_ends(self) -> None:
        """Let its oldest day and one row more be deleted, all people be renumbered, and others punch."""
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(
                "DELETE FROM CHECKINOUT WHERE date(CHECKTIME) = (SELECT min(date(CHECKTIME)) FROM CHECKINOUT)"
            )
            db.execute("DELETE FROM CHECKINOUT WHERE CHECKTIME = (SELECT min(CHECKTIME) FROM CHECKINOUT)")
            for table in ("CHECKINOUT", "USERINFO"):
                for new in ("-(USERID % 3 + 1)", "-USERID"):  # first out of each other's way
                    db.execute(f"UPDATE {table} SET USERID = {new}")  # noqa: S608 - ours
        self.people_punch()
