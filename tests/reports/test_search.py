"""The search of the live page: what is found, and what is said where nothing is."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html import unescape
from typing import TYPE_CHECKING, Final

import pytest

from tests.inventory.helpers import GOOD, read
from tests.reports.test_explain import place, sighting
from zkpoll.journal.opening import open_empty
from zkpoll.reports.explain import DeviceReach, PersonDay, details
from zkpoll.reports.page.html import page
from zkpoll.reports.page.search import Search, search
from zkpoll.reports.page.view import page_view
from zkpoll.reports.people import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal

NOW: Final = datetime(2026, 11, 22, 20, 30, tzinfo=UTC)
"""In Asia/Dhaka it is the next day."""
DAY: Final = date(2026, 11, 22)
HOSTILE: Final = "\"'><script>alert(1)</script>&amp;\u202e{{ 7*7 }}"


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Return an inventory of one terminal in Asia/Dhaka."""
    return read(tmp_path, GOOD)


@pytest.fixture
def journal() -> Iterator[Journal]:
    """Return an empty journal."""
    with open_empty() as journal:
        yield journal


def drawn(inventory: Inventory, journal: Journal, found: Search | None) -> str:
    """Return the part of the page that has the search."""
    made = page(page_view(inventory, journal, NOW), found)
    return made.partition('id="search"')[2].partition("</section>")[0]


def shown(part: str) -> str:
    """Return what a browser would show of it."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", part)))


def test_a_letter_that_no_journal_takes(inventory: Inventory, journal: Journal) -> None:
    """NUL, which a server does not take, is answered in a sentence."""
    found = search(inventory, journal, "1\0", "", NOW)
    assert found.problem == "No user id or name has such a letter."
    assert found.story is None


def test_nothing_was_asked(inventory: Inventory, journal: Journal) -> None:
    """The page alone has the form, with today by the terminals' zone, and no story."""
    found = search(inventory, journal, None, "", NOW)
    assert found == Search(day="2026-11-23")
    part = drawn(inventory, journal, found)
    assert 'action="explain#search"' in part
    assert 'value="2026-11-23"' in part
    assert "story" not in part


def test_the_page_in_a_file(inventory: Inventory, journal: Journal) -> None:
    """It has no form, as nobody answers it, but the command."""
    part = drawn(inventory, journal, None)
    assert "<form" not in part
    assert "zkpoll explain USER DAY" in part


@pytest.mark.parametrize(
    ("user", "day", "told"),
    [
        ("", "2026-11-22", "Whose? Expected a user id or a name."),
        ("  ", "", "Whose? Expected a user id or a name."),
        ("1001", "2026-02-30", "'2026-02-30' is no day of the calendar."),
        ("1001", "22/11/2026", "'22/11/2026': which of the two is the month?"),
        ("1001", "soon", "'soon' is no day; expected one such as 2026-11-23,"),
        ("x" * 101, "2026-11-22", "That is too long for a user id or a name."),
        ("1001", "2026-11-22", "Nobody has the id 1001; none is near it."),
        ("rahim", "yesterday", "Nobody has the id rahim, and no names are known;"),
        (HOSTILE, "2026-11-22", "Nobody has the id"),
        ("1001", HOSTILE, "is no day;"),
        ("\ud800\x00", "\ud800", "is no day;"),
        ("1001", "9" * 10_000, "is no day;"),
    ],
)
def test_a_sentence_for_each(inventory: Inventory, journal: Journal, user: str, day: str, told: str) -> None:
    """Whatever is typed has a sentence, and stays text."""
    found = search(inventory, journal, user, day, NOW)
    part = drawn(inventory, journal, found)
    assert told in shown(part)
    assert "<script" not in part
    assert "\u202e" not in part
    assert "49" not in part
    assert len(part) < 6000


def test_an_id_that_nobody_knows_may_be_one(inventory: Inventory, journal: Journal) -> None:
    """For what looks like an id it is told how far all is read; for a name it is not."""
    found = search(inventory, journal, "1001", "2026-11-22", NOW)
    assert found.title == "user 1001 on Sunday 2026-11-22: 0 punches"
    assert found.remarks == (
        "No device has shown a punch of user 1001 on 2026-11-22.",
        "front: never read",
    )
    assert search(inventory, journal, "rahim", "", NOW).title is None


def test_the_days_of_the_calendar(inventory: Inventory, journal: Journal) -> None:
    """The first and the last day that there is can be asked for."""
    for day in ("0001-01-01", "9999-12-31"):
        assert search(inventory, journal, "1001", day, NOW).day == day


def test_a_day_of_punches(inventory: Inventory, journal: Journal) -> None:
    """Each punch has all that `zkpoll explain` knows of it, and what may come yet is told."""
    late = DeviceReach("back", NOW, None, covers=False, quarantined={})
    story = PersonDay("1001", DAY, (sighting(place("confirmed")), sighting(place("held", "repeat"))), (late,))
    text = shown(drawn(inventory, journal, Search("1001", "2026-11-22", story=story)))
    assert "user 1001 on Sunday 2026-11-22: 2 punches" in text
    assert all(line in text for punch in story.punches for line in details(punch))
    assert text.count("08:00:00 front-door (S1)") == 2
    assert story.more_may_come()
    assert str(story.more_may_come()) in text


def test_more_than_a_page_has_room_for(inventory: Inventory, journal: Journal) -> None:
    """Of very many punches, devices and people the first are shown, and the others counted."""
    story = PersonDay("1", DAY, (sighting(),) * 1051, ())
    found = Search("1", "2026-11-22", story=story)
    assert len(found.told) == 50
    assert found.remarks == ("And 1,001 punches more, which `zkpoll explain` shows.",)
    reaches = tuple(DeviceReach(f"d{i}", None, None, covers=False, quarantined={}) for i in range(60))
    nothing = Search("1", "2026-11-22", story=PersonDay("1", DAY, (), reaches))
    assert nothing.remarks[-1] == "And 11 more, which `zkpoll explain` shows."
    assert len(nothing.remarks) == 51
    people = Search("a", "2026-11-22", problem="60 people fit.", people=(Person("1"),), others=59)
    assert "and 59 more: write more of the name" in shown(drawn(inventory, journal, people))


def test_who_may_be_meant(inventory: Inventory, journal: Journal) -> None:
    """Each has a link to that story; ids, names and devices of any letters stay what they are."""
    people = (Person("10 01&day=x", (HOSTILE,), (HOSTILE, "back")), Person(HOSTILE))
    part = drawn(inventory, journal, Search("rahim", "2026-11-22", problem="2 people fit.", people=people))
    assert 'href="explain?user=10%2001%26day%3Dx&amp;day=2026-11-22#search"' in part
    links = re.findall(r'href="([^"]*)"', part)
    assert len(links) == 2
    assert all(re.fullmatch(r"explain\?user=[\w%.~/-]+&amp;day=2026-11-22#search", link) for link in links)
    assert "<script" not in part
    assert "\u202e" not in part
    assert "10 01&day=x" in shown(part)
