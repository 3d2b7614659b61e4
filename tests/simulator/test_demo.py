"""`zkpoll demo`, as a stranger runs it first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.site import Site

pytestmark = pytest.mark.command


def test_both_doors_are_shown(site: Site) -> None:
    """Three terminals are read and a fourth pushes; all arrives, once, and it is told in few lines."""
    site.command = lambda *arguments: [*site.zkpoll, *arguments]  # type: ignore[method-assign]  # no --config
    shown = site.run("demo", "--folder", str(site.folder / "demo"))
    assert shown.code == 0, shown.out
    assert "The dashboard has 1,540 punches" in shown.out
    assert "gate calls it, as terminals do that push: 25 punches are answered OK." in shown.out
    assert re.search(r"Somebody punches at gate: \d+ ms later it is at the dashboard\.", shown.out)
    assert "The second run had nothing to send: 0 requests." in shown.out
    assert len(shown.out.splitlines()) < 25
