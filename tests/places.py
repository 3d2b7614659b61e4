"""Places for files: a small file system, a folder for everybody; and a user whom permissions bind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator


class FileSystem:
    """A small file system over a folder, empty at first. Raise `PermissionError` if none can be mounted."""

    def __init__(self, folder: Path, kilobytes: int) -> None:
        self._folder = folder
        self._kilobytes = kilobytes

    def __enter__(self) -> Self:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={self._kilobytes}k", "zkpoll-test", str(self._folder)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            raise PermissionError("mount")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)  # noqa: S607

    def make_read_only(self) -> None:
        """Let nobody write there any more."""
        subprocess.run(["mount", "-o", "remount,ro", str(self._folder)], check=True)  # noqa: S607

    @property
    def _ballast(self) -> Path:
        return self._folder / "ballast"

    def fill(self, _process: subprocess.Popen[str] | None, room: int) -> None:
        """Fill it for everybody."""
        self._ballast.write_bytes(b"")
        there = os.statvfs(self._folder)
        self._ballast.write_bytes(bytes(there.f_bavail * there.f_bsize - room))

    def make_room(self) -> None:
        """Empty it."""
        self._ballast.unlink()


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be somebody whom permissions bind, for a while."""
    root = os.geteuid() == 0
    if root:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if root:
            os.setresuid(0, 0, 0)


@contextmanager
def public_folder() -> Iterator[Path]:
    """Give a folder that everybody can enter, for a while."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)
