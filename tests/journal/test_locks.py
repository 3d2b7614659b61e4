"""Locks between runs: held by the OS, one file for each thing that is locked."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zkpoll.errors import Busy, JournalError
from zkpoll.journal.opening import is_there, lock, look_at, open_empty, open_journal

ROOT = Path(__file__).parents[2]
DEVICE = "device 192.168.1.201:4370"
HOLDER = """
import sys, time
from pathlib import Path
from zkpoll.journal.opening import lock
with lock(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return where a journal would be."""
    return tmp_path / "journal.db"


def is_free(journal: Path, what: str) -> bool:
    """Say whether the lock of `what` can be had."""
    try:
        with lock(journal, what):
            return True
    except Busy:
        return False


def test_two_runs_exclude_each_other(journal: Path) -> None:
    """What one run holds another one cannot have, until it is let go; waiting is for nobody."""
    with lock(journal, DEVICE):
        assert not is_free(journal, DEVICE)
        assert is_free(journal, "device 192.168.1.202:4370")
        assert is_free(journal.with_name("other.db"), DEVICE)
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


def test_a_killed_process_frees_it(journal: Path) -> None:
    """A process that is killed outright leaves its file behind, and no lock."""
    arguments = [sys.executable, "-c", HOLDER, str(journal), DEVICE]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert not is_free(journal, DEVICE)
        holder.kill()
    assert is_free(journal, DEVICE)


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


def test_every_name_makes_a_file_of_its_own(journal: Path) -> None:
    """Whatever is in a name, its lock is a file in the locks' folder, and no other name's."""
    for name in NAMES:
        with lock(journal, f"dashboard {name}"):
            for other in NAMES:
                assert is_free(journal, f"dashboard {other}") is (other != name)
    folder = journal.with_name("journal.db.locks")
    assert list(journal.parent.iterdir()) == [folder]
    assert all(path.parent == folder for path in folder.rglob("*"))


def test_a_folder_that_cannot_be_made(journal: Path) -> None:
    """Where no lock can be taken nothing is run without one: the journal cannot be used."""
    journal.with_name("journal.db.locks").write_bytes(b"")
    with pytest.raises(JournalError, match="cannot be made"), lock(journal, DEVICE):
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


def test_looking_makes_no_journal(journal: Path) -> None:
    """Whoever looks at a journal that is not there yet sees an empty one; there is none afterwards."""
    with look_at(journal) as opened:
        assert opened.all("conditions") == []
        assert not is_there(journal)
    with open_journal(journal):
        assert is_there(journal)
    with look_at(journal) as opened, pytest.raises(JournalError):
        opened.run("forget_condition", subject="x")
