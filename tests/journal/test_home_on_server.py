"""A journal that an inventory names by a URL: opening it, looking at it, its folder, its locks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url

from tests.bridge.servers import SECRET
from tests.journal.helpers import piece, punches, visit
from tests.journal.on_postgres import empty_database
from zkpoll.errors import Busy, JournalError
from zkpoll.journal import conditions
from zkpoll.journal.copy import copy_to
from zkpoll.journal.database import NotBegun
from zkpoll.journal.opening import folders, lock, look_at, open_journal
from zkpoll.journal.postgres import PostgresJournal
from zkpoll.journal.sqlite import SqliteJournal
from zkpoll.model.journal_home import FileAndState, JournalServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.model.journal_home import JournalHome

ANEW = "was gone, and is begun anew"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[JournalServer]:
    """Give a database without a journal, and an empty folder."""
    with empty_database() as url:
        yield JournalServer(url, tmp_path)


def run(home: JournalServer, *statements: str) -> None:
    """Carry out statements as an administrator."""
    with closing(psycopg.connect(home.url, autocommit=True)) as db:
        for one in statements:
            db.execute(one.encode())


def owed(home: JournalHome) -> list[str]:
    """Return what a run has to tell of the journal."""
    with open_journal(home) as journal:
        return [text for _, text in conditions.owed(journal)]


def test_a_look_makes_none(home: JournalServer) -> None:
    """While there is none, a look sees an empty one, a reader is told so, and nothing is made."""
    with look_at(home) as journal:
        assert isinstance(journal, SqliteJournal)
        assert journal.all("destinations") == []
    with pytest.raises(NotBegun, match="there is none yet; `zkpoll sync` makes it"):
        open_journal(home, writable=False)
    assert list(home.state.iterdir()) == []
    with closing(psycopg.connect(home.url)) as db:
        assert db.execute("SELECT to_regnamespace('zkpoll')").fetchone() == (None,)


def test_the_first_one_is_begun_without_a_word(home: JournalServer) -> None:
    """Who opens it to write makes it, and leaves a mark in the folder of this machine."""
    assert owed(home) == []
    assert folders(home).begun.read_text().startswith(f"zkpoll began the journal {home}.")
    assert folders(home).begun.parent == home.state
    with look_at(home) as journal:
        assert isinstance(journal, PostgresJournal)


@pytest.mark.parametrize("left", ["begun", "raw_copies", "unknown_logs"])
def test_one_that_is_gone_is_told_of(home: JournalServer, left: str) -> None:
    """Where the folder shows that there was one, a database without it has one begun anew, and told of."""
    path = getattr(folders(home), left)
    path.mkdir()
    with look_at(home) as journal:
        assert ANEW in conditions.owed(journal)[0][1]
    with pytest.raises(JournalError, match="it is gone; restore a backup"):
        open_journal(home, writable=False)
    (told,) = owed(home)
    assert told.startswith(f"{home} {ANEW}")
    assert owed(home) == [told]


def test_a_machine_that_comes_later_is_told_nothing(home: JournalServer, tmp_path: Path) -> None:
    """Each has a folder of its own; one that finds the journal takes it as it is."""
    (tmp_path / "other").mkdir()
    other = JournalServer(home.url, tmp_path / "other")
    assert owed(home) == owed(other) == []
    assert folders(other).begun.exists()


BESIDE = "zkpoll began the journal beside this file. Should the journal be gone"
ANOTHERS = "is that of the journal .*; give each a folder of its own, or, if it is the same"


def known(home: JournalHome) -> JournalHome:
    """Make the journal at `home`, and let it have met a device."""
    with open_journal(home) as journal:
        visit(journal).take(piece(*punches(1)))
    with open_journal(home):
        return home


def elsewhere(home: JournalServer) -> JournalServer:
    """Return the same database by another name of its server."""
    url = make_url(home.url)
    there = url.set(host="localhost" if url.host != "localhost" else "127.0.0.1")
    return replace(home, url=there.render_as_string(hide_password=False))


def test_two_databases_do_not_share_a_folder(home: JournalServer) -> None:
    """The second one is refused, and not begun; with a folder of its own, or without the mark, it is."""
    known(home)
    with empty_database() as url:
        second = JournalServer(url, home.state)
        for _ in range(2):
            with pytest.raises(JournalError, match=ANOTHERS) as caught:
                open_journal(second)
        assert f" {home}, as {folders(home).begun} says" in str(caught.value)
        with closing(psycopg.connect(url)) as db:
            assert db.execute("SELECT to_regnamespace('zkpoll')").fetchone() == (None,)
        assert owed(home) == []
        (home.state / "own").mkdir()
        known(replace(second, state=home.state / "own"))
        with pytest.raises(JournalError, match=ANOTHERS):
            open_journal(second)  # it is there, and is another one
        folders(home).begun.unlink()
        assert owed(second) == []
    with pytest.raises(JournalError, match=ANOTHERS):
        open_journal(home)


def test_a_look_asks_for_no_mark(home: JournalServer) -> None:
    """A look writes nothing beside a journal: it is never refused."""
    known(home)
    folders(home).begun.write_text("zkpoll began the journal postgresql://x/y. Should the journal be gone")
    with look_at(home) as journal, open_journal(home, writable=False):
        assert isinstance(journal, PostgresJournal)


def test_a_server_of_another_name_has_the_same_journal(home: JournalServer) -> None:
    """The journal is known by its first device, and its mark follows; no two names of it quarrel."""
    known(home)
    for one in (elsewhere(home), home, elsewhere(home)):
        assert owed(one) == []
        assert folders(one).begun.read_text().startswith(f"zkpoll began the journal {one}.")


def test_without_a_device_it_is_known_by_its_place_alone(home: JournalServer) -> None:
    """One that nothing tells from another one is refused until a person says that it is the same."""
    assert owed(home) == owed(home) == []
    with pytest.raises(JournalError, match=ANOTHERS):
        open_journal(elsewhere(home))
    folders(home).begun.unlink()
    assert owed(elsewhere(home)) == []


@pytest.mark.parametrize("mark", ["", BESIDE])
def test_a_mark_that_names_none_is_anybodys(home: JournalServer, mark: str) -> None:
    """A file's journal that was copied to a server may leave what lies beside it where it is."""
    folders(home).begun.write_text(mark)
    with open_journal(home):
        pass
    assert folders(home).begun.read_text().startswith(f"zkpoll began the journal {home}.")


