"""Whole visits: what is read is exactly what the terminal holds, or the visit fails and says why."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.pull.devices import (
    Kept,
    Network,
    attempt,
    check_slices,
    check_whole,
    held,
    last_mark,
    read,
    read_at,
    session,
    target,
    terminal_of,
    through,
    visit,
)
from zkpoll.errors import (
    HungUp,
    NotATerminal,
    NothingLaidOut,
    OverLimit,
    Refused,
    SeatTaken,
    Silent,
    UnknownLayout,
    Unreachable,
    WireError,
)
from zkpoll.model.log import Watermark
from zkpoll.pull.reader import read_users
from zkpoll.pull.slices import TAIL
from zkpoll.simulator import LAYOUTS, Command, EnrolledUser, Faults, Model, Terminal, WireFrame, refuse, serve
from zkpoll.simulator.records import encode_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.simulator import Transport

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
EACH_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)
DEVICE_ERRORS = (Unreachable, NotATerminal, Silent, HungUp, OverLimit, Refused, WireError, UnknownLayout)
DAY = datetime(2026, 12, 1, 8)
"""When nobody has punched in the sample logs."""
IMPOSSIBLE = bytes(28) + b"\xff\xff\xff\xff" + bytes(8)
"""Forty bytes that are no record: no user, no such date."""


# --- a whole visit ---


@BOTH
@EACH_LAYOUT
@pytest.mark.parametrize("records", [0, 1, 2, 41, 3000])
def test_a_visit_reads_what_the_terminal_holds(records: int, layout: int, transport: Transport) -> None:
    """Every record is read as it was punched: user, time, verify, state and work code."""
    terminal = terminal_of(layout, records)
    reading, sink = read(terminal, transport, timeout=2)
    check_whole(terminal, reading, sink)
    assert reading.layout == (layout if records else None)
    assert reading.capacity == terminal.model.capacity
    assert reading.bytes_received <= terminal.bytes_sent
    assert reading.drift is not None
    assert abs(reading.drift) < 12 * 3600 + 60
    assert sink.serials == [terminal.model.serial]


@BOTH
@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "localhost"), ("::1", "::1")])
def test_a_terminal_is_read_by_name_and_over_ipv6(host: str, name: str, transport: Transport) -> None:
    """A terminal is read by its name, and at an IPv6 address."""
    terminal = terminal_of(records=60)
    with serve(terminal, host=host, transport=transport) as address:
        check_whole(terminal, *read_at((name, address.port), transport))


def test_a_long_log_is_handed_on_in_slices() -> None:
    """A log of 20,000 records comes in slices, and progress is told more often, down to the last record."""
    terminal = terminal_of(records=20_000)
    sink = Kept()
    told: list[int] = []
    with serve(terminal) as address:
        reading = visit(target(address, timeout=5), sink, progress=told.append)
    check_whole(terminal, reading, sink)
    assert len(sink.slices) > 1
    assert len(told) > len(sink.slices)
    assert sum(told) == 20_000


@EACH_LAYOUT
@pytest.mark.parametrize("block_size", [1008, 1024, 1021, None])
def test_blocks_may_end_inside_a_record(layout: int, block_size: int | None) -> None:
    """The size of the blocks in which a table comes is the terminal's choice."""
    terminal = terminal_of(layout, 1500, block_size=block_size)
    check_whole(terminal, *read(terminal))


@BOTH
@EACH_LAYOUT
@pytest.mark.parametrize("inline_limit", [0, 100_000])
def test_a_table_may_come_at_once_or_in_slices(layout: int, inline_limit: int, transport: Transport) -> None:
    """Small and large tables are read in either way."""
    terminal = terminal_of(layout, 20, inline_limit=inline_limit)
    check_whole(terminal, *read(terminal, transport))


@BOTH
@pytest.mark.parametrize("layout", [22, 40])
def test_a_log_may_come_as_a_stream_at_once(layout: int, transport: Transport) -> None:
    """A terminal that answers 1503 with the announcement of a stream and its blocks is read."""
    terminal = terminal_of(layout, 500)
    terminal.handlers[Command.PREPARE_BUFFER] = terminal.handlers[Command.ATTLOG_RRQ]
    check_whole(terminal, *read(terminal, transport))


@BOTH
@EACH_LAYOUT
def test_old_memory_means_nothing(layout: int, transport: Transport) -> None:
    """What stands behind a NUL differs from read to read; records and their identities do not."""
    terminal = terminal_of(layout, 300)
    terminal.faults = Faults(old_memory=True)
    with serve(terminal, transport=transport) as address:
        reading, first = read_at(address, transport)
        _, second = read_at(address, transport)
    check_whole(terminal, reading, first)
    assert first.punches == second.punches
    assert last_mark(first).tail == last_mark(second).tail


@pytest.mark.parametrize("known", [8, 16, 22, 49])
def test_a_layout_that_no_longer_fits_is_found_anew(known: int) -> None:
    """A terminal whose firmware has changed the layout is read in the new one."""
    terminal = terminal_of(records=98)
    tail = tuple(bytes(known) for _ in range(TAIL))
    check_whole(terminal, *read(terminal, sink=Kept(Watermark(known, 10, tail))))


def test_the_layout_that_was_known_settles_what_one_record_cannot() -> None:
    """A log whose bytes fit two layouts is read in the one it had before."""
    terminal = terminal_of(16, 0, inline_limit=0)
    terminal.users.append(EnrolledUser(uid=1001, user_id="1001"))
    terminal.punch("1001", time=terminal.now().replace(year=2000, month=1, day=1), verify=0)
    for known in (8, 16):
        reading, _ = read(terminal, sink=Kept(Watermark(known, 1, (bytes(known),))))
        assert reading.layout == known


# --- TCP: cut, joined, hung up ---


@EACH_LAYOUT
@pytest.mark.parametrize(
    "faults",
    [
        Faults(cut=1),
        Faults(cut=13, gap=0.0002),
        Faults(random_cuts=True, gap=0.0005, seed=2),
        Faults(random_cuts=True, seed=3),
        Faults(join=True),
        Faults(join=True, random_cuts=True, gap=0.0005, seed=4),
    ],
)
def test_tcp_may_cut_and_join_frames_anywhere(layout: int, faults: Faults) -> None:
    """Where the network cuts or joins what the terminal sends makes no difference."""
    terminal = terminal_of(layout, 120, block_size=1008)
    terminal.faults = faults
    check_whole(terminal, *read(terminal, timeout=2))


