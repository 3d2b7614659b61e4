"""Where an export goes: whole into a file of its owner's, or nowhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from zkpoll.errors import Stopped
from zkpoll.reports.export_file import OutputFailed, write

if TYPE_CHECKING:
    from collections.abc import Iterator

GO_ON = Event()


def test_a_file(tmp_path: Path) -> None:
    """It takes the place of the one before, in UTF-8, and only its owner reads it, whatever the umask."""
    path = tmp_path / "users.csv"
    path.write_text("old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        write(["a", "é\n"], path, GO_ON)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"a\xc3\xa9\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def failing() -> Iterator[str]:
    """Yield something, then fail."""
    yield "half"
    raise ValueError("the rest is missing")


def test_half_an_export_is_none(tmp_path: Path) -> None:
    """When writing fails half way, or is stopped, the file before stays, and nothing else is left."""
    path = tmp_path / "users.csv"
    path.write_text("old")
    stopped = Event()
    stopped.set()
    with pytest.raises(ValueError, match="missing"):
        write(failing(), path, GO_ON)
    with pytest.raises(Stopped):
        write(["a"], path, stopped)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder, a pipe, a link or /dev/null is refused, never replaced; nor is what a link points to."""
    path, link, pipe = tmp_path / "users.csv", tmp_path / "latest", tmp_path / "pipe"
    path.write_text("old")
    link.symlink_to(path)
    os.mkfifo(pipe)
    for place, kind in ((link, "a symbolic link"), (pipe, "a pipe"), (Path("/dev/null"), "a device")):
        instead = "and only an ordinary file is replaced; leave --output out and redirect stdout"
        with pytest.raises(OutputFailed, match=f"{place} cannot be written: it is {kind}, {instead}$"):
            write(["a"], place, GO_ON)
    with pytest.raises(OutputFailed, match=r"cannot be written: is a directory$"):
        write(["a"], tmp_path, GO_ON)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert (link.is_symlink(), path.read_text()) == (True, "old")
    assert sorted(tmp_path.iterdir()) == [link, pipe, path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """That is one sentence."""
    with pytest.raises(OutputFailed, match="cannot be written: no such file or directory"):
        write(["a"], tmp_path / "missing" / "users.csv", GO_ON)
