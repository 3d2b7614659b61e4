"""Pings of dashboards, each with a result of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.peers import closed_port
from tests.site import TOKEN, Site
from zkpoll.errors import ExitCode
from zkpoll.inventory import load
from zkpoll.model.report import BUG
from zkpoll.tasks import ping_dashboard
from zkpoll.tasks.ping_dashboard import pinged
from zkpoll.tasks.result import exit_code

if TYPE_CHECKING:
    import pytest

    from zkpoll.inventory import Inventory
    from zkpoll.simulator import SampleDashboard


def inventory(site: Site, url: str) -> Inventory:
    """Return an inventory of one dashboard."""
    site.write(url, "name: front, host: 127.0.0.1")
    return load(site.inventory, {"TOKEN": TOKEN})


def test_a_dashboard_that_answers_and_one_that_is_away(site: Site, dashboard: SampleDashboard) -> None:
    """One that answers is well; where none does, the code says so."""
    settings = inventory(site, dashboard.url)
    well = pinged(settings.dashboards[0], settings)
    with closed_port() as (host, port):
        settings = inventory(site, f"http://{host}:{port}/x")
        away = pinged(settings.dashboards[0], settings)
    assert (well.subject, well.kind, well.trouble) == ("dashboard dashboard", None, None)
    assert away.trouble
    assert [exit_code(found) for found in ([well], [away], [well, away])] == [
        ExitCode.OK,
        ExitCode.UNREACHABLE,
        ExitCode.ATTENTION,
    ]


def test_a_bug_at_one_dashboard(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one failed step of that ping, and the code says bug."""

    def fails(*_arguments: object) -> None:
        raise ZeroDivisionError

    settings = inventory(site, dashboard.url)
    well = pinged(settings.dashboards[0], settings)
    monkeypatch.setattr(ping_dashboard, "ping", fails)
    broken = pinged(settings.dashboards[0], settings)
    assert (broken.ok, broken.answered, broken.kind) == (False, False, BUG)
    assert "zkpoll itself failed here (ZeroDivisionError)" in broken.steps[0].text
    assert exit_code([well, broken]) is ExitCode.BUG
