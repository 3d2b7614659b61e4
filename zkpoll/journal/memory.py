"""What the journal remembers of what was told to a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from zkpoll.news import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.journal.store import Journal


def conditions(journal: Journal) -> dict[str, Condition]:
    """Return what was told and lasts, by subject."""
    return {
        subject: Condition(kind, datetime.fromisoformat(since), datetime.fromisoformat(told_at))
        for subject, kind, since, told_at in journal.all("conditions")
    }


def remember(journal: Journal, lasting: Mapping[str, Condition]) -> None:
    """Write down what lasts, by subject, in place of what was known."""
    with journal.transaction():
        journal.run("forget_conditions")
        journal.run_many(
            "add_condition",
            [
                {
                    "subject": subject,
                    "kind": condition.kind,
                    "since": condition.since.isoformat(),
                    "told_at": condition.told_at.isoformat(),
                }
                for subject, condition in lasting.items()
            ],
        )
