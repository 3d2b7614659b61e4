"""`zkpoll demo`, as a stranger runs it first."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.site import Site


def test_both_doors_are_shown(site: Site) -> None:
    """Three terminals are read and a fourth pushes; all arrives, once, in few lines. What to try works."""
    site.command = lambda *arguments: [*site.zkpoll, *arguments]  # type: ignore[method-assign]  # no --config
    shown = site.run("demo", "--folder", str(site.folder / "demo"))
    assert shown.code == 0, shown.out
    assert "The dashboard has 1,540 punches" in shown.out
    assert "gate calls it, as terminals do that push: 25 punches are answered OK." in shown.out
    assert re.search(r"Somebody punches at gate: \d+ ms later it is at the dashboard\.", shown.out)
    assert "The second run had nothing to send: 0 requests." in shown.out
    assert len(shown.out.splitlines()) < 30
    to_try = re.findall(r"^  (?:python -m )?zkpoll (.*)$", shown.out, re.MULTILINE)
    assert [words.split()[0] for words in to_try] == ["status", "explain", "punches"]
    tried = [site.run(*shlex.split(words, comments=True)) for words in to_try]
    assert [(one.code, one.err) for one in tried] == [(1, ""), (0, ""), (0, "")]
    assert tried[0].out.startswith("1 thing needs you")
    assert "confirmed" in tried[1].out
    assert len(tried[2].out.splitlines()) == 1 + 40
