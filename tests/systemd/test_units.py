"""The systemd units: sound, hardened, and running what there is to run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.site import TOKEN, entry
from zkpoll.errors import ExitCode
from zkpoll.pull.clearing import ENABLE_LIMIT
from zkpoll.push.listener import Limits
from zkpoll.push.sockets import BACKLOG
from zkpoll.simulator import Terminal, serve
from zkpoll.tasks.desk import LOCK_WAIT

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

UNITS = Path(__file__).parents[2] / "systemd"
SERVICE = (UNITS / "zkpoll.service").read_text("utf-8")
TIMER = (UNITS / "zkpoll.timer").read_text("utf-8")
SERVE = (UNITS / "zkpoll-serve.service").read_text("utf-8")
SOCKET = (UNITS / "zkpoll-serve.socket").read_text("utf-8")
EXPOSURE = 1.5
"""A service's score at most; 10 is worst, and 1.4 what the network and the clock's state cost."""

services = pytest.mark.parametrize("service", ["zkpoll.service", "zkpoll-serve.service"])
analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd's tools are not on this machine"
)


def values(unit: str, key: str) -> list[str]:
    """Return what a unit gives a key, in order."""
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Give the units in a folder of their own, with a program that is on this machine."""
    for unit in UNITS.glob("zkpoll*.*"):
        text = unit.read_text("utf-8").replace("/opt/zkpoll/bin/zkpoll", sys.executable)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `systemd-analyze`; it needs no systemd that runs."""
    return subprocess.run(
        [shutil.which("systemd-analyze") or "", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def security(unit: Path) -> list[dict[str, Any]]:
    """Return what `systemd-analyze security` finds, a check each; skip where it is too old to say."""
    result = systemd_analyze("security", "--offline=true", "--json=short", str(unit))
    if result.returncode and not result.stdout:
        pytest.skip("this systemd-analyze cannot judge a unit that is not loaded")
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@analyze
def test_systemd_finds_nothing_wrong(units: Path) -> None:
    """All units are what systemd understands, every line of them."""
    result = systemd_analyze("verify", *map(str, sorted(units.iterdir())))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@analyze
@services
def test_a_service_is_hardened(units: Path, service: str) -> None:
    """What a service could do if it were taken over is as little as systemd can make it."""
    security(units / service)
    file = str(units / service)
    result = systemd_analyze("security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", file)
    (score,) = re.findall(rf"exposure level for {service}: ([\d.]+)", result.stdout)
    assert float(score) <= EXPOSURE
    assert result.returncode == 0


@analyze
@services
def test_every_switch_that_is_off_is_explained(units: Path, service: str) -> None:
    """For each thing a service may do, a comment in it says why."""
    comments = " ".join(re.findall(r"^#(.*)$", (UNITS / service).read_text("utf-8"), re.MULTILINE))
    loose = [
        check["name"] for check in security(units / service) if check["set"] is False and check["exposure"]
    ]
    assert loose
    for loose_name in loose:
        name = loose_name.replace("(INET|INET6)", "INET AF_INET6")
        words = re.findall(r"AF_\w+|@[\w-]+", name) or re.findall(r"\w+(?==)", name)
        missing = [word for word in words if word not in comments]
        assert missing == [], name


def test_a_run_has_time_to_enable_a_terminal() -> None:
    """A stop leaves longer than it takes to give up on a terminal that was being cleared."""
    (limit,) = values(SERVICE, "TimeoutStopSec")
    assert int(limit) >= ENABLE_LIMIT + 30


def test_runs_missed_are_made_up_for_and_spread() -> None:
    """A machine that was off runs once it is on, and not all sites in the same second."""
    assert values(TIMER, "Persistent") == ["true"]
    assert int(values(TIMER, "RandomizedDelaySec")[0]) >= 30


def test_what_it_runs(site: Site, dashboard: SampleDashboard) -> None:
    """The service's command line carries punches, with the token as systemd hands it over."""
    (command,) = values(SERVICE, "ExecStart")
    program, *arguments = shlex.split(command)
    assert program == "/opt/zkpoll/bin/zkpoll"
    (site.folder / "token").write_text(TOKEN)
    with serve(Terminal.with_samples(5)) as address:
        site.write(dashboard.url, entry("front", address))
        as_shipped = "token_file: '${CREDENTIALS_DIRECTORY}/token'"
        site.inventory.write_text(site.inventory.read_text().replace("token: '${TOKEN}'", as_shipped))
        arguments[arguments.index("--config") + 1] = str(site.inventory)
        ran = subprocess.run(
            [sys.executable, "-m", "zkpoll", *arguments],
            env=os.environ | {"CREDENTIALS_DIRECTORY": str(site.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    assert TOKEN not in ran.stdout + ran.stderr
    assert len(dashboard.events) == 5


@pytest.mark.parametrize(("unit", "page"), [(SERVICE, "operating.md"), (SERVE, "push.md")])
def test_the_pages_name_what_the_units_name(unit: str, page: str) -> None:
    """The paths that a person is told to fill are those a service reads."""
    docs = UNITS.parent / "docs"
    told = "".join((docs / name).read_text("utf-8") for name in {page, "operating.md"})
    for path in (
        "/opt/zkpoll",
        "/etc/zkpoll/devices.yaml",
        "/etc/zkpoll/token",
        "/var/lib/zkpoll/journal.db",
    ):
        assert path in unit
        assert path in told


def test_what_serve_needs_is_installed_with_it() -> None:
    """The line that installs zkpoll for terminals that push brings waitress; both pages have it."""
    for text in (SERVE, (UNITS.parent / "docs" / "push.md").read_text("utf-8")):
        assert "/opt/zkpoll/bin/pip install '.[serve]'" in text


def test_both_services_are_one_user() -> None:
    """What reads and what listens own one journal: the same user, whom systemd makes, and the same folder."""
    for key in ("DynamicUser", "User", "StateDirectory", "StateDirectoryMode", "UMask"):
        assert values(SERVICE, key) == values(SERVE, key) != []


def test_what_a_new_start_does_not_mend() -> None:
    """`serve` is started again after a failure, but for wrong words and a bad inventory."""
    assert values(SERVE, "Restart") == ["on-failure"]
    (codes,) = values(SERVE, "RestartPreventExitStatus")
    assert {int(code) for code in codes.split()} == {ExitCode.USAGE, ExitCode.INVENTORY}


def test_the_limits_of_serve_leave_room() -> None:
    """The watchdog, the stop and the files of the unit leave room for what `serve` allows itself."""
    assert int(values(SERVE, "WatchdogSec")[0]) >= 4 * LOCK_WAIT + 60
    assert int(values(SERVE, "TimeoutStopSec")[0]) >= Limits().finish + LOCK_WAIT + 10
    assert int(values(SERVE, "LimitNOFILE")[0]) >= Limits().connections + 256
    assert int(values(SOCKET, "Backlog")[0]) == BACKLOG
