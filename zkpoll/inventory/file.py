"""The inventory's file: its path and its settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeGuard

from zkpoll.errors import InventoryError
from zkpoll.inventory import check, text
from zkpoll.inventory.files import expanded
from zkpoll.inventory.journal_place import is_url
from zkpoll.inventory.models import SECRETS
from zkpoll.inventory.problems import Problems
from zkpoll.inventory.variables import credentials_of
from zkpoll.model.journal_home import FileAndState, JournalServer, beside
from zkpoll.ordinary_files import contents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.inventory.models import Inventory

VARIABLE = "ZKPOLL_CONFIG"
_LONGEST: Final = 16 * 1024 * 1024
"""Bytes: a hundred times the inventory of a large fleet."""
PLACES = ("devices.yaml", "~/.config/zkpoll/devices.yaml", "/etc/zkpoll/devices.yaml")


def locate(given: Path | None, env: Mapping[str, str]) -> Path:
    """Given the path asked for, if any, and the environment, return the inventory's path.

    A path asked for, or named by ZKPOLL_CONFIG, is not checked here: `load` tells of its flaws. Raise
    InventoryError naming all the places looked at when there is none.
    """
    if given is None and env.get(VARIABLE):
        given = Path(env[VARIABLE])
    if given is not None:
        return _home(given)
    for place in PLACES:
        if _is_there(_home(Path(place))):
            return _home(Path(place))
    looked = ", ".join(f"./{place}" if place == PLACES[0] else place for place in PLACES)
    raise InventoryError(f"no inventory found; looked for {looked}. Name one with --config or {VARIABLE}")


def _home(path: Path) -> Path:
    """Given a path, return it with `~` expanded, or as it is for a user without a home."""
    try:
        return expanded(path)
    except ValueError:
        return path


def _is_there(path: Path) -> bool:
    """Given a path, say whether there is such a file that we may look at."""
    try:
        return path.exists()
    except OSError:
        return False


def load(path: Path, env: Mapping[str, str], *, secrets: bool = True, strict: bool = False) -> Inventory:
    """Given an inventory's path and the environment, return its settings, validated and frozen.

    Without `secrets` those that are secret, or name a file that may be, are left unread and unset: a look
    into the journal works in a shell that has neither the variables nor the files.

    If it is `strict`, a map of user ids that cannot be used is an error, too, and so is the token of the live
    page. Else they stop only the punches, and the page, that need them.

    Raise InventoryError with all problems at once, each on a line of its own with file, line, place, the
    value found and the value expected. Secrets are in none of them.
    """
    return checked(path, _contents(path), env, secrets=secrets, strict=strict)


def checked(
    path: Path, written: str, env: Mapping[str, str], *, secrets: bool = True, strict: bool = False
) -> Inventory:
    """Given the text of an inventory that is, or is to be, at `path`, return what `load` does of its file."""
    problems = Problems(path)
    tree = text.read(written, env, problems, frozenset() if secrets else SECRETS, check.TOP)
    inventory = check.inventory(tree, problems, path.parent.absolute(), strict=strict, secrets=secrets)
    if inventory is None or problems:
        raise problems.error()
    return inventory


def journal_of(path: Path, env: Mapping[str, str]) -> Path | None:
    """Given the path of an inventory that cannot be used, return beside which path its journal's state lies.

    None where it does not tell that any more.
    """
    problems = Problems(path)
    try:
        tree = text.read(_contents(path), env, problems, frozenset(), check.TOP)
    except InventoryError:
        return None
    if not isinstance(tree, dict):
        return None
    folder = path.parent.absolute()
    journal, state = tree.get("journal"), tree.get("state_dir")
    file = folder / _home(Path(journal)) if _is_path(journal) and not is_url(journal) else None
    if _is_path(state):
        at = folder / _home(Path(state))
        return beside(FileAndState(file, at) if file else JournalServer("", at))
    return file


def credentials_in(path: Path) -> tuple[str, ...]:
    """Given an inventory that `load` takes, return which files in `$CREDENTIALS_DIRECTORY` it takes, by name.

    Raise InventoryError where it cannot be read.
    """
    values = text.written_values(_contents(path))
    return tuple(dict.fromkeys(name for value in values for name in credentials_of(value)))


def _is_path(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value) and "\0" not in value


def _contents(path: Path) -> str:
    """Given a path, return the file's text. Raise InventoryError saying why it has none."""
    try:
        return contents(path, _LONGEST).decode("utf-8-sig")
    except FileNotFoundError:
        raise InventoryError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise InventoryError(f"{path}: this is a folder, expected a file") from None
    except OSError as error:
        raise InventoryError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InventoryError(f"{path}: not UTF-8 text (byte {error.start + 1})") from None
