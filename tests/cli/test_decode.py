"""`zkpoll decode`: what each layout would make of a log's bytes."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.site import entry
from zkpoll.cli.decode import decode
from zkpoll.simulator import LAYOUTS, Model, Terminal, serve

if TYPE_CHECKING:
    from click.testing import Result

    from tests.site import Site
    from zkpoll.simulator import Dashboard


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


def test_a_log_that_a_failed_sync_saved(site: Site, dashboard: Dashboard) -> None:
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
