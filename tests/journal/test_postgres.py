"""The journal in PostgreSQL: its tables, its session, its locks, and what it says of a server in trouble."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg
import pytest
from sqlalchemy import make_url

from tests.bridge.relays import Relay
from tests.journal.helpers import piece, punches, visit
from tests.journal.on_postgres import empty_database, journal_url
from tests.waiting import wait_for
from zkpoll.errors import Busy, JournalError, JournalUnfit
from zkpoll.journal.database import PROOF, AlreadyThere, migrations, statements
from zkpoll.journal.opening import open_empty
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.postgres import (
    PostgresJournal,
    _named,
    _number,
    _with_incoming,
    queries,
    without_secrets,
)
from zkpoll.model.delivery import SentRequest, Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

R = TypeVar("R", bound=Relay)
COLUMNS = """
    SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'zkpoll'
"""


@pytest.fixture
def url() -> Iterator[str]:
    """Return the URL of an empty journal."""
    with journal_url() as url:
        yield url


def end_session(url: str) -> None:
    """End all other sessions, as an administrator, a failover or a restart of the server does."""
    with closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextmanager
def through(url: str, kind: Callable[[int], R]) -> Iterator[tuple[R, str]]:
    """Give a relay in front of the server, and the URL of the journal behind it."""
    address = make_url(url)
    with kind(address.port or 5432) as relay:
        there = address.set(host="127.0.0.1", port=relay.port)
        yield relay, there.render_as_string(hide_password=False)


def lose_a_transaction(journal: PostgresJournal, url: str) -> None:
    """End the session in the middle of a transaction."""
    with journal.transaction():
        journal.one("meet_destination", name="main")
        end_session(url)
        journal.one("meet_destination", name="spare")


def test_its_tables_are_those_of_sqlite(url: str) -> None:
    """Both stores have the same tables and columns, and what may be missing in one may be in the other."""
    with open_empty() as journal, closing(psycopg.connect(url)) as db:
        sqlite = {
            (table, column, not required and not key)
            for table, column, required, key in journal._db.execute(  # type: ignore[attr-defined]
                'SELECT m.name, c.name, c."notnull", c.pk'
                " FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c"
                " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
            )
        }
        ours = {(table, column, null == "YES") for table, column, null in db.execute(COLUMNS)}
    assert ours - {("journal_form", "form", False)} == sqlite


@pytest.mark.parametrize("query", queries())
def test_every_statement_prepares(postgres: PostgresJournal, query: str) -> None:
    """A statement that the server does not take never reaches an operator."""
    text = _with_incoming(query) if "incoming" in queries()[query] else _named(query)
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", text).replace("%%", "%")
    postgres._db.execute(f"PREPARE x AS {numbered.rstrip(';')}".encode())
    postgres._db.execute("DEALLOCATE x")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresJournal]:
    """Return a journal that no test writes."""
    with journal_url() as url, PostgresJournal(url) as journal:
        yield journal


@pytest.mark.parametrize("query", statements())
def test_what_a_statement_is_run_over_is_said(query: str) -> None:
    """In front of each that has `incoming`, and of no other."""
    first, _, rest = statements()[query].partition("\n")
    assert first.startswith("-- incoming: ") == bool(re.search(r"\bincoming\b", re.sub("--.*", "", rest)))


def test_texts_are_compared_by_their_bytes(url: str) -> None:
    """Whatever the language of the server: a key is another one in capital letters, and Z comes before a."""
    with PostgresJournal(url) as journal, journal.transaction():
        for key in ("a", "Z", "ä", "A"):
            journal.one("meet_device", key=key, name=f"gate {key}", now="2026")
        rows = journal._db.execute("SELECT key FROM device ORDER BY key").fetchall()
    assert [key for (key,) in rows] == ["A", "Z", "a", "ä"]


# --- opening ---


def test_the_first_run_makes_it_and_several_at_once_make_one() -> None:
    """Whoever comes first makes the tables; a reader makes none."""
    with empty_database() as url:
        with pytest.raises(JournalError, match="is not there yet"):
            PostgresJournal(url, writable=False)
        with ThreadPoolExecutor(4) as pool:
            opened = list(pool.map(lambda _: PostgresJournal(url), range(4)))
        with PostgresJournal(url, writable=False) as reader:
            assert reader.all("destinations") == []
            with pytest.raises(JournalError, match="may only be read"), reader.transaction():
                reader.one("meet_destination", name="main")
        for one in opened:
            one.__exit__(None, None, None)


def test_one_of_a_newer_zkpoll_is_not_touched(url: str) -> None:
    """Neither at the beginning, nor once a newer zkpoll has come by."""
    with PostgresJournal(url) as journal:
        with closing(psycopg.connect(url, autocommit=True)) as db:
            db.execute("UPDATE zkpoll.journal_form SET form = form + 1")
        with pytest.raises(JournalUnfit, match="upgrade zkpoll"), journal.transaction():
            journal.one("meet_destination", name="main")
        assert journal.all("destinations") == []
    for writable in (True, False):
        with pytest.raises(JournalUnfit, match="upgrade zkpoll"):
            PostgresJournal(url, writable=writable)


def test_one_of_an_older_zkpoll_is_brought_up_to_date(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By who may write, all of it or nothing; a reader says so. What was in it is there."""
    later = [tmp_path / name for name in ("0001.sql", "0002.sql")]
    later[0].write_text("ALTER TABLE device ADD COLUMN model_number INTEGER NOT NULL DEFAULT 7;")
    later[1].write_text("CREATE TABLE shelf (device INTEGER PRIMARY KEY REFERENCES device (id), what BLOB);")
    with PostgresJournal(url) as journal, journal.transaction():
        journal.one("meet_device", key="A", name="a", now="2026")
    known = migrations()
    monkeypatch.setattr("zkpoll.journal.postgres.migrations", lambda: [*known, *later])
    with pytest.raises(JournalError, match="older zkpoll; `zkpoll sync` brings it up to date"):
        PostgresJournal(url, writable=False)
    broken = tmp_path / "0003.sql"
    broken.write_text("ALTER TABLE nothing ADD COLUMN x INTEGER;")
    with monkeypatch.context() as worse:
        worse.setattr("zkpoll.journal.postgres.migrations", lambda: [*known, *later, broken])
        with pytest.raises(JournalError, match="cannot be used"):
            PostgresJournal(url)
    with PostgresJournal(url) as journal:
        assert journal._db.execute("SELECT model_number FROM device").fetchall() == [(7,)]
        assert journal._db.execute("SELECT * FROM shelf").fetchall() == []
        assert journal.one("whose_key", key="A") == ("a", None)
    with PostgresJournal(url, writable=False) as reader:
        assert reader._db.execute("SELECT form FROM journal_form").fetchall() == [(len(known) + 2,)]
    monkeypatch.undo()
    with pytest.raises(JournalUnfit, match="upgrade zkpoll"):
        PostgresJournal(url)


