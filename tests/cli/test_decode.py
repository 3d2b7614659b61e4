"""`zkpoll decode`: what each layout would make of a log's bytes."""

from __future__ import annotations

import gzip
import json
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.site import entry
from zkpoll.cli.decode import decode
from zkpoll.journal.opening import folders
from zkpoll.pull.raw_copy import BadCopy, RawCopy, save
from zkpoll.simulator import LAYOUTS, Model, Terminal, serve

if TYPE_CHECKING:
    from click.testing import Result

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def run(path: Path, *options: str) -> Result:
    """Decode the file at `path`."""
    return CliRunner().invoke(decode, [str(path), *options])


@pytest.mark.parametrize("width", LAYOUTS)
def test_a_log_that_fits(tmp_path: Path, width: int) -> None:
    """A log of a known layout is recognised, and its first records are shown with what they say."""
    terminal = Terminal.with_samples(60, model=Model(layout=width))
    path = tmp_path / "log.bin"
    path.write_bytes(b"".join(terminal.log))
    result = run(path, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["verdict"] == f"{60 * width} bytes; they are records of {width} bytes"
    assert [layout["layout"] for layout in document["layouts"]] == list(LAYOUTS)
    (found,) = (layout for layout in document["layouts"] if layout["layout"] == width)
    assert (found["believable"], found["records"], found["bytes_left_over"]) == (60, 60, 0)
    assert found["impossible_because"] == []
    shown, first = found["first"][0], terminal.history[0]
    assert len(found["first"]) == 5
    assert shown["user_id"] == (str(first.uid) if width == 8 else first.user_id)
    assert datetime.fromisoformat(shown["time"]) == first.time
    assert shown["state"] == first.state


def test_a_log_that_a_failed_sync_saved(site: Site, dashboard: SampleDashboard) -> None:
    """The file that a failed sync names is read; every layout is listed with what speaks against it."""
    terminal = Terminal(Model(inline_limit=0))
    for number in range(50):
        terminal.append(bytes((number * 7 + i * 13) % 251 for i in range(40)))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        first, second = site.sync(), site.sync()
        terminal.append(bytes(40))
        third = site.sync()
    assert (first.code, second.code, third.code) == (1, 1, 1)
    assert "2000 bytes fits no known record layout" in first.err
    assert (second.err, third.err) == ("", "")  # it lasts; a count that rises is no news
    (saved,) = (site.folder / "journal.db.unknown").iterdir()  # one a day, not one a run
    assert str(saved) in first.err
    assert saved.read_bytes() == b"".join(terminal.log)
    result = run(saved)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "the log of 2040 bytes fits no known record layout"
    for width in LAYOUTS:
        (told,) = (line for line in lines if line.startswith(f"{width} bytes a record: "))
        assert f"of {2040 // width} believable, {2040 % width} bytes left over" in told
    assert "  impossible: no such date" in lines


def test_an_empty_file(tmp_path: Path) -> None:
    """A file without a byte is no log of any layout, and no error."""
    path = tmp_path / "log.bin"
    path.touch()
    result = run(path)
    assert result.exit_code == 0
    assert "0 bytes" in result.stdout.splitlines()[0]
    assert result.stdout.count("0 of 0 believable, 0 bytes left over") == len(LAYOUTS)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file, or a folder, is wrong usage."""
    for path, words in ((tmp_path / "gone.bin", "does not exist"), (tmp_path, "is a directory")):
        result = run(path)
        assert result.exit_code == 2
        assert words in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a file that is there and cannot be read, even by root")
def test_a_file_that_cannot_be_read() -> None:
    """A file whose bytes cannot be had is told of in a sentence; it is no bug of ours."""
    result = run(Path("/proc/self/mem"))
    assert result.exit_code == 1
    assert result.stderr == "Error: Could not open file '/proc/self/mem': Input/output error\n"


# --- raw copies ---


def kept(folder: Path, width: int, records: int) -> tuple[Path, Terminal]:
    """Return the raw copy of a terminal's log, and the terminal."""
    terminal = Terminal.with_samples(records, model=Model(layout=width))
    users = {user.uid: user.user_id for user in terminal.users} if width == 8 else {}
    taken = datetime(2026, 11, 22, 3, tzinfo=UTC)
    log = b"".join(terminal.log)
    return save(
        folders(folder / "j.db").raw_copies, RawCopy("front", "CQZ1", taken, "Asia/Dhaka", width, users, log)
    ), terminal


@pytest.mark.parametrize("width", LAYOUTS)
def test_a_raw_copy(tmp_path: Path, width: int) -> None:
    """A raw copy is known by its content; its header is shown, and its records with the users they are of."""
    path, terminal = kept(tmp_path, width, 60)
    document = json.loads(run(path.rename(tmp_path / "log.bin"), "--json").stdout)
    assert document["verdict"] == f"a raw copy of 60 records of {width} bytes; its SHA-256 is right"
    header = document["raw_copy"]
    assert header["record"].startswith(f"{width} bytes: ")
    del header["record"]
    assert header == {
        "format": "zkpoll raw copy 1",
        "device": "front",
        "serial_number": "CQZ1",
        "taken_at": "2026-11-22T03:00:00Z",
        "zone": "Asia/Dhaka",
        "layout": width,
        "count": 60,
        "sha256": sha256(b"".join(terminal.log)).hexdigest(),
        "slots": len(terminal.users) if width == 8 else 0,
    }
    (found,) = document["layouts"]
    assert (found["layout"], found["believable"], found["records"]) == (width, 60, 60)
    shown = [(punch["user_id"], datetime.fromisoformat(punch["time"])) for punch in found["first"]]
    shown += [(punch["user_id"], datetime.fromisoformat(punch["time"])) for punch in found["last"]]
    history = terminal.history[:5] + terminal.history[-5:]
    assert shown == [(record.user_id, record.time) for record in history]


@pytest.mark.parametrize(("records", "shown", "gap"), [(0, 0, 0), (3, 3, 0), (10, 10, 0), (11, 10, 1)])
def test_a_raw_copy_for_people(tmp_path: Path, records: int, shown: int, gap: int) -> None:
    """Its header is a line a field; of a long log the first and last few records are lines, each once."""
    path, terminal = kept(tmp_path, 40, records)
    lines = run(path).stdout.splitlines()
    assert lines[0] == f"a raw copy of {records} records of 40 bytes; its SHA-256 is right"
    assert lines[2:6] == [
        "  device: front",
        "  serial_number: CQZ1",
        "  taken_at: 2026-11-22T03:00:00Z",
        "  zone: Asia/Dhaka",
    ]
    assert f"40 bytes a record: {records} of {records} believable, 0 bytes left over" in lines
    assert len([line for line in lines if "  verify " in line]) == shown
    assert lines.count("  ...") == gap
    if records:
        assert lines[-1].split()[:2] == [terminal.history[-1].user_id, terminal.history[-1].time.isoformat()]


def test_a_raw_copy_that_is_damaged(tmp_path: Path) -> None:
    """What begins as a raw copy and is none any more is refused in its words, not taken for a bare log."""
    path, _ = kept(tmp_path, 40, 60)
    path.write_bytes(path.read_bytes()[:-20])
    result = run(path)
    assert isinstance(result.exception, BadCopy)
    assert result.stdout == ""


def test_some_other_compressed_file(tmp_path: Path) -> None:
    """Bytes that happen to begin like a compressed file are looked at as a log's, like any others."""
    path = tmp_path / "log.bin"
    path.write_bytes(gzip.compress(b"some other file"))
    result = run(path)
    assert result.exit_code == 0
    assert "fits no known record layout" in result.stdout
