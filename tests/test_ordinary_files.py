"""Ordinary files alone are read by name, within bounds, and they alone are replaced."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from zkpoll.durable import new_file, put
from zkpoll.ordinary_files import NotOrdinary, TooLarge, check_ordinary, contents, open_to_read


def make(folder: Path) -> dict[str, Path]:
    """Make one of each kind that is no ordinary file, by the words for it."""
    pipe, address, broken = folder / "pipe", folder / "socket", folder / "link"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
    broken.symlink_to("gone")
    return {"a pipe": pipe, "a socket": address, "a symbolic link": broken, "a device": Path("/dev/null")}


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """Nothing waits for a pipe nobody writes to, and no device is opened."""
    for kind, path in make(tmp_path).items():
        if kind != "a symbolic link":
            for read in (check_ordinary, open_to_read, lambda path: contents(path, 9)):
                with pytest.raises(NotOrdinary, match=f"it is {kind}, expected an ordinary file"):
                    read(path)
    with pytest.raises(IsADirectoryError):
        contents(tmp_path, 9)


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """It is what it was, nothing was written for nothing, and nothing is left beside it."""
    places = make(tmp_path)
    kinds = {path: stat.S_IFMT(path.lstat().st_mode) for path in (*places.values(), tmp_path)}
    before = sorted(tmp_path.iterdir())
    for kind, path in places.items():
        told = f"it is {kind}, and only an ordinary file is replaced"
        with pytest.raises(NotOrdinary, match=told), new_file(path, replace=True):
            pytest.fail("written for nothing")
    with pytest.raises(IsADirectoryError), new_file(tmp_path, replace=True):
        pytest.fail("written for nothing")
    assert sorted(tmp_path.iterdir()) == before
    assert {path: stat.S_IFMT(path.lstat().st_mode) for path in kinds} == kinds


def test_what_is_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """A pipe that was made while a file was written stays one."""
    path, made = tmp_path / "file", tmp_path / "made"
    with pytest.raises(NotOrdinary), new_file(path, replace=True):
        os.mkfifo(path)
    made.touch()
    with pytest.raises(NotOrdinary):
        put(made, path, replace=True)
    assert sorted(tmp_path.iterdir()) == [path, made]


def test_a_pipe_in_a_files_place_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was a file when it was looked at, and is a pipe when it is opened, is not waited for."""
    path, real = tmp_path / "file", os.open
    path.touch()

    def swapping(name: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return real(name, flags)

    monkeypatch.setattr(os, "open", swapping)
    with pytest.raises(NotOrdinary, match="a pipe"):
        open_to_read(path)


def test_a_read_is_bounded(tmp_path: Path) -> None:
    """As many bytes as asked for may be in a file, and not one more."""
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"12345")
    link.symlink_to(path)
    assert contents(path, 5) == contents(link, 5) == b"12345"
    with pytest.raises(TooLarge, match="it is larger than 4 bytes; is it the right file"):
        contents(path, 4)
