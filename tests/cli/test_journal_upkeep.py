"""`zkpoll journal backup` and `journal prune`: from a real terminal to a dashboard, and a year later."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.host_clock import YEARS, on_a_host
from tests.look import inside, look
from tests.site import TOKEN, at_a_terminal, entry
from zkpoll.journal.opening import folders, open_journal
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.site import Site
    from zkpoll.simulator import Listening, SampleDashboard

KEY = "CQZ7224760045"
A_YEAR_LATER = """
UPDATE punch SET journalled_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', journalled_at, '-402 days');
UPDATE device SET read_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', read_at, '-400 days'),
                  cleared_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', cleared_at, '-400 days');
UPDATE watermark SET read_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', read_at, '-400 days');
INSERT INTO device (key, name, met_at, read_at, drift)
VALUES ('S9', 'elsewhere', strftime('%Y-%m-%dT%H:%M:%f+00:00'), strftime('%Y-%m-%dT%H:%M:%f+00:00'), 2.0);
"""


def a_year_passes(site: Site) -> None:
    """Let all that the journal knows be a year older, and the punches two days older than that.

    Another terminal, without any, was read just now.
    """
    with inside(site.journal) as db:
        db.executescript(A_YEAR_LATER)


def write(site: Site, dashboard: SampleDashboard, address: Listening, **settings: object) -> None:
    """Write an inventory of one device."""
    site.write(dashboard.url, entry("front", address, **settings))


def pruned(site: Site, *arguments: str) -> dict[str, Any]:
    """Return the document of `journal prune`."""
    with on_a_host(site):
        result = site.run("journal", "prune", "--older-than", "365d", "--yes", "--json", *arguments)
    assert (result.code, result.err) == (0, "")
    return result.document()


# --- prune ---


def test_a_cleared_log_is_let_go(site: Site, dashboard: SampleDashboard) -> None:
    """What was delivered and cleared goes after a year; what came since is neither lost nor doubled."""
    terminal = Terminal.with_samples(60)
    with serve(terminal) as address:
        write(site, dashboard, address, clear="confirmed")
        assert site.sync().code == 0
        assert terminal.log == []
        a_year_passes(site)
        terminal.punch("1001", datetime(2026, 11, 22, 9))
        assert site.sync("--device", "front", "--no-deliver").code == 0
        document = pruned(site, "--compact")
        assert (document["removed"], document["devices"][0]["removable"]) == (60, 60)
        assert look(site.journal, "SELECT count(*) FROM punch") == [(1,)]
        site.sync("--full")
        again = site.report("--full")
    assert (len(dashboard.events), dashboard.duplicates) == (61, 0)
    assert again["devices"][0]["first_seen"] == 0
    assert pruned(site)["devices"] == []


def test_what_the_terminal_still_shows_is_not_doubled(site: Site, dashboard: SampleDashboard) -> None:
    """However old a punch is, it stays while its terminal shows it; removed by hand, it would come again."""
    terminal = Terminal.with_samples(60)
    with serve(terminal) as address:
        write(site, dashboard, address)
        assert site.sync().code == 0
        a_year_passes(site)
        document = pruned(site)
        assert document["removed"] == 0
        assert document["devices"] == [
            {
                "device": "front",
                "serial_number": KEY,
                "removable": 0,
                "undelivered": 0,
                "held": 0,
                "same_second": 0,
                "in_database": 0,
                "why": (
                    "its log was never cleared by zkpoll; it holds 100,000 records, and the last 200,000 that"
                    " were read stay"
                ),
            }
        ]
        assert site.sync("--full").code == 0
        assert dashboard.duplicates == 0
        with inside(site.journal) as db:
            db.executescript("DELETE FROM outbox; DELETE FROM form; DELETE FROM punch")
            db.execute("UPDATE destination SET due = 0, confirmed = 0")  # else it is told as a damage
        (device,) = site.report("--full")["devices"]
    assert (device["first_seen"], device["seen_before"]) == (60, 0)
    assert dashboard.duplicates == 60


def test_a_log_that_was_put_back_is_not_doubled(site: Site, dashboard: SampleDashboard) -> None:
    """A terminal whose old log a person restored after the clearing keeps it in the journal."""
    terminal = Terminal.with_samples(60)
    with serve(terminal) as address:
        write(site, dashboard, address, clear="confirmed")
        assert site.sync().code == 0
        a_year_passes(site)
        terminal.record(terminal.history[:50])
        write(site, dashboard, address)
        site.sync("--full")
        document = pruned(site)
        (device,) = document["devices"]
        assert (document["removed"], device["removable"]) == (0, 0)
        assert device["why"].startswith("its log shows records older than its clearing; ")
        site.sync("--full")
    assert (len(dashboard.events), dashboard.duplicates) == (60, 0)


@pytest.mark.parametrize("when_full", ["drop", "overwrite"])
def test_a_log_that_is_never_cleared(site: Site, dashboard: SampleDashboard, when_full: Any) -> None:
    """Of a log that was filled anew twice old punches go, and are known should all of them come back."""
    terminal = Terminal(Model(capacity=30, when_full=when_full))
    begin = datetime(2026, 11, 22, 9)
    with serve(terminal) as address:
        write(site, dashboard, address, clear="never")
        for number in range(100):
            terminal.punch(str(1000 + number % 7), begin + timedelta(minutes=number))
            if number % 10 == 9:
                assert site.sync().code in {0, 1}  # 1: it is nearly full, which is told once
        a_year_passes(site)
        document = pruned(site)
        assert (document["removed"], document["devices"][0]["removable"]) == (40, 40)
        assert "holds 30 records, and the last 60 that were read stay" in document["devices"][0]["why"]
        (device,) = site.report("--full")["devices"]
        assert (device["first_seen"], device["seen_before"]) == (0, 30)
        assert pruned(site)["removed"] == 0
        terminal.clear()
        terminal.record(terminal.history[:30])
        site.sync("--full")
        (device,) = site.report("--full")["devices"]
        assert (device["first_seen"], device["seen_before"]) == (0, 30)
    assert (len(dashboard.events), dashboard.duplicates) == (100, 0)
    assert look(site.journal, "SELECT count(*) FROM punch") == [(60,)]


def test_what_is_not_delivered_stays(site: Site, dashboard: SampleDashboard) -> None:
    """A dashboard that was away for a year still gets everything."""
    terminal = Terminal.with_samples(20)
    with serve(terminal) as address:
        write(site, dashboard, address)
        site.sync("--no-deliver")
        a_year_passes(site)
        with inside(site.journal) as db:
            db.executescript(
                "UPDATE device SET cleared_at = read_at, cleared_after = 20, cleared_quarantined = 0,"
                " on_device = 0; DELETE FROM watermark"
            )
        assert pruned(site)["devices"][0]["undelivered"] == 20
        site.sync()
    assert len(dashboard.events) == 20


def test_a_device_that_left(site: Site, dashboard: SampleDashboard) -> None:
    """The punches of a terminal that was thrown away go when a person names it, and not before."""
    with serve(Terminal.with_samples(20)) as address:
        write(site, dashboard, address)
        assert site.sync().code == 0
    a_year_passes(site)
    assert pruned(site, "--device", "front")["removed"] == 0
    site.write(dashboard.url, entry("back", ("127.0.0.1", 9)))
    told = site.run("journal", "prune", "--older-than", "365d", "--yes")
    assert told.out.splitlines() == [
        "front  0 may go  others may be on the device: it left the inventory: --device front",
        "Nothing is removed.",
    ]
    with on_a_host(site):
        told = site.run("journal", "prune", "--older-than", "365d", "--yes", "--device", "front")
    assert (told.code, told.out) == (0, "front  20 may go\n20 punches removed.\n")


@pytest.fixture
def cleared(site: Site, dashboard: SampleDashboard) -> Iterator[Site]:
    """Give a site whose one terminal was cleared a year ago, on a host whose clock is right."""
    with serve(Terminal.with_samples(3)) as address:
        write(site, dashboard, address, clear="confirmed")
        assert site.sync().code == 0
    a_year_passes(site)
    with on_a_host(site):
        yield site


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 3), ("\n", 1, 3)])
def test_a_person_is_asked(cleared: Site, answer: str, code: int, left: int) -> None:
    """At a terminal the numbers are shown and a person is asked; only yes removes anything."""
    ended, shown = at_a_terminal(cleared, "journal", "prune", "--older-than", "365d", answer=answer)
    assert ended == code
    assert "device  may go  undelivered  held  same second  in a database" in shown
    assert "Remove 3 punches from the journal? [y/N]: " in shown
    assert ("Nothing is removed." in shown) == (left > 0)
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert look(cleared.journal, "SELECT count(*) FROM punch") == [(left,)]


def test_a_dry_run_removes_nothing(cleared: Site) -> None:
    """--dry-run tells what would go, asks nobody, and leaves the journal as it is."""
    before = cleared.journal.read_bytes()
    told = cleared.run("journal", "prune", "--older-than", "365d", "--dry-run")
    assert (told.code, told.out) == (0, "front  3 may go\nNothing is removed.\n")
    assert cleared.journal.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--older-than", "365d"), "nobody is there to be asked; say --yes, or --dry-run"),
        (("--yes",), "Missing option '--older-than'"),
        (("--older-than", "29d", "--yes"), "expected an age from 30d to 36500d, such as 400d"),
        (("--older-than", "400", "--yes"), "expected an age from 30d to 36500d, such as 400d"),
        (("--older-than", "a year", "--yes"), "expected an age from 30d"),
        (("--older-than", "365d", "--yes", "--device", "nobody"), "no device 'nobody' in the journal"),
    ],
)
def test_wrong_usage(cleared: Site, arguments: tuple[str, ...], why: str) -> None:
    """Nothing is removed by default, by mistake, or without anybody being asked."""
    result = cleared.run("journal", "prune", *arguments)
    assert (result.code, result.out) == (2, "")
    assert why in result.err
    assert look(cleared.journal, "SELECT count(*) FROM punch") == [(3,)]


@pytest.mark.parametrize(
    ("ahead", "vouched", "why"),
    [
        (timedelta(0), False, "this host's clock is not synchronised by NTP"),
        (YEARS, True, "this host's clock is days past the newest reading"),
        (YEARS, None, "this host's clock is days past the newest reading"),
    ],
)
def test_a_clock_in_doubt_removes_nothing_unasked(
    cleared: Site, ahead: timedelta, vouched: bool | None, why: str
) -> None:
    """--yes is not enough where this host's clock may be wrong; a person is shown the doubt, and decides."""
    with on_a_host(cleared, ahead=ahead, vouched=vouched):
        refused = cleared.run("journal", "prune", "--older-than", "365d", "--yes")
        looked = cleared.run("journal", "prune", "--older-than", "365d", "--dry-run")
        assert look(cleared.journal, "SELECT count(*) FROM punch") == [(3,)]
        code, shown = at_a_terminal(cleared, "journal", "prune", "--older-than", "365d", answer="y\n")
    more = "; run `zkpoll sync`, or leave --yes away"
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == f"zkpoll: nothing is removed unasked, while {why}{more}\n"
    assert (looked.code, looked.err) == (0, f"zkpoll: careful: {why}\n")
    assert (code, f"zkpoll: careful: {why}" in shown, "3 punches removed" in shown) == (0, True, True)
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_a_clock_that_no_terminal_bears_out(cleared: Site) -> None:
    """Also after a run under the clock that is ahead, which makes its readings the newest, nothing goes."""
    with inside(cleared.journal) as db:
        db.execute("UPDATE device SET drift = -63072000, read_at = '2099-01-01T00:00:00.000+00:00'")
    refused = cleared.run("journal", "prune", "--older-than", "365d", "--yes")
    assert (refused.code, "no terminal's clock is within an hour of this host's" in refused.err) == (1, True)


