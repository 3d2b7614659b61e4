"""Where systemd finds the credentials of zkpoll's services, for a command that it did not start.

A service is handed its credentials in `$CREDENTIALS_DIRECTORY`. A person's command is not, so the unit is
read: `LoadCredential=NAME:PATH` of each service that reads the inventory, and of what `systemctl edit` put
beside it. What only systemd can open is named as such.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zkpoll.ordinary_files import contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VARIABLE: Final = "CREDENTIALS_DIRECTORY"
FOLDERS: Final = tuple(
    Path(folder)
    for folder in (
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
    )
)
"""Where units stand; what one has hides what those behind it have by the same name (systemd.unit(5))."""
STORES: Final = tuple(
    Path(folder)
    for folder in ("/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore")
)
"""Where a credential without a path of its own lies (systemd.exec(5))."""
UNITS: Final = (
    "zkpoll.service",
    "zkpoll-serve.service",
    "zkpoll-watch.service",
    "zkpoll-dispatch.service",
    "zkpoll-worker.service",
    "zkpoll-worker@.service",
)
"""The services that read the inventory."""
_INSTEAD: Final = f"{VARIABLE} to a folder that has it"
_LONGEST: Final = 1024 * 1024
"""Bytes of a unit; what is larger is none."""
_LOAD: Final = ("LoadCredential", "LoadCredentialEncrypted")
_SET: Final = ("SetCredential", "SetCredentialEncrypted")


def credential(name: str, folders: Sequence[Path] = FOLDERS, stores: Sequence[Path] = STORES) -> Path:
    """Given a credential's name, return its file, as a unit of zkpoll has it.

    Raise `ValueError` saying why there is none that this command may read.
    """
    unreadable = None
    for unit in UNITS:
        found = _found(name, unit, folders)
        if found is None:
            continue
        key, place, path = found
        if key != "LoadCredential":
            unreadable = (
                f"credential {name} is {key}= in {place}, which only systemd can read; set {_INSTEAD}"
            )
        elif "%" in path.replace("%%", ""):
            unreadable = (
                f"credential {name} is a path with % in {place}, which only systemd can fill; set {_INSTEAD}"
            )
        else:
            return _checked(name, place, _file(path.replace("%%", "%"), stores))
    if unreadable:
        raise ValueError(unreadable)
    raise ValueError(
        f"environment variable {VARIABLE} is not set, and no unit of zkpoll has LoadCredential={name}:PATH"
    )


def _checked(name: str, place: Path, file: Path) -> Path:
    """Return the file of a credential that this account may read. Raise `ValueError` where that is not so."""
    try:
        file.stat()
        may = os.access(file, os.R_OK)
    except FileNotFoundError:
        raise ValueError(f"credential {name} is {file} (says {place}), and there is no such file") from None
    except OSError:
        may = False
    if not may:
        raise ValueError(
            f"credential {name} is {file} (says {place}), which this account may not read; use sudo"
        )
    return file


def _file(path: str, stores: Sequence[Path]) -> Path:
    """Given the path of a credential, or the name of one in a store, return its file."""
    if path.startswith("/"):
        return Path(path)
    places = [store / path for store in stores]
    return next((place for place in places if os.path.exists(place)), places[0])  # noqa: PTH110 - never raises


def _found(name: str, unit: str, folders: Sequence[Path]) -> tuple[str, Path, str] | None:
    """Return the setting by which a unit has a credential, the file that says so, and its path."""
    loads: dict[str, tuple[str, Path, str]] = {}
    sets: dict[str, tuple[str, Path, str]] = {}
    for file in _parts(unit, folders):
        for key, value in _settings(file):
            kept = loads if key in _LOAD else sets if key in _SET else None
            if kept is None:
                continue
            if not value:  # an empty one takes all before it away
                kept.clear()
                continue
            own, _, rest = value.partition(":")
            kept[own] = (key, file, rest or own)
    return loads.get(name) or sets.get(name)


def _parts(unit: str, folders: Sequence[Path]) -> list[Path]:
    """Return the files that a unit is made of: itself, then what is dropped in beside it, by file name."""
    main = [folder / unit for folder in folders if (folder / unit).exists()]
    dropped: dict[str, Path] = {}
    for folder in folders:
        for file in sorted((folder / f"{unit}.d").glob("*.conf")):
            dropped.setdefault(file.name, file)
    return [*main[:1], *(dropped[key] for key in sorted(dropped))] if main else []


def _settings(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the settings in the section [Service] of a unit's file; none of one that cannot be read."""
    try:
        text = contents(file, _LONGEST).decode("utf-8", "replace")
    except OSError:
        return
    section, begun = "", ""
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        whole, begun = (begun + line).strip(), ""
        if whole.startswith("["):
            section = whole
        elif section == "[Service]" and "=" in whole:
            key, _, value = whole.partition("=")
            yield key.strip(), value.strip()
