"""Conditions that a person was told of, so that none is told at every run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from zkpoll.model.report import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkpoll.journal.database import Journal
    from zkpoll.model.report import News


def told(journal: Journal) -> dict[str, Condition]:
    """Return the conditions that a person was told of and that last, by subject."""
    return {
        subject: Condition(kind, datetime.fromisoformat(since), datetime.fromisoformat(told_at))
        for subject, kind, since, told_at in journal.all("conditions")
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
            }
            for subject, condition in found.conditions.items()
            if condition != before.get(subject)
        ]
        journal.run_many("remember_condition", rows)
    return found
