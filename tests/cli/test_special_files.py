"""Pipes, devices and links in the place of files: no command waits for one, or puts a file in its place."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.forks import START
from tests.site import entry
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

EXPECTED = "expected an ordinary file"
REPLACED = "and only an ordinary file is replaced"


@pytest.fixture
def pipe(site: Site) -> Path:
    """Return a pipe that nobody writes to, in the site's folder."""
    path = site.folder / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("dashboard", "place"),
    [
        ("url: https://a, token_file: IT", "dashboard.token_file"),
        ("url: https://a, token: '${file:IT}'", "dashboard.token"),
        ("url: https://a, signing: {secret: '${file:IT}'}", "dashboard.signing.secret"),
        ("url: https://a, basic: {user: a, password: '${file:IT}'}", "dashboard.basic.password"),
        ("url: https://a, ca_file: IT", "dashboard.ca_file"),
        ("url: https://a, client_cert: IT", "dashboard.client_cert"),
        ("url: https://a, user_id: {map_file: IT}", "dashboard.user_id.map_file"),
    ],
)
def test_a_file_of_the_inventorys(site: Site, pipe: Path, dashboard: str, place: str) -> None:
    """A pipe or a device where a secret, a certificate or a map should be is told, with code 78."""
    for path, kind in ((pipe, "a pipe"), ("/dev/zero", "a device")):
        site.write_for(dashboard.replace("IT", str(path)), "name: a, host: 192.0.2.1")
        result = site.run("config", "check")
        told = f"zkpoll: {site.inventory}:1: {place}: cannot read {path}: it is {kind}, {EXPECTED}\n"
        assert (result.code, result.out, result.err) == (78, "", told)


def test_the_inventory(site: Site, pipe: Path) -> None:
    """It is a file, too, and one that a person could have written."""
    site.inventory.symlink_to(pipe)
    result = site.run("status")
    assert (result.code, result.out) == (78, "")
    assert result.err == f"zkpoll: {site.inventory}: cannot be read: it is a pipe, {EXPECTED}\n"
    pipe.unlink()
    pipe.write_bytes(b"#" * (17 * 1024 * 1024))
    result = site.run("status")
    assert (result.code, result.out) == (78, "")
    assert "cannot be read: it is larger than 16777216 bytes; is it the right file?" in result.err


@pytest.mark.parametrize("command", [("decode",), ("journal", "restore")])
def test_a_saved_log(site: Site, pipe: Path, command: tuple[str, ...]) -> None:
    """A pipe and a device are no saved log."""
    for path, kind in ((pipe, "a pipe"), ("/dev/zero", "a device")):
        start = [*START, *command, str(path)]
        result = site.finish(site.popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        assert (result.code, result.out) == (1, "")
        assert f"it is {kind}, {EXPECTED}" in result.err
        assert len(result.err.splitlines()) == 1


def test_the_journal(site: Site, pipe: Path) -> None:
    """Nothing is journalled into a pipe or a device."""
    site.write("http://127.0.0.1:9", "name: a, host: 127.0.0.1, port: 9")
    for path, kind in ((pipe, "a pipe"), ("/dev/null", "a device")):
        site.journal.unlink(missing_ok=True)
        site.journal.symlink_to(path)
        for command in ("sync", "status"):
            result = site.run(command)
            assert (result.code, result.out) == (74, "")
            told = f"the journal {site.journal} cannot be opened: it is {kind}, {EXPECTED}"
            assert result.err == f"zkpoll: {told}\n"


def test_what_a_run_writes(site: Site, dashboard: SampleDashboard, pipe: Path) -> None:
    """Figures, exports and backups take the place of a file alone, with --force as well."""
    link = site.folder / "link"
    link.symlink_to("elsewhere")
    places = ((pipe, "a pipe"), (link, "a symbolic link"), ("/dev/stdout", "a symbolic link"))
    with serve(Terminal.with_samples(3)) as address:
        for path, kind in places:
            more = f"metrics: {{textfile: {path}}}\n"
            site.write(dashboard.url, entry("front", address), more=more)
            told = f"{path} cannot be written: it is {kind}, {REPLACED}"
            run = site.sync("-v")
            assert run.code == 0
            assert told in run.err
            backup = site.run("journal", "backup", str(path), "--force")
            assert (backup.code, backup.err) == (1, f"zkpoll: the backup {told}\n")
            for export in (("users", "export"), ("punches", "export")):
                result = site.run(*export, "--output", str(path))
                instead = "leave --output out and redirect stdout"
                assert (result.code, result.out, result.err) == (1, "", f"zkpoll: {told}; {instead}\n")
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert link.is_symlink()
    assert not (site.folder / "elsewhere").exists()


def test_the_demo(site: Site, pipe: Path) -> None:
    """The inventory that it leaves takes no pipe's place."""
    site.inventory.symlink_to(pipe)
    start = [*START, "demo", "--folder", str(site.folder)]
    result = site.finish(site.popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    told = f"Error: {site.inventory} cannot be written: it is a symbolic link, {REPLACED}\n"
    assert (result.code, result.out, result.err) == (1, "", told)


def test_a_pipe_among_raw_copies(site: Site, dashboard: SampleDashboard) -> None:
    """A run that looks for old copies waits for none, and leaves it alone."""
    folder = site.folder / "journal.db.raw"
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 0
        folder.mkdir()
        os.mkfifo(folder / "old.zkraw")
        assert site.sync().code == 0
    assert stat.S_ISFIFO((folder / "old.zkraw").lstat().st_mode)
