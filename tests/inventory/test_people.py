"""Whose punch it is: what becomes of user ids on the way out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.inventory.helpers import GOOD, dashboard, device, read, wrong
from zkpoll.inventory import Badges, UserIds

if TYPE_CHECKING:
    from pathlib import Path


def badges(folder: Path, content: bytes | str) -> Badges:
    """Given what a map holds, return what it says."""
    raw = content.encode() if isinstance(content, str) else content
    (folder / "badges.csv").write_bytes(raw)
    rule = read(folder, device("user_id: {map_file: badges.csv}")).devices[0].user_id
    assert rule is not None
    assert rule.map_file is not None
    return rule.map_file


@pytest.mark.parametrize(
    ("settings", "user_id", "outward"),
    [
        ({"strip_zeros": True}, "0017", "17"),
        ({"strip_zeros": True}, "1700", "1700"),
        ({"strip_zeros": True}, "000", "0"),
        ({"strip_zeros": True}, "00A1", "A1"),
        ({"strip_zeros": False}, "0017", "0017"),
        ({"prefix": "HQ-"}, "0017", "HQ-0017"),
        ({"prefix": "HQ-", "strip_zeros": True}, "0017", "HQ-17"),
        ({"map_file": "badges.csv"}, "17", "seventeen"),
        ({"map_file": "badges.csv"}, "0017", None),
        ({"map_file": "badges.csv", "unknown": "pass"}, "0017", "0017"),
        ({"map_file": "badges.csv", "strip_zeros": True}, "0017", "seventeen"),
        ({"map_file": "badges.csv", "strip_zeros": True, "prefix": "HQ-"}, "0017", "head"),
        ({"map_file": "badges.csv", "strip_zeros": True, "prefix": "X-", "unknown": "pass"}, "0017", "X-17"),
        ({"map_file": "badges.csv", "strip_zeros": True, "prefix": "X-"}, "0017", None),
    ],
)
def test_zeros_then_the_prefix_then_the_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], user_id: str, outward: str
) -> None:
    """The steps are taken in this order, and the map has the ids as they are after the two before it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "badges.csv").write_text("17,seventeen\nHQ-17,head\n")
    assert UserIds.model_validate(settings).outward(user_id) == outward


@given(user_id=st.text(min_size=1, max_size=24))
def test_no_id_is_lost_with_its_zeros(user_id: str) -> None:
    """Whatever an id is, something is left of it, and what is left has no zero to take off."""
    rule = UserIds(strip_zeros=True)
    short = rule.outward(user_id)
    assert short
    assert rule.outward(short) == short
    assert user_id.endswith(short)


@pytest.mark.parametrize(
    "content",
    [
        "17,seventeen\n18,eighteen\n",
        "17,seventeen\r\n18,eighteen",
        "17;seventeen\n18;eighteen\n",
        "\ufeff17,seventeen\n18,eighteen\n",
        "user_id,badge\n17,seventeen\n18,eighteen\n",
        "\ufeffuser_id;badge\r\n17;seventeen\r\n18;eighteen\r\n",
        "\n  17 , seventeen \n\n , \n18,eighteen\n,\n\n",
        '"17","seventeen"\n"18","eighteen"\n',
        "17,seventeen\n18,eighteen\n17,seventeen\n",
    ],
)
def test_a_map_is_what_spreadsheets_write(tmp_path: Path, content: str) -> None:
    """Commas or semicolons, a heading or none, a byte order mark, empty lines and quotes do not matter."""
    assert badges(tmp_path, content).ids == {"17": "seventeen", "18": "eighteen"}


def test_ids_are_what_they_look_like(tmp_path: Path) -> None:
    """Zeros in front, names in any script and commas in quotes are kept; `user_id` further down is an id."""
    made = badges(tmp_path, '0017,"a, b"\n\u09e7\u09ed,\u0995\nuser_id,x\n')
    assert made.ids == {"0017": "a, b", "\u09e7\u09ed": "\u0995", "user_id": "x"}


COLUMNS = "an id as the device has it, and as the dashboard knows it"
INVISIBLE = "found an empty cell or a character that cannot be seen"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read {path}: No such file or directory"),
        ("", f"{{path}} is empty, expected lines of two columns: {COLUMNS}"),
        ("user_id,badge\n\n", f"{{path}} is empty, expected lines of two columns: {COLUMNS}"),
        ("17,a\n\n18\n", f"{{path}}:3: found one column, expected two: {COLUMNS}"),
        ("17,a\n18,b,c\n", f"{{path}}:2: found 3 columns, expected two: {COLUMNS}"),
        ("17;a\n18,b\n", f"{{path}}:2: found one column, expected two: {COLUMNS}"),
        ("17\ta\n", f"{{path}}:1: found one column, expected two: {COLUMNS}"),
        ("17,a\n18, \n", f"{{path}}:2: {INVISIBLE}"),
        (",a\n", f"{{path}}:1: {INVISIBLE}"),
        ("17,a\u200e\n", f"{{path}}:1: {INVISIBLE}"),
        ('17,"a\nb"\n', f"{{path}}:2: {INVISIBLE}"),
        ("17,a\n18,b\n17,c\n", "{path}:3: found an id that stands above with another one beside it"),
        ('17,"hunter2\n18,b\n', "{path}:2: not CSV: unexpected end of data"),
        (b"17,hunter2\n18,\xe9\n", "{path} is not UTF-8 text"),
        (b"17,a\n" * 4_000_000, "{path} is larger than 16777216 bytes; is it the right file?"),
    ],
)
def test_a_wrong_map_is_named_with_its_line(tmp_path: Path, content: bytes | str | None, told: str) -> None:
    """A map that cannot be followed to the letter is an error, which names the file and the line in it."""
    path = tmp_path / "badges.csv"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    told = told.format(path=path)
    assert wrong(tmp_path, device("user_id: {map_file: badges.csv}")) == [
        f"devices.yaml:10: devices[0] (front).user_id.map_file: {told}"
    ]
    assert "hunter2" not in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_map_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    """A map without read permission says so."""
    (tmp_path / "badges.csv").touch(mode=0)
    (line,) = wrong(tmp_path, device("user_id: {map_file: badges.csv}"))
    assert line.endswith("badges.csv: Permission denied")


