"""Pings in lines: one for each that was asked, its steps where there is something to see, a count. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from zkpoll.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.model.step import Step

Verdict = Literal["ok", "failed", "busy"]
STEP_WORDS: Final = {True: "ok", False: "failed", None: "unknown"}
"""How a step went, in a word."""
VERDICT_WIDTH: Final = 6
"""Characters of the longest verdict."""


class Pinged(Protocol):
    """The result of a ping."""

    @property
    def name(self) -> str:
        """The name of what was asked."""

    @property
    def kind(self) -> str | None:
        """The kind of the error that ended it, or None."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """As far as it came."""

    @property
    def facts(self) -> tuple[str, ...]:
        """What matters of one that was asked to the end, in few words."""


def verdict(ping: Pinged) -> Verdict:
    """Say in a word how a ping went."""
    if ping.kind == Busy.kind:
        return "busy"
    return "failed" if any(step.ok is False for step in ping.steps) else "ok"


def facts(ping: Pinged) -> str:
    """Return what stands behind the verdict: what matters and the time it took, or the steps that failed."""
    word = verdict(ping)
    if word == "busy":
        return "; ".join(step.text for step in ping.steps)
    if word == "failed":
        return ", ".join(step.name for step in ping.steps if step.ok is False)
    return ", ".join((*ping.facts, _took(ping.steps)))


def whole(ping: Pinged) -> str:
    """Return what stands behind the verdict where no steps are shown below it: what they would say, too."""
    word = verdict(ping)
    if word == "busy":
        return facts(ping)
    wanted = None if word == "ok" else False
    said = [f"{step.name}: {step.text}" for step in ping.steps if step.ok is wanted]
    return "; ".join([*([facts(ping)] if word == "ok" else []), *said])


def steps_to_show(ping: Pinged, *, verbose: bool) -> tuple[Step, ...]:
    """Return the steps that a person is to see: all where one failed, else those that cannot be told."""
    word = verdict(ping)
    if verbose or word == "failed":
        return ping.steps
    return () if word == "busy" else tuple(step for step in ping.steps if step.ok is None)


def last_line(pings: Sequence[Pinged]) -> str:
    """Return how many are well, and which are not: `10 of 12 well: ctg-2, sylhet-4 not`.

    One that another run is at counts as not asked for.
    """
    words = {ping.name: verdict(ping) for ping in pings}
    failed = [name for name, word in words.items() if word == "failed"]
    busy = [name for name, word in words.items() if word == "busy"]
    asked = len(words) - len(busy)
    parts = [f"{', '.join(failed)} not"] if failed else []
    parts += [f"another run is at {', '.join(busy)}"] if busy else []
    return f"{asked - len(failed):,} of {asked:,} well" + (f": {'; '.join(parts)}" if parts else "")


def _took(steps: Sequence[Step]) -> str:
    seconds = sum(step.seconds or 0.0 for step in steps)
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
