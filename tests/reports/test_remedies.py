"""The commands that help: each is one that there is, with options that it has."""

from __future__ import annotations

import shlex
from typing import Final

import click
import pytest

from zkpoll.cli import zkpoll
from zkpoll.reports.page.remedies import remedy
from zkpoll.reports.verdict import Need

NAME: Final = "gate b's"
FOUND: Final = [
    ("device {}", "it does not answer", "zkpoll devices ping {}"),
    ("device {}", "stale", "zkpoll devices ping {}"),
    ("device {}", "locked", "zkpoll devices ping {}"),
    ("device {}", "full", "zkpoll devices clear {}"),
    ("device {}", "nearly full and clock", "zkpoll devices clear {}"),
    ("device {}", "clock", "zkpoll devices clock {}"),
    ("device {}", "ahead", None),
    ("clearing of {}", "not cleared", "zkpoll devices clear {}"),
    ("push {}", "silent", "zkpoll devices pending"),
    ("push {}", "another terminal", "zkpoll devices accept {}"),
    ("push {}", "clock", None),
    ("push dialect of {}", "dialect", None),
    ("push door", "closed", "zkpoll serve"),
    ("database {}", "it is encrypted", "zkpoll databases ping {}"),
    ("database {}", "set aside", "zkpoll quarantine list --device {}"),
    ("database {}", "sudden", "zkpoll outbox list --held --device {}"),
    ("dashboard {}", "unreachable", "zkpoll dashboards ping {}"),
    ("dashboard {}", "too long", "zkpoll dashboards ping {}"),
    ("dashboard {}", "halted", "zkpoll dashboards resume {}"),
    ("dashboard {}", "3 parked", "zkpoll outbox list --parked --to {}"),
    ("dashboard {}", "stranded", "zkpoll outbox list --pending --to {}"),
    ("backlog of {}", "growing", "zkpoll outbox list --pending --to {}"),
    ("way to dashboard {}", "exposed", None),
    ("shift Day of {}", "late", None),
    ("queue {}", "late", "zkpoll worker --site {}"),
    ("queue of devices without site", "late", "zkpoll worker"),
    ("deliveries", "late", "zkpoll worker --deliver"),
    ("broker", "not sent", None),
    ("zkpoll sync", "no run", "zkpoll sync"),
    ("zkpoll dispatch", "no run", "zkpoll dispatch"),
    ("metrics", "untold", None),
    ("page", "untold", None),
]


@pytest.mark.parametrize(("subject", "kind", "command"), FOUND)
def test_remedy(subject: str, kind: str, command: str | None) -> None:
    """Each kind of trouble has the command that helps, its name in quotes where a shell wants them."""
    found = remedy(Need(subject.format(NAME), kind, "x"))
    assert found == (command and command.format(shlex.quote(NAME)))
    if found is None:
        return
    words = shlex.split(found)[1:]
    context = click.Context(zkpoll)
    command_there: click.Command = zkpoll
    while isinstance(command_there, click.Group):
        name = words.pop(0)
        there = command_there.get_command(context, name)
        assert there is not None, found
        command_there = there
    command_there.make_context("zkpoll", words)  # raises UsageError for an option that is not there


def test_no_command_is_taken_from_a_sentence() -> None:
    """A sentence may be a dashboard's or a terminal's own words."""
    need = Need("dashboard main", "refused", "run `zkpoll outbox discard --to main --all`")
    assert remedy(need) == "zkpoll dashboards ping main"
