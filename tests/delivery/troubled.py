"""A server of some kind of dashboard, and what goes wrong on the way to it and in it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from zkpoll.simulator import HttpAnswer, SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkpoll.simulator import Received

_PAGE: Final = {"Content-Type": "text/html"}

CUT: Final = HttpAnswer(200, b"", cut=True)
"""The connection ends before there is an answer."""


class Troubled(SampleDashboard):
    """A dashboard that does what is asked of it in `serve`, and troubles about one request in three.

    It draws the troubles by a seed, so that a test that fails can be run again.
    """

    def __init__(self, seed: int | None = None) -> None:
        """Given a seed, make trouble; without one, none."""
        super().__init__()
        self._dice = random.Random(seed) if seed is not None else None
        self.troubles: list[str] = []
        """The troubles that there were, by name."""

    def serve(self, request: Received) -> HttpAnswer:
        """Do what a request asks for, and answer."""
        raise NotImplementedError

    def default(self, request: Received) -> HttpAnswer:
        """Do what a request asks for, unless something goes wrong before or behind that."""
        if self._dice is None or self._dice.random() > 0.35:
            return self.serve(request)
        name = self._dice.choice(sorted(TROUBLES))
        self.troubles.append(name)
        return TROUBLES[name](request, self.serve)


def _behind(answer: HttpAnswer) -> Callable[[Received, Callable[[Received], HttpAnswer]], HttpAnswer]:
    """Return a trouble in which the request is served, and its answer is lost."""

    def happens(request: Received, serve: Callable[[Received], HttpAnswer]) -> HttpAnswer:
        serve(request)
        return answer

    return happens


def _before(answer: HttpAnswer) -> Callable[[Received, Callable[[Received], HttpAnswer]], HttpAnswer]:
    """Return a trouble in which the request is answered by somebody in front, and never served."""
    return lambda _request, _serve: answer


TROUBLES: Final[Mapping[str, Callable[[Received, Callable[[Received], HttpAnswer]], HttpAnswer]]] = {
    "hangs up at once": _before(CUT),
    "hangs up before it answers": _behind(CUT),
    "hangs up in its answer": _behind(HttpAnswer(200, b'{"message": {"name": "half', cut=True)),
    "is restarted": _before(HttpAnswer(503, b"<html>Updating</html>", _PAGE)),
    "its gateway is impatient": _behind(HttpAnswer(504, b"<html>Gateway Time-out</html>", _PAGE)),
    "its worker dies at the end": _behind(HttpAnswer(502, b"<html>Bad Gateway</html>", _PAGE)),
    "is asked too often": _before(HttpAnswer(429, b"Too Many Requests", {"Retry-After": "0"})),
}
"""By name; each keeps nothing of the answer that was due."""
