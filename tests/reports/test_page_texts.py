"""Texts that terminals, dashboards, databases and the inventory have stay texts on the page."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

import pytest

from tests.reports.plant import plant
from zkpoll.journal.quarantine import Impossible, SetAside
from zkpoll.reports.page.html import page
from zkpoll.reports.page.search import Search
from zkpoll.reports.page.view import NeedRow, page_view
from zkpoll.reports.verdict import Need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.reports.page.view import PageView

HOSTILE: Final = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style></title></textarea><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp;amp;",
    "`zkpoll outbox discard --all`",
    "\u202egate\u202c \u2066x\u2069 \u200f",
    "a\x00b\x1b[31mc\x07\r\n\u2028d\ud800",
    "z" * 10_000,
    "🏭 ফটক بوابة",
]
TAGS: Final = frozenset(
    (
        *("html", "head", "meta", "link", "title", "style", "body", "header", "main", "footer", "section"),
        *(
            "a",
            "h1",
            "h2",
            "h3",
            "p",
            "ul",
            "ol",
            "li",
            "br",
            "b",
            "bdi",
            "small",
            "code",
            "i",
            "span",
            "time",
            "div",
        ),
        *("dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "path"),
        *("details", "summary", "form", "label", "input", "button"),
    )
)
"""All elements that the page has."""


class Reader(HTMLParser):
    """Collects the elements and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words += data


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageView]:
    """Give the factory's view."""
    folder: Path = tmp_path_factory.mktemp("plant")
    made = plant(folder)
    with made.journal:
        yield page_view(made.inventory, made.journal, made.now)


def with_text(view: PageView, text: str) -> PageView:
    """Return a view in which every text that comes from outside is this one."""
    needs = tuple(
        NeedRow(Need(f"{what}{text}", text, text), f"zkpoll devices ping {text}")
        for what in ("device ", "dashboard ", "")
    )
    device = view.devices[0]
    standing = replace(device.status.standing, name=text, serial_number=text, stranger=text)
    status = replace(device.status, standing=standing, told=text)
    dashboard, database = view.dashboards[0], view.databases[0]
    owed = replace(dashboard.status, standing=replace(dashboard.status.standing, name=text, halted=text))
    return replace(
        view,
        verdict=f"{text}; {text}",
        needs=needs,
        devices=(replace(device, status=status, site=text, needs=(needs[0].need,)),),
        databases=(
            replace(
                database,
                status=replace(database.status, name=text, address=text, kind=text),
                site=text,
                needs=(needs[2].need,),
            ),
        ),
        dashboards=(replace(dashboard, status=owed, address=text),) * 2,
        parked=tuple(
            replace(one, user_id=text, device=text, reason=text, dashboard=text) for one in view.parked
        ),
        quarantine=(Impossible(text, text, b"", text, view.now.isoformat(), None),),
        set_aside=(
            SetAside(text, text, text, text, "no person", text, view.now.isoformat(), None),
            SetAside(None, text, text, text, "no person", "", view.now.isoformat(), None),
        ),
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("by_site", [False, True])
def test_stays_text(view: PageView, text: str, by_site: bool) -> None:
    """No text makes an element, an attribute, another direction or a long page; what it says can be read."""
    hostile = with_text(view, text)
    if by_site:
        hostile = replace(hostile, devices=hostile.devices * 201)
    for made in (page(hostile), page(hostile, Search(text, text, None, text))):
        found = Reader(made)
        assert found.tags <= TAGS
        assert not {name for name in found.attributes if name.startswith("on") or name == "style"}
        assert not re.search("[\x00-\x09\x0b-\x1f\u061c\u200e\u200f\u2028\u202a-\u202e\u2066-\u2069]", made)
        made.encode()
        assert len(made) < (400_000 if by_site else 70_000)
    if text.isprintable() and len(text) < 100:
        assert found.words.count(text) > 10


def test_commands_are_not_taken_from_sentences(view: PageView) -> None:
    """What a dashboard calls a command is a part of its sentence, and no command that helps."""
    text = "`zkpoll outbox discard --all`"
    assert view.needs
    assert not any(row.command and "discard" in row.command for row in view.needs)
    made = page(replace(view, needs=(NeedRow(Need("dashboard main", "refused", text), None),)))
    assert f'<code class="command">{text[1:-1]}' not in made
