"""How things stand in a word, and by a sign that differs in more than its colour. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from zkpoll.model.fullness import FULL, NEARLY_FULL
from zkpoll.reports.page.remedies import kinds_of
from zkpoll.reports.verdict import STALE, TOO_LONG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.reports.verdict import Need

Sign = Literal["ok", "warn", "bad", "off"]
"""A disc, a triangle, a square, a ring."""

_MILD: Final = {
    NEARLY_FULL: "log nearly full",
    "clock": "clock is off",
    "ahead": "clock is off",
    "not cleared": "log not cleared",
    "parked": "punches parked",
    "growing": "falls behind",
    "set aside": "rows set aside",
    "sudden": "punches held",
    "manual": "punches held",
    "not moved": "shift not told",
    "late": "late",
    "untold": "not told",
}
_GRAVE: Final = {
    FULL: "log full",
    STALE: "not read",
    TOO_LONG: "late",
    "locked": "may be disabled",
    "silent": "silent",
    "never called": "never called",
    "another terminal": "another terminal",
    "halted": "stopped",
    "stranded": "left behind",
    "closed": "closed",
}
_WORDS: Final = _MILD | _GRAVE
_ELSE: Final = "in trouble"


@dataclass(frozen=True, slots=True)
class State:
    """How something stands."""

    sign: Sign
    word: str


def state_of(needs: Sequence[Need], *, enabled: bool = True, well: str = "well") -> State:
    """Given what a person has to see to of something, return how it stands; `well` where that is nothing."""
    if needs:
        words = dict.fromkeys(_WORDS.get(kind, _ELSE) for need in needs for kind in kinds_of(need.kind))
        return State("warn" if is_mild(needs) else "bad", ", ".join(words))
    return State("ok", well) if enabled else State("off", "switched off")


def is_mild(needs: Sequence[Need]) -> bool:
    """Say whether no punch is kept from its way by what a person has to see to."""
    return all(kind in _MILD for need in needs for kind in kinds_of(need.kind))
