"""Clearing a log: with proof or not at all, and whatever fails, nobody stays locked out."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import zkpoll
from tests.pull.clearings import (
    HARMS,
    LASTING,
    LATER,
    QUICK,
    SETUPS,
    SOME,
    Came,
    Keeping,
    Setup,
    Site,
    Step,
    at_each,
    attempt,
    check,
    clear,
    clear_at,
    rarely,
    steps,
    stopping,
)
from tests.pull.devices import Network, read_at, session, terminal_of, through
from tests.pull.slow_lines import Clock
from zkpoll.errors import JournalError, Stopped, Unreachable, WireError, WrongSerial
from zkpoll.model.fate import Fate
from zkpoll.model.log import Watermark
from zkpoll.pull import clearing
from zkpoll.pull.clearing import compare
from zkpoll.pull.framing import MAX_PAYLOAD
from zkpoll.pull.layouts import ANY_SLOT, LAYOUTS
from zkpoll.simulator import Command, Faults, Terminal, cut, never, refuse, serve
from zkpoll.simulator.records import encode_record

if TYPE_CHECKING:
    from zkpoll.pull.clearing import Cleared
    from zkpoll.simulator import Transport

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
EACH_SETUP = pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
TCP_OFTEN = pytest.mark.parametrize("transport", rarely({one: one for one in ("tcp", "udp")}, often="tcp"))
ROOM_OFTEN = pytest.mark.parametrize("setup", rarely(SETUPS, often="with room"))
LOCKED = (
    Command.DISABLEDEVICE,
    Command.PREPARE_BUFFER,  # the log is still the copy: its length, its head, its tail
    Command.READ_BUFFER,
    Command.READ_BUFFER,
    Command.READ_BUFFER,
    Command.FREE_DATA,
    Command.CLEAR_ATTLOG,
    Command.REFRESHDATA,
    Command.GET_FREE_SIZES,  # it is empty: by its count, by the new command, by the old one
    Command.PREPARE_BUFFER,
    Command.ATTLOG_RRQ,
    Command.ENABLEDEVICE,
)
"""What a clearing says while nobody can punch."""


def settled(terminal: Terminal) -> Keeping:
    """Return a keeper that lets all records of `terminal` go."""
    punches = LAYOUTS[terminal.model.layout].decode(b"".join(terminal.log), ANY_SLOT).punches
    return Keeping(settled={punch.canonical for punch in punches})


def place_of(command: int, turn: int = 1, setup: Setup = SETUPS["with room"]) -> int:
    """Return the place at which an unharmed clearing sends `command` for the `turn`-th time."""
    return next(step.place for step in steps(setup, "tcp") if step[:2] == (command, turn))


# --- a whole clearing ---


@BOTH
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("records", [1, 20, 3000])
def test_a_log_whose_records_are_settled_is_cleared(records: int, layout: int, transport: Transport) -> None:
    """The log is empty, its users are there, and the copy holds it byte for byte."""
    terminal = terminal_of(layout, records)
    log, keeper = list(terminal.log), settled(terminal)
    cleared = clear(terminal, keeper, transport, timeout=2)
    assert (cleared.outcome, cleared.records, cleared.problem) == (Fate.CLEARED, records, None)
    assert not cleared.disable_ignored
    assert not cleared.locked
    assert (terminal.log, len(terminal.users), terminal.disabled) == ([], 50, False)
    assert keeper.copies == [b"".join(log)]
    assert (keeper.intent, keeper.clear_sent) == (False, True)


def test_everything_is_kept_before_the_device_is_disabled() -> None:
    """Records, copy and intent are on disk before DISABLE, and the intent goes after ENABLE was answered."""
    terminal = terminal_of(40, SOME)
    keeper = settled(terminal)
    told: dict[int, list[str]] = {}

    def note(command: int) -> None:
        told.setdefault(command, list(keeper.told))

    terminal.before_command = note
    clear(terminal, keeper)
    before = ["identify", "refusal", "keep_copy", "will_disable", "check_locks"]
    assert told[Command.DISABLEDEVICE] == before
    assert told[Command.CLEAR_ATTLOG] == told[Command.ENABLEDEVICE] == [*before, "check_locks"]
    assert told[Command.EXIT] == keeper.told == [*before, "check_locks", "enabled"]


@BOTH
@pytest.mark.parametrize("records", [30, 300, 12_000])
def test_nobody_waits_longer_for_a_longer_log(
    records: int, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a log with room that is not read quickly, what is said while nobody can punch is always the same."""
    monkeypatch.setattr(clearing, "CHEAP_LOOK", 0)
    terminal = terminal_of(40, records)
    cleared = clear(terminal, settled(terminal), transport, timeout=2)
    start = terminal.commands.index(Command.DISABLEDEVICE)
    assert tuple(terminal.commands[start : start + len(LOCKED)]) == LOCKED
    assert cleared.round_trips_locked == len(LOCKED) - 2


