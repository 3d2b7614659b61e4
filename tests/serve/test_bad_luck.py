"""What goes wrong around a `zkpoll serve`: its journal, its disk, its host's clock."""

from __future__ import annotations

import resource
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.bad_luck import Holder
from tests.host_clock import YEARS, on_a_host
from tests.look import look
from tests.places import FileSystem
from tests.serve.serving import SERIAL, Heard, journalled, line, serving, write
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.serve.serving import Serving
    from tests.site import Site


UNAVAILABLE = Heard(503, "Unavailable")
POLLS = (
    f"/iclock/getrequest?SN={SERIAL}",
    f"/iclock/cdata?SN={SERIAL}&options=all",
    "/iclock/cdata?SN=OTHER",
)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
BEGIN = datetime(2026, 11, 1)


def punch(number: int) -> str:
    """Return the line of a punch that is no other one."""
    return line("1001", f"2026-11-22 {8 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}")


def taken(door: Serving, numbers: range) -> list[tuple[str, str]]:
    """Push punches one by one; return those for which OK was heard, as `journalled` has them."""
    found = []
    for number in numbers:
        try:
            heard = door.push(punch(number))
        except OSError:
            break
        assert heard in (Heard(200, "OK: 1"), UNAVAILABLE)
        if heard.status == 200:
            user, moment, *_ = punch(number).split("\t")
            found.append((user, moment.replace(" ", "T")))
    return found


# --- the journal is locked ---


@contextmanager
def polled(door: Serving) -> Iterator[list[float]]:
    """Poll, shake hands and be turned away while inside; give how many seconds each call took."""
    took: list[float] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            for target in POLLS:
                began = time.monotonic()
                assert door.ask(target).status in {200, 403}
                took.append(time.monotonic() - began)
            stop.wait(0.1)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


@contextmanager
def held(site: Site) -> Iterator[Holder]:
    """Let another program have a transaction under way in the journal while inside."""
    holder = Holder(site)
    holder.hold()
    try:
        yield holder
    finally:
        holder.let_go()


def test_a_short_lock(site: Site) -> None:
    """A batch waits for another program's transaction, and polls do not."""
    write(site)
    with serving(site) as door:
        with held(site) as holder, polled(door) as took:
            timer = threading.Timer(1.5, holder.let_go)
            timer.start()
            began = time.monotonic()
            assert door.push(punch(0)) == Heard(200, "OK: 1")
            assert 1 < time.monotonic() - began < 15
            timer.join()
        assert max(took) < 1
        assert len(took) > len(POLLS)
    assert len(journalled(site)) == 1


@pytest.mark.long
def test_a_long_lock(site: Site) -> None:
    """However many batches wait for a locked journal, each hears 503 before its terminal gives up."""
    serials = [f"S{number}" for number in range(30)]
    write(site, devices=[f"name: {one.lower()}, serial: {one}, push: true" for one in (SERIAL, *serials)])
    heard: dict[str, tuple[Heard, float]] = {}

    def push(serial: str) -> None:
        began = time.monotonic()
        heard[serial] = door.push(punch(0), serial=serial), time.monotonic() - began

    with serving(site) as door:
        with held(site), polled(door) as took:
            threads = [threading.Thread(target=push, args=(one,)) for one in serials]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
        assert {answer for answer, _ in heard.values()} == {UNAVAILABLE}
        assert min(seconds for _, seconds in heard.values()) > 18
        assert max(seconds for _, seconds in heard.values()) < 28
        assert max(took) < 1
        assert journalled(site) == []
        for serial in serials:
            assert door.push(punch(0), serial=serial) == Heard(200, "OK: 1")
    assert len(journalled(site)) == len(serials)


def test_a_replay_beside_a_lock(site: Site) -> None:
    """A batch that is on disk already is acknowledged again without the journal's turn."""
    write(site)
    with serving(site) as door:
        assert door.push(punch(0)).status == 200
        with held(site):
            assert door.push(punch(0)) == Heard(200, "OK: 1")
    assert len(journalled(site)) == 1


@pytest.mark.long
def test_a_stop_beside_a_lock(site: Site) -> None:
    """Stopped while another program has the journal, it ends by itself, and that is no failure."""
    write(site)
    with serving(site) as door:
        assert door.push(punch(0)).status == 200
        with held(site):
            assert door.ask("/iclock/cdata?SN=OTHER").status == 403  # so that there is something to write
            time.sleep(1.2)
            began = time.monotonic()
            assert door.stop() == 0
            assert time.monotonic() - began < 70


