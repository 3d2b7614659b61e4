"""Troubles, told while they last, and notices, told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

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
    told_by: str | None = None
    """The subject whose trouble says all of this one, too."""


Owed = Literal["begun", "changed", "ended"]
"""What a run that tells no news saw of a condition: it began, became another one than was told, or ended."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A trouble that was found, and when a person was told of it."""

    kind: str
    since: datetime
    told_at: datetime
    """Of one that nobody was told of yet, when it was found."""
    text: str | None = None
    """The sentence; None where an older zkpoll told it."""
    advice: bool = False
    """Whether it needs nobody."""
    owed: Owed | None = None
    """What the next run that tells news is to tell of it; None where all is told."""

    @property
    def stands(self) -> bool:
        """Whether it lasts, by what the last run saw."""
        return self.owed != "ended"


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
