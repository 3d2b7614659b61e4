"""News for a person who is not watching: conditions when they begin, change and end.

Cron mails all that a run prints, so a terminal that is off for a weekend must not print at every run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from zkpoll.journal import conditions
from zkpoll.model.report import BUG, Condition, News, Trouble
from zkpoll.reports.words import span
from zkpoll.wall_clock import age

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from zkpoll.journal.database import Journal
    from zkpoll.tasks.outcome import Outcome

REMIND: Final = timedelta(hours=23)
"""Less than a day, or a daily run that is a minute early would remind only every second day."""


def tell(
    journal: Journal,
    outcome: Outcome,
    watchers: Mapping[str, str | None],
    now: datetime,
    say: Callable[[Iterable[str]], None],
    known: Mapping[str, Condition | None] = MappingProxyType({}),
) -> None:
    """Tell the news of a run by `say`, and remember them.

    `watchers` has for each of them why it could not be told of the run, or None. `now` is UTC. Devices and
    dashboards that another run is at are left to that one. News are remembered after they are told, so that
    those nobody could read are told again. `known` are conditions that were told, or have ended (None), while
    the journal could not remember it.
    """
    busy = outcome.busy()
    found = {**outcome.troubles(), **outcome.advice(), **untold(watchers)}
    troubles = {subject: trouble for subject, trouble in found.items() if subject not in busy}
    looked_at = (outcome.subjects() | watchers.keys()) - busy

    def decide(before: Mapping[str, Condition]) -> News:
        since = {subject: one for subject, one in {**before, **known}.items() if one}
        new = news(since, troubles, looked_at, now)
        say(new.lines)
        return new

    conditions.tell(journal, decide)


def untold(watchers: Mapping[str, str | None]) -> dict[str, Trouble]:
    """Given for each watcher why it could not be told of a run, or None, return the troubles."""
    return {subject: Trouble("untold", problem) for subject, problem in watchers.items() if problem}


# --- what is new; pure ---


def news(
    before: Mapping[str, Condition],
    troubles: Mapping[str, Trouble],
    looked_at: AbstractSet[str],
    now: datetime,
) -> News:
    """Given the conditions so far and a run's troubles by subject, return the news.

    Only the condition of a subject that the run looked at can have ended.
    """
    lines: list[str] = []
    after = {subject: condition for subject, condition in before.items() if subject not in looked_at}
    for subject, trouble in troubles.items():
        known = before.get(subject)
        if known is None or known.kind != trouble.kind:
            lines.append(f"{subject}: {trouble.text}")
            after[subject] = Condition(trouble.kind, now, now)
        # What was told in a time to come, by a wrong clock, is told again; so is a bug: no run ends with its
        # code and no word.
        elif trouble.once or (
            trouble.kind != BUG and known.told_at <= now and age(known.told_at, now) < REMIND
        ):
            after[subject] = known
        else:
            lines.append(f"{subject}: still, for {span(age(known.since, now), 'min')}: {trouble.text}")
            after[subject] = Condition(trouble.kind, min(known.since, now), now)
    well = sorted(before.keys() & looked_at - troubles.keys())
    ended = (
        f"{subject}: well again, after {span(age(before[subject].since, now), 'min')}" for subject in well
    )
    return News((*lines, *ended), after)
