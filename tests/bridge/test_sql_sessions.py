"""Sessions cannot write, every wait ends, and what goes wrong is told in one sentence without secrets."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from tests.bridge.relays import Relay
from tests.bridge.servers import SECRET
from tests.bridge.vendors import vendor
from tests.bridge.visits import rows_of
from zkpoll.bridge.contract import Target
from zkpoll.bridge.sql import open_sql
from zkpoll.bridge.sql_sessions import connected
from zkpoll.errors import MissingDriver, Refused, Silent, Unreachable, WrongSchema, ZkpollError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bridge.servers import Server


def visit(target: Target) -> None:
    """Do all that a visit and the commands do."""
    with open_sql(target) as source:
        source.tables()
        source.lookups()
        rows_of(source)
        source.contents()
        list(source.users())


def failure(target: Target, kind: type[ZkpollError]) -> str:
    """Visit a database; return the words of the failure, which has no secrets and no driver's trace."""
    with pytest.raises(kind) as told:
        visit(target)
    words = str(told.value)
    assert "\n" not in words
    shown = "".join(traceback.format_exception(told.value))
    assert SECRET not in shown
    assert "SELECT" not in words
    assert "sqlalchemy.exc" not in shown
    return words


# --- nothing is written ---


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Give all statements that go to any server, by whatever connection."""
    statements: list[str] = []

    def note(*told: Any) -> None:
        statements.append(told[2])

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("program", ["att2000", "biotime", "zkbio"])
def test_nothing_but_questions_is_sent(server: Server, program: str, said: list[str]) -> None:
    """A visit and the commands send SELECT and SHOW, whatever they read."""
    there = vendor(program, server.engine, 5)
    server.make(there)
    said.clear()
    visit(server.target(there))
    assert len(said) > 4
    assert {statement.split()[0].upper() for statement in said} <= {"SELECT", "SHOW"}
    assert not any("PHOTO" in statement.upper() for statement in said)


def test_a_session_cannot_write(server: Server) -> None:
    """Even a login that owns the table changes nothing by a session of ours."""
    there = vendor("att2000", server.engine, 3)
    server.make(there)
    with server.open(there) as source:
        assert source.opened.read_only
    with connected(server.target(there)) as session:
        session.connection.execute(there.punches.select()).all()
        if server.engine == "sqlite":
            session.connection.execute(there.punches.delete())
            session.connection.commit()  # of the copy
        else:
            with pytest.raises(Exception, match=r"(?i)read.only"):
                session.connection.execute(there.punches.delete())
    with server.open(there) as source:
        assert len(rows_of(source)) == 3


def test_a_login_that_may_only_select_is_enough(real: Server) -> None:
    """All is read by it, and it is told that it could not write; another one could."""
    there = vendor("att2000", real.engine, 3)
    real.make(there)
    name, password = real.login()
    reader = real.url.set(drivername=real.engine, username=name, password=None).render_as_string()
    target = real.target(there, url=reader, password=password)
    visit(target)
    with open_sql(target) as source:
        source.tables()
        assert source.opened.may_write is False
    with real.open(there) as source:
        source.tables()
        assert source.opened.may_write is True


@pytest.mark.parametrize("right", ["INSERT", "UPDATE", "DELETE"])
def test_a_login_that_could_write_is_told_of(real: Server, right: str) -> None:
    """One right that changes rows is enough for the advice."""
    there = vendor("biotime", real.engine, 3)
    real.make(there)
    name, password = real.login(may=f"SELECT, {right}")
    url = real.url.set(drivername=real.engine, username=name, password=None).render_as_string()
    with real.open(there, url=url, password=password) as source:
        source.tables()
        assert source.opened.may_write is True


def test_instants_are_told_as_such(postgres: Server) -> None:
    """BioTime's times on PostgreSQL are instants, in whatever zone the server lives."""
    there = vendor("biotime", "postgresql", 5)
    postgres.make(there)
    postgres.run(f"ALTER DATABASE {postgres.url.database} SET TimeZone = 'Asia/Dhaka'")
    with postgres.open(there) as source:
        assert sorted(rows_of(source), key=str) == sorted(there.expected, key=str)
        assert {str(row.time)[-6:] for row in rows_of(source)} == {"+00:00"}


def test_arguments_in_an_address_go_to_the_driver(postgres: Server) -> None:
    """Options of PostgreSQL that the inventory has stand beside ours."""
    with postgres.connection() as connection:
        connection.execute(text("CREATE SCHEMA hr"))
        connection.execute(text("CREATE TABLE hr.log (who text, at timestamp)"))
    url = f"{postgres.target().url}?options=-csearch_path%3Dhr&application_name=payroll"
    with connected(postgres.target(url=url)) as session:
        assert session.connection.scalar(text("SHOW application_name")) == "payroll"
        assert session.connection.scalar(text("SHOW search_path")) == "hr"
        assert session.read_only


# --- every wait ends ---


