"""What README and docs tell a person to type: each command in a fence is run, or has a reason why not.

The commands of a page are run from top to bottom, on a machine of its own where zkpoll has worked for a
while: `/etc`, `/var` and the like are folders below a folder. What is new in a page needs no row here,
unless it cannot be run (`NOT_RUN`), or something has to be so before (`BEFORE`). A `cron` fence is
a line of a crontab, `text` what is printed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.cli.test_delivery import refusing
from tests.cli.test_quarantine import SERIAL, of_slot
from tests.cli.time_net import TimeNet
from tests.forks import START, Forked
from tests.site import TOKEN, Site, at_a_terminal, entry
from zkpoll.inventory import load
from zkpoll.journal.opening import folders, open_journal
from zkpoll.journal.pushed import Contact, contacts
from zkpoll.pull.raw_copy import RawCopy, save
from zkpoll.simulator import EnrolledUser, Model, SampleDashboard, Terminal, serve
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = [ROOT / "README.md", ROOT / "systemd" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BASH: Final = shutil.which("bash") or "bash"
COMMANDS: Final = {"sh", "bat", "cron"}
"""Languages of fences that a person types, or gives to cron."""
OTHERS: Final = {
    "text": "what a command prints, or an address",
    "yaml": "of an inventory; each is loaded",
    "json": "what is sent or answered; the tests of the formats compare it",
    "http": "what is sent; the tests of the formats compare it",
    "ini": "of a unit; tests/systemd, tests/serve/test_push_page.py",
    "nft": "tests/serve/test_push_page.py",
    "nginx": "tests/serve/test_proxies.py",
    "haproxy": "tests/serve/test_proxies.py",
    "sql": "tests/bridge/test_page.py",
    "python": "tests/delivery/test_odoo.py",
    "csv": "tests/delivery/test_odoo.py",
    "fstab": "a mount needs a file server",
}
"""Languages of all other fences, and what is in them."""

NOT_RUN: Final = {
    r"make \S+(\s|$)": "the gate runs it, or a longer one",
    r"(sudo )?python3 -m venv ": "tests/packaging installs zkpoll into an environment of its own",
    r"zkpoll init$": "asks; tests/installation answers, and tests/packaging does it on an empty machine",
    r"(sudo )?\S*zkpoll systemd install": "tests/installation does, on a machine of its own",
    r"sudo -u postgres (createuser|createdb|dropdb) ": "changes this machine's PostgreSQL",
    r"(10 3 \* \* \* )?pg_(dump|restore) ": "tests/journal/test_copy.py does",
    r"sudo zkpoll journal copy --to postgresql://": "tests/cli/test_journal_copy.py does",
    r"sudo /opt/zkpoll/bin/pip install ": "tests/packaging does, and what an index has is not ours to try",
    r"sudo rabbitmqctl ": "changes this machine's RabbitMQ",
    r"(\* \* \* \* \* )?\S*zkpoll (dispatch|worker) ": "tests/fleet does, at brokers of its own",
    r"journalctl ": "needs systemd's log",
    r"(sudo )?systemctl ": "needs systemd as the first process; that the units are there is looked at",
    r"sudo (groupadd --system|install -d -g) zkpoll-metrics\b": "changes this machine's groups",
    r"sudo install -d -g www-data ": "changes this machine's folders",
    r"sudo htpasswd ": "asks for a password of nginx's",
    r"curl -s http://127\.0\.0\.1:9100/": "needs a node_exporter",
    r"sudo ufw ": "changes this machine's firewall",
    r"schtasks ": "Windows",
    r"copy /y ": "Windows",
    r"curl https://hr\.example\.com/": "the example of an API that is not there",
}
"""Commands that are not run, by how they begin, and why."""
NEEDS_SOMEBODY: Final = re.compile(
    r"\bzkpoll (status|sync|devices clear|(devices|dashboards|databases) ping)\b"
)
"""Commands that end with 1, too, where they did what they should: some of what is there needs a person."""
UNTIL_STOPPED: Final = re.compile(r"zkpoll (serve|watch|simulate)\b")
"""Commands that run until a person stops them."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    place: str
    language: str
    text: str

    def commands(self) -> list[str]:
        """Return its commands, each with all of its lines; what is a comment only is none."""
        found, begun = [], ""
        for line in self.text.splitlines():
            begun += line
            if begun.endswith("\\") and self.language == "sh":
                begun = begun[:-1]
                continue
            try:
                words = shlex.split(begun, comments=True)
            except ValueError:  # a quote that is still open
                begun += "\n"
                continue
            if words:
                found.append(begun)
            begun = ""
        assert not begun, self.place
        return found


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, each without the indent of its list."""
    text = page.read_text("utf-8")
    fences = re.finditer(r"^( *)```(\S*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(f"{page.relative_to(ROOT)}:{text[: one.start()].count(chr(10)) + 1}", one[2], dedent(one[3]))
        for one in fences
    ]


EVERYTHING: Final = {page: blocks(page) for page in PAGES}
TYPED: Final = {
    page: found
    for page, all_ in EVERYTHING.items()
    if (found := [one for one in all_ if one.language in COMMANDS])
}
ALL_COMMANDS: Final = [typed for found in TYPED.values() for block in found for typed in block.commands()]


def why_not(typed: str) -> str | None:
    """Return why a command is not run here; None where it is."""
    return next((reason for begin, reason in NOT_RUN.items() if re.match(begin, typed)), None)


class Machine(Site):
    """A machine where zkpoll has worked for a while, in a folder."""

    def __init__(self, folder: Path, popen: Callable[..., subprocess.Popen[Any]], front: Terminal) -> None:
        super().__init__(folder, popen)
        self.front = front
        """The terminal that is called front-door."""
        self.inventory = folder / "etc" / "zkpoll" / "devices.yaml"
        self.journal = folder / "var" / "lib" / "zkpoll" / "journal.db"
        self.checkout = folder / "checkout"
        self.programs = folder / "opt" / "zkpoll" / "bin"
        path = (
            f"{self.programs}{os.pathsep}{folder / 'usr' / 'local' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        )
        self.environment |= {"ZKPOLL_CONFIG": str(self.inventory), "PATH": path, "HOME": str(folder / "root")}
        self.environment |= {"PYTHONPATH": str(ROOT)}

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run zkpoll; it finds the inventory by itself."""
        return [*self.zkpoll, *arguments]

    def here(self, typed: str) -> str:
        """Return a command with the folders of this machine."""
        folders = r"(?<![\w./])/(?=(?:opt|etc|var|root|home|usr/local)/)"
        return re.sub(folders, f"{self.folder}/", typed)

    def type(self, typed: str) -> tuple[int, str]:
        """Run a command as a person does at a terminal, or cron; return its code and what it printed."""
        line = self.here(re.sub(r"^(?:[\d*/,]+ +){5}", "", typed))
        words = shlex.split(re.sub(r"^sudo ", "", line), comments=True)
        if Path(words[0]).name != "zkpoll" or {"|", "&&", ";", ">"} & set(words):
            return self._by_the_shell(line)
        if UNTIL_STOPPED.match(shlex.join(["zkpoll", *words[1:]])):
            return self._until_it_speaks(words[1:])
        return at_a_terminal(self, *words[1:], answer="y\n", columns=110)

    def _by_the_shell(self, line: str) -> tuple[int, str]:
        done = subprocess.run(
            [BASH, "-c", f"set -eo pipefail\n{line}\npwd >{self.folder}/where"],
            env=os.environ | self.environment,
            input=TOKEN,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode == 0:
            os.chdir((self.folder / "where").read_text().strip())
        return done.returncode, done.stdout

    def _until_it_speaks(self, words: list[str]) -> tuple[int, str]:
        """Stop a command once it says that it is up; another one may have its port."""
        port = ["--port", "0"] if words[0] == "simulate" else []
        with self.start(*words, *port) as process:
            stream = process.stdout if words[0] == "simulate" else process.stderr
            assert stream
            first = stream.readline()
            process.terminate()
            rest = "".join(process.communicate(timeout=60))
        return (process.returncode if first else 1), first + rest


PROGRAMS: Final = {
    "zkpoll": f'exec {shlex.join(START)} "$@"',
    "sudo": '[ "$1" = -s ] || exec "$@"',
}


def make_machine(machine: Machine, stack: ExitStack) -> None:
    """Let zkpoll work for a while on an empty machine."""
    for name in (
        *("etc/zkpoll", "etc/systemd/system", "etc/bash_completion.d", "home/me/zkpoll/bin", "root"),
        *("usr/local/bin", "var/lib/zkpoll", "var/lib/zkpoll-backups", "var/backups", "opt/zkpoll/bin"),
    ):
        (machine.folder / name).mkdir(parents=True)
    for name, does in PROGRAMS.items():
        file = machine.programs / name
        file.write_text(f"#!/bin/sh\n{does}\n")
        file.chmod(0o755)
    front = machine.front
    for minute in range(20):
        front.append(of_slot(minute, slot=1 + minute % 2))
    front.punch("1001", datetime(2026, 11, 22, 8, 59, 58))  # the id of all examples
    front.append(of_slot(30))
    others = {"dhaka-gate": "dhaka", "depot-1": "depot", "london-1": "london"}
    devices = [entry("front-door", stack.enter_context(serve(front)), site="dhaka")]
    for name, site in others.items():
        terminal = Terminal.with_samples(5, model=Model(serial=f"S{name}"))
        devices.append(entry(name, stack.enter_context(serve(terminal)), site=site))
    dashboard = stack.enter_context(SampleDashboard(TOKEN))
    vendor = TimeNet(machine.inventory.parent / "ZKTimeNet.db")
    vendor.punch("2026-11-22 09:59:58")
    vendor.punch("2026-11-22 09:59:59", terminal=3)
    vendor.punch("2026-11-22 10:59:59", operator="admin")
    machine.write(
        dashboard.url,
        *devices,
        "name: gate, serial: GATE1, push: true",
        more=(
            "listen: {address: '127.0.0.1:0'}\n"
            "sites: {dhaka: {}, depot: {}, london: {timezone: Europe/London}}\n"
            "databases:\n  - {name: head-office, kind: zktime-net, file: ZKTimeNet.db, manual: hold}\n"
        ),
    )
    text = machine.inventory.read_text().replace("journal.db", "../../var/lib/zkpoll/journal.db")
    machine.inventory.write_text(text)
    dashboard.answers.extend([refusing(dashboard, "1001")] * 500)
    assert machine.sync().code == 1
    vendor.run("UPDATE att_punches SET workstate = 1")
    assert machine.sync("--device", "head-office", "--full", "--no-deliver").code == 1
    dashboard.answers.clear()
    kept = machine.folder / "var" / "lib" / "zkpoll-backups" / "zkpoll-2026-11-22T031000Z.db"
    assert machine.run("journal", "backup", str(kept)).code == 0
    copy = RawCopy(
        "front-door", SERIAL, datetime(2026, 11, 22, 3, tzinfo=UTC), "UTC", 8, {}, b"".join(front.log)
    )
    save(folders(machine.journal).raw_copies, copy)
    called = datetime(2026, 11, 22, 12, tzinfo=UTC)
    with open_journal(machine.journal) as journal:
        contacts(journal, [Contact("gate", "GATE1", called, called, "203.0.113.7", "attendance", "330")])


def let_the_log_be_cleared(machine: Machine) -> None:
    """Have nothing that keeps the log of front-door from being cleared."""
    assert machine.run("quarantine", "accept", "--device", "front-door", "--yes").code == 0
    assert machine.run("outbox", "discard", "--device", "front-door", "--reason", "test", "--yes").code == 0


def replace_the_terminal(machine: Machine) -> None:
    """Have another terminal at the address of front-door."""
    machine.front.model = replace(machine.front.model, serial="NEW1")
    assert machine.sync("--device", "front-door").code == 1


def put_the_terminal_back(machine: Machine) -> None:
    """Have the old terminal at the address of front-door again."""
    machine.front.model = replace(machine.front.model, serial=SERIAL)
    assert machine.sync("--device", "front-door").code == 1


def punch_of_nobody(machine: Machine) -> None:
    """Have one more record of slot 7, of June."""
    moment = datetime(2026, 6, 20, 8, 30)
    machine.front.append(b"\x07\0\x08\0" + pack_time(moment).to_bytes(4, "little"))
    assert machine.sync("--device", "front-door", "--full").code == 1


def another_server(machine: Machine) -> None:
    """Have a machine where zkpoll is installed, and never worked."""
    for name in ("etc/zkpoll", "var/lib/zkpoll"):
        shutil.rmtree(machine.folder / name)


def make_the_folder(machine: Machine) -> None:
    """Have the folder that the page says is to be made."""
    (machine.folder / "var" / "backups" / "zkpoll").mkdir(mode=0o700)


def remove_the_backup(machine: Machine) -> None:
    """Have no backup of the last upgrade."""
    (machine.folder / "var" / "backups" / "zkpoll-before-upgrade.db").unlink(missing_ok=True)


BEFORE: Final = {
    "zkpoll devices clear front-door": let_the_log_be_cleared,
    "sudo zkpoll devices accept front-door ": replace_the_terminal,
    "sudo zkpoll devices accept front-door --same-terminal": put_the_terminal_back,
    "zkpoll quarantine assign front-door --slot 7 --user 1007 --until ": punch_of_nobody,
    "sudo install -d /etc/zkpoll && ": another_server,
    "10 3 * * * /opt/zkpoll/bin/zkpoll journal backup": make_the_folder,
    "sudo zkpoll journal backup /var/backups/zkpoll-before": remove_the_backup,
}
"""What is so before a command is typed, by how it begins; else it has nothing to do. The longest counts."""


@pytest.fixture(scope="module")
def first_machine(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Machine]:
    """Give one machine, to be copied."""
    with ExitStack() as stack:
        people = [EnrolledUser(1, "1001", "Zeenat"), EnrolledUser(2, "1002")]
        front = Terminal(Model(serial=SERIAL, layout=8), users=people)
        popen = Forked if request.config.getoption("quick") else subprocess.Popen
        machine = Machine(tmp_path_factory.mktemp("machine"), popen, front)
        make_machine(machine, stack)
        yield machine


@pytest.fixture
def machine(first_machine: Machine, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Give a machine of its own to each page, in its checkout; the terminals are the same."""
    shutil.copytree(first_machine.folder, site.folder, dirs_exist_ok=True, symlinks=True)
    machine = Machine(site.folder, site.popen, first_machine.front)
    shutil.copytree(ROOT / "systemd", machine.checkout / "systemd")
    for place in (machine.checkout, machine.folder / "home" / "me"):
        shutil.copy(machine.inventory, place)
    monkeypatch.chdir(machine.checkout)
    model, log = machine.front.model, list(machine.front.log)
    yield machine
    machine.front.model, machine.front.log = model, log


def test_every_fence_says_what_is_in_it() -> None:
    """A fence has a language: one of commands, or one of files and answers."""
    for found in EVERYTHING.values():
        for one in found:
            assert one.language in COMMANDS | OTHERS.keys(), one.place


def test_no_reason_is_left_over() -> None:
    """Each reason not to run something is of a command that stands in a page."""
    for begin in NOT_RUN:
        assert any(re.match(begin, typed) for typed in ALL_COMMANDS), begin


def test_the_units_that_are_named_are_there() -> None:
    """What systemctl is asked for is a unit of ours."""
    for typed in ALL_COMMANDS:
        if re.match(r"(sudo )?systemctl ", typed):
            named = set(re.findall(r"\bzkpoll[\w-]*(?:\.\w+)?", re.split("#|&&", typed)[0]))
            there = {one.name for one in (ROOT / "systemd").iterdir()}
            assert all(one in there or f"{one}.service" in there for one in named), typed


def test_no_stage_is_set_for_nothing() -> None:
    """What is prepared is for a command that stands in a page."""
    for begin in BEFORE:
        assert any(typed.startswith(begin) for typed in ALL_COMMANDS), begin


@pytest.mark.parametrize("page", TYPED, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_can_be_typed(page: Path, machine: Machine) -> None:
    """All commands of a page, one after the other, do what they are there for."""
    failed = []
    for block in TYPED[page]:
        for typed in block.commands():
            if why_not(typed):
                continue
            if stage := max((one for one in BEFORE if typed.startswith(one)), key=len, default=None):
                BEFORE[stage](machine)
            code, printed = machine.type(typed)
            if code and not (code == 1 and NEEDS_SOMEBODY.search(typed)):
                failed.append(f"{block.place}: {typed}\nended with {code}:\n{printed}")
    assert not failed, "\n".join(failed)


INVENTORIES: Final = [one for found in EVERYTHING.values() for one in found if one.language == "yaml"]
REST: Final = {
    "dashboard": "dashboard: {url: 'https://dashboard.example.com', token: x}",
    "journal": "journal: journal.db",
    "defaults": "defaults: {timezone: UTC}",
    "devices": "devices: [{name: front-door, host: 192.0.2.1}, {name: warehouse, host: 192.0.2.2}]",
}
"""What a page leaves out of an inventory."""
SECRETS: Final = (
    *("token", "share", "gate-path", "campus"),
    *("journal-password", "broker-password", "admin-token"),
)
"""Files beside it that a page names."""


@pytest.mark.parametrize("block", INVENTORIES, ids=lambda block: block.place)
def test_what_a_page_says_of_an_inventory_is_one(block: Block, tmp_path: Path) -> None:
    """Each piece of an inventory on a page is what `config check` takes, with the rest that it leaves out."""
    text = block.text
    if of_format := re.match(r"(frappe|odoo|template):", text):
        shown = indent(text, "  ")
        text = f"dashboard:\n  url: https://a.example\n  token: x:y\n  format: {of_format[1]}\n{shown}"
    written = set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
    text += "".join(f"{line}\n" for name, line in REST.items() if name not in written)
    secret = "0123456789abcdef"
    for name in SECRETS:
        (tmp_path / name).write_text(secret)
    (tmp_path / "badges.csv").write_text("17,E1017\n")
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)", text), secret) | {
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "FRAPPE_TOKEN": f"key:{secret}",
        "PING_URL": "https://hc-ping.com/x",
    }
    file = tmp_path / "devices.yaml"
    file.write_text(text)
    assert load(file, variables, strict=True).dashboards
