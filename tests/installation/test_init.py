"""`zkpoll init`: a first inventory, written whole or not at all."""

from __future__ import annotations

import os
import pty
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zkpoll.installation.first_files import OtherToken, write_first
from zkpoll.installation.first_inventory import (
    FirstAnswers,
    FirstDevice,
    asked_device,
    each_once,
    inventory_text,
)
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.site import Result, Site
    from zkpoll.simulator import SampleDashboard

URL = "https://hr.example.com/punches"
WELL = ("--dashboard", URL, "--zone", "Asia/Dhaka")


def afresh(site: Site, *arguments: str) -> list[str]:
    """Return the words that start it in a process that nothing has prepared."""
    return [sys.executable, "-m", "zkpoll", "init", *arguments, "--config", str(site.inventory)]


def asked(site: Site, *arguments: str, answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run it at a terminal of its own, and type each answer once its question is there.

    Return its code and all that the terminal shows.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        # With the terminal in charge: Ctrl-C reaches it as a signal.
        [shutil.which("setsid") or "setsid", "--ctty", *afresh(site, *arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | site.environment | {"TERM": "dumb", "COLUMNS": "80"},
    )
    os.close(theirs)
    shown, waiting = "", [*answers]
    with process, os.fdopen(ours, "r+b", buffering=0) as screen:
        try:
            while data := screen.read(4096):
                shown += data.decode()
                if waiting and waiting[0][0] in shown and shown.endswith(": "):
                    screen.write(waiting.pop(0)[1].encode())
        except OSError:
            pass  # how Linux says that nobody writes there any more
    assert waiting == [], shown
    return process.returncode, shown.replace("\r\n", "\n")


def given(site: Site, *more: str) -> Result:
    """Run it with a token in a file, and nobody there."""
    token = site.folder / "given token"
    token.write_text("abc\n")
    return site.run("init", *WELL, "--token-file", str(token), *more)


def test_what_is_written_works_next(site: Site, dashboard: SampleDashboard) -> None:
    """The check accepts it, and the commands that it prints read the terminal."""
    with serve(Terminal.with_samples(3)) as at:
        answers = (("URL", f"{dashboard.url}\n"), ("token", " s3cret-t0ken \n"), ("zone", "UTC\n"))
        code, shown = asked(site, "--device", f"door={at[0]}:{at[1]}", answers=answers)
        assert code == 0, shown
        assert "s3cret" not in shown
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


def test_what_answers_and_is_no_terminal_is_told(site: Site) -> None:
    """A serial number that cannot be one is no reason to say nothing."""
    with serve(Terminal(Model(serial="\x1b[31m")), "127.9.9.9", 4370):
        told = given(site, "--network", "127.9.9.8/30")
    assert (told.code, "127.9.9.9" in told.err, "serial number that cannot be one" in told.err) == (
        69,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--network", "127.9.8.0/30"), 69, "no terminal was found, and nothing was written"),
        (("--no-look",), 69, "say --device ADDRESS"),
        (("--device", "10.0.0.1", "--zone", "Asia/Daka"), 2, "did you mean Asia/Dhaka"),
        (("--device", "10.0.0.1", "--dashboard", "hr.example.com"), 2, "expected an http:// or https:// URL"),
        (("--device", "10.0.0.1:x"), 2, "is no port"),
        (("--device", "=10.0.0.1"), 2, "expected a name before ="),
        (("--network", "10.0.0.0/8"), 2, "expected networks of /20 or smaller"),
        (("--device", "10.0.0.1", "--dry-run"), 0, ""),
        (("--device", "10.0.0.1", "--dry-run", "--dashboard", "http://hr.example.com/p"), 0, "can read"),
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
    code, _shown = asked(site, "--device", "10.0.0.1", answers=(("URL", f"{URL}\n"), ("token", "\x03")))
    assert (code, list(site.folder.iterdir())) == (130, [])


def test_an_answer_that_cannot_be_used(site: Site) -> None:
    """It is said what is wrong with it, and asked again."""
    answers = (
        ("URL", "hr.example.com\n"),
        ("Error", f"{URL}\n"),
        ("token", "two words\n"),
        ("Error: the token", "abc\n"),
        ("zone", "Asia/Daka\n"),
        ("did you mean", "Asia/Dhaka\n"),
    )
    code, shown = asked(site, "--device", "10.0.0.1", answers=answers)
    assert (code, "timezone: Asia/Dhaka" in site.inventory.read_text()) == (0, True), shown


def test_names_of_addresses_are_all_different() -> None:
    """Two terminals that would be called the same are told apart by a number."""
    devices = tuple(FirstDevice(host, port) for host, port in (("a.b", 1), ("a-b", 1), ("a.b", 2)))
    text = inventory_text(FirstAnswers(URL, "token", "journal.db", "UTC", devices))
    names = [line.split()[-1] for line in text.splitlines() if "name:" in line]
    assert names == ["terminal-a-b", "terminal-a-b-2", "terminal-a-b-3"]


@pytest.mark.parametrize(
    ("folder", "code", "told"),
    [("missing", 2, "mkdir -p"), ("file", 2, "mkdir -p"), ("/proc", 78, "nothing")],
)
def test_a_folder_that_is_none(site: Site, folder: str, code: int, told: str) -> None:
    """It is said what to do, and nothing is made, also where nobody may make a file."""
    (site.folder / "file").write_text("")
    site.inventory = site.folder / folder / "devices.yaml"
    result = given(site, "--device", "10.0.0.1")
    assert (result.code, told in result.err) == (code, True), result
    assert {one.name for one in site.folder.iterdir()} == {"file", "given token"}


def test_two_at_once(site: Site) -> None:
    """One of them writes, and the other one is told that it is there."""
    token = site.folder / "given token"
    token.write_text("abc\n")
    words = ("init", *WELL, "--token-file", str(token), "--device", "10.0.0.1")
    both = [site.start(*words) for _ in range(2)]
    assert sorted(site.finish(one).code for one in both) == [0, 2]


def test_a_full_disk(site: Site) -> None:
    """Where nothing can be written, nothing is left."""
    token = site.folder / "given token"
    token.write_text("abc\n")
    words = (*WELL, "--token-file", str(token), "--device", "10.0.0.1")
    # The shell's limit: a write beyond it fails with EFBIG, as Python ignores the signal.
    limited = ["sh", "-c", 'ulimit -f 0; exec "$0" "$@"', *afresh(site, *words)]
    done = subprocess.Popen(
        limited, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | site.environment
    )
    _out, err = done.communicate(timeout=60)
    assert (done.returncode, b"nothing was written" in err) == (78, True), err
    assert [one.name for one in site.folder.iterdir()] == ["given token"]


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


def test_folders_that_services_need(tmp_path: Path) -> None:
    """They are made with their modes, and taken as they are where they are there."""
    folder, state = tmp_path / "etc", tmp_path / "state"
    for name in ("one.yaml", "two.yaml"):
        write_first(folder / name, "text", new_folders={folder: 0o755, state: 0o700})
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert (folder / "two.yaml").read_text() == "text"


def test_addresses() -> None:
    """An address may have a name and a port, also in IPv6."""
    assert asked_device("door=10.0.0.7:4371") == FirstDevice("10.0.0.7", 4371, "door")
    assert asked_device("[fd00::7]:5000") == FirstDevice("fd00::7", 5000)
    assert asked_device("fd00::7") == FirstDevice("fd00::7")
    assert asked_device("clock.example.com") == FirstDevice("clock.example.com")


@pytest.mark.parametrize("word", ["null", "Null", "yes", "off", "true", "n"])
def test_a_name_that_yaml_takes_for_something_else(site: Site, word: str) -> None:
    """It stands in quotes, and stays the name."""
    assert given(site, "--device", f"{word}=10.0.0.1").code == 0
    assert f'- name: "{word}"' in site.inventory.read_text()
    assert site.run("config", "check").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--token-file", "~nosuchuser/token", "--config", "devices.yaml"),
        ("--token-file", "token", "--config", "~nosuchuser/devices.yaml"),
    ],
)
def test_a_home_folder_that_nobody_has(site: Site, words: tuple[str, ...]) -> None:
    """It is told as a mistake of the option, and nothing is written."""
    told = subprocess.run(
        [sys.executable, "-m", "zkpoll", "init", *WELL, "--device", "10.0.0.1", *words],
        cwd=site.folder,
        env=os.environ | site.environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2, told
    assert "its home folder (~) is not known" in told.stderr
    assert not [*site.folder.iterdir()]


@pytest.mark.parametrize("words", [("init", "--no-look"), ("systemd", "print", "--config", "a.yaml")])
def test_a_folder_that_was_removed(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The shell still stands in it: no bug, and no traceback."""
    gone = tmp_path / "gone"
    gone.mkdir()
    more = (*WELL, "--device", "10.0.0.1", "--token-file", "t", "--config", "a.yaml")
    line = shlex.join([sys.executable, "-m", "zkpoll", *words, *(more if words[0] == "init" else ())])
    told = subprocess.run(
        ["/bin/sh", "-c", f"rmdir ../gone && exec {line}"],
        cwd=gone,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1, told
    assert told.stderr == "zkpoll: the folder that this was started in was removed: cd to another\n"


def test_written_and_not_told(site: Site) -> None:
    """What is written stays where nobody can be told of it, as the help says."""
    with Path("/dev/full").open("wb") as full:
        words = afresh(site, *WELL, "--device", "10.0.0.1", "--token-file", str(site.folder / "t"))
        (site.folder / "t").write_text("secret")
        code = subprocess.run(words, stdout=full, env=os.environ | site.environment, check=False).returncode
    assert code == 1
    assert site.run("config", "check").code == 0


def test_one_address_is_one_entry() -> None:
    """Networks may overlap; and one that asks for its Comm Key tells no serial number."""
    known, locked = FirstDevice("10.0.0.1", serial_number="A"), FirstDevice("10.0.0.2", needs_comm_key=True)
    assert each_once([known, locked, known, locked]) == (known, locked)


def test_one_serial_number_is_one_entry() -> None:
    """The first address counts; those that tell none are kept apart."""
    a, b, c = FirstDevice("a", serial_number="1"), FirstDevice("b", serial_number="1"), FirstDevice("c")
    d = FirstDevice("d")
    assert [(one.host, one.also_at) for one in each_once([a, b, c, d])] == [
        ("a", ("b",)),
        ("c", ()),
        ("d", ()),
    ]
