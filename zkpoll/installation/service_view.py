"""What a service of systemd may read of this machine: no home, and nothing that is its owner's alone."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zkpoll.errors import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOMES: Final = tuple(map(Path, ("/home", "/root", "/run/user")))
"""What ProtectHome=yes makes empty."""
_TEMPORARY: Final = tuple(map(Path, ("/tmp", "/var/tmp")))  # noqa: S108  # to refuse what lies there
"""In whose place PrivateTmp=yes puts folders of the service's own."""


def seen(path: Path, root: Path) -> Path:
    """Given an absolute path as a service sees it, return it as we see it: below the folder `root`."""
    return root / path.relative_to("/")


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a service may not read a file or folder."""

    why: str
    """In words to stand behind its path."""
    mend: str | None = None
    """The command that lets it, where one does."""


def why_unread(path: Path, root: Path = Path("/")) -> Unread | None:
    """Say why a service may not read a file or folder; None where it may.

    `path` is absolute, as the service sees it, and `root` the folder that is its `/`.
    """
    for one in _places(path, root):
        leads = "" if one == path else f"leads to {one}, which "
        if any(one.is_relative_to(home) for home in _HOMES):
            return Unread(f"{leads}is in a home folder, and services may not look into those (ProtectHome=)")
        if any(one.is_relative_to(folder) for folder in _TEMPORARY):
            return Unread(f"{leads}is among temporary files, and services have others (PrivateTmp=)")
    try:
        return _why_closed(path, root)
    except FileNotFoundError:
        return Unread("is not there")
    except OSError as error:
        return Unread(f"cannot be looked at: {reason(error)}")


def why_not_run(path: Path, root: Path = Path("/")) -> Unread | None:
    """Say why a service may not run a file that it may read; None where it may."""
    mode = seen(path, root).stat().st_mode
    if not stat.S_ISREG(mode):
        return Unread("is no program")
    if not mode & stat.S_IXOTH:
        return Unread("may not be run by the services' user", f"sudo chmod o+x {path}")
    return None


def _places(path: Path, root: Path) -> Iterator[Path]:
    """Yield a path, and where its links lead to. In another root they lead who knows where."""
    yield path
    if root == Path("/"):
        try:
            yield path.resolve()
        except (OSError, RuntimeError):  # a circle of links; looking at it says so
            return


def _why_closed(path: Path, root: Path) -> Unread | None:
    for folder in [*reversed(path.parents)][1:]:  # that of an image may be closed to others on this machine
        if not seen(folder, root).stat().st_mode & stat.S_IXOTH:
            why = f"is in {folder}, which is closed to the services' user"
            return Unread(why, f"sudo chmod o+x {folder}")
    mode = seen(path, root).stat().st_mode
    needed = stat.S_IROTH | stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH
    if mode & needed != needed:
        return Unread("is closed to the services' user", f"sudo chmod -R o+rX {path}")
    return None
