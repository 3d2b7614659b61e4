"""SQL Server is read through its stand-in, with the real driver: all rows, in T-SQL that only reads."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.bridge.sql_servers import SqlServer, sql_server
from tests.bridge.tds_server import READS
from tests.bridge.vendors import BADGES, SERIAL, VENDORS, moment, vendor
from tests.bridge.visits import Visits, rows_of
from tests.waiting import wait_for
from zkpoll.bridge.contract import Lookups, PunchRow
from zkpoll.errors import Refused, Silent, Unreachable, WrongSchema

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = "tds_version=7.1&encryption=off"
"""What the address of an old server has behind it."""
YEARS = [(2019, ""), (2008, ""), (2008, OLD), (2005, ""), (2005, OLD)]


@pytest.fixture
def server() -> Iterator[SqlServer]:
    """Give a database on a server of today; what was sent to it by zkpoll only reads, and is T-SQL."""
    with sql_server() as server:
        yield server
        only_reads(server)


def only_reads(server: SqlServer) -> None:
    """See that all that zkpoll sent is T-SQL, and changes nothing."""
    sent = [one for one in server.tds.sent if one.login == "reader"]
    assert {word for one in sent for word in one.words} <= READS
    assert [one.text for one in sent if not one.words or {102, 195, 50000} & set(one.errors)] == []
    assert not [one.text for one in sent if "NOLOCK" in one.text.upper() or "OFFSET" in one.text.upper()]


# --- rows ---


@pytest.mark.parametrize(("year", "query"), YEARS)
@pytest.mark.parametrize("program", VENDORS)
def test_every_row_of_every_program_is_read_as_it_stands_there(program: str, year: int, query: str) -> None:
    """All rows of each program's table come, each once, from servers of each age, new and old protocol."""
    with sql_server(year, query=query) as server:
        there = vendor(program, "mssql", 40)
        server.make(there)
        with server.open(there) as source:
            assert sorted(rows_of(source), key=str) == sorted(there.expected, key=str)
            assert source.tables()[0] == there.punches.name
            assert source.opened.engine.startswith("SQL Server ")
            assert not source.opened.read_only
        only_reads(server)


@pytest.mark.parametrize("program", ["att2000", "zkaccess"])
def test_people_machines_and_what_was_typed_in_are_told(server: SqlServer, program: str) -> None:
    """Badges come without blanks, typed rows by the second, users without their passwords."""
    there = vendor(program, "mssql", 3)
    server.make(there)
    with server.open(there) as source:
        told = source.lookups()
        users = {one.number: one for one in source.users()}
        contents = source.contents()
    people = {str(number): badge for number, badge in BADGES.items()}
    typed = frozenset({("18", moment(1).isoformat())})
    assert told == Lookups(people, {"1": frozenset({SERIAL}), "3": frozenset()}, typed)
    assert [users[one].has_password for one in ("17", "18")] == [True, False]
    assert (contents.rows, contents.newest) == (3, moment(3))
    assert not [one.text for one in server.tds.sent if one.login == "reader" and "PHOTO" in one.text]


@pytest.mark.parametrize(("year", "query"), [(2019, ""), (2008, OLD), (2005, OLD)])
def test_times_of_each_type_and_each_part_of_a_second_come(year: int, query: str) -> None:
    """`datetime` keeps 300ths of a second, `datetime2` seven digits; both come within milliseconds."""
    kinds = ["datetime", "smalldatetime", "datetime2", "datetime2(0)"]
    for kind in kinds[: 2 if year < 2008 else 4]:
        with sql_server(year, query=query) as server:
            server.run(f"CREATE TABLE att (who nvarchar(20) NOT NULL, at {kind} NULL)")
            times = ["2026-11-22 08:59:57.997", "1900-01-01 00:00:00", "2079-01-01 00:00:00", None]
            times += ["1753-01-01 00:00:00", "9999-12-31 23:59:59"] if kind != "smalldatetime" else []
            server.put("att", *((str(number), time) for number, time in enumerate(times)))
            visits = Visits()
            columns = {"user": "who", "time": "at"}
            with server.open(table="att", columns=columns) as source:
                visits.visit(source)
                found = {str(row.user): row.time for row in visits.rows}
            assert len(found) == len(times)
            assert found["3"] is None
            near = moment(0).replace(day=22, hour=8, minute=59, second=58)
            if kind != "smalldatetime":
                assert abs(found["0"] - near) <= timedelta(seconds=0.004)  # type: ignore[operator]
                assert [found[one].year for one in "45"] == [1753, 9999]  # type: ignore[union-attr]
            with server.open(table="att", columns=columns) as source:
                assert visits.visit(source) == []
            only_reads(server)


