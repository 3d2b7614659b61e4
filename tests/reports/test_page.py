"""The page: what it shows is what `status` says and what the journal holds."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.journal.helpers import connection, odd, piece, punch, visit
from tests.journal.stores import InPostgres, InSqlite
from tests.reports.plant import GUARD, plant
from zkpoll.inventory import load
from zkpoll.journal.balance import balance
from zkpoll.journal.course import note_courses
from zkpoll.journal.day_counts import count_once_a_day
from zkpoll.journal.opening import open_empty
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.reports.explain import explain
from zkpoll.reports.page.bars import Bars, by_day, together
from zkpoll.reports.page.drawing import bars_drawn
from zkpoll.reports.page.html import page, policy
from zkpoll.reports.page.search import Search
from zkpoll.reports.page.signs import state_of
from zkpoll.reports.page.view import DeviceRow, page_view
from zkpoll.reports.people import Person
from zkpoll.reports.status import status
from zkpoll.reports.verdict import Need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.reports.plant import Plant
    from zkpoll.inventory import Inventory
    from zkpoll.reports.page.view import PageView

NOW: Final = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.fixture
def factory(tmp_path: Path) -> Iterator[Plant]:
    """Give the factory."""
    made = plant(tmp_path)
    with made.journal:
        yield made


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Give an inventory of a device and a dashboard."""
    path = tmp_path / "devices.yaml"
    path.write_text(
        "dashboard: {name: main, url: 'http://127.0.0.1:9/'}\n"
        "journal: journal.db\n"
        "defaults: {timezone: Asia/Dhaka}\n"
        "devices:\n"
        "  - {name: front-door, host: 127.0.0.1}\n"
    )
    return load(path, {})


def shown(text: str) -> str:
    """Return what a person reads of a page, in one line."""
    body = text[text.index("<body") :]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_numbers_are_those_of_status_and_of_the_journal(factory: Plant) -> None:
    """Each number of the page, of `status --json` and of the journal is the same."""
    view = page_view(factory.inventory, factory.journal, factory.now)
    document = status(factory.inventory, factory.journal, factory.now).document()
    assert view.screen.document() == document
    text = shown(page(view))
    assert view.verdict == document["verdict"]
    assert all(part in text for part in document["verdict"].split("; "))
    for need, listed in zip(document["needs"], view.needs, strict=True):
        assert (listed.need.subject, listed.need.text) == (need["subject"], need["text"])
        assert f"{need['subject']} {need['text']}" in text
    numbers: dict[str, int] = dict(factory.journal.all("destinations"))
    for one, row in zip(document["dashboards"], view.dashboards, strict=True):
        counts = balance(factory.journal, numbers[one["name"]])
        assert row.counts == counts
        assert counts.difference == 0
        assert (counts.confirmed, counts.pending) == (one["confirmed"], one["pending"])
        assert (counts.parked, counts.held) == (one["parked"], one["held"])
    db = connection(factory.journal)
    states = dict(db.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall())
    assert f"Waiting to be sent {states['pending']:,} " in text
    assert view.parked_in_all == len(view.parked) == states["parked"] == 3
    assert f"Every punch accounted for {sum(states.values()):,} {states['confirmed']:,} confirmed" in text


def test_bars_are_the_journals_punches(factory: Plant) -> None:
    """The bars of a terminal have all its punches of 28 days and today, by the day its clock showed."""
    view = page_view(factory.inventory, factory.journal, factory.now)
    db = connection(factory.journal)
    for row in view.devices:
        days = db.execute(
            "SELECT count(*) FROM punch JOIN device ON device.id = punch.device"
            " WHERE device.name = ? GROUP BY substr(timestamp, 1, 10) ORDER BY substr(timestamp, 1, 10)",
            [row.status.name],
        ).fetchall()
        assert sum(row.bars.counts) == sum(number for (number,) in days)
        assert [number for number in row.bars.counts if number] == [number for (number,) in days]
    today = factory.now.astimezone(view.zone).date().isoformat()
    one = "SELECT count(*) FROM punch WHERE substr(timestamp, 1, 10) = ? AND kinds <> 64"
    assert view.bars.last == db.execute(one, [today]).fetchone()[0]
    assert f"Punches today {view.bars.last:,} " in shown(page(view))
    (database,) = view.databases
    rows = db.execute("SELECT count(DISTINCT punch) FROM database_row").fetchone()[0]
    assert sum(database.bars.counts) == rows


