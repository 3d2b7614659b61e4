"""What a dispatch tells: of a broker that is away one thing, however many queues it carries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tests.inventory.helpers import GOOD, read
from zkpoll.cli.dispatch import _outcome
from zkpoll.fleet.dispatch import Dispatched
from zkpoll.model.errand import Errand, ErrandStanding
from zkpoll.model.report import Condition
from zkpoll.reports.news import news

if TYPE_CHECKING:
    from pathlib import Path

NOW: Final = datetime.now(UTC)
FLEET: Final = f"""\
{GOOD}  - {{name: back, host: 192.168.1.202, site: dhaka}}
sites: {{dhaka: {{}}}}
workers: {{broker: "redis://127.0.0.1", every: 1m}}
"""


def unsent(name: str) -> ErrandStanding:
    """Return a visit that could not be sent for an hour."""
    since = NOW - timedelta(hours=1)
    return ErrandStanding(Errand("visit", name), NOW, None, since, None, None, None, None, None)


def test_a_broker_that_is_away_is_told_once(tmp_path: Path) -> None:
    """The queues cannot be served; that a person was told before of one of them does not end."""
    inventory = read(tmp_path, FLEET)
    done = Dispatched({}, (unsent("front"), unsent("back")), "redis://127.0.0.1 does not answer: refused")
    outcome = _outcome(done, inventory, 1.0)
    assert outcome.troubles().keys() == {"broker"}
    told = {"queue dhaka": Condition("not taken", NOW, NOW, "nobody takes them")}
    new = news(told, outcome.troubles(), outcome.subjects(), NOW)
    assert [line.split(":")[0] for line in new.lines] == ["broker"]


def test_what_was_sent_when_the_broker_came_back_is_no_news(tmp_path: Path) -> None:
    """It was sent by now; a minute later shows whether anybody takes it."""
    done = Dispatched({"visit": 2}, (unsent("front"), unsent("back")))
    assert _outcome(done, read(tmp_path, FLEET), 1.0).troubles() == {}


def test_what_nobody_takes_is_told(tmp_path: Path) -> None:
    """Where the broker answers, what it carries is looked at."""
    since = NOW - timedelta(hours=1)
    waits = ErrandStanding(Errand("visit", "back"), NOW, NOW, since, None, None, None, None, None)
    outcome = _outcome(Dispatched({}, (waits, unsent("front"))), read(tmp_path, FLEET), 1.0)
    assert outcome.troubles().keys() == {"queue dhaka"}
