"""The stand-in for SQL Server: the real driver talks to it, and it minds what SQL Server minds."""

from __future__ import annotations

import threading
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pymssql
import pytest
import sqlalchemy
from sqlalchemy import create_engine, func, select

from tests.bridge.tds_server import READS, Faults, TdsServer
from tests.bridge.tds_wire import V71, V72, V73, V74
from tests.bridge.tsql_database import Database, Login
from tests.bridge.tsql_values import ServerError
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

PUNCHES = """
CREATE TABLE CHECKINOUT (USERID int NOT NULL, CHECKTIME datetime NOT NULL DEFAULT getdate(),
    CHECKTYPE varchar(1) NULL DEFAULT 'I', VERIFYCODE int NULL DEFAULT 0, SENSORID varchar(5) NULL,
    LOGID int IDENTITY(1,1), Memo nvarchar(max) NULL, PRIMARY KEY (USERID, CHECKTIME))
"""
ROWS = """
INSERT INTO CHECKINOUT (USERID, CHECKTIME, CHECKTYPE, SENSORID) VALUES (1, '20261122 08:59:58', 'I', '1'),
    (2, '2026-11-22 17:00:00.005', 'i', NULL), (2, '2026-11-23T08:59:58', 'O', '12')
"""


@pytest.fixture
def server() -> Iterator[TdsServer]:
    """A server with three punches, a login that may read and one that may write."""
    database = Database()
    database.run(PUNCHES)
    database.run(ROWS)
    with TdsServer(database, Login(), Login("clerk", may_write=True)) as server:
        yield server


ALL_TYPES = (
    """CREATE TABLE T (a int NOT NULL, b bigint, c smallint, d tinyint NOT NULL, e bit, f float,
       g decimal(28,3), h datetime NOT NULL, i smalldatetime, j varchar(9), k nvarchar(9) NOT NULL,
       l nvarchar(max), m varbinary(4), n char(3), o ntext)""",
    """INSERT INTO T VALUES (-1, 9000000000, NULL, 255, 1, 1.5, -123456789012345.678,
       '20261122 08:59:58.003', '20261122 08:59', 'é', N'łü', N'long', 0x00FF, 'ab', N'old')""",
    "INSERT INTO T (a, d, h, k) VALUES (0, 0, '17530101', N'')",
)


def connect(server: TdsServer, user: str = "reader", **settings: Any) -> pymssql.Connection:
    """Connect as the driver does."""
    given = {"password": "secret", "database": "zk", "login_timeout": 5, **settings}
    return pymssql.connect(server="127.0.0.1", port=str(server.port), user=user, **given)


def ask(server: TdsServer, text: str, **settings: Any) -> list[tuple[Any, ...]]:
    """Return what a statement gives, asked over a connection of its own."""
    with connect(server, **settings) as connection, connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall() or ())


def error_of(database: Database, text: str) -> int:
    """Return the number of the error that a statement is answered with."""
    with pytest.raises(ServerError) as raised:
        database.run(text)
    return raised.value.number


# --- the protocol ---


@pytest.mark.parametrize(
    ("year", "asked", "agreed"),
    [(2019, None, V74), (2019, "7.1", V71), (2019, "7.2", V72), (2008, "7.3", V73), (2008, "7.4", V73),
     (2005, None, V72), (2005, "7.1", V71)],
)  # fmt: skip
def test_each_version_of_the_protocol_carries_all_types(year: int, asked: str | None, agreed: int) -> None:
    """Whatever version is agreed on, the driver reads each value as it was written."""
    database = Database(year=year)
    for text in ALL_TYPES:
        database.run(text)
    with TdsServer(database) as server:
        full, bare = ask(server, "SELECT * FROM T", tds_version=asked)
        assert server.versions == [agreed]
    assert full == (
        -1, 9_000_000_000, None, 255, True, 1.5, Decimal("-123456789012345.678"),
        datetime(2026, 11, 22, 8, 59, 58, 3000), datetime(2026, 11, 22, 8, 59), "é", "łü", "long", b"\0\xff",
        "ab ", "old",
    )  # fmt: skip
    assert bare == (0, None, None, 0, None, None, None, datetime(1753, 1, 1), None, None, "", *[None] * 4)


