"""Raw copies: what was put aside is there, unharmed, as long as it is to be kept, or the error says so."""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import shutil
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.places import ordinary_user, public_folder
from tests.pull.records import RECORDS, Made, Site, log, packed
from zkpoll.errors import ZkpollError
from zkpoll.pull import raw_copy
from zkpoll.pull.raw_copy import NEWEST, BadCopy, CopyFailed, RawCopy, due, load, recognised, remove, save
from zkpoll.pull.slices import SLICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zkpoll.model.log import Slice

KEY = "CQZ7224760045"
TAKEN = datetime(2026, 11, 22, 3, tzinfo=UTC)
EACH_LAYOUT = pytest.mark.parametrize("layout", RECORDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the raw copies lie."""
    return tmp_path / "journal.db.raw"


def a_copy(layout: int = 40, records: int = 30) -> RawCopy:
    """Return the copy of a log."""
    made = log(layout, records, Site(users=("1001", "1002", "7")), random.Random(layout))
    users = {1: "1001", 2: "1002", 3: "7"} if layout == 8 else {}
    return RawCopy("front-door", KEY, TAKEN, "Asia/Dhaka", layout, users, b"".join(made))


def mode(path: Path) -> int:
    """Return who may do what with a file."""
    return path.stat().st_mode & 0o777


# --- keeping ---


@EACH_LAYOUT
def test_what_is_kept_comes_back(folder: Path, layout: int) -> None:
    """What is loaded is what was saved, bytes and all."""
    copy = a_copy(layout)
    path = save(folder, copy)
    assert path == folder / "front-door-20261122T030000Z-CQZ7224760045.zkraw"
    assert load(path) == copy
    assert recognised(path.read_bytes())


def test_it_is_for_its_owner_alone(folder: Path) -> None:
    """File and folder are closed to others, whatever the umask; no other file is left behind."""
    before = os.umask(0)
    try:
        path = save(folder, a_copy())
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert list(path.parent.iterdir()) == [path]


def test_it_can_be_read_without_zkpoll(folder: Path) -> None:
    """Any gunzip shows a line of JSON that tells all about the records' bytes, and then those."""
    copy = a_copy(8)
    line, _, records = gzip.decompress(save(folder, copy).read_bytes()).partition(b"\n")
    header = json.loads(line)
    assert records == copy.log
    assert "((year-2000)*12+month-1)*31+day-1 days" in header.pop("about")
    assert header.pop("record").startswith("8 bytes: u16 slot, u8 flags")
    assert header == {
        "format": "zkpoll raw copy 1",
        "device": "front-door",
        "serial_number": KEY,
        "taken_at": "2026-11-22T03:00:00Z",
        "zone": "Asia/Dhaka",
        "layout": 8,
        "count": 30,
        "sha256": sha256(copy.log).hexdigest(),
        "users": {"1": "1001", "2": "1002", "3": "7"},
    }


def test_a_log_read_just_now() -> None:
    """A copy is stamped with the present moment, in UTC."""
    before = datetime.now(UTC).replace(microsecond=0)
    copy = RawCopy.of("front-door", KEY, "Asia/Dhaka", 40, bytes(80), {})
    assert before <= copy.taken_at <= datetime.now(UTC)
    assert (copy.count, copy.taken_at.tzinfo) == (2, UTC)
    assert "log" not in repr(copy)


@pytest.mark.parametrize("name", ["../../etc/x", ".", "a b/c", "-rf", "é" * 64, "前門" * 32])
def test_any_name(folder: Path, name: str) -> None:
    """Whatever a device and its key are called, the copy is in its folder and tells their names."""
    copy = replace(a_copy(), device=name, serial_number=name)
    path = save(folder, copy)
    assert list(folder.iterdir()) == [path]
    assert load(path) == copy


def test_long_names_of_one_beginning(folder: Path) -> None:
    """Two devices whose long names begin alike have copies whose names tell them apart."""
    names = ["\u09aa" * 63 + end for end in "12"]
    first, second = (save(folder, replace(a_copy(), device=name)) for name in names)
    assert first.name != second.name
    assert "~" not in second.name
    assert [load(path).device for path in (first, second)] == names


def test_a_name_with_a_tilde(folder: Path) -> None:
    """What tells copies of one second apart stands behind all of their name."""
    copy = replace(a_copy(), device="a~b")
    first, second = save(folder, copy), save(folder, copy)
    assert second.name == first.name.replace(".zkraw", "~2.zkraw")


def test_nothing_is_overwritten(folder: Path) -> None:
    """A second copy of the same device and second gets a name of its own; the first stays as it was."""
    first, second, third = (save(folder, a_copy(records=records)) for records in (2, 3, 4))
    assert [load(path).count for path in (first, second, third)] == [2, 3, 4]
    assert second.name == first.name.replace(".zkraw", "~2.zkraw")
    assert set(folder.iterdir()) == {first, second, third}


def test_it_is_on_disk_before_it_has_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole file is synced, then the folder that names it, then the folder's own name."""
    synced: list[tuple[int, int, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        found = os.fstat(descriptor)
        synced.append((found.st_ino, found.st_size, len(list(folder.glob("*.zkraw")))))

    monkeypatch.setattr(os, "fsync", fsync)
    path = save(folder, a_copy())
    file, first, second = synced
    assert file == (path.stat().st_ino, path.stat().st_size, 0)
    assert (first[0], first[2]) == (path.parent.stat().st_ino, 1)
    assert second[0] == path.parent.parent.stat().st_ino


def test_a_full_disk(folder: Path) -> None:
    """Where it does not fit, one sentence says so, and no half of it is left."""
    copy = replace(a_copy(), log=random.Random(1).randbytes(40 * 5000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        with pytest.raises(CopyFailed, match=r"^the raw copy .*\.zkraw cannot be written: file too large$"):
            save(folder, copy)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(folder.iterdir()) == []
    assert load(save(folder, copy)) == copy


def test_no_folder(folder: Path) -> None:
    """Where the folder cannot be made, one sentence says so."""
    folder.touch()
    with pytest.raises(CopyFailed, match=r"cannot be written: file exists$"):
        save(folder, a_copy())


def test_what_could_not_be_loaded_is_not_kept(folder: Path) -> None:
    """Bytes that are no whole records are no copy that could insure anything."""
    with pytest.raises(BadCopy, match="it holds 39 bytes of records, its header tells of 0 records of 40"):
        save(folder, replace(a_copy(), log=bytes(39)))
    assert list(folder.iterdir()) == []


# --- what is wrong with a file ---


def test_no_byte_can_be_wrong_unseen(folder: Path) -> None:
    """Whichever byte of a file is damaged, it is refused, or nothing of the copy was in that byte."""
    path = save(folder, a_copy(16, 4))
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert load(path) == a_copy(16, 4)
        except BadCopy:
            refused += 1
    assert refused >= len(whole) - 10  # the bytes of a gzip header, but for the first three


def test_no_part_passes_for_the_whole(folder: Path) -> None:
    """Wherever a file is cut short, it is refused."""
    path = save(folder, a_copy(16, 4))
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(BadCopy, match=r"is cut short|is no raw copy"):
            load(path)


def rezipped(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return what changes the content of a file, and packs it soundly."""
    return lambda data: gzip.compress(change(gzip.decompress(data)))


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Return what changes the content of a file at one place, and packs it soundly."""
    return rezipped(lambda content: content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda _: b"", "is no raw copy of a log"),
        (lambda _: b"a log\n" * 9, "is no raw copy of a log"),
        (lambda _: gzip.compress(b"some other file"), "is no raw copy of a log"),
        (lambda data: data[:-9], "is cut short"),
        (lambda data: data + b"x", "is damaged: its bytes cannot be unpacked"),
        (lambda data: data + gzip.compress(b"x"), "it holds 1,201 bytes of records, its header tells of 30"),
        (rezipped(lambda content: content[:-40]), "it holds 1,160 bytes of records, its header tells of 30"),
        (replaced(b"1002\0", b"1003\0"), "the SHA-256 of its records is not what its header tells"),
        (replaced(b"copy 1", b"copy 2"), r"\(format: .*\); it is damaged, or was written by a newer zkpoll"),
        (replaced(b'"layout":40', b'"layout":56'), r"\(layout: this zkpoll knows no such layout\)"),
        (replaced(b"Dhaka", b"Daka"), r"\(zone: .*expected a time zone\)"),
        (replaced(b'"count"', b'"kount"'), r"cannot use \(count: Field required\)"),
        (rezipped(lambda content: content[:60]), r"cannot use \(all of it: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(folder: Path, damage: Callable[[bytes], bytes], why: str) -> None:
    """A foreign, damaged or future file is refused in one sentence that names it and says what is wrong."""
    path = save(folder, a_copy())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadCopy, match=why) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)


def test_no_more_is_unpacked_than_a_log_can_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unpacks to any size takes no memory for it; nor is a large one read."""
    path = save(folder, a_copy())
    data, content = path.read_bytes(), gzip.decompress(path.read_bytes())
    monkeypatch.setattr(raw_copy, "LONGEST", len(content))
    assert load(path) == a_copy()
    path.write_bytes(gzip.compress(content + b"\0"))
    with pytest.raises(BadCopy, match=f"holds more than {len(content)} bytes; no log is as long$"):
        load(path)
    path.write_bytes(data + b"\0" * len(content))
    with pytest.raises(BadCopy, match=f"cannot be read: it is larger than {len(content)} bytes"):
        load(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there, and a folder, are told of in words."""
    with pytest.raises(BadCopy, match=r"gone\.zkraw cannot be read: no such file or directory$"):
        load(tmp_path / "gone.zkraw")
    with pytest.raises(BadCopy, match=r"cannot be read: is a directory$"):
        load(tmp_path)


# --- its records ---


@EACH_LAYOUT
def test_its_records(layout: int) -> None:
    """A long log is handed on in slices, in order, without a watermark; nothing is left out or invented."""
    some = a_copy(layout, 1000)
    copy = replace(some, log=some.log * (SLICE // len(some.log) * 2 + 3))
    slices: list[Slice] = []
    copy.hand_on(slices.append)
    assert len(slices) > 2
    assert {piece.mark for piece in slices} == {None}
    punches = list(chain.from_iterable(piece.punches for piece in slices))
    assert len(punches) == copy.count
    assert not any(piece.quarantined for piece in slices)
    if layout != 22:  # whose first bytes mean nothing
        assert b"".join(punch.canonical for punch in punches) == copy.log


def test_a_slot_of_nobody() -> None:
    """A slot that the copy has no user for is nobody's: the record is handed on as it is."""
    slices: list[Slice] = []
    copy = replace(a_copy(8, 0), log=RECORDS[8](Made(slot=9)) + RECORDS[8](Made(slot=1)))
    copy.hand_on(slices.append)
    (piece,) = slices
    assert [punch.user_id for punch in piece.punches] == ["1001"]
    assert [record.raw for record in piece.quarantined] == [copy.log[:8]]


# --- for as long as it is to be kept ---

KEEP = timedelta(days=400)


def prune(folder: Path) -> list[Path]:
    """Remove the copies that are due at `TAKEN`, and return them."""
    return remove(due(folder, KEEP, TAKEN))


def test_old_copies_are_removed(folder: Path) -> None:
    """Copies that were taken longer ago are removed and told; younger ones stay."""
    ages = (timedelta(0), KEEP, KEEP + timedelta(seconds=1), 2 * KEEP)
    young, just, over, old = (save(folder, replace(a_copy(), taken_at=TAKEN - age)) for age in ages)
    assert sorted(prune(folder)) == sorted([over, old])
    assert set(folder.iterdir()) == {young, just}
    assert prune(folder) == []


def test_the_newest_copies_of_a_terminal_stay(folder: Path) -> None:
    """Whatever its age, a terminal's last copies stay; another terminal's protect none of them."""
    taken = [TAKEN - KEEP - timedelta(days=days) for days in (1, 2, 3, 4)]
    first = [save(folder, replace(a_copy(), taken_at=at)) for at in taken]
    other = [save(folder, replace(a_copy(), serial_number="OIN1", taken_at=at)) for at in taken[1:]]
    assert set(prune(folder)) == {*first[NEWEST:], *other[NEWEST:]}
    assert prune(folder) == []


def test_a_copy_of_a_time_to_come_is_no_newest(folder: Path) -> None:
    """What a clock that was ahead stamped is kept, and lets none of the others go in its place."""
    ahead = [save(folder, replace(a_copy(), taken_at=TAKEN + timedelta(days=days))) for days in (1, 700, 800)]
    taken = [TAKEN - KEEP - timedelta(days=days) for days in (1, 2, 3)]
    old = [save(folder, replace(a_copy(), taken_at=at)) for at in taken]
    assert prune(folder) == old[NEWEST:]
    assert set(folder.iterdir()) == {*ahead, *old[:NEWEST]}


@pytest.mark.parametrize(
    ("punched", "goes"),
    [
        (TAKEN - KEEP + timedelta(days=1), False),
        (TAKEN - KEEP - timedelta(days=1), True),
        (TAKEN + timedelta(days=1), True),  # by a terminal whose clock is ahead, which says nothing
        (datetime(2000, 1, 1, tzinfo=UTC), True),
    ],
)
def test_a_copy_is_no_older_than_its_records(folder: Path, punched: datetime, goes: bool) -> None:
    """What was stamped by a clock that was years behind stays until its punches are old, too."""
    for _ in range(NEWEST):
        save(folder, a_copy())
    wall = punched.astimezone(ZoneInfo("Asia/Dhaka")).replace(tzinfo=None)
    record = RECORDS[40](Made(time=packed(wall)))
    stamped = replace(a_copy(), taken_at=datetime(2016, 1, 1, tzinfo=UTC), log=record)
    path = save(folder, stamped)
    assert prune(folder) == ([path] if goes else [])


def test_only_what_tells_its_age_is_removed(folder: Path) -> None:
    """Whatever does not say when it was taken is left alone, also where its name or its date says "old"."""
    path = save(folder, replace(a_copy(), taken_at=TAKEN - 2 * KEEP))
    whole = path.read_bytes()
    path.write_bytes(b"\0" + whole[1:])
    (path.parent / "cut.zkraw").write_bytes(whole[:30])
    (path.parent / "empty.zkraw").touch()
    (path.parent / "notes.txt").write_text("20200101T000000Z")
    (path.parent / "other.gz").write_bytes(gzip.compress(b"{}\n"))
    (path.parent / "folder.zkraw").mkdir()
    before = sorted(path.parent.iterdir())
    for each in before:
        os.utime(each, (0, 0))
    assert prune(folder) == []
    assert sorted(path.parent.iterdir()) == before


def test_what_a_killed_run_left_is_removed_as_well(folder: Path) -> None:
    """A file that never got its name is as old as it says, goes with the others, and protects none."""
    path = save(folder, replace(a_copy(), taken_at=TAKEN - 2 * KEEP))
    left = path.rename(path.parent / "tmpx1y2z3.part")
    assert prune(folder) == [left]


def test_a_copy_under_an_older_name(folder: Path) -> None:
    """A long name that was cut by an older zkpoll is read and removed like any other."""
    copy = replace(a_copy(), device="\u09aa" * 64, taken_at=TAKEN - 2 * KEEP)
    path = save(folder, copy)
    old = path.rename(path.with_name(f"{'%E0%A6%AA' * 10}-20240101T000000Z-CQZ1.zkraw"))
    assert load(old) == copy
    for _ in range(NEWEST):
        save(folder, replace(copy, taken_at=TAKEN))
    assert prune(folder) == [old]


def test_no_copies_yet(folder: Path) -> None:
    """Where nothing was ever cleared there is nothing to remove."""
    assert prune(folder) == []
    assert not folder.exists()


def test_runs_that_remove_at_once(folder: Path) -> None:
    """What vanishes meanwhile is no error; each file is told of once."""
    start = threading.Barrier(4)
    for _ in range(NEWEST):
        save(folder, replace(a_copy(), taken_at=TAKEN))
    paths = {save(folder, replace(a_copy(), taken_at=TAKEN - timedelta(n))) for n in range(401, 521)}
    removed: list[Path] = []

    def run() -> None:
        start.wait(10)
        removed.extend(prune(folder))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(removed), set(removed)) == (120, paths)


@pytest.fixture
def public() -> Iterator[Path]:
    """Make a folder that everybody can enter."""
    with public_folder() as folder:
        yield folder


def test_a_copy_that_cannot_be_removed(public: Path) -> None:
    """A folder one may not change, or not even see, is told of in words."""
    for _ in range(NEWEST):
        save(public / "raw", a_copy()).chmod(0o644)
    path = save(public / "raw", replace(a_copy(), taken_at=TAKEN - 2 * KEEP))
    path.chmod(0o644)
    for rights, why in ((0o555, r"^the raw copy .* cannot be removed: permission denied$"), (0, "be seen")):
        path.parent.chmod(rights)
        with ordinary_user(), pytest.raises(CopyFailed, match=why):
            prune(public / "raw")
    path.parent.chmod(0o700)
    assert path.exists()


def test_both_errors_are_of_the_family() -> None:
    """A clearing that meets them stops like any other that fails: this device, not the run."""
    assert issubclass(CopyFailed, ZkpollError)
    assert issubclass(BadCopy, ZkpollError)


@pytest.mark.skipif(shutil.which("zcat") is None, reason="needs zcat")
def test_the_commands_of_the_description(folder: Path) -> None:
    """What the module tells a person to type shows the header and the records."""
    copy = a_copy()
    path = save(folder, copy)
    shell = f"zcat < '{path}' | head -1; zcat < '{path}' | tail -n +2"
    shown = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, check=True).stdout
    line, _, records = shown.partition(b"\n")
    assert json.loads(line)["serial_number"] == KEY
    assert records == copy.log
