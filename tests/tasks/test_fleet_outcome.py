"""How the errands of each queue stand: what a person is told, and of whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import read
from zkpoll.errors import ExitCode
from zkpoll.model.errand import Errand, ErrandStanding, Queue
from zkpoll.tasks.fleet_outcome import BrokerOutcome, QueueOutcome, errand_places, queue_outcomes, queues_of
from zkpoll.tasks.outcome import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WHOLE = """\
dashboard: {name: erp, url: "https://erp.example.com"}
journal: journal.db
defaults: {timezone: Asia/Dhaka}
sites: {dhaka: {}, "north yard": {visit_limit: 1h}, empty: {}}
workers: {broker: "redis://10.0.0.5", every: 5m}
devices:
  - {name: gate, host: 10.0.0.1}
  - {name: d1, host: 10.0.0.2, site: dhaka, clear: confirmed}
  - {name: d2, host: 10.0.0.3, site: dhaka}
  - {name: off, host: 10.0.0.4, site: empty, enabled: false}
  - {name: calls, serial: C1, push: true, site: empty}
  - {name: far, host: 10.0.0.5, site: "north yard"}
listen: {address: "127.0.0.1:8081"}
databases:
  - {name: hq, kind: att2000, file: hq.mdb, site: dhaka}
"""
DHAKA, NORTH, NOWHERE, DELIVERIES = Queue("dhaka"), Queue("north yard"), Queue(), Queue(deliveries=True)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Give an inventory of three sites, one of which has nothing to visit."""
    return read(tmp_path, WHOLE)


def waits(subject: str, minutes: float = 25) -> ErrandStanding:
    """Return an errand that waits for so many minutes, and that nobody ever took."""
    since = NOW - minutes * MINUTE
    until = NOW + MINUTE
    return ErrandStanding(Errand.of(subject), NOW - MINUTE, until, since, None, None, None, None, None)


def unsent(subject: str) -> ErrandStanding:
    """Return one that could not be sent, for as long."""
    return replace(waits(subject), until=None)


def taken(subject: str, minutes: float) -> ErrandStanding:
    """Return one that waits for as long, and that was taken so many minutes ago."""
    one = waits(subject)
    return replace(one, taken=one.until, taken_at=NOW - minutes * MINUTE, taken_by="host/7")


def done(subject: str, minutes: float) -> ErrandStanding:
    """Return one that was taken so many minutes ago, and done at once."""
    one = taken(subject, minutes)
    return replace(one, done_at=one.taken_at, outcome="read")


def found(inventory: Inventory, *standings: ErrandStanding) -> dict[str, str]:
    """Return the troubles of all queues, with their kinds in front."""
    outcomes = queue_outcomes(inventory, standings, NOW)
    return {one.subject: f"{one.trouble.kind}: {one.trouble.text}" for one in outcomes if one.trouble}


def test_what_is_visited_and_where(inventory: Inventory) -> None:
    """All that is called, read and delivered to has errands, at its site; what is off has none."""
    places = {errand.subject: place for errand, place in errand_places(inventory).items()}
    assert {subject: place.queue for subject, place in places.items()} == {
        "visit gate": NOWHERE,
        "visit d1": DHAKA,
        "clear d1": DHAKA,
        "visit d2": DHAKA,
        "visit far": NORTH,
        "visit hq": DHAKA,
        "deliver erp": DELIVERIES,
    }
    assert (places["visit far"].limit, places["visit hq"].limit, places["deliver erp"].limit) == (
        3600,
        900,
        None,
    )
    assert queues_of(inventory) == (DHAKA, NORTH, NOWHERE, DELIVERIES)


def test_all_is_well(inventory: Inventory) -> None:
    """What is done, waits for a while or is under way needs nobody, and each queue was looked at."""
    far = replace(taken("visit far", 9), waits_since=NOW - 11 * MINUTE)
    standings = [done("visit gate", 3), waits("visit d1", 9), far, waits("visit stranger")]
    assert found(inventory, *standings) == {}
    assert [one.subject for one in queue_outcomes(inventory, standings, NOW)] == [
        *("queue dhaka", "queue north yard", "queue of devices without site", "deliveries")
    ]


