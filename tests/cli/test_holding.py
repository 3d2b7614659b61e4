"""`since:` and `repeat_within:`: what is journalled and not sent."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.site import entry
from zkpoll.model.punch import punch_id
from zkpoll.simulator import EnrolledUser, Faults, Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

SERIAL = "CQZ7224760045"
LINE = datetime(2026, 11, 1)
RULES = {"since": LINE.date(), "repeat_within": "60s"}


def ids(times: Iterable[datetime]) -> set[str]:
    """Return the ids of somebody's punches."""
    return {punch_id(SERIAL, "1001", time.isoformat()) for time in times}


def punch(terminal: Terminal, *times: datetime) -> tuple[datetime, ...]:
    """Let one person punch at each of `times`, always in the same state."""
    for time in times:
        terminal.punch("1001", time)
    return times


def after(seconds: float) -> datetime:
    """Return a time so many seconds after the line."""
    return LINE + timedelta(seconds=seconds)


def test_two_syncs(site: Site, dashboard: SampleDashboard) -> None:
    """The dashboard gets exactly what is neither older than the line in the first reading, nor a repeat."""
    terminal = Terminal(users=[EnrolledUser(1, "1001")])
    punch(terminal, after(-3600), after(-10))
    wanted = punch(terminal, after(0))
    punch(terminal, after(50))
    wanted += punch(terminal, after(100))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, **RULES))
        first = site.report()
        punch(terminal, after(160))
        wanted += punch(terminal, after(161), after(-7200))  # the clock was set back, far behind the line
        second = site.report()
        again = site.sync()
    assert dashboard.events.keys() == ids(wanted)
    assert dashboard.duplicates == 0
    assert (first["exit_code"], second["exit_code"]) == (0, 0)
    assert first["devices"][0]["notices"] == ["2 records older than since: are held, not sent"]
    assert second["devices"][0]["notices"] == []
    assert [held(report) for report in (first, second)] == [(5, 2, 1), (3, 0, 1)]
    for report, punches in ((first, 5), (second, 8)):
        reading, journal = report["sums"]["reading"], report["sums"]["journal"]["dashboard"]
        assert reading.pop("records") == sum(reading.values())
        assert journal.pop("punches") == sum(journal.values()) == punches
    assert (journal["confirmed"], journal["held"]) == (4, 4)
    assert (again.code, again.out, again.err) == (0, "", "")


def held(report: dict[str, list[dict[str, int]]]) -> tuple[int, int, int]:
    """Return how many punches a device showed first, and how many of them are held, by why."""
    (device,) = report["devices"]
    return device["first_seen"], device["held_since"], device["held_repeats"]


def test_cron_hears_of_the_line_once(site: Site, dashboard: SampleDashboard) -> None:
    """How much the first reading holds is told, and asks for nobody; that repeats are held is not."""
    terminal = Terminal(users=[EnrolledUser(1, "1001")])
    punch(terminal, after(-1), after(0), after(9))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, **RULES))
        first = site.sync()
        punch(terminal, after(-5), after(10))
        second = site.sync("-v")
    assert (first.code, first.out) == (0, "")
    assert first.err == "zkpoll: device front: 1 record older than since: is held, not sent\n"
    assert second.code == 0
    assert "front: repeats held: 1\n" in second.err


def test_a_dry_run_shows_none_of_it(site: Site, dashboard: SampleDashboard) -> None:
    """`--dry-run` shows exactly what the next run sends."""
    terminal = Terminal(users=[EnrolledUser(1, "1001")])
    punch(terminal, *(after(second) for second in (-5, 0, 30, 60, 90)))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, **RULES))
        shown = [json.loads(line) for line in site.sync("--dry-run").out.splitlines()]
        site.sync()
    assert shown == list(dashboard.events.values())
    assert dashboard.events.keys() == ids([after(0), after(90)])


def test_a_first_reading_in_several_visits(site: Site, dashboard: SampleDashboard) -> None:
    """A first reading that breaks off goes on as the first; only then the line is behind."""
    terminal = Terminal(Model(capacity=9000), Faults(hang_up_after=150_000), [EnrolledUser(1, "1001")])
    old = [LINE - timedelta(minutes=5) * number for number in range(8000, 0, -1)]
    punch(terminal, *old)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, **RULES))
        reports = [site.report() for _ in range(3)]
        wanted = punch(terminal, after(-30))
        assert site.sync().code == 0
    assert [report["exit_code"] for report in reports] == [1, 1, 0]
    assert sum(report["devices"][0]["held_since"] for report in reports) == len(old)
    assert all(report["devices"][0]["held_since"] for report in reports)
    assert dashboard.events.keys() == ids(wanted)


def test_a_stranger_has_a_first_reading_of_its_own(site: Site, dashboard: SampleDashboard) -> None:
    """What is older than the line stays held when another terminal is accepted; what came later goes out."""
    mine, new = (
        Terminal(users=[EnrolledUser(1, "1001")]),
        Terminal(Model(serial="NEW1"), users=[EnrolledUser(1, "1001")]),
    )
    sent = punch(mine, after(0))
    with serve(mine) as address:
        site.write(dashboard.url, entry("front", address, **RULES))
        site.sync()
    punch(new, after(-9), after(3600), after(3601))
    with serve(new, port=address.port):
        assert site.report()["devices"][0]["held_since"] == 1
        punch(new, after(-8))
        assert site.report()["devices"][0]["held_since"] == 0
        assert dashboard.events.keys() == ids(sent)
        assert site.run("devices", "accept", "front").code == 0
        assert site.sync().code == 0
    expected = {punch_id("NEW1", "1001", time.isoformat()) for time in (after(3600), after(-8))}
    assert dashboard.events.keys() == ids(sent) | expected


def test_a_way_out_in_the_second_of_a_repeat(site: Site, dashboard: SampleDashboard) -> None:
    """Who comes in twice and leaves in that very second has left, with nobody asked and nothing told."""
    terminal = Terminal(users=[EnrolledUser(1, "1001")])
    for seconds, state in ((0, 0), (30, 0), (30, 1)):
        terminal.punch("1001", after(seconds), state=state)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, repeat_within="60s"))
        assert [json.loads(line)["type"] for line in site.sync("--dry-run").out.splitlines()] == [0, 1]
        told = site.sync()
    assert (told.code, told.out, told.err) == (0, "", "")
    assert [(event["timestamp"][11:19], event["type"]) for event in dashboard.events.values()] == [
        ("00:00:00", 0), ("00:00:30", 1),
    ]  # fmt: skip
