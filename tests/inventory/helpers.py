"""A file in a folder -> settings, or the lines of the error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkpoll.errors import InventoryError
from zkpoll.inventory import Inventory, load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GOOD = """\
dashboard:
  url: https://dashboard.example.com/v1/attendance
  token: secret-token
journal: journal.db
defaults:
  timezone: Asia/Dhaka
devices:
  - name: front
    host: 192.168.1.201
"""


def read(folder: Path, text: str, env: Mapping[str, str] | None = None) -> Inventory:
    """Given a folder and an inventory's text, write it there and load it, as `config check` does."""
    path = folder / "devices.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, env or {}, strict=True)


def wrong(folder: Path, text: str, env: Mapping[str, str] | None = None) -> list[str]:
    """Given a bad inventory's text, return the lines of its error, each without the folder."""
    with pytest.raises(InventoryError) as caught:
        read(folder, text, env)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).split("\n")]


def device(*lines: str) -> str:
    """Given settings of a device, return an inventory whose only device has them from line 10."""
    return GOOD + "".join(f"    {line}\n" for line in lines)


def dashboard(*lines: str) -> str:
    """Given settings of a dashboard, return an inventory whose dashboard has them from line 2."""
    written = "".join(f"  {line}\n" for line in lines)
    return f"dashboard:\n{written}{GOOD[GOOD.index('journal') :]}"
