"""`zkpoll journal copy`: from a site with a real terminal into a real PostgreSQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import piece, punches, visit
from tests.journal.on_postgres import empty_database
from tests.journal.test_copy import is_untouched, killed_under_way, tables, tables_there
from tests.site import at_a_terminal, entry
from zkpoll.journal.opening import open_journal
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


@pytest.fixture
def url() -> Iterator[str]:
    """Return the URL of a new database, without a journal."""
    with empty_database() as url:
        yield url


@pytest.fixture
def read(site: Site, dashboard: SampleDashboard) -> Site:
    """Return a site that has read and delivered a log of 60 punches."""
    with serve(Terminal.with_samples(60)) as address:
        gate, listen = "name: gate, serial: GATE1, push: true", "listen: {address: '127.0.0.1:0'}\n"
        site.write(dashboard.url, entry("front", address), gate, more=listen)
        assert site.sync().code == 0
    return site


def test_it_is_copied_and_says_what_is_next(read: Site, url: str) -> None:
    """A dry run keeps nothing; the copy is the journal, and the next steps fit into three lines."""
    dry = read.run("journal", "copy", "--to", url, "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert "60 punches and" in dry.out
    assert dry.out.endswith("can be copied, with the same sums of 1 dashboard. Nothing is kept of it.\n")
    assert is_untouched(url)
    done = read.run("journal", "copy", "--to", url)
    assert (done.code, done.err) == (0, "")
    first, second, third = done.out.splitlines()
    assert first.startswith("60 punches and ")
    assert first.endswith(" other rows are copied, with the same sums of 1 dashboard.")
    folder = read.journal.parent
    assert second == f"Set `journal: {url}` and `state_dir: {folder}` in the inventory; then start cron."
    assert third == f"Keep {read.journal}: nothing writes to it any more, and the copy has no backup yet."
    assert tables_there(url) == tables(read.journal)


def test_the_inventory_names_the_copy_then(read: Site, dashboard: SampleDashboard, url: str) -> None:
    """With the lines that were told, a run goes on where the last one ended; nothing is doubled."""
    before = read.run("punches", "export", "--json").document()
    assert read.run("journal", "copy", "--to", url).code == 0
    terminal = Terminal.with_samples(60)
    terminal.punch("1001")
    place = f"journal: {url}\nstate_dir: '{read.journal.parent}'\n"
    with serve(terminal) as (host, port):
        text = read.inventory.read_text().replace("journal: journal.db\n", place)
        read.inventory.write_text(re.sub(r"host: '[^']*', port: \d+", f"host: '{host}', port: {port}", text))
        assert read.run("punches", "export", "--json").document() == before
        assert read.sync().code == 0
    assert (len(dashboard.events), dashboard.duplicates) == (61, 0)
    again = read.run("journal", "copy", "--to", url)
    assert again.code == 2
    assert "is on a server already" in again.err


def test_the_document(read: Site, url: str) -> None:
    """With --json it says how many rows each table has, and each dashboard's sum."""
    document = read.run("journal", "copy", "--to", url, "--json").document()
    assert document.keys() == {"file", "copied", "rows", "sums"}
    assert (document["file"], document["copied"]) == (str(read.journal), True)
    assert document["rows"] == {name: len(rows) for name, rows in tables(read.journal).items()}
    zero = dict.fromkeys(("pending", "parked", "held", "discarded"), 0)
    assert document["sums"] == {"dashboard": {"punches": 60, "confirmed": 60, **zero}}
    again = read.run("journal", "copy", "--to", url, "--json")
    assert (again.code, again.out) == (74, "")
    assert again.err.endswith("is there already, and nothing is copied over one\n")


@pytest.mark.parametrize(
    ("to", "code", "words"),
    [
        ("/var/lib/zkpoll/other.db", 2, "expected postgresql://USER@HOST/DATABASE"),
        ("postgresql://[::1", 2, "expected postgresql://USER@HOST/DATABASE"),
        ("postgresql://zkpoll:hush@127.0.0.1:9/zkpoll", 2, "--password-file"),
        ("postgresql://127.0.0.1:9/zkpoll?password=hush", 2, "--password-file"),
        ("postgresql://zkpoll@127.0.0.1:9/zkpoll", 74, "is not reachable"),
    ],
)
def test_where_it_cannot_go(read: Site, to: str, code: int, words: str) -> None:
    """What is no such URL, shows a password or leads nowhere is refused in a sentence that shows none."""
    secret = read.folder / "password"
    secret.write_text("hush\n")
    done = read.run("journal", "copy", "--to", to, "--password-file", str(secret))
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "hush" not in done.err
    assert "Traceback" not in done.err


def test_the_password_is_the_files(read: Site, url: str) -> None:
    """The password is read from its file; what is none is refused."""
    secret = read.folder / "password"
    secret.write_bytes(b"\xff")
    done = read.run("journal", "copy", "--to", url, "--password-file", str(secret))
    assert done.code == 2
    assert "is no text" in done.err
    secret.write_text("hush\n")
    assert read.run("journal", "copy", "--to", url, "--password-file", str(secret)).code == 0


def test_no_journal_yet(site: Site, dashboard: SampleDashboard, url: str) -> None:
    """Before the first run there is nothing to copy, and none is begun."""
    site.write(dashboard.url, "name: front, host: 127.0.0.9")
    done = site.run("journal", "copy", "--to", url)
    assert (done.code, done.out) == (74, "")
    assert done.err == f"zkpoll: the journal {site.journal} is not there, and nothing is copied\n"
    assert not site.journal.exists()
    assert is_untouched(url)


def test_while_serve_is_up(read: Site, url: str) -> None:
    """A `serve` that waits for calls would go on with the file: it is to be stopped first."""
    with read.start("serve") as process:
        assert process.stderr
        process.stderr.readline()
        done = read.run("journal", "copy", "--to", url)
        process.terminate()
        process.communicate(timeout=30)
    assert (done.code, done.out) == (75, "")
    assert done.err.endswith("and nothing is copied: stop cron, the timers and `zkpoll serve`\n")
    assert is_untouched(url)
    assert read.run("journal", "copy", "--to", url).code == 0


def test_killed_in_the_middle(read: Site, url: str) -> None:
    """A command that is killed leaves nothing in the database, and the file as it was."""
    with open_journal(read.journal) as journal:
        for first in range(0, 10_000, 2_000):
            visit(journal, "back", "B2").take(piece(*punches(2_000, first=first), end=first + 2_000))
    before = tables(read.journal)
    process = read.start("journal", "copy", "--to", url)
    assert killed_under_way(process, url, 0.2)
    process.communicate()
    assert is_untouched(url)
    assert tables(read.journal) == before
    assert read.sync("--no-deliver").code == 69  # its terminal is gone, the journal is not
    assert read.run("journal", "copy", "--to", url).code == 0


def test_a_person_at_a_terminal(read: Site, url: str) -> None:
    """On a screen the URL and the paths stay whole, so that they can be copied."""
    code, screen = at_a_terminal(read, "journal", "copy", "--to", url)
    assert code == 0
    assert url in screen.replace("`", " ").split()
