"""The punches that a choice means over several dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.journal.helpers import piece, punches, visit
from zkpoll.journal.decisions import Decisions, Selection, meant, why_not_discarded, why_not_retried
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Settled

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

PENDING = Selection(frozenset({"pending"}))


def journalled(journal: Journal) -> list[str]:
    """Journal five punches for two dashboards, of which one has confirmed the first; return their ids."""
    main, _ = JournalOutbox(journal, "main"), JournalOutbox(journal, "other")
    visit(journal).take(piece(*punches(5)))
    ids = [event.id for event in main.next(9).events]
    main.settle(Settled((ids[0],)))
    return ids


def test_each_dashboard_has_its_portion(journal: Journal) -> None:
    """Each is counted to its end, the first few are kept to be shown, and one without any is left out."""
    journalled(journal)
    found = meant(journal, ["main", "other", "nobody"], PENDING, why_not_discarded, shown=2)
    assert {name: (one.count, len(one.first)) for name, one in found.portions.items()} == {
        "main": (4, 2),
        "other": (5, 2),
    }
    assert found.refused == {}


def test_what_comes_later_is_not_meant(journal: Journal) -> None:
    """What is journalled while a person thinks is left as it is."""
    journalled(journal)
    portion = meant(journal, ["other"], PENDING, why_not_discarded, shown=1).portions["other"]
    visit(journal).take(piece(*punches(3, first=5)))
    assert Decisions(journal, "other").discard(PENDING, portion.seen, "why") == 5
    assert len(list(Decisions(journal, "other").punches(PENDING))) == 3


def test_an_id_that_is_not_meant_has_its_reasons(journal: Journal) -> None:
    """An id is refused if no dashboard's punch of it may be changed, with each one's reason."""
    ids = journalled(journal)
    names = ["main", "other"]
    found = meant(journal, names, Selection(frozenset(), ids=(ids[0], "none")), why_not_retried, shown=1)
    assert found.portions == {}
    assert found.refused == {
        ids[0]: "main: the dashboard has it; other: the next sync sends it anyway",
        "none": "there is no such punch",
    }
    one_may = meant(journal, names, Selection(frozenset(), ids=(ids[0],)), why_not_discarded, shown=1)
    assert (list(one_may.portions), one_may.refused) == (["other"], {})
