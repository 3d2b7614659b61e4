"""Make docs/pictures: what zkpoll's commands look like on a terminal, and its page in a browser. Linux only.

    python -m tests.pictures [--into FOLDER] [NAME...]

virtual site   three terminals and a sample dashboard, on loopback addresses that nobody else has
| run          the real command, in a pseudo-terminal
| seen         what is left on the screen when it has ended
| steady       with one day's dates, addresses and durations, so that only real changes change a picture
| picture      as SVG that fetches nothing

The pictures of the status page are drawn by Chromium, where there is one (tests/browser/pictures.py).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import termios
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from tests.browser.chromium import chromium
from tests.browser.pictures import draw
from tests.site import TOKEN
from zkpoll.errors import ExitCode
from zkpoll.simulator import HttpAnswer, Model, Received, Record, SampleDashboard, Terminal, serve
from zkpoll.simulator.samples import sample_records, sample_users

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zkpoll.simulator import Transport

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "docs" / "pictures"
WIDTH: Final = 80
"""Columns."""
_HEIGHT: Final = 100
_DAY: Final = date(2026, 11, 22)
"""The day of every picture."""
_PARKED: Final = "b6f71ee3-3e67-5729-9d60-73ec0d30f5ef"
"""The id, on the pictures' day, of the one punch that is shown with its id: its time is part of it."""
_LOOPBACK: Final = f"127.{100 + os.getpid() % 150}"
"""As wide as the `192.168` that is shown for it, so that no line breaks elsewhere; one for each process."""
_PORT: Final = 4370
_PATIENCE: Final = 60
"""Seconds a command may take."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A command, and what is run before it and not shown."""

    command: str
    before: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its file is called, without the ending."""
        return self.command.replace(" ", "-")


PICTURES: Final = (
    Picture("sync"),
    Picture("devices ping"),
    Picture("status", before=("sync",)),
    Picture("outbox list", before=("sync",)),
    Picture("dashboards ping"),
)


# --- the site ---


@dataclass(frozen=True, slots=True)
class _Part:
    """A terminal of the site."""

    name: str
    serial: str
    address: str
    records: int
    transport: Transport = "tcp"
    comm_key: int = 0

    @contextmanager
    def up(self) -> Iterator[None]:
        """Let it answer at its address while inside."""
        terminal = Terminal(Model(serial=self.serial, comm_key=self.comm_key, capacity=5000))
        terminal.set_clock(datetime.now(UTC).replace(tzinfo=None))
        terminal.users = sample_users(20)
        terminal.record(_moved(sample_records(terminal.users, self.records, before=_DAY)))
        with serve(terminal, f"{_LOOPBACK}.{self.address}", _PORT, self.transport):
            yield

    @property
    def entry(self) -> str:
        """Its lines in the inventory. They lack its comm key: that is what is wrong with one of them."""
        return (
            f"  - {{name: {self.name}, host: {_LOOPBACK}.{self.address}, port: {_PORT},"
            f" transport: {self.transport}}}\n"
        )


_PARTS: Final = (
    _Part("front-door", "CQZ7224760045", "1.201", 600),
    _Part("warehouse", "CQZ7224760112", "1.202", 240, comm_key=123456),
    _Part("office", "CQZ7224760078", "1.203", 40, transport="udp"),
)


def _moved(records: Iterable[Record]) -> Iterator[Record]:
    """Yield `records` with times that are as long ago today as theirs were on the pictures' day."""
    days = _today() - _DAY
    return (record._replace(time=record.time + days) for record in records)


def _today() -> date:
    return datetime.now(UTC).date()


def _refuses_one(request: Received) -> HttpAnswer:
    """Answer that of all the people in `request` the last one is unknown."""
    last = json.loads(request.body)["events"][-1:]  # a ping has none
    rejected = [{"id": event["id"], "error": "unknown employee"} for event in last]
    return HttpAnswer(body=json.dumps({"rejected": rejected}).encode())


@contextmanager
def site(folder: Path) -> Iterator[None]:
    """Have an inventory in `folder`, and its devices and dashboard up while inside."""
    with ExitStack() as stack:
        for part in _PARTS:
            stack.enter_context(part.up())
        dashboard = stack.enter_context(SampleDashboard(TOKEN, f"{_LOOPBACK}.1.10", 7080))
        dashboard.answers.append(_refuses_one)
        (folder / "devices.yaml").write_text(
            f"dashboard: {{name: payroll, url: '{dashboard.url}', token: '{TOKEN}'}}\n"
            "journal: journal.db\n"
            "defaults: {timezone: UTC, timeout: 5}\n"
            f"devices:\n{''.join(part.entry for part in _PARTS)}"
        )
        yield


# --- the screen ---


