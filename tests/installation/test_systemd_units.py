"""The units of an installation: the shipped ones with its paths and secrets, and how changes are known."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zkpoll.installation.units import (
    Places,
    UnitState,
    Wanted,
    shipped,
    state_of,
    unit,
    why_no_path,
    worker_of,
)

ROOT = Path(__file__).parents[2]
PLACES = Places("/usr/local/bin/zkpoll", Path("/srv/zkpoll/devices.yaml"), ("token", "front-key"))
SERVICE = shipped()["zkpoll.service"]
ALL = (
    Wanted(serve=True, watch=True, backup=True),
    Wanted(dispatch=True, worker=True),
    Wanted(worker=True, sites=("x",)),
)


def settings(text: str) -> list[str]:
    """Return the lines of a unit that systemd reads, in order."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_texts_are_those_of_the_folder() -> None:
    """All units of systemd/ are there, letter by letter: there is one source."""
    assert shipped() == {file.name: file.read_text("utf-8") for file in (ROOT / "systemd").glob("zkpoll*.*")}


@pytest.mark.parametrize("name", shipped())
def test_what_an_installation_changes(name: str) -> None:
    """Command, inventory and secrets are this installation's; every other setting is as it is shipped."""
    plain, ours = settings(shipped()[name]), settings(unit(name, shipped()[name], PLACES))
    rest = [line for line in ours if not line.startswith(("LoadCredential=", "ExecStart="))]
    assert rest == [line for line in plain if not line.startswith(("LoadCredential=", "ExecStart="))]
    secrets = [line for line in ours if line.startswith("LoadCredential=")]
    takes_some = any(line.startswith("LoadCredential=") for line in plain)
    both = ["LoadCredential=token:/etc/zkpoll/token", "LoadCredential=front-key:/etc/zkpoll/front-key"]
    assert secrets == (both if takes_some else [])
    runs = [line for line in ours if line.startswith("ExecStart=")]
    for line in runs:
        assert "/usr/local/bin/zkpoll " in line
        assert "--config /srv/zkpoll/devices.yaml" in line
        assert "/opt/" not in line
    assert bool(runs) == name.endswith(".service")


def test_an_inventory_without_secrets() -> None:
    """A service is handed none where the inventory takes none: one that is not there would stop it."""
    text = unit(
        "zkpoll-worker.service",
        shipped()["zkpoll-worker.service"],
        Places("/opt/zkpoll/bin/zkpoll", credentials=()),
    )
    assert not [line for line in settings(text) if "LoadCredential" in line]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd's tools are not on this machine")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """All units as they are installed are what systemd understands, every line of them."""
    places = Places(f"{sys.executable} -m zkpoll", Path("/srv/zkpoll/devices.yaml"), ("token", "front-key"))
    for name, text in shipped().items():
        (tmp_path / name).write_text(unit(name, text, places))
    result = subprocess.run(
        [shutil.which("systemd-analyze") or "", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_unit_tells_who_wrote_it() -> None:
    """What is written is known again: as it should be, by other paths or another version, or changed."""
    ours = unit("zkpoll.service", SERVICE, PLACES)
    older = unit("zkpoll.service", SERVICE.replace("TimeoutStopSec=60", "TimeoutStopSec=30"), PLACES)
    moved = unit("zkpoll.service", SERVICE, Places("/opt/zkpoll/bin/zkpoll"))
    changed = ours.replace("TimeoutStopSec=60", "TimeoutStopSec=61")
    assert state_of(None, ours, SERVICE) is UnitState.ABSENT
    assert state_of(ours, ours, SERVICE) is UnitState.CURRENT
    for found in (older, moved, SERVICE):
        assert state_of(found, ours, SERVICE) is UnitState.OUTDATED
    for found in (changed, SERVICE + "\n", "", "[Service]\n", ours.split("\n", 1)[1], ours + "# mine\n"):
        assert state_of(found, ours, SERVICE) is UnitState.CHANGED, found[:40]


def test_what_is_started_can_be_enabled() -> None:
    """Each unit that is started is written, and can be enabled; each that is shipped is for something."""
    used = set()
    for wanted in ALL:
        used |= set(wanted.files())
        for name in wanted.started():
            file = "zkpoll-worker@.service" if "@" in name else name
            assert file in wanted.files()
            assert "[Install]" in shipped()[file]
    assert used == set(shipped()) - {"zkpoll-failed.service"}


def test_what_takes_the_place_of_the_timer() -> None:
    """The timer runs where neither workers nor dispatch do; push, watch and backups are beside either."""
    assert Wanted().started() == ("zkpoll.timer",)
    assert Wanted(serve=True).started() == ("zkpoll-serve.socket", "zkpoll.timer", "zkpoll-serve.service")
    assert Wanted(watch=True, backup=True).started() == (
        *("zkpoll.timer", "zkpoll-watch.service", "zkpoll-backup.timer"),
    )
    assert Wanted(dispatch=True).started() == ("zkpoll-dispatch.timer",)
    assert Wanted(worker=True).started() == ("zkpoll-worker.service",)
    assert Wanted(worker=True, sites=("dhaka", "new-york")).started() == (
        *("zkpoll-worker@dhaka.service", "zkpoll-worker@new\\x2dyork.service"),
    )


@pytest.mark.parametrize(
    "site", ["dhaka", "new-york", "New York", "a/b 100%", "--deliver", "দোকান", ".x", "a.b", "a\\b", "a:b_c"]
)
def test_a_site_is_escaped_as_systemd_does(site: str) -> None:
    """The name of a worker's unit is what `systemd-escape` makes of its site."""
    escape = shutil.which("systemd-escape")
    if escape is None:
        pytest.skip("systemd-escape is not on this machine")
    command = [escape, "--template=zkpoll-worker@.service", "--", site]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert worker_of(site) == made.strip()


@pytest.mark.parametrize(
    "path", ["/opt/zk poll/zkpoll", "/opt/100%/zkpoll", "/opt/$x", "/a'b", '/a"b', "/a\\b"]
)
def test_a_path_that_a_unit_reads_otherwise(path: str) -> None:
    """A path that a unit, or the shell in one, would read as something else is refused by its letter."""
    assert why_no_path(path)
    assert not why_no_path("/opt/zkpoll-0.2_x/python3.11/bin/zkpoll+a@b")
