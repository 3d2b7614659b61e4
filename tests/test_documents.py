"""The README says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import click
from click.testing import CliRunner

from zkpoll.cli import zkpoll
from zkpoll.errors import ExitCode

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def commands(group: click.Group, prefix: str) -> dict[str, click.Command]:
    """Return every command that can be run, by what a person types."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        words = f"{prefix} {name}"
        found |= commands(command, words) if isinstance(command, click.Group) else {words: command}
    return found


def test_every_command_is_in_the_readme_and_has_help() -> None:
    """The README's table lists exactly the commands there are, and each has help."""
    there = commands(zkpoll, "zkpoll")
    listed = re.findall(r"^\| `(zkpoll [a-z ]+)` \|", README, re.MULTILINE)
    assert sorted(listed) == sorted(there)
    assert all(command.help for command in there.values())


def test_every_exit_code_is_in_the_readme() -> None:
    """The README's table lists exactly the exit codes there are."""
    (table,) = re.findall(r"\| exit code \|.*?\n\n", README, re.DOTALL)
    codes = {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in row.split(",")
    }
    assert codes == {int(code) for code in ExitCode}


def test_the_sample_event_is_the_contract() -> None:
    """The README's sample event is the one every test of the format uses."""
    assert "224c9c2b-8130-5e29-a627-3b68fe8961e9" in README


def test_help_begins_with_the_first_day() -> None:
    """The help lists every command by when it is needed, the first day first, each in one whole line."""
    shown = CliRunner().invoke(zkpoll, ["--help"], terminal_width=80).output
    sections = dict(re.findall(r"^([A-Z][a-z ]+):\n((?:  .*\n)+)", shown, re.MULTILINE))
    listed = {
        title: re.findall(r"^  (\w+(?: \w+)?)  ", rows, re.MULTILINE) for title, rows in sections.items()
    }
    del listed["Options"]
    titles = ["First day", "Every day", "Now and then", "More than one machine", "For developers"]
    assert list(listed) == titles
    first = (
        "demo",
        "init",
        "config check",
        "devices discover",
        "devices ping",
        "dashboards ping",
        "sync",
        "watch",
        "serve",
        "status",
    )
    assert listed["First day"] == list(first)
    all_ = [words for section in listed.values() for words in section]
    assert sorted({words for words in all_ if " " not in words}) == sorted(zkpoll.commands)
    assert len(set(all_)) == len(all_)
    assert not any("..." in rows for title, rows in sections.items() if title != "Options")
