"""Databases on servers and in SQLite files are read whole, by buckets, whatever program made them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tests.bridge.servers import served
from tests.bridge.vendors import BADGES, SERIAL, VENDORS, moment, vendor
from tests.bridge.visits import Visits, rows_of
from zkpoll.bridge.contract import DatabaseUser, Lookups, MachineRows, PunchRow
from zkpoll.errors import WrongSchema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bridge.servers import Server


@pytest.mark.parametrize("program", VENDORS)
def test_every_row_of_every_program_is_read_as_it_stands_there(server: Server, program: str) -> None:
    """All rows of each program's table come, each once, on each engine, and nothing else of them."""
    there = vendor(program, server.engine, 60)
    server.make(there)
    with server.open(there) as source:
        assert sorted(rows_of(source), key=str) == sorted(there.expected, key=str)
        assert source.tables()[0] == there.punches.name
        assert source.opened.read_only


# --- the tables beside that of punches ---


@pytest.mark.parametrize("program", ["att2000", "zkaccess", "zktime-net"])
def test_people_machines_and_what_was_typed_in_are_told_as_text(server: Server, program: str) -> None:
    """Badges come without blanks by the programs' numbers; a serial number of 0 is none."""
    there = vendor(program, server.engine, 3)
    server.make(there)
    with server.open(there) as source:
        told = source.lookups()
    people = {str(number): badge for number, badge in BADGES.items()}
    if program == "zktime-net":
        assert told == Lookups(people, {"1": frozenset({SERIAL})})
    else:
        typed = frozenset({("18", moment(1).isoformat())})
        assert told == Lookups(people, {"1": frozenset({SERIAL}), "3": frozenset()}, typed)


def test_users_are_told_without_their_passwords(server: Server) -> None:
    """A person's name, card and privilege come, and of the password only that there is one."""
    there = vendor("att2000", server.engine, 1)
    server.make(there)
    with server.open(there) as source:
        users = list(source.users())
    assert sorted(users, key=lambda one: one.number)[:2] == [
        DatabaseUser("17", "1001", "Person 17", "77", 14, has_password=True),
        DatabaseUser("18", "1002", "Person 18", "77", 14, has_password=False),
    ]
    assert "9876" not in str(users)


def test_contents_are_counted_by_machine(server: Server) -> None:
    """Each machine number with its serial has its rows, and the newest time is told."""
    there = vendor("att2000", server.engine, 10)
    server.make(there)
    with server.open(there) as source:
        contents = source.contents()
    assert contents.machines == (MachineRows("1", None, 5), MachineRows("1", SERIAL, 5))
    assert (contents.rows, contents.newest) == (10, moment(10))


def test_people_who_are_not_registered_are_counted(real: Server) -> None:
    """BioTime's punches of unknown people are told of where it has a table of them."""
    there = vendor("biotime", real.engine, 2)
    real.make(there)
    with real.open(there) as source:
        assert source.contents().notes == ("punches of people who are not registered: 1 (iclock_unregister)",)
    real.run("DROP TABLE iclock_unregister")
    with real.open(there) as source:
        assert source.contents().notes == ()


# --- what is new is the difference of sets ---


@pytest.mark.parametrize("program", VENDORS)
def test_a_row_that_comes_late_is_read_and_nothing_is_read_twice(server: Server, program: str) -> None:
    """A row older than all others is found by the next visit; a visit without news reads no bucket."""
    there = vendor(program, server.engine, 300)
    server.make(there)
    visits = Visits()
    with server.open(there) as source:
        assert sorted(visits.visit(source), key=str) == sorted(there.expected, key=str)
    with server.open(there) as source:
        assert visits.visit(source) == []
        assert visits.read == []
    row = there.make(-400)
    for name in ("id", "LOGID", "logid", "RowId", "rowid"):
        if isinstance(row.get(name), int):
            row[name] = 5_000_123
    server.run(there.punches.insert().values(row))
    with server.open(there) as source:
        (new,) = visits.visit(source)
    assert isinstance(new.time, type(moment(0)))
    assert new.time.replace(tzinfo=None) == moment(-400)
    assert len(visits.read) == 1


