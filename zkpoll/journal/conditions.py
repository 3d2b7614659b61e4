"""Troubles that last, so that none is told at every run; and what is still to be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zkpoll.journal.database import now
from zkpoll.model.report import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zkpoll.journal.database import Journal
    from zkpoll.model.report import News


def told(journal: Journal) -> dict[str, Condition]:
    """Return the conditions that last, and those of whose end a person is still to be told, by subject."""
    return {
        subject: Condition(
            kind, datetime.fromisoformat(since), datetime.fromisoformat(told_at), text, bool(advice), owed
        )
        for subject, kind, since, told_at, text, advice, owed in journal.all("conditions")
    }


def tell(journal: Journal, decide: Callable[[Mapping[str, Condition]], News]) -> News:
    """Load the conditions told so far, let `decide` compare them, store those that last, return the news.

    In one transaction, so that of two runs at once each tells what the other has not.
    """
    with journal.transaction():
        before = told(journal)
        found = decide(before)
        ended = before.keys() - found.conditions.keys()
        journal.run_many("forget_condition", [{"subject": subject} for subject in ended])
        rows = [
            {
                "subject": subject,
                "kind": condition.kind,
                "since": condition.since.isoformat(),
                "told_at": condition.told_at.isoformat(),
                "text": condition.text,
                "advice": int(condition.advice),
                "owed": condition.owed,
            }
            for subject, condition in found.conditions.items()
            if condition != before.get(subject)
        ]
        journal.run_many("remember_condition", rows)
    return found


def owe(journal: Journal, subject: str, text: str) -> None:
    """Store, in the transaction under way, what a run is to tell once of a subject."""
    journal.run_later("owe", [{"subject": subject, "text": text, "now": now()}])


def owe_instead(journal: Journal, subject: str, before: Iterable[str], texts: Iterable[str]) -> None:
    """Store, in the transaction under way, what a run is to tell of a subject in place of what was before."""
    journal.run_many("strike_owed", [{"subject": subject, "text": text} for text in before])
    for text in texts:
        owe(journal, subject, text)


def owed(journal: Journal, for_long: timedelta = timedelta(0)) -> tuple[tuple[str, str], ...]:
    """Return what is still to be told, each with its subject in front, oldest first.

    With `for_long` that alone which was not found within so long, before now or after it: who found it tells
    it by then, and clocks differ.
    """
    present = datetime.now(UTC)
    return tuple(
        (subject, text)
        for subject, text, found_at in journal.all("owed")
        if abs(present - datetime.fromisoformat(found_at)) >= for_long
    )


def strike(journal: Journal, told: Iterable[tuple[str, str]]) -> None:
    """Strike what was told."""
    with journal.transaction():
        journal.run_many("strike_owed", [{"subject": subject, "text": text} for subject, text in told])
