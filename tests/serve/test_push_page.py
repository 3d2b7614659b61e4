"""docs/push.md says what is so."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.serve.pages import DOCS, blocks
from tests.serve.serving import SERIAL, serving
from zkpoll.inventory import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site

INVENTORIES = blocks("push.md", "yaml")
REST = "dashboard: {url: 'https://dashboard.example.com', token: x}\njournal: journal.db\n"
"""What the page leaves out of an inventory after the first time."""


def test_its_inventories_are_found() -> None:
    """A change of the page's form does not leave these tests with nothing to do."""
    assert len(INVENTORIES) >= 6


@pytest.mark.parametrize("text", INVENTORIES)
def test_its_inventories_are_right(tmp_path: Path, text: str) -> None:
    """Each inventory on the page is one that `config check` takes, whole or beside a dashboard."""
    for name in ("token", "gate-path"):
        (tmp_path / name).write_text("0123456789abcdef\n")
    file = tmp_path / "devices.yaml"
    file.write_text(text if "dashboard:" in text else REST + text)
    env = {"ZKPOLL_TOKEN": "x", "GATE_PATH": "0123456789abcdef", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    inventory = load(file, env, strict=True)
    assert inventory.listen is not None
    assert [one.serial for one in inventory.pushing] == [SERIAL]


def test_the_first_inventory_serves(site: Site) -> None:
    """The first inventory of the page, at a free port, lets its terminal in, and nobody else."""
    text = INVENTORIES[0].replace("0.0.0.0:8081", "127.0.0.1:0")
    site.inventory.write_text(text)
    site.environment["ZKPOLL_TOKEN"] = "x"
    with serving(site, "--no-deliver") as door:
        assert door.ask(f"/iclock/getrequest?SN={SERIAL}").text == "OK"
        assert door.ask("/iclock/getrequest?SN=TEST").status == 403


def test_its_nftables_are_right(tmp_path: Path) -> None:
    """The page's rules are what nft understands, where it may look."""
    (text,) = blocks("push.md", "nft")
    file = tmp_path / "zkpoll.nft"
    file.write_text(text)
    nft = shutil.which("nft")
    if nft is None:
        pytest.skip("nft is not on this machine")
    checked = subprocess.run([nft, "-c", "-f", file], capture_output=True, text=True, check=False)
    if "Operation not permitted" in checked.stderr:
        pytest.skip("nft may not look at the kernel's tables here")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_its_links_lead_somewhere() -> None:
    """Each page, file and section that the page points to is there, and each of its own that others name."""
    page = (DOCS / "push.md").read_text("utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", page):
        file, _, section = target.partition("#")
        text = (DOCS / file).resolve().read_text("utf-8") if file else page
        assert not section or section in sections(text), target
    others = "".join(one.read_text("utf-8") for one in (*DOCS.glob("*.md"), DOCS.parent / "README.md"))
    named = set(re.findall(r"push\.md#([a-z-]+)", others))
    assert named
    assert named <= sections(page)


def sections(text: str) -> set[str]:
    """Return the sections of a page as links name them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