def prefix_of(terminal: Terminal, sink: Kept) -> int:
    """Assert that what was handed on is the true beginning of the log; return how much that is."""
    count = len(sink.punches)
    assert sink.shown == held(terminal)[:count]
    assert not sink.quarantined
    check_slices(sink)
    return count


def test_a_hang_up_at_any_byte_hands_on_only_true_records() -> None:
    """A terminal that closes after any number of bytes is an error, and no record of it is made up."""
    terminal = terminal_of(records=30, block_size=100)
    with serve(terminal) as address:
        _, sink = read_at(address)
        whole = terminal.bytes_sent
        for limit in range(0, whole, 7):
            terminal.faults = Faults(hang_up_after=limit)
            came_of = attempt(address)
            count = prefix_of(terminal, came_of.sink)
            if came_of.error:
                assert type(came_of.error) is (HungUp if came_of.sink.serials or limit >= 16 else SeatTaken)
            else:
                assert count == len(sink.punches)


@pytest.mark.parametrize("limit", [100, 65_000, 66_000, 119_000, 131_100, 131_400, 200_000, 239_999])
def test_what_came_before_a_hang_up_is_handed_on(limit: int) -> None:
    """A visit that breaks off in mid-read has made progress: every slice that was read whole."""
    terminal = terminal_of(records=6000)
    terminal.faults = Faults(hang_up_after=limit)
    with serve(terminal) as address:
        came_of = attempt(address)
    assert type(came_of.error) is HungUp
    slices = (limit - 250) // 0xFFC0 if limit > 250 else 0
    assert prefix_of(terminal, came_of.sink) == max(0, slices * 0xFFC0 - 4) // 40


@BOTH
def test_a_slice_that_is_refused_ends_the_reading_where_it_was(transport: Transport) -> None:
    """A terminal that loses its table in mid-read is an error; what was read until then is handed on."""
    terminal = terminal_of(records=6000)
    terminal.faults = Faults(instead=(refuse(Command.READ_BUFFER, first=3),))
    with serve(terminal, transport=transport) as address:
        came_of = attempt(address, transport, timeout=2)
    assert isinstance(came_of.error, Refused)
    assert prefix_of(terminal, came_of.sink) == (0xFFC0 if transport == "tcp" else 16 * 1024) // 40


# --- UDP: lost, doubled, swapped ---

ANSWERS, REQUESTS = 18, 9
"""Datagrams of a visit to a log of 150 records: CONNECT, serial, time, sizes, 1503; PREPARE, a block and
ACK_OK for the log's length; PREPARE, six blocks and ACK_OK for its records; FREE and EXIT."""


def test_the_datagrams_of_a_visit_are_counted() -> None:
    """The positions tried below are all there are."""
    network = Network(lambda *_: "passes")
    terminal = terminal_of(records=150)
    with serve(terminal, transport="udp") as device, through(network, device) as address:
        check_whole(terminal, *read_at(address, "udp"))
    assert network.passed == {"there": REQUESTS, "back": ANSWERS}


POSITIONS = [("back", number) for number in range(1, ANSWERS + 1)]
POSITIONS += [("there", number) for number in range(1, REQUESTS + 1)]


@pytest.mark.parametrize(("layout", "fate"), [(8, "lost"), (40, "lost"), (40, "doubled"), (40, "swapped")])
@pytest.mark.parametrize(("way", "number"), POSITIONS)
def test_no_single_datagram_matters(way: str, number: int, fate: str, layout: int) -> None:
    """One datagram that is lost, doubled or late, wherever in a visit, changes nothing."""
    terminal = terminal_of(layout, 150 if layout == 40 else 750)
    with serve(terminal, transport="udp") as device, through(Network.bad(way, number, fate), device) as at_:
        check_whole(terminal, *read_at(at_, "udp"))


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))]
)
@pytest.mark.parametrize("layout", [16, 40])
def test_a_bad_network_makes_a_visit_slow_not_wrong(layout: int, seed: int) -> None:
    """One datagram in ten lost, and some doubled or swapped, both ways: the reading is right."""
    terminal = terminal_of(layout, 600)
    network = Network.random(seed, loss=0.1, doubled=0.05, swapped=0.05)
    with serve(terminal, transport="udp") as device, through(network, device) as address:
        check_whole(terminal, *read_at(address, "udp", timeout=1))


def test_a_slow_line_is_not_a_lossy_one() -> None:
    """Blocks that come one by one, over seconds, are waited for and not asked for again."""
    terminal = terminal_of(records=600)
    fast, _ = read(terminal, "udp")
    terminal.faults = Faults(bandwidth=20_000)
    slow, sink = read(terminal, "udp", timeout=1.6)
    check_whole(terminal, slow, sink)
    assert slow.round_trips == fast.round_trips


def alike(_number: int, _offset: int) -> int:
    """Give all blocks one number."""
    return 7


def by_offset(_number: int, offset: int) -> int:
    """Give a block the number of its first byte."""
    return offset & 0xFFFF


def by_session(number: int, _offset: int) -> int:
    """Count on from somewhere."""
    return 0x2F01 + number