@pytest.mark.parametrize("asked", ["7.1", "7.3"])
def test_new_types_of_dates_come_as_text_to_old_clients(asked: str) -> None:
    """A client of before 2008 is given dates as text, as SQL Server gives them."""
    database = Database()
    database.run("CREATE TABLE T (a date, b datetime2(0), c datetime2(3))")
    database.run("INSERT INTO T VALUES ('20261122', '2026-11-22 08:59:58', '2026-11-22 08:59:58.123')")
    with TdsServer(database) as server:
        (row,) = ask(server, "SELECT * FROM T", tds_version=asked)
    if asked == "7.1":
        assert row == ("2026-11-22", "2026-11-22 08:59:58", "2026-11-22 08:59:58.123")
    else:
        moment = datetime(2026, 11, 22, 8, 59, 58)
        assert row == (date(2026, 11, 22), moment, moment.replace(microsecond=123_000))


def test_a_result_is_split_over_packets(server: TdsServer) -> None:
    """A result of many packets comes whole."""
    rows = ", ".join(f"({n}, '20270101', N'{'x' * 300}')" for n in range(10, 310))
    server.database.run("INSERT INTO CHECKINOUT (USERID, CHECKTIME, Memo) VALUES " + rows)  # noqa: S608
    told = ask(server, "SELECT USERID, Memo FROM CHECKINOUT WHERE USERID >= 10 ORDER BY USERID")
    assert told == [(n, "x" * 300) for n in range(10, 310)]


@pytest.mark.parametrize("encryption", [None, "off", "request"])
def test_logins_without_encryption_are_taken(server: TdsServer, encryption: str | None) -> None:
    """A server that knows no encryption is talked to, unless it is required."""
    assert ask(server, "SELECT COUNT(*) FROM CHECKINOUT", encryption=encryption) == [(3,)]
    with pytest.raises(pymssql.OperationalError):
        connect(server, encryption="require")


def test_sqlalchemy_finds_its_way(server: TdsServer) -> None:
    """SQLAlchemy's dialect inspects tables, and selects with values."""
    server.database.run("CREATE VIEW hr.late AS SELECT USERID AS who, CHECKTIME FROM CHECKINOUT")
    engine = create_engine(server.url().replace("reader@", "reader:secret@"))
    there = sqlalchemy.inspect(engine)
    assert (there.get_table_names(), there.get_view_names("hr")) == (["CHECKINOUT"], ["late"])
    assert [one["name"] for one in there.get_columns("late", "hr")] == ["who", "CHECKTIME"]
    punches = sqlalchemy.Table("CHECKINOUT", sqlalchemy.MetaData(), autoload_with=engine)
    assert [one.name for one in punches.primary_key] == ["USERID", "CHECKTIME"]
    with engine.connect() as connection:
        late = select(func.count()).where(datetime(2026, 11, 22, 17) <= punches.c.CHECKTIME)
        assert connection.scalar(late) == 2
    engine.dispose()
    assert server.words() <= READS


# --- rights, locks, faults ---


def test_strangers_and_writers_are_refused(server: TdsServer) -> None:
    """Wrong passwords, other databases and statements that write are refused by their numbers.

    The driver keeps the worst number of all logins that failed in this process, and words of the first alone.
    """
    for wrong in ({"password": "wrong"}, {"database": "other"}):
        with pytest.raises(pymssql.OperationalError, match=r"18456.*message 20018"):
            connect(server, **wrong)
    for text in (
        "DELETE FROM CHECKINOUT",
        "UPDATE CHECKINOUT SET USERID = 1",
        "INSERT INTO CHECKINOUT (USERID) VALUES (9)",
    ):
        with pytest.raises(pymssql.Error, match="229"):
            ask(server, text)
    with pytest.raises(pymssql.Error, match="262"):
        ask(server, "SELECT * INTO copy FROM CHECKINOUT")
    assert not server.words() <= READS
    assert ask(server, "SELECT COUNT(*) FROM CHECKINOUT") == [(3,)]