def test_a_copied_file_is_followed_to_its_server(home: JournalServer) -> None:
    """Also where the file had its folder already, which is the server's afterwards."""
    (home.state / "file").mkdir()
    file = home.state / "file/journal.db"
    known(FileAndState(file, home.state))
    copy_to(file, home.url)
    assert owed(home) == []
    with pytest.raises(JournalError, match=ANOTHERS):
        open_journal(FileAndState(home.state / "journal.db", home.state))
    assert not (home.state / "journal.db").exists()


def test_what_lies_beside_a_file_is_told_when_it_gets_a_folder(tmp_path: Path) -> None:
    """Once, by the first run with the folder: nobody looks for it there any more."""
    file, state = tmp_path / "journal.db", tmp_path / "state"
    state.mkdir()
    known(file)
    for one in (folders(file).raw_copies, folders(file).unknown_logs):
        one.mkdir()
    home = FileAndState(file, state)
    for _ in range(2):
        assert owed(home) == [
            f"{tmp_path}/journal.db.{kind} is not looked for any more: by state_dir: it is "
            f"{state}/journal.db.{kind}; move what is in it there"
            for kind in ("raw", "unknown")
        ]


@pytest.mark.parametrize("to", [".", "again"])
def test_a_folder_that_is_the_file_s_own_leaves_nothing_behind(tmp_path: Path, to: str) -> None:
    """By its own name or that of a link."""
    (tmp_path / "again").symlink_to(tmp_path)
    known(tmp_path / "journal.db")
    folders(tmp_path / "journal.db").raw_copies.mkdir()
    folders(tmp_path / "journal.db").begun.unlink()
    assert owed(FileAndState(tmp_path / "journal.db", tmp_path / to)) == []


