"""Logs that fit no layout, saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkpoll.pull.unknown_log import save

if TYPE_CHECKING:
    from pathlib import Path

BENGALI = "\u09aa\u09cd\u09b0\u09a7\u09be\u09a8 \u09ab\u099f\u0995 " * 10
NAMES = (
    "a/b",
    "a%2Fb",
    "..",
    "x" * 64,
    "\u524d" * 64,
    BENGALI[:63] + "1",
    BENGALI[:63] + "2",
    "\U0001f6aa" * 64,
)


def test_any_name(tmp_path: Path) -> None:
    """Whatever a device is called, in any script, its log is saved, and beside those of all others."""
    folder = tmp_path / "unknown"
    for name in NAMES:
        assert save(folder, name, name.encode()).startswith(f"its bytes are in {folder}/")
    assert {path.read_bytes() for path in folder.iterdir()} == {name.encode() for name in NAMES}
    assert all(len(path.name) < 255 for path in folder.iterdir())


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_the_newest_of_a_day(tmp_path: Path, name: str) -> None:
    """A device has one file a day, and it can be told whose it is."""
    first, second = save(tmp_path, name, b"1"), save(tmp_path, name, b"2")
    assert first == second
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"2"