# --- backup ---


def test_a_backup_restores_a_site(site: Site, dashboard: SampleDashboard) -> None:
    """A backup in the journal's place goes on where it was: what is on the terminal is not sent twice."""
    terminal = Terminal.with_samples(30)
    file = site.folder / "backup.db"
    with serve(terminal) as address:
        write(site, dashboard, address)
        site.sync()
        made = site.run("journal", "backup", str(file), "--json")
        assert json.loads(made.out) == {"file": str(file), "punches": 30, "bytes": file.stat().st_size}
        for left in site.folder.glob("journal.db*"):
            if left.is_file():
                left.unlink()
        terminal.punch("1001", datetime(2026, 11, 22, 9))
        file.rename(site.journal)
        assert site.sync().code == 0
    assert (len(dashboard.events), dashboard.duplicates) == (31, 0)


def test_a_backup_says_what_it_is(cleared: Site) -> None:
    """For people one line; a file that is there is overwritten only by force, with code 1 otherwise."""
    file = cleared.folder / "backup.db"
    made = cleared.run("journal", "backup", str(file))
    assert (made.code, made.err) == (0, "")
    assert made.out == f"{file}: 3 punches, {file.stat().st_size:,} bytes\n"
    again = cleared.run("journal", "backup", str(file))
    assert (again.code, again.out) == (1, "")
    assert again.err == f"zkpoll: {file} is there already; --force overwrites it\n"
    assert cleared.run("journal", "backup", str(file), "--force").code == 0