def test_rights_are_told_and_kept(server: TdsServer) -> None:
    """A table that a login may not read is refused; one that it has no right on is not even seen."""
    has = "SELECT HAS_PERMS_BY_NAME('dbo.CHECKINOUT', 'OBJECT', '{}')"
    assert ask(server, has.format("SELECT")) == [(1,)]
    assert ask(server, has.format("INSERT")) == [(0,)]
    assert ask(server, has.format("INSERT"), user="clerk") == [(1,)]
    names = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES"
    server.logins["reader"].denied = frozenset({"checkinout"})
    assert ask(server, names) == [("CHECKINOUT",)]
    with pytest.raises(pymssql.Error, match="SELECT permission was denied on the object 'CHECKINOUT'"):
        ask(server, "SELECT * FROM CHECKINOUT")
    server.logins["reader"].hidden = frozenset({"checkinout"})
    assert ask(server, names) == []


def test_what_is_not_committed_is_waited_for(server: TdsServer) -> None:
    """A reader waits for a writer's transaction as long as LOCK_TIMEOUT allows, and sees none of it."""
    with connect(server, user="clerk") as clerk, connect(server) as reader:
        clerk.cursor().execute("INSERT INTO CHECKINOUT (USERID, CHECKTIME) VALUES (9, '20261201')")
        cursor = reader.cursor()
        cursor.execute("SET LOCK_TIMEOUT 50")
        with pytest.raises(pymssql.Error, match="1222"):
            cursor.execute("SELECT COUNT(*) FROM CHECKINOUT")
        cursor.execute("SET LOCK_TIMEOUT -1")
        told: list[Any] = []

        def wait() -> None:
            cursor.execute("SELECT COUNT(*) FROM CHECKINOUT")
            told.extend(cursor.fetchall() or ())

        thread = threading.Thread(target=wait)
        thread.start()
        wait_for(lambda: server.sent[-1].text.startswith("SELECT COUNT"))
        assert thread.is_alive()
        clerk.rollback()
        thread.join(20)
        assert told == [(3,)]


def test_silence_is_called_off(server: TdsServer) -> None:
    """The driver's patience ends a statement that is never answered."""
    server.faults.silent_at = "never"
    with connect(server, timeout=1) as connection, pytest.raises(pymssql.Error, match="20003"):
        connection.cursor().execute("SELECT 1 AS never")


def test_a_connection_that_is_cut_fails(server: TdsServer) -> None:
    """A result whose second half is lost is an error, not a shorter result."""
    rows = ", ".join(f"({n}, '20270101')" for n in range(10, 710))
    server.database.run("INSERT INTO CHECKINOUT (USERID, CHECKTIME) VALUES " + rows)  # noqa: S608
    server.faults = Faults(cut_at="FROM CHECKINOUT")
    with pytest.raises(pymssql.Error):
        ask(server, "SELECT USERID, CHECKTIME FROM CHECKINOUT")
    wait_for(lambda: not server.connections)


# --- the language ---


