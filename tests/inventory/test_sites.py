"""`sites:` of the inventory: what devices of one place share, and what `x-…` at the top is for."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import GOOD, device, read, wrong

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Database, Device

SITES = """\
sites:
  dhaka: {timezone: Asia/Dhaka, timeout: 20s, quiet_hours: 20:00-06:00, clear: confirmed}
  hq-2:
"""
"""Two sites, on three lines; `hq-2` says nothing."""
TOP = GOOD[: GOOD.index("devices:")].replace("Asia/Dhaka", "Europe/London\n  timeout: 5s\n  direction: in")
"""An inventory without its devices, of eight lines."""
SECTION = "expected a mapping of settings (name: value)"
SITES_ARE = (
    "found a list, expected a mapping: the name of each site, and its settings below it"
    " (dhaka: {timezone: Asia/Dhaka})"
)


def test_the_device_its_site_and_the_defaults_in_this_order(tmp_path: Path) -> None:
    """What the device says counts, then what its site says, then the defaults, then what is built in."""
    made = read(
        tmp_path,
        f"{TOP}{SITES}devices:\n"
        "  - {name: own, host: a, site: dhaka, timeout: 1s}\n"
        "  - {name: sited, host: b, site: dhaka}\n"
        "  - {name: bare, host: c, site: hq-2}\n"
        "  - {name: free, host: d}\n"
        "  - {name: calls, serial: A, push: true, site: dhaka}\n"
        "databases:\n"
        "  - {name: hq, kind: att2000, file: a.mdb, site: dhaka}\n",
    )
    both: list[Device | Database] = [*made.devices, *made.databases]
    assert made.sites == ("dhaka", "hq-2")
    assert [(one.name, one.site, one.timezone, one.timeout, one.direction) for one in both] == [
        ("own", "dhaka", "Asia/Dhaka", 1, "in"),
        ("sited", "dhaka", "Asia/Dhaka", 20, "in"),
        ("bare", "hq-2", "Europe/London", 5, "in"),
        ("free", None, "Europe/London", 5, "in"),
        ("calls", "dhaka", "Asia/Dhaka", 10, "in"),  # nobody calls it, so what is for calls is not for it
        ("hq", "dhaka", "Asia/Dhaka", 20, "in"),
    ]
    night = (time(20), time(6))
    assert [one.quiet_hours for one in both] == [
        night,
        night,
        None,
        None,
        None,
        night,
    ]
    assert [one.clear.above for one in made.devices] == [0, 0, None, None, None]


def test_what_is_printed_names_the_sites(tmp_path: Path) -> None:
    """The merged settings have each device's site, and can be loaded again."""
    text = f"{TOP}{SITES}devices:\n  - {{name: a, host: a, site: dhaka}}\n"
    shown = read(tmp_path, text).masked()
    assert shown["sites"] == {"dhaka": {}, "hq-2": {}}
    assert (shown["devices"][0]["site"], shown["devices"][0]["timezone"]) == ("dhaka", "Asia/Dhaka")
    assert "sites" not in read(tmp_path, GOOD).masked()


@pytest.mark.parametrize(
    ("sites", "site", "told"),
    [
        ("{dhaka: , sylhet: }", "dakha", "expected the name of a site, did you mean dhaka?"),
        ("{dhaka: , sylhet: }", "Dhaka", "expected the name of a site, did you mean dhaka?"),
        ("{dhaka: , sylhet: }", "x", "expected the name of a site, there are dhaka, sylhet"),
        ("", "x", "expected the name of a site, named under sites: at the top (sites: {x: {}})"),
    ],
)
def test_a_site_that_is_none(tmp_path: Path, sites: str, site: str, told: str) -> None:
    """A device of no such site is told once, with the nearest name, and lacks nothing else for that."""
    text = f"journal: j\ndashboard: {{url: 'http://a'}}\nsites: {sites}\ndevices:\n"
    text += f"  - {{name: a, host: a, site: {site}}}\n"
    assert wrong(tmp_path, text) == [f"devices.yaml:5: devices[0] (a).site: found '{site}', {told}"]


def test_a_mistake_in_a_site_is_told_once_and_at_its_line(tmp_path: Path) -> None:
    """However many devices a site has, its mistake is one, and what it lacks for that is no other."""
    entries = "".join(f"  - {{name: a{i}, host: a{i}, site: dhaka-2}}\n" for i in range(12))
    text = f"journal: j\ndashboard: {{url: 'http://a'}}\nsites:\n  dhaka-2:\n    %s\ndevices:\n{entries}"
    for line, told in {
        "timezone: Dhaka": ".timezone: found 'Dhaka', expected a time zone, did you mean Asia/Dhaka?",
        "timezon: Asia/Dhaka": ".timezon: unknown setting, did you mean timezone?",
        "tz: Asia/Dhaka": ".tz: unknown setting, did you mean timezone?",
        "- timezone: UTC": f": found a list, {SECTION}, without a - in front",
        "{timezone: UTC, host: a}": ".host: tells one device from another, so it cannot stand in sites",
        "{timezone: UTC, latitude: 5}": ".latitude: needs longitude beside it",
    }.items():
        assert wrong(tmp_path, text % line) == [f"devices.yaml:5: sites.dhaka-2{told}"]
    assert wrong(tmp_path, text.replace("  dhaka-2:\n", "  - dhaka-2\n") % "") == [
        f"devices.yaml:3: sites: {SITES_ARE}"
    ]


