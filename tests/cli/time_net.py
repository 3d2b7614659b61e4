"""A `ZKTimeNet.db` as the vendor's program keeps it, with made-up people."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TERMINAL = "CQZ7224760077"
_TABLES = """
CREATE TABLE hr_employee (id INTEGER PRIMARY KEY AUTOINCREMENT, emp_pin TEXT, emp_firstname TEXT,
    emp_lastname TEXT, emp_active INTEGER);
CREATE TABLE att_terminal (id INTEGER PRIMARY KEY AUTOINCREMENT, terminal_no INTEGER, terminal_name TEXT,
    terminal_tcpip TEXT, terminal_sn BIGINT, terminal_sns TEXT);
CREATE TABLE att_punches (id INTEGER PRIMARY KEY AUTOINCREMENT, employee_id INTEGER, punch_time DATETIME,
    workcode INTEGER, workstate INTEGER, verifycode TEXT, terminal_id INTEGER, punch_type TEXT, operator TEXT,
    operator_reason TEXT, operator_time DATETIME,
    UNIQUE (employee_id, punch_time, workstate, verifycode, terminal_id));
"""


class TimeNet:
    """Such a file: two people, one terminal with a serial number and one without."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run("PRAGMA journal_mode = delete")
        with closing(sqlite3.connect(path)) as db:
            db.executescript(_TABLES)
        self.person(17, "1001", "Amina", "Rahman")
        self.person(18, "1002", "Rahim", "")
        terminal = "INSERT INTO att_terminal (id, terminal_no, terminal_sns) VALUES (?, ?, ?)"
        self.run(terminal, 1, 1, TERMINAL)
        self.run(terminal, 3, 3, None)

    def run(self, statement: str, *values: object) -> None:
        """Do as the vendor's program does."""
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(statement, values)

    def person(self, number: int, badge: str, first: str, last: str) -> None:
        """Add a person."""
        statement = "INSERT INTO hr_employee (id, emp_pin, emp_firstname, emp_lastname) VALUES (?, ?, ?, ?)"
        self.run(statement, number, badge, first, last)

    def punch(
        self, time: str, *, person: int = 17, state: int = 0, terminal: int = 1, operator: str | None = None
    ) -> None:
        """Add a row; `time` is a wall clock's."""
        statement = (
            "INSERT INTO att_punches (employee_id, punch_time, workcode, workstate, verifycode, terminal_id,"
            " operator) VALUES (?, ?, 0, ?, '1', ?, ?)"
        )
        self.run(statement, person, time, state, terminal, operator)
