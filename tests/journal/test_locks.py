"""Locks between runs: held by the OS, whatever name each of them has for the journal."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import piece, punch, visit
from tests.look import look
from zkpoll.errors import Busy, JournalError, Locked
from zkpoll.journal import locks
from zkpoll.journal.opening import is_there, lock, look_at, open_empty, open_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
DEVICE = "device 192.168.1.201:4370"
HOLDER = """
import sys, time
from pathlib import Path
from zkpoll.journal import locks
from zkpoll.journal.opening import lock
locks._MEANS = getattr(locks, sys.argv[3])
with lock(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""
MEANS = ["ByteLocks"] if sys.platform == "linux" else []


@pytest.fixture(params=[*MEANS, "LockFiles"])
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lock by each of the means that this system has."""
    name: str = request.param
    monkeypatch.setattr(locks, "_MEANS", getattr(locks, name))
    return name


@pytest.fixture
def journal(tmp_path: Path, means: str) -> Path:
    """Return where a journal is, to be locked by each means."""
    path = tmp_path / means / "journal.db"
    path.parent.mkdir()
    with open_journal(path):
        return path


@contextmanager
def held_elsewhere(journal: Path, what: str, means: str) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock of `what`."""
    arguments = [sys.executable, "-c", HOLDER, str(journal), what, means]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def is_free(journal: Path, what: str) -> bool:
    """Say whether the lock of `what` can be had."""
    try:
        with lock(journal, what):
            return True
    except Busy:
        return False


def test_two_runs_exclude_each_other(journal: Path) -> None:
    """What one run holds another one cannot have, until it is let go; waiting is for nobody."""
    other = journal.with_name("other.db")
    with lock(journal, DEVICE), open_journal(other):
        assert not is_free(journal, DEVICE)
        assert is_free(journal, "device 192.168.1.202:4370")
        assert is_free(other, DEVICE)
    assert is_free(journal, DEVICE)


def test_an_error_frees_it(journal: Path) -> None:
    """A run that fails while it holds a lock lets it go."""
    with pytest.raises(ValueError, match="boom"), lock(journal, DEVICE):
        raise ValueError("boom")
    assert is_free(journal, DEVICE)


def test_one_of_many_threads_has_it(journal: Path) -> None:
    """Of many threads that want a lock at once exactly one gets it."""
    start, end = threading.Barrier(8), threading.Barrier(8)
    got = []

    def take() -> None:
        start.wait(10)
        try:
            with lock(journal, DEVICE):
                got.append(True)
                end.wait(10)
        except Busy:
            got.append(False)
            end.wait(10)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]


def test_a_killed_process_frees_it(journal: Path, means: str) -> None:
    """A process that is killed outright leaves no lock."""
    with held_elsewhere(journal, DEVICE, means) as holder:
        assert not is_free(journal, DEVICE)
        assert is_free(journal, "device 192.168.1.202:4370")
        holder.kill()
    assert is_free(journal, DEVICE)


# --- whatever its name ---


def link_to_the_file(journal: Path) -> Path:
    """Make a link to a journal, in another folder."""
    link = journal.parent.parent / "link.db"
    link.symlink_to(journal)
    return link


def link_to_the_folder(journal: Path) -> Path:
    """Make a link to the journal's folder."""
    link = journal.parent.parent / "link"
    link.symlink_to(journal.parent)
    return link / journal.name


def roundabout(journal: Path) -> Path:
    """Return a path that leads away and back."""
    return journal.parent / ".." / journal.parent.name / journal.name


