"""`zkpoll backfill`: older punches, under the ids they always had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import piece, punch, visit
from tests.site import entry
from zkpoll.journal.opening import lock, open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

DAY = ("--from", "2026-11-22", "--until", "2026-11-22")
HERE = ("--to", "dashboard")


@pytest.fixture
def journalled(site: Site, dashboard: SampleDashboard) -> Site:
    """Give a site whose dashboard came after two of three punches, of two days."""
    site.write(dashboard.url, entry("front-door", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        visit(journal).take(piece(punch("1001"), punch("tomorrow", 86_400)))
        JournalOutbox(journal, "dashboard")
        visit(journal).take(piece(punch("1001"), punch("tomorrow", 86_400), punch("late")))
    return site


def counts(site: Site) -> Counts:
    """Return the journal sum."""
    with open_journal(site.journal) as journal:
        return JournalOutbox(journal, "dashboard").counts()


def test_older_punches_are_delivered(journalled: Site, dashboard: SampleDashboard) -> None:
    """What is asked for goes out at the next sync, once, and the sum comes out; a dry run only tells."""
    would = journalled.run("backfill", *HERE, *DAY, "--dry-run")
    assert (would.code, would.err) == (0, "")
    assert would.out == (
        "1 would go to dashboard at the next sync (1 it was not to get, 0 that were held);"
        " 0 would be held, 1 left as they were.\n"
    )
    assert counts(journalled) == Counts(punches=1, pending=1)
    done = journalled.run("backfill", *HERE, *DAY)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "1 goes to dashboard at the next sync (1 it was not to get, 0 that were held);"
        " 0 are held, 1 left as they were.\n"
    )
    assert journalled.report()["sums"]["journal"]["dashboard"]["confirmed"] == 2
    assert "224c9c2b-8130-5e29-a627-3b68fe8961e9" in dashboard.events
    assert {event["user_id"] for event in dashboard.events.values()} == {"1001", "late"}
    assert dashboard.duplicates == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*DAY,), "Missing option '--to'"),
        ((*HERE, "--from", "2026-11-22"), "Missing option '--until'"),
        ((*HERE, "--from", "22.11.2026", "--until", "2026-11-22"), "is no day; expected"),
        ((*HERE, "--from", "2026-11-23", "--until", "2026-11-22"), "--from is later than --until"),
        (("--to", "old", *DAY), "no dashboard 'old' in the inventory; there are dashboard"),
        ((*HERE, *DAY, "--device", "window"), "no device 'window' in the journal"),
    ],
)
def test_wrong_usage(journalled: Site, arguments: tuple[str, ...], told: str) -> None:
    """What cannot be meant is wrong usage, and changes nothing."""
    with open_journal(journalled.journal) as journal:
        JournalOutbox(journal, "old")
    result = journalled.run("backfill", *arguments)
    assert (result.code, result.out) == (2, "")
    assert told in result.err
    assert counts(journalled) == Counts(punches=1, pending=1)


def test_a_dashboard_that_is_delivered_to(journalled: Site) -> None:
    """While a delivery goes on nothing is changed; a dry run needs no lock."""
    with lock(journalled.journal, "dashboard dashboard"):
        result = journalled.run("backfill", *HERE, *DAY)
        would = journalled.run("backfill", *HERE, *DAY, "--dry-run")
    assert (result.code, would.code) == (75, 0)
    assert counts(journalled) == Counts(punches=1, pending=1)


def test_no_journal_yet(site: Site, dashboard: SampleDashboard) -> None:
    """Without a journal there is nothing to send, and none is made."""
    site.write(dashboard.url, entry("front-door", ("127.0.0.1", 9)))
    result = site.run("backfill", *HERE, *DAY)
    assert result.code == 74
    assert not site.journal.exists()
