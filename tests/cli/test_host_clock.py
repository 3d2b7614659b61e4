"""What a run whose host clock was wrong leaves behind: nothing lost, nothing forgotten, nothing silenced."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.host_clock import YEARS, on_a_host
from tests.site import at_a_terminal, entry
from zkpoll.journal.opening import folders
from zkpoll.pull.raw_copy import NEWEST, RawCopy, save
from zkpoll.simulator import HttpAnswer, Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.site import Site
    from zkpoll.simulator import Received, SampleDashboard


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Give what ends with the test."""
    with ExitStack() as opened:
        yield opened


def terminal(serial: str) -> Terminal:
    """Return a terminal with this serial number, and the right time."""
    return Terminal.with_samples(5, model=Model(serial=serial))


def unknown(dashboard: SampleDashboard, user: str) -> None:
    """Let a dashboard refuse every request with a punch of this user, as one whom it does not know."""

    def answer(request: Received) -> HttpAnswer:
        known = f'"{user}"'.encode() not in request.body
        return dashboard.default(request) if known else HttpAnswer(422, b"no such employee")

    dashboard.answers.extend([answer] * 40)


def test_what_was_parked_ahead_of_time_is_tried_again(site: Site, dashboard: SampleDashboard) -> None:
    """A punch that was refused on a day to come is due at once when the clock is right again."""
    terminal = Terminal.with_samples(20)
    unknown(dashboard, terminal.history[4].user_id)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        with on_a_host(site, ahead=YEARS):
            site.sync()
        parked = 20 - len(dashboard.events)
        assert parked > 0
        dashboard.answers.clear()
        site.sync()
    assert len(dashboard.events) == 20
    assert dashboard.duplicates == 0


def test_status_knows_a_reading_of_a_time_to_come(site: Site, dashboard: SampleDashboard) -> None:
    """What was read under a clock that was ahead is not shown as fresh; the next reading puts it right."""
    with serve(Terminal.with_samples(20)) as address:
        site.write(dashboard.url, entry("front", address))
        with on_a_host(site, ahead=YEARS):
            site.sync()
        told, found = site.run("status"), site.run("status", "--json")
        code, screen = at_a_terminal(site, "status")
        with on_a_host(site, ahead=timedelta(days=-30)):
            behind = site.run("status")
        site.sync()
        again = site.run("status")
    assert (told.code, found.code, behind.code, again.code) == (1, 1, 1, 0)
    for lines in (told.out, behind.out):
        assert "AHEAD  " in lines
        assert "its last reading is stamped ahead of this host's clock, which was wrong then, or is" in lines
        assert " ago" not in lines
    assert (found.document()["attention"], found.document()["devices"][0]["ahead_of_clock"]) == (True, True)
    assert (code, max(map(len, screen.splitlines())) <= 80) == (1, True)
    assert "AHEAD" not in again.out


