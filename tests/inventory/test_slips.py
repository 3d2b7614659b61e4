"""Slips of a person who writes YAML: each in our words, at the line where it is, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import wrong

if TYPE_CHECKING:
    from pathlib import Path

TOP = """\
dashboard:
  url: http://a/b
journal: j.db
defaults:
  timezone: UTC
devices:
"""
"""An inventory up to its devices, which begin on line 7."""
ENV = {"KEY": "1", "LINE": "2"}
FIRST = "; the rest is checked once this is mended"
TAB = "found a tab in front, expected spaces"
QUOTES = "quotes are needed within { } and [ ]"


def no_space(key: str) -> str:
    """Given a setting, return what is said where the space behind its colon is missing."""
    return f"no space behind the colon of {key}:, expected {key}: and its value"


SLIPS = {
    "a tab below a name": ("  - name: a\n\t\thost: b\n", f"8: {TAB}"),
    "a tab in a later entry": ("  - {name: a, host: b}\n  - name: c\n\thost: d\n", f"9: {TAB}"),
    "a tab behind a colon": ("  - name: a\n    host:\tb\n", "8: found a tab, expected a space"),
    "a tab at the end": (
        "  - name: a\n    host: b\t\n    port: 1\n",
        "8: found a tab at the end of the line; remove it",
    ),
    "no space, noticed a line later": (
        "  - name: a\n    host:10.0.0.1\n    port: 1\n",
        f"8: {no_space('host')}",
    ),
    "no space, before the next entry": (
        "  - name: a\n    host:10.0.0.1\n  - {name: b, host: b}\n",
        f"8: {no_space('host')}",
    ),
    "no space in the first line": ("  - name:a\n    host: b\n", f"7: {no_space('name')}"),
    "no space within { }": (
        "  - {name: a, host:10.0.0.1}\n",
        f"7: devices[0] (a): {no_space('host')}",
    ),
    "no space behind a dash": ("  -name: a\n   host: b\n", "7: no space behind the -"),
    "no space behind a later dash": (
        "  - name: a\n    host: b\n  -name: c\n   host: d\n",
        "9: no space behind the -",
    ),
    "too little indent": (
        "  - name: a\n   host: b\n",
        "8: host: is indented by 3 spaces, expected 4, as name: of line 7",
    ),
    "too much indent": (
        "  - name: a\n    host: b\n      port: 1\n",
        "9: port: is indented by 6 spaces, expected 4, as host: of line 8",
    ),
    "a dash too far left": (
        "  - name: a\n    host: b\n - name: c\n   host: d\n",
        "9: the - is indented by 1 space, expected 2, as on line 7",
    ),
    "a dash too far right": (
        "  - name: a\n    host: b\n   - name: c\n     host: d\n",
        "9: the - is indented by 3 spaces, expected 2, as on line 7",
    ),
    "no dash": (
        "  - name: a\n    host: b\n  name: c\n    host: d\n",
        "9: no - in front of name:, with which an entry begins",
    ),
    "two names in one entry": (
        "  - name: a\n    host: b\n    name: c\n",
        "9: devices[0] (a).name: written twice, first on line 7; if it is another entry, it begins with -",
    ),
    "a variable without quotes within { }": (
        "  - {name: a, host: b, comm_key: ${KEY}}\n",
        f'7: found ${{KEY}} without quotes, expected "${{KEY}}": {QUOTES}',
    ),
    "variables without quotes": (
        "  - {name: a${LINE}, host: b, comm_key: ${KEY}}\n",
        f'7: found ${{LINE}} and ${{KEY}} without quotes, expected "${{LINE}}": {QUOTES}',
    ),
    "a double quote not closed": ('  - name: "a\n    host: b\n', '7: found a " that is not closed'),
    "a double quote closed by another": (
        '  - name: "a\n    host: "b"\n    port: 1\n',
        '7: found a " that is not closed',
    ),
    "a single quote not closed": (
        "  - {name: 'a, host: b}\n  - {name: c, host: d}\n",
        "7: found a ' that is not closed",
    ),
    "a brace not closed": (
        "  - {name: a, host: b\n  - {name: c, host: d}\n",
        "7: found a { that is not closed",
    ),
    "a bracket not closed": (
        "  - name: a\n    in_states: [0, 4\n    host: b\n",
        "8: found a [ that is not closed",
    ),
    "a brace too many": ("  - {name: a, host: b}}\n  - {name: c, host: d}\n", "7: found a } too many"),
    "no comma": ("  - {name: a host: b}\n", "7: found no comma between two values within { }"),
    "a semicolon": ("  - {name: a; host: b}\n", "7: found a ; between two settings, expected a comma"),
    "an equals sign": (
        "  - name: a\n    host = b\n    port: 1\n",
        "8: found = behind host, expected host: and its value",
    ),
    "no colon": (
        "  - name: a\n    host b\n",
        "8: found no colon, expected a name, a colon, a space and a value",
    ),
    "a second colon": (
        "  - name: Gate: north\n    host: b\n",
        "7: found a second colon with a space; put the value in quotes",
    ),
    "a sign in front": (
        "  - name: @a\n    host: b\n",
        "7: found a value that begins with @; put it in quotes",
    ),
    "a star in front": (
        "  - {name: a, host: b, serial: *1}\n",
        "7: found a value that begins with *; put it in quotes",
    ),
    "more behind a quote": (
        "  - name: 'Bob's gate'\n    host: b\n",
        "7: found more behind the closing '; put the whole value in quotes",
    ),
    "more behind a bracket": (
        "  - name: [north] gate\n    host: b\n",
        "7: found more behind ]; put the whole value in quotes",
    ),
    "a path of Windows": (
        '  - {name: a, host: b}\ndatabases:\n  - kind: att2000\n    name: c\n    file: "C:\\zk\\a.mdb"\n',
        "11: found a \\ within double quotes; write the value in single quotes",
    ),
    "a space from a web page": (
        "  - name: a\n    host:\u00a0b\n    port: 1\n",
        "8: found a wide or no-break space (U+00A0), expected a plain one",
    ),
    "a wide colon": (
        "  - name: a\n    host\uff1a b\n    port: 1\n",
        "8: found a wide colon (U+FF1A), expected a plain one",
    ),
    "a mark that is not there": (
        "  - {name: a, host: b, clear: &slow {above: 9%}}\n  - {name: b, host: c, clear: {<<: *slwo}}\n",
        "8: found *slwo, expected what is marked with & above, did you mean *slow?",
    ),
    "a second document": (
        "  - {name: a, host: b}\n---\n",
        "8: found ---, which begins another document; an inventory is one",
    ),
    "a mapping and not a list": (
        "  name: a\n  host: b\n",
        "6: devices: found a mapping, expected a list of devices (each begins with -)",
    ),
    "a list among settings": (
        "  - {name: a, host: b}\nlisten:\n  address: 'a:1'\n  - b\n",
        f"10: found a - among settings (name: value), where no list is expected{FIRST}",
    ),
}


@pytest.mark.parametrize(("devices", "told"), SLIPS.values(), ids=SLIPS)
def test_a_slip_below_devices_is_one_exact_line(tmp_path: Path, devices: str, told: str) -> None:
    """Whatever the parser noticed and where, the slip is told at its own line, and nothing for its sake."""
    assert wrong(tmp_path, TOP + devices, ENV) == [f"devices.yaml:{told}"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  url: http", "\turl: http", f"2: {TAB}"),
        ("url: http", "url:http", f"2: dashboard: {no_space('url')}"),
        ("journal: j", "journal:j", f"3: {no_space('journal')}"),
        (
            "journal: j",
            " journal: j",
            "3: journal: is indented by 1 space, expected 0, as dashboard: of line 1",
        ),
        (
            "journal: j",
            "  journal: j",
            "3: dashboard.journal: stands at the top of the file: move it to the left edge",
        ),
        ("timezone: UTC", "timezone:UTC", f"5: defaults: {no_space('timezone')}"),
        (
            "  timezone: UTC",
            "  - timezone: UTC",
            "5: defaults: found a list, expected a mapping of settings (name: value), without a - in front",
        ),
        (
            "defaults:\n",
            "defaults: all\n",
            "4: defaults: has a value behind it and settings below it, expected the settings alone",
        ),
        ("dashboard:\n", "journal: i\ndashboard:\n", "4: journal: written twice, first on line 1"),
    ],
)
def test_a_slip_at_the_top_is_one_exact_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    """So it is at the left edge, and in the sections below it."""
    text = TOP + "  - {name: a, host: b}\n"
    assert old in text
    assert wrong(tmp_path, text.replace(old, new)) == [f"devices.yaml:{told}"]


def test_all_slips_and_mistakes_come_out_together(tmp_path: Path) -> None:
    """What was meant is read on: a slip hides neither the next one nor a wrong value behind it."""
    text = """\