@pytest.mark.parametrize("program", ["att2000", "zkbio", "custom-days"])
def test_an_edit_in_place_and_a_removal_show_where_rows_have_no_number(server: Server, program: str) -> None:
    """Another state, two people who change places, a row that goes: each makes its day another one."""
    there = vendor(program, server.engine, 40)
    server.make(there)
    table, c = there.punches, there.punches.c
    state = next(c[name] for name in ("CHECKTYPE", "checktype", "att_state", "InOut", "inout") if name in c)
    user = next(c[name] for name in ("USERID", "userid", "pers_person_pin", "EmpNo", "empno") if name in c)
    time = next(
        c[name] for name in ("CHECKTIME", "checktime", "att_datetime", "PunchAt", "punchat") if name in c
    )
    at = [there.make(one)[time.name] for one in range(6)]
    visits = Visits()
    with server.open(there) as source:
        visits.visit(source)
    changes: list[list[Any]] = [
        [table.update().where(time == at[2]).values({state.name: "O"})],
        [table.update().where(time == at[2]).values({state.name: "o"})],  # the case of a letter counts
        [
            table.update().where(time == at[3]).values({user.name: there.make(4)[user.name]}),
            table.update().where(time == at[4]).values({user.name: there.make(3)[user.name]}),
        ],
        [table.delete().where(time == at[5])],
    ]
    for change in changes:
        before = visits.rows
        server.run(*change)
        with server.open(there) as source:
            visits.visit(source)
            assert visits.read
            assert visits.rows != before
            assert sorted(visits.rows, key=str) == sorted(rows_of(source), key=str)


def test_gaps_of_ids_hide_nothing(real: Server) -> None:
    """Ids that a rolled-back transaction or a refused duplicate used up are no end of the table."""
    there = vendor("biotime", real.engine, 5)
    real.make(there)
    visits = Visits()
    with real.open(there) as source:
        visits.visit(source)
    for number in (7, 2_900, 2_901, 40_000, 39_000):
        real.run(there.punches.insert().values(there.make(number)))
        with real.open(there) as source:
            assert [row.id for row in visits.visit(source)] == [number]


def test_a_lower_id_that_is_committed_after_a_higher_one_is_seen(real: Server) -> None:
    """Of two open transactions the one with the lower id ends last: the next visit has its row."""
    there = vendor("biotime", real.engine, 5)
    real.make(there)
    visits = Visits()
    with real.connection() as slow:
        slow.execute(there.punches.insert().values(there.make(6)))
        real.run(there.punches.insert().values(there.make(7)))
        with real.open(there) as source:
            assert {row.id for row in visits.visit(source)} == {1, 2, 3, 4, 5, 7}
    with real.open(there) as source:
        assert [row.id for row in visits.visit(source)] == [6]


def test_fingerprints_cover_no_row_that_came_after_them(real: Server) -> None:
    """A row that comes between the fingerprints and the rows makes its bucket differ at the next visit."""
    there = vendor("biotime", real.engine, 5)
    real.make(there)
    with real.open(there) as source:
        prints = source.fingerprints()
        real.run(there.punches.insert().values(there.make(6)))
        (piece,) = source.read(prints)
        assert len(piece.rows) == 6
        assert source.fingerprints() != prints


# --- rows that are not as they should be ---


def test_rows_whose_bucket_cannot_be_told_are_read_at_every_visit(server: Server) -> None:
    """Ids that are none, negative or beyond all bounds, and the rest, come each once."""
    serial = {"postgresql": "numeric(30,0)", "mysql": "decimal(30,0)", "sqlite": "INTEGER"}[server.engine]
    time = "text" if server.engine == "sqlite" else "timestamp NULL"
    server.run(f"CREATE TABLE log (n {serial}, who varchar(20), at {time})")
    ids = [None, -5, -1000, 0, 999, 1000, 2**31, 2**40, 9 * 10**18, 9 * 10**18 + 1, None]
    server.put("log", *((id_, str(number), "2026-11-22 08:00:00") for number, id_ in enumerate(ids)))
    visits = Visits()
    with server.open(table="log", columns={"id": "N", "user": "who", "time": "at"}) as source:
        visits.visit(source)
        assert sorted((row.user, row.id) for row in visits.rows) == sorted(
            (str(number), id_) for number, id_ in enumerate(ids)
        )
        again = {row.user for row in visits.visit(source)}
    assert again == set()
    assert len(visits.read) == 1
    assert len(visits.buckets[visits.read[0]]) == 6


