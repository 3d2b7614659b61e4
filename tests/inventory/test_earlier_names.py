"""`was:`, the names that things had before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import GOOD, read, wrong

if TYPE_CHECKING:
    from pathlib import Path

SECOND = "  - name: back\n    host: 192.168.1.202\n"


def test_one_name_or_several(tmp_path: Path) -> None:
    """A name or a list of names may stand there, of devices and databases and dashboards."""
    text = GOOD.replace("  token:", "  was: main\n  token:") + "    was: [gate, 'entrance 1']\n" + SECOND
    found = read(tmp_path, text + "    was: old\n")
    assert found.dashboards[0].was == ("main",)
    assert [one.was for one in found.devices] == [("gate", "entrance 1"), ("old",)]
    assert found.masked()["devices"][0]["was"] == ["gate", "entrance 1"]


UNNAMED = GOOD.replace("  token:", "  was: dashboard\n  token:")
NO_NAME = "found a mapping, expected 1 to 64 printable characters, no space around them"
NONE = "found an empty list, expected the name it had before, or a list of names"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            GOOD + "    was: gate\n" + SECOND + "    was: [entry, gate]\n",
            "13: devices[1] (back).was[1]: 'gate' is already an earlier name (was:) on line 10",
        ),
        (
            GOOD + SECOND + "    was: front\n",
            "12: devices[1] (back).was: 'front' is the name of what is on line 8, and no earlier one",
        ),
        (UNNAMED, "3: dashboard.was: 'dashboard' is the name of what is on line 1, and no earlier one"),
        (GOOD + "    was: []\n", f"10: devices[0] (front).was: {NONE}"),
        (
            GOOD + "    was: [a, {b: c}]\n",
            f"10: devices[0] (front).was[1]: {NO_NAME}",
        ),
        (
            GOOD.replace("defaults:", "defaults:\n  was: x"),
            "6: defaults.was: tells one device from another, so it cannot stand in defaults",
        ),
    ],
)
def test_what_cannot_be(tmp_path: Path, text: str, line: str) -> None:
    """An earlier name that two have, or that something has now, and what is no name are told."""
    assert wrong(tmp_path, text) == [f"devices.yaml:{line}"]