@pytest.mark.parametrize(("change", "words"), [
    (lambda url: re.sub(r":\d+/", ":9/", url), "is not reachable"),
    (lambda url: url + "_not_there", "is in a database that is not there; `createdb` makes it"),
    (lambda url: re.sub("//[^@]*@", "//nobody@", url), 'the login: .*(role "nobody"|no password).*; check'),
])  # fmt: skip
def test_what_a_person_is_told(url: str, change: object, words: str) -> None:
    """One sentence, by what is wrong, that shows no password."""
    wrong = change(url)  # type: ignore[operator]
    with pytest.raises(JournalError, match=words) as caught:
        PostgresJournal(wrong)
    assert "\n" not in str(caught.value)


def test_no_password_is_shown() -> None:
    """Of a URL everything is shown but that, and what else follows the database."""
    assert without_secrets("postgresql://zk:s3:cr%40t@db/zk?password=x") == "postgresql://zk@db/zk"
    assert without_secrets("postgresql://zk@db:5433/zk") == "postgresql://zk@db:5433/zk"


# --- between processes ---


def test_writers_take_turns(url: str) -> None:
    """A transaction waits for that of another process, and no longer than it is patient."""
    with PostgresJournal(url, patience=0.2) as one, PostgresJournal(url) as other:
        with (
            other.transaction(),
            pytest.raises(JournalError, match="is locked by another program"),
            one.transaction(),
        ):
            pass
        with other.transaction():
            other.one("meet_destination", name="main")
            assert one.all("destinations") == []
            with pytest.raises(JournalError, match="is locked"), one.transaction(0.1):
                pass
        with one.transaction():
            assert [name for name, _ in one.all("destinations")] == ["main"]


@contextmanager
def written_by_another(url: str) -> Iterator[psycopg.Connection]:
    """Give another program's session, which writes in the journal until it is rolled back."""
    with closing(psycopg.connect(url)) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [_number("the journal")])
        yield other


