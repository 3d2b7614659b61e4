"""News for a person who is not watching: conditions when they begin, change and end.

Cron mails all that a run prints, so a terminal that is off for a weekend must not print at every run.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from zkpoll.journal import conditions
from zkpoll.journal.devices import Devices
from zkpoll.journal.watches import is_watched
from zkpoll.model.report import BUG, Condition, News, Trouble
from zkpoll.reports.departures import GONE, departures
from zkpoll.reports.words import span
from zkpoll.tasks.bell_outcome import BELL
from zkpoll.wall_clock import age

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.departures import Teller
    from zkpoll.tasks.outcome import Outcome

_DEVICE: Final = "device "
REMIND: Final = timedelta(hours=23)
"""Less than a day, or a daily run that is a minute early would remind only every second day."""


def tell(
    journal: Journal,
    outcome: Outcome,
    watchers: Mapping[str, str | None],
    now: datetime,
    say: Callable[[Iterable[str]], None] | None,
    inventory: Inventory,
    teller: Teller = "run",
    known: Mapping[str, Condition | None] = MappingProxyType({}),
) -> None:
    """Tell the news of a run by `say`, and remember them. Without `say` it tells all in another way.

    `watchers` has for each of them why it could not be told of the run, or None. `now` is UTC. Devices and
    dashboards that another run is at are left to that one. News are remembered after they are told, so that
    those nobody could read are told again. What was told of something that has left the `inventory`, or is
    switched off there, ends, as nobody will look at it any more: not while a watch that began earlier still
    does, and would tell it again. `known` are conditions that were told, or have ended (None), while the
    journal could not remember it.
    """
    busy = outcome.busy()
    found = {**outcome.troubles(), **outcome.advice(), **untold(watchers)}
    troubles = {subject: trouble for subject, trouble in found.items() if subject not in busy}
    looked_at = (outcome.subjects() | watchers.keys()) - busy
    renamed = Devices(journal).renamed()

    def decide(before: Mapping[str, Condition]) -> News:
        since = {subject: one for subject, one in {**before, **known}.items() if one}
        left = departures(since.keys() - troubles.keys(), inventory, renamed, teller)
        # One that is switched off may be looked at by name; one that is gone was only looked for.
        left = {one: why for one, why in left.items() if one not in looked_at or why == GONE}
        left = {one: why for one, why in left.items() if not _is_watched(journal, one)}
        if say is None:
            return noted(since, troubles, looked_at | left.keys(), now)
        new = news(since, troubles, looked_at, now, left)
        say(new.lines)
        return new

    conditions.tell(journal, decide)


def _is_watched(journal: Journal, subject: str) -> bool:
    """Say whether a subject is that of a device that a process watches."""
    begins = [one for one in (_DEVICE, BELL) if subject.startswith(one)]
    return any(is_watched(journal, subject.removeprefix(one)) for one in begins)


def untold(watchers: Mapping[str, str | None]) -> dict[str, Trouble]:
    """Given for each watcher why it could not be told of a run, or None, return the troubles."""
    return {subject: Trouble("untold", problem) for subject, problem in watchers.items() if problem}


# --- what is new; pure ---


def news(
    before: Mapping[str, Condition],
    troubles: Mapping[str, Trouble],
    looked_at: AbstractSet[str],
    now: datetime,
    left: Mapping[str, str] = MappingProxyType({}),
) -> News:
    """Given the conditions so far and a run's troubles by subject, return the news.

    Only the condition of a subject that the run looked at can have ended, and of one that `left`, for the
    reason given with it.
    """
    lines: list[str] = []
    after = {subject: one for subject, one in before.items() if subject not in looked_at | left.keys()}
    for subject, trouble in troubles.items():
        if trouble.told_by in troubles:  # in one sentence for several
            after.pop(subject, None)
            continue
        known = before.get(subject)
        if known is None or known.kind != trouble.kind or known.owed in {"begun", "changed"}:
            lines.append(f"{subject}: {trouble.text}")
            after[subject] = _begun(known, trouble, now)
        # What was told in a time to come, by a wrong clock, is told again; so is a bug: no run ends with its
        # code and no word.
        elif trouble.once or (
            trouble.kind != BUG and known.told_at <= now and age(known.told_at, now) < REMIND
        ):
            after[subject] = replace(known, owed=None)
        else:
            lines.append(f"{subject}: still, for {span(age(known.since, now), 'min')}: {trouble.text}")
            after[subject] = _begun(known, trouble, now)
    heard = {subject for subject, one in before.items() if one.owed != "begun"}
    well = sorted(heard & looked_at - troubles.keys() - left.keys())
    ended = (
        f"{subject}: well again, after {span(age(before[subject].since, now), 'min')}" for subject in well
    )
    parted = (
        f"{subject}: ended, after {span(age(before[subject].since, now), 'min')}: {left[subject]}"
        for subject in sorted(heard & left.keys())
    )
    return News((*lines, *ended, *parted), after)


def noted(
    before: Mapping[str, Condition],
    troubles: Mapping[str, Trouble],
    looked_at: AbstractSet[str],
    now: datetime,
) -> News:
    """Given the same of a run that tells no news, return what is to be remembered, and no lines.

    What began, changed or ended is owed: the next run that tells news tells it, if it still holds. What left
    is among those that were looked at.
    """
    after = dict(before)
    for subject, trouble in troubles.items():
        if trouble.told_by in troubles:
            after.pop(subject, None)
            continue
        known = before.get(subject)
        if known and known.kind == trouble.kind and known.owed not in {"begun", "changed"}:
            after[subject] = replace(known, owed=None)
            continue
        heard = known is not None and known.owed != "begun"
        begun = _begun(known, trouble, now)
        after[subject] = replace(begun, told_at=begun.since, owed="changed" if heard else "begun")
    for subject in before.keys() & looked_at - troubles.keys():
        if before[subject].owed == "begun":
            del after[subject]
        else:
            after[subject] = replace(before[subject], owed="ended")
    return News((), after)


def _begun(known: Condition | None, trouble: Trouble, now: datetime) -> Condition:
    """Return a trouble as it is told now, and as long as it has lasted in that kind."""
    since = min(known.since, now) if known and known.kind == trouble.kind else now
    return Condition(trouble.kind, since, now, trouble.text, trouble.once)
