"""docs/troubleshooting.md quotes what the program says."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import pytest

from zkpoll.cli import zkpoll
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
LONG_ENOUGH: Final = 8
"""Letters of a piece that could not be anywhere by chance."""
CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


def spoken(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module that may be shown: all but docstrings, with … for what varies."""
    silent = {id(part) for node in ast.walk(tree) for part in _not_shown(node)}
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{\w*\}", "…", node.value)


def _not_shown(node: ast.AST) -> list[ast.expr]:
    """Return the docstring that a node is, or the parts of an f-string, which count as a whole."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return [node.value]
    constants = node.values if isinstance(node, ast.JoinedStr) else []
    return [one for one in constants if isinstance(one, ast.Constant)]


@cache
def sources() -> dict[str, tuple[str, ...]]:
    """Return what each module of zkpoll may show, by its path; the virtual terminal does not count."""
    files = [
        file for file in (ROOT / "zkpoll").rglob("*.py") if "simulator" not in file.relative_to(ROOT).parts
    ]
    return {
        str(file.relative_to(ROOT)): tuple(spoken(ast.parse(file.read_text("utf-8"))))
        for file in sorted(files)
    }


def quoted(page: str) -> list[str]:
    """Given a page, return the messages in its "It says" lines and columns."""
    told = re.findall(r"^\*\*It says:\*\* (.*?)\n\n", page, re.MULTILINE | re.DOTALL)
    for table in re.findall(r"^\| answer \| It says \|.*?\n\n", page, re.MULTILINE | re.DOTALL):
        told += [row.split(" | ")[1] for row in table.splitlines()[2:] if row]
    return [re.sub(r"\s+", " ", message).strip() for text in told for _, message in CODE.findall(text)]


def pieces(message: str) -> list[str]:
    """Return the fixed parts of a message that are long enough to be told from others."""
    parts = [part.strip() for part in message.split("…")]
    return [part for part in parts if len(part) >= LONG_ENOUGH]


def test_there_are_messages_to_compare() -> None:
    """The page's messages are found: a change of its form does not leave this test with nothing to do."""
    assert len(quoted(PAGE)) > 80
    assert "… and says that it is gone for good" in quoted(PAGE)
    assert "another run is at it; it is left to that one" in quoted(PAGE)


@pytest.mark.parametrize("message", sorted(set(quoted(PAGE))))
def test_zkpoll_says_so(message: str) -> None:
    """All fixed parts of a quoted message are in the texts of one and the same module."""
    wanted = pieces(message)
    assert wanted, "too short to be told from others"
    assert [file for file, texts in sources().items() if all(any(p in t for t in texts) for p in wanted)]


@pytest.mark.parametrize(
    "message",
    ["… refuses the connexion; check host: and port:", "its log is full (… records), has the token expired"],
)
def test_what_zkpoll_does_not_say_is_found(message: str) -> None:
    """A word that changed in the program, or parts of two modules, are noticed."""
    wanted = pieces(message)
    assert not [file for file, texts in sources().items() if all(any(p in t for t in texts) for p in wanted)]


def test_every_message_has_a_cause_and_a_fix() -> None:
    """No message is left without saying why, and what to do."""
    lines = re.findall(r"^\*\*It says:\*\* .*?\n\n(.*?)(?:\n\n|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert len(lines) == PAGE.count("**It says:**")
    told = [line for line in lines if not line.startswith("| answer |")]
    assert all(line.startswith("**Cause:**") and "**Fix:**" in line for line in told)


@pytest.mark.parametrize("typed", sorted(set(re.findall(r"zkpoll (?:[a-z-]+)[^`\n#|]*", PAGE))))
def test_every_command_named_is_there(typed: str) -> None:
    """What a person is told to type is a command, with these options."""
    words = typed.split()[1:]
    command: click.Command = zkpoll
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    options = {name for one in command.params for name in one.opts}
    if command is not zkpoll:  # else the sentence goes on: "zkpoll is …"
        assert not isinstance(command, click.Group), typed
        assert {word for word in words if word.startswith("-")} <= options


def test_every_setting_named_is_there() -> None:
    """A setting that a person is told to change is in the inventory's schema."""
    schema = (ROOT / "docs" / "devices.schema.json").read_text("utf-8")
    prose = re.sub(r"^\*\*It says:\*\* .*?\n\n", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`([a-z_]+):(?: [^`]*)?`", prose))
    known = _properties(json.loads(schema))
    assert named
    assert named <= known


def _properties(schema: object) -> set[str]:
    """Return the names of all settings in a JSON Schema, however deep."""
    if isinstance(schema, list):
        return set().union(*map(_properties, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})).union(*map(_properties, schema.values()))


def test_every_exit_code_named_is_one() -> None:
    """The page names no exit code that a run cannot end with."""
    named = {int(code) for code in re.findall(r"[Ee]xit code (\d+)", PAGE)}
    assert {int(ExitCode.LOCKED), int(ExitCode.INVENTORY), int(ExitCode.JOURNAL)} <= named
    assert named <= {int(code) for code in ExitCode}


def test_every_link_leads_somewhere() -> None:
    """The other pages that this one points to are there."""
    links = re.findall(r"\]\(([a-z]+\.md)\)", PAGE)
    assert links
    assert all((ROOT / "docs" / link).is_file() for link in links)
