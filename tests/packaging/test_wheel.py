"""The wheel: built from this checkout, it works where nothing but its run-time dependencies is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bridge.jet_writer import DATE, LONG, TEXT, Book, Column, Row, Table
from tests.look import look
from tests.site import TOKEN, entry
from tests.two_doors.programs import Net
from zkpoll import __version__
from zkpoll.simulator import Record, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
OFFLINE = (
    "Could not find a version",
    "No matching distribution",
    "Connection",
    "Temporary failure",
    "Timeout",
)
"""What pip says where there is no package index; a wheel that is wrong fails in other words."""


def pip(*arguments: str) -> None:
    """Run pip; skip where there is no package index."""
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    if result.returncode and any(words in result.stderr for words in OFFLINE):
        pytest.skip("no package index can be reached, to build and to install with")
    assert result.returncode == 0, result.stderr


def package() -> set[str]:
    """Return the files that the package has, by this checkout: its own, the units, the example, `share/`."""
    found = (
        path for path in (ROOT / "zkpoll").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    units = {f"zkpoll/installation/systemd/{path.name}" for path in (ROOT / "systemd").iterdir()}
    data = f"zkpoll-{__version__}.data/data"
    shared = {f"{data}/{path.relative_to(ROOT)}" for path in (ROOT / "share").rglob("*") if path.is_file()}
    example = "zkpoll/inventory/devices.example.yaml"
    return {path.relative_to(ROOT).as_posix() for path in found} | units | shared | {example}


@dataclass(frozen=True)
class Installed:
    """The wheel, and an environment in which it is installed, without any extra."""

    wheel: Path
    files: frozenset[str]
    """What the wheel has of the package."""
    programs: Path

    def run(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run zkpoll far from this checkout."""
        return subprocess.run(
            [self.programs / "zkpoll", *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "TOKEN": TOKEN, "TZ": "UTC"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def prints(self, *arguments: str, folder: Path) -> str:
        """Run zkpoll, see that all is well, and return what it prints."""
        result = self.run(*arguments, folder=folder)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout

    def pip(self, *arguments: str) -> None:
        """Run pip for this environment."""
        pip("--python", str(self.programs / "python"), *arguments)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel of this checkout, and install it with what it asks for."""
    folder, before = tmp_path_factory.mktemp("wheel"), package()
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".")
    (wheel,) = folder.glob("zkpoll-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        files = frozenset(name for name in packed.namelist() if ".dist-info/" not in name)
    files -= {"zkpoll/commit.txt"}  # tests/packaging/test_published.py
    assert before & package() <= files <= before | package()  # somebody may be at work in this checkout
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    found = Installed(wheel, files, folder / "venv" / "bin")
    found.pip("install", "--quiet", "--no-compile", str(wheel))
    return found


@pytest.mark.timeout(300)  # a package index may be slow
def test_the_wheel_in_a_clean_environment(
    installed: Installed, tmp_path: Path, site: Site, dashboard: SampleDashboard
) -> None:
    """A fresh environment with the wheel and what it asks for syncs a terminal, and has all commands."""
    told = installed.prints("--version", folder=tmp_path)
    assert told.removesuffix("\n").partition("+")[0] == f"zkpoll, version {__version__}"
    assert "devices" in json.loads(installed.prints("config", "schema", folder=tmp_path))["properties"]
    assert "_ZKPOLL_COMPLETE" in installed.prints("completion", "bash", folder=tmp_path)
    example = (ROOT / "devices.example.yaml").read_text()
    assert installed.prints("config", "example", folder=tmp_path) == example
    share = installed.programs.parent / "share"
    assert {path.name for path in share.glob("man/man?/*")} == {
        path.name for path in (ROOT / "share").glob("man/man?/*")
    }
    for script in ("bash-completion/completions/zkpoll", "zsh/site-functions/_zkpoll"):
        assert (share / script).read_text() == (ROOT / "share" / script).read_text()
    command = f"ExecStart={installed.programs / 'zkpoll'} sync "
    assert command in installed.run("systemd", "print", "zkpoll.service", folder=tmp_path).stdout
    with serve(Terminal.with_samples(40)) as address:
        site.write(dashboard.url, entry("front", address))
        installed.prints("sync", "--config", str(site.inventory), folder=tmp_path)
    assert len(dashboard.events) == 40
    backup = ("journal", "backup", str(tmp_path / "backup.db"), "--config", str(site.inventory))
    assert "40 punches" in installed.prints(*backup, folder=tmp_path)
    refused = installed.run("serve", "--config", str(site.inventory), folder=tmp_path)
    assert (refused.returncode, "pip install 'zkpoll[serve]'" in refused.stderr) == (78, True)
    installed.pip("check")


@pytest.mark.timeout(300)
def test_databases_without_the_extra(installed: Installed, tmp_path: Path, site: Site) -> None:
    """Without the extra, an Access file is read; what needs it says so, and which words install it."""
    book, first = Book("Jet 4"), datetime(2026, 11, 22, 8)
    rows = [Row([17, first + timedelta(minutes=n), "1"]) for n in range(25)]
    columns = [Column("USERID", LONG), Column("CHECKTIME", DATE), Column("SENSORID", TEXT)]
    book.add(Table("CHECKINOUT", columns, rows))
    book.add(Table("USERINFO", [Column("USERID", LONG), Column("Badgenumber", TEXT)], [Row([17, "1001"])]))
    file = tmp_path / "att2000.mdb"
    file.write_bytes(book.make().data)
    Net(tmp_path, "CQZ7224760045")
    needs = "file: ZKTimeNet.db", "url: postgresql://me@127.0.0.1/b", "url: mysql://me@127.0.0.1/b"
    sorts = "SQLite", "PostgreSQL", "MySQL", "SQL Server"
    others = (*needs, "url: mssql://me@127.0.0.1/b")
    entries = [f"{{name: plain, kind: att2000, file: {file.name}, machines: {{1: CQZ1}}}}"]
    entries += [
        f"{{name: d{place}, kind: zktime-net, '{key}': '{value}'}}"
        for place, (key, _, value) in enumerate(one.partition(": ") for one in others)
    ]
    listed = "".join(f"  - {one}\n" for one in entries)
    site.inventory.write_text(
        "dashboard: {url: 'http://127.0.0.1:9', token: x}\njournal: journal.db\n"
        f"defaults: {{timezone: UTC}}\ndatabases:\n{listed}"
    )
    words = ("sync", "--no-deliver", "--config", str(site.inventory))
    found = installed.run(*words, folder=tmp_path)
    assert found.returncode == 1
    assert sorted(found.stderr.splitlines()) == sorted(
        f"zkpoll: database d{place}: reading {sort} needs pip install 'zkpoll[bridge]'"
        for place, sort in enumerate(sorts)
    )
    assert look(site.journal, "SELECT count(*), min(source) FROM punch") == [(25, "bridge")]
    assert installed.prints(*words, "--device", "plain", folder=tmp_path) == ""


@pytest.mark.timeout(300)
def test_databases_with_the_extra(installed: Installed, tmp_path: Path, site: Site) -> None:
    """`pip install 'zkpoll[bridge]'` brings all that SQLite and servers need."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    with_extra = Installed(installed.wheel, installed.files, tmp_path / "venv" / "bin")
    with_extra.pip("install", "--quiet", "--no-compile", f"{installed.wheel}[bridge]")
    with_extra.pip("check")
    database = Net(tmp_path, "CQZ7224760045")
    database.enrol(["1001"])
    database.add([Record(1, 1, "1001", datetime(2026, 11, 22, 8, 59, 58), 1, 0, 0)])
    site.inventory.write_text(
        "dashboard: {url: 'http://127.0.0.1:9', token: x}\njournal: journal.db\n"
        f"defaults: {{timezone: UTC}}\n{database.entry()}"
    )
    words = ("sync", "--no-deliver", "--config", str(site.inventory))
    assert with_extra.prints(*words, folder=tmp_path) == ""
    assert look(site.journal, "SELECT count(*), min(source) FROM punch") == [(1, "bridge")]
    drivers = "import psycopg, pymysql, pymssql"
    subprocess.run([with_extra.programs / "python", "-c", drivers], check=True, timeout=60)