# --- what is new ---


@pytest.mark.parametrize("program", VENDORS)
def test_a_row_that_comes_late_is_read_and_nothing_is_read_twice(server: SqlServer, program: str) -> None:
    """A row older than all others is found by the next visit; a visit without news reads no bucket."""
    there = vendor(program, "mssql", 100)
    server.make(there)
    visits = Visits()
    with server.open(there) as source:
        assert sorted(visits.visit(source), key=str) == sorted(there.expected, key=str)
    with server.open(there) as source:
        assert visits.visit(source) == []
        assert visits.read == []
    row = there.make(-400)
    for name in ("id", "LOGID", "RowId"):
        if isinstance(row.get(name), int):
            row[name] = 5_000_123
    server.run(there.punches.insert().values(row))
    with server.open(there) as source:
        (new,) = visits.visit(source)
    assert new.time == moment(-400)
    assert len(visits.read) == 1


@pytest.mark.parametrize("program", ["att2000", "zkbio", "custom-days"])
def test_an_edit_in_place_and_a_removal_show_without_numbers(server: SqlServer, program: str) -> None:
    """Another state, the same in another case, two people who change places, a row that goes: each shows."""
    there = vendor(program, "mssql", 40)
    server.make(there)
    table, c = there.punches, there.punches.c
    state = next(c[name] for name in ("CHECKTYPE", "att_state", "InOut") if name in c)
    user = next(c[name] for name in ("USERID", "pers_person_pin", "EmpNo") if name in c)
    time = next(c[name] for name in ("CHECKTIME", "att_datetime", "PunchAt") if name in c)
    at = [there.make(one)[time.name] for one in range(6)]
    visits = Visits()
    with server.open(there) as source:
        visits.visit(source)
    for change in (
        [table.update().where(time == at[2]).values({state.name: "O"})],
        [table.update().where(time == at[2]).values({state.name: "o"})],
        [
            table.update().where(time == at[3]).values({user.name: there.make(4)[user.name]}),
            table.update().where(time == at[4]).values({user.name: there.make(3)[user.name]}),
        ],
        [table.delete().where(time == at[5])],
    ):
        before = visits.rows
        server.run(*change)
        with server.open(there) as source:
            visits.visit(source)
            assert visits.read
            assert visits.rows != before
            assert sorted(visits.rows, key=str) == sorted(rows_of(source), key=str)


def test_fingerprints_never_overflow(server: SqlServer) -> None:
    """Numbers at the ends of their types are summed up without an error."""
    server.run("CREATE TABLE att (n bigint, who int, at datetime)")
    most = 2**31 - 1
    server.put("att", *((10**15 - 1 - n, most, moment(0) + timedelta(seconds=n)) for n in range(50)))
    server.put("att", (2**63 - 1, -most, None), (-(2**63), 1, None), (None, None, None))
    for columns in ({"id": "n", "user": "who", "time": "at"}, {"user": "who", "time": "at"}):
        with server.open(table="att", columns=columns) as source:
            assert len(rows_of(source)) == 53


def test_rows_that_are_written_meanwhile_are_waited_for(server: SqlServer) -> None:
    """A row of a transaction that is open is neither missed nor read before its time."""
    there = vendor("biotime", "mssql", 5)
    server.make(there)
    visits = Visits()
    with server.open(there) as source:
        visits.visit(source)
    server.tds.database.patience = 0.01
    with server.connection() as program:
        program.execute(there.punches.insert().values(there.make(6)))
        with (
            server.open(there) as source,
            pytest.raises(Silent, match="a table is locked by another program"),
        ):
            source.fingerprints()
    with server.open(there) as source:
        assert [row.id for row in visits.visit(source)] == [6]


# --- names, languages, rights ---


