"""The digest of settings: whether two machines mean the same by a device, database or dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import GOOD, dashboard, device, read
from zkpoll.inventory import Dashboard, Database, Device, settings_digest
from zkpoll.inventory.digest import _OF_THIS_MACHINE

if TYPE_CHECKING:
    from pathlib import Path

OF_DEVICE = {
    "name": "back", "was": "front-old", "host": "192.168.1.202", "port": "4371", "transport": "udp",
    "site": "dhaka", "timezone": "Asia/Kathmandu", "timeout": "20s", "visit_limit": "5m",
    "quiet_hours": "22:00-05:00", "yield_seat": "5m", "clock": "{set_when_off_by: 30s}", "warn_clock": "90s",
    "clear": "confirmed",
    "warn_full": "80%", "since": "2026-11-01", "repeat_within": "30s", "direction": "in",
    "in_states": "[0]", "out_states": "[1]", "latitude": "1\n    longitude: 2",
    "longitude": "3\n    latitude: 1",
    "user_id": "{prefix: a}", "encoding": "gb18030", "serial": "A1", "trust": "inventory\n    serial: A1",
    "push": "true\n    serial: A1", "enabled": "no",
}  # fmt: skip
"""Another value of each setting, perhaps with a setting that it needs."""
OF_DASHBOARD = {
    "name": "erp", "was": "erp-old", "url": "https://b", "format": "event", "user_id": "{prefix: a}",
    "extra_fields": "[clock_suspect]", "gzip": "yes", "batch_size": "7", "lanes": "2\n  format: event",
    "max_per_run": "9", "timeout": "9", "attempts": "2", "retry_wait": "3", "park_retry_every": "2d",
    "frappe": "{timezone: UTC}\n  format: frappe\n  token: 'a:b'",
    "odoo": "{database: hr}\n  format: odoo\n  token: a",
    "template": "{body: {a: '{{ id }}'}}\n  format: template",
}  # fmt: skip
DATABASE = "databases:\n  - {name: hq, kind: att2000, file: mdb/att2000.mdb%s}\n"
OF_DATABASE = {
    "name": "a", "was": "b", "kind": "zkaccess", "file": "c.mdb", "serial": "S", "manual": "hold",
    "machines": "{3: S3}", "states": "{X: 7}", "since": "2026-11-01", "timezone": "UTC", "timeout": "9s",
    "enabled": "no",
}  # fmt: skip


def digest_of_device(folder: Path, *lines: str) -> str:
    """Given settings of the device, return its digest."""
    text = device(*lines).replace("defaults:", "sites: {dhaka: {}}\ndefaults:")
    for key in ("name: ", "host: "):
        if any(line.startswith(key) for line in lines):
            text = text.replace(f"  - {key}front\n", "  -\n").replace(
                "    host: 192.168.1.201\n", "", key == "host: "
            )
    return settings_digest(read(folder, text).devices[0])


def test_each_setting_of_a_device_changes_it(tmp_path: Path) -> None:
    """What changes a visit changes the digest, each setting and each value in a way of its own."""
    assert OF_DEVICE.keys() == Device.model_fields.keys() - {"comm_key"}
    plain = digest_of_device(tmp_path)
    found = {key: digest_of_device(tmp_path, f"{key}: {value}") for key, value in OF_DEVICE.items()}
    assert len({plain, *found.values()}) == len(found) + 1
    assert all(len(one) == 16 and int(one, 16) for one in (plain, *found.values()))


def test_each_setting_of_a_dashboard_changes_it(tmp_path: Path) -> None:
    """What changes a delivery changes the digest."""
    assert OF_DASHBOARD.keys() == Dashboard.model_fields.keys() - _OF_THIS_MACHINE
    lines = {
        key: (f"{key}: {value}", *(["url: https://a"] if key != "url" else []))
        for key, value in OF_DASHBOARD.items()
    }
    found = {
        key: settings_digest(read(tmp_path, dashboard(*one)).dashboards[0]) for key, one in lines.items()
    }
    plain = settings_digest(read(tmp_path, dashboard("url: https://a")).dashboards[0])
    assert len({plain, *found.values()}) == len(found) + 1


def test_settings_of_a_database_change_it(tmp_path: Path) -> None:
    """What changes a reading changes the digest."""
    plain = settings_digest(read(tmp_path, GOOD + DATABASE % "").databases[0])
    found = []
    for key, value in OF_DATABASE.items():
        own = {"name": "hq", "kind": "att2000", "file": "mdb/att2000.mdb"} | {key: value}
        text = ", ".join(f"{one}: {written}" for one, written in own.items())
        found.append(settings_digest(read(tmp_path, f"{GOOD}databases:\n  - {{{text}}}\n").databases[0]))
    assert len({plain, *found}) == len(found) + 1


def test_a_device_and_a_dashboard_never_share_one() -> None:
    """A digest of one kind of thing says nothing of another kind."""
    made = Device(name="a", host="b", timezone="UTC")
    assert settings_digest(made) != settings_digest(Dashboard(name="a", url="http://b"))


def test_secrets_and_folders_are_each_machines_own(tmp_path: Path) -> None:
    """Machines that take secrets from different places, and keep files in different folders, agree."""
    (tmp_path / "other").mkdir()
    for folder in (tmp_path, tmp_path / "other"):
        (folder / "token").write_text(f"token-of-{folder.name}\n", encoding="utf-8")
        (folder / "badges.csv").write_text("1,2\n", encoding="utf-8")
    lines = "user_id: {map_file: badges.csv}", "serial: A1"
    here = digest_of_device(tmp_path, "comm_key: 1", "push: {secret: aaaaaaaaaaaaaaaaaaaa}", *lines)
    there = digest_of_device(tmp_path / "other", "comm_key: 22", "push: true", *lines)
    assert here == there != digest_of_device(tmp_path, "push: {networks: [10.0.0.0/8]}", *lines)
    first = read(tmp_path, dashboard("url: https://a", "token_file: token")).dashboards[0]
    second = read(tmp_path, dashboard("url: https://a", "headers: {X-Api-Key: hunter2}")).dashboards[0]
    assert settings_digest(first) == settings_digest(second)
    one = read(tmp_path, GOOD + DATABASE % "").databases[0]
    two = read(tmp_path / "other", GOOD + DATABASE % "").databases[0]
    assert one.file != two.file
    assert settings_digest(one) == settings_digest(two)
    server = Database.model_validate(
        {"name": "a", "kind": "biotime", "url": "mysql://u@h/d", "password": "hunter2", "timezone": "UTC"}
    )
    assert settings_digest(server) == settings_digest(server.model_copy(update={"password": None}))


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("  timezone: Asia/Dhaka", "  timezone: Asia/Dhaka\n  timeout: 10"),
        GOOD.replace("defaults:\n  timezone: Asia/Dhaka\n", "") + "    timezone: Asia/Dhaka\n    port: 4370",
        GOOD.replace("front\n", "'front'\n") + "    enabled: yes\n    in_states: [0, 4]\n",
        GOOD.replace("secret-token", "another") + "  - {name: other, host: other}\n",
    ],
)  # fmt: skip
def test_how_the_same_is_written_makes_no_difference(tmp_path: Path, text: str) -> None:
    """Defaults, quotes, what is written though it is so anyway, and other devices: the digest is the same."""
    assert settings_digest(read(tmp_path, text).devices[0]) == digest_of_device(tmp_path)


def test_it_is_the_same_in_the_next_release(tmp_path: Path) -> None:
    """Where this changes, workers of two releases leave each other's errands until all are of one."""
    assert digest_of_device(tmp_path) == "0824173c25abfed2"