dashboard:
  url:http://a/b
journal: j.db
defaults:
\ttimezon: UTC
sites:
  dhaka: {quiet_hours: 1-2}
devices:
  - name: a
     host: 10.0.0.1
  - {name: b, host: 10.0.0.2, comm_key: ${KEY}, transport: tpc}
  - {name: b, ip: 10.0.0.1, site: dakha
  - name: c
    host:10.0.0.4
    port: 70000
"""
    assert wrong(tmp_path, text, ENV) == [
        f"devices.yaml:2: dashboard: {no_space('url')}",
        f"devices.yaml:5: {TAB}",
        "devices.yaml:5: defaults.timezon: unknown setting, did you mean timezone?",
        (
            "devices.yaml:7: sites.dhaka.quiet_hours: found '1-2', expected two different times of day, such"
            " as 22:00-05:00"
        ),
        "devices.yaml:10: host: is indented by 5 spaces, expected 4, as name: of line 9",
        f'devices.yaml:11: found ${{KEY}} without quotes, expected "${{KEY}}": {QUOTES}',
        "devices.yaml:11: devices[1] (b).transport: found 'tpc', expected tcp or udp",
        "devices.yaml:12: found a { that is not closed",
        "devices.yaml:12: devices[2] (b).ip: unknown setting, did you mean host?",
        (
            "devices.yaml:12: devices[2] (b).site: found 'dakha', expected the name of a site, did you mean"
            " dhaka?"
        ),
        "devices.yaml:12: devices[2] (b).name: 'b' is already the name on line 11",
        f"devices.yaml:14: {no_space('host')}",
        "devices.yaml:15: devices[3] (c).port: found '70000', expected a whole number from 1 to 65535",
    ]


def test_a_file_of_tabs_is_one_message(tmp_path: Path) -> None:
    """The same slip on every line is told once, with the lines."""
    text = "dashboard:\n\turl: http://a\njournal: j\ndefaults:\n\ttimezone: UTC\ndevices:\n"
    text += "".join(f"\t- name: a{i}\n\t  host: a{i}\n" for i in range(3))
    assert wrong(tmp_path, text) == [f"devices.yaml:2: {TAB}; the same on lines 5, 7, 8 and 4 more"]


def test_no_slip_shows_a_secret(tmp_path: Path) -> None:
    """Of what stands in the place of a value nothing is shown, wherever the slip is."""
    for line in (
        *(
            "comm_key:hunter2",
            "comm_key = hunter2",
            "comm_key hunter2",
            'comm_key: "hunter2',
            "comm_key: *hunter2",
        ),
        *("comm_key: @hunter2", "comm_key: 'a' hunter2", "comm_key: a: hunter2", 'comm_key: "\\hunter2"'),
        *("comm_key:\thunter2", "hunter2", "comm_key: [hunter2", "comm_key: hunter2}: a", "hunter2: a: b"),
        *("comm_key: ${hunter2", "{comm_key: ${KEY:-hunter2}}", "- hunter2", "<<: *hunter2 a"),
    ):
        text = f"{TOP}  - name: a\n    host: b\n    {line}\n    port: 1\n"
        assert "hunter2" not in "".join(wrong(tmp_path, text)).replace("*hunter2", "")


def test_two_settings_on_one_line_do_not_show_the_second(tmp_path: Path) -> None:
    """Where a line break, a bracket or a comma is missing, a secret is part of a value that may be shown."""
    for lines in (
        *(
            "    host: b comm_key: hunter2",
            "    host: b\n      comm_key hunter2",
            "    host: b;comm_key=hunter2",
        ),
        *("    host: b, timezone: UTC, pin: hunter2", "    host: comm_key hunter2"),
    ):
        text = f"{TOP}  - name: a\n{lines}\n"
        assert "hunter2" not in (told := "".join(wrong(tmp_path, text)))
        assert "found 'b' ..." in told or "found (hidden) ..." in told or "found (hidden), expected" in told
    for name in ("a, port: 0, comm_key: hunter2}", "a comm_key hunter2"):
        told = "".join(wrong(tmp_path, f"{TOP}  - name: {name}\n    port: 0\n    host: b\n"))
        assert "hunter2" not in told
        assert "devices[0] (a" in told
    dashboard = "dashboard: {url: 'http://a token: hunter2'}"
    assert "hunter2" not in "".join(wrong(tmp_path, f"{dashboard}\n{TOP}  - {{name: a, host: b}}\n"))


def test_one_name_for_two_anchors(tmp_path: Path) -> None:
    """What is marked with & twice under one name is said in our words, with the line of the first."""
    text = f"x-a: &a {{port: 1}}\nx-b: &a {{port: 2}}\n{TOP}  - {{name: a, host: b, <<: *a}}\n"
    sentence = "found & with a name that line 1 has already; give it another name"
    assert wrong(tmp_path, text) == [f"devices.yaml:2: {sentence}; the rest is checked once this is mended"]


def test_the_last_slip_of_a_large_file_is_in_our_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no time is left to see what was meant, the slip is still told with what it seems to be."""
    monkeypatch.setattr("zkpoll.inventory.text._MOST_TRIES", 1)
    text = TOP + "".join(f"  - name: a{i}\n\thost: a{i}\n    port: {i}\n" for i in range(3))
    assert wrong(tmp_path, text)[-1].endswith(f": {TAB}; the rest is checked once this is mended")
