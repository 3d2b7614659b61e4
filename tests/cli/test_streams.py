"""Every command where stdout is full or closed, a disk is, or letters are lacking for what is to be shown."""

from __future__ import annotations

import fcntl
import os
import re
import select
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.cli.every_command import NO_JSON, ROWS, Prepared, prepare
from tests.cli.test_quarantine import with_an_impossible_record
from tests.places import FileSystem
from tests.site import TOKEN
from zkpoll.simulator import SampleDashboard, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL: Final = Path("/dev/full")
NO_ROOM: Final = "zkpoll: the output cannot be written: no space left on device\n"
NAME: Final = "Tür-দরজা"
"""A device's name: one of its letters is not in ASCII, four are not in Latin-1 either."""
LATIN_1: Final = {"PYTHONIOENCODING": "latin-1"}
C_LOCALE: Final = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
MOMENTS: Final = re.compile(
    rb"[+-]?\d+(\.\d+)? m?s\b|port \d+|\d\d:\d\d UTC|[-\d]+[T ][\d:.]+|\"(seconds|ahead|drift|was)\": [^,\n]*"
)
"""What two runs of a command say differently."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Give one site to the whole module, with a device of such a name."""
    terminal, _ = with_an_impossible_record()
    with SampleDashboard(TOKEN) as dashboard, serve(terminal) as address:
        site = Prepared(tmp_path_factory.mktemp("site"), terminal, address.port)
        site.words["name"] = NAME
        prepare(site, dashboard, terminal)
        yield site


@pytest.fixture
def site(prepared: Prepared, popen: type[subprocess.Popen[Any]]) -> Iterator[Prepared]:
    """Give the site to one test, which may fork its commands."""
    prepared.popen = popen
    yield prepared
    prepared.popen = subprocess.Popen


def run(
    site: Prepared, *words: str, out: Path | None = None, more: dict[str, str] | None = None
) -> tuple[int, bytes, str]:
    """Run a command, with `more` in its environment.

    Return its code, and what it wrote to stdout (where that is no file) and to stderr.
    """
    with Path(out or os.devnull).open("w") as file:
        process = site.popen(
            site.command(*words),
            stdout=file if out else subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=os.environ | site.environment | (more or {}),
        )
    with process:
        written, err = process.communicate(timeout=60)
    return process.returncode, MOMENTS.sub(b"", written or b""), err.decode()


def in_a_shell(site: Prepared, script: str, *words: str) -> tuple[int, str]:
    """Let a shell run a command as `script` says; return its code, and what it wrote to stderr."""
    ended = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *site.command(*words)],
        env=os.environ | site.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


def forms(name: str) -> list[list[str]]:
    """Return the options that a command is tried with."""
    return [[]] if name in NO_JSON else [[], ["--json"]]


# --- it cannot be written ---


@pytest.mark.parametrize("name", ROWS)
def test_a_full_stdout(site: Prepared, name: str) -> None:
    """Where what was asked for cannot be written, one sentence says so, and the code is 1."""
    for form in forms(name):
        code, _, err = run(site, *site.row(name), *form, out=FULL)
        # A sync has nothing for stdout here, and told its news when the site was prepared.
        assert (code, err) == (1, "" if (name, form) == ("sync", []) else NO_ROOM)


@pytest.mark.long
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["--version", "--help", "config schema", "punches export", "status"])
def test_with_and_without_a_buffer(prepared: Prepared, words: str, unbuffered: str) -> None:
    """Python's own buffer, or none (PYTHONUNBUFFERED), makes no difference."""
    assert run(prepared, *words.split(), out=FULL, more={"PYTHONUNBUFFERED": unbuffered}) == (1, b"", NO_ROOM)


def test_a_file_that_may_not_grow(prepared: Prepared, tmp_path: Path) -> None:
    """A redirection into a file that becomes too large half way is told of in the same words."""
    script = f'ulimit -f 1; "$@" > {tmp_path}/schema.json'
    told = in_a_shell(prepared, script, "config", "schema")
    assert told == (1, "zkpoll: the output cannot be written: file too large\n")


@pytest.mark.long
@pytest.mark.parametrize("name", ROWS)
def test_no_stdout_at_all(prepared: Prepared, name: str) -> None:
    """With stdout closed (`>&-`) a command does its work, and nothing is wrong."""
    code, _, err = run(prepared, *prepared.row(name))
    assert in_a_shell(prepared, '"$@" >&-', *prepared.row(name)) == (code, err)