def run(command: str, folder: Path) -> str:
    """Run `zkpoll COMMAND` in `folder`, in a terminal of its own; return all it wrote there.

    Raise `RuntimeError` if it ends otherwise than well or in want of attention, or not at all.
    """
    keeper, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (_HEIGHT, WIDTH))
    arguments = [sys.executable, "-m", "zkpoll", *command.split()]
    with subprocess.Popen(
        arguments, cwd=folder, env=_environment(), stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        with _killed_after(_PATIENCE, process):
            written = _all_from(keeper)
            code = process.wait()
    if code not in {ExitCode.OK, ExitCode.ATTENTION}:
        raise RuntimeError(f"zkpoll {command} ended with {code}: {written}")
    return written


@contextmanager
def _killed_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    timer = Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _environment() -> dict[str, str]:
    """Return this process's environment as a person's terminal would have it."""
    unwanted = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES", "ZKPOLL_CONFIG")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"TERM": "xterm-256color", "TZ": "UTC", "PYTHONPATH": str(ROOT)}


def _all_from(keeper: int) -> str:
    with open(keeper, "rb", buffering=0) as stream, suppress(OSError):
        chunks = []
        while chunk := stream.read(65536):  # Linux ends it with EIO once nobody has the terminal
            chunks.append(chunk)
    return b"".join(chunks).decode()


_STEP: Final = re.compile(r"\n|\x1b\[(\d*)A|(\x1b\[2K)|\r|\x1b\[\?25[lh]|([^\x1b\n\r]+|\x1b\[[\d;]*m)")
"""What moves the cursor up or down, wipes a line, or is written on it, colours too."""


def seen(written: str) -> str:
    """Given what was written to a terminal, return what is on it in the end.

    Knows what zkpoll's progress bars do: go up, wipe the line, write it anew. Raise `ValueError` if
    there is anything else.
    """
    lines, row, end = [""], 0, 0
    for step in _STEP.finditer(written):
        if step.start() != end:
            break
        end, (up, wiped, text) = step.end(), step.groups()
        row += 1 if step[0] == "\n" else -int(up or 1) if up is not None else 0
        lines += [""] * (row + 1 - len(lines))
        lines[row] = "" if wiped else lines[row] + (text or "")
    if end != len(written):
        raise ValueError(f"unknown to a picture: {written[end : end + 10]!r}")
    return "\n".join(lines).rstrip()


_DATE: Final = re.compile(r"(?<!\d)20\d\d-\d\d-\d\d\b")
_STEADY: Final = (
    (re.compile(r"\b127\.\d{3}\."), "192.168."),
    (re.compile(rf"(?<={_DAY} )\d\d:\d\d"), "09:05"),
    (re.compile(r"\d+ ms\b"), "12 ms"),
    (re.compile(r"\d+\.\d s\b"), "0.4 s"),
    (re.compile(r"\d+\.\d{3} s\b"), "0.002 s"),
    (re.compile(r"(?<= )[+-]\d s\b"), "+2 s"),
    (re.compile(r"(?<= )\d+ s(?= ago|$)", re.MULTILINE), "3 s"),
    (re.compile(r"\b[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\b"), _PARKED),
)
"""What differs from run to run, and what is shown for it."""


def steady(screen: str) -> str:
    """Return `screen` as it would be on the pictures' day, at their addresses, on a quiet machine."""
    screen = _DATE.sub(_on_that_day, screen)
    for varying, fixed in _STEADY:
        screen = varying.sub(fixed, screen)
    return "\n".join(line.rstrip() for line in screen.splitlines())


def _on_that_day(found: re.Match[str]) -> str:
    return str(date.fromisoformat(found[0]) - (_today() - _DAY))


# --- the picture ---


def make(picture: Picture, folder: Path) -> Path:
    """Write `picture` into `folder`, and return its path."""
    with tempfile.TemporaryDirectory() as place, site(Path(place)):
        for command in picture.before:
            run(command, Path(place))
        screen = steady(seen(run(picture.command, Path(place))))
    path = folder / f"{picture.name}.svg"
    path.write_text(drawn(picture, screen), "utf-8")
    return path


def drawn(picture: Picture, screen: str) -> str:
    """Return `screen`, with ANSI colours, as the SVG of a terminal in which `picture` was made."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.assemble(("$ ", "dim"), (f"zkpoll {picture.command}", "bold")))
    console.print(Text.from_ansi(screen))
    svg = console.export_svg(title="zkpoll", unique_id=picture.name)
    # Who reads a document does not ask for fonts from elsewhere; any of fixed width will do.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER")
    parser.add_argument("names", nargs="*", metavar="NAME", help="all without any")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        if not arguments.names or picture.name in arguments.names:
            print(make(picture, arguments.into))  # noqa: T201  # tells a person what it made
    if chromium() is None:
        told = "there is no Chromium: the pictures of the status page stay as they are"
        print(told, file=sys.stderr)  # noqa: T201
    for path in draw(arguments.into, arguments.names):
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()