def mounted_again(journal: Path) -> Path:
    """Mount the journal's folder at another place."""
    folder = journal.parent.parent / "mounted"
    folder.mkdir()
    mount = ["mount", "--bind", str(journal.parent), str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    return folder / journal.name


@pytest.fixture(params=[link_to_the_file, link_to_the_folder, roundabout, mounted_again])
def other_name(request: pytest.FixtureRequest, journal: Path) -> Iterator[Path]:
    """Give another name of the journal."""
    make: Callable[[Path], Path] = request.param
    path = make(journal)
    yield path
    if make is mounted_again:
        subprocess.run(["umount", str(path.parent)], check=True)  # noqa: S607


def test_runs_meet_by_any_name(journal: Path, other_name: Path, means: str) -> None:
    """Two runs that call the journal by different names exclude each other, whichever comes first."""
    with held_elsewhere(other_name, DEVICE, means):
        assert not is_free(journal, DEVICE)
        with open_journal(journal) as opened, pytest.raises(Busy), opened.lock(DEVICE):
            pytest.fail("it is held twice")
    with held_elsewhere(journal, DEVICE, means):
        assert not is_free(other_name, DEVICE)


def test_what_lies_beside_it_holds_no_lock(tmp_path: Path) -> None:
    """Whatever is removed beside the journal while a run is at it, the next run meets that run."""
    path = tmp_path / "journal.db"
    with open_journal(path), held_elsewhere(path, DEVICE, "ByteLocks"):
        for beside in tmp_path.glob("journal.db.*"):
            beside.unlink()
        assert not is_free(path, DEVICE)


@pytest.mark.parametrize("writable", [True, False])
def test_a_second_name_by_a_hard_link_is_refused(journal: Path, writable: bool) -> None:
    """A journal with two names of its own is used by neither, as SQLite would damage it by both."""
    second = journal.with_name("second.db")
    second.hardlink_to(journal)
    for path in (journal, second):
        with pytest.raises(JournalError, match=f"{path} has a second name") as caught:
            open_journal(path, writable=writable)
        assert "\n" not in str(caught.value)
    second.unlink()
    with open_journal(journal, writable=writable):
        pass


@pytest.mark.parametrize("then", ["removed", "replaced"])
def test_another_file_in_its_place(journal: Path, then: str) -> None:
    """A run whose journal is not the one that other runs find takes no lock on it any more."""
    opened = open_journal(journal)
    journal.rename(journal.with_name("moved.db"))
    if then == "replaced":
        journal.write_bytes(b"x")
    with pytest.raises(JournalError, match=f"{journal} was {then}"), opened, opened.lock(DEVICE):
        pytest.fail("the lock is no other run's")


def test_locking_keeps_the_locks_of_sqlite(journal: Path) -> None:
    """What is locked and freed leaves an open journal its own locks, without which it would lose punches."""
    elsewhere = "import sys, pathlib; from zkpoll.journal.opening import open_journal as o; "
    elsewhere += "o(pathlib.Path(sys.argv[1])).__exit__(None, None, None)"
    with lock(journal, "dashboard main"), open_journal(journal) as opened:
        ledger = visit(opened)
        with opened.lock(DEVICE), lock(journal, "dashboard other"):
            pass
        with lock(journal, DEVICE):
            pass
        subprocess.run([sys.executable, "-c", elsewhere, str(journal)], cwd=ROOT, check=True)
        ledger.take(piece(punch()))
        assert look(journal, "SELECT count(*) FROM punch") == [(1,)]


NAMES = (
    "main",
    "a b",
    "a-b",
    "a/b",
    "a%2Fb",
    "../../etc/passwd",
    "..",
    "[fe80::1%eth0]:4370",
    "A:B\\C",
    "\u09aa\u09cd\u09b0\u09a7\u09be\u09a8" * 10,  # Bengali: nine characters each when quoted
    "\u09aa\u09cd\u09b0\u09a7\u09be\u09a8" * 10 + "!",
    "x" * 64,
    "h" * 253 + ":4370",
)


def test_every_name_has_a_lock_of_its_own(journal: Path) -> None:
    """Whatever is in a name, its lock is no other name's, and a file only in the folder for those."""
    before = set(journal.parent.iterdir())
    for name in NAMES:
        with lock(journal, f"dashboard {name}"):
            for other in NAMES:
                assert is_free(journal, f"dashboard {other}") is (other != name)
    folder = journal.with_name("journal.db.locks")
    assert set(journal.parent.iterdir()) - before <= {folder}
    assert all(path.parent == folder for path in folder.rglob("*"))


def test_a_lock_that_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no lock can be taken nothing is run without one, and the sentence says why."""
    path = tmp_path / "journal.db"
    monkeypatch.setattr(locks, "_MEANS", locks.LockFiles)
    path.with_name("journal.db.locks").write_bytes(b"")
    with open_journal(path) as opened, pytest.raises(Locked, match="file exists"), opened.lock(DEVICE):
        pytest.fail("there is no lock")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
@pytest.mark.filterwarnings("error")
def test_a_file_system_without_locks(journal: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Nothing is run without locks; one sentence names the folder and what to do."""

    def refusing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refusing)
    monkeypatch.setattr(fcntl, "fcntl", refusing)
    why = re.escape(os.strerror(number).lower())
    told = (
        rf"the file system of {journal.parent} locks no files \({why}\).*; keep the journal on a local disk$"
    )
    with open_journal(journal) as opened, pytest.raises(JournalError, match=told), opened.lock(DEVICE):
        pytest.fail("there is no lock")


def test_no_journal_has_no_locks(tmp_path: Path) -> None:
    """What is not there cannot be locked."""
    with pytest.raises(JournalError, match="cannot be opened"), lock(tmp_path / "journal.db", DEVICE):
        pytest.fail("there is no lock")


def test_an_open_journal_has_the_same_locks(journal: Path) -> None:
    """What is locked with a journal open is locked for those that have not opened it, and vice versa."""
    with open_journal(journal) as opened:
        with opened.lock(DEVICE):
            assert not is_free(journal, DEVICE)
        with lock(journal, DEVICE), pytest.raises(Busy), opened.lock(DEVICE):
            pytest.fail("it is held twice")


def test_a_journal_in_memory_locks_nothing() -> None:
    """Nobody else can be at a journal that is not there yet."""
    with open_empty() as opened, opened.lock(DEVICE), opened.lock(DEVICE):
        pass


def test_looking_makes_no_journal(tmp_path: Path) -> None:
    """Whoever looks at a journal that is not there yet sees an empty one; there is none afterwards."""
    journal = tmp_path / "journal.db"
    with look_at(journal) as opened:
        assert opened.all("conditions") == []
        assert not is_there(journal)
    with open_journal(journal):
        assert is_there(journal)
    with look_at(journal) as opened, pytest.raises(JournalError):
        opened.run("forget_condition", subject="x")


def test_who_asks_takes_nothing(journal: Path, means: str) -> None:
    """Whether a run has a lock is seen by all who may read the journal, and no run is hindered by that."""
    with look_at(journal) as reader, open_journal(journal) as writer:
        assert reader.is_locked("serve") is False
        with writer.lock("serve"):
            assert (reader.is_locked("serve"), writer.is_locked("serve")) == (True, True)
        with held_elsewhere(journal, "serve", means) as other:
            assert (reader.is_locked("serve"), reader.is_locked(DEVICE)) == (True, False)
            other.kill()
            other.wait()
            assert reader.is_locked("serve") is False
        with writer.lock("serve"):  # who has asked has left it free
            pass


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root may write all")
def test_who_may_only_read_sees_locks_as_well(journal: Path, means: str) -> None:
    """A user that may read the journal and not write it sees who has it."""
    with held_elsewhere(journal, "serve", means):
        journal.chmod(0o400)
        try:
            with look_at(journal) as reader:
                assert reader.is_locked("serve") is True
        finally:
            journal.chmod(0o600)
