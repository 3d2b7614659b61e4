"""systemd's units: their texts with the paths of an installation, and which are wanted for what.

The texts are the files of `systemd/`, which the wheel brings along. Of the settings in them three change:

    the command      /opt/zkpoll/bin/zkpoll    -> that of this installation
    the inventory    /etc/zkpoll/devices.yaml  -> where it is
    LoadCredential=  some usual ones           -> a line for each secret that the inventory takes so

The first line has a digest of all that follows, by which a unit that a person has changed is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Final

PROGRAM: Final = "/opt/zkpoll/bin/zkpoll"
INVENTORY: Final = Path("/etc/zkpoll/devices.yaml")
SECRETS: Final = Path("/etc/zkpoll")
"""The folder of the files that systemd hands to services as credentials."""
STATE: Final = Path("/var/lib/zkpoll")
"""The folder that services may write to (`StateDirectory=`)."""
FOLDER: Final = Path("/etc/systemd/system")
"""Where an administrator's units stand."""
TIMER: Final = "zkpoll.timer"
TAKES_ITS_PLACE: Final = ("zkpoll-dispatch.timer", "zkpoll-worker.service")
"""What calls the same terminals as the timer does."""
_WORKER_OF_A_SITE: Final = "zkpoll-worker@.service"
_BY_HAND: Final = "Install zkpoll to"
"""Words of the remarks on top that are for somebody who copies the file."""
_STAMP: Final = "# Made by `zkpoll systemd install`, which writes it anew while nobody changes it: sha256 "
_PLAIN: Final = re.compile(r"[\w./+@:,=-]+")
"""What stands for itself in a unit's command, also within the shell's quotes."""
_NOT_ESCAPED: Final = re.compile(r"[0-9A-Za-z:_.]")


class UnitState(Enum):
    """What a unit's file is, beside the one that would be written."""

    ABSENT = "absent"
    CURRENT = "current"
    OUTDATED = "outdated"
    """Nobody has changed it since it was written: by another version, or with other paths."""
    CHANGED = "changed"
    """By a person, or it is not ours at all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this machine is to do. Reading by the timer is done where no worker or dispatch does."""

    serve: bool = False
    watch: bool = False
    dispatch: bool = False
    worker: bool = False
    backup: bool = False
    sites: tuple[str, ...] = ()
    """The sites that have a worker each; without any, one worker takes all errands."""

    @property
    def timer(self) -> bool:
        """Whether `zkpoll sync` is started every five minutes."""
        return not (self.dispatch or self.worker)

    def files(self) -> tuple[str, ...]:
        """Return the names of the units that are needed."""
        files: list[str] = []
        if self.timer:
            files += ["zkpoll.service", TIMER]
        if self.serve:
            files += ["zkpoll-serve.service", "zkpoll-serve.socket"]
        if self.watch:
            files += ["zkpoll-watch.service"]
        if self.dispatch:
            files += ["zkpoll-dispatch.service", "zkpoll-dispatch.timer"]
        if self.worker:
            files += [_WORKER_OF_A_SITE if self.sites else "zkpoll-worker.service"]
        if self.backup:
            files += ["zkpoll-backup.service", "zkpoll-backup.timer"]
        return tuple(files)

    def started(self) -> tuple[str, ...]:
        """Return the names of those that are enabled and started; a timer or a socket starts the others."""
        files = self.files()
        by_timer = {one.removesuffix(".timer") + ".service" for one in files if one.endswith(".timer")}
        whole = [one for one in files if one not in by_timer and one != _WORKER_OF_A_SITE]
        # The socket first: a service that starts without it finds no port.
        whole.sort(key=lambda one: not one.endswith(".socket"))
        return (*whole, *map(worker_of, self.sites))


@dataclass(frozen=True, slots=True)
class Places:
    """What of an installation stands in its units."""

    program: str
    inventory: Path = INVENTORY
    credentials: tuple[str, ...] | None = None
    """The names of the secrets, each a file in `SECRETS`. None where no inventory tells: the usual ones."""


def shipped() -> dict[str, str]:
    """Return the texts of all units as they are shipped, by name."""
    in_wheel = Path(__file__).with_name("systemd")
    folder = in_wheel if in_wheel.is_dir() else Path(__file__).parents[2] / "systemd"
    return {file.name: file.read_text("utf-8") for file in sorted(folder.glob("zkpoll*.*"))}


def why_no_path(path: str) -> str | None:
    """Say why a path cannot stand in a unit's command; None where it can."""
    odd = next((one for one in path if not _PLAIN.fullmatch(one)), None)
    return None if odd is None else f" has {odd!r} in it, which means something else in a unit"


def unit(name: str, text: str, places: Places) -> str:
    """Given a unit as shipped, return it as it is written for an installation, its digest on top."""
    remarks, head, settings = text.partition("[Unit]\n")
    if _BY_HAND in remarks:
        remarks = ""
    body = f"# For changes of your own: sudo systemctl edit {name}\n\n{remarks}{head}"
    body += "".join(f"{line}\n" for line in _fitted(settings.splitlines(), places))
    return f"{_STAMP}{_digest(body)}\n{body}"


def _fitted(lines: list[str], places: Places) -> list[str]:
    found: list[str] = []
    secrets = places.credentials
    for line in lines:
        if line.startswith("LoadCredential=") and places.credentials is not None:
            found += [f"LoadCredential={name}:{SECRETS / name}" for name in secrets or ()]
            secrets = ()
        elif line.startswith("ExecStart="):
            found.append(line.replace(PROGRAM, places.program).replace(str(INVENTORY), str(places.inventory)))
        else:
            found.append(line)
    return found


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def state_of(found: str | None, wanted: str, as_shipped: str) -> UnitState:
    """Given a unit's text on this machine, if any, and the one to write, say what it is beside that.

    One that was copied as it is shipped counts as ours.
    """
    if found is None:
        return UnitState.ABSENT
    if found == wanted:
        return UnitState.CURRENT
    first, _, rest = found.partition("\n")
    ours = found == as_shipped or first == f"{_STAMP}{_digest(rest)}"
    return UnitState.OUTDATED if ours else UnitState.CHANGED


def worker_of(site: str) -> str:
    """Given a site's name, return its worker's unit: escaped, as `systemd-escape` does it."""
    escaped = "".join(
        one if _NOT_ESCAPED.fullmatch(one) and not (one == "." and not place) else _in_bytes(one)
        for place, one in enumerate(site)
    )
    return _WORKER_OF_A_SITE.replace("@", f"@{escaped}")


def _in_bytes(character: str) -> str:
    return "-" if character == "/" else "".join(f"\\x{byte:02x}" for byte in character.encode())