def test_a_reader_that_pauses(site: Prepared) -> None:
    """What does not fit into a pipe waits for its reader, also where the pipe itself would not wait."""
    whole = run(site, "config", "schema")[1]
    ours, theirs = os.pipe()
    assert fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096) < len(whole)
    os.set_blocking(theirs, False)
    process = site.popen(
        site.command("config", "schema"),
        stdout=theirs,
        stdin=subprocess.DEVNULL,
        env=os.environ | site.environment,
    )
    os.close(theirs)
    with process, open(ours, "rb") as reader:  # noqa: PTH123  # by its number
        assert select.select([reader], [], [], 60)[0]
        assert MOMENTS.sub(b"", reader.read()) == whole
    assert process.returncode == 0


# --- a file that is asked for ---


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("words", ["punches export --output", "users export --output", "journal backup"])
def test_a_full_disk_for_a_file(site: Prepared, tmp_path: Path, words: str, there: bool) -> None:
    """What does not fit on the disk leaves what was there before, and nothing else."""
    file = tmp_path / "file"
    try:
        disk = FileSystem(tmp_path, kilobytes=16).__enter__()
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    try:
        force = before(file) if there else []
        disk.fill(None, 0)
        code, _, err = run(site, *words.split(), str(file), *force)
        disk.make_room()
        check_it_is_as_before(file, there=there)
    finally:
        disk.__exit__()
    assert (code, err.count("\n")) == (1, 1)
    assert re.fullmatch(r"zkpoll: .*/file cannot be written: .*(full|no space).*\n", err)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("words", ["punches export --output", "journal backup"])
def test_a_limit_on_a_file(prepared: Prepared, tmp_path: Path, words: str, there: bool) -> None:
    """So it is where a limit is in the way."""
    file = tmp_path / "file"
    force = before(file) if there else []
    code, err = in_a_shell(prepared, 'ulimit -f 4; "$@"', *words.split(), str(file), *force)
    check_it_is_as_before(file, there=there)
    assert (code, err.count("\n")) == (1, 1)
    assert re.fullmatch(r"zkpoll: .*/file cannot be written: .*\n", err)


def before(file: Path) -> list[str]:
    """Have a file there before; return what makes a command overwrite it."""
    file.write_text("before")
    return ["--force"]


def check_it_is_as_before(file: Path, *, there: bool) -> None:
    """See that its folder has nothing new in it."""
    assert [one.name for one in file.parent.iterdir()] == (["file"] if there else [])
    assert not there or file.read_text() == "before"


# --- letters are lacking ---


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"backfill"}))
def test_data_is_the_same_everywhere(prepared: Prepared, name: str) -> None:
    """What is for programs has the same bytes in every locale: JSON is ASCII, an export UTF-8."""
    words = prepared.row(name)
    if name in {"punches export", "users export", "users diff"}:
        expected = run(prepared, *words)
        assert expected[1].decode("utf-8")
    else:
        words += ["--json"] if name not in NO_JSON else []
        expected = run(prepared, *words)
        assert expected[1].isascii()
    for locale in (LATIN_1, C_LOCALE):
        if name != "devices info" or locale is LATIN_1:  # its name cannot be typed in ASCII
            assert run(prepared, *words, more=locale) == expected


@pytest.mark.long
@pytest.mark.parametrize("name", ROWS)
def test_a_screen_in_latin_1(prepared: Prepared, name: str) -> None:
    """What is for people shows a letter that the encoding lacks by its number, and is else the same."""
    code, utf_8, err = run(prepared, *prepared.row(name))
    found = run(prepared, *prepared.row(name), more=LATIN_1)
    if name in {"punches export", "users export", "users diff"}:
        assert found == (code, utf_8, err)
    else:
        assert found == (code, utf_8.decode().encode("latin-1", "backslashreplace"), err)


def test_some_letters(prepared: Prepared) -> None:
    """A name in Bengali is readable, or stands there by its numbers."""
    shown = {
        "utf-8": NAME,
        "latin-1": r"Tür-\u09a6\u09b0\u099c\u09be",
        "cp1252": r"Tür-\u09a6\u09b0\u099c\u09be",
        "ascii": NAME,
    }
    for encoding, name in shown.items():
        code, out, err = run(prepared, "devices", "list", more={"PYTHONIOENCODING": encoding})
        assert (code, err) == (0, "")
        assert out.decode("utf-8" if encoding == "ascii" else encoding).startswith(f"{name}  ")
