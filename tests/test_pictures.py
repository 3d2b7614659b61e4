"""The pictures in the documents show what the commands print."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING
from uuid import NAMESPACE_DNS, uuid5
from xml.etree import ElementTree as ET

import pytest

from tests.browser.chromium import chromium
from tests.browser.pictures import LARGEST, PAGES, draw
from tests.pictures import FOLDER, PICTURES, ROOT, Picture, drawn, run, seen, steady

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.pictures import PagePicture

WORDS = {
    "sync": ["front-door ok", "warehouse failed", "office ok", "payroll look 1 punch is parked", "2 of 3"],
    "devices-ping": [
        "front-door ok CQZ7224760045, 600 of 5,000 records",
        *("warehouse failed key", "key failed", "192.168.1.202:4370", "Comm Key", "office ok"),
        "2 of 3 well: warehouse not",
    ],
    "status": [
        "2 things need you; last run",
        "639 of 640 punches confirmed",
        "dashboard payroll: 1 punch is parked",
        "front-door",
        "warehouse never, TOO LONG",
        "payroll 639 0 1 0",
    ],
    "outbox-list": ["payroll, parked since 2026-11-22", "unknown employee", "front-door, user 1001"],
    "dashboards-ping": ["payroll ok answer 200 to an empty batch, credentials accepted"],
}
SVG = "{http://www.w3.org/2000/svg}"


def words(path: Path) -> str:
    """Return what is written in the picture at `path`, line by line, with one space between words."""
    lines: dict[float, str] = {}
    for text in ET.parse(path).iter(f"{SVG}text"):  # noqa: S314  # our own file
        height = float(text.get("y", 0))
        lines[height] = f"{lines.get(height, '')} {text.text}"
    return "\n".join(" ".join(lines[height].split()) for height in sorted(lines))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_each_picture_is_there_and_says_what_it_must(picture: Picture) -> None:
    """Each picture is well-formed, shows its command, and holds the words it was made for."""
    shown = words(FOLDER / f"{picture.name}.svg")
    assert f"$ zkpoll {picture.command}" in shown
    assert not [wanted for wanted in WORDS[picture.name] if wanted not in shown]


def test_there_are_no_other_pictures() -> None:
    """The folder holds the pictures that can be made again, and nothing else."""
    drawn_by_browser = {f"{picture.name}.png" for picture in PAGES}
    assert {path.name for path in FOLDER.iterdir()} == {
        *(f"{picture.name}.svg" for picture in PICTURES),
        *drawn_by_browser,
    }


@pytest.mark.parametrize("picture", PAGES, ids=lambda picture: picture.name)
def test_a_picture_of_the_page_is_small_and_shown(picture: PagePicture) -> None:
    """A picture from the browser has its width, is small, and stands in the page's document."""
    content = (FOLDER / f"{picture.name}.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height, len(content) <= LARGEST) == (picture.width, picture.height, True)
    assert f"pictures/{picture.name}.png" in (ROOT / "docs" / "status-page.md").read_text("utf-8")


@pytest.mark.long
def test_a_picture_of_the_page_can_be_drawn_anew(tmp_path: Path) -> None:
    """The browser draws the page as large as the picture in the documents; its letters may differ."""
    if chromium() is None:
        pytest.skip("there is no Chromium: apt install chromium")
    (path,) = draw(tmp_path, ["status-page-phone-dark"])
    (picture,) = (one for one in PAGES if one.name == path.stem)
    content = path.read_bytes()
    assert struct.unpack(">II", content[16:24]) == (picture.width, picture.height)
    assert len(content) <= LARGEST


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_fetches_nothing_and_tells_nothing_of_its_maker(picture: Picture) -> None:
    """A picture refers to nothing but its own parts, and shows no address of the machine it was made on."""
    content = (FOLDER / f"{picture.name}.svg").read_text("utf-8")
    references = re.findall(r"url\((.*?)\)|href=|src:|@import", content)
    assert all(reference.startswith("#") for reference in references)
    assert not re.search(r"\b127\.", content)


def test_the_parked_punch_has_the_id_it_would_have() -> None:
    """The id in a picture follows from the terminal, the user and the time next to it."""
    shown = words(FOLDER / "outbox-list.svg")
    (moment,) = re.findall(r"(\d{4}-\d\d-\d\dT[\d:]{8})\+00:00", shown)
    identity = uuid5(uuid5(NAMESPACE_DNS, "zkpoll"), f"CQZ7224760045\n1001\n{moment}")
    assert str(identity) in shown


def test_a_picture_made_now_says_the_same(tmp_path: Path) -> None:
    """The command that makes pictures makes one, whose words are those in the documents."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.pictures", "--into", str(tmp_path), "sync"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    path = tmp_path / "sync.svg"
    assert made.stdout == f"{path}\n"
    assert words(path) == words(FOLDER / "sync.svg"), "it has changed: `make pictures`, and look at them"


def test_every_document_shows_pictures_that_are_there() -> None:
    """Every picture that a document shows is there, with words for those who cannot see it."""
    shown = [
        (document.parent / target, words_instead)
        for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for words_instead, target in re.findall(
            r"!\[(.*?)\]\(([^)]*pictures/[^)]*)\)", document.read_text("utf-8")
        )
    ]
    assert {path.name for path, _ in shown} >= {"sync.svg", "devices-ping.svg"}
    assert all(path.is_file() and words_instead for path, words_instead in shown)


def test_what_a_progress_bar_wrote_is_gone() -> None:
    """Of a progress bar nothing is left: a picture shows the screen, not all that ever was on it."""
    bar = "\x1b[?25lsyncing 1/3\r\x1b[2Ksyncing 2/3\n\r\x1b[2K\x1b[1A\x1b[2K\x1b[?25h"
    assert seen(f"{bar}front-door  \x1b[32mok\x1b[0m\r\n") == "front-door  \x1b[32mok\x1b[0m"


def test_a_screen_that_cannot_be_followed_is_no_picture() -> None:
    """A cursor movement that is not understood ends the making, instead of spoiling the picture."""
    with pytest.raises(ValueError, match="unknown to a picture"):
        seen("front-door\x1b[10;20Hok")


def test_the_same_screen_is_the_same_picture() -> None:
    """What is drawn depends on the screen and the command alone."""
    picture = Picture("sync")
    assert drawn(picture, "front-door  ok") == drawn(picture, "front-door  ok")


def test_only_what_varies_is_replaced() -> None:
    """Addresses, durations and drifts get one form, in which no column moves; numbers of punches stay."""
    screen = "office  ok  40 new of 1,040 records, clock -1 s, 1.7 s\nname  ok  0.015 s  127.133.1.203   "
    assert steady(screen).splitlines() == [
        "office  ok  40 new of 1,040 records, clock +2 s, 0.4 s",
        "name  ok  0.002 s  192.168.1.203",
    ]


def test_a_command_that_fails_makes_no_picture(tmp_path: Path) -> None:
    """A command that ends otherwise than it should is an error, with what it said."""
    (tmp_path / "devices.yaml").write_text("devices: 7\n")
    with pytest.raises(RuntimeError, match=r"ended with 78: (.|\n)*devices\.yaml"):
        run("sync", tmp_path)