@pytest.mark.long
def test_strangers_beside_a_lock(site: Site) -> None:
    """Who called in vain while the journal was locked is written down afterwards."""
    write(site)
    with serving(site) as door:
        assert door.push(punch(0)).status == 200
        time.sleep(1.2)
        with held(site):
            for _ in range(3):
                door.ask("/iclock/cdata?SN=OTHER&options=all")
            time.sleep(23)
        wait_for(lambda: bool(look(site.journal, "SELECT 1 FROM refused_caller")))
    rows = look(site.journal, "SELECT serial, requests FROM refused_caller")
    assert rows == [("OTHER", 3)]


# --- the disk is full ---


def test_a_full_disk(site: Site) -> None:
    """Batches hear 503 while there is no room, and are taken again when some is made, by the same process."""
    try:
        with FileSystem(site.folder, kilobytes=80_000) as disk:
            write(site)
            with serving(site) as door:
                assert door.push(punch(0)).status == 200
                disk.fill(None, 1_000_000)
                assert door.push(punch(1)) == UNAVAILABLE
                assert door.ask(POLLS[0]) == Heard(200, "OK")
                disk.make_room()
                assert door.push(punch(1)) == Heard(200, "OK: 1")
            assert len(journalled(site)) == 2
    except PermissionError as error:
        pytest.skip(f"nothing can be mounted here: {error}")


def test_a_write_that_fails(site: Site) -> None:
    """A batch for which the disk has no room at the commit hears 503 whole, and comes in when it has."""
    write(site)
    lines = [line(str(number), "2026-11-22 08:00:00") for number in range(128)]
    with serving(site) as door:
        assert door.push(punch(0)).status == 200
        log = site.folder / "journal.db-wal"
        before = resource.prlimit(door.process.pid, resource.RLIMIT_FSIZE)
        for room in (0, 9_000):
            limit = log.stat().st_size + room
            resource.prlimit(door.process.pid, resource.RLIMIT_FSIZE, (limit, before[1]))
            assert door.push(*lines) == UNAVAILABLE
            assert len(journalled(site)) == 1
            resource.prlimit(door.process.pid, resource.RLIMIT_FSIZE, before)
        assert door.push(*lines) == Heard(200, "OK: 128")
        door.kill()
    assert len(journalled(site)) == 129


# --- the journal is gone ---


def _removed(site: Site) -> None:
    site.journal.unlink()


def _replaced(site: Site) -> None:
    copy = site.folder / "copy.db"
    copy.write_bytes(site.journal.read_bytes())
    copy.replace(site.journal)


def _its_log_removed(site: Site) -> None:
    (site.folder / "journal.db-wal").unlink()


@pytest.mark.parametrize("lose", [_removed, _replaced, _its_log_removed])
def test_a_journal_that_is_gone(site: Site, lose: Callable[[Site], None]) -> None:
    """Once the journal or its log is removed or replaced nothing is acknowledged, and it ends with 74."""
    write(site)
    with serving(site) as door:
        before = taken(door, range(20))
        assert len(before) == 20
        lose(site)
        assert taken(door, range(100, 120)) == []
        assert door.process.wait(timeout=30) == 74
        door.end()
    (last,) = door.lines
    assert "while zkpoll was at it" in last
    if lose is _its_log_removed:  # what it had is still in its hands at the end
        assert journalled(site) == before


