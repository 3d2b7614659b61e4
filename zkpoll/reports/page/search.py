"""What was asked on the live page: whose punches, of which day, and what was found. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkpoll.reports.explain import PersonDay


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked, as it was typed, and what was found. Without a user nothing was asked yet."""

    user: str = ""
    day: str = ""
    """`2026-11-29`, as a browser sends it."""
    story: PersonDay | None = None
    problem: str | None = None
    """Why there is no answer, in a sentence."""