@pytest.fixture
def database() -> Iterator[Database]:
    """Three punches, without a server."""
    database = Database()
    database.run(PUNCHES)
    database.run(ROWS)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (102, "SELECT USERID FROM CHECKINOUT LIMIT 1"),
        (102, "SELECT CHECKTIME::date FROM CHECKINOUT"),
        (102, "SELECT CHECKTYPE || 'x' FROM CHECKINOUT"),
        (102, "SELECT USERID DIV 2 FROM CHECKINOUT"),
        (102, "SELECT (USERID = 1) FROM CHECKINOUT"),
        (102, "SELECT 1 FROM CHECKINOUT WHERE USERID = 1 AND"),
        (102, "SELECT 1 FROM (SELECT 1 AS x)"),
        (108, "SELECT USERID FROM CHECKINOUT ORDER BY 2"),
        (130, "SELECT SUM(MAX(USERID)) FROM CHECKINOUT"),
        (147, "SELECT USERID FROM CHECKINOUT WHERE MAX(USERID) = 1"),
        (164, "SELECT COUNT(*) FROM CHECKINOUT GROUP BY 1"),
        (195, "SELECT md5(CHECKTYPE) FROM CHECKINOUT"),
        (195, "SELECT date_part('hour', CHECKTIME) FROM CHECKINOUT"),
        (195, "SET SESSION_TIMEOUT 5"),
        (207, "SELECT nothing FROM CHECKINOUT"),
        (207, "SELECT USERID AS who, COUNT(*) FROM CHECKINOUT GROUP BY who"),
        (208, "SELECT 1 FROM nothing"),
        (209, "SELECT USERID FROM CHECKINOUT AS a CROSS JOIN CHECKINOUT AS b"),
        (241, "SELECT 1 FROM CHECKINOUT WHERE CHECKTIME >= '2026-11-22 00:00:00.000000'"),
        (242, "SELECT CAST('2026-13-01' AS datetime)"),
        (242, "SELECT CAST('1700-01-01' AS datetime)"),
        (243, "SELECT CAST(USERID AS nothing) FROM CHECKINOUT"),
        (245, "SELECT 1 FROM CHECKINOUT WHERE CHECKTYPE = 1"),
        (468, "SELECT 1 FROM CHECKINOUT WHERE SENSORID COLLATE Turkish_CI_AS = Memo COLLATE Arabic_CI_AS"),
        (515, "INSERT INTO CHECKINOUT (USERID, CHECKTIME) VALUES (NULL, '20261122')"),
        (544, "INSERT INTO CHECKINOUT (USERID, LOGID) VALUES (5, 5)"),
        (1033, "SELECT who FROM (SELECT USERID AS who FROM CHECKINOUT ORDER BY USERID) AS x"),
        (2627, "INSERT INTO CHECKINOUT (USERID, CHECKTIME) VALUES (1, '20261122 08:59:58')"),
        (2812, "EXEC sp_nothing"),
        (4104, "SELECT x.USERID FROM CHECKINOUT AS y"),
        (4145, "SELECT 1 FROM CHECKINOUT WHERE USERID"),
        (8115, "SELECT SUM(USERID + 1500000000) FROM CHECKINOUT"),
        (8117, "SELECT SUM(CHECKTIME) FROM CHECKINOUT"),
        (8120, "SELECT USERID, COUNT(*) FROM CHECKINOUT"),
        (8120, "SELECT CHECKTIME FROM CHECKINOUT GROUP BY CAST(CHECKTIME AS date)"),
        (8134, "SELECT 1 / (USERID - USERID) FROM CHECKINOUT"),
        (8152, "INSERT INTO CHECKINOUT (USERID, SENSORID) VALUES (5, '123456')"),
        (8155, "SELECT 1 FROM (SELECT USERID + 1 FROM CHECKINOUT) AS x"),
        (50000, "SELECT AVG(CAST(USERID AS decimal(9, 0))) FROM CHECKINOUT"),
    ],
)  # fmt: skip
def test_what_sql_server_minds_is_minded(database: Database, number: int, text: str) -> None:
    """What is no T-SQL, or breaks a rule of it, is answered with the number that SQL Server has for it."""
    assert error_of(database, text) == number


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT 7 / 2, -7 / 2, -7 % 3, 7 / 2.0", [(3, -3, -1, "3.500000")]),
        ("SELECT USERID / 2, COUNT(*) FROM checkinout GROUP BY USERID / 2", [(0, 1), (1, 2)]),
        ("SELECT CHECKTYPE, COUNT(*) FROM CHECKINOUT GROUP BY CHECKTYPE", [("I", 2), ("O", 1)]),
        ("SELECT COUNT(*) FROM CHECKINOUT WHERE CHECKTYPE COLLATE Latin1_General_BIN = 'i'", [(1,)]),
        ("SELECT COUNT(*) FROM CHECKINOUT WHERE SENSORID = 1", [(1,)]),
        ("SELECT TOP 1 CHECKTIME FROM CHECKINOUT ORDER BY CHECKTIME DESC", [("2026-11-23 08:59:58.000",)]),
        ("SELECT CAST(CHECKTIME AS date), COUNT(*) FROM CHECKINOUT GROUP BY CAST(CHECKTIME AS date)",
         [("2026-11-22", 2), ("2026-11-23", 1)]),
        ("SELECT DATEDIFF(second, CAST(CAST(CHECKTIME AS date) AS datetime), CHECKTIME) FROM CHECKINOUT",
         [(32398,), (61200,), (32398,)]),
        ("SELECT DATEDIFF(day, '20261122 23:59:59', '20261123')", [(1,)]),
        ("SELECT DATEADD(day, -1, CAST('20260301' AS datetime))", [("2026-02-28 00:00:00.000",)]),
        ("SELECT MAX(CHECKTIME) FROM CHECKINOUT WHERE USERID = 2 AND CHECKTYPE LIKE '[a-i]'",
         [("2026-11-22 17:00:00.007",)]),
        ("SELECT SUM(CAST(USERID AS bigint) * 3000000000) FROM CHECKINOUT", [("15000000000",)]),
        ("SELECT CAST(CAST(SUBSTRING(HASHBYTES('MD5', N'abc'), 1, 4) AS binary(4)) AS bigint)",
         [(3457446863,)]),
        ("SELECT COALESCE(SENSORID, '?') + '|' + CHECKTYPE FROM CHECKINOUT", [("1|I",), ("?|i",), ("12|O",)]),
        ("""SELECT a.USERID FROM CHECKINOUT AS a LEFT JOIN CHECKINOUT AS b ON b.USERID = a.USERID + 1
            WHERE b.USERID IS NULL AND EXISTS (SELECT 1 FROM CHECKINOUT AS c WHERE c.USERID = a.USERID)""",
         [(2,), (2,)]),
        ("WITH q AS (SELECT USERID AS who FROM CHECKINOUT) SELECT who FROM q UNION SELECT 5",
         [(1,), (2,), (5,)]),
    ],
)  # fmt: skip
def test_what_it_reckons_is_what_t_sql_says(
    database: Database, text: str, rows: list[tuple[object, ...]]
) -> None:
    """Division of whole numbers, comparison without case, dates and sums come out as T-SQL defines them."""
    assert database.run(text) == rows


