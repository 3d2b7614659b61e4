"""The first request of each format, as `dashboards ping` and `sync --dry-run` show it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.journal.helpers import piece, punch, visit
from tests.site import Site, at_a_terminal, entry
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Settled
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = "k3y-s3cret-0815"
AWAY: Final = "http://127.0.0.1:9"
ID: Final = "224c9c2b-8130-5e29-a627-3b68fe8961e9"
FORMATS: Final = {
    "events": (f"url: '{AWAY}/v1', token: '{SECRET}', headers: {{X-Api-Key: '{SECRET}'}}", "POST", "/v1"),
    "event": (
        f"url: '{AWAY}/v1', basic: {{user: zkpoll, password: '{SECRET}'}}, format: event",
        "POST",
        "/v1",
    ),
    "frappe": (
        f"url: '{AWAY}', token: 'zkpoll:{SECRET}', format: frappe, frappe: {{timezone: Asia/Kolkata}}",
        "POST",
        "/api/method/hrms.hr.doctype.employee_checkin.employee_checkin.add_log_based_on_employee_field",
    ),
    "odoo": (
        f"url: '{AWAY}', token: '{SECRET}', format: odoo, odoo: {{database: prod}}",
        "POST",
        "/json/2/zkpoll.punch/create",
    ),
    "template": (
        (
            f"url: '{AWAY}/punches', format: template, template: {{method: PUT, body: "
            "{badge: '{{ user_id }}', key: '{{ id }}', pass: '${SECRET}', n: 1}}"
        ),
        "PUT",
        "/punches",
    ),
}
"""What is in the inventory, the method and the path, by format."""
SHOWN: Final = {
    "events": ("Authorization: Bearer ********", "X-Api-Key: ********", f'"id":"{ID}"'),
    "event": ("Authorization: Basic ********", f'"id":"{ID}"'),
    "frappe": (
        "Authorization: token ********",
        (
            '{"employee_field_value":"1001","timestamp":"2026-11-22 08:29:58","device_id":"front-door",'
            '"log_type":"IN","skip_auto_attendance":0,"employee_fieldname":"attendance_device_id"}'
        ),
    ),
    "odoo": (
        "Authorization: bearer ********",
        "X-Odoo-Database: prod",
        f'"event_id":"{ID}","badge":"1001","punched_at":"2026-11-22 02:59:58"',
    ),
    "template": (f'{{"badge":"1001","key":"{ID}","pass":"***","n":1}}',),
}
"""What has to be seen of the request, by format."""


@pytest.fixture
def waiting(site: Site) -> Site:
    """Give a site where the design's example waits for a dashboard."""
    site.environment["SECRET"] = SECRET
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard")
        visit(journal).take(piece(punch("1001"), punch("1002", 5)))
    return site


def device(**settings: object) -> str:
    """Return the terminal, which is away, too."""
    return entry("front-door", ("127.0.0.1", 9), timezone="Asia/Dhaka", **settings)


@pytest.mark.parametrize("form", FORMATS)
def test_a_ping_shows_it(waiting: Site, form: str) -> None:
    """The oldest punch that waits is shown as it will go out, whole, and no secret is."""
    dashboard, method, path = FORMATS[form]
    waiting.write_for(dashboard, device())
    told = waiting.run("dashboards", "ping")
    assert told.code == 69
    first, *rest = [line for line in told.out.splitlines() if "  first request  " in line]
    assert first == f"dashboard  first request  {method} {AWAY}{path}"
    for text in SHOWN[form]:
        assert text in "\n".join(rest)
    assert SECRET not in told.out + told.err


@pytest.mark.parametrize("form", FORMATS)
def test_a_dry_run_shows_it(site: Site, form: str) -> None:
    """A dry run shows the first of the new punches so: on stderr, where stdout has the events alone."""
    dashboard, method, path = FORMATS[form]
    site.environment["SECRET"] = SECRET
    with serve(Terminal.with_samples(3)) as address:
        site.write_for(dashboard, entry("front-door", address))
        dry = site.sync("--dry-run")
        document = site.report("--dry-run")
    assert dry.code == 0
    events = [json.loads(line) for line in dry.out.splitlines()]
    assert f"dashboard  first request  {method} {AWAY}{path}\n" in dry.err
    (shown,) = document["first_requests"]
    assert (shown["dashboard"], shown["method"], shown["url"]) == ("dashboard", method, AWAY + path)
    assert events[0]["user_id"] in shown["body"]
    assert len(events) == 3
    assert SECRET not in dry.out + dry.err + json.dumps(document)


def test_what_waits_goes_first(waiting: Site) -> None:
    """What the journal has pending is older than what is new, and is what goes first."""
    with serve(Terminal.with_samples(2)) as address:
        waiting.write_for(FORMATS["event"][0], entry("front-door", address, serial="'OTHER'"), device_gone())
        (shown,) = waiting.report("--dry-run")["first_requests"]
    assert json.loads(shown["body"])["id"] == ID


def device_gone() -> str:
    """Return a second device, whose punches wait."""
    return entry("gone", ("127.0.0.1", 9))


def test_without_anything_that_waits(waiting: Site) -> None:
    """Where all is delivered, the newest punch is the example of a ping, and a dry run has none."""
    with open_journal(waiting.journal) as journal:
        outbox = JournalOutbox(journal, "dashboard")
        outbox.settle(Settled(tuple(event.id for event in outbox.next(9).events)))
    waiting.write_for(FORMATS["event"][0], device())
    (found,) = json.loads(waiting.run("dashboards", "ping", "--json").out)
    assert json.loads(found["first_request"]["body"])["user_id"] == "1002"
    assert waiting.report("--dry-run")["first_requests"] == []


def test_without_a_journal(site: Site) -> None:
    """Before the first run there is nothing to show, and nothing is made for it."""
    site.write_for(FORMATS["event"][0], device())
    (found,) = json.loads(site.run("dashboards", "ping", "--json").out)
    assert found["first_request"] is None
    assert not site.journal.exists()


def test_one_that_would_be_parked(waiting: Site, tmp_path: Path) -> None:
    """A punch of somebody whom the map does not know has no request; the reason stands there."""
    (tmp_path / "badges.csv").write_text("1002,E-2\n")
    waiting.write_for(FORMATS["event"][0] + ", user_id: {map_file: badges.csv}", device())
    told = waiting.run("dashboards", "ping")
    assert re.search(
        "first request  none; its punch would be parked: .*badges.csv has no user id 1001", told.out
    )


@pytest.mark.parametrize("form", ["frappe", "odoo"])
def test_at_a_terminal(waiting: Site, form: str) -> None:
    """On a screen of 80 columns nothing is lost, and the words keep to the window where they can."""
    waiting.write_for(FORMATS[form][0], device())
    code, screen = at_a_terminal(waiting, "dashboards", "ping")
    assert code == 69
    assert "  how the oldest that waits, or the newest, is sent:\n" in screen
    assert f"    {FORMATS[form][1]}" in screen
    assert "********" in screen
    assert SECRET not in screen
    assert "1001" in screen