def test_the_last_backups_are_kept(cleared: Site) -> None:
    """Each backup has a name of its own, older ones beyond the last go, and cron hears nothing."""
    folder = cleared.folder / "backups"
    into = ("journal", "backup", "--keep", "2", str(folder))
    nowhere = cleared.run(*into)
    assert (nowhere.code, nowhere.out) == (1, "")
    assert nowhere.err.startswith(
        f"zkpoll: {folder} is no folder that is there; make it, or mount what it is on"
    )
    folder.mkdir()
    (folder / "notes.txt").write_text("a person's")
    first = cleared.run(*into)
    assert (first.code, first.out, first.err) == (0, "", "")
    made = [cleared.run(*into, "--json").document() for _ in range(2)]
    assert [len(one["removed"]) for one in made] == [0, 1]
    assert sorted(path.name for path in folder.glob("zkpoll-*.db")) == [
        Path(one["file"]).name for one in made
    ]
    assert [path.name for path in (folder / "raw").iterdir()] == [
        path.name for path in folders(cleared.journal).raw_copies.iterdir()
    ]
    assert (folder / "notes.txt").read_text() == "a person's"
    code, shown = at_a_terminal(cleared, *into, columns=200)
    assert (code, "3 punches, " in shown, shown.rstrip().endswith("1 older backup removed")) == (
        0,
        True,
        True,
    )
    cleared.journal.write_bytes(b"no journal")
    broken = cleared.run(*into)
    assert (broken.code, len(list(folder.glob("zkpoll-*.db")))) == (74, 2)
    assert cleared.run(*into, "--force").code == 2


