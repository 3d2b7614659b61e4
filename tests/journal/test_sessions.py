"""Sessions of one process with a journal: on a server each thread has one of its own, as far as they go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import TYPE_CHECKING

import psycopg

from tests.journal.on_postgres import empty_database
from tests.waiting import wait_for
from zkpoll.errors import JournalError
from zkpoll.journal import sessions
from zkpoll.journal.opening import open_journal
from zkpoll.journal.sessions import Sessions
from zkpoll.model.journal_home import JournalServer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from zkpoll.journal.database import Journal
    from zkpoll.model.journal_home import JournalHome

_COUNT = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'zkpoll'"
)


def used_at_once(home: JournalHome, threads: int) -> tuple[list[Journal], int]:
    """Let threads use a session each at the same time; return these, and how many connections there were."""
    met = Barrier(threads + 1, timeout=20)
    with open_journal(home) as first, Sessions(home, first) as several, ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(threads))

        def use() -> Journal:
            with several.one() as journal:
                met.wait()
                journal.one("last_punch")
                met.wait()
                return journal

        running = [pool.submit(use) for _ in range(threads)]
        met.wait()
        count = 0
        if isinstance(home, JournalServer):
            with psycopg.connect(home.url) as db:
                (count,) = db.execute(_COUNT).fetchone() or (0,)
        met.wait()
        found = [one.result() for one in running]
        with several.one() as again:
            assert again in found
    return found, count


def test_threads_have_a_session_each_with_a_server(tmp_path: Path) -> None:
    """Three at once use three; a crowd shares eight; all are closed with the first."""
    with empty_database() as url:
        home = JournalServer(url, tmp_path)
        few, connections = used_at_once(home, 3)
        assert (len(set(few)), connections) == (3, 3)
        many, connections = used_at_once(home, 20)
        assert (len(set(many)), connections) == (8, 8)
        with psycopg.connect(url, autocommit=True) as db:
            wait_for(lambda: db.execute(_COUNT).fetchone() == (0,))


def test_a_server_that_lets_no_more_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are open have to do: a run that needs one ends for no want of a second."""
    with empty_database() as url:
        home = JournalServer(url, tmp_path)
        left = [open_journal]

        def full(home: JournalHome) -> Journal:
            if not left:
                raise JournalError("too many connections")
            return left.pop()(home)

        monkeypatch.setattr(sessions, "open_journal", full)
        found, connections = used_at_once(home, 6)
    assert (len(set(found)), connections) == (2, 2)


def test_a_file_is_opened_once(tmp_path: Path) -> None:
    """It has one writer, so that more of them would only wait."""
    found, _ = used_at_once(tmp_path / "journal.db", 5)
    assert len(set(found)) == 1
