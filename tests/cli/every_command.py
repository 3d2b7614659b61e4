"""Every command, and a site with something of everything to run it on."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tests.cli.test_delivery import refusing
from tests.cli.test_quarantine import SERIAL
from tests.cli.time_net import TimeNet
from tests.forks import START, Forked
from tests.site import Site, entry
from zkpoll.journal import callers
from zkpoll.journal.callers import Caller
from zkpoll.journal.opening import folders, open_journal
from zkpoll.pull.raw_copy import RawCopy, save
from zkpoll.simulator import EnrolledUser

if TYPE_CHECKING:
    from zkpoll.simulator import SampleDashboard, Terminal

INSTALLED: Final = Path(sys.executable).with_name("zkpoll")

ASKS: Final = {
    "sync": "",
    "backfill": "--to dashboard --from {day} --until {day} --held --dry-run",
    "devices ping": "",
    "devices info": "{name}",
    "devices clock": "",
    "devices discover": "127.0.0.1/32 --port {port}",
    "databases ping": "",
    "dashboards ping": "",
    "users export": "",
    "users diff": "{folder}/users.csv",
    "journal prune": "--older-than 30d --dry-run",
}
"""Commands that ask a terminal or a dashboard, or keep others from it: run one after the other."""
LOOKS: Final = {
    "status": "",
    "explain": "{user} {day}",
    "devices list": "",
    "devices pending": "",
    "databases list": "",
    "databases changes": "{database}",
    "punches export": "",
    "outbox list": "",
    "quarantine list": "",
    "journal restore": "{copy}",
    "journal backup": "{folder}/backup.db --force",
    "decode": "{copy}",
    "config check": "",
    "config schema": "",
    "config example": "",
    "systemd print": "--program /bin/sh",  # which services may run, wherever the tests are
    "completion": "bash",
}
"""Commands that look at files alone."""
ELSEWHERE: Final = {
    "devices ask": "decides something, and says so in a line",
    "devices clear": "asks a person first, and has tests of that",
    "devices accept": "decides something, and says so in a line",
    "dashboards resume": "decides something, and says so in a line",
    "outbox retry": "decides something, and says so in a line",
    "outbox discard": "asks a person first, and has tests of that",
    "quarantine accept": "asks a person first, and has tests of that",
    "quarantine assign": "asks a person first, and has tests of that",
    "journal copy": "needs a PostgreSQL server, and has tests of that",
    "init": "writes a first inventory, and has tests of that",
    "systemd install": "is for a whole machine, and has tests of that",
    "dispatch": "needs a broker, and has tests of that",
    "worker": "runs until it is stopped",
    "simulate": "runs until it is stopped",
    "serve": "runs until it is stopped",
    "watch": "runs until it is stopped",
    "demo": "makes a site of its own, and is tested as a whole",
}
"""Commands that are not run here, and why."""
ROWS: Final = ASKS | LOOKS
NO_JSON: Final = {"backfill", "config example", "config schema", "systemd print", "completion"}


def commands(group: click.Group, *path: str) -> dict[str, click.Command]:
    """Return every command that can be run, by its words."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        words = (*path, name)
        found |= commands(command, *words) if isinstance(command, click.Group) else {" ".join(words): command}
    return found


class Prepared(Site):
    """A site with something of everything, for the installed command, which finds it by ZKPOLL_CONFIG."""

    def __init__(self, folder: Path, terminal: Terminal, port: int) -> None:
        super().__init__(folder)
        self.environment |= {"ZKPOLL_CONFIG": str(self.inventory)}
        first = terminal.history[0]
        self.words = {"user": first.user_id, "day": first.time.date(), "port": port, "folder": folder}
        self.words |= {"name": "front-door", "database": "head-office"}

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run the installed command, or those by which it is forked."""
        return [*(START if self.popen is Forked else [str(INSTALLED)]), *arguments]

    def row(self, name: str) -> list[str]:
        """Return the words of a command."""
        return f"{name} {ROWS[name].format(**self.words)}".split()


def prepare(site: Prepared, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """Have a log read: one record goes into quarantine, a person's punches are parked; a copy is kept.

    Users are exported, and one comes after that. A database has a row, which is edited once it was read.
    """
    name = str(site.words["name"])
    vendor = TimeNet(site.folder / "ZKTimeNet.db")
    vendor.punch("2026-11-22 08:59:58")
    device = entry(name, ("127.0.0.1", int(str(site.words["port"]))))
    database = f"{{name: {site.words['database']}, kind: zktime-net, file: ZKTimeNet.db}}"
    site.write(
        dashboard.url,
        device,
        entry("warehouse-gate-2", ("127.0.0.1", 9), enabled="false"),
        more=f"databases:\n  - {database}\n",
    )
    dashboard.answers.extend([refusing(dashboard, str(site.words["user"]))] * 50)
    assert site.sync().code == 1
    vendor.run("UPDATE att_punches SET workstate = 1")
    assert site.sync("--device", str(site.words["database"]), "--full", "--no-deliver").code == 1
    dashboard.answers.clear()
    assert site.run("users", "export", "--output", str(site.folder / "users.csv")).code == 0
    terminal.users.append(EnrolledUser(99, "9001", "Rahima"))
    log = b"".join(terminal.log)
    taken = datetime(2026, 11, 22, 3, tzinfo=UTC)
    unknown = Caller(
        "CQZ7224760046", "unknown serial", taken, taken, 12, "203.0.113.7", "/iclock/cdata", "2.4.1", "att"
    )
    with open_journal(site.journal) as journal:
        callers.note(journal, [unknown, replace(unknown, serial=SERIAL, reason="wrong secret")], 3)
    site.words["copy"] = save(
        folders(site.journal).raw_copies, RawCopy(name, SERIAL, taken, "UTC", 40, {}, log)
    )
