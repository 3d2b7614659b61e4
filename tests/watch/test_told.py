"""What a watch tells of its journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.site import entry
from zkpoll.cli.watch_report import Teller
from zkpoll.inventory import load
from zkpoll.reports.log_lines import Style

if TYPE_CHECKING:
    import pytest

    from tests.site import Site


def test_a_journal_that_is_away_is_told_once(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Each thread meets the loss of its session in words of its own; a person is told of one trouble."""
    site.write("http://127.0.0.1:9", entry("front", ("127.0.0.1", 9)))
    teller = Teller(load(site.inventory, site.environment), Style("text"), asks_for_all=True)
    for problem in (
        "is not reachable: closed",
        "is not reachable any more",
        "is not reachable: closed",
        None,
    ):
        teller.observers.journal(problem)
    assert capsys.readouterr().err.splitlines() == [
        "zkpoll: journal: is not reachable: closed",
        "zkpoll: journal: well again, after 0 min",
    ]