@pytest.mark.parametrize(
    "collation", ["Latin1_General_CS_AS", "Turkish_CI_AS", "Latin1_General_BIN", "Chinese_PRC_CI_AS"]
)
def test_names_are_found_whatever_the_database_compares_them_by(collation: str) -> None:
    """Tables are found in any spelling, where case counts and where I has no dot in lower case, too."""
    with sql_server(collation=collation) as server:
        server.run(
            "CREATE TABLE CheckInOut (UserId int, CheckTime datetime, checktype varchar(1),"
            " sensorId varchar(5), SN varchar(20))",
            "CREATE TABLE userINFO (userid int, BADGENUMBER varchar(24))",
            "INSERT INTO CheckInOut VALUES (17, '20261122 08:59:58', 'I', '1', 'CQZ7224760045')",
            "INSERT INTO userINFO VALUES (17, '1001')",
        )
        with server.open(kind="att2000") as source:
            assert source.tables() == ("CheckInOut", "userINFO")
            (row,) = rows_of(source)
            assert source.lookups().people == {"17": "1001"}
        assert (row.user, row.state, row.serial) == (17, "I", SERIAL)
        only_reads(server)


@pytest.mark.parametrize(
    ("collation", "name"),
    [("Chinese_PRC_CI_AS", "王伟"), ("Arabic_CI_AS", "محمد"), ("Turkish_CI_AS", "I\u015f\u0131l")],
)
def test_names_of_people_come_in_each_code_page(collation: str, name: str) -> None:
    """What a program of another country writes in bytes of its own is read as text."""
    with sql_server(collation=collation) as server:
        there = vendor("att2000", "mssql", 2)
        server.make(there)
        server.run(there.metadata.tables["USERINFO"].update().values(Name=name))
        with server.open(there) as source:
            assert {one.name for one in source.users()} == {name}


def test_a_table_of_another_schema_and_a_view_are_read(server: SqlServer) -> None:
    """The inventory may name a schema; a view is as good as a table; a name may hold blanks and brackets."""
    server.run(
        "CREATE TABLE hr.[Att ]]Log] ([Emp No] nvarchar(20) NOT NULL, [when] datetime NOT NULL)",
        "INSERT INTO hr.[Att ]]Log] VALUES (N'7', '20261122 08:59:58')",
        "CREATE VIEW hr.seen AS SELECT [Emp No] AS who, [when] AS at FROM hr.[Att ]]Log]",
    )
    row = PunchRow(moment(0).replace(day=22, hour=8, minute=59, second=58), "7")
    with server.open(table="hr.seen", columns={"user": "WHO", "time": "AT"}) as source:
        assert rows_of(source) == [row]
        assert source.tables() == ("hr.seen",)


def test_whether_the_login_could_write_is_told(server: SqlServer) -> None:
    """A login that may only read is as it should be; one that may write is told of."""
    there = vendor("att2000", "mssql", 1)
    server.make(there)
    for could in (False, True):
        server.reader.may_write = could
        with server.open(there) as source:
            source.tables()
            assert source.opened.may_write is could


def test_a_table_that_may_not_be_read_is_refused(server: SqlServer) -> None:
    """What the login has no right to is told by its name, and without a word of the driver's."""
    there = vendor("att2000", "mssql", 1)
    server.make(there)
    server.reader.denied = frozenset({"checkinout"})
    with server.open(there) as source, pytest.raises(Refused) as told:
        source.fingerprints()
    assert str(told.value).startswith(
        "the server refuses: The SELECT permission was denied on the object 'CHECKINOUT'"
    )
    assert "DB-Lib" not in str(told.value)
    server.reader.hidden = frozenset({"checkinout"})
    with (
        server.open(there) as source,
        pytest.raises(WrongSchema, match="there is no table CHECKINOUT; there are"),
    ):
        source.tables()


# --- failures ---


def test_a_login_that_is_refused_hides_no_other_failure(server: SqlServer) -> None:
    """After a wrong password, a server that is away is told of as one that is away."""
    for _ in range(2):
        with pytest.raises(Refused) as told, server.open(password="wrong-one"):
            pass
        words = "the login failed", "Login failed for user 'reader'"
        assert str(told.value) in [f"the server refuses: {one}" for one in words]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable), server.open(url=f"mssql://reader@127.0.0.1:{port}/zk"):
        pass


@pytest.mark.long
def test_a_server_that_says_nothing_at_all_is_away(server: SqlServer) -> None:
    """Whoever takes the connection and never answers the login is given up, and is no server that refuses."""
    with pytest.raises(Refused), server.open(password="wrong-one"):
        pass
    server.tds.faults.silent_login = True
    with pytest.raises(Unreachable), server.open(timeout=1):
        pass


