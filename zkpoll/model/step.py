"""One step of a ping, of a terminal or of a dashboard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way, and how it went."""

    name: str
    ok: bool | None
    """None: it cannot be told."""
    seconds: float | None
    """How long it took; None for what was learned by another step."""
    text: str
    """What was found; of a step that failed, what to do about it."""
