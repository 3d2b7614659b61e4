"""Files that are whole and on disk, or not there at all."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from zkpoll.durable import new_file, put, remove_old_parts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a file is to be."""
    return tmp_path / "file.txt"


def write(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a file in two pieces."""
    with new_file(path, replace=replace) as file:
        file.write(data[:1])
        file.write(data[1:])


@pytest.mark.parametrize("replace", [True, False])
def test_it_is_whole_when_it_has_its_name(path: Path, replace: bool) -> None:
    """Nobody sees half of it, and nothing is left beside it."""
    with new_file(path, replace=replace) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert list(path.parent.iterdir()) == [path]


def test_it_is_its_owners_alone(path: Path) -> None:
    """Others may read it only where they are meant to, whatever the umask."""
    before = os.umask(0)
    try:
        write(path, b"x", replace=True)
        assert path.stat().st_mode & 0o777 == 0o600
        with new_file(path, replace=True, mode=0o644):
            pass
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_one_that_is_there_is_replaced_or_kept(path: Path) -> None:
    """As the caller says, and never by half."""
    write(path, b"old", replace=False)
    with pytest.raises(FileExistsError):
        write(path, b"new", replace=False)
    assert path.read_bytes() == b"old"
    write(path, b"new", replace=True)
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_breaks_off_leaves_the_old_one(path: Path, error: type[BaseException]) -> None:
    """After a failure there is what was there before, and nothing else."""

    def half() -> None:
        with new_file(path, replace=True) as file:
            file.write(b"new")
            raise error

    write(path, b"old", replace=True)
    with pytest.raises(error):
        half()
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("replace", [True, False])
def test_it_is_on_disk_before_it_has_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    """First the file is synced, then the folder that names it."""
    synced: list[tuple[int, int, bool]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.append((found.st_ino, found.st_size, path.exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(path, b"four", replace=replace)
    file, (folder, _, named) = synced
    assert file == (path.stat().st_ino, 4, False)
    assert (folder, named) == (path.parent.stat().st_ino, True)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_links(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """There, too, a file comes whole, and takes the place of none."""

    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    write(path, b"old", replace=False)
    with pytest.raises(FileExistsError):
        write(path, b"new", replace=False)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_another_failure_of_a_link_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full or failing is no reason to try otherwise."""

    def link(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="error"):
        write(path, b"new", replace=False)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("unseen", [True, False])
def test_a_folder_that_cannot_be_read(path: Path, monkeypatch: pytest.MonkeyPatch, unseen: bool) -> None:
    """Whoever must be sure that the name lasts is told where the system cannot say so."""
    made = path.with_name("made")
    made.write_bytes(b"x")
    real = os.open

    def refusing(name: Path, flags: int, *mode: int) -> int:
        if name == path.parent:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(name, flags, *mode)

    monkeypatch.setattr(os, "open", refusing)
    if unseen:
        put(made, path, replace=True)
    else:
        with pytest.raises(PermissionError):
            put(made, path, replace=True, folder_unseen=False)
    assert path.read_bytes() == b"x"


def test_a_long_name(path: Path) -> None:
    """The name of what is not whole yet fits where the file's own name does."""
    long = path.with_name("\u0995" * 80 + ".prom")  # 245 bytes
    write(long, b"x", replace=True)
    assert list(path.parent.iterdir()) == [long]


def test_what_killed_processes_left(path: Path) -> None:
    """Parts of a file that nobody goes on with are removed, and no others."""
    names = (".file.abc.part", ".file.def.part", ".other.abc.part")
    old, new, other = (path.with_name(name.replace("file", path.name)) for name in names)
    for one in (old, new, other):
        one.write_bytes(b"x")
    for one in (old, other):
        os.utime(one, (one.stat().st_mtime - 90_000,) * 2)
    remove_old_parts(path)
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)