def test_a_locked_table_is_waited_for_within_bounds(real: Server) -> None:
    """A writer that holds the table makes the visit fail, and the next one reads it."""
    there = vendor("biotime", real.engine, 3)
    real.make(there)
    name = there.punches.name
    lock = f"LOCK TABLE {name}" if real.engine == "postgresql" else f"LOCK TABLES {name} WRITE"
    with real.connection() as writer:
        writer.execute(text(lock))
        assert failure(real.target(there, timeout=0.5), Silent) == "a table is locked by another program"
    visit(real.target(there))


def test_a_statement_that_takes_too_long_is_ended(real: Server) -> None:
    """The server itself gives up a statement after a multiple of the timeout."""
    slow = "CAST(pg_sleep(30) AS text)" if real.engine == "postgresql" else "sleep(30)"
    real.run(f"CREATE VIEW log AS SELECT 'x' AS who, {slow} AS at")
    target = real.target(table="log", columns={"user": "who", "time": "at"}, timeout=0.1)
    assert failure(target, Silent) == "the server took too long for one statement"


def through(relay: Relay, server: Server, **more: Any) -> Target:
    """Return the target of a server behind a relay."""
    url = server.url.set(drivername=server.engine, port=relay.port, password=None)
    return server.target(url=url.render_as_string(), **more)