def test_no_words_of_less_than_no_time(site: Site, dashboard: SampleDashboard) -> None:
    """What a run under a clock that was ahead told is told again, and lasts from now."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    with on_a_host(site, ahead=YEARS):
        assert site.sync().err.count("\n") == 1
    still, silent = site.sync(), site.sync()
    assert still.err.startswith("zkpoll: device front: still, for 0 min: ")
    assert (silent.code, silent.err) == (69, "")


# --- what is deleted for its age ---


def copies(site: Site, *days: int) -> list[Path]:
    """Keep raw copies of a terminal that were taken so many days ago, the newest first."""
    now = datetime.now(UTC).replace(microsecond=0)
    folder = folders(site.journal).raw_copies
    return [save(folder, RawCopy("front", "S1", now - timedelta(days=n), "UTC", 40, {}, b"")) for n in days]


@pytest.mark.parametrize("vouched", [True, None, False])
def test_a_clock_that_is_ahead_deletes_no_copies(
    site: Site, dashboard: SampleDashboard, vouched: bool | None
) -> None:
    """However often a run is two years ahead, and whatever the kernel says of the clock, all copies stay."""
    with serve(Terminal.with_samples(20)) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 0
        kept = copies(site, 1, 2, 3, 200, 300)
        with on_a_host(site, ahead=YEARS, vouched=vouched):
            told = [site.sync().err for _ in range(3)]
        assert all(copy.exists() for copy in kept)
        with on_a_host(site):
            assert site.sync().code == 0
    assert all(copy.exists() for copy in kept)
    assert sum("raw copies: " in line for line in told) == 1
    assert "raw copies: 3 raw copies are older than keep_raw: and kept in " in told[0]


def test_a_clock_that_nobody_vouches_for_deletes_no_copies(site: Site, dashboard: SampleDashboard) -> None:
    """They are kept and told of, once, until the clock is synchronised."""
    with serve(Terminal.with_samples(20)) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 0
        kept = copies(site, 1, 2, 401)
        with on_a_host(site, vouched=False):
            told, again = site.sync(), site.sync()
        assert kept[-1].exists()
        with on_a_host(site, vouched=True):
            ended = site.sync()
    assert [path.exists() for path in kept] == [True, True, False]
    assert (told.code, again.code, again.err) == (1, 1, "")
    assert told.err == (
        f"zkpoll: raw copies: 1 raw copy is older than keep_raw: and kept in {kept[0].parent}, while this "
        "host's clock is not synchronised by NTP; put that right (timedatectl), or remove them by hand\n"
    )
    assert (ended.code, ended.err) == (0, "zkpoll: raw copies: well again, after 0 min\n")


def test_where_the_kernel_cannot_be_asked_a_terminal_is(site: Site, dashboard: SampleDashboard) -> None:
    """In a container, copies go where a terminal's clock bears this host's out, and do not grow for ever."""
    with serve(Terminal.with_samples(20)) as address:
        site.write(dashboard.url, entry("front", address))
        kept = copies(site, *range(401, 404 + NEWEST))
        site.sync()
        with on_a_host(site, vouched=None):
            assert site.sync().code == 0
    assert [path.exists() for path in kept] == [True] * NEWEST + [False] * 3


def test_after_a_long_pause_copies_go_a_run_later(site: Site, dashboard: SampleDashboard) -> None:
    """A machine that was off for weeks looks like one whose clock jumped: its first run deletes nothing."""
    with serve(Terminal.with_samples(20)) as address:
        site.write(dashboard.url, entry("front", address))
        with on_a_host(site, ahead=timedelta(days=-30)):
            site.sync()
        kept = copies(site, 401, 402, 403)
        with on_a_host(site):
            assert site.sync().code == 0
            assert all(path.exists() for path in kept)
            assert site.sync().code == 0
    assert [path.exists() for path in kept] == [True, True, False]


# --- whose clock is off ---


def test_it_is_this_host_that_is_named(site: Site, dashboard: SampleDashboard, stack: ExitStack) -> None:
    """Where all terminals are off alike, this host's clock is told, once, and none of theirs."""
    doors = [stack.enter_context(serve(terminal(f"S{n}"))) for n in range(3)]
    site.write(dashboard.url, *(entry(f"door-{n}", door) for n, door in enumerate(doors)))
    with on_a_host(site, ahead=YEARS):
        told, document, looked = site.sync(), site.report(), site.run("devices", "clock")
        code, screen = at_a_terminal(site, "sync")
    ended = site.sync()
    why = "its clock is 2 years ahead: all 3 terminals that were read are off alike"
    assert (told.code, told.err) == (1, f"zkpoll: this host: {why}; put it right\n")
    assert list(document["troubles"]) == ["this host"]
    assert [one["problem"] for one in document["devices"]] == [None] * 3
    assert (looked.code, looked.err) == (1, told.err)
    assert looked.out.count("off as the others are") == 3
    assert (code, screen.count("put it right"), screen.count("look")) == (1, 1, 1)
    assert max(map(len, screen.splitlines())) <= 80
    assert (ended.code, ended.err) == (0, "zkpoll: this host: well again, after 0 min\n")


def test_a_terminal_that_is_off_otherwise_is_named(
    site: Site, dashboard: SampleDashboard, stack: ExitStack
) -> None:
    """Beside terminals that are off alike, one that is off in its own way is told by its name."""
    terminals = [terminal(f"S{n}") for n in range(4)]
    terminals[3].set_clock(datetime(2000, 1, 1))
    doors = [stack.enter_context(serve(one)) for one in terminals]
    site.write(dashboard.url, *(entry(f"door-{n}", door) for n, door in enumerate(doors)))
    with on_a_host(site, ahead=-YEARS):
        troubles = site.report()["troubles"]
    assert list(troubles) == ["device door-3", "this host"]
    assert "its clock is 2 years behind: 3 of the 4 terminals" in str(troubles)


def test_one_terminal_alone_is_named(site: Site, dashboard: SampleDashboard, stack: ExitStack) -> None:
    """Of one terminal nobody can tell whose clock is off, and of two that differ both are told."""
    doors = [stack.enter_context(serve(terminal(f"S{n}"))) for n in range(2)]
    site.write(dashboard.url, entry("front", doors[0]))
    with on_a_host(site, ahead=YEARS):
        assert list(site.report()["troubles"]) == ["device front"]
    other = terminal("S2")
    other.set_clock(datetime.now() + timedelta(hours=3))
    with serve(other) as door:
        site.write(dashboard.url, entry("front", doors[1]), entry("back", door))
        with on_a_host(site, ahead=timedelta(hours=1, minutes=1)):
            assert sorted(site.report()["troubles"]) == ["device back", "device front"]
