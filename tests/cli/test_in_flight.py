"""Requests of `zkpoll sync` whose answer was lost: sent again as they were, each with its own answer."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.cli.bad_luck import check_nothing_lost, ids_of, same_request, start
from tests.look import look
from tests.site import TOKEN, Site, at_a_terminal, entry
from zkpoll.simulator import HttpAnswer, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.simulator import Received

RECORDS = 40
LOST = HttpAnswer(cut=True, body=b"", keep=True)
"""The dashboard took the punches, and its answer never came."""
LOCKLESS = (
    "-c",
    (
        "from contextlib import nullcontext; from zkpoll.cli import main; from zkpoll.journal import sqlite;"
        " sqlite.SqliteJournal.lock = lambda *_: nullcontext(); main()"
    ),
)
"""A zkpoll whose locks nobody else sees."""
UNREAD = HttpAnswer(cut=True, body=b"", keep=False)
"""Nobody took the punches, and nobody says so."""


@pytest.fixture
def terminal(site: Site, dashboard: SampleDashboard) -> Iterator[Terminal]:
    """Give a terminal that the site's inventory names, its punches sent 20 a request."""
    terminal = Terminal.with_samples(RECORDS)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        settings(site, "batch_size: 20")
        yield terminal


def settings(site: Site, more: str) -> None:
    """Write settings of the dashboard in place of those that were added before."""
    head, _, rest = site.inventory.read_text().partition("attempts: 1")
    site.inventory.write_text(f"{head}attempts: 1, timeout: 5, {more}}}\n{rest.partition(chr(10))[2]}")


TEMPLATE = "format: template, template: {body: {events: '{{ events }}'}, each: {id: '{{ id }}'}}"


@pytest.mark.parametrize(
    "changed",
    [
        "batch_size: 7",
        "batch_size: 200",
        "format: event",
        "user_id: {prefix: D-}",
        f"batch_size: 3, user_id: {{prefix: D-}}, {TEMPLATE}",
    ],
)
def test_other_settings_make_no_other_request(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, changed: str
) -> None:
    """Whatever was changed since its answer was lost, a request comes first, byte for byte, under its key."""
    dashboard.answers.append(LOST)
    assert site.sync().code == 1
    settings(site, changed)
    ended = site.sync()
    lost, again, *others = dashboard.requests
    assert same_request(lost, again)
    assert again.method == "POST"
    assert ended.code == 0, ended.err
    sent = [event["id"] for request in others for event in events_in(request)]
    assert len(sent) == len(set(sent)) == RECORDS - 20
    assert set(sent) | {event["id"] for event in events_in(lost)} == ids_of(terminal)
    assert look(site.journal, "SELECT DISTINCT state FROM outbox") == [("confirmed",)]
    assert look(site.journal, "SELECT * FROM request") == []


def events_in(request: Received) -> list[dict[str, str]]:
    """Return the events of a request, one or many."""
    content = json.loads(request.body)
    events: list[dict[str, str]] = content.get("events", [content])
    return events


@pytest.mark.usefixtures("terminal")
def test_a_format_that_looks_first(site: Site, dashboard: SampleDashboard) -> None:
    """Where the format asks what is there already, nothing is sent again as it was."""
    dashboard.answers.append(LOST)
    site.sync()
    settings(site, "format: odoo")
    dashboard.answers.append(
        HttpAnswer(200, json.dumps([{"event_id": one} for one in terminal_ids(site)]).encode())
    )
    site.sync()
    lost, look_first, *_ = dashboard.requests
    assert look_first.path.endswith("/json/2/zkpoll.punch/search_read")
    assert {one for one in terminal_ids(site) if one in look_first.body.decode()} == {
        event["id"] for event in events_in(lost)
    }


def terminal_ids(site: Site) -> list[str]:
    """Return the ids of the punches that were sent first."""
    return [one for (one,) in look(site.journal, "SELECT id FROM punch ORDER BY seq LIMIT 20")]


def test_what_a_person_discarded_is_not_sent_again(
    site: Site, dashboard: SampleDashboard, terminal: Terminal
) -> None:
    """A punch that is discarded while nobody knows whether it arrived goes no more; the others of it do."""
    dashboard.answers.append(UNREAD)
    site.sync()
    first, *_ = terminal_ids(site)
    assert site.run("outbox", "discard", "--id", first, "--reason", "a test", "--yes").code == 0
    assert site.sync().code == 0
    assert dashboard.events.keys() == ids_of(terminal) - {first}


@pytest.mark.usefixtures("terminal")
def test_a_dry_run_shows_the_request_in_flight(site: Site, dashboard: SampleDashboard) -> None:
    """What goes out first is shown as it went out before, whatever the settings say now; nothing is sent."""
    dashboard.answers.append(LOST)
    site.sync()
    (lost,) = dashboard.requests
    settings(site, "format: event")
    dry = site.sync("--dry-run")
    (shown,) = site.report("--dry-run")["first_requests"]
    assert shown["body"] == lost.body.decode()
    assert shown["headers"]["Idempotency-Key"] == lost.idempotency_key
    assert shown["headers"]["Authorization"] == "Bearer ********"
    assert (shown["again"], shown["sent_at"][:2]) == (20, "20")
    again = "again as it was, with 20 punches, not answered for since 20"
    assert f"dashboard  first request  {again}" in dry.err
    (body,) = (line for line in dry.err.splitlines() if '{"events":[' in line)
    assert body.endswith(" characters; --json shows all)")
    assert len(body) < 1_600
    code, screen = at_a_terminal(site, "sync", "--dry-run")
    assert code == 0
    assert f"    {again}" in screen
    assert max(len(line) for line in screen.splitlines() if "again" in line) <= 80
    assert TOKEN not in dry.err + screen
    assert len(dashboard.requests) == 1


def test_two_runs_whose_locks_do_not_meet(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """Two runs at once on one journal, as on a file system of two hosts: nobody confirms what nobody took."""
    first_asked, first_may_go, first_is_over = threading.Event(), threading.Event(), threading.Event()

    def hold_the_first(request: Received) -> HttpAnswer:
        first_asked.set()
        first_may_go.wait(20)
        return dashboard.default(request)

    def lose_the_second(_: Received) -> HttpAnswer:
        first_may_go.set()
        first_is_over.wait(20)
        return UNREAD

    settings(site, "batch_size: 500")
    dashboard.answers.append(hold_the_first)
    first = site.start("sync")
    assert first_asked.wait(20)
    for user in terminal.users[:5]:
        terminal.punch(user.user_id)
    dashboard.answers.extend([dashboard.default, lose_the_second])
    second = start(site, "sync", program=LOCKLESS)
    one = site.finish(first)
    confirmed = confirmed_in(site)
    first_is_over.set()
    two = site.finish(second)
    assert len(dashboard.requests) >= 3
    assert confirmed <= dashboard.events.keys()
    assert confirmed_in(site) <= dashboard.events.keys()
    assert one.code in {0, 1}, one.err
    assert two.code in {0, 1}, two.err
    assert site.sync().code == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))


def confirmed_in(site: Site) -> set[str]:
    """Return the ids of the punches that are confirmed."""
    query = "SELECT id FROM outbox JOIN punch ON punch.seq = outbox.punch WHERE outbox.state = 'confirmed'"
    return {one for (one,) in look(site.journal, query)}
