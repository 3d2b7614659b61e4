"""SIGKILL at any moment: what was said to be on disk is there, and nothing is there by halves."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journal.helpers import punches, visit
from tests.look import look
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox

ROOT = Path(__file__).parents[2]
KILLS = 20


def killed_writer(path: Path, delay: float, *, started: bool) -> tuple[int, int]:
    """Run a writer, kill it `delay` seconds after its start, or after its first word where `started`.

    Return the last punches and confirmations it said were on disk, or 0, 0.
    """
    arguments = [sys.executable, "-m", "tests.journal.writer", str(path)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        first = writer.stdout.readline() if started else ""
        time.sleep(delay)
        writer.kill()
        said = [
            line for line in (first + writer.stdout.read()).splitlines(keepends=True) if line[-1:] == "\n"
        ]
    end, confirmed = said[-1].split() if said else (0, 0)
    return int(end), int(confirmed)


@pytest.mark.long
def test_killed_at_any_moment(path: Path) -> None:
    """A killed writer leaves a sound journal: whole slices, their watermark and their outbox rows."""
    for kill in range(KILLS):
        started = kill % 4 != 0  # every fourth is killed while it starts; the first while it makes the file
        end, confirmed = killed_writer(path, random.uniform(0, 0.08 if started else 0.3), started=started)
        with open_journal(path) as journal:
            assert look(path, "PRAGMA integrity_check") == [("ok",)]
            watermark = visit(journal).watermark()
            count = watermark.count if watermark else 0
            main, spare = JournalOutbox(journal, "main").counts(), JournalOutbox(journal, "spare").counts()
        assert count >= end
        assert main.confirmed >= confirmed
        assert {canonical for (canonical,) in look(path, "SELECT bytes FROM form")} == {
            punch.canonical for punch in punches(count)
        }
        assert main.punches == spare.punches == count
        assert main.difference == spare.difference == 0
        assert spare.pending == count
    assert count > KILLS