def test_row_numbers_of_19_digits_have_buckets(server: Server) -> None:
    """Numbers that tell the time of their making are read as others, and not all of them at every visit."""
    server.run("CREATE TABLE log (n bigint, who int, at timestamp)")
    first = 1_700_000_000_000_000_000
    ids = [*range(first, first + 3_000, 500), 8_999_999_999_999_999_999]
    server.put("log", *((id_, 7, "2026-11-22 08:00:00") for id_ in ids))
    visits = Visits()
    with server.open(table="log", columns={"id": "n", "user": "who", "time": "at"}) as source:
        visits.visit(source)
        assert sorted(row.id for row in visits.rows) == ids  # type: ignore[type-var]
        visits.visit(source)
    assert (len(visits.buckets), visits.read) == (4, [])


def test_times_that_are_none_and_far_ones_are_read(server: Server) -> None:
    """No date, one of 1753 and one of 9999 come as what they are, beside those of every day."""
    time = (
        "text" if server.engine == "sqlite" else "timestamp" if server.engine == "postgresql" else "datetime"
    )
    server.run(f"CREATE TABLE log (who varchar(20), at {time} NULL)")
    times: list[object] = [
        None,
        "1753-01-01 00:00:00",
        "9999-12-31 23:59:59",
        "2026-11-22 08:59:58",
        "2133-03-10 07:00:00",
    ]
    if server.engine == "postgresql":
        times += ["infinity", "-infinity", "0044-03-15 12:00:00 BC", "20260-01-01"]
    if server.engine == "sqlite":
        times += ["soon", 17, "2026-13-45 99:00:00"]
    server.put("log", *((str(number), value) for number, value in enumerate(times)))
    with server.open(table="log", columns={"user": "who", "time": "at"}) as source:
        found = {row.user: row.time for row in rows_of(source)}
        assert source.contents().rows == len(times)
    assert len(found) == len(times)
    assert str(found["3"]) == "2026-11-22 08:59:58"
    assert str(found["4"]) == "2133-03-10 07:00:00"
    assert found["0"] is None
    if server.engine == "sqlite":
        assert [found[one] for one in ("5", "6", "7")] == ["soon", "17", "2026-13-45 99:00:00"]


def test_days_that_no_calendar_has_are_read(mariadb: Server) -> None:
    """MySQL keeps dates without a month or a day; such a row keeps no other from being read."""
    mariadb.run("CREATE TABLE log (who varchar(20), at datetime NULL)")
    times = ["2026-00-10 08:00:00", "2026-11-00 08:00:00", "0000-00-00 00:00:00", "2026-11-22 08:59:58"]
    mariadb.run(
        "SET sql_mode=''",
        text("INSERT INTO log VALUES (:a, :a), (:b, :b), (:c, :c), (:d, :d)").bindparams(
            **dict(zip("abcd", times, strict=True))
        ),
    )
    with mariadb.open(table="log", columns={"user": "who", "time": "at"}) as source:
        assert sorted(str(row.user) for row in rows_of(source)) == sorted(times)


def test_numbers_that_are_none_are_read(postgres: Server) -> None:
    """A numeric column may hold NaN and numbers of thousands of digits: rows as others."""
    postgres.run("CREATE TABLE log (n numeric, who numeric, at timestamp)")
    postgres.run(
        "INSERT INTO log SELECT one, one, '2026-11-22 08:00:00'"
        " FROM unnest(ARRAY['NaN', 1e5000, 1.5, 7]::numeric[]) one"
    )
    with postgres.open(table="log", columns={"id": "n", "user": "who", "time": "at"}) as source:
        assert {row.user for row in rows_of(source)} == {"NaN", "1" + "0" * 5000, "1.5", 7}