@pytest.mark.parametrize("size", [80, 112])
def test_a_log_that_comes_at_once_keeps_nobody_waiting(size: int) -> None:
    """A small log takes fewer round trips still; how the counts come makes no difference."""
    terminal = terminal_of(40, 20, sizes=size)
    assert clear(terminal, settled(terminal)).round_trips_locked < len(LOCKED) - 2


@pytest.mark.parametrize(
    "setup",
    [
        Setup({"capacity": 3000, "when_full": "overwrite"}),
        Setup({}, Faults(sizes_records=0)),
        Setup({}, Faults(sizes_stale=1)),
        Setup({"sizes": 4}),
        Setup({"sizes": None}),
    ],
    ids=["full", "counting 0", "counting one too few", "counting nothing", "refusing to count"],
)
def test_a_log_that_may_be_overwritten_is_compared_whole(setup: Setup) -> None:
    """A record that changed in the middle is seen where a log is full, or the device's count is no proof."""
    terminal = terminal_of(40, 3000, **setup.model)
    terminal.faults = setup.faults
    keeper = settled(terminal)

    def overwrite(command: int) -> None:
        if command == Command.DISABLEDEVICE:
            terminal.log[1500] = encode_record(terminal.history[7]._replace(time=LATER), 40)

    terminal.before_command = overwrite
    cleared = clear(terminal, keeper, timeout=2)
    assert (cleared.outcome, cleared.disable_ignored, len(terminal.log)) == (Fate.CHANGED, False, 3000)
    assert Command.CLEAR_ATTLOG not in terminal.commands
    keeper.settled |= set(terminal.log)
    terminal.before_command = None
    assert clear(terminal, keeper, timeout=2).outcome is Fate.CLEARED


