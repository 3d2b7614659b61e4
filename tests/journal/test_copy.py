"""A journal moved from SQLite to PostgreSQL: all of it, under its numbers and proved, or nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.bridge.servers import SECRET
from tests.journal.helpers import (
    Bridge,
    aside,
    confirm,
    line,
    odd,
    pending,
    piece,
    punch,
    punches,
    push,
    row,
    visit,
)
from tests.journal.on_postgres import empty_database, journal_url
from tests.look import inside, look
from zkpoll.errors import Busy, ExitCode, JournalError
from zkpoll.journal import copy, prune
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.copy import copy_to
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.postgres import PostgresJournal
from zkpoll.journal.prune import Terms
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal

ROOT: Final = Path(__file__).parents[2]
OLD: Final = Terms(datetime.now(UTC) + timedelta(days=100), frozenset({"yard"}))
SAMPLES: Final = {"INTEGER": 1, "TEXT": "ä\t\\N \x1b'", "BLOB": b"\0\xff\\x", "REAL": 0.1}
"""A value of each kind that is not empty."""
BODY: Final = b"{}\0\xff\n"
"""What a request carried."""
COPY_NOW: Final = "import sys; from pathlib import Path; from zkpoll.journal.copy import copy_to; "
"""How a process of its own begins that copies."""


@pytest.fixture
def url() -> Iterator[str]:
    """Return the URL of a new database, without a journal."""
    with empty_database() as url:
        yield url


def fill(path: Path) -> None:
    """Let a journal have rows of all kinds in all tables, and have pruned what had the largest numbers."""
    with open_journal(path) as journal:
        main, spare = JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
        work(journal, main)
        confirm(spare, pending(spare, 100))
        prune_yard(journal, main, spare)
        ids = tuple(event.id for event in pending(main, 2))
        main.send(SentRequest(ids, "POST", sha256(BODY).hexdigest(), BODY))
    with inside(path) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table != "sqlite_sequence" and not db.execute(f'SELECT 1 FROM "{table}"').fetchone():  # noqa: S608
                fill_table(db, table)


def work(journal: Journal, main: JournalOutbox) -> None:
    """Take punches by all doors, some of them held or in quarantine; deliver, park and discard some."""
    again = (punch("7", 5), punch("7", 5, verify=4))
    visit(journal).take(piece(*punches(40), *again, odd(b"no record")))
    push(journal, line("8", 1), line("9", 2), key="GATE1", name="gate", rests=[b"\trest", b""])
    Bridge(journal).visit({0: [row("20", 7), aside("x")]})
    ids = [event.id for event in pending(main, 9)]
    main.settle(Settled(tuple(ids[:5]), {ids[5]: "nobody has this id: ä", ids[6]: "no"}))
    Decisions(journal, "main").discard(
        Selection(frozenset({"parked"}), ids=(ids[6],)), Places([(1, 99)]), "x"
    )


def prune_yard(journal: Journal, main: JournalOutbox, spare: JournalOutbox) -> None:
    """Let the newest punch of all be pruned, and a request be answered that had the largest number."""
    visit(journal, "yard", "GATE2").take(piece(punch("30", 30)))
    for outbox in (main, spare):
        ids = tuple(event.id for event in pending(outbox, 100) if event.user_id == "30")
        outbox.send(SentRequest(ids))
        outbox.settle(Settled(ids))
    clearance = Clearance(journal, "GATE2")
    clearance.intend()
    clearance.cleared()
    assert prune.prune(journal, OLD) == 1


def fill_table(db: Any, table: str) -> None:
    """Put one row without an empty place into a table."""
    kinds = {name: kind for _, name, kind, *_ in db.execute(f'PRAGMA table_info("{table}")')}
    values = {name: SAMPLES[kind] for name, kind in kinds.items()}
    if "owed" in values:
        values["owed"] = "begun"
    places = ", ".join("?" * len(values))
    names = ", ".join(f'"{name}"' for name in values)
    db.execute(f'INSERT INTO "{table}" ({names}) VALUES ({places})', list(values.values()))  # noqa: S608


def tables(path: Path) -> dict[str, list[Any]]:
    """Return all rows of a journal in SQLite by table, generated columns included."""
    with inside(path) as db:
        names = [one for (one,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: db.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}  # noqa: S608
    del found["sqlite_sequence"]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def tables_there(url: str) -> dict[str, list[Any]]:
    """Return the same of a database; nothing where no journal is in it."""
    with closing(psycopg.connect(url)) as db:
        listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'zkpoll'"
        names = [name for (name,) in db.execute(listed)]
        asked = {name: f'SELECT * FROM zkpoll."{name}"'.encode() for name in names}  # noqa: S608
        found = {name: db.execute(one).fetchall() for name, one in asked.items()}
    found.pop("journal_form", None)
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def is_untouched(url: str) -> bool:
    """Say whether a database has no trace of a journal."""
    with closing(psycopg.connect(url)) as db:
        found = db.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'zkpoll'").fetchone()
    return found is None


# --- what is copied ---


def test_every_row_of_every_table_is_there(path: Path, url: str) -> None:
    """The copy has each row of each table as it was, whatever is in it; the file stays as it is."""
    fill(path)
    before = tables(path)
    assert all(before.values())
    found = copy_to(path, url)
    assert tables_there(url) == before == tables(path)
    assert found.rows == {name: len(rows) for name, rows in before.items()}
    assert found.sums["main"] == Counts(45, 36, 6, 1, 1, 1)
    assert set(found.sums) == {"main", "spare"}


def go_on(journal: Journal) -> list[object]:
    """Do with a journal what comes next: old bytes, new ones, an answer; return what came of it."""
    main = JournalOutbox(journal, "main")
    batch = main.next(9)
    tallies = [
        visit(journal).take(piece(*punches(45), odd(b"no record"))),
        visit(journal, "yard", "GATE2").take(piece(punch("30", 30), punch("31", 30))),
        push(journal, line("8", 1), line("8", 2), key="GATE1", name="gate"),
    ]
    bridged = Bridge(journal).visit({0: [row("20", 7), row("21", 7), aside("x")]})
    main.settle(Settled((batch.events[0].id,)), [event.id for event in batch.events])
    spare, _ = JournalOutbox(journal, "spare"), JournalOutbox(journal, "third")
    main.send(SentRequest((pending(main)[0].id,)))
    requests = [number for number, *_ in journal.all("requests", destination=1)]
    sums = [main.recount(), spare.recount()]
    return [batch, tallies, bridged, requests, sums, pending(main, 99), pending(spare, 99), *seqs(journal)]


def seqs(journal: Journal) -> list[object]:
    """Return the number of the newest punch."""
    return list(journal.one("last_punch") or ())


def test_it_goes_on_as_the_original_does(path: Path, url: str) -> None:
    """Known bytes are known, what is in flight is, and no number is used twice, not of what was pruned."""
    fill(path)
    ((largest,),) = look(path, "SELECT seq FROM sqlite_sequence WHERE name = 'punch'")
    assert [(largest,)] > look(path, "SELECT max(seq) FROM punch")
    copy_to(path, url)
    with PostgresJournal(url) as there:
        found = go_on(there)
    with open_journal(path) as here:
        assert go_on(here) == found
    assert look(path, "SELECT min(seq) FROM punch WHERE user_id = '40'") == [(largest + 1,)]


def test_a_new_journal_is_copied(path: Path, url: str) -> None:
    """One without a punch is a journal, too; its copy takes the first one."""
    with open_journal(path):
        pass
    assert not any(copy_to(path, url).rows.values())
    with PostgresJournal(url) as there:
        assert visit(there).take(piece(punch())).first_seen == 1
        assert seqs(there) == [1]


def test_a_dry_run_leaves_nothing(path: Path, url: str) -> None:
    """All is copied and proved, and nothing of it is kept."""
    fill(path)
    found = copy_to(path, url, keep=False)
    assert is_untouched(url)
    assert copy_to(path, url) == found


# --- what is refused ---


def refused(path: Path, url: str, words: str, error: type[Exception] = JournalError) -> None:
    """See that nothing is copied, for a reason."""
    with pytest.raises(error, match=words) as raised:
        copy_to(path, url)
    assert getattr(raised.value, "exit_code", None) in {ExitCode.JOURNAL, ExitCode.LOCKED}
    assert "\n" not in str(raised.value)
    assert is_untouched(url)


def test_no_journal_no_copy(path: Path, url: str) -> None:
    """Where there is no journal, none is made, on neither side."""
    refused(path, url, "is not there, and nothing is copied")
    assert not path.exists()


def test_a_damaged_file_is_not_copied(path: Path, url: str) -> None:
    """Nor is one that lost what was settled, and says of itself that it is sound."""
    fill(path)
    with inside(path) as db:
        db.execute("DELETE FROM outbox WHERE state = 'confirmed' AND destination = 1")
    refused(path, url, "is damaged; restore a backup")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4 // 4096 * 4096)
        file.write(b"\xa5" * (size // 2 // 4096 * 4096))
    refused(path, url, "is damaged")


def test_a_part_that_cannot_be_read(path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks while it is read, after it was sound, ends the copy with a sentence."""
    fill(path)
    ((page,),) = look(path, "SELECT rootpage FROM sqlite_master WHERE name = 'push_line'")
    ((size,),) = look(path, "PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    refused(path, url, "is damaged, and nothing is copied: ")
    monkeypatch.setattr(copy, "_check_sound", lambda *_: None)
    refused(path, url, "cannot be read, and nothing is copied: database disk image is malformed")


@pytest.mark.parametrize(
    ("change", "place", "row_of"),
    [
        (
            "UPDATE outbox SET reason = 'a' || char(0) WHERE punch = 7",
            "outbox.reason",
            "destination 1, punch 7",
        ),
        ("UPDATE punch SET user_id = CAST(x'31FF' AS TEXT) WHERE seq = 3", "punch.user_id", "seq 3"),
        ("UPDATE punch SET user_id = CAST(x'EDA080' AS TEXT) WHERE seq = 3", "punch.user_id", "seq 3"),
        ("UPDATE punch SET verify = 'one' WHERE seq = 3", "punch.verify", "seq 3"),
        ("UPDATE punch SET user_id = x'31' WHERE seq = 3", "punch.user_id", "seq 3"),
        ("UPDATE quarantine SET accepted_at = char(0)", "quarantine.accepted_at", "device 1, raw 6e6f20"),
    ],
)
def test_what_postgresql_does_not_take(path: Path, url: str, change: str, place: str, row_of: str) -> None:
    """A value that would be refused, or changed on its way, is named by its table, column and row."""
    fill(path)
    with inside(path) as db:
        db.execute(change)
    refused(path, url, rf"has something in {place} that PostgreSQL does not take, in the row of {row_of}")


def test_nothing_is_copied_over_a_journal(path: Path) -> None:
    """A journal that is there stays as it is, an empty one, too."""
    fill(path)
    with journal_url() as url:
        before = tables_there(url)
        with pytest.raises(JournalError, match="is there already, and nothing is copied over one"):
            copy_to(path, url)
        assert tables_there(url) == before


def test_a_user_who_may_not_make_a_schema(path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who may only log in copies nothing, and learns what right is missing."""
    fill(path)
    monkeypatch.setenv("PGPASSWORD", SECRET)
    role = f"{url.rpartition('/')[2]}_reader"
    with closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'".encode())
        try:
            refused(path, f"{url}?user={role}", "it needs the right to make a schema")
        finally:
            db.execute(f"DROP ROLE {role}".encode())


@pytest.mark.long  # pg_dump has to be the server's, which that of the quick tests may be too new for
def test_a_dump_is_a_backup(path: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that owns the database, and no more, can copy; what it dumps can stand in its place."""
    if not (shutil.which("pg_dump") and shutil.which("pg_restore")):
        pytest.skip("no pg_dump here")
    fill(path)
    monkeypatch.setenv("PGPASSWORD", SECRET)
    role, dump = f"{url.rpartition('/')[2]}_owner", str(tmp_path / "journal.dump")
    with empty_database() as other, closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'".encode())
        owned = [one.rpartition("/")[2] for one in (url, other)]
        for name in owned:
            db.execute(f"ALTER DATABASE {name} OWNER TO {role}".encode())
        try:
            copy_to(path, f"{url}?user={role}")
            run = partial(subprocess.run, capture_output=True, text=True, check=False)
            made = run(
                ["pg_dump", "--schema=zkpoll", "--format=custom", f"--file={dump}", f"{url}?user={role}"]
            )
            if "server version mismatch" in made.stderr:
                pytest.skip("the pg_dump here is older than the server")
            put_back = run(["pg_restore", "--no-owner", f"--dbname={other}?user={role}", dump])
            assert (made.returncode, put_back.returncode, put_back.stderr) == (0, 0, "")
            assert tables_there(other) == tables(path)
            with PostgresJournal(f"{other}?user={role}") as there:
                found = go_on(there)
        finally:
            for name in owned:
                db.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER".encode())
            drop_role(role, url, other)
    with open_journal(path) as here:
        assert go_on(here) == found


def drop_role(role: str, *urls: str) -> None:
    """Remove a role, and what it owns in some databases."""
    for url in urls:
        with closing(psycopg.connect(url, autocommit=True)) as db:
            db.execute(f"DROP OWNED BY {role}".encode())
    with closing(psycopg.connect(urls[0], autocommit=True)) as db:
        db.execute(f"DROP ROLE {role}".encode())


def test_a_server_that_is_away(path: Path) -> None:
    """It is said that nobody answers there."""
    fill(path)
    with pytest.raises(JournalError, match="is not reachable"):
        copy_to(path, "postgresql://zkpoll@127.0.0.1:9/zkpoll")


def test_without_the_driver(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where psycopg is not installed, the sentence says how to install it."""
    monkeypatch.setitem(sys.modules, "zkpoll.journal.postgres", None)
    with pytest.raises(JournalError, match=r"pip install 'zkpoll\[postgres\]'"):
        copy_to(path, "postgresql://127.0.0.1/zkpoll")


# --- others at work ---


def other(path: Path, *, writable: bool) -> subprocess.Popen[str]:
    """Start a process that has the journal open until its stdin ends."""
    script = (
        "import sys; from pathlib import Path; from zkpoll.journal.opening import open_journal\n"
        f"with open_journal(Path(sys.argv[1]), writable={writable}):\n"
        "    print('open', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout
    assert process.stdout.readline() == "open\n"
    return process


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells who has a file open")
@pytest.mark.parametrize("writable", [True, False])
def test_while_another_has_it_open(path: Path, url: str, writable: bool) -> None:
    """What a run, or a `serve` that waits for calls, would journal after the copy is not left behind."""
    fill(path)
    with other(path, writable=writable) as process:
        refused(path, url, "another zkpoll has the journal .* open, and nothing is copied: stop cron", Busy)
        process.communicate()
    copy_to(path, url)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells who has a file open")
def test_a_run_that_begins_meanwhile(path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that opens the journal while it is copied cannot write to it, and undoes the copy."""
    fill(path)
    began: list[subprocess.Popen[str]] = []
    prove = copy._prove

    def begin(target: Journal, sums: dict[str, Counts]) -> None:
        began.append(other(path, writable=True))
        with pytest.raises(AssertionError, match="locked"):
            write_elsewhere(path)
        prove(target, sums)

    monkeypatch.setattr(copy, "_prove", begin)
    refused(path, url, "another zkpoll has the journal .* open", Busy)
    began[0].communicate()


def write_elsewhere(path: Path) -> None:
    """Take a punch in another process that does not wait. Raise `AssertionError` with its words."""
    script = (
        "import sys; from pathlib import Path; from tests.journal.helpers import *\n"
        "from zkpoll.journal.opening import open_journal\n"
        "with open_journal(Path(sys.argv[1]), patience=0.1) as one: visit(one).take(piece(punch('99')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def test_killed_in_the_middle(path: Path, url: str) -> None:
    """Whenever the copying is killed, the database has nothing; the next one copies all."""
    fill(path)
    with open_journal(path) as journal:
        for first in range(0, 12_000, 2_000):
            visit(journal).take(piece(*punches(2_000, first=first), end=first + 2_000))
    kills = 0
    for delay in (0.0, 0.1, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", COPY_NOW + "copy_to(Path(sys.argv[1]), sys.argv[2])", str(path), url],
            cwd=ROOT,
        )
        kills += killed_under_way(process, url, delay)
        assert is_untouched(url)
    assert kills > 1
    assert copy_to(path, url).rows["punch"] > 12_000
    assert tables_there(url) == tables(path)


def killed_under_way(process: subprocess.Popen[Any], url: str, delay: float) -> bool:
    """Kill a process so long after it began to copy, and say whether it was copying then."""
    with closing(psycopg.connect(url, autocommit=True)) as db:
        copying = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        )
        until = time.monotonic() + 20
        while not db.execute(copying).fetchall()[0][0] and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(delay)
        is_copying = bool(db.execute(copying).fetchall()[0][0]) and process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        while db.execute(copying).fetchall()[0][0]:
            time.sleep(0.005)
    return is_copying


def test_a_session_that_is_ended_in_the_middle(path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server goes away before the copy is kept, nothing is, and it is said."""
    fill(path)
    prove = copy._prove

    def end(target: Journal, sums: dict[str, Counts]) -> None:
        with closing(psycopg.connect(url, autocommit=True)) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        prove(target, sums)

    monkeypatch.setattr(copy, "_prove", end)
    refused(path, url, "is not reachable")


def test_fewer_rows_are_not_kept(path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy with fewer rows than the journal is undone."""
    fill(path)
    real = PostgresJournal.fill

    def shorter(self: PostgresJournal, table: str, columns: Any, rows: Any) -> int:
        return real(self, table, columns, list(rows)[1:] if table == "outbox" else rows)

    monkeypatch.setattr(PostgresJournal, "fill", shorter)
    refused(path, url, "rows of outbox were copied, and .* arrived")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE outbox SET state = 'parked' WHERE state = 'confirmed'",
        """DELETE FROM outbox WHERE destination = 1 AND state = 'parked';
           UPDATE destination SET due = due - 1 WHERE id = 1""",
    ],
)
def test_other_sums_are_not_kept(path: Path, url: str, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Nor is one with other states, even where all that it says itself comes out."""
    fill(path)
    real = PostgresJournal.fill

    def otherwise(self: PostgresJournal, table: str, columns: Any, rows: Any) -> int:
        count = real(self, table, columns, rows)
        if table == "outbox":
            self._db.execute(change.encode())
        return count

    monkeypatch.setattr(PostgresJournal, "fill", otherwise)
    refused(path, url, "the copy has other sums than the journal, and nothing is kept")


def test_memory_is_bounded(path: Path, url: str) -> None:
    """Rows are passed on as they are read: a journal of 6 MB is copied in a few megabytes."""
    with open_journal(path) as journal:
        JournalOutbox(journal, "main")
        for first in range(0, 18_000, 3_000):
            visit(journal).take(piece(*punches(3_000, first=first), end=first + 3_000))
    peaks = []
    for rows in ("[:1]", ""):
        script = (
            COPY_NOW + "import resource, zkpoll.journal.copy as m; real = m._tables; "
            f"m._tables = lambda: real(){rows}; m._prove = lambda *_: None; "
            "copy_to(Path(sys.argv[1]), sys.argv[2], keep=False); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(path), url],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 5_000, peaks
