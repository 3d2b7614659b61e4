"""What drivers give and complain of, as values: errors, times, rights, ranges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pymssql
import pymysql
import pytest

from tests.bridge.statements import statements
from zkpoll.bridge.contract import Target
from zkpoll.bridge.schemas import TableFacts
from zkpoll.bridge.sql_catalogue import CatalogueRow, find_table
from zkpoll.bridge.sql_errors import told
from zkpoll.bridge.sql_rights import granted
from zkpoll.bridge.sql_source import ranges
from zkpoll.bridge.sql_values import as_cell, as_time
from zkpoll.errors import Damaged, MissingDriver, Refused, Silent, Unreachable, WrongSchema, ZkpollError

if TYPE_CHECKING:
    from zkpoll.bridge.contract import DatabaseKind, Take

LOGIN_FAILED = (
    "Login failed for user 'zkpoll'.DB-Lib error message 20018, severity 14:\nGeneral SQL Server error"
)
LIBPQ = 'connection failed: connection to server at "10.0.0.5", port 7496 failed: '


def tds(number: int, words: str) -> Exception:
    """Return an error as pymssql raises it."""
    return pymssql.OperationalError((number, words.encode()))


def libpq(words: str) -> Exception:
    """Return an error as psycopg raises it while it connects."""
    return psycopg.OperationalError(f"{LIBPQ}{words}")


maria = pymysql.err.OperationalError

CONNECTING: list[tuple[Exception, type[ZkpollError], str]] = [
    (tds(18456, LOGIN_FAILED), Refused, "Login failed for user 'zkpoll'"),
    (tds(20009, "DB-Lib error message 20009, severity 9:\nUnable to connect (h)"), Unreachable, "Unable"),
    (tds(20002, "DB-Lib error message 20002, severity 9:\nconnection failed"), Unreachable, "failed"),
    (tds(4060, 'Cannot open database "HR"'), Refused, "HR"),
    (libpq('FATAL:  password authentication failed for user "zkpoll"'), Refused, "zkpoll"),
    (libpq("ВАЖНО:  роль не существует"), Refused, "роль"),
    (libpq("Connection refused\n\tIs the server running"), Unreachable, "Connection refused"),
    (psycopg.OperationalError("[Errno -2] failed to resolve host 'x'"), Unreachable, "resolve"),
    (maria(1045, "Access denied for user 'a'@'b' (using password: YES)"), Refused, "'a'@'b'"),
    (maria(2003, "Can't connect to MySQL server on 'h'"), Unreachable, "'h'"),
    (maria(2013, "Lost connection"), Unreachable, "Lost"),
    (RuntimeError("'cryptography' package is required"), MissingDriver, "pip install cryptography"),
    (Exception("28000", "[28000] [Microsoft] Login failed (18456)"), Refused, "Login failed"),
    (Exception("08001", "[08001] [Microsoft] no such server"), Unreachable, "no such server"),
]
READING: list[tuple[Exception, type[ZkpollError], str]] = [
    (tds(1222, "Lock request time out period exceeded."), Silent, "a table is locked"),
    (tds(20003, "DB-Lib error message 20003, severity 6:\ntimed out"), Silent, "too long"),
    (tds(20047, "DB-Lib error message 20047"), Silent, "stopped answering"),
    (tds(1205, "was deadlocked"), Silent, "locked"),
    (tds(229, "The SELECT permission was denied on the object 'CHECKINOUT'"), Refused, "CHECKINOUT"),
    (tds(208, "Invalid object name 'CHECKINOUT'."), WrongSchema, "CHECKINOUT"),
    (tds(207, "Invalid column name 'sn'."), WrongSchema, "sn"),
    (tds(824, "SQL Server detected a logical consistency-based I/O error"), Damaged, "I/O"),
    (psycopg.errors.AdminShutdown("terminating connection"), Silent, "terminating"),
    (psycopg.errors.DataCorrupted("invalid page"), Damaged, "invalid page"),
    (psycopg.errors.UndefinedColumn('column "sn" does not exist'), WrongSchema, "sn"),
    (maria(2013, "Lost connection"), Silent, "Lost"),
    (maria(1194, "Table 'x' is marked as crashed"), Damaged, "'x'"),
    (Exception("42S02", "[42S02] Invalid object name"), WrongSchema, "Invalid"),
]


@pytest.mark.parametrize(
    ("error", "kind", "words", "connecting"),
    [(*one, True) for one in CONNECTING] + [(*one, False) for one in READING],
)
def test_each_drivers_errors_are_told_apart(
    error: Exception, kind: type[ZkpollError], words: str, connecting: bool
) -> None:
    """What a driver raises becomes one of ours, with the server's own first line."""
    found = told(error, connecting=connecting)
    assert type(found) is kind
    assert words in str(found)
    assert "\n" not in str(found)
    assert "DB-Lib" not in str(found)


