"""What to tell a person who is not watching: conditions when they begin, change and end. Pure.

Cron mails whatever a run prints, so a terminal that is off for a weekend must not print at every run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.model.report import Condition, News, Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

REMIND: Final = timedelta(hours=23)
"""Less than a day, or a daily run that is a minute early would remind only every second day."""


def news(
    before: Mapping[str, Condition],
    troubles: Mapping[str, Trouble],
    looked_at: AbstractSet[str],
    now: datetime,
) -> News:
    """Given the conditions so far and a run's troubles by subject, return what is new.

    Only what the run looked at can have ended.
    """
    lines: list[str] = []
    after = {subject: condition for subject, condition in before.items() if subject not in looked_at}
    for subject, trouble in troubles.items():
        line, after[subject] = _told(subject, trouble, before.get(subject), now)
        lines += [line] if line else []
    for subject in sorted(before.keys() & looked_at - troubles.keys()):
        lines.append(f"{subject}: well again, after {_span(now - before[subject].since)}")
    return News(tuple(lines), after)


def _told(
    subject: str, trouble: Trouble, known: Condition | None, now: datetime
) -> tuple[str | None, Condition]:
    if known is None or known.kind != trouble.kind:
        return f"{subject}: {trouble.text}", Condition(trouble.kind, now, now)
    # A time to come: this host's clock was wrong then.
    if trouble.once or timedelta(0) <= now - known.told_at < REMIND:
        return None, known
    line = f"{subject}: still, for {_span(now - known.since)}: {trouble.text}"
    return line, Condition(trouble.kind, known.since, now)


def _span(time: timedelta) -> str:
    """Return a time span in one or two words: `3 days`, `2 h`, `5 min`."""
    minutes = int(time.total_seconds() // 60)
    if minutes >= 2 * 24 * 60:
        return f"{minutes // (24 * 60)} days"
    return f"{minutes // 60} h" if minutes >= 2 * 60 else f"{minutes} min"
