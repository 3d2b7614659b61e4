"""A bad inventory and cron: told when it begins, when it changes, once a day, and when it ends."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zkpoll.errors import InventoryError
from zkpoll.inventory import journal_of
from zkpoll.reports.inventory_news import Memory, tell

if TYPE_CHECKING:
    from tests.site import Site

HEAD = "it cannot be used, so nothing is read and nothing delivered:"


def age(memory: Path, days: int) -> None:
    """Make what was told so many days older."""
    moment = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    memory.write_text(json.dumps(json.loads(memory.read_text()) | {"since": moment, "told_at": moment}))


def test_cron_hears_of_it_once_a_day(site: Site) -> None:
    """Every run ends with 78; the mistakes are told when they begin or change, once a day, and as ended."""
    text = (
        "dashboard: {url: 'http://127.0.0.1:9'}\njournal: journal.db\ndefaults: {timezone: Dhaka, prot: 1}\n"
        "devices: [{name: a, serial: A, push: true}, {name: b, serial: B, push: true}]\n"
    )
    site.inventory.write_text(text)
    zone = f"zkpoll: {site.inventory}:3: defaults.timezone: found 'Dhaka', expected a time zone, did you mean"
    first, second, by_hand = site.sync(), site.sync(), site.sync("-v")
    assert (first.code, second.code, by_hand.code) == (78, 78, 78)
    assert first.err.splitlines() == [
        f"zkpoll: inventory: {HEAD}",
        f"zkpoll: {site.inventory}:3: defaults.prot: unknown setting, did you mean port?",
        f"{zone} Asia/Dhaka?",
    ]
    assert second.err == ""
    assert by_hand.err.splitlines() == first.err.splitlines()[1:]
    memory = site.folder / "journal.db.inventory"
    assert (memory.stat().st_mode & 0o777, site.journal.exists()) == (0o600, False)

    age(memory, 2)
    again, half_mended = site.sync(), None
    assert again.err.splitlines() == [
        f"zkpoll: inventory: still, for 2 days: {HEAD}", *first.err.splitlines()[1:]
    ]  # fmt: skip
    site.inventory.write_text(text.replace(", prot: 1", ""))
    half_mended = site.sync()
    assert (half_mended.code, half_mended.err.splitlines()[1:]) == (78, [f"{zone} Asia/Dhaka?"])

    site.inventory.write_text(text.replace("Dhaka, prot: 1", "UTC"))
    mended = site.sync()
    assert mended.err.startswith("zkpoll: inventory: well again, after ")
    assert (mended.code, memory.exists()) == (0, False)
    assert "well again" not in site.sync().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a system without a full device")
def test_where_nobody_can_be_told(site: Site) -> None:
    """Where stderr cannot be written the code is the same, and a mended inventory is read all the same."""
    text = "dashboard: {url: 'http://127.0.0.1:9'}\njournal: journal.db\ndefaults: {timezone: Dhaka}\n"
    site.inventory.write_text(text + "devices: [{name: a, serial: A, push: true}]\n")

    def unheard() -> int:
        with Path("/dev/full").open("w") as full:
            process = site.popen(site.command("sync"), stdin=subprocess.DEVNULL, stdout=full, stderr=full)
        return process.wait(60)

    memory = site.folder / "journal.db.inventory"
    assert (unheard(), memory.exists()) == (78, False)
    assert (site.sync().code, memory.exists()) == (78, True)
    site.inventory.write_text(site.inventory.read_text().replace("Dhaka", "UTC"))
    assert (unheard(), site.journal.exists(), memory.exists()) == (0, True, True)
    assert site.sync().err.startswith("zkpoll: inventory: well again")


def test_a_memory_without_zones_is_none(tmp_path: Path) -> None:
    """Moments that have no zone, which zkpoll never writes, are no reason to fail: it is told anew."""
    memory = Memory(tmp_path / "devices.yaml", tmp_path / "journal.db", {})
    moment = {"since": "2026-11-28T00:00:00", "told_at": "2026-11-28T00:00:00"}
    (tmp_path / "journal.db.inventory").write_text(json.dumps({"kind": "a"} | moment))
    told: list[str] = []
    tell(InventoryError("devices.yaml: no"), memory, datetime(2026, 11, 29, tzinfo=UTC), told.extend)
    assert told == [f"inventory: {HEAD}", "devices.yaml: no"]


def test_where_nothing_can_be_read_it_is_remembered_elsewhere(site: Site) -> None:
    """An inventory that tells no journal is remembered where the account keeps such files, or not at all."""
    site.inventory.write_bytes(b"journal: \xe9\n")
    assert [bool(site.sync().err) for _ in range(2)] == [True, True]  # nowhere to remember it
    site.environment["STATE_DIRECTORY"] = str(site.folder)
    assert [(one.code, bool(one.err)) for one in (site.sync(), site.sync())] == [(78, True), (78, False)]


def test_what_still_tells_the_journal(tmp_path: Path) -> None:
    """Slips and mistakes elsewhere do not hide where the journal is; what hides it is no error here."""
    path = tmp_path / "devices.yaml"
    for text, told in {
        "journal:j.db\ndevices:\n  - name:a\n    host: b\n": "j.db",
        "journal: ${NOPE}\n": None,
        "journal: [a]\n": None,
        "devices: {": None,
    }.items():
        path.write_text(text)
        assert journal_of(path, {}) == (told and tmp_path / told)
