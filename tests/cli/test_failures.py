"""`zkpoll sync` and punches at which a dashboard's server fails: parked, and nobody waits behind them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.look import look
from tests.site import TOKEN, Site, entry
from zkpoll.model.punch import punch_id
from zkpoll.simulator import HttpAnswer, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.simulator import Received

PAGE = {"Content-Type": "text/html"}
FAILURES = {
    "500": HttpAnswer(500, b'{"exc": "KeyError"}'),
    "503": HttpAnswer(503, b"<h1>Service Unavailable</h1>", PAGE),
    "a page with 400": HttpAnswer(400, b"<!doctype html><h1>Bad Request</h1>", PAGE),
    "hangs up": HttpAnswer(200, b"", cut=True, keep=False),
    "hangs up, having taken it": HttpAnswer(200, b"", cut=True, keep=True),
}
FEW = 8
"""Runs."""


@pytest.fixture
def terminal(site: Site, dashboard: SampleDashboard) -> Iterator[Terminal]:
    """Give a terminal that the site's inventory names, its punches sent 25 a request."""
    terminal = Terminal.with_samples(60, users=12)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        settings(site, "batch_size: 25")
        yield terminal


def settings(site: Site, more: str) -> None:
    """Add settings to the inventory's one dashboard."""
    site.inventory.write_text(site.inventory.read_text().replace("attempts: 1", f"attempts: 1, {more}", 1))


def identities(terminal: Terminal) -> list[str]:
    """Return the ids of every punch a terminal took, the oldest first."""
    serial = str(terminal.model.serial)
    return [punch_id(serial, one.user_id, one.time.isoformat()) for one in terminal.history]


def tripping(
    dashboard: SampleDashboard, guilty: set[str], failure: HttpAnswer
) -> Callable[[Received], HttpAnswer]:
    """Return a dashboard's way to fail at every request that holds one of these punches."""

    def treat(request: Received) -> HttpAnswer:
        content = json.loads(request.body)
        events = content.get("events", [content])
        return failure if any(one["id"] in guilty for one in events) else dashboard.default(request)

    return treat


def states(site: Site) -> dict[str, str]:
    """Return the state of each punch that is to be sent, by id."""
    rows = look(site.journal, "SELECT id, outbox.state FROM outbox JOIN punch ON punch.seq = outbox.punch")
    return {one: state for one, state in rows if state != "held"}


def punch(terminal: Terminal, place: int = 0) -> None:
    """Let one of the people punch, a second after the last punch: two of a person in one would be held."""
    who = terminal.users[place % len(terminal.users)]
    assert terminal.punch(who.user_id, terminal.history[-1].time + timedelta(seconds=1))


def days(site: Site, terminal: Terminal) -> Iterator[int]:
    """Let people punch and runs follow, until nothing is pending or there were enough of them."""
    for day in range(FEW):
        for place in range(3):
            punch(terminal, 3 * day + place)
        site.sync()
        yield day
        if "pending" not in states(site).values():
            return


@pytest.mark.parametrize(
    ("failure", "places"),
    [
        ("500", (0,)),
        ("503", (24, 25)),
        ("a page with 400", (7, 30, 59)),
        ("hangs up", (59,)),
        ("hangs up, having taken it", (0, 1, 2)),
    ],
)
def test_all_others_arrive(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, failure: str, places: tuple[int, ...]
) -> None:
    """One, two or three, first, last, side by side: they are parked in a few runs, and nothing else is."""
    guilty = {identities(terminal)[place] for place in places}
    dashboard.answers.extend([tripping(dashboard, guilty, FAILURES[failure])] * 2000)
    assert list(days(site, terminal))[-1] < FEW - 1
    found = states(site)
    assert {one for one, state in found.items() if state == "parked"} == guilty
    assert dashboard.events.keys() >= {one for one, state in found.items() if state == "confirmed"}
    assert not dashboard.conflicts
    assert look(site.journal, "SELECT * FROM request") == []
    last = site.sync()
    assert (last.code, last.err) == (1, "")
    (reason,) = set(look(site.journal, "SELECT substr(reason, 1, 27) FROM outbox WHERE state = 'parked'"))
    assert reason == ("it fails at this one alone:",)


def test_of_one_person(site: Site, dashboard: SampleDashboard) -> None:
    """Where all punches are one person's, the one at fault is found among them."""
    terminal = Terminal.with_samples(20, users=1)
    guilty = {identities(terminal)[11]}
    dashboard.answers.extend([tripping(dashboard, guilty, FAILURES["500"])] * 2000)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for _ in range(2 * FEW + 1):  # others are tried by chance, and after bad luck in the 9th and the 16th
            punch(terminal)
            site.sync()
    assert {one for one, state in states(site).items() if state != "confirmed"} == guilty


def test_one_a_request(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """With a request for each punch, those at fault are found as well."""
    settings(site, "format: event")
    guilty = {identities(terminal)[place] for place in (0, 1, 40)}
    dashboard.answers.extend([tripping(dashboard, guilty, FAILURES["hangs up"])] * 2000)
    list(days(site, terminal))
    assert {one for one, state in states(site).items() if state != "confirmed"} == guilty


@pytest.mark.parametrize("failure", ["503", "hangs up"])
def test_down_for_everybody(site: Site, dashboard: SampleDashboard, terminal: Terminal, failure: str) -> None:
    """Six runs at a dashboard that is down make six requests and park nothing; then one punch trips it."""
    answer = FAILURES[failure]
    dashboard.answers.extend([answer] * 6)
    for asked in range(1, 7):
        terminal.punch(terminal.users[asked].user_id)
        site.sync()
        assert len(dashboard.requests) == asked
    assert set(states(site).values()) == {"pending"}
    guilty = {identities(terminal)[3]}
    dashboard.answers.extend([tripping(dashboard, guilty, answer)] * 2000)
    list(days(site, terminal))
    assert {one for one, state in states(site).items() if state != "confirmed"} == guilty


def test_a_parked_one_is_no_alarm(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """One that trips the server again when it is tried again stays parked, and is taken once it is mended."""
    guilty = {identities(terminal)[3]}
    trip = tripping(dashboard, guilty, FAILURES["500"])
    dashboard.answers.extend([trip] * 2000)
    list(days(site, terminal))
    for _ in range(2):
        assert site.run("outbox", "retry", "--all").code == 0
        quiet = site.sync()
        assert (quiet.code, quiet.err, set(states(site).values())) == (1, "", {"confirmed", "parked"})
    punch(terminal)
    assert site.sync().err == ""
    dashboard.answers.clear()
    site.run("outbox", "retry", "--all")
    assert (site.sync().code, set(states(site).values())) == (0, {"confirmed"})
    assert TOKEN not in "".join(map(str, look(site.journal, "SELECT reason FROM outbox")))
