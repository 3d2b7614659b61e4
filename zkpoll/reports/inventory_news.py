"""News of an inventory that cannot be used: when it begins, when it changes, once a day, when it ends.

Cron starts a run every few minutes, and each ends with code 78 until a person has mended the inventory. What
was told is remembered in a small file, as there is no journal without an inventory: beside the journal where
the inventory still says where that is, else where systemd or the account keep such files. Where none of them
can be written, it is told at every run.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zkpoll.durable import new_file
from zkpoll.model.report import Condition, Trouble
from zkpoll.ordinary_files import contents
from zkpoll.reports.news import news

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from zkpoll.errors import InventoryError

_SUBJECT: Final = "inventory"
_HEAD: Final = "it cannot be used, so nothing is read and nothing delivered:"
_LONGEST: Final = 1_000
"""Bytes of a file that remembers: more than it ever has."""


class Memory:
    """What was told of one inventory, in a file."""

    def __init__(self, inventory: Path, journal: Path | None, env: Mapping[str, str]) -> None:
        """Given the inventory's path, and that beside which its journal's state lies, know the places."""
        self._places = list(_places(inventory, journal, env))

    def told(self) -> Condition | None:
        """Return what was told and lasts, or None."""
        for place in self._places:
            with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or not ours
                found = json.loads(contents(place, _LONGEST))
                since, told_at = (datetime.fromisoformat(found[key]) for key in ("since", "told_at"))
                if since.tzinfo and told_at.tzinfo:  # else a person wrote it
                    return Condition(str(found["kind"]), since, told_at)
        return None

    def keep(self, told: Condition) -> None:
        """Remember what was told, in the first place that can be written."""
        text = json.dumps(
            {"kind": told.kind, "since": told.since.isoformat(), "told_at": told.told_at.isoformat()}
        )
        for place in self._places:
            with suppress(OSError):
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with new_file(place, replace=True) as file:
                    file.write(text.encode())
                return

    def forget(self) -> None:
        """Remember nothing."""
        for place in self._places:
            with suppress(OSError):
                place.unlink()


def _places(inventory: Path, journal: Path | None, env: Mapping[str, str]) -> Iterator[Path]:
    if journal is not None and journal.parent.is_dir():
        yield journal.with_name(f"{journal.name}.inventory")
    name = f"inventory-{sha256(str(inventory.absolute()).encode()).hexdigest()[:16]}"
    if folder := env.get("STATE_DIRECTORY", "").partition(":")[0]:
        yield Path(folder) / name
    home = env.get("HOME", "")
    if folder := env.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else ""):
        yield Path(folder) / "zkpoll" / name


def tell(
    error: InventoryError | None, memory: Memory, now: datetime, say: Callable[[Iterable[str]], None]
) -> None:
    """Tell by `say` the news of an inventory, which cannot be used for `error`, or can; and remember them.

    `now` is UTC. They are remembered after they are told, so that those nobody could read are told again.
    """
    before = memory.told()
    known = {} if before is None else {_SUBJECT: before}
    troubles: dict[str, Trouble] = {}
    if error is not None:
        kind = sha256(str(error).encode()).hexdigest()[:16]  # mended in part, it is told anew
        troubles = {_SUBJECT: Trouble(kind, "\n".join((_HEAD, str(error))))}
    found = news(known, troubles, {_SUBJECT}, now)
    if found.lines:
        say([line for text in found.lines for line in text.splitlines()])
    after = found.conditions.get(_SUBJECT)
    if after is None:
        memory.forget()
    elif after != before:
        memory.keep(after)
