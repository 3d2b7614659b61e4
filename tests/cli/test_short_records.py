"""Terminals whose log holds records of 8 bytes and short ones of 4, from a reading to a copy put back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.look import look
from tests.pull.devices import Kept, attempt, held, last_mark, read_at
from tests.site import entry
from zkpoll.cli.decode import decode
from zkpoll.errors import UnknownLayout
from zkpoll.journal.opening import folders
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.site import Site
    from zkpoll.model.log import Watermark
    from zkpoll.simulator import SampleDashboard, Transport

MONDAY = datetime(2026, 11, 16, 8)
SHORT = 4


def terminal_of(records: int = 0, **model: object) -> Terminal:
    """Return a terminal of 8-byte records that writes short ones, with sample punches."""
    return Terminal.with_samples(records, model=Model(layout=8, short_records=True, **model))  # type: ignore[arg-type]


def crowd(terminal: Terminal, people: int, begin: datetime = MONDAY, state: int = 0) -> None:
    """Let people punch, one behind the other, mostly within a quarter of an hour."""
    dice = Random(people)
    for user in terminal.users[:people]:
        begin += timedelta(seconds=dice.randint(1, 40))
        assert terminal.punch(user.user_id, begin, state=state)


def known_of(kept: Kept) -> Watermark:
    """Return what a journal knows of a log that was read to its end."""
    return replace(last_mark(kept), all_read=True)


def events(dashboard: SampleDashboard) -> list[tuple[str, str, int]]:
    """Return who came or went when, as a dashboard was told, in order."""
    told = dashboard.events.values()
    return sorted((one["user_id"], one["timestamp"][:19], one["type"]) for one in told)


def decoded(path: Path) -> dict[str, Any]:
    """Return what `zkpoll decode` says of a file."""
    document: dict[str, Any] = json.loads(CliRunner().invoke(decode, [str(path), "--json"]).stdout)
    return document


def truth(terminal: Terminal) -> list[tuple[str, str, int]]:
    """Return the same, as the terminal knows it."""
    return sorted((one.user_id, one.time.isoformat(), one.state) for one in terminal.history)


# --- readings ---


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("records", [2, 100, 3000])
def test_what_is_new_alone_is_handed_on(records: int, transport: Transport) -> None:
    """The known ones are found where they were, though they are not where so many of 8 bytes would end."""
    terminal = terminal_of(records)
    with serve(terminal, transport=transport) as address:
        first, kept = read_at(address, transport)
        assert any(len(row) == SHORT for row in terminal.log)
        assert kept.shown == held(terminal)
        assert (first.records, first.on_device, first.layout) == (records, records, SHORT)
        for state in (0, 1):
            before = len(terminal.log)
            crowd(terminal, 20, MONDAY + timedelta(days=10, hours=9 * state), state)
            known = known_of(kept)
            reading, kept = read_at(address, transport, Kept(known))
            assert kept.shown == held(terminal)[before:]
            proved = len(known.tail)
            assert (reading.records, reading.proved, reading.on_device) == (20 + proved, proved, before + 20)
            assert (reading.continued, reading.whole) == (True, False)
        reading, kept = read_at(address, transport, Kept(known_of(kept)))
        assert (kept.slices, reading.continued) == ([], True)


def test_a_log_gets_its_first_short_record() -> None:
    """As long as all are long it is read on from where they end; the first short ones change nothing."""
    terminal = terminal_of()
    terminal.users = Terminal.with_samples(1, model=Model(layout=8)).users
    for day in range(12):
        assert terminal.punch("1001", MONDAY + timedelta(days=day))
    with serve(terminal) as address:
        reading, kept = read_at(address)
        assert (reading.layout, last_mark(kept).layout) == (8, 8)
        for more in (1, 2, 3):  # also where the bytes could be so many of 8
            before = len(terminal.log)
            for minute in range(more):
                assert terminal.punch("1002", terminal.history[-1].time + timedelta(minutes=minute + 1))
            reading, kept = read_at(address, sink=Kept(known_of(kept)))
            assert kept.shown == held(terminal)[before:]
            assert (reading.continued, reading.on_device, reading.layout) == (True, before + more, SHORT)
            assert not kept.quarantined


def test_a_log_that_was_cleared_is_read_whole() -> None:
    """Other records are in the place of the known ones: that is no log that was appended to."""
    terminal = terminal_of(100)
    with serve(terminal) as address:
        _, kept = read_at(address)
        terminal.clear()
        terminal.history.clear()
        crowd(terminal, 50)
        reading, again = read_at(address, sink=Kept(known_of(kept)))
    assert again.shown == held(terminal)
    assert (reading.continued, reading.whole) == (False, True)


def test_one_that_begins_with_a_short_record_is_refused() -> None:
    """Nothing says when that was; nothing is handed on."""
    terminal = terminal_of(100)
    del terminal.log[: next(at for at, row in enumerate(terminal.log) if len(row) == SHORT)]
    with serve(terminal) as address:
        came_of = attempt(address)
    assert isinstance(came_of.error, UnknownLayout)
    assert came_of.sink.punches == []


# --- the command ---


def test_day_by_day_nothing_is_lost_or_told_twice(site: Site, dashboard: SampleDashboard) -> None:
    """Each visit sends what is new, says nothing, and its sums come out, also where all is read again."""
    terminal = terminal_of(60)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for day in range(4):
            for state in (0, 1):
                crowd(terminal, 30, MONDAY + timedelta(days=day, hours=9 * state), state)
                result = site.sync(*(("--full",) if day == 2 else ()))
                assert (result.code, result.out, result.err) == (0, "", "")
                assert events(dashboard) == truth(terminal)
    assert dashboard.duplicates == 0
    assert look(site.journal, "SELECT layout, records FROM watermark") == [(SHORT, len(terminal.log))]


def test_a_clock_that_stands_still(site: Site, dashboard: SampleDashboard) -> None:
    """The same bytes behind the known ones are another punch, which a person can send."""
    terminal = terminal_of(60)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for _ in range(3):
            crowd(terminal, 1)
            site.sync()
    assert look(site.journal, "SELECT count(*) FROM punch") == [(63,)]
    assert look(site.journal, "SELECT hold, count(*) FROM punch WHERE hold IS NOT NULL GROUP BY 1") == [
        ("exact repeat", 1),
        ("same second", 1),  # as a long record first, and as a short one then
    ]


def test_it_is_cleared_and_its_copy_put_back(site: Site, dashboard: SampleDashboard, tmp_path: Path) -> None:
    """The copy holds the log byte for byte, is decoded, and rebuilds a journal that was lost."""
    terminal = terminal_of(120)
    log = b"".join(terminal.log)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, clear="confirmed"))
        assert site.sync().code == 0
        assert terminal.log == []
        (copy,) = folders(site.journal).raw_copies.iterdir()
        crowd(terminal, 10)
        assert site.sync().code == 0
    assert events(dashboard) == truth(terminal)
    shown = decoded(copy)
    assert shown["verdict"] == "a raw copy of 120 records of 8 and 4 bytes; its SHA-256 is right"
    assert shown["raw_copy"]["layout"] == SHORT
    assert (shown["layouts"][0]["believable"], shown["layouts"][0]["bytes_left_over"]) == (120, 0)
    saved = tmp_path / "log.bin"
    saved.write_bytes(log)
    shown = decoded(saved)
    assert shown["verdict"] == f"{len(log)} bytes; they are records of 8 and 4 bytes"
    proved = json.loads(site.run("journal", "restore", str(copy), "--json").out)
    assert (proved["in_journal"], proved["missing"], proved["differ"]) == (120, 0, 0)
