"""SQLite files are copied, whoever writes to them, and no byte of them or beside them changes."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.bridge.vendors import vendor
from tests.bridge.visits import rows_of
from zkpoll.bridge import sqlite_copy
from zkpoll.errors import Damaged, Silent, Unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bridge.servers import Server


def files_of(folder: Path) -> dict[str, str]:
    """Return the digests of the files of a folder."""
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}


def test_no_byte_changes_and_no_file_is_made(sqlite: Server, tmp_path: Path) -> None:
    """The file stays as it is, and nothing lies beside it, during a visit and after it."""
    there = vendor("zktime-net", "sqlite", 50)
    sqlite.make(there)
    before = files_of(tmp_path)
    with sqlite.open(there) as source:
        assert len(rows_of(source)) == 50
        assert files_of(tmp_path) == before
    assert files_of(tmp_path) == before


def test_a_url_of_a_file_makes_nothing_either(sqlite: Server, tmp_path: Path) -> None:
    """A file that is named by a URL is copied as well; one that is not there is not made."""
    there = vendor("zktime-net", "sqlite", 50)
    sqlite.make(there)
    with closing(sqlite3.connect(tmp_path / "ZKTimeNet.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")
    before = files_of(tmp_path)
    with sqlite.open(there, file=None, url=f"sqlite:///{tmp_path}/ZKTimeNet.db") as source:
        assert len(rows_of(source)) == 50
        assert files_of(tmp_path) == before
    with (
        pytest.raises(Unreachable),
        sqlite.open(there, file=None, url=f"sqlite:///{tmp_path}/other.db"),
    ):
        pass
    assert files_of(tmp_path) == before


def test_the_vendor_writes_during_a_visit(sqlite: Server) -> None:
    """A visit holds no lock: what is written meanwhile is read by the next one."""
    there = vendor("zktime-net", "sqlite", 50)
    sqlite.make(there)
    with sqlite.open(there) as source:
        prints = source.fingerprints()
        sqlite.run(there.punches.insert().values(there.make(51)))
        assert sum(len(piece.rows) for piece in source.read(prints)) == 50
    with sqlite.open(there) as source:
        assert len(rows_of(source)) == 51


def test_a_writer_that_ends_is_waited_for(sqlite: Server) -> None:
    """A lock that is held for a moment costs that moment."""
    there = vendor("zktime-net", "sqlite", 5)
    sqlite.make(there)
    locked, done = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(str(sqlite.file), isolation_level=None)) as writer:
            writer.execute("BEGIN EXCLUSIVE")
            locked.set()
            done.wait(0.5)
            writer.execute("COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    locked.wait()
    with sqlite.open(there) as source:
        assert len(rows_of(source)) == 5
    thread.join()


def test_a_lock_that_is_held_for_good_is_told_of(sqlite: Server) -> None:
    """The copy does not wait longer than the timeout."""
    there = vendor("zktime-net", "sqlite", 5)
    sqlite.make(there)
    with closing(sqlite3.connect(str(sqlite.file), isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Silent, match=r"by another program for 0\.2 s"), sqlite.open(there, timeout=0.2):
            pass


def test_a_large_file_is_copied_to_a_file_without_a_name(
    sqlite: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above a bound the copy is not in memory, and is read as well."""
    there = vendor("zktime-net", "sqlite", 500)
    sqlite.make(there)
    monkeypatch.setattr(sqlite_copy, "_IN_MEMORY", 0)
    monkeypatch.setattr(sqlite_copy, "_STEP", 1)
    with sqlite.open(there) as source:
        assert sorted(rows_of(source), key=str) == sorted(there.expected, key=str)


