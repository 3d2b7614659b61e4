"""The desk of the health check: how `zkpoll serve` does, for a load balancer or a monitor.

It has a socket and a listener of its own. A device that calls there by mistake is told nothing, and nothing
of what is asked here needs the disk.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from zkpoll.push.contract import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.push.contract import Head

_OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class Health:
    """How `serve` does at a moment."""

    devices: int
    """Devices that may call."""
    silent: tuple[str, ...]
    """Those of them that do not."""
    waiting_bodies: int
    """Bodies that wait to be journalled."""
    journal: str | None
    """Why punches are not taken, in one sentence; None while they are."""
    clock: str | None
    """Why this host's clock is plainly wrong, so that nothing is taken; None where it is not."""

    def answer(self) -> Answer:
        """Return it as an answer: 200 while punches are taken, also where all are silent, else 503."""
        well = not (self.journal or self.clock)
        document = {
            "ok": well,
            "devices": self.devices,
            "silent": self.silent,
            "waiting_bodies": self.waiting_bodies,
            "journal": self.journal or _OK,
            "clock": self.clock or _OK,
        }
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, f"{json.dumps(document)}\n", "application/json")


class HealthDesk:
    """Answers `GET /health`, and nothing else. Called by the thread of its listener alone."""

    def __init__(self, look: Callable[[], Health]) -> None:
        """Given what looks how `serve` does, be ready; it must not wait for anything."""
        self._look = look

    def turn_away(self, head: Head) -> Answer:
        """Given a head, return its answer: no body is ever looked at."""
        if head.path != "/health" or head.method not in ("GET", "HEAD"):
            return Answer(HTTPStatus.NOT_FOUND)
        return self._look().answer()

    def too_large(self, head: Head) -> None:
        """Nothing comes so far."""

    def answer(self, head: Head, body: bytes) -> Answer:  # noqa: ARG002  # as the listener asks
        """Answer as to a head alone."""
        return self.turn_away(head)
