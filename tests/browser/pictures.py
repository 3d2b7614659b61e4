"""Pictures of the status page for the documents, as PNG: at a desk and on a phone, by day and by night.

The page is that of an office with everything; addresses of this machine stand on it as those of an office.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from PIL import Image

from tests.browser.chromium import Browser, chromium
from tests.browser.office import office

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.browser.chromium import Page, Scheme

LARGEST: Final = 150_000
"""Bytes of a picture: a document with all of them is still loaded over a slow line."""
_COLOURS: Final = 200
"""The page has a dozen, and letters have soft edges; of fewer, small signs lose theirs."""
_SHOWN: Final = (
    ("http://127.0.0.1:9/v1", "https://hr.example.com/v1"),
    ("http://127.0.0.1:9", "https://hr.example.com"),
    ("127.0.0.1:4373", "192.168.1.203:4370"),
)


@dataclass(frozen=True, slots=True)
class PagePicture:
    """The top of the page in a window of that size, in CSS pixels."""

    name: str
    width: int
    height: int
    scheme: Scheme


PAGES: Final = (
    PagePicture("status-page-light", 1280, 1850, "light"),
    PagePicture("status-page-dark", 1280, 1850, "dark"),
    PagePicture("status-page-phone-light", 390, 2000, "light"),
    PagePicture("status-page-phone-dark", 390, 2000, "dark"),
)


def draw(folder: Path, names: Collection[str] = ()) -> Iterator[Path]:
    """Draw the pictures of these names, all without any; yield their paths. None where no Chromium is."""
    program, wanted = chromium(), [one for one in PAGES if not names or one.name in names]
    if program is None or not wanted:
        return
    with TemporaryDirectory() as name:
        place, home = Path(name, "office"), Path(name, "home")
        place.mkdir()
        home.mkdir()
        made = office(place)
        html = made.page()
        for ours, shown in _SHOWN:
            html = html.replace(ours, shown)
        (place / "zkpoll.html").write_text(html, "utf-8")
        browser = Browser(program, home)
        try:
            for one in wanted:
                with browser.page(one.width, one.scheme, one.height) as page:
                    page.ask("Emulation.setScrollbarsHidden", hidden=True)
                    page.open(made.address)
                    path = folder / f"{one.name}.png"
                    path.write_bytes(_packed(page))
                    yield path
        finally:
            browser.close()


def _packed(page: Page) -> bytes:
    """Return what is seen of a page, in few colours."""
    image = Image.open(io.BytesIO(page.picture(whole=False))).convert("RGB")
    found = io.BytesIO()
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
    return found.getvalue()