@pytest.mark.parametrize("loss", [0.0, 0.1])
@pytest.mark.parametrize("count", [alike, by_offset, by_session])
@pytest.mark.parametrize("layout", [8, 40])
def test_a_block_counter_that_is_none(layout: int, count: Callable[[int, int], int], loss: float) -> None:
    """A terminal that does not number its blocks is read all the same, a block at a time."""
    terminal = terminal_of(layout, 250 if layout == 40 else 1250)

    def renumbered(_request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        blocks = [frame for frame in answer if frame.command == Command.DATA]
        offsets = [0]
        for block in blocks:
            offsets.append(offsets[-1] + len(block.data))
        numbers = iter(count(number, offset) for number, offset in enumerate(offsets))
        return [
            frame._replace(session=next(numbers)) if frame.command == Command.DATA else frame
            for frame in answer
        ]

    terminal.rewrite = renumbered
    network = Network.random(11, loss, 0, 0)
    with serve(terminal, transport="udp") as device, through(network, device) as address:
        check_whole(terminal, *read_at(address, "udp", timeout=0.8))


# --- the sink ---


def test_slices_hold_their_tails_across_borders() -> None:
    """Each slice tells the last identities of the log up to its end, also those of slices before it."""
    terminal = terminal_of(records=16_000)
    _, sink = read(terminal, timeout=5)
    assert len(sink.slices) == 2
    check_slices(sink)
    identities = [punch.canonical for punch in sink.punches]
    for piece in sink.slices:
        assert piece.mark is not None
        assert piece.mark.tail == tuple(identities[piece.mark.count - TAIL : piece.mark.count])


@pytest.mark.parametrize("place", [0, 1, 7, 20, 39])
@pytest.mark.parametrize("records", [10, 40])
def test_an_impossible_record_is_set_aside_alone(place: int, records: int) -> None:
    """A record that cannot be is quarantined as it is; its neighbours, and the count, are not touched."""
    terminal = terminal_of(records=records)
    terminal.log.insert(min(place, records), IMPOSSIBLE)
    reading, sink = read(terminal)
    assert sink.shown == held(terminal)
    assert sink.quarantined == [IMPOSSIBLE]
    assert reading.records == reading.on_device == last_mark(sink).count == records + 1
    tail = [punch.canonical for punch in sink.punches]
    tail.insert(min(place, records), IMPOSSIBLE)
    assert last_mark(sink).tail == tuple(tail[-TAIL:])


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_log_of_impossible_records_is_no_known_layout(share: float) -> None:
    """Where many records are impossible, nothing is handed on, and the bytes are kept as evidence."""
    terminal = terminal_of(records=100)
    for place in random.Random(1).sample(range(100), int(100 * share)):
        terminal.log[place] = IMPOSSIBLE
    with serve(terminal) as address:
        came_of = attempt(address)
    assert isinstance(came_of.error, UnknownLayout)
    assert came_of.error.log == b"".join(terminal.log)
    assert came_of.sink.slices == []


def test_a_log_that_turns_impossible_is_no_known_layout() -> None:
    """Rubbish behind a good beginning stops the reading there; what was believable is handed on."""
    terminal = terminal_of(records=17_000)
    terminal.log[15_000:] = [IMPOSSIBLE] * 2_000
    with serve(terminal) as address:
        came_of = attempt(address, timeout=5)
    assert isinstance(came_of.error, UnknownLayout)
    assert "2000 of 17000 records are impossible" in str(came_of.error)
    assert came_of.error.log.endswith(IMPOSSIBLE * 2_000)
    assert len(came_of.sink.slices) == 1
    assert 13_000 < prefix_of(terminal, came_of.sink) < 15_000


def test_impossible_records_are_counted_over_the_whole_log() -> None:
    """A few impossible records in the beginning count when more of them come later."""
    terminal = terminal_of(records=29_000)
    for place in [*range(0, 14_700, 21), *range(14_700, 29_000, 16)]:
        terminal.log[place] = IMPOSSIBLE
    with serve(terminal) as address:
        came_of = attempt(address, timeout=5)
    assert isinstance(came_of.error, UnknownLayout)
    assert len(came_of.sink.slices) == 1


def test_nothing_is_handed_on_twice() -> None:
    """A visit that breaks off hands no record on twice, and the next one begins anew."""
    terminal = terminal_of(records=30_000)
    terminal.faults = Faults(hang_up_after=900_000, hang_up_times=1)
    with serve(terminal) as address:
        came_of = attempt(address, timeout=5)
        assert type(came_of.error) is HungUp
        assert len(came_of.sink.slices) == 2
        count = prefix_of(terminal, came_of.sink)
        numbers = [punch.canonical[:2] for punch in came_of.sink.punches]
        assert len(set(numbers)) == count
        check_whole(terminal, *read_at(address, timeout=5))


# --- only what is new ---


def seen(sink: Kept) -> Kept:
    """Return a sink that knows what `sink` was handed, in a reading that came to the log's end."""
    return Kept(replace(last_mark(sink), all_read=True))


@BOTH
@EACH_LAYOUT
@pytest.mark.parametrize("new", [0, 1, 10, 3000])
def test_a_log_that_grew_is_read_from_the_proof_on(layout: int, transport: Transport, new: int) -> None:
    """The last known records and the new ones are read, nothing else; only the new are handed on."""
    terminal = terminal_of(layout, 500)
    with serve(terminal, transport=transport) as address:
        _, first = read_at(address, transport, timeout=2)
        for number in range(new):
            terminal.punch(terminal.users[0].user_id, DAY + timedelta(seconds=number))
        before = terminal.bytes_sent
        reading, second = read_at(address, transport, seen(first), timeout=2)
    assert second.shown == held(terminal)[500:]
    assert (reading.records, reading.proved, reading.on_device) == (8 + new, 8, 500 + new)
    assert (reading.whole, reading.continued, reading.before) == (False, True, 500)
    assert not new or last_mark(second) == replace(last_mark(second), count=500 + new)
    if layout == 40 and not new:
        assert terminal.bytes_sent - before < 1000


def shortened(terminal: Terminal) -> None:
    """Take records from the front, as a cyclic delete does."""
    del terminal.log[:30]
    del terminal.history[:30]


def wrapped(terminal: Terminal) -> None:
    """Take records from the front and append as many."""
    shortened(terminal)
    for number in range(30):
        terminal.punch("1001", DAY + timedelta(seconds=number))


def cleared(terminal: Terminal) -> None:
    """Clear the log and begin a new one."""
    terminal.clear()
    terminal.history.clear()
    terminal.punch("1001", DAY)


def refilled(terminal: Terminal) -> None:
    """Clear the log and fill it with more than it held."""
    terminal.clear()
    terminal.history.clear()
    for number in range(300):
        terminal.punch("1001", DAY + timedelta(seconds=number))


def rewritten(terminal: Terminal) -> None:
    """Change one of the last known records."""
    terminal.log[-3:], terminal.history[-3:] = terminal.log[-5:-2], terminal.history[-5:-2]


@BOTH
@pytest.mark.parametrize("change", [shortened, wrapped, cleared, refilled, rewritten])
def test_a_log_that_did_not_only_grow_is_read_whole(
    change: Callable[[Terminal], None], transport: Transport
) -> None:
    """Shortened, wrapped, cleared, cleared and refilled, rewritten: each is seen and read from its start."""
    terminal = terminal_of(records=200)
    with serve(terminal, transport=transport) as address:
        _, first = read_at(address, transport)
        change(terminal)
        reading, second = read_at(address, transport, seen(first))
    assert second.shown == held(terminal)
    assert (reading.whole, reading.continued, reading.before) == (True, False, 200)


@pytest.mark.parametrize("full", [False, True])
def test_a_log_at_its_capacity_is_always_read_whole(full: bool) -> None:
    """A full log may be overwritten in place, behind the last known records: all of it is read again."""
    terminal = terminal_of(records=200, capacity=200 if full else 201, when_full="overwrite")
    with serve(terminal) as address:
        _, first = read_at(address)
        terminal.log[5], terminal.history[5] = terminal.log[6], terminal.history[6]
        reading, second = read_at(address, sink=seen(first))
    assert reading.whole is full
    assert second.shown == (held(terminal) if full else [])
    assert all(piece.mark is None for piece in second.slices)


def test_going_over_the_old_part_comes_after_what_is_new() -> None:
    """Where the whole log is asked for, new records are safe before the old ones are read again."""
    terminal = terminal_of(records=3000)
    with serve(terminal) as address:
        _, first = read_at(address, timeout=2)
        terminal.punch("1001", DAY)
        sink = seen(first)
        reading = visit(replace(target(address, timeout=2), full=True), sink)
    assert sink.shown == [held(terminal)[-1], *held(terminal)[:3000]]
    assert [piece.mark is not None for piece in sink.slices] == [True, False]
    assert reading.records == 3001
    assert reading.whole


def test_a_unit_that_always_dies_is_read_to_its_end() -> None:
    """A terminal that breaks off after part of a long log is read over several visits, each going on."""
    terminal = terminal_of(records=20_000)
    terminal.faults = Faults(hang_up_after=480_000)
    sink = Kept()
    with serve(terminal) as address:
        for _ in range(2):
            came_of = attempt(address, timeout=5, sink=sink)
            sink.watermark = last_mark(sink)
    assert came_of.error is None
    assert sink.shown == held(terminal)


@pytest.mark.parametrize("layout", [8, 40])
def test_nothing_new_costs_nothing(layout: int) -> None:
    """An idle terminal is handed on nothing, and its user table is not read."""
    terminal = terminal_of(layout, 100)
    with serve(terminal) as address:
        _, first = read_at(address)
        terminal.commands.clear()
        reading, second = read_at(address, sink=seen(first))
    assert second.slices == []
    assert reading.proved == reading.records == 8
    tables = [command for command in terminal.commands if command == Command.PREPARE_BUFFER]
    assert len(tables) == 1


# --- empty logs ---


def empty_slice(sink: Kept) -> bool:
    """Say whether the sink was told, once, that the log is empty."""
    (piece,) = sink.slices
    return piece.records == 0 and last_mark(sink).count == 0 and last_mark(sink).tail == ()


EMPTY = Watermark(40, 0, ())
FULL = Watermark(40, 5, (b"x" * 40,) * 5)


@BOTH
@pytest.mark.parametrize("watermark", [None, EMPTY, FULL])
def test_an_error_means_empty_where_the_sizes_say_so(
    watermark: Watermark | None, transport: Transport
) -> None:
    """Code 2001 is an empty log if the terminal counts no records."""
    terminal = terminal_of(records=0)
    reading, sink = read(terminal, transport, Kept(watermark))
    assert (reading.layout, reading.records, reading.on_device) == (None, 0, 0)
    assert empty_slice(sink)


@BOTH
@pytest.mark.parametrize("sizes", [None, 4])
def test_an_error_means_empty_where_the_log_was_empty(sizes: int | None, transport: Transport) -> None:
    """Code 2001 is an empty log if the terminal counts nothing, and the log was empty last time."""
    _, sink = read(terminal_of(records=0, sizes=sizes), transport, Kept(EMPTY))
    assert empty_slice(sink)


@pytest.mark.parametrize(
    ("sizes", "count", "watermark"),
    [(None, None, None), (None, None, FULL), (4, None, None), (92, 5, None), (92, 5, EMPTY), (92, 5, FULL)],
)
def test_an_error_is_not_empty_where_something_contradicts_it(
    sizes: int | None, count: int | None, watermark: Watermark | None
) -> None:
    """Code 2001 from a terminal that may hold records fails the visit, and says what was answered."""
    terminal = terminal_of(records=0, sizes=sizes)
    terminal.faults = Faults(sizes_records=count)
    sink = Kept(watermark)
    with serve(terminal) as address, pytest.raises(Refused) as caught:
        read_at(address, sink=sink)
    assert str(caught.value) == (
        "the log cannot be read, and may not be empty: "
        "the device answers command 1503 with 2001, the device answers command 13 with 2001"
    )
    assert sink.slices == []


@pytest.mark.parametrize("watermark", [None, EMPTY])
@pytest.mark.parametrize(("buffered", "old"), [(4989, 4989), (0xFFFF, 0xFFFF), (4989, 0xFFFF)])
def test_not_supported_never_means_empty(buffered: int, old: int, watermark: Watermark | None) -> None:
    """A terminal that knows neither command, and counts 0 with a full log, is not taken for empty."""
    terminal = terminal_of(records=5)
    terminal.faults = Faults(
        sizes_records=0, instead=(refuse(Command.PREPARE_BUFFER, buffered), refuse(Command.ATTLOG_RRQ, old))
    )
    with serve(terminal) as address, pytest.raises(Refused, match="may not be empty"):
        read_at(address, sink=Kept(watermark))


@BOTH
@pytest.mark.parametrize("inline_limit", [0, 1008])
@pytest.mark.parametrize("sizes", [None, 4, 92])
@pytest.mark.parametrize("watermark", [None, EMPTY, FULL])
def test_an_empty_table_is_an_empty_log(
    watermark: Watermark | None, sizes: int | None, inline_limit: int, transport: Transport
) -> None:
    """A table of no records is an empty log where no records are counted."""
    terminal = terminal_of(records=0, empty_log="table", inline_limit=inline_limit, sizes=sizes)
    reading, sink = read(terminal, transport, Kept(watermark))
    assert reading.on_device == 0
    assert empty_slice(sink)


@BOTH
@pytest.mark.parametrize("sizes", [None, 4, 92])
def test_an_empty_table_is_settled_by_the_old_command(sizes: int | None, transport: Transport) -> None:
    """A terminal that lays out an empty log, and sends all of it by command 13, is read."""
    terminal = terminal_of(records=60, sizes=sizes)
    terminal.faults = Faults(lays_out_nothing=True)
    check_whole(terminal, *read(terminal, transport))


@BOTH
@pytest.mark.parametrize("inline_limit", [0, 1008])
@pytest.mark.parametrize("watermark", [None, EMPTY, FULL])
@pytest.mark.parametrize(
    ("old", "why"),
    [
        (None, "command 13 brings nothing either"),
        (2001, "the device answers command 13 with 2001"),
        (4989, "the device answers command 13 with 4989"),
    ],
)
def test_an_empty_table_is_no_empty_log_where_records_are_counted(
    old: int | None, why: str, watermark: Watermark | None, inline_limit: int, transport: Transport
) -> None:
    """A terminal that counts records and gives none by either command fails the visit, and that is said."""
    terminal = terminal_of(records=0, empty_log="table", inline_limit=inline_limit)
    refused = (refuse(Command.ATTLOG_RRQ, old),) if old else ()
    terminal.faults = Faults(sizes_records=1060, instead=refused)
    with serve(terminal, transport=transport) as address:
        came_of = attempt(address, transport, Kept(watermark))
    assert type(came_of.error) is NothingLaidOut
    assert str(came_of.error) == (
        f"the terminal counts 1,060 records and lays out an empty log ({why}): "
        "restart it, and let it push if that does not help"
    )
    assert came_of.sink.slices == []


@BOTH
@pytest.mark.parametrize("empty_log", ["error", "table"])
def test_a_log_that_is_cleared_after_it_was_counted_is_empty(empty_log: str, transport: Transport) -> None:
    """Counts of records that are cleared before the log is laid out are asked for again, and are 0 then."""
    terminal = terminal_of(records=60, empty_log=empty_log)

    def clear(command: int) -> None:
        if command == Command.PREPARE_BUFFER:
            terminal.clear()

    terminal.before_command = clear
    reading, sink = read(terminal, transport)
    assert reading.on_device == 0
    assert empty_slice(sink)


# --- a terminal that hands out each record once ---


def known_of(sink: Kept) -> Kept:
    """Return a sink that knows what was last known of a log that was read to its end."""
    marks = [piece.mark for piece in sink.slices if piece.mark]
    return Kept(replace(marks[-1], all_read=True) if marks else sink.watermark)


@BOTH
@EACH_LAYOUT
@pytest.mark.parametrize("empty_log", ["error", "table"])
def test_a_terminal_that_hands_out_each_record_once(
    empty_log: str, layout: int, transport: Transport
) -> None:
    """Visits read what is new, and none finds a log that was cleared, wrapped, or not laid out."""
    terminal = terminal_of(layout, 60, empty_log=empty_log)
    terminal.faults = Faults(hands_out_once=True)
    days = iter(range(1, 100))
    with serve(terminal, transport=transport) as address:
        reading, sink = read_at(address, transport)
        check_whole(terminal, reading, sink)
        for new in (0, 3, 5, 0, 0, 7, 1, 0):
            for _ in range(new):
                terminal.punch(terminal.users[0].user_id, DAY + timedelta(days=next(days)))
            reading, sink = read_at(address, transport, known_of(sink))
            assert sink.shown == held(terminal)[len(terminal.log) - new :]
            assert (reading.records, reading.on_device) == (new, len(terminal.log))
            assert reading.once == (new > 0)
            assert reading.continued == (new != 3)  # where it is found out


def test_a_terminal_that_lays_out_all_again_is_read_whole() -> None:
    """What was handed out once and is laid out again is gone over, from the first record on."""
    terminal = terminal_of(records=60)
    terminal.faults = Faults(hands_out_once=True)
    with serve(terminal) as address:
        _, sink = read_at(address)
        terminal.punch("1001", DAY)
        _, sink = read_at(address, sink=known_of(sink))
        terminal.faults = Faults()
        terminal.punch("1001", DAY + timedelta(days=1))
        reading, sink = read_at(address, sink=known_of(sink))
        assert (reading.whole, reading.once) == (True, False)
        assert sink.shown == held(terminal)
        reading, sink = read_at(address, sink=known_of(sink))
    assert (reading.whole, reading.continued, sink.slices) == (False, True, [])


def test_a_count_that_grew_beside_an_empty_log_is_a_failure() -> None:
    """A terminal that counts one record more than are known, and lays out none, keeps it from us."""
    terminal = terminal_of(records=60)
    with serve(terminal) as address:
        _, sink = read_at(address)
        terminal.punch("1001", DAY)
        terminal.faults = Faults(lays_out_nothing=True, instead=(refuse(Command.ATTLOG_RRQ),))
        assert type(attempt(address, sink=known_of(sink)).error) is NothingLaidOut


@BOTH
@pytest.mark.parametrize("layout", [8, 40])
@pytest.mark.parametrize("sizes", [None, 4, 80, 92, 112])
def test_the_sizes_are_a_hint(sizes: int | None, layout: int, transport: Transport) -> None:
    """A log is read by its bytes, whether the terminal counts its records, how widely, or not at all."""
    terminal = terminal_of(layout, 41, sizes=sizes)
    reading, sink = read(terminal, transport)
    check_whole(terminal, reading, sink)
    assert reading.capacity == (None if sizes in (None, 4) else terminal.model.capacity)


@pytest.mark.parametrize("count", [0, 1, 40, 42, 4000])
def test_a_wrong_count_changes_nothing(count: int) -> None:
    """A terminal that counts 0, one less, one more or far too many is read by its bytes."""
    terminal = terminal_of(records=41)
    terminal.faults = Faults(sizes_records=count)
    check_whole(terminal, *read(terminal))


def test_what_a_terminal_refuses_to_tell_is_not_known() -> None:
    """A terminal that refuses options, time, sizes and FREE is read, without serial, drift and capacity."""
    terminal = terminal_of(records=100)
    refused = (Command.OPTIONS_RRQ, Command.GET_TIME, Command.GET_FREE_SIZES, Command.FREE_DATA)
    terminal.faults = Faults(instead=tuple(refuse(command) for command in refused))
    reading, sink = read(terminal)
    check_whole(terminal, reading, sink)
    assert sink.serials == [None]
    assert (reading.drift, reading.capacity) == (None, None)


@pytest.mark.parametrize("ahead", [-400_000_000, -3600, 90, 400_000_000])
def test_the_drift_of_a_clock_is_measured(ahead: int) -> None:
    """A clock that is off by a minute or by years is told, and changes nothing else."""
    terminal = terminal_of(records=10)
    _, sink = read(terminal)
    before = read(terminal)[0].drift
    terminal.set_clock(terminal.now() + timedelta(seconds=ahead))
    reading, later = read(terminal)
    assert before is not None
    assert reading.drift is not None
    assert abs(reading.drift - before - ahead) < 5
    assert later.punches == sink.punches


@pytest.mark.parametrize("records", [0, 1, 150])
def test_a_table_of_no_bytes_is_settled_by_the_old_command(records: int) -> None:
    """A terminal that lays out a table of no bytes is read by the old command, or empty."""
    terminal = terminal_of(records=records)
    terminal.handlers[Command.PREPARE_BUFFER] = lambda s, r: [WireFrame(Command.DATA, s.id, r.reply_id)]
    reading, sink = read(terminal)
    assert sink.shown == held(terminal)
    assert reading.on_device == records


# --- terminals without the buffered read ---


@BOTH
@EACH_LAYOUT
@pytest.mark.parametrize("code", [2001, 4989, 0xFFFF])
def test_a_terminal_without_the_buffered_read_is_read(code: int, layout: int, transport: Transport) -> None:
    """A terminal that refuses 1503, for logs and users, is read by the old commands."""
    terminal = terminal_of(layout, 500, user_width=28 if layout == 8 else None)
    terminal.faults = Faults(instead=(refuse(Command.PREPARE_BUFFER, code),))
    check_whole(terminal, *read(terminal, transport))


@pytest.mark.parametrize("records", [3, 40, 500])
@EACH_LAYOUT
def test_rubbish_of_the_right_length_is_not_a_log(layout: int, records: int) -> None:
    """A terminal that answers command 13 with rubbish of the right length is found out, and shown."""
    terminal = terminal_of(layout, records)
    terminal.faults = Faults(legacy_rubbish=True, instead=(refuse(Command.PREPARE_BUFFER, 4989),))
    with serve(terminal) as address:
        came_of = attempt(address)
    assert isinstance(came_of.error, UnknownLayout)
    assert len(came_of.error.log) == layout * records
    assert came_of.sink.slices == []


@pytest.mark.parametrize("off", [-40, -1, 1, 4, 40, 1 << 30])
@BOTH
def test_a_table_of_another_length_than_it_says(off: int, transport: Transport) -> None:
    """A log whose own length contradicts the table's is not decoded."""
    terminal = terminal_of(records=20)

    def lie(_request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        return [
            frame._replace(data=(800 + off).to_bytes(4, "little") + frame.data[4:])
            if frame.command == Command.DATA
            else frame
            for frame in answer
        ]

    terminal.rewrite = lie
    with serve(terminal, transport=transport) as address:
        came_of = attempt(address, transport)
    assert type(came_of.error) is WireError
    assert str(came_of.error) == f"the log says it has {800 + off} bytes, the device laid out 800"
    assert came_of.sink.slices == []


@BOTH
def test_a_size_that_is_too_small_is_settled_by_the_old_command(transport: Transport) -> None:
    """A terminal that tells too small a size for its table is read whole by command 13."""
    terminal = terminal_of(records=100)

    def lie(request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        if request.command != Command.PREPARE_BUFFER:
            return answer
        return [frame._replace(data=b"\0" + (804).to_bytes(4, "little") * 2 + bytes(4)) for frame in answer]

    terminal.rewrite = lie
    check_whole(terminal, *read(terminal, transport))
    assert Command.ATTLOG_RRQ in terminal.commands


# --- the size of a log, told by the count, by 1503, and by the log itself ---

IDLE = (
    Command.CONNECT,
    Command.OPTIONS_RRQ,
    Command.GET_TIME,
    Command.GET_FREE_SIZES,
    Command.PREPARE_BUFFER,
    Command.READ_BUFFER,
    Command.FREE_DATA,
    Command.EXIT,
)
"""What a visit says to a long log in which nothing is new: eight round trips."""


def tell_size(terminal: Terminal, size: Callable[[int], int]) -> None:
    """Let 1503 tell the size of a table as `size` has it."""

    def lie(request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        if request.command != Command.PREPARE_BUFFER:
            return answer
        (frame,) = answer
        told = size(int.from_bytes(frame.data[1:5], "little")).to_bytes(4, "little")
        return [frame._replace(data=b"\0" + told * 2 + bytes(4))]

    terminal.rewrite = lie


@BOTH
@pytest.mark.parametrize("layout", [16, 22, 40, 49])
@pytest.mark.parametrize("new", [0, 3])
def test_an_idle_visit_takes_eight_round_trips(layout: int, new: int, transport: Transport) -> None:
    """Where the device's count agrees with the size of its table, no third word on that is asked for."""
    terminal = terminal_of(layout, 300)
    with serve(terminal, transport=transport) as address:
        _, first = read_at(address, transport)
        for day in range(new):
            terminal.punch(terminal.users[0].user_id, DAY + timedelta(days=day))
        before = len(terminal.commands)
        reading, sink = read_at(address, transport, known_of(first))
    assert tuple(terminal.commands[before:]) == IDLE
    assert reading.round_trips == len(IDLE)
    assert sink.shown == held(terminal)[300:]
    assert reading.continued
    assert reading.on_device == 300 + new


@BOTH
@pytest.mark.parametrize("off", [-5, 5, -300])
def test_a_count_that_belies_the_size_has_the_length_asked_for(off: int, transport: Transport) -> None:
    """Where count and size disagree, the length in front of the records decides, as it always did."""
    terminal = terminal_of(records=300)
    with serve(terminal, transport=transport) as address:
        _, first = read_at(address, transport)
        terminal.punch(terminal.users[0].user_id, DAY)
        terminal.faults = Faults(sizes_stale=-off)
        before = len(terminal.commands)
        _, sink = read_at(address, transport, known_of(first))
    assert terminal.commands[before:].count(Command.READ_BUFFER) == 2
    assert sink.shown == held(terminal)[300:]


@BOTH
@pytest.mark.parametrize("told", [300, 301, 150])
def test_a_size_that_turns_too_small_hides_nothing(told: int, transport: Transport) -> None:
    """A table that is said to be as long as it was, or shorter, is read by the old command."""
    terminal = terminal_of(records=300)
    with serve(terminal, transport=transport) as address:
        _, first = read_at(address, transport)
        for day in range(3):
            terminal.punch(terminal.users[0].user_id, DAY + timedelta(days=day))
        tell_size(terminal, lambda _size: 4 + 40 * told)
        before = len(terminal.commands)
        _, sink = read_at(address, transport, known_of(first))
    assert Command.ATTLOG_RRQ in terminal.commands[before:]
    assert sink.shown == held(terminal)[300:]


@BOTH
def test_a_size_and_a_count_that_lie_alike_are_found_out_where_all_is_read(transport: Transport) -> None:
    """What is read whole is as long as it says itself, whatever count and size agree on."""
    terminal = terminal_of(records=300)
    with serve(terminal, transport=transport) as address:
        _, first = read_at(address, transport)
        terminal.punch(terminal.users[0].user_id, DAY)
        tell_size(terminal, lambda size: size - 40)
        terminal.faults = Faults(sizes_stale=1)
        known = known_of(first)
        assert known.watermark is not None
        anew = Kept(replace(known.watermark, tail=tuple(bytes(40) for _ in range(TAIL))))
        long_ago = Kept(replace(known.watermark, whole_at=datetime(2026, 1, 1, tzinfo=UTC)))
        for again in (anew, long_ago):
            _, sink = read_at(address, transport, again)
            assert held(terminal)[-1] in sink.shown


# --- 8-byte logs, which need the users ---


@BOTH
@pytest.mark.parametrize("user_width", [28, 72])
@pytest.mark.parametrize("users", [1, 14, 200])
def test_slots_are_translated_by_the_users_of_the_visit(
    users: int, user_width: int, transport: Transport
) -> None:
    """8-byte punches get the user ids that the terminal has for their slots in the same visit."""
    terminal = Terminal.with_samples(300, users, Model(layout=8, user_width=user_width))
    terminal.users = [replace(user, user_id=f"9{user.user_id}") for user in terminal.users]
    renamed = {user.uid: user.user_id for user in terminal.users}
    _, sink = read(terminal, transport)
    assert [punch.user_id for punch in sink.punches] == [renamed[one.uid] for one in terminal.history]


@BOTH
@pytest.mark.parametrize("deleted", [1, 30])
def test_a_slot_that_no_user_has_is_set_aside(deleted: int, transport: Transport) -> None:
    """Punches of users who are not in the table any more are quarantined, however many, and no others."""
    terminal = terminal_of(8, 400)
    del terminal.users[7 : 7 + deleted]
    slots = {user.uid for user in terminal.users}
    reading, sink = read(terminal, transport)
    stay = [one for one in terminal.history if one.uid in slots]
    assert [punch.user_id for punch in sink.punches] == [one.user_id for one in stay]
    assert sink.quarantined == [encode_record(one, 8) for one in terminal.history if one.uid not in slots]
    assert reading.on_device == 400


@pytest.mark.parametrize("code", [2001, 4989])
def test_an_8_byte_log_without_a_user_table_is_not_guessed_at(code: int) -> None:
    """A terminal that tells no users fails the visit: slots alone name nobody."""
    terminal = terminal_of(8, 400)
    terminal.faults = Faults(
        instead=(refuse(Command.PREPARE_BUFFER, code, first=2), refuse(Command.USERTEMP_RRQ, code))
    )
    with serve(terminal) as address:
        came_of = attempt(address)
    assert isinstance(came_of.error, Refused)
    assert came_of.sink.slices == []


def test_a_log_that_is_cleared_while_the_users_are_read_is_empty() -> None:
    """An 8-byte log that is empty the second time it is laid out is an empty log."""
    terminal = terminal_of(8, 400, empty_log="table")
    laid_out: list[int] = []

    def clear(command: int) -> None:
        laid_out.extend([command] * (command == Command.PREPARE_BUFFER))
        if len(laid_out) == 3:  # the log, the users, and the log again
            terminal.clear()

    terminal.before_command = clear
    reading, sink = read(terminal)
    assert (reading.layout, reading.on_device) == (None, 0)
    assert empty_slice(sink)


@BOTH
@pytest.mark.parametrize(("layout", "users"), [(8, 7), (8, 2000), (40, 7), (40, 2000)])
def test_users_are_read_alone(layout: int, users: int, transport: Transport) -> None:
    """Users are read by the buffered command and by the old one alike."""
    terminal = Terminal.with_samples(0, users, terminal_of(layout).model)
    with session(terminal, transport, timeout=2) as open_session:
        found = read_users(open_session)
        terminal.faults = Faults(instead=(refuse(Command.PREPARE_BUFFER, 4989),))
        assert read_users(open_session) == found
    assert [(one.slot, one.user_id) for one in found] == [(one.uid, one.user_id) for one in terminal.users]


@BOTH
def test_a_slot_is_the_id_where_there_is_no_other(transport: Transport) -> None:
    """An 8-byte log of a terminal whose users have a second id of 0 is read under the slots."""
    terminal = terminal_of(8, 0, second_ids=False)
    terminal.users = [replace(one, user_id=str(one.uid)) for one in terminal.users]
    for number, one in enumerate(terminal.users):
        terminal.punch(one.user_id, DAY + timedelta(minutes=number))
    check_whole(terminal, *read(terminal, transport))


@BOTH
@pytest.mark.parametrize("users", [7, 9, 63])
def test_users_of_another_width_fail_an_8_byte_visit(users: int, transport: Transport) -> None:
    """A user table of 16 bytes a user, whose size divides by 28 or 72, names nobody; the visit says so."""
    terminal = Terminal.with_samples(300, users, Model(layout=8, user_width=16))
    with serve(terminal, transport=transport) as address:
        came_of = attempt(address, transport)
    assert type(came_of.error) is WireError
    assert "user table of" in str(came_of.error)
    assert came_of.sink.slices == []


@pytest.mark.parametrize("sizes", [None, 4])
def test_users_that_nobody_counts_are_read(sizes: int | None) -> None:
    """A terminal that does not count its users is believed as before."""
    terminal = terminal_of(8, 400, sizes=sizes)
    check_whole(terminal, *read(terminal))


def test_somebody_is_enrolled_while_the_users_are_read() -> None:
    """A user who comes between the counts and the table does not fail a visit: they are asked for again."""
    terminal = terminal_of(8, 400)

    def enroll(command: int) -> None:
        if command == Command.PREPARE_BUFFER and len(terminal.users) == 50:
            terminal.users.append(EnrolledUser(uid=900, user_id="900"))

    terminal.before_command = enroll
    check_whole(terminal, *read(terminal))
    assert terminal.commands.count(Command.GET_FREE_SIZES) == 2


@pytest.mark.parametrize("data", [b"\0", b"\1\0\0\0", bytes.fromhex("0500000000000000")])
def test_a_user_table_that_is_none(data: bytes) -> None:
    """A user table that is not as long as it says is an error."""
    terminal = terminal_of()
    terminal.handlers[Command.PREPARE_BUFFER] = lambda s, r: [WireFrame(Command.DATA, s.id, r.reply_id, data)]
    with session(terminal) as open_session, pytest.raises(WireError, match="not as long as it says"):
        read_users(open_session)


# --- people go on punching ---


@pytest.mark.parametrize(
    ("layout", "records", "transport"),
    [(8, 3, "tcp"), (40, 3, "udp"), (8, 200, "tcp"), (8, 200, "udp"), (40, 200, "tcp"), (40, 200, "udp")],
)
@pytest.mark.parametrize("turn", range(1, 13))
def test_a_punch_between_any_two_commands(turn: int, layout: int, records: int, transport: Transport) -> None:
    """Whoever punches in mid-visit is read in this visit or in the next, once, and misreads nobody."""
    terminal = terminal_of(layout, records)
    turns = iter(range(1, 100))
    time = terminal.history[-1].time

    def punch(command: int) -> None:
        if command != Command.EXIT and next(turns) == turn:
            assert terminal.punch("1002", time + timedelta(days=1), state=1)

    terminal.before_command = punch
    with serve(terminal, transport=transport) as address:
        reading, first = read_at(address, transport)
        assert prefix_of(terminal, first) in {records, records + 1}
        assert reading.on_device == len(first.punches)
        terminal.before_command = None
        check_whole(terminal, *read_at(address, transport))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_punches_before_every_command(layout: int) -> None:
    """A crowd that punches all through a visit is read as far as the log was laid out, and no further."""
    terminal = terminal_of(layout, 1000)
    time = terminal.history[-1].time
    days = iter(range(1, 100))
    terminal.before_command = lambda _: terminal.punch("1002", time + timedelta(days=next(days))) and None
    with serve(terminal) as address:
        counts = []
        for _ in range(3):
            _, sink = read_at(address)
            counts.append(prefix_of(terminal, sink))
    assert all(earlier < later for earlier, later in pairwise([1000, *counts]))


# --- anything at all ---

faults = st.builds(
    Faults,
    seed=st.integers(0, 1000),
    final_ack=st.sampled_from(["sent", "missing", "late", "early"]),
    session_rubbish=st.booleans(),
    legacy_rubbish=st.booleans(),
    old_memory=st.booleans(),
    events=st.sets(st.sampled_from([11, 50, 1503, 1504])).map(tuple),
    event_reply_id=st.integers(0, 8),
    sizes_records=st.sampled_from([None, 0, 1, 10_000]),
    damage=st.frozensets(st.integers(1, 20), max_size=2),
    random_cuts=st.booleans(),
    join=st.booleans(),
    hang_up_after=st.one_of(st.none(), st.integers(0, 8000)),
    drop=st.frozensets(st.integers(1, 20), max_size=3),
    duplicate=st.frozensets(st.integers(1, 20), max_size=3),
    swap=st.frozensets(st.integers(1, 20), max_size=3),
    instead=st.lists(
        st.builds(
            refuse,
            st.sampled_from([11, 13, 50, 201, 1502, 1503, 1504]),
            st.sampled_from([2001, 4989, 0xFFFF, 2000, 2005, 1500, 1501]),
            first=st.integers(1, 3),
        ),
        max_size=2,
    ).map(tuple),
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    faults=faults,
    transport=st.sampled_from(["tcp", "udp"]),
    layout=st.sampled_from(LAYOUTS),
    records=st.sampled_from([0, 1, 2, 41, 150]),
    block_size=st.sampled_from([None, 100, 1008]),
)
def test_whatever_goes_wrong_a_reading_is_right_or_an_error(
    faults: Faults, transport: Transport, layout: int, records: int, block_size: int | None
) -> None:
    """Any mixture of faults ends in a right reading or in a device error, and only true records come up."""
    terminal = terminal_of(layout, records, block_size=block_size)
    terminal.faults = faults
    with serve(terminal, transport=transport) as address:
        came_of = attempt(address, transport, timeout=0.25)
    count = prefix_of(terminal, came_of.sink)
    if came_of.error:
        assert isinstance(came_of.error, DEVICE_ERRORS), came_of.error
    else:
        assert count == records
