"""A site for acceptance tests: an inventory on disk, and the real `zkpoll` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.simulator import Address

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

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inventory = folder / "devices.yaml"
        self.journal = folder / "journal.db"

    def write(self, url: str, *devices: str, more: str = "", timeout: float = 2) -> None:
        """Write an inventory; each of `devices` is the inside of a YAML flow mapping."""
        entries = "".join(f"  - {{{device}}}\n" for device in devices)
        self.inventory.write_text(
            f"dashboard: {{url: '{url}', token: '${{TOKEN}}', attempts: 1, timeout: 5}}\n"
            f"journal: {self.journal.name}\n"
            f"defaults: {{timezone: UTC, timeout: {timeout}}}\n"
            f"{more}devices:\n{entries}"
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `zkpoll` with this site's inventory, its output in pipes, as from cron."""
        return subprocess.Popen(
            [sys.executable, "-m", "zkpoll", *arguments, "--config", str(self.inventory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"TOKEN": TOKEN},
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


def entry(name: str, address: Address | tuple[str, int], **settings: object) -> str:
    """Return a device for `Site.write`."""
    host, port = address
    fields = {"name": name, "host": f"'{host}'", "port": port, **settings}
    return ", ".join(f"{key}: {value}" for key, value in fields.items())