def test_times_that_are_text_are_read_as_times(server: Server) -> None:
    """A column of text has its buckets by the date that it begins with; what is no date is read, too."""
    server.run("CREATE TABLE log (who varchar(20), at varchar(40))")
    times = ["2026-11-22 08:59:58", "2026-11-22T09:00", "2026-11-23 10:00:00.5", "22.11.26", ""]
    server.put("log", *((str(number), value) for number, value in enumerate(times)))
    visits = Visits()
    with server.open(table="log", columns={"user": "who", "time": "at"}) as source:
        visits.visit(source)
        assert {row.user: str(row.time) for row in visits.rows} == {
            "0": "2026-11-22 08:59:58", "1": "2026-11-22 09:00:00", "2": "2026-11-23 10:00:00.500000",
            "3": "22.11.26", "4": "",
        }  # fmt: skip
        assert len(visits.buckets) == 3
    server.run("UPDATE log SET at = '2026-11-22 08:59:57' WHERE who = '0'")
    with server.open(table="log", columns={"user": "who", "time": "at"}) as source:
        assert [row.user for row in visits.visit(source)] == ["0"]


def test_a_table_whose_ids_are_text_is_read_by_days(server: Server) -> None:
    """Ids of letters make no thousands; the days of the rows do."""
    time = "text" if server.engine == "sqlite" else "timestamp NULL"
    server.run(f"CREATE TABLE log (k varchar(40), who varchar(20), at {time})")
    for number in range(4):
        server.put("log", (f"x{number}", str(number), f"2026-11-2{number % 2} 08:00:00"))
    columns = {"id": "k", "user": "who", "time": "at"}
    with server.open(table="log", columns=columns) as source:
        assert len(source.fingerprints()) == 2
        assert sorted(str(row.id) for row in rows_of(source)) == ["x0", "x1", "x2", "x3"]


def test_wide_days_and_many_buckets_come_each_as_one_piece(real: Server) -> None:
    """A bucket is never cut, however the reading is."""
    time = "timestamp" if real.engine == "postgresql" else "datetime"
    real.run(f"CREATE TABLE log (n bigint, who varchar(20), at {time})")
    with real.connection() as connection:
        rows = [
            {"n": one * 37, "who": str(one), "at": moment(0) + timedelta(seconds=one)} for one in range(3000)
        ]
        connection.execute(text("INSERT INTO log VALUES (:n, :who, :at)"), rows)
    for columns in ({"id": "n", "user": "who", "time": "at"}, {"user": "who", "time": "at"}):
        with real.open(table="log", columns=columns) as source:
            pieces = list(source.read(source.fingerprints()))
        assert len({piece.bucket for piece in pieces}) == len(pieces)
        assert sum(len(piece.rows) for piece in pieces) == 3000
        assert all(piece.ends for piece in pieces)


# --- names ---


def test_names_are_found_in_any_case_and_views_count(server: Server) -> None:
    """What the inventory spells otherwise than the database is the same table and the same column."""
    quote = "`" if server.engine == "mysql" else '"'
    name = f"{quote}Att Log%{quote}"
    server.run(f"CREATE TABLE {name} (WHO varchar(9), {quote}Punch:At{quote} varchar(30))")
    server.put(name, ("7", "2026-11-22 08:59:58"))
    server.run(f"CREATE VIEW seen (who, {quote}punch:at{quote}) AS SELECT * FROM {name}")  # noqa: S608 - a name of its own
    columns = {"user": "Who", "time": "punch:at"}
    for table, spelled in (("att log%", "Att Log%"), ("SEEN", "seen")):
        with server.open(table=table, columns=columns) as source:
            assert [row.user for row in rows_of(source)] == ["7"]
            assert source.tables() == (spelled,)