def test_no_journal(site: Site, dashboard: SampleDashboard) -> None:
    """Without a journal both end with code 74, and none is made."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    for arguments in (("backup", "b.db"), ("prune", "--older-than", "365d", "--yes")):
        result = site.run("journal", *arguments)
        assert (result.code, result.out) == (74, "")
        assert "cannot be opened" in result.err
    assert not site.journal.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user than the journal's")
def test_root_leaves_the_journal_to_its_owner(cleared: Site) -> None:
    """Root may back up and prune another user's journal; nothing beside it becomes root's."""
    cleared.folder.chmod(0o777)
    for path in (cleared.folder, *cleared.folder.iterdir()):
        os.chown(path, 65534, 65534)
    with inside(cleared.journal) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert cleared.run("journal", "backup", str(cleared.folder / "backup.db")).code == 0
    looked = cleared.start("journal", "prune", "--older-than", "365d", "--yes", "--compact")
    with open_journal(cleared.journal, writable=False):  # its side files stay while somebody has it open
        assert cleared.finish(looked).code == 0
    others = [path for path in cleared.folder.glob("journal.db*") if path.stat().st_uid != 65534]
    assert others == []


def test_a_broken_pipe_is_no_traceback(cleared: Site) -> None:
    """Whoever stops reading the numbers sees no traceback."""
    command = [sys.executable, "-m", "zkpoll", "journal", "prune", "--older-than", "365d", "--dry-run"]
    with subprocess.Popen(
        [*command, "--json", "-c", str(cleared.inventory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TOKEN": TOKEN},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
