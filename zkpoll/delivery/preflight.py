"""What a dashboard has to have told before anything is sent to it. Pure, but for the clock.

It is kept, and asked for again a day later. An answer that is lost then stops nothing: what it told last is
compared. So is nothing sent where it told something wrong, until it tells otherwise.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from zkpoll.delivery.contract import Decision, Verdict
from zkpoll.wall_clock import age, is_ahead

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.delivery.contract import Answer, Preflight, Request
    from zkpoll.model.delivery import KeptAnswer

_AGAIN_AFTER: Final = timedelta(days=1)


class Answers(Protocol):
    """What one dashboard told about itself. What is written is on disk when the method returns."""

    def kept_answer(self, asked: bytes) -> KeptAnswer | None:
        """Return what it told when it was asked this. None if it never was, or was asked otherwise since."""

    def keep_answer(self, asked: bytes, text: str) -> None:
        """Write down what it told, in place of what it told before."""


def stopped_by(
    preflight: Preflight | None, url: str, answers: Answers, send: Callable[[Request], Answer]
) -> Decision | None:
    """Given the question of a format and whom to ask, return the decision that nothing is sent, or None.

    `url` is the dashboard's: at another address, another one answers. It is asked where it has not told yet,
    or a day ago, or in a time to come by a clock that was wrong, or something that is wrong.
    """
    if preflight is None:
        return None
    asked = sha256(f"{url}\n{preflight.compared_with}".encode()).digest()
    kept, now = answers.kept_answer(asked), datetime.now(UTC)
    if kept and is_ahead(kept.at, now):
        kept = None
    flaw = preflight.flaw(kept.text) if kept else None
    if kept is None or flaw or age(kept.at, now) >= _AGAIN_AFTER:
        told = preflight.told(send(preflight.request))
        if isinstance(told, str):
            answers.keep_answer(asked, told)
            flaw = preflight.flaw(told)
        elif kept is None:
            return told
    return Decision(Verdict.CONFIGURATION, flaw) if flaw else None