def test_a_mark_that_cannot_be_written_anew_keeps_no_run_from_its_journal(
    home: JournalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what it said, and the journal is known by what is in it."""
    known(home)
    before = folders(home).begun.read_text()
    with monkeypatch.context() as patch:
        patch.setattr("zkpoll.journal.opening.new_file", _refused)
        assert owed(elsewhere(home)) == []
    assert folders(home).begun.read_text() == before


def _refused(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_it_is_made_with_its_notice_or_not_at_all(home: JournalServer) -> None:
    """A run that dies between the two leaves no journal, and the next one tells it."""

    def dies(journal: PostgresJournal) -> None:
        conditions.owe(journal, "journal", "never seen")
        raise KeyboardInterrupt

    folders(home).begun.touch()
    with pytest.raises(KeyboardInterrupt):
        PostgresJournal(home.url, begun=dies)
    (told,) = owed(home)
    assert ANEW in told


def test_a_folder_that_cannot_be_seen_is_told(home: JournalServer) -> None:
    """Neither a reader nor a writer takes it for one that tells of no journal before."""
    strange = JournalServer(home.url, home.state / ("x" * 300))
    with pytest.raises(JournalError, match="cannot be seen: file name too long"):
        look_at(strange)
    with pytest.raises(JournalError, match="is not there; make it"):
        open_journal(strange)


def test_a_lock_without_the_journal(home: JournalServer) -> None:
    """The lock of a dashboard can be had alone, keeps a run from it, and is free afterwards."""
    with open_journal(home) as journal:
        with lock(home, "dashboard main"), pytest.raises(Busy), journal.lock("dashboard main"):
            pass
        with journal.lock("dashboard main"), pytest.raises(Busy), lock(home, "dashboard main"):
            pass
        with journal.lock("dashboard main"):
            assert journal.is_locked("dashboard main")


def test_who_only_reads_locks_nothing_behind_a_pooler_either(
    home: JournalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look takes locks as well; where sessions are shared, it is refused before the first one."""
    with open_journal(home):
        pass
    with open_journal(home, writable=False) as journal:
        assert isinstance(journal, PostgresJournal)
        own, shared = journal._db, journal._connected()
        monkeypatch.setattr(journal, "_db", shared)
        monkeypatch.setattr(journal, "_connected", lambda: shared)
        with pytest.raises(JournalError, match="is behind a pooler"), journal.lock("device a"):
            pass
        own.close()


@pytest.mark.parametrize(
    ("role", "statements", "told"),
    [
        ("NOLOGIN", (), "refuses the login: .* is not permitted to log in; check the user"),
        ("LOGIN", ("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC",), "may not be used by this user"),
        ("LOGIN", ("REVOKE CREATE ON DATABASE {database} FROM PUBLIC",), "may not be used by this user"),
    ],
)
def test_a_login_that_may_not_is_told(
    home: JournalServer,
    role: str,
    statements: tuple[str, ...],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A role that may not log in, not enter the database, or make no schema there hears which it is."""
    name = home.url.rpartition("/")[2]
    run(
        home,
        f"CREATE ROLE {name} {role} PASSWORD '{SECRET}'",
        *(one.format(database=name) for one in statements),
    )
    try:
        monkeypatch.setenv("PGPASSWORD", SECRET)
        url = "//" + name + "@" + home.url.partition("//")[2].rpartition("@")[2]
        with pytest.raises(JournalError, match=told):
            open_journal(JournalServer(f"postgresql:{url}", home.state))
    finally:
        run(home, f"DROP ROLE {name}")