SINCE = "since 2026-11-22 14:05Z"
RUNNING = "is `zkpoll worker --site dhaka` running there?"


@pytest.mark.parametrize(
    ("standings", "kind", "text"),
    [
        (
            [waits("visit d1"), waits("visit d2", 20), waits("clear d1")],
            "not taken",
            f"2 visits and 1 clearing wait {SINCE}, and nobody takes them; {RUNNING}",
        ),
        (
            [waits("visit d1"), done("visit d2", 1)],
            "behind",
            (
                f"1 visit waits {SINCE}, while others are taken: there are too few workers, or some have"
                " another inventory"
            ),
        ),
        (
            [waits("visit d1"), done("visit d2", 6)],  # by one who has gone since
            "not taken",
            f"1 visit waits {SINCE}, and nobody takes it; {RUNNING}",
        ),
        (
            [unsent("visit d1")],
            "not sent",
            f"1 visit waits {SINCE}, and could not be sent; does the broker answer?",
        ),
        (
            [taken("visit d1", 18)],
            "not ended",
            (
                f"1 visit was taken, and not ended {SINCE}: `visit d1` was taken last by host/7 at 2026-11-22"
                " 14:12Z; see that worker's log"
            ),
        ),
    ],
)
def test_why_a_site_is_late(
    inventory: Inventory, standings: list[ErrandStanding], kind: str, text: str
) -> None:
    """One sentence says how many wait, since when, and what to look at."""
    assert found(inventory, *standings) == {"queue dhaka": f"{kind}: {text}"}


@pytest.mark.parametrize(
    ("subject", "queue", "question"),
    [
        ("visit gate", "queue of devices without site", "takes it; is `zkpoll worker` running?"),
        ("deliver erp", "deliveries", "takes it; is `zkpoll worker --deliver` running?"),
        ("visit far", "queue north yard", "takes it; is `zkpoll worker --site 'north yard'` running there?"),
    ],
)
def test_which_worker_is_missing(inventory: Inventory, subject: str, queue: str, question: str) -> None:
    """The command that it names is one to paste."""
    ((told, text),) = found(inventory, waits(subject)).items()
    assert told == queue
    assert text.endswith(question)


def test_one_that_may_take_its_time(inventory: Inventory) -> None:
    """The limit of a site's visits counts: one of an hour is late after that, not after a quarter."""
    assert found(inventory, taken("visit far", 24)) == {}
    first = replace(taken("visit far", 61), waits_since=NOW - 62 * MINUTE)
    assert list(found(inventory, first)) == ["queue north yard"]


def test_several_reasons_are_one_trouble(inventory: Inventory) -> None:
    """What is most in the way comes first, and gives it its kind."""
    text = found(inventory, taken("visit d1", 18), waits("visit d2"), unsent("visit hq"))["queue dhaka"]
    assert text.startswith("not sent: ")
    assert text.count("1 visit") == 3
    assert text.index("could not be sent") < text.index("nobody takes it") < text.index("not ended")


def test_without_workers_nobody_looks(tmp_path: Path) -> None:
    """Rows of an inventory that had workers once are no trouble."""
    text = WHOLE.replace('workers: {broker: "redis://10.0.0.5", every: 5m}\n', "")
    assert queue_outcomes(read(tmp_path, text), [waits("visit d1")], NOW) == ()


def test_a_run_tells_of_them() -> None:
    """A queue and the broker are subjects of a run: their troubles make its exit code, and can end."""
    broker = BrokerOutcome("the broker redis://10.0.0.5 does not answer")
    fleet = (QueueOutcome(DHAKA, (waits("visit d1"),), served=False), QueueOutcome(NORTH), broker)
    outcome = Outcome((), (), 0.1, fleet=fleet)
    assert outcome.subjects() == {"queue dhaka", "queue north yard", "broker"}
    assert outcome.troubles().keys() == {"queue dhaka", "broker"}
    assert outcome.exit_code is ExitCode.ATTENTION
    well = Outcome((), (), 0.1, fleet=(QueueOutcome(DHAKA), BrokerOutcome()))
    assert (well.troubles(), well.exit_code) == ({}, ExitCode.OK)
