"""The status page as `zkpoll serve` shows it, with its search, in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import pytest

from tests.browser.checks import faults
from tests.browser.office import PERSON, office
from tests.serve.serving import serving
from tests.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.chromium import Browser, Page, Scheme
    from tests.browser.office import Place

_ADDRESS: Final = re.compile(r"the status page is at (http://\S+/)")
MARK: Final = """<zk-mark x="1'2"><script>alert(1)</script>"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give an office with everything, markup in every text, whose inventory says where the live page is."""
    made = office(tmp_path_factory.mktemp("office"), MARK)
    said = made.inventory.read_text("utf-8")
    made.inventory.write_text(f"admin: {{address: '127.0.0.1:0'}}\n{said}", "utf-8")
    return made


@pytest.fixture(scope="module")
def address(place: Place) -> Iterator[str]:
    """Give the address of the page of a running `zkpoll serve`."""
    with serving(Site(place.folder), "--verbose") as running:
        (found,) = _ADDRESS.findall(running.before)
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_live_page_has_no_fault(
    browser: Browser, axe: str, address: str, width: int, scheme: Scheme
) -> None:
    """At every width, by day and night, neither the page nor a story on it has a fault."""
    with browser.page(width, scheme) as page:
        page.open(address)
        assert faults(page, axe) == []
        page.open(f"{address}explain?user={PERSON}")
        assert PERSON in page.text
        assert faults(page, axe) == []
        assert page.statuses == [200, 200]


def test_the_search_needs_no_mouse(browser: Browser, address: str) -> None:
    """Tab leads from the top to the search; a user id and Enter show where that person's punches are."""
    with browser.page() as page:
        page.open(address)
        stops = tab_to_field(page, "user")
        assert stops
        page.type(PERSON)
        with page.loading():
            page.press("Enter")
        assert page.js("location.search").startswith(f"?user={PERSON}&day=")
        assert "gate-a" in page.text
        assert page.js("document.querySelector('input[name=user]').value") == PERSON
        story = page.js("document.querySelector('#search').innerText")
        assert f"{PERSON} on " in story
        assert tab_to_field(page, "user"), "and from there to the next one"
        assert list(faults(page)) == []


def test_what_is_typed_stays_text(browser: Browser, address: str) -> None:
    """Markup in the search, typed or in a link that somebody sends, is shown and makes nothing."""
    with browser.page(390) as page:
        page.open(address)
        assert tab_to_field(page, "user")
        page.type(MARK)
        with page.loading():
            page.press("Enter")
        assert page.js("document.querySelector('input[name=user]').value") == MARK
        assert page.js("document.querySelectorAll('zk-mark, script').length") == 0
        assert faults(page) == []


def test_what_a_terminal_says_stays_text_in_a_story(browser: Browser, address: str) -> None:
    """So does markup in the user id of a punch, in its story and wherever else it stands."""
    with browser.page(390) as page:
        page.open(f"{address}explain?{urlencode({'user': f'7{MARK}'})}")
        assert f"7{MARK} on " in page.js("document.querySelector('#search').textContent")
        assert page.js("document.querySelectorAll('zk-mark, script').length") == 0
        assert faults(page) == []


def tab_to_field(page: Page, name: str, most: int = 300) -> int:
    """Press Tab until a field has the focus; return how often, 0 where it never has."""
    for count in range(1, most):
        page.press("Tab")
        if page.js("document.activeElement.name || ''") == name:
            return count
    return 0
