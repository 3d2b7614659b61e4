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

from tests.serve.pages import blocks
from tests.site import TOKEN, entry
from zkpoll.errors import ExitCode
from zkpoll.inventory.units import UNITS as CREDENTIALS_OF
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
WORKER = (UNITS / "zkpoll-worker.service").read_text("utf-8")
AT_A_SITE = (UNITS / "zkpoll-worker@.service").read_text("utf-8")
DISPATCH = (UNITS / "zkpoll-dispatch.service").read_text("utf-8")
MINUTELY = (UNITS / "zkpoll-dispatch.timer").read_text("utf-8")
FAILED = (UNITS / "zkpoll-failed.service").read_text("utf-8")
EXPOSURE = 1.5
"""A service's score at most; 10 is worst, and 1.4 what the network and the clock's state cost."""

BACKUP = (UNITS / "zkpoll-backup.service").read_text("utf-8")
services = pytest.mark.parametrize(
    "service",
    [
        "zkpoll.service",
        "zkpoll-serve.service",
        "zkpoll-watch.service",
        "zkpoll-backup.service",
        "zkpoll-dispatch.service",
        "zkpoll-worker.service",
        "zkpoll-worker@.service",
    ],
)
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
def test_what_a_page_adds_to_the_units(units: Path) -> None:
    """What docs/watching.md has a person write into a unit is what systemd understands, in both services."""
    added = blocks("watching.md", "ini")
    assert len(added) == 2
    for service in ("zkpoll.service", "zkpoll-serve.service"):
        folder = units / f"{service}.d"
        folder.mkdir()
        for number, text in enumerate(added):
            (folder / f"{number}.conf").write_text(text)
    result = systemd_analyze("verify", *map(str, sorted(units.glob("zkpoll*.*[!d]"))))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@analyze
def test_what_a_page_has_a_worker_do(units: Path) -> None:
    """What docs/scale.md has a person write into the worker's unit is what systemd understands."""
    (added,) = blocks("scale.md", "ini")
    (before,) = values(WORKER, "ExecStart")
    assert values(added, "ExecStart")[0] == ""
    assert values(added, "ExecStart")[1].replace("--deliver --site london ", "") == before
    folder = units / "zkpoll-worker.service.d"
    folder.mkdir()
    (folder / "override.conf").write_text(added.replace("/opt/zkpoll/bin/zkpoll", sys.executable))
    result = systemd_analyze("verify", str(units / "zkpoll-worker.service"))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@analyze
@services
def test_a_service_is_hardened(units: Path, service: str) -> None:
    """What a service could do if it were taken over is as little as systemd can make it."""
    security(units / service)
    file = str(units / service)
    result = systemd_analyze("security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", file)
    loaded = service.replace("@.", r"@\w+.")  # of a template, some instance is judged
    (score,) = re.findall(rf"exposure level for {loaded}: ([\d.]+)", result.stdout)
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
        if key != "StateDirectory":
            assert values(BACKUP, key) == values(SERVICE, key)
    assert values(BACKUP, "StateDirectory") == ["zkpoll zkpoll-backups"]


def test_the_nightly_backup(site: Site, dashboard: SampleDashboard) -> None:
    """What the timer starts makes a backup where the unit may write; cron's line in the page is as sound."""
    page = (UNITS.parent / "docs" / "operating.md").read_text("utf-8")
    (for_cron,) = re.findall(r"^10 3 \* \* \* (.*journal backup.*)$", page, re.MULTILINE)
    assert "%" not in for_cron  # cron makes a line end of it
    folder = site.folder / "backups"
    folder.mkdir()
    with serve(Terminal.with_samples(5)) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 0
    for command in (values(BACKUP, "ExecStart")[0], for_cron):
        program, *arguments = shlex.split(command)
        assert program == "/opt/zkpoll/bin/zkpoll"
        where = arguments.index("14") + 1
        assert (
            command == for_cron or Path(arguments[where]).name in values(BACKUP, "StateDirectory")[0].split()
        )
        arguments[where] = str(folder)
        del arguments[arguments.index("--config") :]
        made = site.run(*arguments)
        assert (made.code, made.out, made.err) == (0, "", "")
    assert len(list(folder.glob("zkpoll-*.db"))) == 2