def test_a_map_is_read_once_for_all_devices(tmp_path: Path) -> None:
    """Hundreds of devices may share a map by the defaults; it is read again when it was changed."""
    text = GOOD.replace("devices:", "  user_id: {map_file: badges.csv}\ndevices:")
    text += "".join(f"  - {{name: d{i}, host: d{i}}}\n" for i in range(300))
    (tmp_path / "badges.csv").write_text("17,a\n")
    rules = [one.user_id for one in read(tmp_path, text).devices]
    (shared,) = {id(rule.map_file): rule.map_file for rule in rules if rule}.values()
    assert shared == Badges(tmp_path / "badges.csv", {"17": "a"})
    (tmp_path / "badges.csv").write_text("17,abc\n")
    again = read(tmp_path, text).devices[-1].user_id
    assert again is not None
    assert again.outward("17") == "abc"


def test_a_device_may_have_a_rule_of_its_own(tmp_path: Path) -> None:
    """What a device says replaces the default as a whole, also with what changes nothing."""
    text = GOOD.replace("devices:", "  user_id: {prefix: HQ-}\ndevices:")
    text += "  - {name: b, host: b, user_id: {strip_zeros: true}}\n"
    text += "  - {name: c, host: c, user_id: {strip_zeros: false}}\n"
    rules = [one.user_id for one in read(tmp_path, text).devices]
    assert [rule and rule.outward("017") for rule in rules] == ["HQ-017", "17", "017"]


def test_a_wrong_default_map_is_told_once(tmp_path: Path) -> None:
    """A mistake in the default map is the default's, however many devices it reaches."""
    text = GOOD.replace("devices:", "  user_id: {map_file: /gone.csv}\ndevices:") + "  - {name: b, host: b}\n"
    assert wrong(tmp_path, text) == [
        "devices.yaml:7: defaults.user_id.map_file: cannot read /gone.csv: No such file or directory"
    ]


LABEL = "expected 1 to 64 printable characters, no space around them"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{}", ": found nothing that is asked for, expected strip_zeros, prefix or map_file"),
        ("HQ-", ": found text, expected a mapping of settings (name: value)"),
        ("{prefix: }", f".prefix: found nothing, {LABEL}"),
        ("{prefix: ' a'}", f".prefix: found ' a', {LABEL}"),
        ("{strip_zeros: 1}", ".strip_zeros: found '1', expected true or false"),
        ("{map_file: }", ".map_file: found nothing, expected a path"),
        ("{prefix: a, unknown: pass}", ".unknown: means something with map_file only"),
        ("{unknown: drop}", ".unknown: found 'drop', expected park or pass"),
        ("{mapfile: a.csv}", ".mapfile: unknown setting, did you mean map_file?"),
    ],
)
def test_a_wrong_rule_is_one_exact_line(tmp_path: Path, written: str, told: str) -> None:
    """A rule is checked alike where a dashboard, a device and the defaults have it."""
    line = f"user_id: {written}"
    assert wrong(tmp_path, device(line)) == [f"devices.yaml:10: devices[0] (front).user_id{told}"]
    assert wrong(tmp_path, dashboard("url: https://a", line)) == [f"devices.yaml:3: dashboard.user_id{told}"]
    text = GOOD.replace("devices:", f"  {line}\ndevices:")
    assert wrong(tmp_path, text) == [f"devices.yaml:7: defaults.user_id{told}"]


def test_a_rule_is_shown_as_it_is_written(tmp_path: Path) -> None:
    """A map is printed as the path of its file, and none of the ids in it."""
    (tmp_path / "badges.csv").write_text("17,hunter2\n")
    inventory = read(tmp_path, device("user_id: {prefix: HQ-, map_file: badges.csv}"))
    assert inventory.masked()["devices"][0]["user_id"] == {
        "strip_zeros": False,
        "prefix": "HQ-",
        "map_file": str(tmp_path / "badges.csv"),
        "unknown": "park",
    }
    assert "hunter2" not in repr(inventory)
