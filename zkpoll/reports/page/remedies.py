"""The command that helps, for each thing that needs a person. Pure.

What is said of a trouble may be a terminal's or a dashboard's own words, so no command is taken out of a
sentence: what has the trouble, and its kind, decide.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from zkpoll.model.errand import Queue
from zkpoll.model.fullness import FULL, NEARLY_FULL
from zkpoll.tasks.clearing_outcome import CLEARING
from zkpoll.tasks.delivery_outcome import BACKLOG

if TYPE_CHECKING:
    from zkpoll.reports.verdict import Need

_ASK: Final = "zkpoll devices ping {}"
_SEE: Final = "zkpoll devices pending"
_COMMANDS: Final[dict[str, dict[str, str]]] = {
    "device ": {
        FULL: "zkpoll devices clear {}",
        NEARLY_FULL: "zkpoll devices clear {}",
        "not cleared": "zkpoll devices clear {}",
        "clock": "zkpoll devices clock {}",
        "ahead": "",
        "": _ASK,
    },
    CLEARING: {"": "zkpoll devices clear {}"},
    "push dialect of ": {"": ""},
    "push ": {
        "silent": _SEE,
        "never called": _SEE,
        "another terminal": "zkpoll devices accept {}",
        "": "",
    },
    "database ": {
        "set aside": "zkpoll quarantine list --device {}",
        "sudden": "zkpoll outbox list --held --device {}",
        "manual": "zkpoll outbox list --held --device {}",
        "ahead": "",
        "": "zkpoll databases ping {}",
    },
    "dashboard ": {
        "halted": "zkpoll dashboards resume {}",
        "stranded": "zkpoll outbox list --pending --to {}",
        "parked": "zkpoll outbox list --parked --to {}",
        "ahead": "",
        "": "zkpoll dashboards ping {}",
    },
    "way to dashboard ": {"": ""},
    BACKLOG: {"": "zkpoll outbox list --pending --to {}"},
    "queue ": {"": "zkpoll worker --site {}"},
}
"""By what a subject begins with, and by kind, the command for the name that follows; '' is any other kind,
or no command."""
_NUMBER: Final = re.compile(r"^\d+ ")
_ALONE: Final = {
    "push door": "zkpoll serve",
    "deliveries": Queue(deliveries=True).command,
    "queue of devices without site": Queue().command,
    "this host": "timedatectl",
    "zkpoll sync": "zkpoll sync",
    "zkpoll dispatch": "zkpoll dispatch",
}
"""By subjects that stand for themselves."""


def remedy(need: Need) -> str | None:
    """Given what needs a person, return the command that helps; None where only a hand or a setting does."""
    if need.subject in _ALONE:
        return _ALONE[need.subject]
    found = next((prefix for prefix in _COMMANDS if need.subject.startswith(prefix)), None)
    if found is None:
        return None
    kinds, name = _COMMANDS[found], need.subject.removeprefix(found)
    of_it = kinds_of(need.kind)
    command = next((kinds[kind] for kind in kinds if kind in of_it), kinds[""])
    return command.format(shlex.quote(name)) or None


def kinds_of(kind: str) -> tuple[str, ...]:
    """Given the kind of a need, which may be two, joined, or begin with a number, return each in one word."""
    return tuple(_NUMBER.sub("", one) for one in kind.split(" and "))