def test_a_file_that_ends_in_the_middle_is_damaged(sqlite: Server, tmp_path: Path) -> None:
    """Half a copy is no database with fewer punches, and neither is one with a page of zeros."""
    there = vendor("zktime-net", "sqlite", 500)
    sqlite.make(there)
    whole = (tmp_path / "ZKTimeNet.db").read_bytes()
    half, zeroed = tmp_path / "half.db", tmp_path / "zeroed.db"
    half.write_bytes(whole[: len(whole) // 2])
    with closing(sqlite3.connect(str(sqlite.file))) as vendors:
        (page,) = vendors.execute("SELECT rootpage FROM sqlite_master WHERE name = 'att_punches'").fetchone()
    zeroed.write_bytes(whole[: (page - 1) * 4096] + bytes(4096) + whole[page * 4096 :])
    for file in (half, zeroed):
        with pytest.raises(Damaged, match="the file is damaged"), sqlite.open(there, file=file):
            pass


def test_what_is_no_sqlite_file_is_told_of(sqlite: Server, tmp_path: Path) -> None:
    """Rubbish, an encrypted file, a folder and nothing at all are no databases."""
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_bytes(b"no database at all, " * 400)
    with pytest.raises(Damaged, match="damaged, encrypted or no SQLite file"), sqlite.open(file=rubbish):
        pass
    for missing in (tmp_path, tmp_path / "none.db"):
        with pytest.raises(Unreachable, match="the file cannot be"), sqlite.open(file=missing):
            pass
    assert not (tmp_path / "none.db").exists()


def test_a_name_with_signs_of_addresses_is_a_name(sqlite: Server, tmp_path: Path) -> None:
    """Blanks, question marks and percent signs of a path mean nothing else."""
    there = vendor("zktime-net", "sqlite", 5)
    sqlite.make(there)
    odd = tmp_path / "a b?mode=rwc#%20&c.db"
    odd.write_bytes((tmp_path / "ZKTimeNet.db").read_bytes())
    with sqlite.open(there, file=odd) as source:
        assert len(rows_of(source)) == 5


def test_a_write_that_broke_off_is_told_of(sqlite: Server, tmp_path: Path) -> None:
    """A file beside which a journal lies that only its own program may roll back is not read half written."""
    there = vendor("zktime-net", "sqlite", 2000)
    sqlite.make(there)
    torn = tmp_path / "torn.db"
    with closing(sqlite3.connect(str(sqlite.file), isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN")
        writer.execute("UPDATE att_punches SET workstate = 3")
        torn.write_bytes((tmp_path / "ZKTimeNet.db").read_bytes())
        (tmp_path / "torn.db-journal").write_bytes((tmp_path / "ZKTimeNet.db-journal").read_bytes())
        writer.execute("ROLLBACK")
    before = files_of(tmp_path)
    with (
        pytest.raises(Unreachable, match="a program was stopped while it wrote"),
        sqlite.open(there, file=torn),
    ):
        pass
    assert files_of(tmp_path) == before


def test_a_write_ahead_log_is_read_and_none_is_made(sqlite: Server, tmp_path: Path) -> None:
    """Rows that are in the log alone come; where nobody has the database open, no log is left behind."""
    there = vendor("zktime-net", "sqlite", 5)
    sqlite.make(there)
    with closing(sqlite3.connect(str(sqlite.file))) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("DELETE FROM att_punches WHERE id = 5")
        writer.commit()
        with sqlite.open(there) as source:
            assert len(rows_of(source)) == 4
    before = files_of(tmp_path)
    with sqlite.open(there) as source:
        assert len(rows_of(source)) == 4
        assert files_of(tmp_path) == before
    assert list(before) == ["ZKTimeNet.db"]


def test_text_that_is_no_utf8_is_read(sqlite: Server) -> None:
    """A row whose text has other bytes comes, with marks in their place."""
    there = vendor("zktime-net", "sqlite", 2)
    sqlite.make(there)
    sqlite.run("UPDATE att_punches SET operator = CAST(x'ff41' AS TEXT) WHERE id = 1")
    with sqlite.open(there) as source:
        assert [row.operator for row in rows_of(source)] == ["\ufffdA", None]