def test_what_all_devices_lack_is_told_once(tmp_path: Path) -> None:
    """No timezone anywhere is one message with the lines, and not one for each of twelve devices."""
    entries = "".join(f"  - {{name: a{i}, host: a{i}}}\n" for i in range(12))
    (told,) = wrong(tmp_path, f"journal: j\ndashboard: {{url: 'http://a'}}\ndevices:\n{entries}")
    assert told == (
        "devices.yaml:4: devices[0] (a0).timezone: missing (The time zone of its wall clock, such as"
        " Asia/Dhaka, here, in its site or in defaults); the same on lines 5, 6, 7 and 8 more"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("defaults:\n  timezone: Asia/Dhaka\n", "defaults:\ntimezone: Asia/Dhaka\n"),
        ("  timezone: Asia/Dhaka\n", "timezone: Asia/Dhaka\n"),
    ],
)
def test_what_is_not_indented_is_told_once(tmp_path: Path, old: str, new: str) -> None:
    """A setting of devices at the left edge is told with where it belongs, and is not missed as well."""
    told = "a setting of devices, at the left edge of the file: indent it, below defaults: or a device"
    assert wrong(tmp_path, GOOD.replace(old, new)) == [f"devices.yaml:6: timezone: {told}"]


def test_what_begins_with_x_at_the_top_is_no_setting(tmp_path: Path) -> None:
    """Anchors have a place of their own: nothing in it is checked before something uses it."""
    text = f"x-none: ${{NOPE}}\nx-slow: &slow\n  timeout: 30s\nx-far: &far {{<<: *slow, port: %s}}\n{GOOD}"
    made = read(tmp_path, text % "4371" + "    <<: *far\n    timeout: 1s\n").devices[0]
    assert (made.timeout, made.port) == (1, 4371)
    more = "".join(f"  - {{name: b{i}, host: b{i}, <<: *far}}\n" for i in range(2))
    assert wrong(tmp_path, text % "x" + more) == [
        "devices.yaml:4: devices[1] (b0).port: found 'x', expected a whole number from 1 to 65535"
    ]
    assert wrong(tmp_path, device("x-slow: 5")) == [
        line for line in wrong(tmp_path, device("x-slow: 5")) if "devices[0] (front).x-slow: unknown" in line
    ]


def test_words_are_taken_in_any_case(tmp_path: Path) -> None:
    """`transport: TCP` is tcp: whoever writes so is understood."""
    lines = ("transport: UDP", "direction: In", "encoding: UTF-8", "clear: Never", "trust: Device")
    made = read(tmp_path, device(*lines)).devices[0]
    assert (made.transport, made.direction, made.encoding, made.trust) == ("udp", "in", "utf-8", "device")
    assert made.clear.above is None
    assert read(tmp_path, GOOD.replace("  token", "  format: Event\n  token")).dashboards[0].format == "event"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        *(("ip", "host"), ("address", "host"), ("ipaddress", "host"), ("IP-Address", "host")),
        *(("password", "comm_key"), ("comm-key", "comm_key"), ("tz", "timezone"), ("sn", "serial")),
        *(("protocol", "transport"), ("force_udp", "transport"), ("label", "name"), ("branch", "site")),
        *(("hots", "host"), ("quiethours", "quiet_hours")),
    ],
)
def test_the_names_of_other_programs_are_known(tmp_path: Path, written: str, told: str) -> None:
    """What others call it suggests what it is called here, and is the one mistake."""
    text = f"{GOOD[: GOOD.index('  - name')]}  - {{name: b, host: b, {written}: '1'}}\n"
    if told in {"name", "host"}:
        text = text.replace(f"{told}: b, ", "")
    place = "devices[0]" if told == "name" else "devices[0] (b)"
    assert wrong(tmp_path, text) == [
        f"devices.yaml:8: {place}.{written}: unknown setting, did you mean {told}?"
    ]


def test_what_is_no_setting_of_ours_says_whose_it_is(tmp_path: Path) -> None:
    """How often is said elsewhere; a setting of the top belongs to the top."""
    often = "no setting: how often `zkpoll sync` runs is said in cron or in zkpoll.timer; leave it out"
    assert wrong(tmp_path, GOOD.replace("defaults:", "interval: 5m\ndefaults:")) == [
        f"devices.yaml:5: interval: {often}"
    ]
    (told,) = wrong(tmp_path, device("parallel: 3"))
    assert told.endswith("(front).parallel: stands at the top of the file: move it to the left edge")
