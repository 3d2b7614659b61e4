"""`zkpoll init`: a first inventory, written whole or not at all."""

from __future__ import annotations

import shlex
import stat
from typing import TYPE_CHECKING

import pytest

from tests.site import at_a_terminal
from zkpoll.installation.first_files import OtherToken, write_first
from zkpoll.installation.first_inventory import FirstDevice, asked_device, each_once
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Result, Site
    from zkpoll.simulator import SampleDashboard

URL = "https://hr.example.com/punches"
WELL = ("--dashboard", URL, "--zone", "Asia/Dhaka")


def given(site: Site, *more: str) -> Result:
    """Run it with a token in a file, and nobody there."""
    token = site.folder / "given token"
    token.write_text("abc\n")
    return site.run("init", *WELL, "--token-file", str(token), *more)


def test_what_is_written_works_next(site: Site, dashboard: SampleDashboard) -> None:
    """The check accepts it, and the commands that it prints read the terminal."""
    with serve(Terminal.with_samples(3)) as at:
        answers = f"{dashboard.url}\n  s3cret-t0ken \nAsia/Dhaka\n"
        code, shown = at_a_terminal(site, "init", "--device", f"door={at[0]}:{at[1]}", answer=answers)
        assert code == 0, shown
        assert "s3cret" not in shown.partition("Wrote")[2]
        token = site.folder / "token"
        assert (token.read_text(), stat.S_IMODE(token.stat().st_mode)) == ("s3cret-t0ken\n", 0o600)
        assert site.run("config", "check").code == 0
        printed = [line.split() for line in shown.splitlines() if line.startswith("  zkpoll ")]
        assert [words[1:3] for words in printed] == [["devices", "ping"], ["sync", "--dry-run"]]
        assert all(shlex.split(words[-1]) == [str(site.inventory)] for words in printed)
        dry = site.run("sync", "--dry-run", "--report")
    assert (dry.code, "3 new of 3 records" in dry.out) == (0, True), dry


def test_terminals_are_looked_for(site: Site) -> None:
    """One that answers at two addresses is one entry; one with a Comm Key says what to do."""
    one, locked = Terminal(Model(serial="ONE")), Terminal(Model(serial="SAFE", comm_key=7))
    with serve(one, "127.9.9.1", 4370), serve(one, "127.9.9.2", 4370), serve(locked, "127.9.9.3", 4370):
        told = given(site, "--network", "127.9.9.0/29")
    assert told.code == 0, told
    text = site.inventory.read_text()
    assert text.count("- name:") == 2
    assert "the same serial number answers at 127.9.9.2, too" in text
    assert "# comm_key: 0" in text
    assert "127.9.9.3 asks for its Comm Key" in told.out
    assert site.run("config", "check").code == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--network", "127.9.8.0/30"), 69, "no terminal was found, and nothing was written"),
        (("--no-look",), 69, "say --device ADDRESS"),
        (("--device", "10.0.0.1", "--zone", "Asia/Daka"), 2, "did you mean Asia/Dhaka"),
        (("--device", "10.0.0.1", "--dashboard", "hr.example.com"), 2, "expected an http:// or https:// URL"),
        (("--device", "10.0.0.1:x"), 2, "is no port"),
        (("--device", "=10.0.0.1"), 2, "expected a name before ="),
        (("--device", "10.0.0.1", "--dry-run"), 0, ""),
    ],
)  # fmt: skip
def test_nothing_is_written(site: Site, words: tuple[str, ...], code: int, told: str) -> None:
    """What is wrong or missing is told, and neither file is there."""
    result = given(site, *words)
    assert (result.code, told in result.err) == (code, True), result
    assert [one.name for one in site.folder.iterdir()] == ["given token"]


def test_nobody_to_ask(site: Site) -> None:
    """Without a terminal the missing option is named."""
    result = site.run("init", "--device", "10.0.0.1", "--zone", "UTC")
    assert (result.code, "say --dashboard" in result.err) == (2, True)


def test_stopped_at_a_question(site: Site) -> None:
    """Ctrl-C ends with 130, and nothing is written."""
    code, _shown = at_a_terminal(site, "init", "--device", "10.0.0.1", answer=f"{URL}\n\x03")
    assert (code, list(site.folder.iterdir())) == (130, [])


def test_a_file_that_is_there(site: Site) -> None:
    """It stays as it is."""
    site.inventory.write_text("mine")
    result = given(site, "--device", "10.0.0.1")
    assert (result.code, "is there already" in result.err) == (2, True)
    assert site.inventory.read_text() == "mine"


def test_both_or_none(tmp_path: Path) -> None:
    """Where the inventory cannot be written, no token is left; another's token is never replaced."""
    path, token = tmp_path / "devices.yaml", tmp_path / "token"
    with pytest.raises(UnicodeEncodeError):
        write_first(path, "\ud800", token, "abc")
    assert list(tmp_path.iterdir()) == []
    token.write_text("abc\n")  # left by a run that was killed
    (tmp_path / ".token.x.part").write_text("abc")
    write_first(path, "text", token, "abc")
    assert {one.name for one in tmp_path.iterdir()} == {"devices.yaml", "token"}
    with pytest.raises(OtherToken):
        write_first(tmp_path / "second.yaml", "text", token, "other")
    with pytest.raises(FileExistsError):
        write_first(path, "text", token, "abc")


def test_addresses() -> None:
    """An address may have a name and a port, also in IPv6."""
    assert asked_device("door=10.0.0.7:4371") == FirstDevice("10.0.0.7", 4371, "door")
    assert asked_device("[fd00::7]:5000") == FirstDevice("fd00::7", 5000)
    assert asked_device("fd00::7") == FirstDevice("fd00::7")
    assert asked_device("clock.example.com") == FirstDevice("clock.example.com")


def test_one_serial_number_is_one_entry() -> None:
    """The first address counts; those that tell none are kept apart."""
    a, b, c = FirstDevice("a", serial_number="1"), FirstDevice("b", serial_number="1"), FirstDevice("c")
    assert [(one.host, one.also_at) for one in each_once([a, b, c, c])] == [
        ("a", ("b",)),
        ("c", ()),
        ("c", ()),
    ]