def test_a_journal_that_is_damaged(site: Site) -> None:
    """What is needed to take a batch and cannot be read acknowledges nothing, and ends it with 74."""
    write(site)
    with serving(site, "--no-deliver") as door:
        assert len(taken(door, range(20))) == 20
        with closing(sqlite3.connect(site.journal)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (size,) = other.execute("PRAGMA page_size").fetchone()
            roots = other.execute(
                "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'form' AND rootpage > 0"
            )
            with site.journal.open("r+b") as file:
                for (root,) in roots.fetchall():
                    file.seek((root - 1) * size)
                    file.write(b"\x55" * size)
            other.execute("INSERT INTO refused_caller SELECT 'X', '', '', '', 1, '', '', '', '', 1")
            other.commit()  # by which all others know that what they have read is old
        assert taken(door, range(100, 120)) == []
        assert door.process.wait(timeout=30) == 74
        door.end()
    assert "is damaged" in door.lines[-1]


# --- the host's clock ---


@pytest.mark.parametrize("vouched", [False, None])
def test_a_clock_behind_the_journal(site: Site, vouched: bool | None) -> None:
    """While the clock is behind the newest punch all hear 503, by which no terminal sets its own."""
    write(site)
    with serving(site) as door:
        assert door.push(punch(0)).status == 200
    with on_a_host(site, ahead=-2 * HOUR, vouched=vouched), serving(site) as door:
        assert door.push(punch(1)) == UNAVAILABLE
        assert [door.ask(target).status for target in POLLS] == [503, 503, 403]
    with on_a_host(site, ahead=-HOUR / 2, vouched=vouched), serving(site) as door:
        assert door.push(punch(1)) == Heard(200, "OK: 1")
    with on_a_host(site, ahead=-2 * HOUR, vouched=vouched), serving(site, "--clock-is-right") as door:
        assert door.push(punch(2)) == Heard(200, "OK: 1")
        assert door.ask(POLLS[1]).status == 200
    assert len(journalled(site)) == 3


def test_a_clock_before_the_release(site: Site) -> None:
    """A clock that shows a time before zkpoll was made counts for nothing, whatever a person says."""
    write(site)
    years = datetime.now(UTC) - datetime(2015, 1, 1, tzinfo=UTC)
    with on_a_host(site, ahead=-years), serving(site, "--clock-is-right") as door:
        assert door.push(punch(1)) == UNAVAILABLE
        assert [door.ask(target).status for target in POLLS] == [503, 503, 403]
    assert journalled(site) == []


def test_a_clock_that_had_been_ahead(site: Site) -> None:
    """A clock that was years ahead silences nobody once it is right, where the kernel says that it is."""
    write(site)
    with on_a_host(site, ahead=YEARS), serving(site) as door:
        assert door.push(punch(0)) == Heard(200, "OK: 1")
    with on_a_host(site, vouched=True), serving(site) as door:
        assert door.push(punch(1)) == Heard(200, "OK: 1")
        assert [door.ask(target).status for target in POLLS] == [200, 200, 403]
    with on_a_host(site, vouched=False), serving(site) as door:
        assert door.push(punch(2)).status == 200  # the newest was journalled by a right clock
    assert len(journalled(site)) == 3


# --- a whole log again ---


@pytest.mark.long
def test_a_whole_log_again(site: Site) -> None:
    """A log of 50,000 punches that comes again in all its batches adds nothing, and writes little."""
    write(site)
    lines = [line(str(1000 + number % 300), str(BEGIN + number * SECOND)) for number in range(50_000)]
    batches = [lines[first : first + 128] for first in range(0, len(lines), 128)]
    with serving(site, "--no-deliver") as door:
        for one in batches:
            assert door.push(*one) == Heard(200, f"OK: {len(one)}")
        first = _written(door)
        before = look(site.journal, COUNTS)
        for one in batches:
            assert door.push(*one) == Heard(200, f"OK: {len(one)}")
        again = _written(door) - first
        assert look(site.journal, COUNTS) == before == [(50_000, 50_000, 50_000)]
        assert again < 20_000 * len(batches) < first / 4


def test_a_part_of_a_log_again(site: Site) -> None:
    """A replay in other batches than before adds no row, and a batch of it writes a few pages at most."""
    write(site)
    lines = [line(str(1000 + number % 30), str(BEGIN + number * SECOND)) for number in range(2048)]
    with serving(site, "--no-deliver") as door:
        for first in range(0, len(lines), 128):
            assert door.push(*lines[first : first + 128]).status == 200
        before, counts = _written(door), look(site.journal, COUNTS)
        for first in range(64, len(lines) - 64, 128):
            assert door.push(*lines[first : first + 128]) == Heard(200, "OK: 128")
        assert look(site.journal, COUNTS) == counts
        assert (_written(door) - before) / 15 < 20_000


def _written(door: Serving) -> int:
    """Return how many bytes it has written to any file or socket by now."""
    told = Path(f"/proc/{door.process.pid}/io").read_text()
    return int(told.split("wchar: ")[1].split()[0])


COUNTS = "SELECT (SELECT count(*) FROM punch), (SELECT count(*) FROM form), (SELECT count(*) FROM outbox)"
