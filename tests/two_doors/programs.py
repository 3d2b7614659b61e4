"""A vendor's program, which fetches what a terminal has into its database, as it does beside zkpoll."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.bridge.jackcess import CHECKINOUT, USERINFO, Checked, Jackcess, Machine, Person, userinfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.hostile.world import Unit
    from zkpoll.simulator import Record

NAME: Final = "head-office"
SerialFrom = Literal["row", "inventory", "machines"]
"""Where the serial number of a terminal stands: in the row, in `machines:`, or in the program's list."""
_LETTERS: Final = {0: "I", 1: "O", 2: "0", 3: "1", 4: "i", 5: "o"}
_NUMBER: Final = 100
"""What the program adds to a person's badge for its own number of them."""


class Program:
    """A database beside the inventory, and how much of a terminal's log is in it."""

    def __init__(self, path: Path, kind: str, serial: str, serial_from: SerialFrom) -> None:
        self.path = path
        self.kind = kind
        self.serial = serial
        self.serial_from = serial_from
        self._fetched: dict[str, int] = {}
        self._people: set[str] = set()

    def entry(self, more: str = "") -> str:
        """Return it as lines of an inventory; `more` is of its flow mapping."""
        machines = f", machines: {{1: {self.serial}}}" if self.serial_from == "inventory" else ""
        return f"databases:\n  - {{name: {NAME}, kind: {self.kind}, file: '{self.path}'{machines}{more}}}\n"

    def fetch(self, unit: Unit, state: int | None = None) -> None:
        """Take over what it has not yet of a terminal, of its own `state` if so."""
        place = self._fetched.get(unit.name, 0)
        records = [one if state is None else one._replace(state=state) for one in unit.history[place:]]
        self._fetched[unit.name] = len(unit.history)
        self.enrol(one.user_id for one in records)
        self.add(records)

    def enrol(self, badges: Iterable[str]) -> None:
        """Add the people that it does not know."""
        new = sorted(set(badges) - self._people)
        self._people.update(new)
        self.add_people([(_NUMBER + int(badge), badge) for badge in new])

    def add_people(self, people: Sequence[tuple[int, str]]) -> None:
        """Add people: number, badge."""
        raise NotImplementedError

    def add(self, records: Sequence[Record]) -> None:
        """Add rows."""
        raise NotImplementedError

    def _serial(self, place: SerialFrom) -> str | None:
        return self.serial if self.serial_from == place else None


class _SqliteProgram(Program):
    def _create(self, **tables: str) -> None:
        for name, columns in tables.items():
            self._write(f"CREATE TABLE {name} ({columns})", [()])

    def _write(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.executemany(statement, rows)


class Net(_SqliteProgram):
    """ZKTime.Net 3, whose database is a SQLite file."""

    def __init__(self, folder: Path, serial: str, serial_from: SerialFrom = "machines") -> None:
        super().__init__(folder / "ZKTimeNet.db", "zktime-net", serial, serial_from)
        self._create(
            att_punches="id INTEGER PRIMARY KEY, employee_id INTEGER, punch_time DATETIME, workstate INTEGER,"
            " verifycode INTEGER, workcode TEXT, terminal_id INTEGER, operator TEXT",
            hr_employee="id INTEGER PRIMARY KEY, emp_pin TEXT, emp_firstname TEXT",
            att_terminal="id INTEGER PRIMARY KEY, terminal_sn TEXT",
        )
        self._write("INSERT INTO att_terminal VALUES (1, ?)", [(self._serial("machines"),)])

    def add_people(self, people: Sequence[tuple[int, str]]) -> None:
        """Add people: number, badge."""
        self._write("INSERT INTO hr_employee VALUES (?, ?, '')", people)

    def add(self, records: Sequence[Record]) -> None:
        """Add rows, of the terminal."""
        self._put([(one, 1, None) for one in records])

    def type_in(self, record: Record) -> None:
        """Let a person add a row by hand, which no terminal made."""
        self.enrol([record.user_id])
        self._put([(record, None, "admin")])

    def _put(self, rows: Iterable[tuple[Record, int | None, str | None]]) -> None:
        told = (
            (
                _NUMBER + int(one.user_id),
                str(one.time),
                None if one.state not in _LETTERS else one.state,
                one.verify,
                one.work_code,
                machine,
                operator,
            )
            for one, machine, operator in rows
        )
        self._write("INSERT INTO att_punches VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", told)


class OnSqlite(_SqliteProgram):
    """The tables of ZKTime 5 in a SQLite file."""

    def __init__(self, folder: Path, serial: str, serial_from: SerialFrom = "row") -> None:
        super().__init__(folder / "att2000.db", "att2000", serial, serial_from)
        self._create(
            CHECKINOUT="USERID INTEGER, CHECKTIME DATETIME, CHECKTYPE TEXT, VERIFYCODE INTEGER,"
            " SENSORID TEXT, sn TEXT",
            USERINFO="USERID INTEGER PRIMARY KEY, Badgenumber TEXT",
            Machines="ID INTEGER PRIMARY KEY, MachineNumber INTEGER, sn TEXT",
        )
        self._write("INSERT INTO Machines VALUES (1, 1, ?)", [(self._serial("machines"),)])

    def add_people(self, people: Sequence[tuple[int, str]]) -> None:
        """Add people: number, badge."""
        self._write("INSERT INTO USERINFO VALUES (?, ?)", people)

    def add(self, records: Sequence[Record]) -> None:
        """Add rows, of the terminal."""
        told = (
            (
                _NUMBER + int(one.user_id),
                str(one.time),
                _LETTERS.get(one.state),
                one.verify,
                "1",
                self._serial("row"),
            )
            for one in records
        )
        self._write("INSERT INTO CHECKINOUT VALUES (?, ?, ?, ?, ?, ?)", told)


class OnAccess(Program):
    """ZKTime 5, whose database is an Access file."""

    def __init__(
        self, folder: Path, serial: str, jackcess: Jackcess, serial_from: SerialFrom = "row"
    ) -> None:
        super().__init__(folder / "att2000.mdb", "att2000", serial, serial_from)
        self._jackcess = jackcess
        machines = [Machine(1, self._serial("machines"))]
        jackcess.att2000(self.path, machines=machines, work_code_again=False)

    def add_people(self, people: Sequence[tuple[int, str]]) -> None:
        """Add people: number, badge."""
        told = [userinfo(Person(number, badge)) for number, badge in people]
        self._jackcess.append(self.path, USERINFO.name, told)

    def add(self, records: Sequence[Record]) -> None:
        """Add rows, of the terminal."""
        rows = [
            Checked(
                _NUMBER + int(one.user_id),
                one.time,
                _LETTERS.get(one.state),
                one.verify,
                serial=self._serial("row"),
                work_code=str(one.work_code),
            )
            for one in records
        ]
        self._jackcess.append(self.path, CHECKINOUT.name, rows)
