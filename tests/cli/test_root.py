"""Root beside the service: what root makes is the service's, and root has the service's credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.journal.helpers import piece, punches, visit
from tests.site import TOKEN, Site, entry
from zkpoll.durable import new_file, new_folder, new_small_file
from zkpoll.errors import JournalError
from zkpoll.journal.backup import BackupFailed, backup
from zkpoll.journal.locks import LockFiles
from zkpoll.journal.opening import open_journal
from zkpoll.pull import raw_copy, unknown_log
from zkpoll.pull.raw_copy import RawCopy
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.simulator import SampleDashboard

SOMEBODY: Final = 65534
AS_SOMEBODY: Final = f"""
import encodings.idna, encodings.utf_8_sig, os, sys  # what is loaded late
from tests.forks import load_everything
load_everything()
from zkpoll.cli import main
os.setgroups([])
os.setgid({SOMEBODY})
os.setuid({SOMEBODY})
sys.argv[0] = "zkpoll"
main()
"""
UNITS: Final = "/etc/systemd/system"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can give files away"
)


@pytest.fixture
def home() -> Iterator[Path]:
    """Give a folder that the service's account owns, and can reach."""
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, SOMEBODY, SOMEBODY)
    yield folder
    shutil.rmtree(folder)


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    """Return who owns what is in a folder, by name."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {str(path.relative_to(folder)): (one.st_uid, one.st_gid) for path, one in found.items()}


def as_somebody(home: Path) -> Site:
    """Return the site, with commands that the service's account runs.

    It may not read the folder of this Python, so all is loaded before root's rights are given up.
    """
    service = Site(home)
    service.zkpoll = [sys.executable, "-c", AS_SOMEBODY]
    return service


def test_root_takes_nothing_away(home: Path, dashboard: SampleDashboard) -> None:
    """A new journal and all beside it are the folder's owner's, who goes on where root left off."""
    root, service = Site(home), as_somebody(home)
    terminal = Terminal.with_samples(20)
    with serve(terminal) as address:
        root.write(dashboard.url, entry("front", address, clear="confirmed"))
        ours = {"devices.yaml"}
        assert root.run("devices", "ping").code == 0
        assert root.sync().code == 0
        assert root.run("journal", "backup", str(home / "copy.db")).code == 0
        with open_journal(root.journal):
            assert root.run("status").code == 0
            found = owners(home)
        assert {"journal.db", "journal.db-wal", "journal.db-shm", "journal.db.raw"} < set(found)
        assert {"journal.db.begun", "copy.db"} < set(found)
        assert {name for name, owner in found.items() if owner != (SOMEBODY, SOMEBODY)} == ours
        terminal.punch("1001", terminal.history[-1].time.replace(year=2027))
        assert service.sync().code == 0
        assert service.run("devices", "ping").code == 0
    assert len(dashboard.events) == 21
    assert {name for name, owner in owners(home).items() if owner != (SOMEBODY, SOMEBODY)} == ours


def test_each_thing_that_is_made(home: Path) -> None:
    """Locks, raw copies, saved logs and marks are the owner's; what was there before stays whose it was."""
    LockFiles(home / "journal.db").take("device a")
    copy = RawCopy.of("a", "S1", "UTC", 40, b"", {})
    raw_copy.save(home / "journal.db.raw", copy)
    unknown_log.save(home / "journal.db.unknown", "a", b"bytes")
    new_small_file(home / "mark", home, b"text")
    assert {*owners(home).values()} == {(SOMEBODY, SOMEBODY)}
    before = home / "before"
    before.mkdir()
    (before / "file").touch()
    new_folder(before, home)
    new_small_file(before / "file", home)
    assert {owners(home)[name] for name in ("before", "before/file")} == {(0, 0)}


def test_no_link_leads_elsewhere(home: Path, tmp_path: Path) -> None:
    """A link in the place of what is to be made gives nothing away behind it."""
    (home / "folder").symlink_to(tmp_path)
    (home / "file").symlink_to(tmp_path / "file")
    new_folder(home / "folder", home)
    new_small_file(home / "file", home, b"text")
    with new_file(home / "folder" / "other", replace=False, belongs_to=home) as file:
        file.write(b"text")
    assert not (tmp_path / "file").exists()
    assert tmp_path.stat().st_uid == 0


def test_a_copy_that_is_exchanged(home: Path, tmp_path: Path) -> None:
    """Who owns the folder may put a link in the place of a copy: nothing is given away behind it."""
    victim, journal = tmp_path / "victim", home / "journal.db"
    victim.write_text("root's")
    with open_journal(journal) as opened:
        visit(opened).take(piece(*punches(20_000)))

    def exchange() -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            for place in home.glob(".zkpoll-*"):
                with suppress(OSError):
                    if (place / "copy").read_bytes()[18:19] == b"\1":  # no WAL any more; it is examined now
                        place.rename(home / "taken")
                        place.mkdir()
                        (place / "copy").symlink_to(victim)
                        return

    thief = threading.Thread(target=exchange)
    thief.start()
    with suppress(BackupFailed, JournalError):  # what lies there now is no copy
        backup(journal, home / "copy.db")
    thief.join()
    assert (home / "taken" / "copy").exists()
    assert victim.stat().st_uid == 0


def test_root_has_the_credentials_of_the_service(site: Site, dashboard: SampleDashboard) -> None:
    """`sudo zkpoll …` finds the token and a comm key where the unit has them, without any variable."""
    if not Path(UNITS).is_dir():
        pytest.skip(f"there is no {UNITS}")
    unshare = [shutil.which("unshare") or "false", "-m"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody have mounts of their own")
    (site.folder / "token").write_text(TOKEN)
    (site.folder / "key").write_text("123456\n")
    shipped = Path(__file__).parents[2] / "systemd" / "zkpoll.service"
    unit = site.folder / "zkpoll.service"
    unit.write_text(shipped.read_text("utf-8").replace("/etc/zkpoll/token", str(site.folder / "token")))
    (site.folder / "edit.conf").write_text(f"[Service]\nLoadCredential=front-key:{site.folder / 'key'}\n")
    script = (
        f"mount -t tmpfs tmpfs {UNITS} && cd {UNITS} && mkdir zkpoll.service.d"
        f" && cp '{unit}' . && cp '{site.folder / 'edit.conf'}' zkpoll.service.d/ && cd / && exec \"$@\""
    )
    plain = site.zkpoll
    site.popen = subprocess.Popen
    site.zkpoll = [*unshare, "sh", "-c", script, "sh", *plain]
    with serve(Terminal.with_samples(3, model=Model(comm_key=123456))) as address:
        given = "'${file:$CREDENTIALS_DIRECTORY/front-key}'"
        site.write_for(
            f"url: '{dashboard.url}', token_file: '${{CREDENTIALS_DIRECTORY}}/token'",
            entry("front", address, comm_key=given),
        )
        assert site.run("config", "check").code == 0
        ran = site.sync()
        assert (ran.code, ran.err) == (0, "")
        assert len(dashboard.events) == 3
        site.zkpoll = plain
        bare = site.run("config", "check")
    assert bare.code == 78
    assert "CREDENTIALS_DIRECTORY is not set, and no unit of zkpoll has LoadCredential=front-key" in bare.err
