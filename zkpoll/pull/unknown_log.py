"""Logs that fit no layout, saved for a person to look at and send in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from zkpoll.durable import new_file, new_folder
from zkpoll.errors import reason
from zkpoll.model.state_folders import part_of_name

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_NAME: Final = 200
"""Bytes of a device's name in a file's name; file systems take 255 in all."""


def save(folder: Path, device: str, log: bytes) -> str:
    """Given the records of a log that nothing decodes, save them in a folder and say where.

    One file a device and day, the newest: cron comes back every few minutes, to a log that may be megabytes.
    The file is for its owner alone: it holds who was where, when. Never for users, whose records hold PINs.
    """
    path = folder / f"{part_of_name(device, _LONGEST_NAME)}-{datetime.now(UTC):%Y%m%d}.bin"
    try:
        new_folder(folder, folder.parent)
        with new_file(
            path, replace=True, belongs_to=folder.parent
        ) as file:  # on a full disk the day's good one stays
            file.write(log)
    except OSError as error:
        return f"its bytes could not be saved to {path}: {reason(error)}"
    return f"its bytes are in {path}; please send them to the makers of zkpoll"