def test_a_password_in_a_servers_words_is_not_told() -> None:
    """Even a driver that quotes the password does not get it into a message."""
    error = pymysql.err.OperationalError(1045, "no login with hunter2 for you\x1b[2J")
    found = str(told(error, connecting=True, password="hunter2"))
    assert "hunter2" not in found
    assert "\x1b" not in found


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("2026-11-22 08:59:58", datetime(2026, 11, 22, 8, 59, 58)),
        ("2026-11-22 08:59:58.1234567", datetime(2026, 11, 22, 8, 59, 58, 123456)),
        ("2026-11-22T08:59:58.5", datetime(2026, 11, 22, 8, 59, 58, 500000)),
        (" 2026-11-22 08:59 ", datetime(2026, 11, 22, 8, 59)),
        ("2026-11-22 08:59:58Z", datetime(2026, 11, 22, 8, 59, 58, tzinfo=UTC)),
        (
            "2026-11-22 08:59:58 +06:00",
            datetime(2026, 11, 22, 8, 59, 58, tzinfo=timezone(timedelta(hours=6))),
        ),
        ("2026-11-22", "2026-11-22"),
        ("20261122", "20261122"),
        ("2026-02-30 08:00:00", "2026-02-30 08:00:00"),
        ("0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        (date(2026, 11, 22), "2026-11-22"),
        (None, None),
        (46348.5, 46348.5),
    ],
)
def test_times_as_text_are_read_and_what_is_none_stays(given: Any, time: Any) -> None:
    """SQL Server's newer times come as text by an old protocol, and SQLite has nothing else."""
    assert as_time(given) == time


def test_other_types_of_drivers_become_plain_ones() -> None:
    """Decimals that are whole are numbers; bytes that are text are text."""
    given = [
        Decimal(17),
        Decimal("1E+3"),
        Decimal("1.5"),
        Decimal("NaN"),
        Decimal("1E+5000"),
        b"1001",
        bytearray(b"\xff"),
        True,
    ]
    assert [as_cell(one) for one in given] == [
        *(17, 1000, "1.5", "NaN", "1E+5000", "1001"),
        *(b"\xff", True),
    ]


@pytest.mark.parametrize(
    ("grants", "could"),
    [
        (["GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT ON `hr`.* TO `a`@`%`"], False),
        (["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"], True),
        (["GRANT SELECT, INSERT ON `hr`.`log` TO `a`@`%`"], True),
        (["GRANT SELECT, INSERT ON `hr`.`other` TO `a`@`%`", "GRANT DELETE ON `else`.* TO `a`@`%`"], False),
        (["GRANT UPDATE ON `h%`.* TO `a`@`%`"], True),
        (["GRANT UPDATE ON `h\\_`.* TO `a`@`%`"], False),
        (["GRANT SELECT, UPDATE (`who`, `at`) ON `hr`.`log` TO `a`@`%`"], True),
        (["GRANT `clerks`@`%` TO `a`@`%`", "GRANT SELECT ON `hr`.* TO `a`@`%`"], None),
        (["GRANT `clerks` TO `a`@`%`", "GRANT INSERT ON `hr`.* TO `a`@`%`"], True),
    ],
)
def test_grants_of_mysql_are_read(grants: list[str], could: bool | None) -> None:
    """Only what covers the table counts; of roles nothing is known."""
    assert granted(grants, "hr", "log") is could


def test_ranges_are_of_buckets_that_stand_side_by_side() -> None:
    """Only buckets that need no reading part others, and a statement reads 20 buckets or 20,000 rows."""
    rows = dict.fromkeys([1, 2, 3, 50, 51, 90], 10)
    assert list(ranges([1, 2, 50, 51, 90], rows)) == [[1, 2], [50, 51, 90]]
    assert list(ranges([], rows)) == []
    assert [len(one) for one in ranges(range(45), dict.fromkeys(range(45), 1000))] == [20, 20, 5]
    assert list(ranges([1, 2, 3], {1: 15_000, 2: 6_000, 3: 90_000})) == [[1], [2], [3]]
    assert list(ranges([-1, 0, 1], {-1: 1, 0: 1, 1: 1})) == [[-1], [0, 1]]


def test_a_schema_in_front_of_a_name_is_minded() -> None:
    """`dbo.AttLog` is AttLog of dbo, in brackets too, and a table with a dot in its name is found as well."""
    rows = [
        CatalogueRow(schema, table, column, "varchar")
        for schema, table in (("dbo", "ATTLOG"), ("hr", "AttLog"), ("dbo", "hr.dots"))
        for column in ("who", "at")
    ]

    def find(name: str, default: str | None = None) -> str | None:
        facts = TableFacts(name, {"user": ("WHO",), "time": ("AT",)}, frozenset({"user", "time"}))
        found = find_table(facts, rows, default, "mssql")
        return found.spelling if found else None

    assert find("dbo.attlog") == "dbo.ATTLOG"
    assert find("[HR].[attlog]", "dbo") == "hr.AttLog"
    assert find("attlog", "dbo") == "ATTLOG"
    assert find("attlog") is None
    assert find("hr.dots", "dbo") == "hr.dots"


@pytest.mark.parametrize("dialect", ["mssql", "postgresql", "mysql", "sqlite"])
@pytest.mark.parametrize(
    ("kind", "take"),
    [
        ("att2000", "attendance"), ("zkaccess", "attendance"), ("zkaccess", "events"),
        ("biotime", "attendance"), ("zktime-net", "attendance"), ("zkbio", "attendance"),
        ("zkbio", "events"), ("custom", "attendance"),
    ],
)  # fmt: skip
def test_only_questions_are_made_for_any_server(kind: DatabaseKind, take: Take, dialect: str) -> None:
    """Each statement is one SELECT, without pages by OFFSET, without dirty reads."""
    columns = {"user": "EmpNo", "time": "PunchAt", "state": "InOut"}
    target = Target("x", kind, "x", take=take, table="dbo.AttLog", columns=columns)
    for one in statements(target, dialect):
        assert one.split()[0] == "SELECT"
        assert not {"OFFSET", "NOLOCK", "INTO", ";"} & set(one.upper().replace("(", " ").split())
