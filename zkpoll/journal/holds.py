"""Which new punches are held: those from before a starting line, and repeats. Pure.

A held punch is journalled like every other, and not sent unless a person asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zkpoll.model.punch import Event

Hold = Literal["since", "repeat", "same second", "exact repeat", "manual", "sudden"]
"""Why a punch is held from every dashboard: by its device's settings, for the punch that has its user and
second, or for the database that it was found in."""
FOR_A_PERSON: Final[frozenset[Hold]] = frozenset(("same second", "exact repeat", "manual", "sudden"))
"""Why a person decides about each punch: none of them goes out with others."""
HeldReason = Literal["since", "repeat", "same second", "exact repeat", "manual", "sudden", "another terminal"]
"""Why a punch is held from a dashboard: for itself, or for the terminal it comes from."""
Who = tuple[str, int]
"""A user id and a state: whose punches are repeats of each other."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a device's settings say is to be held."""

    since: datetime | None = None
    """Punches from before this wall clock time (naive) are held; None where there is no such line."""
    repeat_within: float | None = None
    """Seconds; a punch that follows the last kept one of its user and state within them is held."""
    manual: bool = False
    """Whether what a person typed in at the vendor's program is held."""


HOLD_NOTHING: Final = Holding()
NONE: Final[Mapping[int, str]] = MappingProxyType({})


class Decided(NamedTuple):
    """What became of a run of punches."""

    holds: tuple[Hold | None, ...]
    """For each punch why it is held, None if it is not."""
    kept: dict[Who, str]
    """The timestamps of the last punches that were kept; without `repeat_within` nobody needs them."""


def decide(
    events: Sequence[Event],
    holding: Holding,
    last: Mapping[Who, str],
    further: Mapping[int, str] = NONE,
    unsent: Iterable[str] = (),
) -> Decided:
    """Given new punches in the log's order, return which of them are held.

    `last` has the timestamps of the last punches kept before them. Only punches that are not held are kept,
    and only those measure what follows: of three punches 50 s apart, 60 s hold the second alone. Times are
    compared with their offsets, so that no punch is a repeat for an hour that daylight saving repeats. What
    comes after the clock was set back is no repeat; what a suspect clock stamped is none, and measures none.

    `further` has, by index, the id of the first punch of those that share their user and second with it. They
    are held for that, but for one: where the first is held as a repeat, as are those in `unsent`, nothing of
    that second is sent yet, and one that repeats nothing itself is: an OUT in the second of a repeated IN.
    """
    if holding == HOLD_NOTHING and not further:
        return Decided((None,) * len(events), {})
    kept: dict[Who, str] = {}
    free, holds = set(unsent), list[Hold | None]()
    for index, event in enumerate(events):
        first = further.get(index)
        if first is None:
            hold = _hold(event, holding, last, kept)
            if hold == "repeat":
                free.add(event.id)
        elif first in free and not event.clock_suspect and not _hold(event, holding, last, kept):
            hold = None
            free.remove(first)
        else:
            hold = "same second"
        holds.append(hold)
    return Decided(tuple(holds), kept)


def _hold(event: Event, holding: Holding, last: Mapping[Who, str], kept: dict[Who, str]) -> Hold | None:
    """Return why a punch is held, or None; in that case note it in `kept` if it measures what follows."""
    if holding.manual and event.manual:
        return "manual"
    time = datetime.fromisoformat(event.timestamp)
    if holding.since is not None and time.replace(tzinfo=None) < holding.since:
        return "since"
    if holding.repeat_within is None or event.clock_suspect:
        return None
    who = event.user_id, event.state
    before = kept.get(who) or last.get(who)
    if before and 0 < (time - datetime.fromisoformat(before)).total_seconds() <= holding.repeat_within:
        return "repeat"
    kept[who] = event.timestamp
    return None
