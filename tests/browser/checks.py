"""What is wrong with a page that stands in a browser, a line a fault; nothing is what we want to see."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.chromium import Page

_ROOT: Final = Path(__file__).parents[2]
_AXE: Final = ".venv/node_modules/axe-core/axe.min.js"
"""Where `.ci/run` has npm put it; `ZKPOLL_TEST_AXE` names another place."""

_RUN_AXE: Final = """
axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}).then(found =>
    found.violations
        .flatMap(rule => rule.nodes.map(node => `${rule.id}: ${rule.help}: ${node.html.slice(0, 160)}`))
        .concat(found.passes.length ? [] : ["axe found nothing to look at"]))
"""
"""Every rule that axe has switched on, good practice with it; and that a finger finds what it is to touch."""

_OVERFLOW: Final = """
(() => {
    const root = document.documentElement, found = [];
    const told = element => element.outerHTML.slice(0, 120);
    if (root.scrollWidth > root.clientWidth)
        found.push(`the page is ${root.scrollWidth} px wide in ${root.clientWidth}`);
    const hidden = element => {  // for the eye: a pixel, or nothing, or beside the screen
        const box = element.getBoundingClientRect();
        return box.width <= 1 || box.height <= 1 || box.right <= 0;
    };
    const scrolled = element => {
        for (let one = element.parentElement; one && one !== document.body; one = one.parentElement)
            if (["auto", "scroll"].includes(getComputedStyle(one).overflowX)) return true;
        return false;
    };
    for (const element of document.body.querySelectorAll("*")) {
        if (hidden(element) || element.ownerSVGElement) continue;
        const style = getComputedStyle(element), box = element.getBoundingClientRect();
        if (box.right > root.clientWidth + 0.5 && !scrolled(element))
            found.push(`it ends at ${box.right} px of ${root.clientWidth}: ${told(element)}`);
        if (element.matches("input, textarea")) continue;  // which scroll what is typed
        if (["hidden", "clip"].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1)
            found.push(`something in it is cut off: ${told(element)}`);
    }
    return found;
})()
"""


def axe_script() -> str | None:
    """Return the program axe-core, or None where this machine has none."""
    path = Path(os.environ.get("ZKPOLL_TEST_AXE") or _ROOT / _AXE)
    return path.read_text("utf-8") if path.is_file() else None


def faults(page: Page, axe: str | None = None) -> list[str]:
    """Return all that is wrong with a page that was opened, by all of these checks; `axe` is its script."""
    return [*leaving(page), *said(page), *overflowing(page), *(inaccessible(page, axe) if axe else ())]


def leaving(page: Page) -> Iterator[str]:
    """Yield the requests that went elsewhere than to the page's own address, without its query.

    What stands in an address itself (`data:`), as the browser's own picture of a calendar does, goes nowhere.
    """
    own = str(page.js("location.href")).partition("?")[0].partition("#")[0]
    folder = own.rpartition("/")[0] + "/"
    for address in page.requests:
        path = address.partition("?")[0].partition("#")[0]
        typed = path.startswith(folder) and not path.startswith("file:")
        if path != own and not typed and not address.startswith("data:"):
            yield f"it asks for {address}"


def said(page: Page) -> Iterator[str]:
    """Yield what stands in the console."""
    return (f"the console says {message}" for message in page.messages)


def overflowing(page: Page) -> Iterator[str]:
    """Yield what is wider than the window, outside of what is there to be scrolled."""
    found: list[str] = page.js(_OVERFLOW)
    yield from found


def inaccessible(page: Page, axe: str) -> Iterator[str]:
    """Yield what axe finds."""
    page.js(f"window.axe ? 0 : (() => {{{axe}}})(), 0")
    found: Any = page.js(_RUN_AXE)
    yield from found
