"""`zkpoll systemd`, run as root on a machine of its own: `/etc`, `/opt` and `/run` are folders of the test.

There systemctl is a small program that keeps what it is told, and knows units as systemd does: those that
are read, enabled, running. It fails where a test says so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.site import Result
from zkpoll.installation.program import program_at
from zkpoll.installation.steps import needing_somebody
from zkpoll.installation.systemd_setup import Setup, plan, program_step
from zkpoll.installation.units import Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = "/opt/zkpoll/bin/zkpoll"
UNSHARE: Final = [shutil.which("unshare") or "false", "--map-root-user", "--mount"]
ENTER: Final = 'for one in etc opt run; do mount --bind "$0/$one" "/$one" || exit 99; done; exec "$@"'
SYSTEMCTL: Final = r"""#!/bin/sh
units=/etc/systemd/system; state=${0%/*}/state; mkdir -p "$state/read" "$state/enabled" "$state/runs"
shift
[ "$1" = show ] || echo "$*" >>"$state/calls"
if [ "$1" = "$(cat "$state/fails" 2>&-)" ]; then echo "Failed to $1: Connection timed out" >&2; exit 1; fi
case "$1" in
show)
    shift 2
    for one; do
        file=$(printf %s "$one" | sed 's/@.*[.]/@./')
        [ -e "$state/read/$file" ] && load=loaded || load=not-found
        [ -e "$state/enabled/$one" ] && on=enabled || on=disabled
        [ -e "$state/runs/$one" ] && active=active || active=inactive
        stale=no
        [ ! -e "$state/read/$file" ] || cmp -s "$units/$file" "$state/read/$file" || stale=yes
        printf 'Id=%s\nLoadState=%s\nActiveState=%s\nUnitFileState=%s\nNeedDaemonReload=%s\n\n' \
            "$one" $load $active $on $stale
    done ;;
daemon-reload) cp "$units"/zkpoll* "$state/read/" ;;
enable) shift 2; for one; do touch "$state/enabled/$one" "$state/runs/$one"; done ;;
disable) shift 2; for one; do rm "$state/enabled/$one" "$state/runs/$one"; done ;;
restart) ;;
*) exit 64 ;;
esac
"""
INVENTORY: Final = """\
dashboard:
  url: https://dashboard.example.com/v1/attendance
  token_file: ${CREDENTIALS_DIRECTORY}/token
# token_file: ${CREDENTIALS_DIRECTORY}/former-token
journal: /var/lib/zkpoll/journal.db
listen: {address: systemd}
defaults: {timezone: Asia/Dhaka}
devices:
  - {name: front-door, host: 192.0.2.1, comm_key: "${file:$CREDENTIALS_DIRECTORY/front-key}"}
"""


class Machine:
    """A machine in a folder, whose root runs zkpoll there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.etc = folder / "etc" / "zkpoll"
        self.units = folder / "etc" / "systemd" / "system"
        self.state = folder / "bin" / "state"
        for one in (self.etc, self.units, folder / "run/systemd/system", folder / "opt/zkpoll/bin"):
            one.mkdir(parents=True)
        for path, text in {"opt/zkpoll/bin/zkpoll": "#!/bin/sh\n", "bin/systemctl": SYSTEMCTL}.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
            (folder / path).chmod(0o755)
        (self.etc / "devices.yaml").write_text(INVENTORY)
        for secret, text in {"token": "t0ken", "front-key": "1234"}.items():
            self.put_secret(secret, text)

    def put_secret(self, name: str, text: str) -> None:
        """Do what the page says for a secret."""
        (self.etc / name).write_text(text)
        (self.etc / name).chmod(0o600)

    def run(self, *words: str, program: Sequence[str] = ("--program", PROGRAM)) -> Result:
        """Run `zkpoll systemd`, and return how it ended."""
        command = [sys.executable, "-m", "zkpoll", "systemd", *words, *program]
        environment = os.environ | {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [*UNSHARE, "sh", "-c", ENTER, str(self.folder), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            cwd="/",
        )
        assert "Traceback" not in done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def apply(self, *words: str) -> Result:
        """Install, see that it goes well, and that nothing is left to do."""
        done = self.run("install", "--apply", *words)
        assert (done.code, done.err) == (0, "")
        again = self.run("install", *words)
        assert (again.code, states(again)) == (0, {"already so"}), again.out
        return done

    def calls(self) -> list[str]:
        """Return what systemctl was told since the last time, but for questions."""
        file = self.state / "calls"
        found = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    def files(self) -> dict[str, bytes]:
        """Return all files of the machine, but for what systemctl keeps."""
        found = [one for one in self.folder.rglob("*") if one.is_file() and self.state not in one.parents]
        return {str(one.relative_to(self.folder)): one.read_bytes() for one in found}


def states(shown: Result) -> set[str]:
    """Return how far the steps are that were shown."""
    return set(re.findall("^(already so|to do|needs you|done)  ", shown.out, re.MULTILINE))


def secrets(machine: Machine, name: str) -> list[str]:
    """Return the secrets that an installed unit hands to its service."""
    return re.findall("^LoadCredential=(.*)$", (machine.units / name).read_text(), re.MULTILINE)


@pytest.fixture(scope="session")
def may_enter(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Say whether this account may make namespaces, and mount there."""
    folder = Machine(tmp_path_factory.mktemp("probe")).folder
    probe = [*UNSHARE, "sh", "-c", ENTER, str(folder), "true"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


@pytest.fixture
def machine(tmp_path: Path, may_enter: bool) -> Machine:
    """Give a machine on which all is ready but the units."""
    if not may_enter:
        pytest.skip("this account may not make a namespace")
    return Machine(tmp_path)


def test_it_shows_first(machine: Machine) -> None:
    """Without --apply each step is shown, and no file and nothing of systemd is changed."""
    before = machine.files()
    shown = machine.run("install")
    assert (shown.code, shown.err, states(shown)) == (0, "", {"already so", "to do"})
    for step in ("write /etc/systemd/system/zkpoll.timer", "systemctl enable --now zkpoll.timer"):
        assert f"to do       {step}\n" in shown.out
    assert "Nothing was changed. Do it with --apply." in shown.out
    assert machine.files() == before
    assert machine.calls() == []


def test_it_installs(machine: Machine) -> None:
    """With --apply units are there, with this installation's paths and secrets, read, enabled and started."""
    done = machine.apply()
    assert states(done) == {"already so", "done"}
    assert machine.calls() == ["daemon-reload", "enable --now zkpoll.timer"]
    assert {one.name for one in machine.units.iterdir()} == {"zkpoll.service", "zkpoll.timer"}
    assert {one.stat().st_mode & 0o777 for one in machine.units.iterdir()} == {0o644}
    assert secrets(machine, "zkpoll.service") == [
        "token:/etc/zkpoll/token",
        "front-key:/etc/zkpoll/front-key",
    ]
    assert "sudo systemctl start zkpoll.service" in done.out
    assert f"sudo {PROGRAM} status\n" in done.out


def test_run_twice(machine: Machine) -> None:
    """A second time nothing is left to do, and nothing is done."""
    machine.apply("--serve", "--watch", "--backup")
    machine.calls()
    before = {one: one.stat().st_mtime_ns for one in machine.units.iterdir()}
    again = machine.run("install", "--apply", "--serve", "--watch", "--backup")
    assert (again.code, states(again)) == (0, {"already so"})
    assert machine.calls() == []
    assert {one: one.stat().st_mtime_ns for one in machine.units.iterdir()} == before


def test_what_was_copied_by_hand_is_taken_over(machine: Machine) -> None:
    """Units that were copied as they are shipped are replaced, as nobody has changed them."""
    for name in ("zkpoll.service", "zkpoll.timer"):
        shutil.copy(ROOT / "systemd" / name, machine.units)
    assert "to do       replace /etc/systemd/system/zkpoll.service" in machine.run("install").out
    machine.apply()


def test_a_unit_that_a_person_changed(machine: Machine) -> None:
    """It is left alone, with nothing else done, until --force; then it is as it should be."""
    machine.apply()
    machine.calls()
    unit = machine.units / "zkpoll.service"
    unit.write_text(unit.read_text().replace("TimeoutStopSec=60", "TimeoutStopSec=90"))
    for words in ((), ("--apply", "--backup")):
        shown = machine.run("install", *words)
        assert (shown.code, "needs you   /etc/systemd/system/zkpoll.service was changed" in shown.out) == (
            1,
            True,
        )
        assert "sudo systemctl edit zkpoll.service" in shown.out
    assert "TimeoutStopSec=90" in unit.read_text()
    assert machine.calls() == []
    assert machine.run("install", "--apply", "--force").code == 0
    assert "TimeoutStopSec=60" in unit.read_text()
    assert machine.calls() == ["daemon-reload"]


def test_a_mask(machine: Machine) -> None:
    """A unit that is masked stays so: that is somebody's decision."""
    (machine.units / "zkpoll.timer").symlink_to("/dev/null")
    shown = machine.run("install", "--apply", "--force")
    assert (shown.code, "unmask zkpoll.timer" in shown.out) == (1, True)
    assert (machine.units / "zkpoll.timer").is_symlink()


def test_one_more_secret(machine: Machine) -> None:
    """A secret that is new in the inventory is asked for, then handed to the services, which start anew."""
    machine.apply("--serve")
    machine.calls()
    inventory = machine.etc / "devices.yaml"
    inventory.write_text(
        INVENTORY
        + '  - {name: gate, serial: G1, push: {secret: "${file:$CREDENTIALS_DIRECTORY/gate-path}"}}\n'
    )
    shown = machine.run("install", "--apply", "--serve")
    assert shown.code == 1
    assert "sudo install -m 0600 /dev/stdin /etc/zkpoll/gate-path" in shown.out
    assert machine.calls() == []
    machine.put_secret("gate-path", "0123456789abcdef")
    machine.apply("--serve")
    assert "gate-path:/etc/zkpoll/gate-path" in secrets(machine, "zkpoll-serve.service")
    assert machine.calls() == ["daemon-reload", "restart zkpoll-serve.service"]


def test_a_secret_with_a_folder_for_commands(machine: Machine) -> None:
    """As `zkpoll init` writes it, the token is found by a person's command, and handed to the services."""
    with_folder = INVENTORY.replace("DIRECTORY}/token", "DIRECTORY:-/etc/zkpoll}/token")
    (machine.etc / "devices.yaml").write_text(with_folder)
    machine.apply()
    assert "token:/etc/zkpoll/token" in secrets(machine, "zkpoll.service")


def test_a_secret_that_everybody_may_read(machine: Machine) -> None:
    """It is closed."""
    (machine.etc / "token").chmod(0o644)
    machine.apply()
    assert (machine.etc / "token").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_none(machine: Machine) -> None:
    """The inventory is checked with its secrets, as the service will have them; none of them is shown."""
    machine.put_secret("front-key", "no-number")
    shown = machine.run("install")
    assert shown.code == 1
    assert "comm_key" in shown.out
    assert "no-number" not in shown.out


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("${CREDENTIALS_DIRECTORY}/token\n", "secret\n", "write ${CREDENTIALS_DIRECTORY}/secret in the"),
        ("token_file: ${CREDENTIALS_DIRECTORY}/token\n", "token: ${TOKEN}\n", "TOKEN is not set"),
    ],
)
def test_an_inventory_that_a_service_cannot_use(machine: Machine, old: str, new: str, told: str) -> None:
    """What the service could not read is told before anything is done."""
    machine.put_secret("secret", "t0ken")
    (machine.etc / "devices.yaml").write_text(INVENTORY.replace(old, new, 1))
    shown = machine.run("install", "--apply")
    assert (shown.code, told in shown.out) == (1, True), shown.out
    assert machine.calls() == []
    assert list(machine.units.iterdir()) == []


def test_no_inventory(machine: Machine) -> None:
    """Nothing is made up: the commands that put one in its place are told."""
    (machine.etc / "devices.yaml").unlink()
    shown = machine.run("install", "--apply")
    assert shown.code == 1
    assert "sudo install -m 0644 devices.yaml /etc/zkpoll/devices.yaml" in shown.out
    (machine.etc / "devices.yaml").write_text(INVENTORY)
    (machine.etc / "devices.yaml").chmod(0o600)
    assert "sudo chmod -R o+rX /etc/zkpoll/devices.yaml" in machine.run("install").out


def test_a_program_out_of_sight(machine: Machine) -> None:
    """A program in a home, or that is not there, is refused with what to do."""
    for path, told in (
        ("/root/.local/bin/zkpoll", "home folder"),
        ("/opt/none/zkpoll", "is not there"),
        ("/opt/zk poll", "' '"),
    ):
        shown = machine.run("install", "--apply", program=("--program", path))
        assert (shown.code, told in shown.out, "/opt/zkpoll" in shown.out) == (1, True, True)
        assert machine.calls() == []


@pytest.mark.parametrize(
    ("mode", "told"),
    [(None, "is no program"), (0o644, "may not be run by the services' user"), (0o755, None)],
)
def test_a_program_that_cannot_be_run(tmp_path: Path, mode: int | None, told: str | None) -> None:
    """A folder, or a file that nobody may run, can be read, and is no command for all that."""
    path = tmp_path / PROGRAM[1:]
    path.parent.mkdir(parents=True)
    if mode is None:
        path.mkdir()
    else:
        path.touch()
        path.chmod(mode)
    step = program_step(Setup(Wanted(), program_at(Path(PROGRAM)), root=tmp_path))
    assert (told or "services run") in step.what
    assert (step in needing_somebody([step])) is (told is not None)


@pytest.mark.parametrize("config", ["/etc/zk poll/devices.yaml", "/etc/%i.yaml", "/etc/a\nUser=root"])
def test_an_inventory_that_a_unit_reads_otherwise_is_told(config: str) -> None:
    """The unit is printed all the same, and stderr says what is wrong with it."""
    words = [sys.executable, "-m", "zkpoll", "systemd", "print", "zkpoll.service", "--config", config]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stderr
    assert "which means something else in a unit: give it another name" in told


def test_workers_take_the_place_of_the_timer(machine: Machine) -> None:
    """The timer is stopped where workers are; back again, that is refused until they are stopped."""
    machine.apply()
    machine.calls()
    with (machine.etc / "devices.yaml").open("a") as file:
        file.write("workers: {broker: 'redis://10.0.0.5:6379/1'}\nsites: {new-york: {}}\n")
    done = machine.apply("--dispatch", "--worker", "--site", "new-york")
    assert machine.calls() == [
        "daemon-reload",
        "disable --now zkpoll.timer",
        "enable --now zkpoll-dispatch.timer zkpoll-worker@new\\x2dyork.service",
    ]
    assert "journalctl -u 'zkpoll-worker@new\\x2dyork' -n 20" in done.out
    shown = machine.run("install", "--apply")
    assert (shown.code, "sudo systemctl disable --now zkpoll-dispatch.timer" in shown.out) == (1, True)
    assert machine.calls() == []


@pytest.mark.parametrize("fails", ["daemon-reload", "enable", "show"])
def test_a_systemctl_that_fails(machine: Machine, fails: str) -> None:
    """What it says is told, and what is done by then; once that is mended, the rest is done."""
    machine.state.mkdir()
    (machine.state / "fails").write_text(fails)
    failed = machine.run("install", "--apply")
    assert failed.code == 1
    assert f"Failed to {fails}: Connection timed out" in failed.err
    if fails != "show":
        assert "done        write /etc/systemd/system/zkpoll.timer" in failed.out
        assert "what is told above is done, and stays" in failed.err
        assert "See that it works" not in failed.out
    (machine.state / "fails").unlink()
    machine.apply()


def test_no_systemd(machine: Machine) -> None:
    """Where systemd is not the first process, that is told, with what else there is."""
    (machine.folder / "run" / "systemd" / "system").rmdir()
    for words in ((), ("--apply",)):
        shown = machine.run("install", *words)
        assert (shown.code, shown.out) == (1, "")
        assert re.fullmatch(r"zkpoll: systemd is not the first process here.*cron.*--root\n", shown.err)


def test_printed_units_are_those_installed(machine: Machine) -> None:
    """`print` writes what `install` does, so that `| sudo tee` comes to the same."""
    machine.apply()
    for unit in machine.units.iterdir():
        assert machine.run("print", unit.name) == Result(0, unit.read_text(), "")
    every = machine.run("print").out
    assert (
        every.count("\n# /etc/systemd/system/zkpoll") == len(list((ROOT / "systemd").glob("zkpoll*.*"))) - 1
    )
    wrong = machine.run("print", "zkpoll.socket")
    assert (wrong.code, "there are zkpoll-backup.service, " in wrong.err) == (2, True)


# --- below another root: real files, and no namespace ---


LACKS: Final = [
    ("/var/lib/zkpoll/journal.db", "journal.db", Wanted(), "write `journal: /var/lib/zkpoll/journal.db`"),
    ("listen: {address: systemd}\n", "", Wanted(serve=True), "write `listen: {address: systemd}`"),
    ("address: systemd", "address: '0.0.0.0:80'", Wanted(serve=True), "write `listen: {address: systemd}`"),
    ("", "", Wanted(worker=True), "workers: {broker: redis://…}"),
    ("", "", Wanted(dispatch=True), "workers: {broker: redis://…}"),
    ("", "", Wanted(worker=True, sites=("dhaka",)), "there are none"),
    (
        "journal: /var/lib/zkpoll/journal.db",
        "journal: postgresql://zkpoll@db.example.com/zkpoll\nstate_dir: /srv/zkpoll",
        Wanted(),
        "write `state_dir: /var/lib/zkpoll`",
    ),
    (
        "journal: /var/lib/zkpoll/journal.db",
        "journal: postgresql://zkpoll@db.example.com/zkpoll\nstate_dir: /var/lib/zkpoll",
        Wanted(backup=True),
        "leave out --backup",
    ),
    ("Asia/Dhaka", "Asia/Dakka", Wanted(), "mend it; a service has none"),
    ("/token\n", "/to:ken\n", Wanted(), "name it with letters"),
]
"""What an inventory has, what it has instead, what is asked for, and what a person is told to do."""


@pytest.mark.parametrize(("old", "new", "wanted", "told"), LACKS)
def test_an_inventory_that_does_not_fit(
    tmp_path: Path, old: str, new: str, wanted: Wanted, told: str
) -> None:
    """What is asked for and the inventory does not have is told before anything is done."""
    image = Machine(tmp_path)
    setup = Setup(wanted, program_at(Path(PROGRAM)), root=tmp_path)
    fits = replace(setup, wanted=Wanted(serve=True, watch=True, backup=True))
    assert not needing_somebody(plan(fits, None))
    (image.etc / "devices.yaml").write_text(INVENTORY.replace(old, new, 1))
    assert any(told in step.advice for step in needing_somebody(plan(setup, None)))


def run_here(*words: str) -> Result:
    """Run `zkpoll systemd` on this machine."""
    command = [sys.executable, "-m", "zkpoll", "systemd", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    return Result(done.returncode, done.stdout, done.stderr)


def test_below_another_root(tmp_path: Path) -> None:
    """With --root units are written below it, for the paths as the image has them; no systemctl is called."""
    image = Machine(tmp_path)
    shutil.rmtree(image.units)
    words = ("install", "--root", str(tmp_path), "--program", PROGRAM, "--backup")
    assert run_here(*words).code == 0
    assert not image.units.exists()
    done = run_here(*words, "--apply")
    assert (done.code, done.err, image.calls()) == (0, "", [])
    text = (image.units / "zkpoll.service").read_text()
    assert f"\nExecStart={PROGRAM} sync --verbose --config /etc/zkpoll/devices.yaml\n" in text
    assert str(tmp_path) not in text
    assert len(list(image.units.iterdir())) == 4
    assert states(run_here(*words)) == {"already so"}


def test_wrong_words() -> None:
    """A site is that of a worker."""
    wrong = run_here("install", "--site", "dhaka")
    assert (wrong.code, "--worker" in wrong.err) == (2, True)