@pytest.mark.parametrize("text", ["ARITHABORT", "use ", "BEGIN TRAN", "LOCK_TIMEOUT", "(?i)@@version"])
def test_a_server_that_ends_the_connection_behind_the_login_is_away(server: SqlServer, text: str) -> None:
    """A server that takes the login and then hangs up refused nobody."""
    server.tds.faults.cut_at, server.tds.faults.cut_after = text, 0
    with pytest.raises(Unreachable) as told, server.open():
        pass
    assert "DB-Lib" not in str(told.value)


@pytest.mark.long
@pytest.mark.parametrize("text", ["BEGIN TRAN", "LOCK_TIMEOUT", "(?i)@@version"])
def test_a_server_that_goes_silent_behind_the_login_is_away(server: SqlServer, text: str) -> None:
    """A server that takes the login and then says no more is given up."""
    server.tds.faults.silent_at, server.tds.faults.deaf = text, True
    with pytest.raises((Unreachable, Silent)) as told, server.open(timeout=0.2):
        pass
    assert "DB-Lib" not in str(told.value)
    wait_for(lambda: not server.tds.connections)


def test_values_of_rows_are_not_told(server: SqlServer) -> None:
    """What the server says of a value that it cannot convert stays with it."""
    there = vendor("att2000", "mssql", 1)
    server.make(there)
    query = "SELECT USERID AS who, CHECKTIME AS at FROM CHECKINOUT WHERE sn = 7"
    with (
        server.open(query=query, columns={"user": "who", "time": "at"}) as source,
        pytest.raises(Refused) as told,
    ):
        list(source.read(source.fingerprints()))
    assert str(told.value) == "the server refuses: error 245"


def test_a_server_that_demands_encryption_is_not_reached_without(server: SqlServer) -> None:
    """Where the two do not agree on encryption, no login is sent."""
    server.tds.faults.demands_encryption = True
    for query in ("", "encryption=off"):
        server.query = query
        with pytest.raises((Unreachable, Refused)), server.open(timeout=2):
            pass
    assert server.tds.asked == []


@pytest.mark.long
@pytest.mark.parametrize("deaf", [False, True])
def test_a_statement_that_is_never_answered_ends(server: SqlServer, deaf: bool) -> None:
    """Silence ends the visit, whether or not the server hears that it is called off; nothing stays open."""
    there = vendor("att2000", "mssql", 1)
    server.make(there)
    server.tds.faults.silent_at, server.tds.faults.deaf = "GROUP BY", deaf
    with pytest.raises(Silent) as told, server.open(there, timeout=0.2) as source:
        source.fingerprints()
    assert "took too long" in str(told.value)
    wait_for(lambda: not server.tds.connections)


def test_a_lock_that_is_held_ends_the_visit(server: SqlServer) -> None:
    """A table that another program has locked is waited for no longer than the session says."""
    there = vendor("att2000", "mssql", 1)
    server.make(there)
    server.tds.database.patience = 0.01
    with (
        server.tds.database.lock("CHECKINOUT"),
        server.open(there) as source,
        pytest.raises(Silent) as told,
    ):
        source.fingerprints()
    assert str(told.value) == "a table is locked by another program"
    texts = [one.text for one in server.tds.sent if one.login == "reader"]
    assert "SET LOCK_TIMEOUT 5000" in texts
    assert "SET DEADLOCK_PRIORITY LOW" in texts


def test_a_connection_that_is_cut_in_a_result_fails(server: SqlServer) -> None:
    """Rows that did not come are an error: what came is no whole bucket."""
    there = vendor("biotime", "mssql", 400)
    server.make(there)
    server.tds.faults.cut_at = "terminal_sn"
    with server.open(there) as source:
        prints = source.fingerprints()
        with pytest.raises(Silent):
            list(source.read(prints))
    server.tds.faults.cut_at = None
    with server.open(there) as source:
        assert len(rows_of(source)) == 400


def test_a_query_is_read_whole(server: SqlServer) -> None:
    """The inventory's own SELECT is sent as it stands there."""
    there = vendor("att2000", "mssql", 30)
    server.make(there)
    query = (
        "SELECT TOP 20 USERID AS who, CHECKTIME AS at FROM CHECKINOUT WHERE USERID % 2 = 1 OR sn LIKE '%x%'"
    )
    with server.open(query=query, columns={"user": "WHO", "time": "AT"}) as source:
        (piece,) = source.read(source.fingerprints())
    assert {row.user for row in piece.rows} == {17, 19}
    assert query in [one.text for one in server.tds.sent]