def test_order(factory: Plant) -> None:
    """What is in trouble is first, those that are switched off last."""
    view = page_view(factory.inventory, factory.journal, factory.now)
    signs = [row.state.sign for row in view.devices]
    assert signs == ["bad", "warn", "warn", *["ok"] * 6, "off"]
    assert [row.state.word for row in view.devices][-2:] == ["calls us", "switched off"]
    text = page(view)
    places = [text.index(mark) for mark in ("What needs you", 'class="tiles"', 'id="terminals"')]
    places += [text.index(f'id="{name}"') for name in ("databases", "dashboards", "search", "parked")]
    assert places == sorted(places)
    assert [one.name for one in view.sites] == ["Chattogram", "Dhaka plant"]


def test_nothing_is_fetched(factory: Plant) -> None:
    """No script, no address, no style beside the one whose digest the policy names."""
    view = page_view(factory.inventory, factory.journal, factory.now)
    for text in (page(view), page(view, Search())):
        assert not re.search(r"<script|<img|<iframe|<object|@import|url\(|\sstyle=|\son\w+=", text)
        assert set(re.findall(r'(?:src|href)="?([^"> ]*)', text)) <= {
            *("", "data:,", "#terminals", "#parked"),
            *(f"#need-{number}" for number in range(1, 99)),
        }
        (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy()
        assert f'content="{policy()}"' in html.unescape(text)
    assert "secret" not in page(view)  # of the dashboards' addresses only the hosts


def test_form(factory: Plant) -> None:
    """A page that cannot be asked has no form, and says the command; one that can be has the form."""
    view = page_view(factory.inventory, factory.journal, factory.now)
    assert "<form" not in page(view)
    assert "zkpoll explain" in page(view)
    assert "<form" in page(view, Search())
    (user, timestamp) = connection(factory.journal).execute("SELECT user_id, timestamp FROM punch").fetchone()
    day = datetime.fromisoformat(timestamp).date()
    story = explain(factory.inventory, factory.journal, Person(user, ()), day, factory.now)
    assert timestamp[11:16] in shown(page(view, Search(user, day.isoformat(), story)))


def test_an_empty_journal(inventory: Inventory) -> None:
    """A journal without anything makes a page, too."""
    with open_empty() as journal:
        text = shown(page(page_view(inventory, journal, NOW)))
    assert "1 thing needs you" in text
    assert "Punches today 0 none in the last 28 days" in text
    assert "Terminals read 0 of 1 none yet, or too long ago" in text
    assert "zkpoll sync" in text


def test_many_terminals(factory: Plant) -> None:
    """More than 200 terminals are shown by site; 2,000 make less than a megabyte."""
    view = page_view(factory.inventory, factory.journal, factory.now)
    rows = [row for row in view.devices if not row.needs]

    def numbered(number: int) -> DeviceRow:
        row = rows[number % len(rows)]
        standing = replace(row.status.standing, name=f"terminal-{number:04}")
        return replace(row, status=replace(row.status, standing=standing), site=f"site {number % 40}")

    few = replace(view, devices=tuple(map(numbered, range(200))))
    assert "<details" not in page(few)
    trouble = replace(view.devices[0], site="site 7")
    many = replace(view, devices=(trouble, *map(numbered, range(2_000))))
    text = page(many)
    assert re.findall(r"<details( open)?>", text) == [" open", *[""] * 39]
    assert text.index("site 7</bdi>") < text.index("site 0</bdi>")
    assert len(text.encode()) < 1_000_000


def test_what_is_bounded(factory: Plant) -> None:
    """Lists that could have any length say how many more there are, and which command lists them."""
    view = page_view(factory.inventory, factory.journal, factory.now)
    standing = replace(view.dashboards[0].status.standing, parked=1_203)
    dashboard = replace(view.dashboards[0], status=replace(view.dashboards[0].status, standing=standing))
    text = shown(page(replace(view, dashboards=(dashboard,), quarantine_in_all=99, needs=view.needs * 40)))
    assert "and 1,200 more: zkpoll outbox list --parked" in text
    assert "and 98 more: zkpoll quarantine list" in text
    assert "and 140 more: zkpoll status --all" in text


def test_a_damaged_journal(factory: Plant) -> None:
    """A sum that does not come out is no number."""
    connection(factory.journal).execute("UPDATE destination SET confirmed = confirmed + 1 WHERE id = 1")
    text = shown(page(page_view(factory.inventory, factory.journal, factory.now)))
    assert "Every punch accounted for NO the journal is damaged" in text


def test_bars() -> None:
    """28 days and today; the outline has the last bar apart, and what is not zero is seen."""
    today = datetime(2026, 11, 22, tzinfo=UTC).date()
    some = by_day({today: 3, today - timedelta(days=7): 8, today - timedelta(days=29): 99}, today)
    assert (len(some.counts), some.last, some.most) == (29, 3, 8)
    assert (some.on_this_weekday, some.on_a_day) == (0, 8)
    assert together([some, some]).last == 6
    assert together([]).most == 0
    drawn = bars_drawn(Bars((1_000, 1, 0, 0, 500)), 'a "label"')
    assert '<path d="M0 10V0h2V9h2V10h4V10"/><path d="M8 10V5h2V10"/>' in drawn
    assert 'aria-label="a &#34;label&#34;"' in drawn


def test_signs() -> None:
    """A trouble that keeps punches from their way is a square, another one a triangle, in a word."""

    def need(kind: str) -> Need:
        return Need("device a", kind, "x")

    assert state_of([need("nearly full and clock")]) == state_of([need("nearly full"), need("clock")])
    assert state_of([need("nearly full and clock")]).word == "log nearly full, clock is off"
    assert state_of([need("3 parked")]).sign == "warn"
    assert state_of([need("it does not answer"), need("clock")]).sign == "bad"
    assert state_of([], enabled=False).sign == "off"


def test_guard(factory: Plant) -> None:
    """A terminal that pushes shows its call, and nothing of a log that nobody reads."""
    view = page_view(factory.inventory, factory.journal, factory.now)
    (row,) = (row for row in view.devices if row.status.name == "guard-house")
    assert row.log is None
    assert GUARD not in page(view)
    assert "guard-house Dhaka plant calls us called " in shown(page(view))


def test_json_of_it_all(factory: Plant) -> None:
    """What the view is made of can be told as JSON still."""
    view: PageView = page_view(factory.inventory, factory.journal, factory.now)
    assert json.loads(json.dumps(view.screen.document()))["attention"]


def test_on_a_server(inventory: Inventory) -> None:
    """A journal in PostgreSQL makes the same page as one in a file."""
    pages = []
    for place in (InSqlite(), InPostgres()):
        with place.open() as journal:
            for dashboard in inventory.dashboards:
                JournalOutbox(journal, dashboard.name)
            visit(journal).take(piece(punch("1", 1), punch("2", 2), odd(b"x")))
            note_courses(journal, NOW)
            count_once_a_day(journal, NOW)
            pages.append(shown(page(page_view(inventory, journal, NOW + timedelta(minutes=5)))))
        place.close()
    assert "Waiting to be sent 2 " in pages[0]
    assert re.sub(r"\d\d:\d\d|\d+ \w+ ago|AHEAD", "", pages[0]) == re.sub(
        r"\d\d:\d\d|\d+ \w+ ago|AHEAD", "", pages[1]
    )
