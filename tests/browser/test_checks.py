"""The checks find what they are there to find, and nothing on a page that has no fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.checks import faults
from tests.browser.chromium import BrowserError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.chromium import Browser

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{background:#fff;color:#111}}@media(prefers-color-scheme:dark){{body{{background:#111;color:#eee}}}}
@media print{{.screen{{display:none}}}}{style}</style></head>
<body><main><h1>A page</h1>{body}</main></body></html>"""
_WIDE = "<p>" + "<b>wide</b>" * 300 + "</p>"


def written(folder: Path, body: str = "<p>Nothing is wrong with it.</p>", style: str = "") -> str:
    """Write a page, and return its address."""
    path = folder / "page.html"
    path.write_text(_PAGE.format(body=body, style=style), "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_a_page_without_faults(browser: Browser, axe: str, tmp_path: Path, width: int) -> None:
    """A plain page has no fault at any width, and what may be scrolled may be wide."""
    table = f"<div tabindex='0' role='region' aria-label='wide' class='roll'>{_WIDE}</div>"
    with browser.page(width) as page:
        page.open(written(tmp_path, table, ".roll{overflow-x:auto;white-space:nowrap}"))
        assert faults(page, axe) == []
        assert page.requests == [page.js("location.href")]


@pytest.mark.parametrize(
    ("body", "style", "found"),
    [
        ("<img src='http://127.0.0.1:9/x.png' alt='x'>", "", "it asks for http://127.0.0.1:9/x.png"),
        ("<img src='//zkpoll.invalid/x.png' alt='x'>", "", "it asks for file://zkpoll.invalid/x.png"),
        ("<link rel='stylesheet' href='other.css'>", "", "it asks for file:///"),
        ("<script>console.log('a word')</script>", "", "the console says"),
        ("<script>oops(</script>", "", "the console says"),
        ("<img src='x.png' alt='x' onerror='alert(1)'>", "", "the console says"),
        (_WIDE, "p{white-space:nowrap}", "the page is"),
        (_WIDE, "p{white-space:nowrap}b{display:inline-block}", "it ends at"),
        (_WIDE, "p{white-space:nowrap;overflow:hidden}", "something in it is cut off"),
        ("<p class='dim'>some words</p>", ".dim{color:#ccc}", "color-contrast"),
        ("<img alt src='data:,'><a href='#'></a>", "", "link-name"),
        ("<input>", "", "label"),
        ("<h4>Too deep</h4>", "", "heading-order"),
        (
            "<p><a href='#a' class='s'>a</a><br><a href='#b' class='s'>b</a></p>",
            ".s{font:6px/7px serif}",
            "target-size",
        ),
    ],
)
def test_each_fault_is_found(
    browser: Browser, axe: str, tmp_path: Path, body: str, style: str, found: str
) -> None:
    """A page with one fault is found to have it."""
    with browser.page(390) as page:
        page.open(written(tmp_path, body, style))
        told = faults(page, axe)
    assert [one for one in told if one.startswith(found)], told


def test_a_fault_in_the_dark(browser: Browser, axe: str, tmp_path: Path) -> None:
    """What can only be read by day is found by night."""
    address = written(tmp_path, "<p class='ink'>some words</p>", ".ink{color:#333}")
    for scheme, expected in (("light", False), ("dark", True)):
        with browser.page(390, scheme) as page:  # type: ignore[arg-type]
            page.open(address)
            assert any("color-contrast" in one for one in faults(page, axe)) is expected


def test_rules_of_a_page_do_not_hold_for_axe(browser: Browser, axe: str, tmp_path: Path) -> None:
    """Axe runs on a page that forbids all scripts, and a script of that page does not."""
    strict = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    body = "<input><script>document.title = 'it ran'</script>"
    path = tmp_path / "page.html"
    path.write_text(_PAGE.format(body=body, style="").replace("<head>", f"<head>{strict}"), "utf-8")
    with browser.page() as page:
        page.open(path.as_uri())
        found = faults(page, axe)
        assert page.js("document.title") == "A page"
    assert [one for one in found if one.startswith("label")]
    assert [one for one in found if "Content Security Policy" in one]


def test_pages_know_nothing_of_each_other(browser: Browser, tmp_path: Path) -> None:
    """What one page was told is not heard on the next, and what printing hides is hidden then."""
    with browser.page() as page:
        page.open(written(tmp_path, "<script>console.log(1)</script><p class='screen'>on screen</p>"))
        assert page.messages
        assert "on screen" in page.text
        page.show(media="print")
        assert "on screen" not in page.text
        assert page.printed().startswith(b"%PDF")
    with browser.page() as page:
        page.open(written(tmp_path))
        assert (page.messages, len(page.requests)) == ([], 1)
        assert page.picture().startswith(b"\x89PNG")


def test_what_cannot_be_done_is_told(browser: Browser, tmp_path: Path) -> None:
    """An address where nothing is, and a wrong expression, are errors."""
    with browser.page() as page:
        with pytest.raises(BrowserError, match="ERR_FILE_NOT_FOUND"):
            page.open((tmp_path / "none.html").as_uri())
        with pytest.raises(BrowserError, match="oops is not defined"):
            page.js("oops")
