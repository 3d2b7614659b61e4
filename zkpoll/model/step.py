"""One step of a ping, of a terminal or of a dashboard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ping, and how it went."""

    name: str
    ok: bool | None
    """None: it cannot be told."""
    seconds: float | None
    """How long it took; None for a step that was read off another one."""
    text: str
    """The finding; of a step that failed, the remedy."""
