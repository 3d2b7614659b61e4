"""The last backups of a folder: which go when a new one is there, and which never do."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import piece, punches, visit
from zkpoll.errors import JournalError
from zkpoll.journal.backup import BackupFailed, backup_and_keep, beyond
from zkpoll.journal.opening import open_journal

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal


def stamp(day: int, year: int = 2026) -> str:
    """Return the name of a backup of a day in November."""
    return f"zkpoll-{year}-11-{day:02}T031000Z.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder for backups."""
    made = tmp_path / "backups"
    made.mkdir()
    return made


@pytest.mark.parametrize(
    ("there", "newest", "number", "gone"),
    [
        ([stamp(1), stamp(2)], stamp(3), 3, []),
        ([stamp(1), stamp(2)], stamp(3), 2, [stamp(1)]),
        ([stamp(1), stamp(2)], stamp(3), 1, [stamp(1), stamp(2)]),
        # A clock that was years ahead, and is right again.
        ([stamp(1), stamp(2, 2036), stamp(3, 2036)], stamp(2), 2, [stamp(2, 2036), stamp(3, 2036)]),
        # One that jumped back: what it made there before is newer than what was made before that.
        ([stamp(1), stamp(2), stamp(1, 2020)], stamp(2, 2020), 2, [stamp(1), stamp(2)]),
        ([stamp(1)], stamp(1, 2020), 1, [stamp(1)]),
    ],
)
def test_which_go(there: list[str], newest: str, number: int, gone: list[str]) -> None:
    """The oldest go, and never the newest, whatever the host's clock said when they were made."""
    assert beyond([*there, newest], newest, number) == gone


def test_what_is_no_backup_stays(journal: Journal, path: Path, folder: Path) -> None:
    """Links, folders, files of such a name that are no journals, and other names are never removed."""
    visit(journal).take(piece(*punches(10)))
    first = backup_and_keep(path, folder, 1).backup
    assert first.punches == 10
    (folder / stamp(1)).write_text("a person's")
    (folder / stamp(2)).mkdir()
    (folder / stamp(3)).symlink_to(first.file)
    (folder / "zkpoll-2026-11-04.db").write_bytes(first.file.read_bytes())
    kept = backup_and_keep(path, folder, 1)
    assert kept.removed == (first.file,)
    assert kept.backup.file.exists()
    left = {stamp(1), stamp(2), stamp(3), "zkpoll-2026-11-04.db", kept.backup.file.name}
    assert {one.name for one in folder.iterdir()} == left


def test_a_failure_removes_nothing(path: Path, folder: Path) -> None:
    """Where the journal is damaged, or the folder is not there, the older backups stay."""
    with open_journal(path) as journal:
        visit(journal).take(piece(*punches(3000)))
    good = backup_and_keep(path, folder, 1).backup.file
    with pytest.raises(BackupFailed, match="is no folder that is there"):
        backup_and_keep(path, folder / "no", 1)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4 // 4096 * 4096)
        file.write(b"\xa5" * (size // 2 // 4096 * 4096))
    with pytest.raises(JournalError, match="is damaged; it was not backed up"):
        backup_and_keep(path, folder, 1)
    assert list(folder.iterdir()) == [good]


def test_dead_copies_go(journal: Journal, path: Path, folder: Path) -> None:
    """What a killed backup left is removed after a day; one that is being written, and a link, stay."""
    visit(journal).take(piece(*punches(10)))
    for name in ("dead", "alive"):
        (folder / f".zkpoll-{name}").mkdir()
        (folder / f".zkpoll-{name}" / "copy").write_bytes(b"half")
    (folder / ".zkpoll-link").symlink_to(path.parent)
    old = time.time() - 2 * 86_400
    for one in (".zkpoll-dead/copy", ".zkpoll-dead", ".zkpoll-alive"):
        os.utime(folder / one, (old, old))
    kept = backup_and_keep(path, folder, 1)
    left = {".zkpoll-alive", ".zkpoll-link", kept.backup.file.name}
    assert {one.name for one in folder.iterdir()} == left
    assert path.exists()


def test_a_raw_copy_that_cannot_be_read(journal: Journal, path: Path, folder: Path) -> None:
    """It is named, not the folder for backups, where nothing is wrong."""
    visit(journal).take(piece(*punches(10)))
    raw = path.with_name(f"{path.name}.raw")
    (raw / "front.zkraw").mkdir(parents=True)
    with pytest.raises(BackupFailed, match=r"the raw copy .*front\.zkraw cannot be read: "):
        backup_and_keep(path, folder, 1)