def test_a_server_that_goes_away_is_told_of(real: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """A connection that breaks in the middle ends the visit, without a word of a library besides."""
    real.run("CREATE TABLE log (who varchar(9), at varchar(20))")
    assert real.url.port
    with Relay(real.url.port) as relay:
        target = through(relay, real, table="log", columns={"user": "who", "time": "at"})
        with open_sql(target) as source:
            source.tables()
            relay.cut()
            with pytest.raises(Silent, match="the server stopped answering"):
                source.fingerprints()
    with Relay(real.url.port) as relay:
        pass
    assert "cannot be reached" in failure(through(relay, real), Unreachable)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_falls_silent_is_left(real: Server) -> None:
    """A connection that stays while nobody answers is given up."""
    real.run("CREATE TABLE log (who varchar(9), at varchar(20))")
    assert real.url.port
    with Relay(real.url.port) as relay:
        target = through(relay, real, table="log", columns={"user": "who", "time": "at"}, timeout=0.1)

        def visit_in_silence() -> None:
            with open_sql(target) as source:
                source.tables()
                relay.mute()
                source.fingerprints()

        with pytest.raises(Silent, match="the server stopped answering"):
            visit_in_silence()


def test_a_server_that_never_answers_is_left(real: Server) -> None:
    """What takes the connection and says nothing is no server."""
    assert real.url.port
    with Relay(real.url.port) as relay:
        relay.mute()
        failure(through(relay, real, timeout=0.2), Unreachable)


def test_the_vendor_may_alter_its_tables_during_a_visit(real: Server) -> None:
    """Between two statements of ours no transaction holds a table."""
    there = vendor("biotime", real.engine, 3)
    real.make(there)
    patience = "SET lock_timeout = '2s'" if real.engine == "postgresql" else "SET lock_wait_timeout = 2"
    with real.open(there) as source:
        prints = source.fingerprints()
        real.run(patience, f"ALTER TABLE {there.punches.name} ADD COLUMN more int")
        assert len([row for piece in source.read(prints) for row in piece.rows]) == 3


# --- what is refused ---


def test_a_wrong_password_is_told_in_the_servers_words(real: Server) -> None:
    """A login that is refused is no server that is away."""
    name, _ = real.login()
    if real.engine == "postgresql":
        pytest.skip("this server trusts everybody") if trusts(real, name) else None
    url = real.url.set(drivername=real.engine, username=name, password=None).render_as_string()
    words = failure(real.target(url=url, password=f"not-{SECRET}"), Refused)
    assert words.startswith("the server refuses: ")
    assert name in words


def trusts(server: Server, name: str) -> bool:
    """Say whether a server lets a login in by any password."""
    url = server.url.set(drivername=server.engine, username=name, password=None).render_as_string()
    try:
        with connected(server.target(url=url, password="wrong")):
            return True
    except Refused:
        return False


def test_a_login_or_a_database_that_is_not_there_is_refused(real: Server) -> None:
    """Who asks for what is not there hears it from the server."""
    plain = real.url.set(drivername=real.engine, password=None)
    for url, password, name in (
        (plain.set(username="nobody_at_all"), "wrong", "nobody_at_all"),
        (plain.set(database="nowhere"), real.url.password, "nowhere"),
    ):
        assert name in failure(real.target(url=url.render_as_string(), password=password), Refused)


def test_a_login_without_rights_is_refused(real: Server) -> None:
    """A table that may not be read is one that is refused, or that is not seen at all."""
    there = vendor("biotime", real.engine, 3)
    real.make(there)
    name, password = real.login(may=None if real.engine == "postgresql" else "CREATE")
    url = real.url.set(drivername=real.engine, username=name, password=None).render_as_string()
    assert "iclock_transaction" in failure(real.target(there, url=url, password=password), Refused)


def test_a_login_that_may_not_read_the_terminal_is_told(mariadb: Server) -> None:
    """MySQL hides such a column: rows without it would be of no terminal, and sent a second time."""
    there = vendor("biotime", "mysql", 2)
    mariadb.make(there)
    name, password = mariadb.login(may=None)
    mariadb.run(f"GRANT SELECT (id, emp_code, punch_time) ON iclock_transaction TO {name}@'127.0.0.1'")
    url = mariadb.url.set(drivername="mysql", username=name, password=None).render_as_string()
    words = failure(mariadb.target(there, url=url, password=password), WrongSchema)
    assert words.startswith(
        "the table iclock_transaction has no column terminal_sn; there are: emp_code, id, "
    )


def test_nobody_listens(real: Server) -> None:
    """A port that nobody listens on, and a host that has no address, are out of reach."""
    plain = real.url.set(drivername=real.engine, password=None)
    for url in (plain.set(port=1), plain.set(host="no-such-host.invalid")):
        assert failure(real.target(url=url.render_as_string(), timeout=2), Unreachable).startswith(
            "the server cannot be reached: "
        )


def test_values_of_rows_are_not_told(postgres: Server) -> None:
    """An error of the server that quotes a value is told by its number."""
    postgres.run(
        "CREATE TABLE t (who text, at timestamp)",
        "INSERT INTO t VALUES ('card 4711', '2026-11-22')",
        "CREATE VIEW log AS SELECT CAST(who AS integer) AS who, at FROM t",
    )
    target = postgres.target(table="log", columns={"user": "who", "time": "at"})
    assert failure(target, Refused) == "the server refuses: error 22P02"


def test_a_table_that_vanishes_is_missing(real: Server) -> None:
    """A table that is dropped after it was found is a wrong schema, not a crash."""
    there = vendor("biotime", real.engine, 3)
    real.make(there)
    with real.open(there) as source:
        source.tables()
        real.run(f"DROP TABLE {there.punches.name}")
        with pytest.raises(WrongSchema, match="iclock_transaction"):
            source.fingerprints()


# --- packages ---


def test_without_the_packages_one_sentence_says_what_to_install() -> None:
    """Neither SQLAlchemy nor a driver is needed until a database is opened; then it is told which."""
    program = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None
from zkpoll.bridge.contract import Target
from zkpoll.bridge.sql import open_sql
from zkpoll.errors import MissingDriver
for url in sys.argv[2:]:
    try:
        with open_sql(Target("x", "att2000", "x", url=url)):
            pass
    except MissingDriver as error:
        print(error)
"""
    urls = ["mssql://a@h/d", "sqlserver://a@h/d", "mariadb://a@h/d", "postgres://a@h/d"]
    names = ["SQL Server", "SQL Server", "MySQL", "PostgreSQL"]
    for missing in ("sqlalchemy", "pymssql,pymysql,psycopg"):
        done = subprocess.run(
            [sys.executable, "-c", program, missing, *urls], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == [
            f"reading {one} needs pip install 'zkpoll[bridge]'" for one in names
        ]
        assert done.stderr == ""


def test_what_is_not_installed_is_told_by_each_of_many_at_once() -> None:
    """Databases that are opened side by side where nothing is installed are told of in the same words."""
    program = """
import sys, threading
from zkpoll.bridge.contract import Target
from zkpoll.bridge.sql import open_sql
from zkpoll.errors import MissingDriver
sys.modules["sqlalchemy"] = None
sys.setswitchinterval(1e-6)
together, told = threading.Barrier(8), []
def tell():
    together.wait()
    try:
        with open_sql(Target("x", "biotime", "x", url="postgresql://a@h/d")):
            pass
    except MissingDriver as error:
        told.append(str(error))
threads = [threading.Thread(target=tell) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*told, sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "reading PostgreSQL needs pip install 'zkpoll[bridge]'\n" * 8
    assert done.stderr == ""


def test_a_server_of_another_kind_is_not_tried() -> None:
    """An address of a database that nothing here is made for is told of."""
    with pytest.raises(MissingDriver, match="databases of oracle cannot be read"):
        visit(Target("x", "biotime", "x", url="oracle://a@h/d"))
    with pytest.raises(Refused, match="x is no address of a database"):
        visit(Target("x", "biotime", "x", url="not an address"))


def test_libraries_log_nothing_of_their_own(real: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A visit that breaks off leaves no trace of SQLAlchemy's in the log."""
    assert real.url.port
    real.run("CREATE TABLE log (who varchar(9), at varchar(20))")
    with caplog.at_level(logging.WARNING), Relay(real.url.port) as relay:
        target = through(relay, real, table="log", columns={"user": "who", "time": "at"})
        with open_sql(target) as source:
            source.tables()
            relay.cut()
            with pytest.raises(Silent):
                list(source.read([1]))
    assert [one for one in caplog.records if one.name.startswith("sqlalchemy")] == []