def what_hinders(journal: PostgresJournal, patience: float | None = None) -> str:
    """Return what a transaction says that does not come to write; empty where it does."""
    try:
        with journal.transaction(patience):
            return ""
    except JournalError as error:
        return str(error)


def test_threads_wait_for_another_process_together(url: str) -> None:
    """One that gave up did so for all that wait behind it; once the journal is free, all can write."""
    with (
        PostgresJournal(url, patience=2) as journal,
        written_by_another(url) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        began = time.monotonic()
        said = [one.result() for one in [pool.submit(what_hinders, journal) for _ in range(8)]]
        assert all("is locked by another program" in one for one in said), said
        assert 2 <= time.monotonic() - began < 8  # each by itself: 16
        freed = threading.Timer(0.5, other.rollback)
        freed.start()
        assert what_hinders(journal) == ""  # which waits anew, as long as ever
        freed.join()


def test_a_thread_of_little_patience_gives_up_alone(url: str) -> None:
    """Another one that waits behind it goes on waiting, and writes once the journal is free."""
    with (
        PostgresJournal(url, patience=20) as journal,
        written_by_another(url) as other,
        ThreadPoolExecutor(3) as pool,
    ):
        hasty = pool.submit(what_hinders, journal, 1)
        time.sleep(0.3)  # it waits for the other process by now
        patient = [pool.submit(what_hinders, journal, one) for one in (None, 20)]
        assert "is locked by another program" in hasty.result()
        time.sleep(0.3)
        other.rollback()
        assert [one.result() for one in patient] == ["", ""]


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_a_transaction_sees_what_it_waited_for(url: str, level: str) -> None:
    """Whatever the server's default is: what another one committed meanwhile is there."""
    with closing(psycopg.connect(url, autocommit=True)) as db:
        name = db.info.dbname
        db.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'".encode())
    with PostgresJournal(url) as one, PostgresJournal(url) as other, ThreadPoolExecutor(1) as pool:

        def look() -> list[str]:
            with other.transaction():
                return [name for name, _ in other.all("destinations")]

        with one.transaction():
            one.one("meet_destination", name="main")
            looking = pool.submit(look)
            wait_for(lambda: waits_for_a_lock(url))
        assert looking.result() == ["main"]


def waits_for_a_lock(url: str) -> bool:
    """Say whether anybody waits for an advisory lock."""
    with closing(psycopg.connect(url, autocommit=True)) as db:
        found = db.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
    return found is not None


def test_locks_between_processes_and_threads(url: str) -> None:
    """A subject is one run's at a time; anybody may see that, and a session that ends frees it."""
    with (
        PostgresJournal(url) as one,
        PostgresJournal(url) as other,
        PostgresJournal(url, writable=False) as looks,
    ):
        with one.lock("device x"):
            for run in (one, other):
                with pytest.raises(Busy), run.lock("device x"):
                    pass
            with other.lock("device y"):
                assert (looks.is_locked("device x"), looks.is_locked("device y")) == (True, True)
            assert looks.is_locked("device y") is False
        with other.lock("device x"):
            pass
        held = one.lock("device x")
        held.__enter__()
        one.__exit__(None, None, None)
        wait_for(lambda: not looks.is_locked("device x"))
        with other.lock("device x"):
            pass


def test_a_lost_session_writes_nothing_more_while_it_held_a_lock(url: str) -> None:
    """What was locked is free for others at once: its old owner writes nothing before it has let go of it."""
    with PostgresJournal(url) as journal, PostgresJournal(url) as other:
        with journal.lock("device x"):
            end_session(url)
            with other.lock("device x"):
                with pytest.raises(JournalError, match="not reachable"), journal.transaction():
                    journal.one("meet_destination", name="main")
                with pytest.raises(JournalError, match="not reachable"):
                    journal.check_in_place()
        assert journal.all("destinations") == []
        with journal.transaction():
            journal.one("meet_destination", name="main")
        assert len(other.all("destinations")) == 1


def test_a_session_lost_in_a_transaction_undoes_it(url: str) -> None:
    """Nothing of it is there, and the next one has all."""
    with PostgresJournal(url) as journal:
        with pytest.raises(JournalError, match="not reachable"):
            lose_a_transaction(journal, url)
        with journal.transaction():
            journal.one("meet_destination", name="spare")
        assert [name for name, _ in journal.all("destinations")] == ["spare"]


def test_two_visits_and_a_new_dashboard_at_once(url: str) -> None:
    """Whatever order they commit in, each punch is in each outbox it belongs in, once, and in order."""
    names = [f"gate {number}" for number in range(6)]
    with PostgresJournal(url) as journal:
        JournalOutbox(journal, "first")

    def visits(name: str) -> None:
        with PostgresJournal(url) as journal:
            for at in range(8):
                visit(journal, name=name, key=name.upper()).take(piece(*punches(5, first=at * 5)))

    def meets(name: str) -> None:
        with PostgresJournal(url) as journal:
            JournalOutbox(journal, name)

    with ThreadPoolExecutor(12) as pool:
        done = [pool.submit(visits, name) for name in names]
        done += [pool.submit(meets, f"dashboard {number}") for number in range(6)]
        for one in done:
            one.result()
    with PostgresJournal(url) as journal:
        for name, number in journal.all("destinations"):
            expected = journal._db.execute(
                "SELECT count(*) FROM punch JOIN destination ON seq > after WHERE destination.id = %s",
                [number],
            ).fetchone()
            outbox = JournalOutbox(journal, name)
            assert (outbox.counts().punches,) == expected
            assert outbox.recount() == outbox.counts()


def test_two_senders_of_one_journal(url: str) -> None:
    """Each request is written down before it goes, and what both settle is settled once."""
    with PostgresJournal(url) as one, PostgresJournal(url) as other:
        first = JournalOutbox(one, "main")
        visit(one).take(piece(*punches(4)))
        second = JournalOutbox(other, "main")
        ids = tuple(event.id for event in first.next(4).events)
        assert tuple(event.id for event in second.next(4).events) == ids
        first.send(SentRequest(ids[:2]))
        assert second.next(4).sent_before == 2
        first.settle(Settled(ids[:2]), ids[:2])
        second.settle(Settled(ids[:2]), ids[:2])
        assert first.counts() == second.counts() == first.recount()
        assert first.counts().confirmed == 2


def test_threads_of_one_process(url: str) -> None:
    """They share the session, and wait for each other."""
    with PostgresJournal(url) as journal:
        begun, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            with journal.transaction():
                journal.one("meet_destination", name="main")
                begun.set()
                go_on.wait(20)

        thread = threading.Thread(target=hold)
        thread.start()
        begun.wait(20)
        with pytest.raises(JournalError, match="not free in time"), journal.transaction(0.1):
            pass
        go_on.set()
        thread.join()
        assert len(journal.all("destinations")) == 1


# --- a server that says nothing ---


@pytest.mark.parametrize("asked", ["a look", "a transaction", "what is written", "a commit", "a lock"])
def test_a_server_that_falls_silent_is_given_up(
    url: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked of it: no run hangs, and what was not committed is not there."""
    with through(url, Relay) as (relay, there), PostgresJournal(there) as journal:
        monkeypatch.setattr(journal._db, "patience", 0.5)
        began = time.monotonic()
        with pytest.raises(JournalError, match=r"is not reachable: it has said nothing for 0\.5 seconds"):
            ask_of_the_silent(journal, relay, asked)
        assert time.monotonic() - began < 5
    wait_for(lambda: sessions(url) == 0)
    with PostgresJournal(url) as journal:
        assert journal.all("destinations") == []


def ask_of_the_silent(journal: PostgresJournal, relay: Relay, asked: str) -> None:
    """Let the server fall silent, and ask it for something."""
    if asked in {"what is written", "a commit"}:
        with journal.transaction():
            if asked == "a commit":
                journal.one("meet_destination", name="main")
            relay.mute()
            if asked == "what is written":
                journal.one("meet_destination", name="main")
    relay.mute()
    if asked == "a look":
        journal.all("destinations")
    with journal.lock("device x") if asked == "a lock" else journal.transaction():
        pass


def sessions(url: str) -> int:
    """Return how many sessions there are in the database."""
    with closing(psycopg.connect(url, autocommit=True)) as db:
        row = db.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return row[0] if row else 0


def test_a_server_that_never_answers(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To connect to it ends as well, in a sentence."""
    monkeypatch.setattr("zkpoll.journal.postgres._CONNECT", 2)
    with through(url, Relay) as (relay, there):
        relay.mute()
        began = time.monotonic()
        with pytest.raises(JournalError, match="is not reachable"):
            PostgresJournal(there)
        assert time.monotonic() - began < 10


def test_the_proof_of_its_locks_takes_two_seconds(url: str) -> None:
    """No matter how long other questions may take; and the session is not used any more."""
    with through(url, Relay) as (relay, there), PostgresJournal(there) as journal, journal.lock("device x"):
        journal.check_in_place()
        relay.mute()
        began = time.monotonic()
        with pytest.raises(JournalError, match="said nothing for 2 seconds"):
            journal.check_in_place()
        assert PROOF <= time.monotonic() - began < 2 * PROOF
        with pytest.raises(JournalError, match="may be another run's"), journal.transaction():
            pass


def test_a_session_in_use_is_proved_by_its_user(url: str) -> None:
    """Where another thread has it for long: by what that one is answered meanwhile, or by nothing."""
    with PostgresJournal(url) as journal:
        for answered in (True, False):
            begun, go_on = threading.Event(), threading.Event()

            def hold(answered: bool = answered, begun: threading.Event = begun) -> None:
                with journal.transaction():
                    begun.set()
                    while not go_on.wait(0.2):  # noqa: B023  # it is joined below
                        if answered:
                            journal.all("destinations")

            thread = threading.Thread(target=hold)
            thread.start()
            begun.wait(20)
            if answered:
                journal.check_in_place()
            else:
                with pytest.raises(JournalError, match="has not answered for 2 seconds"):
                    journal.check_in_place()
            go_on.set()
            thread.join()


def test_one_frozen_in_a_transaction_keeps_nobody_from_writing(url: str) -> None:
    """The server ends its session; when it wakes it cannot write, and knows it."""
    with PostgresJournal(url) as frozen, PostgresJournal(url) as other:
        frozen._db.execute("SET idle_in_transaction_session_timeout = '300ms'")
        with pytest.raises(JournalError, match="idle-in-transaction"):
            write_around(frozen, other)
        assert [name for name, _ in other.all("destinations")] == ["spare"]


def write_around(frozen: PostgresJournal, other: PostgresJournal) -> None:
    """Write in a transaction that goes on only after another process has written."""
    with frozen.transaction():
        frozen.one("meet_destination", name="main")
        with other.transaction():
            other.one("meet_destination", name="spare")
        frozen.one("meet_destination", name="third")


def test_what_the_server_is_told_of_waits(url: str) -> None:
    """It ends long statements, idle transactions, and the sessions of those that are gone."""
    with PostgresJournal(url, writable=False) as journal:
        found: dict[str, str] = dict(journal._db.execute("SELECT name, setting FROM pg_settings").fetchall())
    expected = {
        "statement_timeout": "120000",
        "idle_in_transaction_session_timeout": "60000",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "25000",
        "default_transaction_read_only": "on",
        "synchronous_commit": "on",
    }
    assert expected.items() <= found.items()


# --- many rows at once ---


def test_numbers_are_those_of_their_rows(url: str) -> None:
    """However many come at once, each row's number is its own, and they follow each other."""
    with PostgresJournal(url) as journal:
        visit(journal).take(piece(*punches(3_000)))
        rows = journal._db.execute(
            "SELECT punch.seq, punch.timestamp, form.bytes FROM punch JOIN form ON form.punch = punch.seq"
            " ORDER BY punch.seq"
        ).fetchall()
    expected = punches(3_000)
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[0][0] + 3_000))
    assert [bytes(row[2]) for row in rows] == [one.canonical for one in expected]


def test_a_row_that_is_there_undoes_its_part_alone(url: str) -> None:
    """What came before in the transaction stays, and one that follows is a part of its own."""
    with PostgresJournal(url) as journal:
        visit(journal).take(piece(*punches(1)))
        form = journal._db.execute("SELECT device, bytes, occurrence, punch FROM form").fetchone()
        assert form
        with journal.transaction():
            with journal.savepoint():
                journal.insert_all("add_form", [(form[0], b"one", 1, form[3])])
            with pytest.raises(AlreadyThere), journal.savepoint():
                journal.insert_all("add_form", [(form[0], b"two", 1, form[3]), form])
            with journal.savepoint():
                journal.insert_all("add_form", [(form[0], b"three", 1, form[3])])
        found = journal._db.execute("SELECT bytes FROM form ORDER BY bytes").fetchall()
    assert [bytes(row[0]) for row in found] == sorted([form[1], b"one", b"three"])
