"""What a person who is not watching is told, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from zkpoll.errors import Busy
from zkpoll.inventory import Dashboard, Device, Inventory
from zkpoll.inventory.monitoring import HealthChecks
from zkpoll.journal import conditions
from zkpoll.journal.opening import open_empty, open_journal
from zkpoll.model.report import BUG, Condition, News, Trouble
from zkpoll.reports.news import REMIND, news, noted, tell
from zkpoll.tasks.device_outcome import DeviceOutcome
from zkpoll.tasks.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.journal.database import Journal

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
INVENTORY = Inventory(
    dashboards=(Dashboard(url="https://dashboard.example.com/"),),
    journal=Path("journal.db"),
    health=HealthChecks(ping_url=SecretStr("https://hc.example.com/x")),
    devices=(Device(name="front-door", host="192.168.1.201", timezone="UTC"),),
)
DOOR = "device front-door"
SILENT = Trouble("silent", "stopped answering")
SECOND = timedelta(seconds=1)


def told(
    before: Mapping[str, Condition], trouble: Trouble | None, after: timedelta, *, looked: bool = True
) -> News:
    """Return the news of a run that found `trouble` at the front door, so long after `NOW`."""
    troubles = {DOOR: trouble} if trouble else {}
    return news(before, troubles, {DOOR} if looked else set(), NOW + after)


BEGUN = told({}, SILENT, timedelta(0))


def test_it_is_told_when_it_begins() -> None:
    """A trouble is told by the first run that meets it."""
    assert BEGUN.lines == ("device front-door: stopped answering",)
    assert BEGUN.conditions == {DOOR: Condition("silent", NOW, NOW, SILENT.text)}


def test_nothing_is_told_when_all_is_well() -> None:
    """A run without troubles, after runs without troubles, says nothing and remembers nothing."""
    assert told({}, None, timedelta(0)) == News((), {})


@pytest.mark.parametrize("after", [timedelta(0), timedelta(minutes=5), REMIND - SECOND])
def test_it_is_silent_while_it_lasts(after: timedelta) -> None:
    """Cron mails nothing about what it mailed already, even if a count in the text has risen."""
    assert told(BEGUN.conditions, Trouble("silent", "7 punches wait"), after) == News((), BEGUN.conditions)


def test_a_bug_is_told_by_each_run() -> None:
    """A run that ends with the code of a bug has a word for it, however short ago another one had."""
    bug = Trouble(BUG, "zkpoll itself failed here")
    begun = told({}, bug, timedelta(0))
    again = told(begun.conditions, bug, timedelta(minutes=5))
    assert again.lines == ("device front-door: still, for 5 min: zkpoll itself failed here",)
    assert again.conditions == {DOOR: Condition(BUG, NOW, NOW + timedelta(minutes=5), bug.text)}


def test_it_is_told_again_once_a_day() -> None:
    """What lasts is told once a day, with how long it has lasted, and the next day again."""
    first = told(BEGUN.conditions, SILENT, REMIND)
    assert first.lines == ("device front-door: still, for 23 h: stopped answering",)
    assert first.conditions == {DOOR: Condition("silent", NOW, NOW + REMIND, SILENT.text)}
    assert told(first.conditions, SILENT, 2 * REMIND - SECOND).lines == ()
    second = told(first.conditions, SILENT, 2 * REMIND)
    assert second.lines == ("device front-door: still, for 46 h: stopped answering",)


def test_advice_is_told_once() -> None:
    """What needs nobody is told when it begins, not daily, and again after it was otherwise."""
    advice = Trouble("exposed", "use https", once=True)
    first = told({}, advice, timedelta(0))
    assert first.lines == ("device front-door: use https",)
    assert told(first.conditions, advice, 30 * REMIND) == News((), first.conditions)
    gone = told(first.conditions, None, 31 * REMIND)
    assert told(gone.conditions, advice, 32 * REMIND).lines == first.lines


def test_it_is_told_when_it_changes() -> None:
    """Another kind of trouble at the same device is new, and lasts from now."""
    changed = told(BEGUN.conditions, Trouble("wrong_key", "refused the comm key"), timedelta(hours=1))
    assert changed.lines == ("device front-door: refused the comm key",)
    moment = NOW + timedelta(hours=1)
    assert changed.conditions == {DOOR: Condition("wrong_key", moment, moment, "refused the comm key")}


def test_it_is_told_when_it_ends() -> None:
    """What is well again is told once, and then forgotten."""
    ended = told(BEGUN.conditions, None, timedelta(hours=3))
    assert ended == News(("device front-door: well again, after 3 h",), {})
    assert told(ended.conditions, None, timedelta(hours=4)).lines == ()


def test_what_comes_back_is_new() -> None:
    """A trouble that ended and returns is told as if for the first time."""
    ended = told(BEGUN.conditions, None, timedelta(hours=1))
    assert told(ended.conditions, SILENT, timedelta(hours=2)).lines == BEGUN.lines


def test_what_was_not_looked_at_has_not_ended() -> None:
    """A run that visits other devices says nothing of this one, and forgets nothing."""
    assert told(BEGUN.conditions, None, 3 * REMIND, looked=False) == News((), BEGUN.conditions)


def seen(before: Mapping[str, Condition], trouble: Trouble | None, hours: int) -> Mapping[str, Condition]:
    """Return what is remembered of a run that tells no news, so long after `NOW`."""
    troubles = {DOOR: trouble} if trouble else {}
    found = noted(before, troubles, {DOOR}, NOW + timedelta(hours=hours))
    assert found.lines == ()
    return found.conditions


def test_what_a_person_or_a_log_saw_is_news_for_cron() -> None:
    """A run that tells no news remembers what it saw; the next that has any tells what still holds of it."""
    day = timedelta(hours=24)
    begun = seen({}, SILENT, 0)
    assert begun == {DOOR: Condition("silent", NOW, NOW, SILENT.text, owed="begun")}
    assert seen(begun, Trouble("silent", "7 punches wait"), 1)[DOOR].text == "7 punches wait"
    assert seen(begun, None, 1) == {}  # nobody heard of it
    assert told(begun, None, day) == News((), {})
    late = told(begun, SILENT, day)
    assert late == News(BEGUN.lines, {DOOR: Condition("silent", NOW, NOW + day, SILENT.text)})
    assert seen(late.conditions, Trouble("silent", "7 punches wait"), 30) == late.conditions

    ended = seen(BEGUN.conditions, None, 1)
    assert not ended[DOOR].stands
    assert told(ended, None, day) == News(("device front-door: well again, after 24 h",), {})
    assert seen(ended, SILENT, 2) == BEGUN.conditions
    assert told(ended, SILENT, timedelta(hours=2)) == News((), BEGUN.conditions)

    changed = seen(BEGUN.conditions, Trouble("wrong_key", "refused the comm key"), 1)
    assert (changed[DOOR].owed, changed[DOOR].since) == ("changed", NOW + timedelta(hours=1))
    again = told(changed, Trouble("wrong_key", "refused the comm key"), timedelta(hours=2))
    assert again.lines == ("device front-door: refused the comm key",)
    assert told(seen(changed, None, 2), None, day).lines == ("device front-door: well again, after 23 h",)


def test_each_subject_has_its_own_news() -> None:
    """One that begins, one that lasts, one that ends and one left alone do not touch each other."""
    known = Condition("silent", NOW, NOW)
    before = {"lasts": known, "ends": known, "elsewhere": known}
    later = NOW + timedelta(minutes=9)
    found = news(before, {"begins": SILENT, "lasts": SILENT}, {"begins", "lasts", "ends"}, later)
    assert found.lines == ("begins: stopped answering", "ends: well again, after 9 min")
    begun = Condition("silent", later, later, SILENT.text)
    assert found.conditions == {"begins": begun, "lasts": known, "elsewhere": known}


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=119, seconds=59), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47, minutes=59), "47 h"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=400, hours=23), "400 days"),
    ],
)
def test_spans(span: timedelta, words: str) -> None:
    """How long something lasted is said in the unit that a person would choose."""
    assert told(BEGUN.conditions, None, span).lines == (f"device front-door: well again, after {words}",)


def remembered(journal: Journal) -> Mapping[str, Condition]:
    """Return what the journal remembers, leaving it as it is."""
    return conditions.tell(journal, lambda before: News((), before)).conditions


def test_the_journal_remembers(tmp_path: Path) -> None:
    """The next run knows exactly what this one told, and nothing of what has ended."""
    path = tmp_path / "journal.db"
    lasting = {
        DOOR: Condition("silent", NOW, NOW + REMIND),
        "dashboard main": Condition("refused", NOW, NOW, "no", advice=True, owed="changed"),
    }
    with open_journal(path) as journal:
        assert remembered(journal) == {}
        conditions.tell(journal, lambda _before: News((), lasting))
    with open_journal(path) as journal:
        assert remembered(journal) == lasting
        conditions.tell(journal, lambda _before: News((), {DOOR: lasting[DOOR]}))
        assert remembered(journal) == {DOOR: lasting[DOOR]}
        conditions.tell(journal, lambda _before: News((), {}))
        assert remembered(journal) == {}


def test_a_clock_that_was_wrong_silences_nothing() -> None:
    """What was told at a time still to come is told again."""
    before = {DOOR: Condition("silent", NOW, NOW + timedelta(days=30))}
    assert len(told(before, SILENT, timedelta(hours=1)).lines) == 1


def test_nothing_lasts_less_than_no_time() -> None:
    """What began in a time to come began just now, also in what is remembered of it."""
    ahead = NOW + timedelta(days=1095)
    before = {DOOR: Condition("silent", ahead, ahead)}
    still = told(before, SILENT, timedelta(0))
    assert still == News(
        ("device front-door: still, for 0 min: stopped answering",),
        {DOOR: Condition("silent", NOW, NOW, SILENT.text)},
    )
    assert told(before, None, timedelta(0)).lines == ("device front-door: well again, after 0 min",)
    assert told(still.conditions, SILENT, REMIND).lines[0].startswith("device front-door: still, for 23 h")


def test_runs_that_share_a_memory(tmp_path: Path) -> None:
    """From run to run, through the journal: told, silent, reminded, ended."""
    lines = []
    for hours, trouble in [(0, SILENT), (1, SILENT), (24, SILENT), (25, None), (26, None)]:
        with open_journal(tmp_path / "journal.db") as journal:
            span = timedelta(hours=hours)
            found = conditions.tell(journal, partial(told, trouble=trouble, after=span))
            lines.append(found.lines)
    assert [len(told_now) for told_now in lines] == [1, 0, 1, 1, 0]


def outcome(problem: str | None = "stopped answering", kind: str | None = "silent") -> Outcome:
    """Return the outcome of a run that found this at the front door."""
    device = DeviceOutcome("front-door", "h", problem=problem, kind=kind if problem else None)
    return Outcome((device,), (), seconds=1.0)


def said(journal: Journal, found: Outcome, watchers: Mapping[str, str | None], hours: int) -> list[str]:
    """Return what is said of a run, so long after `NOW`."""
    lines: list[str] = []
    tell(journal, found, watchers, NOW + timedelta(hours=hours), lines.extend, INVENTORY)
    return lines


def test_news_of_a_run() -> None:
    """A run's troubles and those of its watchers are told once, and end; another run's are left to it."""
    trouble, untold = "device front-door: stopped answering", "health check: no answer"
    with open_empty() as journal:
        assert said(journal, outcome(), {"health check": "no answer"}, 0) == [trouble, untold]
        assert said(journal, outcome(), {"health check": "no answer"}, 1) == []
        assert said(journal, outcome("another run is at it", Busy.kind), {"health check": None}, 2) == [
            "health check: well again, after 2 h"
        ]
        assert said(journal, outcome(None), {}, 3) == ["device front-door: well again, after 3 h"]


def test_what_left_has_ended() -> None:
    """What is gone is told with why, also where it was only looked for; a trouble that stays goes on."""
    known = Condition("silent", NOW, NOW)
    before = {"device a": known, "dashboard b": known, "dashboard c": known, "device d": known}
    left = {"device a": "switched off (enabled: false)", "dashboard b": "taken out of the inventory"}
    looked_at = {"dashboard b", "dashboard c"}
    found = news(before, {"dashboard c": SILENT}, looked_at, NOW + timedelta(hours=3), left)
    assert found.lines == (
        "dashboard b: ended, after 3 h: taken out of the inventory",
        "device a: ended, after 3 h: switched off (enabled: false)",
    )
    assert found.conditions.keys() == {"dashboard c", "device d"}


def test_news_that_nobody_could_read_are_told_again() -> None:
    """Where telling fails, nothing is remembered as told."""

    def closed(_lines: Iterable[str]) -> None:
        raise BrokenPipeError

    with open_empty() as journal:
        with pytest.raises(BrokenPipeError):
            tell(journal, outcome(), {}, NOW, closed, INVENTORY)
        assert said(journal, outcome(), {}, 1) == ["device front-door: stopped answering"]
