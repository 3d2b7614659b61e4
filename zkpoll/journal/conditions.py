"""What the journal remembers of what was told to a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from zkpoll.model.report import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkpoll.journal.sqlite import Journal
    from zkpoll.model.report import News


def tell(journal: Journal, decide: Callable[[Mapping[str, Condition]], News]) -> News:
    """Given who decides what is new about the conditions told so far, remember what lasts; return the news.

    In one transaction, so that of two runs at once each tells what the other has not.
    """
    with journal.transaction():
        found = decide(_conditions(journal))
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
                for subject, condition in found.conditions.items()
            ],
        )
    return found


def _conditions(journal: Journal) -> dict[str, Condition]:
    return {
        subject: Condition(kind, datetime.fromisoformat(since), datetime.fromisoformat(told_at))
        for subject, kind, since, told_at in journal.all("conditions")
    }
