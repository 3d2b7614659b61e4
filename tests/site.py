"""A site for acceptance tests: an inventory on disk, and the real `zkpoll` as a process."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.forks import START

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zkpoll.simulator import Listening

TOKEN = "s3cret-t0ken"


@dataclass(frozen=True)
class Result:
    """How a process ended, and what it said."""

    code: int
    out: str
    err: str

    def document(self) -> dict[str, Any]:
        """Return stdout as the one JSON document it has to be."""
        document: dict[str, Any] = json.loads(self.out)
        return document


class Site:
    """A folder with an inventory and a journal."""

    def __init__(self, folder: Path, popen: Callable[..., subprocess.Popen[Any]] = subprocess.Popen) -> None:
        self.folder = folder
        self.popen = popen
        """How a command is started, with the arguments of `Popen`."""
        self.zkpoll = START
        """The words in front of a command's own."""
        self.inventory = folder / "devices.yaml"
        self.journal = folder / "journal.db"
        self.environment = {"TOKEN": TOKEN}

    def write(self, url: str, *devices: str, more: str = "", timeout: float = 2) -> None:
        """Write an inventory; each of `devices` is the inside of a YAML flow mapping."""
        dashboard = f"url: '{url}', token: '${{TOKEN}}', attempts: 1, timeout: 5"
        self.write_for(dashboard, *devices, more=more, timeout=timeout)

    def write_for(self, dashboard: str, *devices: str, more: str = "", timeout: float = 2) -> None:
        """Write an inventory; `dashboard` and each of `devices` is the inside of a YAML flow mapping."""
        entries = "".join(f"  - {{{device}}}\n" for device in devices)
        self.inventory.write_text(
            f"dashboard: {{{dashboard}}}\n"
            f"journal: {self.journal.name}\n"
            f"defaults: {{timezone: UTC, timeout: {timeout}}}\n"
            f"{more}devices:\n{entries}"
        )

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run `zkpoll` with this site's inventory."""
        return [*self.zkpoll, *arguments, "--config", str(self.inventory)]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `zkpoll` with this site's inventory, its output in pipes, as from cron."""
        return self.popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=os.environ | self.environment,
        )

    def run(self, *arguments: str) -> Result:
        """Run `zkpoll` to its end."""
        return self.finish(self.start(*arguments))

    def finish(self, process: subprocess.Popen[str]) -> Result:
        """Wait for `process` and return how it ended."""
        with process:
            out, err = process.communicate(timeout=60)
        return Result(process.returncode, out, err)

    def sync(self, *arguments: str) -> Result:
        """Run `zkpoll sync` as cron does."""
        return self.run("sync", *arguments)

    def report(self, *arguments: str) -> dict[str, Any]:
        """Run `zkpoll sync --json` and return its document."""
        return self.sync("--json", *arguments).document()


def at_a_terminal(
    site: Site, *arguments: str, answer: str = "", columns: int = 80, **environment: str
) -> tuple[int, str]:
    """Run `zkpoll` at a terminal so wide where a person types `answer`; return its code and screen.

    The terminal is a dumb one without colours, unless `environment` says otherwise.
    """
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    os.write(ours, answer.encode())
    size = {"COLUMNS": str(columns), "LINES": "24"}  # both, or rich takes a dumb terminal for 80 columns
    terminal = {**size, "NO_COLOR": "1", "TERM": "dumb"} | environment
    process = site.popen(
        site.command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | site.environment | terminal,
    )
    os.close(theirs)
    shown = b""
    with process, os.fdopen(ours, "rb", buffering=0) as screen:
        try:
            while data := screen.read(4096):
                shown += data
        except OSError:
            pass  # how Linux says that nobody writes there any more
    return process.returncode, shown.decode().replace("\r\n", "\n")


def entry(name: str, address: Listening | tuple[str, int], **settings: object) -> str:
    """Return a device for `Site.write`."""
    host, port = address
    fields = {"name": name, "host": f"'{host}'", "port": port, **settings}
    return ", ".join(f"{key}: {value}" for key, value in fields.items())
