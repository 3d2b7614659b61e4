"""Troubles, told while they last, and notices, told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

BUG: Final = "bug"
"""The kind of a failure that is zkpoll's own; kinds of other failures are those of their errors."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A state that needs a person's attention."""

    kind: str
    """Another kind is another trouble; the text may hold counts that rise at every run."""
    text: str
    once: bool = False
    """Whether it is advice, told when it begins and not again while it lasts."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A trouble that was told, and when."""

    kind: str
    since: datetime
    told_at: datetime


@dataclass(frozen=True, slots=True)
class News:
    """The lines to print now, and the conditions to remember."""

    lines: tuple[str, ...]
    conditions: Mapping[str, Condition]
    """By subject."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event, told once."""

    text: str
    harmless: bool = False
    """Whether nothing needs to be done about it: it is told, and changes no exit code."""