def test_old_servers_know_less() -> None:
    """SQL Server 2005 has no type for dates, no rows beside each other in VALUES, no pages."""
    database = Database(year=2005)
    database.run(PUNCHES)
    assert error_of(database, "SELECT CAST(CHECKTIME AS date) FROM CHECKINOUT") == 243
    assert error_of(database, ROWS) == 102
    assert error_of(database, "SELECT USERID FROM CHECKINOUT ORDER BY 1 OFFSET 1 ROWS") == 102
    assert database.run("SELECT DATEDIFF(day, '19000101', CHECKTIME) FROM CHECKINOUT") == []
    database.close()


@pytest.mark.parametrize(
    ("collation", "name", "found"),
    [("SQL_Latin1_General_CP1_CI_AS", "checkinout", True), ("Latin1_General_CS_AS", "checkinout", False),
     ("Turkish_CI_AS", "checkinout", False), ("Turkish_CI_AS", "check\u0131nout", True)],
)  # fmt: skip
def test_names_are_compared_as_the_collation_does(collation: str, name: str, found: bool) -> None:
    """Names in another case are found, but where case counts, or where I has no dot in lower case."""
    database = Database(collation=collation)
    database.run(PUNCHES)
    if found:
        assert database.run("SELECT USERID FROM " + name) == []  # noqa: S608
    else:
        assert error_of(database, "SELECT USERID FROM " + name) == 208  # noqa: S608
    lower = database.run("SELECT LOWER(TABLE_NAME) FROM INFORMATION_SCHEMA.TABLES")
    assert lower == [("check\u0131nout" if "Turkish" in collation else "checkinout",)]
    database.close()


def test_the_language_of_a_session_turns_days_and_months() -> None:
    """A date with dashes is another day to a session that is not English; one without is the same to all."""
    database = Database()
    database.run("SET LANGUAGE Deutsch")
    assert database.run("SELECT CAST('2026-02-01' AS datetime)") == [("2026-02-01 00:00:00.000",)]
    told = database.run(
        "SET LANGUAGE Deutsch; SELECT CAST('2026-02-01' AS datetime), CAST('20260201' AS datetime)"
    )
    assert told == [("2026-01-02 00:00:00.000", "2026-02-01 00:00:00.000")]
    database.close()
