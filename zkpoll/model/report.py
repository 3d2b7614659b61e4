"""What a person is told: troubles while they last, notices once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that needs a person's attention."""

    kind: str
    """It has changed when this has; the text may hold counts that rise at every run."""
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
    """What to print now, and what to remember."""

    lines: tuple[str, ...]
    conditions: Mapping[str, Condition]
    """By subject."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened once, and is told once."""

    text: str
    harmless: bool = False
    """Whether nothing needs to be done about it: it is told, and changes no exit code."""
