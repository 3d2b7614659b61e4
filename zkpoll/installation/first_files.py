"""The first inventory and its token: both files, or none, and never over what is there.

The token gets its name first, the inventory last. A process that is killed between the two leaves a token
that nothing names yet; the same token, given again, is taken for that one.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from zkpoll.durable import new_file, remove_old_parts
from zkpoll.ordinary_files import contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_READABLE: Final = 0o644
"""The inventory holds no secret, and a service that is not root has to read it."""
_LONGEST: Final = 65_536


class OtherToken(OSError):
    """A file of the token's name is there, and holds something else."""


def write_first(
    path: Path,
    text: str,
    token_file: Path | None = None,
    token: str = "",
    *,
    new_folders: Mapping[Path, int] | None = None,
) -> None:
    """Write an inventory, and with `token_file` the token (0600); before that, folders, each with its mode.

    Raise `FileExistsError` when the inventory is there, `OtherToken`, or another `OSError` when either
    cannot be written. Then neither is left of what this has written.
    """
    for folder, mode in (new_folders or {}).items():
        folder.mkdir(mode=mode, exist_ok=True)
    with _alone(path.parent):
        if os.path.lexists(path):
            raise FileExistsError
        remove_old_parts(path, older_than=-1)  # nobody else is at it
        made = token_file is not None and _keep_token(token_file, token)
        try:
            with new_file(path, replace=False, mode=_READABLE) as file:
                file.write(text.encode())
        except BaseException:
            if token_file and made and not os.path.lexists(path):
                token_file.unlink(missing_ok=True)
            raise


def _keep_token(path: Path, token: str) -> bool:
    """Say whether the file was made; it may be there with this token."""
    remove_old_parts(path, older_than=-1)
    try:
        with new_file(path, replace=False) as file:
            file.write(f"{token}\n".encode())
    except FileExistsError:
        if contents(path, _LONGEST).strip() != token.encode():
            raise OtherToken(f"{path} is there, and holds another token") from None
        return False
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others that write a first inventory in this folder out. A killed process lets go of it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
