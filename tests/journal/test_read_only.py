"""A journal where nothing can be written: what only looks sees all of it, and is in nobody's way."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import confirm, connection, pending, piece, punch, punches, visit
from tests.look import inside
from tests.places import FileSystem, ordinary_user, public_folder
from zkpoll.errors import JournalError
from zkpoll.journal import exports
from zkpoll.journal.backup import BackupFailed, backup
from zkpoll.journal.opening import look_at, open_journal
from zkpoll.journal.outbox import JournalOutbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zkpoll.journal.database import Journal

    Frozen = Callable[[Path], AbstractContextManager[None]]

STATES = ["confirmed", "pending", "pending"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that everybody can enter."""
    with public_folder() as folder:
        yield folder


@pytest.fixture
def path(folder: Path) -> Path:
    """Return where the journal is."""
    return folder / "journal.db"


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[None]:
    """Put what is in a folder on a read-only file system."""
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    try:
        file_system = FileSystem(folder, kilobytes=8192).__enter__()
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    try:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        file_system.make_read_only()
        yield
    finally:
        file_system.__exit__()


@contextmanager
def another_users(folder: Path) -> Iterator[None]:
    """Be somebody who may read what is in a folder, and change nothing there."""
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    with ordinary_user():
        yield
    folder.chmod(0o755)


@contextmanager
def another_users_in_a_folder_for_all(folder: Path) -> Iterator[None]:
    """Be somebody who may read a journal, and make files beside it."""
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o777)
    with ordinary_user():
        yield


@pytest.fixture(params=[mounted_read_only, another_users, another_users_in_a_folder_for_all])
def frozen(request: pytest.FixtureRequest) -> Frozen:
    """Give what lets nothing be written in a folder."""
    found: Frozen = request.param
    return found


def fill(path: Path) -> None:
    """Journal three punches, one of them confirmed."""
    with open_journal(path) as journal:
        outbox = JournalOutbox(journal, "main")
        visit(journal).take(piece(punch("1"), punch("2"), punch("3")))
        confirm(outbox, pending(outbox, 1))


def killed(path: Path) -> None:
    """Let a process that filled the journal be killed: what it wrote is in its log alone."""
    copy = path.with_name("of-the-dead")
    copy.mkdir()
    with open_journal(path) as journal:
        outbox = JournalOutbox(journal, "main")
        visit(journal).take(piece(punch("1"), punch("2"), punch("3")))
        confirm(outbox, pending(outbox, 1))
        for file in path.parent.glob("journal.db*"):
            shutil.copy(file, copy)
    for file in path.parent.glob("journal.db*"):
        file.unlink()
    for file in copy.iterdir():
        file.rename(path.with_name(file.name))
    copy.rmdir()


def states(journal: Journal) -> list[str]:
    """Return how each punch stands with the one dashboard."""
    return [found.states["main"] for found in exports.punches(journal, exports.Wanted())]