@BOTH
@pytest.mark.parametrize("records", [30, 3000])
def test_a_log_that_is_read_quickly_is_compared_whole(records: int, transport: Transport) -> None:
    """A record that was rewritten in the middle, with length, head and tail as they were, is seen."""
    terminal = terminal_of(40, records)
    keeper = settled(terminal)

    def rewrite(command: int) -> None:
        if command == Command.DISABLEDEVICE:
            terminal.log[records // 2] = encode_record(terminal.history[7]._replace(time=LATER), 40)

    terminal.before_command = rewrite
    cleared = clear(terminal, keeper, transport, timeout=2)
    assert (cleared.outcome, cleared.disable_ignored, len(terminal.log)) == (Fate.CHANGED, False, records)
    assert Command.CLEAR_ATTLOG not in terminal.commands
    keeper.settled |= set(terminal.log)
    terminal.before_command = None
    assert clear(terminal, keeper, transport, timeout=2).outcome is Fate.CLEARED


@BOTH
def test_bytes_that_mean_nothing_do_not_count(transport: Transport) -> None:
    """A log whose records differ in old memory from one look to the next is still the same log."""
    terminal = terminal_of(40, SOME, capacity=SOME)
    keeper = settled(terminal)
    terminal.faults = Faults(old_memory=True)
    assert clear(terminal, keeper, transport).outcome is Fate.CLEARED


@BOTH
@pytest.mark.parametrize("records", [5, SOME])
def test_a_device_without_the_buffered_read_is_cleared(records: int, transport: Transport) -> None:
    """A log that only the old command reads is compared whole, and cleared."""
    terminal = terminal_of(40, records)
    terminal.faults = Faults(instead=(refuse(Command.PREPARE_BUFFER, Command.NOT_SUPPORTED),))
    assert clear(terminal, settled(terminal), transport).outcome is Fate.CLEARED


# --- what is not cleared, and why ---


@pytest.mark.parametrize("empty", ["error", "table"])
def test_an_empty_log_is_left_alone(empty: str) -> None:
    """Where there is nothing to clear, nobody is locked out."""
    terminal = terminal_of(40, 0, empty_log=empty)
    keeper = Keeping()
    cleared = clear(terminal, keeper)
    assert (cleared.outcome, cleared.records, cleared.problem) == (Fate.EMPTY, 0, None)
    assert Command.DISABLEDEVICE not in terminal.commands
    assert keeper.told == ["identify"]


@pytest.mark.parametrize("place", [0, 1499, 2999, 29_999])
def test_a_log_with_one_unsettled_record_is_left_alone(place: int) -> None:
    """One record that the keeper does not let go, wherever it is, keeps all of them on the device."""
    terminal = terminal_of(40, 30_000)
    keeper = settled(terminal)
    keeper.settled.remove(terminal.log[place])
    cleared = clear(terminal, keeper, timeout=2)
    assert cleared.outcome is Fate.UNSETTLED
    assert cleared.problem == "1 records are not settled, 0 are in quarantine"
    assert not {Command.DISABLEDEVICE, Command.CLEAR_ATTLOG} & set(terminal.commands)
    assert not keeper.copies


def test_a_record_that_is_none_is_shown_to_the_keeper() -> None:
    """Bytes that are no believable record are the keeper's to judge, like records whose user is gone."""
    for terminal in (terminal_of(40, SOME), terminal_of(8, SOME)):
        if terminal.model.layout == 40:
            terminal.log[30] = bytes(28) + b"\xff\xff\xff\xff" + bytes(8)
        else:
            terminal.users = terminal.users[5:]
        cleared = clear(terminal, settled(terminal))
        assert cleared.outcome is Fate.UNSETTLED
        assert "are in quarantine" in str(cleared.problem)


@BOTH
def test_a_log_that_cannot_be_held_is_left_alone(transport: Transport) -> None:
    """A log that is too long to be copied is not cleared, and nobody is disabled for it."""
    terminal = terminal_of(40, 50, capacity=10_000_000)
    keeper = settled(terminal)
    terminal.log *= MAX_PAYLOAD // 40 // 50 + 1
    with pytest.raises(
        WireError, match=r"a log of 33,\d\d\d,\d\d\d bytes is too long for a raw copy; clear it by hand"
    ):
        clear(terminal, keeper, transport, timeout=5)
    assert keeper.told == ["identify"]
    assert not {Command.DISABLEDEVICE, Command.CLEAR_ATTLOG} & set(terminal.commands)


@BOTH
@pytest.mark.parametrize("laid_out", [1, 20, 59])
def test_a_log_of_which_a_part_is_laid_out_is_left_alone(laid_out: int, transport: Transport) -> None:
    """The device counts more than it shows: what is proved of these says nothing of the others."""
    terminal = terminal_of(40, 60)
    keeper = settled(terminal)
    log = terminal.log
    terminal.log = log[:laid_out]
    terminal.faults = Faults(sizes_records=60)
    cleared = clear(terminal, keeper, transport)
    assert (cleared.outcome, cleared.records) == (Fate.NOT_CLEARED, laid_out)
    assert cleared.problem is not None
    assert f"counts 60 records, and laid out {laid_out}" in cleared.problem
    assert not {Command.DISABLEDEVICE, Command.CLEAR_ATTLOG} & set(terminal.commands)
    terminal.log, terminal.faults = log, Faults()
    assert clear(terminal, keeper, transport).outcome is Fate.CLEARED


def test_a_log_that_is_handed_out_once_is_not_asked_for() -> None:
    """Whoever asks for it has what nobody else gets then, so it is left alone before it is laid out."""
    terminal = terminal_of(40, 60)
    terminal.faults = Faults(hands_out_once=True)
    keeper = settled(terminal)
    keeper.known = Watermark(40, 55, (), all_read=True)
    cleared = clear(terminal, keeper)
    assert cleared.outcome is Fate.NOT_CLEARED
    assert cleared.problem is not None
    assert "hands out each record once" in cleared.problem
    assert not {Command.PREPARE_BUFFER, Command.ATTLOG_RRQ, Command.DISABLEDEVICE} & set(terminal.commands)


def test_another_terminal_is_left_alone() -> None:
    """Where the keeper says that another terminal answers, nothing more is asked of it."""
    terminal = terminal_of(40, SOME)
    keeper = Keeping(raises={"identify": WrongSerial("another terminal")})
    with pytest.raises(WrongSerial):
        clear(terminal, keeper)
    assert terminal.commands == [Command.CONNECT, Command.OPTIONS_RRQ, Command.EXIT]


@BOTH
@EACH_SETUP
def test_a_log_that_clear_does_not_touch_is_told(setup: Setup, transport: Transport) -> None:
    """A device that acknowledges CLEAR and keeps its log is recognised by its log."""
    site = setup.site()
    site.terminal.faults = replace(setup.faults, ignores_clear=True)
    came = attempt(site, transport, timeout=2)
    assert came.cleared is not None
    assert came.cleared.outcome is Fate.CLEAR_IGNORED
    assert came.cleared.problem == "it says that it has cleared its log, and keeps it"
    assert site.keeper.clear_sent
    check(site, came, "ignored")


# --- people who punch meanwhile ---


@TCP_OFTEN
@ROOM_OFTEN
@pytest.mark.parametrize("ignores_disable", [False, True], ids=["obeys", "ignores DISABLE"])
def test_a_punch_at_any_moment_is_not_lost(ignores_disable: bool, setup: Setup, transport: Transport) -> None:
    """Somebody punches just before any command: what the log showed is kept or on the device."""
    found = set()

    def punched(step: Step) -> None:
        site = setup.site(ignores_disable=ignores_disable)
        site.punch_before(step.place)
        came = attempt(site, transport, timeout=2)
        check(site, came, step)
        assert came.cleared is not None
        found.add((came.cleared.outcome, came.cleared.disable_ignored))

    at_each(steps(setup, transport), punched)
    expected = {(Fate.CLEARED, False), (Fate.UNSETTLED, False), (Fate.CHANGED, False)}
    assert found == expected | ({(Fate.CLEARED, True)} if ignores_disable else set())


@BOTH
@EACH_SETUP
def test_a_log_that_changes_while_disabled_is_never_cleared(setup: Setup, transport: Transport) -> None:
    """Records that appear between two looks, both after DISABLE, show that it is ignored."""
    site = setup.site(ignores_disable=True)
    locked = place_of(Command.DISABLEDEVICE, setup=setup)
    site.punch_before(*range(locked, locked + 30))
    came = attempt(site, transport, timeout=2)
    assert came.cleared is not None
    assert (came.cleared.outcome, came.cleared.disable_ignored) == (Fate.DISABLE_IGNORED, True)
    assert str(came.cleared.problem).startswith("it takes punches while it is disabled")
    assert Command.CLEAR_ATTLOG not in site.terminal.commands
    assert site.keeper.clear_sent is False
    check(site, came, "punched all the time")


def test_a_punch_before_disable_is_not_held_against_the_device() -> None:
    """A log that changed once, and then no more, is left to the next run."""
    site = SETUPS["with room"].site()
    site.punch_before(place_of(Command.DISABLEDEVICE))
    came = attempt(site, "tcp")
    assert came.cleared is not None
    assert (came.cleared.outcome, came.cleared.disable_ignored) == (Fate.CHANGED, False)
    assert came.cleared.problem == "somebody punched meanwhile; the next run tries again"
    assert site.terminal.commands.count(Command.DISABLEDEVICE) == 1


@pytest.mark.parametrize("ignores_clear", [False, True])
def test_punches_after_clear_show_that_disable_is_ignored(ignores_clear: bool) -> None:
    """New records in a log that was just cleared, or was not, were punched on a disabled device."""
    site = SETUPS["with room"].site()
    site.terminal.faults = Faults(ignores_disable=True, ignores_clear=ignores_clear)
    site.punch_before(place_of(Command.REFRESHDATA))
    came = attempt(site, "tcp")
    assert came.cleared is not None
    fate = Fate.CLEAR_IGNORED if ignores_clear else Fate.CLEARED
    assert (came.cleared.outcome, came.cleared.disable_ignored) == (fate, True)
    assert "takes punches while it is disabled" in str(came.cleared.problem)
    check(site, came, "punched behind CLEAR")


# --- whatever goes wrong ---


@TCP_OFTEN
@ROOM_OFTEN
@pytest.mark.parametrize("harm", HARMS)
def test_no_single_failure_loses_or_locks(
    harm: str, setup: Setup, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of a clearing fails in each way: nobody is locked out, nothing is lost, nothing untrue."""
    if harm in LASTING:
        monkeypatch.setattr(clearing, "ENABLE_LIMIT", 2.0)

    def harmed(step: Step) -> None:
        site = setup.site()
        site.terminal.faults = replace(setup.faults, instead=(HARMS[harm](step),))
        came = attempt(site, transport)
        lasting = step.command == Command.ENABLEDEVICE and harm in LASTING
        check(site, came, (harm, step, came), may_stay_disabled=lasting)
        assert not lasting or (came.cleared is not None and came.cleared.locked), (harm, step, came)

    at_each(steps(setup, transport), harmed)


@TCP_OFTEN
@ROOM_OFTEN
@pytest.mark.parametrize("harm", ["cut before", "cut after", "error", "answer lost"])
def test_no_failure_loses_what_is_punched_on_a_device_that_ignores_disable(
    harm: str, setup: Setup, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, with punches just before and behind the command, on a device that always takes them."""
    if harm in LASTING:
        monkeypatch.setattr(clearing, "ENABLE_LIMIT", 2.0)

    def harmed(step: Step) -> None:
        site = setup.site(ignores_disable=True)
        site.terminal.faults = replace(site.terminal.faults, instead=(HARMS[harm](step),))
        site.punch_before(step.place, step.place + 1)
        came = attempt(site, transport)
        lasting = step.command == Command.ENABLEDEVICE and harm in LASTING
        check(site, came, (harm, step, came), may_stay_disabled=lasting)

    at_each(steps(setup, transport), harmed)


@pytest.mark.parametrize(
    "fate", rarely({fate: fate for fate in ("lost", "doubled", "swapped")}, often="lost")
)
@pytest.mark.parametrize("way", ["there", "back"])
def test_no_single_datagram_loses_or_locks(way: str, fate: str) -> None:
    """One datagram that is lost, doubled or late, wherever in a clearing: the same holds."""
    number, reached = 0, 1
    while number < reached:
        number += 1
        site = SETUPS["with room"].site()
        network = Network.bad(way, number, fate)
        with serve(site.terminal, transport="udp") as device, through(network, device) as address:
            cleared = clear_at(address, site.keeper, "udp", timeout=QUICK * 2)
        reached = network.passed[way]
        if (way, fate) == ("there", "doubled"):  # by the network, not by us
            site.terminal.commands = list(dict.fromkeys(site.terminal.commands))
        check(site, Came(cleared, None), (way, fate, number, cleared))
    assert reached > len(LOCKED)


@BOTH
@pytest.mark.parametrize("carried_out", [False, True])
def test_an_unanswered_clear_is_looked_into_and_not_repeated(carried_out: bool, transport: Transport) -> None:
    """Whether a CLEAR without an answer was carried out is told by the log."""
    site = SETUPS["with room"].site()
    fault = never(Command.CLEAR_ATTLOG, carried_out=carried_out)
    site.terminal.faults = Faults(instead=(fault,))
    came = attempt(site, transport)
    assert came.cleared is not None
    assert came.cleared.outcome is (Fate.CLEARED if carried_out else Fate.NOT_CLEARED)
    assert came.cleared.problem == (None if carried_out else f"no answer for {QUICK} s")
    assert site.terminal.commands.count(Command.CLEAR_ATTLOG) == 1
    check(site, came, "unanswered")


@pytest.mark.parametrize("carried_out", [False, True])
def test_punches_behind_an_unanswered_clear_do_not_confuse(carried_out: bool) -> None:
    """People who punch as soon as they can do not hide what became of the log, nor accuse the device."""
    site = SETUPS["with room"].site()
    fault = never(Command.CLEAR_ATTLOG, carried_out=carried_out)
    site.terminal.faults = Faults(instead=(fault,))
    enabled = place_of(Command.CLEAR_ATTLOG) + 1
    site.punch_before(enabled + 1)
    came = attempt(site, "tcp")
    assert came.cleared is not None
    assert came.cleared.outcome is (Fate.CLEARED if carried_out else Fate.NOT_CLEARED)
    assert not came.cleared.disable_ignored
    assert site.stored - site.first
    check(site, came, "punched after ENABLE")


def test_what_cannot_be_found_out_is_not_made_up() -> None:
    """Where the log cannot be read after CLEAR, the outcome is that it is not known."""
    site = SETUPS["with room"].site()
    reads = (Command.PREPARE_BUFFER, Command.ATTLOG_RRQ)
    lasting = (never(Command.CLEAR_ATTLOG), refuse(reads[0], first=3), refuse(reads[1]))
    site.terminal.faults = Faults(instead=lasting)
    came = attempt(site, "tcp")
    assert came.cleared is not None
    assert came.cleared.outcome is Fate.UNKNOWN
    assert str(came.cleared.problem).startswith(
        "it was told to clear its log, and whether it did is not known"
    )
    assert site.keeper.clear_sent
    check(site, came, "unreadable")


@BOTH
def test_a_device_that_restarts_is_not_cleared_in_another_session(transport: Transport) -> None:
    """A restart after DISABLE ends the clearing, wherever it comes: only ENABLE and looking follow."""

    def restarted(step: Step) -> None:
        site = SETUPS["with room"].site()
        site.terminal.faults = Faults(instead=(cut(step.command, first=step.turn, times=1),))

        def restart(_command: int) -> None:
            if len(site.terminal.commands) == step.place:
                site.terminal.restart()

        site.terminal.before_command = restart
        check(site, attempt(site, transport), step)
        sent = site.terminal.commands
        disabled = sent.index(Command.DISABLEDEVICE) if Command.DISABLEDEVICE in sent else len(sent)
        again = sent.index(Command.CONNECT, disabled) if Command.CONNECT in sent[disabled:] else len(sent)
        assert not {Command.DISABLEDEVICE, Command.CLEAR_ATTLOG} & set(sent[again:]), step

    at_each(steps(SETUPS["with room"], transport), restarted)


# --- however slowly it answers ---


def clear_slowly(site: Site, clock: Clock) -> Cleared:
    """Clear a terminal whose bytes take their time, and return what came of it; nobody waited a minute."""
    with serve(site.terminal) as address:
        cleared = clear_at(address, site.keeper, timeout=10, visit_limit=900)
    check(site, Came(cleared, None), clock.disabled)
    assert (clock.disabled or 0.0) < 60
    return cleared


@pytest.mark.parametrize("connections", [(0,), (0, 1, 2, 3)], ids=["one connection", "every connection"])
@pytest.mark.parametrize("command", dict.fromkeys(LOCKED))
def test_a_drip_keeps_nobody_out_for_a_minute(
    command: Command, connections: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a byte comes every 0.9 s from a command on, it is enabled in time, over a new connection."""
    site = SETUPS["with room"].site()
    clock = Clock(monkeypatch, site.terminal)

    def drip(came: int) -> None:
        if came == command and site.terminal.disabled == (command != Command.DISABLEDEVICE):
            clock.drip(*connections)

    site.terminal.before_command = drip
    cleared = clear_slowly(site, clock)
    assert clock.disabled is not None
    # The answer to ENABLE alone may be too late; it is carried out, and told as if it were not.
    assert cleared.locked <= (len(connections) > 1)
    if command in {Command.DISABLEDEVICE, Command.PREPARE_BUFFER, Command.READ_BUFFER}:
        assert cleared.outcome is Fate.NOT_CLEARED
        assert "clearing it took longer than its limit of 36 s" in str(cleared.problem)


def test_a_run_that_is_stopped_in_a_drip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to ENABLE is not awaited behind one that trickles in: a new connection is tried soon."""
    site = SETUPS["with room"].site()
    clock = Clock(monkeypatch, site.terminal)
    dripping: list[bool] = []

    def drip(command: int) -> None:
        if command == Command.READ_BUFFER and site.terminal.disabled:
            clock.drip(0)
            dripping.append(True)

    site.terminal.before_command = drip
    with serve(site.terminal) as address, pytest.raises(Stopped):
        clear_at(address, site.keeper, stopped=lambda: bool(dripping), timeout=10, visit_limit=900)
    assert (site.terminal.disabled, site.keeper.intent) == (False, False)
    assert clock.disabled is not None
    assert clock.disabled < clearing.ENABLE_LIMIT


def test_a_drip_that_takes_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a real line, with limits of a second; a busy machine may let a byte come late."""
    monkeypatch.setattr(clearing, "WORK_LIMIT", 1.0)
    monkeypatch.setattr(clearing, "ENABLE_LIMIT", 4.0)
    site = SETUPS["with room"].site()
    site.terminal.faults = Faults(drip_after=Command.DISABLEDEVICE, drip=0.05)
    came = attempt(site, "tcp")
    check(site, came, "dripping")
    assert came.cleared is not None
    assert (came.cleared.outcome, came.cleared.locked) == (Fate.NOT_CLEARED, False)
    late = f"no answer for {QUICK:g} s"
    assert came.cleared.problem in {"clearing it took longer than its limit of 1 s", late}
    assert site.terminal.commands.count(Command.CONNECT) >= 2


BYTES = SOME * 40
"""Of the log that is cleared over slow lines."""


@pytest.mark.parametrize("setup", ["full", "counting 0"])
@pytest.mark.parametrize(("seconds", "expected"), [(10, Fate.CLEARED), (25, Fate.NOT_CLEARED)])
def test_a_log_that_is_compared_whole_over_a_slow_line(
    seconds: int, expected: Fate, setup: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cleared where a second look fits in, by the time that the first took; else nobody is disabled."""
    site = SETUPS[setup].site()
    clock = Clock(monkeypatch, site.terminal)
    clock.slow(BYTES / seconds)
    cleared = clear_slowly(site, clock)
    assert cleared.outcome is expected
    if expected is Fate.NOT_CLEARED:
        assert re.fullmatch(
            r"all of it would have to be read again while nobody can punch, which takes 2[5-9] s here, and "
            r"12 s are allowed; give the terminal a faster connection, or clear it in its own menu once all "
            r"is delivered",
            str(cleared.problem),
        )
        assert Command.DISABLEDEVICE not in site.terminal.commands
        assert not site.keeper.copies


@pytest.mark.parametrize("slower", [2, 10])
def test_a_line_that_becomes_slower(slower: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look that takes longer than the first promised ends in time, and nothing is cleared."""
    site = SETUPS["full"].site()
    clock = Clock(monkeypatch, site.terminal)
    clock.slow(BYTES / 10)

    def slow_down(command: int) -> None:
        if command == Command.DISABLEDEVICE:
            clock.slow(BYTES / 10 / slower)

    site.terminal.before_command = slow_down
    cleared = clear_slowly(site, clock)
    assert cleared.outcome is (Fate.NOT_CLEARED if slower > 2 else Fate.CLEARED)


def test_a_look_that_leaves_no_time_to_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLEAR is not sent where the time may end before its answer: it could be carried out behind ENABLE."""
    site = SETUPS["full"].site()
    clock = Clock(monkeypatch, site.terminal)
    clock.slow(BYTES / 10)

    def slow_down(command: int) -> None:
        if command == Command.DISABLEDEVICE:
            clock.slow(BYTES / 29)

    site.terminal.before_command = slow_down
    cleared = clear_slowly(site, clock)
    assert cleared.outcome is Fate.NOT_CLEARED
    assert str(cleared.problem).startswith("looking at it again took too long to clear it")
    assert Command.CLEAR_ATTLOG not in site.terminal.commands


@pytest.mark.parametrize(("seconds", "whole"), [(2, True), (5, False), (100, False)])
def test_how_much_of_a_log_with_room_is_compared(
    seconds: int, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it where it was read in three seconds, else its head and tail, also over the slowest line."""
    site = Site(terminal_of(40, 10 * SOME))
    clock = Clock(monkeypatch, site.terminal)
    clock.slow(10 * BYTES / seconds)
    assert clear_slowly(site, clock).outcome is Fate.CLEARED
    sent = site.terminal.commands
    locked = sent[sent.index(Command.DISABLEDEVICE) : sent.index(Command.CLEAR_ATTLOG)]
    assert locked.count(Command.READ_BUFFER) == (2 if whole else 3)


# --- enabling, whatever happens ---


@BOTH
@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), SystemExit(3), RuntimeError("a bug")])
def test_a_stop_at_any_moment_leaves_the_device_enabled(
    error: BaseException | None, transport: Transport
) -> None:
    """A run that is stopped or interrupted anywhere goes on to end, with the device enabled before."""
    setup = SETUPS["with room"]
    for step in steps(setup, transport)[:-3]:  # what comes behind it is ENABLE and EXIT, which nothing stops
        site = setup.site()
        with serve(site.terminal, transport=transport) as address:
            with pytest.raises(type(error) if error else Stopped) as raised:
                clear_at(address, site.keeper, transport, stopping(site, step.place, error))
            assert error is None or raised.value is error
        assert (site.terminal.disabled, site.keeper.intent) == (False, False), step
        asked = Command.CLEAR_ATTLOG in site.terminal.commands
        assert (site.keeper.clear_sent or False) == asked, step
        assert step.place == 0 or site.terminal.commands[-1] == Command.EXIT
        assert site.stored <= site.keeper.kept | set(site.terminal.log)


@pytest.mark.parametrize("error", [JournalError("disk full"), OSError(28, "no space"), KeyboardInterrupt()])
@pytest.mark.parametrize("method", ["identify", "refusal", "keep_copy", "will_disable", "check_locks"])
def test_a_keeper_that_fails_keeps_the_device_as_it_is(method: str, error: BaseException) -> None:
    """Where anything cannot be kept, the device is not even disabled."""
    site = SETUPS["with room"].site()
    site.keeper.raises = {method: error}
    with pytest.raises(type(error)) as raised:
        clear(site.terminal, site.keeper)
    assert raised.value is error
    assert not {Command.DISABLEDEVICE, Command.CLEAR_ATTLOG} & set(site.terminal.commands)
    assert site.terminal.commands[-1] == Command.EXIT


@pytest.mark.parametrize("setup", SETUPS)
def test_locks_that_are_lost_while_it_is_disabled(setup: str) -> None:
    """Nothing is cleared, the device is enabled at once, and the error goes up."""
    site = SETUPS[setup].site()
    lost = JournalError("what was locked may be another run's by now")

    def disabled(command: int) -> None:
        if command == Command.DISABLEDEVICE:
            site.keeper.raises = {"check_locks": lost}

    site.terminal.before_command = disabled
    with pytest.raises(JournalError) as raised:
        clear(site.terminal, site.keeper)
    assert raised.value is lost
    assert Command.CLEAR_ATTLOG not in site.terminal.commands
    assert Command.DISABLEDEVICE in site.terminal.commands
    assert (site.terminal.disabled, site.keeper.intent) == (False, False)


def test_an_intent_that_cannot_be_struck_out_stays() -> None:
    """Where the keeper fails after ENABLE, the device is enabled, and the next run enables it again."""
    site = SETUPS["with room"].site()
    site.keeper.raises = {"enabled": JournalError("disk full")}
    with pytest.raises(JournalError):
        clear(site.terminal, site.keeper)
    assert (site.terminal.disabled, site.keeper.intent) == (False, True)


@BOTH
def test_a_cut_connection_is_enabled_over_a_new_one(transport: Transport) -> None:
    """A device with a comm key and one seat is enabled over a second connection."""
    terminal = terminal_of(40, SOME, comm_key=123456)
    terminal.faults = Faults(instead=(cut(Command.CLEAR_ATTLOG),))
    keeper = settled(terminal)
    cleared = clear(terminal, keeper, transport, key=123456)
    assert (cleared.outcome, cleared.locked) == (Fate.NOT_CLEARED, False)
    assert (terminal.disabled, keeper.intent) == (False, False)
    assert terminal.commands.count(Command.AUTH) == 2


@BOTH
def test_a_name_server_that_is_away_keeps_nobody_out(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second connection goes where the first one led to, though nobody knows the device's name now."""
    terminal = terminal_of(40, SOME)
    terminal.faults = Faults(instead=(cut(Command.CLEAR_ATTLOG),))
    keeper = settled(terminal)
    resolve = socket.getaddrinfo

    def resolve_while_enabled(host: str, *more: int, **named: int) -> object:
        if host == "localhost" and terminal.disabled:
            raise socket.gaierror
        return resolve(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_while_enabled)
    with serve(terminal, transport=transport) as address:
        cleared = clear_at(("localhost", address.port), keeper, transport)
    assert (cleared.outcome, cleared.locked) == (Fate.NOT_CLEARED, False)
    assert (terminal.disabled, keeper.intent) == (False, False)


def test_a_device_that_cannot_be_enabled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device whose only seat stays taken may still be disabled: result and intent say so."""
    monkeypatch.setattr(clearing, "ENABLE_LIMIT", 1.0)
    site = SETUPS["with room"].site()
    site.terminal.faults = Faults(keeps_seat=True, instead=(cut(Command.CLEAR_ATTLOG, carried_out=True),))
    came = attempt(site, "tcp")
    assert came.cleared is not None
    assert (came.cleared.outcome, came.cleared.locked) == (Fate.UNKNOWN, True)
    assert "may still be disabled" in str(came.cleared.problem)
    assert site.terminal.disabled
    check(site, came, "locked", may_stay_disabled=True)


def test_an_interrupted_clearing_of_a_dead_device_leaves_its_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt goes up although ENABLE is never answered, and the intent tells who may be disabled."""
    monkeypatch.setattr(clearing, "ENABLE_LIMIT", 1.0)
    site = SETUPS["with room"].site()
    site.terminal.faults = Faults(instead=(never(Command.ENABLEDEVICE),))
    interrupt = stopping(site, place_of(Command.CLEAR_ATTLOG), KeyboardInterrupt())
    with serve(site.terminal) as address, pytest.raises(KeyboardInterrupt):
        clear_at(address, site.keeper, stopped=interrupt)
    assert (site.terminal.disabled, site.keeper.intent) == (True, True)


def test_a_device_that_is_away_is_an_error() -> None:
    """Where nothing answers, the clearing fails as a visit does."""
    terminal = terminal_of(40, SOME)
    terminal.faults = Faults(mute=True)
    with pytest.raises(Unreachable):
        clear(terminal, settled(terminal))


def test_the_next_visit_finds_a_cleared_log() -> None:
    """A cleared device is read afterwards like any other."""
    terminal = terminal_of(40, SOME)
    with serve(terminal) as address:
        assert clear_at(address, settled(terminal)).outcome is Fate.CLEARED
        terminal.punch("1001", LATER)
        reading, sink = read_at(address)
    assert (reading.records, [punch.user_id for punch in sink.punches]) == (1, ["1001"])


# --- what a log shows ---

A, B, C, D = (encode_record(record, 40) for record in terminal_of(40, 4).history)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (b"", (Fate.CLEARED, False)),
        (D, (Fate.CLEARED, True)),
        (A + B + C, (Fate.CLEAR_IGNORED, False)),
        (A + B + C + D, (Fate.CLEAR_IGNORED, True)),
        (A + B, (Fate.UNKNOWN, False)),
        (C + D, (Fate.UNKNOWN, False)),
        (D + B + C, (Fate.UNKNOWN, False)),
        (D[:39], (Fate.UNKNOWN, False)),
        (A + B + C + D[:39], (Fate.UNKNOWN, False)),
        (b"\xff" * 80, (Fate.UNKNOWN, False)),
    ],
    ids=[
        "empty",
        "new",
        "all",
        "all and new",
        "shorter",
        "newer",
        "overwritten",
        "cut",
        "all and cut",
        "rubbish",
    ],
)
def test_what_became_of_a_log_is_told_by_its_records(now: bytes, expected: tuple[Fate, bool]) -> None:
    """None of the old records: cleared. All of them in front: not cleared. Anything else is not known."""
    assert compare(LAYOUTS[40], A + B + C, now) == expected


# --- the command that deletes the users ---


def test_no_source_of_ours_sends_the_command_that_deletes_users() -> None:
    """Outside the simulator, CLEAR_DATA (14) stands in one line: the one that refuses it."""
    package = Path(zkpoll.__file__).parent
    lines = [
        line
        for path in package.rglob("*.py")
        if "simulator" not in path.parts
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"clear_data|(order|ask)\(14\b", line, re.IGNORECASE)
    ]
    assert len(lines) == 1
    assert "if command == const.CMD_CLEAR_DATA:" in lines[0]


def test_the_driver_cannot_send_it_either() -> None:
    """The driver's own method is stopped before anything reaches the device."""
    terminal = terminal_of(40, SOME)
    with session(terminal) as opened, pytest.raises(ValueError, match="never sent"):
        opened.clear_data()
    assert Command.CLEAR_DATA not in terminal.commands
    assert (len(terminal.users), len(terminal.log)) == (50, SOME)
