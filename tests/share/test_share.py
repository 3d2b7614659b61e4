"""What is in `share/` is what would be made, and readers of manual pages take it as it is meant."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import click
import pytest

from tests.share.files import SHARE, TOP
from zkpoll.cli import zkpoll

if TYPE_CHECKING:
    from pathlib import Path

PAGES: Final = sorted(SHARE.glob("man/*/*"), key=lambda path: path.name)
MANDOC: Final = shutil.which("mandoc")
MAN: Final = shutil.which("man")
_COLUMNS: Final = 80


def test_share_is_as_it_would_be_made(tmp_path: Path) -> None:
    """Made anew in a process of its own, it is the same, file by file. Else: make share."""
    subprocess.run(
        [sys.executable, "-m", "tests.share", "--into", str(tmp_path)],
        cwd=TOP,
        env={"PATH": os.environ["PATH"]},
        check=True,
        timeout=60,
    )
    compared = subprocess.run(
        ["/usr/bin/diff", "--recursive", "--unified=0", str(SHARE), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compared.stdout == "", "make share"


def test_each_command_has_its_page() -> None:
    """`zkpoll devices ping` has zkpoll-devices-ping(1), and so have all others."""

    def names(command: click.Command, name: str) -> list[str]:
        below = command.commands.items() if isinstance(command, click.Group) else ()
        return [name, *(one for word, child in below for one in names(child, f"{name}-{word}"))]

    there = {path.name for path in PAGES}
    assert there == {f"{name}.1" for name in names(zkpoll, "zkpoll")} | {"zkpoll.yaml.5"}


@pytest.mark.skipif(MANDOC is None, reason="there is no mandoc here")
def test_a_linter_finds_nothing() -> None:
    """mandoc, the stricter reader, has nothing to say of any page."""
    found = subprocess.run(
        [MANDOC or "", "-Tlint", "-Wwarning", *map(str, PAGES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.stdout + found.stderr == ""


def read(page: Path) -> str:
    """Return a page as man-db shows it on a terminal of 80 columns, or mandoc where there is no man-db."""
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": str(_COLUMNS), "TERM": "dumb"}
    words = [MAN, "-l"] if MAN else [MANDOC or "", "-Tutf8", f"-Owidth={_COLUMNS}"]
    shown = subprocess.run(
        [*words, str(page)], env=clean, capture_output=True, text=True, check=True, timeout=60
    )
    bare: list[str] = []
    for sign in shown.stdout:  # bold is a letter, a step back, and the letter again
        if sign == "\b":
            bare.pop()
        else:
            bare.append(sign)
    return "".join(bare)


@pytest.mark.skipif(MAN is None and MANDOC is None, reason="no reader of pages is here")
def test_no_line_is_wider_than_the_screen() -> None:
    """All pages fit into 80 columns, but for commands that are to be copied whole."""
    as_typed = ("completions/zkpoll", "autoload")
    wide = [
        f"{page.name}: {line}"
        for page in PAGES
        for line in read(page).splitlines()
        if len(line) > _COLUMNS and not any(one in line for one in as_typed)
    ]
    assert wide == []


@pytest.mark.skipif(MAN is None and MANDOC is None, reason="no reader of pages is here")
@pytest.mark.parametrize("name", ["zkpoll.1", "zkpoll-sync.1", "zkpoll-completion.1", "zkpoll.yaml.5"])
def test_a_page_says_what_is_typed(name: str) -> None:
    """What is typed stands there as it is typed."""
    shown = read(next(path for path in PAGES if path.name == name))
    expected = {
        "zkpoll.1": ["-c, --config PATH", "zkpoll-devices-ping(1)", "EXIT STATUS", "75", "ZKPOLL_CONFIG"],
        "zkpoll-sync.1": ["--dry-run", "'dhaka-*'", "EXIT STATUS", "SEE ALSO"],
        "zkpoll-completion.1": ["fpath+=~/.zfunc; autoload -Uz compinit", "source <(zkpoll completion bash)"],
        "zkpoll.yaml.5": ["${NAME:-text}", "token_file", "A DASHBOARD", "batch_size", "1 to 10000"],
    }[name]
    words = " ".join(shown.split())
    assert [text for text in expected if text not in words] == []
