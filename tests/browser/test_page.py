"""The status page as a person has it before them: on a phone and at a desk, by day and by night, on paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.checks import faults, overflowing
from tests.browser.office import estate, office

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.chromium import Browser, Page, Scheme
    from tests.browser.office import Place

WIDTHS: Final = (390, 768, 1280)
"""CSS pixels: a phone, a tablet, a desk."""
A4: Final = 718
"""CSS pixels that a sheet of paper is wide, without its margins."""
MARK: Final = """<zk-mark x="1'2"><script>alert(1)</script><img src=x onerror=alert(2)>"""
_MADE: Final = """
[...document.querySelectorAll("zk-mark, script, img, iframe, object, embed, base")].map(one => one.outerHTML)
    .concat([...document.querySelectorAll("*")].flatMap(one => one.getAttributeNames()
        .filter(name => name.startsWith("on") || name === "x'" || /[<"']/.test(name))))
"""
"""What markup in a text would have made: elements that the page has none of, and attributes."""

_BROKEN: Final = """
[...document.querySelectorAll("tbody th")].map(one => one.firstChild).filter(one => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return !/[- ]/.test(one.textContent) && range.getClientRects().length > 1;
}).map(one => one.textContent)
"""
"""Names of one word that stand in more than one line."""
_STEPS: Final = """
[...new Set(
    [...document.querySelectorAll("svg.bars")].map(one => Math.round(one.getScreenCTM().a * 200) / 100)
)]
"""
"""How wide a bar of two units is drawn with its gap, in CSS pixels."""
_FOCUSED: Final = """
(() => {
    const one = document.activeElement;
    const top = one.getBoundingClientRect().top + scrollY;
    return [one.outerHTML.slice(0, 300) + top, getComputedStyle(one).outlineStyle];
})()
"""
"""What has the focus, and where, and how that is drawn."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give an office with everything, as its page stands in a file."""
    made = office(tmp_path_factory.mktemp("office"))
    made.write()
    return made


@pytest.fixture(scope="module")
def plants(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give 2,000 terminals at 40 sites, as their page stands in a file."""
    made = estate(tmp_path_factory.mktemp("plants"), 2_000)
    made.write()
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_file_has_no_fault(browser: Browser, axe: str, place: Place, width: int, scheme: Scheme) -> None:
    """At every width, by day and night, it asks for nothing, overflows nowhere, and all can read it."""
    with browser.page(width, scheme) as page:
        page.open(place.address)
        assert faults(page, axe) == []
        assert page.requests[:1] == [place.address]
        assert "need you" in page.text


def test_no_width_is_too_narrow(browser: Browser, place: Place) -> None:
    """From the smallest phone to a desk nothing overflows at any width, nor are short names broken."""
    with browser.page(1280) as page:
        page.open(place.address)
        for width in (*range(320, 1320, 40), 1001):
            page.resize(width)
            assert list(overflowing(page)) == [], width
            assert page.js(_BROKEN) == [], width


def test_bars_stand_between_their_gaps(browser: Browser, place: Place) -> None:
    """A bar with its gap is five pixels wide at every width, as the gaps are."""
    with browser.page(1280) as page:
        page.open(place.address)
        for width in (320, 390, 768, 1001, 1280):
            page.resize(width)
            assert page.js(_STEPS) == [5.0], width


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("terminals", [200, 220])
def test_many_terminals_have_no_fault(
    browser: Browser, axe: str, tmp_path: Path, width: int, terminals: int
) -> None:
    """Nor has the page of 200 terminals, in one table, and that of more, with all sites opened."""
    many = estate(tmp_path, terminals, sites=12)
    many.write()
    with browser.page(width) as page:
        page.open(many.address)
        sites = page.js(
            "document.querySelectorAll('details').forEach(one => one.open = true),"
            " document.querySelectorAll('details').length"
        )
        page.settle()
        assert faults(page, axe) == []
    assert sites == (12 if terminals > 200 else 0)


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS)
def test_thousands_of_terminals_overflow_nowhere(browser: Browser, plants: Place, width: int) -> None:
    """Nor does anything overflow on the page of 2,000 terminals, and it says nothing and asks for nothing."""
    with browser.page(width) as page:
        page.open(plants.address)
        assert faults(page) == []


def test_the_keyboard_leads_to_all_of_it(browser: Browser, place: Place) -> None:
    """The first Tab shows a way past the top, Enter goes it, and each stop shows where it is."""
    with browser.page() as page:
        page.open(place.address)
        page.press("Tab")
        first = page.js("document.activeElement.getBoundingClientRect().toJSON()")
        target = page.js("document.activeElement.hash")
        assert (first["left"] >= 0, first["top"] >= 0, bool(target)) == (True, True, True)
        page.press("Enter")
        assert page.js("location.hash") == target
        assert page.js(f"document.querySelector({target!r}).getBoundingClientRect().top") < 900
        assert without_outline(page) == []


def test_many_terminals_open_by_keyboard(browser: Browser, plants: Place) -> None:
    """Sites with a trouble stand open and in front; another one opens with Enter, and closes."""
    with browser.page() as page:
        page.open(plants.address)
        sites = page.js("[...document.querySelectorAll('details')].map(one => one.open)")
        assert len(sites) == 40
        assert sites == sorted(sites, reverse=True)
        assert 0 < sum(sites) < 40
        closed = "document.querySelectorAll('details')[39]"
        stops = tab_to(page, f"{closed}.querySelector('summary')")
        assert stops
        shown = f"{closed}.querySelector('tbody tr').checkVisibility()"
        before = page.js(shown)
        page.press("Enter")
        page.settle()
        assert (before, page.js(f"{closed}.open"), page.js(shown)) == (False, True, True)
        page.press("Enter")
        assert page.js(f"{closed}.open") is False


def test_markup_stays_text(browser: Browser, tmp_path: Path) -> None:
    """Markup in what terminals, dashboards, databases, workers and the inventory say makes nothing."""
    place = office(tmp_path, MARK)
    place.write()
    with browser.page(390) as page:
        page.open(place.address)
        assert page.js(_MADE) == []
        assert faults(page) == []
        text = page.js("document.body.textContent")
    for said in (
        *("answers 503 Service Unavailable", "no answer from", "no such employee", "30 February"),
        *("another terminal", "tells no capacity", "/mnt/zk/", "no person", "ago by worker-1"),
    ):
        assert re.search(f"{said}[^<>]*{re.escape(MARK)}", text), said


def test_markup_that_makes_something_is_seen(browser: Browser, tmp_path: Path) -> None:
    """The same markup in a page that does not escape it makes elements and attributes."""
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><title>x</title><p title='{MARK}'>{MARK}</p>", "utf-8")
    with browser.page(390) as page:
        page.open(path.as_uri())
        made = page.js(_MADE)
    assert {one[:4] for one in made} >= {"<zk-", "<scr", "<img", "oner"}


def test_on_paper(browser: Browser, place: Place) -> None:
    """Printed, it is dark on white also where the screen is dark, and fits the sheet."""
    with browser.page(A4, "dark") as page:
        page.open(place.address)
        page.show("dark", "print")
        page.settle()
        assert list(overflowing(page)) == []
        colours = page.js(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        paper, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
        assert (paper, ink < 200) == (3 * 255, True)
        assert page.printed().startswith(b"%PDF")


def tab_to(page: Page, element: str, most: int = 300) -> int:
    """Press Tab until an element has the focus; return how often, 0 where it never has."""
    for count in range(1, most):
        page.press("Tab")
        if page.js(f"document.activeElement === {element}"):
            return count
    return 0


def without_outline(page: Page) -> list[str]:
    """Press Tab through all of a page, and return what had the focus and did not show it."""
    page.js("document.activeElement.blur(), scrollTo(0, 0), 0")
    found: list[str] = []
    seen: set[str] = set()
    for _ in range(500):
        page.press("Tab")
        told, outline = page.js(_FOCUSED)
        if told in seen or told.startswith("<body"):
            break
        seen.add(told)
        found += [told] if outline == "none" else []
    return found