def test_a_table_in_another_schema_is_found_where_one_alone_has_it(postgres: Server) -> None:
    """The default schema comes first; of several others none is taken, unless the inventory names it."""
    columns = {"user": "who", "time": "at"}

    def read(table: str) -> list[object]:
        with postgres.open(table=table, columns=columns) as source:
            return [row.user for row in rows_of(source)]

    for schema in ("a", "b"):
        postgres.run(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.log (who text, at timestamp)")
        postgres.put(f"{schema}.log", (schema, moment(0)))
        if schema == "a":
            assert read("log") == ["a"]
    assert (read("A.Log"), read("b.log")) == (["a"], ["b"])
    with pytest.raises(WrongSchema, match=r"log is there more than once; name one of a\.log, b\.log"):
        read("log")
    postgres.run("CREATE TABLE log (who text, at timestamp)")
    assert read("log") == []


def test_another_database_of_the_server_is_not_taken_for_this_one(mariadb: Server, tmp_path: Path) -> None:
    """A table on MySQL is sought in the database of the address, unless the inventory names another."""
    columns = {"user": "who", "time": "at"}
    with served("mysql", tmp_path) as other:
        other.run("CREATE TABLE log (who varchar(9), at datetime)")
        other.put("log", ("7", moment(0)))
        with mariadb.open(table="log", columns=columns) as source, pytest.raises(WrongSchema) as told:
            source.tables()
        assert str(told.value) == "there is no table log; this login sees none"
        with mariadb.open(table=f"{other.url.database}.LOG", columns=columns) as source:
            assert [row.user for row in rows_of(source)] == ["7"]


def test_a_table_that_is_missing_is_told_with_what_there_is(server: Server) -> None:
    """A person reads what was looked for, and a dozen names at most of what is there."""
    for number in range(20):
        server.run(f"CREATE TABLE t{number:02} (a int)")
    there = vendor("att2000", server.engine)
    with server.open(there) as source, pytest.raises(WrongSchema) as told:
        source.tables()
    names = ", ".join(f"t{number:02}" for number in range(12))
    assert str(told.value) == f"there is no table CHECKINOUT; there are: {names} and 8 more"


def test_a_column_that_is_missing_is_told_with_what_there_is(server: Server) -> None:
    """Optional columns may lack; one that is needed is named."""
    there = vendor("att2000", server.engine, 2)
    server.make(there)
    table = there.punches.name
    with server.open(table=table, columns={"user": "USERID", "time": "CLOCK"}) as source:
        told = r"(?i)the table checkinout has no column CLOCK; there are: CHECKTIME, CHECKTYPE"
        with pytest.raises(WrongSchema, match=told):
            source.fingerprints()
    machines = server.quote("machines" if server.engine == "postgresql" else "Machines")
    server.run(f"ALTER TABLE {table} DROP COLUMN {server.quote('sn')}", f"DROP TABLE {machines}")
    with server.open(there) as source:
        assert {row.serial for row in rows_of(source)} == {None}
        assert source.lookups().machines == {}


# --- a query ---


def test_a_query_is_read_whole_in_pieces(server: Server) -> None:
    """Its rows come in pieces of one bucket, the last of which ends it. Drivers' signs mean nothing in it."""
    server.run("CREATE TABLE log (who varchar(9), at varchar(30), sn varchar(9))")
    with server.connection() as connection:
        rows = [{"who": str(one), "at": "2026-11-22 08:59:58"} for one in range(10_001)]
        connection.execute(text("INSERT INTO log (who, at) VALUES (:who, :at)"), rows)
    query = (
        "SELECT who AS emp, at AS moment, 'a:b' AS other FROM log WHERE who NOT LIKE '%x%' AND 7 % 2 = 1 ;"
    )
    with server.open(query=query, columns={"user": "EMP", "time": "Moment"}) as source:
        assert source.tables() == ("query",)
        prints = source.fingerprints()
        pieces = list(source.read(prints))
        contents = source.contents()
    assert list(prints.values()) == [b""]
    assert [(len(piece.rows), piece.ends) for piece in pieces] == [(10_000, False), (1, True)]
    assert pieces[1].rows[0] == PunchRow(moment(0).replace(day=22, hour=8, minute=59, second=58), "10000")
    assert contents.rows == 10_001
    columns = {"user": "who", "time": "at"}
    with (
        server.open(query="SELECT who FROM log", columns=columns) as source,
        pytest.raises(WrongSchema) as told,
    ):
        source.tables()
    assert str(told.value) == "the query gives no column at; there are: who"


def test_a_query_without_rows_ends_its_bucket(server: Server) -> None:
    """What was there before is gone then, so the bucket must come."""
    with server.open(
        query="SELECT 1 AS who, 2 AS at WHERE 1 = 0", columns={"user": "who", "time": "at"}
    ) as source:
        assert source.tables() == ("query",)
        assert [(piece.rows, piece.ends) for piece in source.read(source.fingerprints())] == [([], True)]
