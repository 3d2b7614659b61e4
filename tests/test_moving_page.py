"""docs/moving.md names commands that are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click
import pytest

from zkpoll.cli import zkpoll

PAGE: Final = (Path(__file__).parents[1] / "docs" / "moving.md").read_text("utf-8")


@pytest.mark.parametrize("typed", sorted(set(re.findall(r"^(?:sudo )?zkpoll ([^#\n]*)", PAGE, re.MULTILINE))))
def test_the_page_names_commands_that_are_there(typed: str) -> None:
    """What a person is told to type is a command, with these options."""
    words = typed.split()
    command: click.Command = zkpoll
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not isinstance(command, click.Group)
    options = {name for one in command.params for name in one.opts}
    assert {word for word in words if word.startswith("--")} <= options