def listing(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def backed_up(path: Path) -> None:
    """Let the journal be a backup that was put in its place: one file, not in WAL mode."""
    fill(path)
    copy = path.with_name("copy.db")
    backup(path, copy)
    copy.rename(path)


@pytest.mark.parametrize("make", [fill, killed, backed_up])
def test_it_is_read(path: Path, make: Callable[[Path], None], frozen: Frozen) -> None:
    """All that is in the journal is seen, also what a killed run left in the log, and nothing is made."""
    make(path)
    before = listing(path.parent)
    with frozen(path.parent):
        for _ in range(2):
            with look_at(path) as journal:
                assert states(journal) == STATES
        assert listing(path.parent).keys() == before.keys()
    assert listing(path.parent)["journal.db"] == before["journal.db"]


def test_it_is_read_through_a_link(path: Path, frozen: Frozen) -> None:
    """The files beside a journal are sought where it lies, not where a link to it does."""
    fill(path)
    with public_folder() as elsewhere:
        link = elsewhere / "link.db"
        link.symlink_to(path)
        with frozen(path.parent), look_at(link) as journal:
            assert states(journal) == STATES
        assert [file.name for file in elsewhere.iterdir()] == ["link.db"]


@pytest.mark.parametrize("left", ["-wal", "-journal"])
def test_what_only_a_writer_can_read(path: Path, left: str, frozen: Frozen) -> None:
    """Changes beside the file that cannot be taken in are not left out: one sentence says what to do."""
    killed(path)
    path.with_name("journal.db-shm").unlink()
    path.with_name("journal.db-wal").rename(path.with_name(f"journal.db{left}"))
    before = listing(path.parent)
    with frozen(path.parent):
        with pytest.raises(
            JournalError, match=f"where nothing can be written, as journal.db{left} holds changes"
        ):
            look_at(path)
        assert listing(path.parent) == before


def test_a_copy_of_it(path: Path, frozen: Frozen) -> None:
    """A backup is made elsewhere, whole."""
    fill(path)
    with public_folder() as elsewhere:
        elsewhere.chmod(0o777)
        with frozen(path.parent):
            assert backup(path, elsewhere / "copy.db").punches == 3
        with open_journal(elsewhere / "copy.db", writable=False) as journal:
            assert states(journal) == STATES


@pytest.mark.parametrize("frozen", [mounted_read_only, another_users], indirect=True)
def test_a_copy_of_it_beside_it(path: Path, frozen: Frozen) -> None:
    """A backup beside it cannot be written, and says so."""
    fill(path)
    with (
        frozen(path.parent),
        pytest.raises(BackupFailed, match=r"copy.db cannot be written: (read|permission)"),
    ):
        backup(path, path.with_name("copy.db"))


def test_a_writer_is_refused(path: Path, frozen: Frozen) -> None:
    """What writes is told in one sentence that it cannot, before it does anything else."""
    fill(path)
    with (
        frozen(path.parent),
        pytest.raises(JournalError, match=r"may only be read|may not be written") as told,
    ):
        open_journal(path)
    assert "\n" not in str(told.value)


def test_a_reader_that_may_not_write_is_in_nobodys_way(path: Path) -> None:
    """Who only may read leaves nothing behind that its owner could not write."""
    fill(path)
    before = listing(path.parent)
    with another_users_in_a_folder_for_all(path.parent), look_at(path) as journal:
        assert states(journal) == STATES
        assert listing(path.parent) == before
    path.chmod(0o600)
    with open_journal(path) as journal:
        visit(journal).take(piece(punch("4")))
        assert {file.stat().st_uid for file in path.parent.iterdir()} == {os.geteuid()}


@pytest.mark.parametrize("rights", [0o555, 0o777])
def test_while_its_owner_writes(path: Path, rights: int) -> None:
    """Who may only read sees what a run under way has written until now."""
    with open_journal(path) as journal:
        outbox = JournalOutbox(journal, "main")
        ledger = visit(journal)
        ledger.take(piece(punch("1")))
        for file in path.parent.iterdir():
            file.chmod(0o644)
        path.parent.chmod(rights)
        with ordinary_user():
            looking = look_at(path)
        with looking as look:
            assert states(look) == ["pending"]
            ledger.take(piece(punch("1"), punch("2")))
            assert states(look) == ["pending"] * 2
            confirm(outbox, pending(outbox))
            connection(journal).execute("PRAGMA wal_checkpoint(TRUNCATE)")
            assert states(look) == ["confirmed"] * 2
        path.parent.chmod(0o755)


@pytest.mark.parametrize("replaced", [False, True])
def test_written_by_others_meanwhile(path: Path, replaced: bool) -> None:
    """Rows of a file that changed while it was read alone are not given as an answer."""
    fill(path)
    path.chmod(0o644)
    path.parent.chmod(0o555)
    with ordinary_user():
        looking = look_at(path)
    path.parent.chmod(0o755)
    with looking as look:
        assert states(look) == STATES
        if replaced:
            copy = path.with_name("copy.db")
            backup(path, copy)
            copy.replace(path)
        else:
            with open_journal(path) as journal:
                visit(journal).take(piece(*punches(500)))
        with pytest.raises(JournalError, match="was written by another program while it was read"):
            states(look)


def test_on_a_full_disk(path: Path) -> None:
    """A look needs no room."""
    try:
        file_system = FileSystem(path.parent, kilobytes=1024).__enter__()
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    try:
        fill(path)
        file_system.fill(None, 0)
        with look_at(path) as journal:
            assert states(journal) == STATES
        file_system.make_room()
        with inside(path) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        file_system.__exit__()


def test_what_is_no_journal_stays_so(path: Path, frozen: Frozen) -> None:
    """A file of another kind is named as such here, too."""
    path.write_text("journal: /var/lib/zkpoll/journal.db\n" * 200)
    with (
        frozen(path.parent),
        pytest.raises(JournalError, match="is not a journal but some other kind of file"),
    ):
        look_at(path)


def test_a_link_to_nothing_is_no_journal(folder: Path) -> None:
    """SQLite itself is not asked for a file that is not there."""
    with another_users(folder), pytest.raises(JournalError, match="there is none yet") as told:
        open_journal(folder / "journal.db", writable=False)
    assert not isinstance(told.value.__cause__, sqlite3.Error)