def test_a_failure_is_mailed_once_a_day(site: Site, tmp_path: Path) -> None:
    """The mail has what `zkpoll status` says, or why it cannot; a second one within the day is not sent."""
    assert values(FAILED, "StartLimitIntervalSec") == ["1d"]
    assert values(FAILED, "StartLimitBurst") == ["1"]
    (command,) = values(FAILED, "ExecStart")
    site.write("http://127.0.0.1:9", entry("front", ("127.0.0.1", 9)))
    assert site.sync().code == 69
    shell, option, script = shlex.split(command.replace("%H", "here"))
    mail, zkpoll = tmp_path / "mail", f"{sys.executable} -m zkpoll"
    mail.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/words; cat >{tmp_path}/body\n")
    mail.chmod(0o755)
    script = script.replace("/opt/zkpoll/bin/zkpoll", zkpoll)
    script = script.replace("/etc/zkpoll/devices.yaml", str(site.inventory))
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | site.environment | {"PATH": path}
    subprocess.run([shell, option, script], env=env, check=True, timeout=60)
    assert (tmp_path / "words").read_text() == "-s\nzkpoll on here needs somebody\nroot\n"
    assert "front" in (tmp_path / "body").read_text()


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


@analyze
@pytest.mark.parametrize("site", ["dhaka", "new-york", "New York", "a/b 100%", "--deliver", "দোকান"])
def test_a_site_is_named_as_it_is(units: Path, site: str) -> None:
    """Escaped as the page says, any name of a site reaches `zkpoll worker` as the inventory has it."""
    escape = shutil.which("systemd-escape")
    if escape is None:
        pytest.skip("systemd-escape is not on this machine")
    command = [escape, "--template=zkpoll-worker@.service", "--", site]
    name = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    (units / name).symlink_to(units / "zkpoll-worker@.service")
    result = subprocess.run(
        [shutil.which("systemd-analyze") or "", "verify", str(units / name)],
        env=os.environ | {"SYSTEMD_LOG_LEVEL": "debug", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    started = re.findall(r"Command Line: (.*)", result.stdout + result.stderr)
    if not started:
        pytest.skip("this systemd-analyze does not tell what a unit runs")
    assert shlex.split(started[0])[2] == f"--site={site}"


def test_workers_differ_in_what_they_visit_alone() -> None:
    """The unit for one site is the other one but for that: what holds for one holds for both."""

    def settings(unit: str) -> list[str]:
        lines = unit[unit.index("[Unit]") :].splitlines()
        return [line for line in lines if not line.startswith("Description=")]

    assert settings(AT_A_SITE.replace("worker --site=%I", "worker")) == settings(WORKER)
    assert AT_A_SITE.count("%I") == 2


def test_workers_and_dispatch_are_one_user_with_one_set_of_secrets() -> None:
    """They read one inventory: the same user, folder and credentials, on whatever machine."""
    for key in ("DynamicUser", "User", "StateDirectory", "StateDirectoryMode", "UMask"):
        assert values(DISPATCH, key) == values(WORKER, key) == values(SERVICE, key) != []
    secrets = values(WORKER, "LoadCredential")
    assert secrets == values(DISPATCH, "LoadCredential")
    assert set(values(SERVICE, "LoadCredential")) < set(secrets)
    page = (UNITS.parent / "docs" / "scale.md").read_text("utf-8")
    for secret in secrets:
        name, _, path = secret.partition(":")
        assert f"/dev/stdin {path} " in page
        assert f"_file: ${{CREDENTIALS_DIRECTORY}}/{name}" in page


def test_a_worker_is_started_again_and_has_time_to_end() -> None:
    """It is started anew after a failure that this may mend; told to stop, it has more than its 15 s."""
    assert values(WORKER, "Restart") == ["on-failure"]
    (codes,) = values(WORKER, "RestartPreventExitStatus")
    assert {int(code) for code in codes.split()} == {ExitCode.USAGE, ExitCode.INVENTORY}
    assert int(values(WORKER, "TimeoutStopSec")[0]) >= 15 + 10
    assert "WantedBy=multi-user.target" in WORKER


def test_dispatch_is_started_each_minute() -> None:
    """Each minute is what systemd reads, and it may not move it to another one."""
    assert values(MINUTELY, "OnCalendar") == ["*:*"]
    assert values(MINUTELY, "AccuracySec") == ["1s"]
    assert int(values(MINUTELY, "RandomizedDelaySec")[0]) < 30
    assert values(DISPATCH, "Type") == ["oneshot"]
    assert values(DISPATCH, "TimeoutStartSec") == ["2min"]


def test_a_command_finds_the_credentials_of_each_service() -> None:
    """What a person types finds the secrets of any service that is handed some."""
    handed = {
        unit.name for unit in UNITS.glob("*.service") if values(unit.read_text("utf-8"), "LoadCredential")
    }
    assert handed == set(CREDENTIALS_OF)
