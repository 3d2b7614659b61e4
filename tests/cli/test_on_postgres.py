"""Commands with a journal in PostgreSQL, as processes: what they do, say, and never say."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.cli.test_delivery import refusing
from tests.cli.test_quarantine import with_an_impossible_record
from tests.cli.test_sync import ids_of
from tests.journal.on_postgres import empty_database
from tests.peers import free_ports
from tests.serve.serving import GATE, serving
from tests.serve.test_admin import see
from tests.site import TOKEN, Site, entry
from tests.waiting import wait_for
from zkpoll.journal.opening import open_journal
from zkpoll.model.journal_home import JournalServer
from zkpoll.pull.raw_copy import SUFFIX
from zkpoll.simulator import SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET: Final = "hunter2-of-the-journal"
"""The password in the URL: the tests' server asks for none."""
DAYS: Final = ("--from", "2026-11-01", "--until", "2026-11-02")
LOOKS: Final = (
    "status --json",
    "explain {user} {day} --json",
    "outbox list --json",
    "outbox list --held --json",
    "devices list --json",
    "devices pending --json",
    "punches export --json",
    "punches export --json --device front --user {user}",
    "quarantine list --json",
    "journal prune --older-than 30d --dry-run --json",
    "backfill --to dashboard --from {day} --until {day} --held --dry-run",
    "users export --json",
)
DEEDS: Final = (
    "outbox retry --all",
    "outbox discard --user {user} --reason left --yes",
    "quarantine accept --device front --yes",
    "sync --full",
    "outbox list --discarded --json",
    "quarantine list --json",
    "punches export --json",
)


class OnServer(Site):
    """A site whose journal is in a database, and the rest in its folder `state`."""

    def __init__(self, folder: Path, popen: Callable[..., subprocess.Popen[Any]], url: str) -> None:
        super().__init__(folder, popen)
        self.url = url
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)

    def write_for(self, dashboard: str, *devices: str, more: str = "", timeout: float = 2) -> None:
        """Write an inventory with the database's URL."""
        super().write_for(dashboard, *devices, more=more, timeout=timeout)
        text = self.inventory.read_text()
        place = f"journal: '{self.url}'\nstate_dir: {self.state.name}\n"
        self.inventory.write_text(text.replace(f"journal: {self.journal.name}\n", place))

    @property
    def home(self) -> JournalServer:
        """Where the journal is, as an inventory has it: its password apart."""
        return JournalServer(self.shown, self.state, SECRET)

    @property
    def shown(self) -> str:
        """The URL as it is shown."""
        return self.url.replace(f":{SECRET}@", "@")


def with_password(url: str) -> str:
    """Given a database's URL, return it with a password that the server does not ask for."""
    return re.sub(r"//([^:@/]*)(?::[^@]*)?@", rf"//\1:{SECRET}@", url)


@pytest.fixture
def url() -> Iterator[str]:
    """Return the URL of a database without a journal, with a password in it."""
    with empty_database() as address:
        yield with_password(address)


@pytest.fixture
def server(tmp_path: Path, popen: type[subprocess.Popen[Any]], url: str) -> Iterator[OnServer]:
    """Give a site whose journal is in a database; nothing that it printed had the password."""
    said: list[bytes] = []

    class Heard(popen):  # type: ignore[misc, valid-type]
        def communicate(self, *arguments: Any, **named: Any) -> Any:
            found = super().communicate(*arguments, **named)
            said.extend(repr(text).encode() for text in found)
            return found

    yield OnServer(tmp_path, Heard, url)
    assert said
    assert SECRET.encode() not in b"".join(said)


# --- all is well ---


def test_the_first_run_delivers_and_the_next_finds_nothing(
    server: OnServer, dashboard: SampleDashboard
) -> None:
    """Every punch arrives once; the journal's file is never made, and its mark lies in `state_dir:`."""
    terminal = Terminal.with_samples(60)
    with serve(terminal) as address:
        server.write(dashboard.url, entry("front", address))
        first, second, third = server.sync(), server.report(), server.sync("-v")
    assert (first.code, first.out, first.err) == (0, "", "")
    assert dashboard.events.keys() == ids_of(terminal)
    assert dashboard.duplicates == 0
    assert second["sums"]["reading"]["first_seen"] == 0
    assert second["sums"]["journal"]["dashboard"]["confirmed"] == 60
    assert third.code == 0
    assert not server.journal.exists()
    assert [path.name for path in server.state.iterdir()] == ["journal.db.begun"]
    with psycopg.connect(server.url) as db:
        assert db.execute("SELECT count(*) FROM zkpoll.punch").fetchone() == (60,)


def same(text: str) -> str:
    """Return what a command printed without what two runs of it never share: moments and durations."""
    moment = r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z)"
    text = re.sub(r"[0-9]+ s ago", "(just now)", re.sub(moment, "(moment)", text))
    return re.sub(r'("(?:[a-z_]*seconds|drift|took|age)": )-?[0-9.]+', r"\1(seconds)", text)


@pytest.mark.parametrize("with_deeds", [False, True])
def test_all_commands_say_the_same_of_both_journals(
    tmp_path: Path, popen: type[subprocess.Popen[Any]], url: str, with_deeds: bool
) -> None:
    """What a command tells of a journal, and does to it, does not depend on where it is kept."""
    terminal, _ = with_an_impossible_record()
    terminal.append(terminal.log[0])
    record = terminal.history[0]
    words = {"user": record.user_id, "day": record.time.date()}
    folders = tmp_path / "file", tmp_path / "server"
    for one in folders:
        one.mkdir()
    told: list[dict[str, tuple[int, list[str], list[str]]]] = []
    with serve(terminal) as address:
        for site in (Site(folders[0], popen), OnServer(folders[1], popen, url)):
            with SampleDashboard(TOKEN) as dashboard:
                dashboard.answers.extend([refusing(dashboard, record.user_id)] * 50)
                site.write(dashboard.url, entry("front", address))
                assert site.sync().code == 1
                found = {}
                for row in (*DEEDS, *LOOKS[:1]) if with_deeds else LOOKS:
                    made = site.run(*row.format(**words).split())
                    found[row] = (made.code, same(made.out).splitlines(), same(made.err).splitlines())
                told.append(found)
    for row, by_file in told[0].items():
        assert told[1][row] == by_file, row
    assert {row: code for row, (code, _, _) in told[0].items() if code not in {0, 1}} == {}


def test_raw_copies_lie_in_the_state_folder_and_bring_a_lost_journal_back(
    server: OnServer, dashboard: SampleDashboard
) -> None:
    """Logs are cleared against a copy in `state_dir:`; a journal that is gone is filled from it again."""
    terminal = Terminal.with_samples(30)
    with serve(terminal) as address:
        server.write(dashboard.url, entry("front", address, clear="confirmed"))
        first = server.report()
        assert (first["exit_code"], terminal.log) == (0, [])
        (copy,) = (server.state / "journal.db.raw").glob(f"*{SUFFIX}")
        assert first["devices"][0]["clearing"]["copy"] == str(copy)
        proved = server.run("journal", "restore", str(copy))
        with psycopg.connect(server.url) as db:
            db.execute("DROP SCHEMA zkpoll CASCADE")
        looked, exported = server.run("status"), server.run("punches", "export")
        anew = server.sync()
        restored = server.run("journal", "restore", str(copy), "--write", "--yes")
        assert server.sync().code == 0
    assert (proved.code, restored.code) == (0, 0)
    gone = "it is gone; restore a backup, or let `zkpoll sync` begin a new one"
    assert (looked.code, exported.code) == (74, 74)
    assert looked.err == f"zkpoll: the journal {server.shown} cannot be opened: {gone}\n"
    assert f"{server.shown} was gone, and is begun anew" in anew.err
    assert "30 put into the journal" in restored.err + restored.out
    assert dashboard.events.keys() == ids_of(terminal)


def test_a_file_may_have_its_state_elsewhere(site: Site, dashboard: SampleDashboard) -> None:
    """With `state_dir:` raw copies and the mark of a journal's file lie there, and a backup takes them."""
    state = site.folder / "state"
    state.mkdir()
    terminal = Terminal.with_samples(8)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, clear="confirmed"), more="state_dir: state\n")
        assert site.sync().code == 0
    assert {path.name for path in state.iterdir()} == {"journal.db.begun", "journal.db.raw"}
    assert not [path for path in site.folder.iterdir() if path.name.startswith("journal.db.")]
    (site.folder / "kept").mkdir()
    assert site.run("journal", "backup", str(site.folder / "kept"), "--keep", "3").code == 0
    assert len(list((site.folder / "kept/raw").iterdir())) == 1
    site.journal.unlink()
    assert "was gone, and is begun anew" in site.sync().err


# --- beside another run ---


def test_a_second_run_leaves_the_device_to_the_first(server: OnServer, dashboard: SampleDashboard) -> None:
    """A device and a dashboard that another run is at are locked between hosts: code 75, without a word."""
    with serve(Terminal.with_samples(3)) as address, open_journal(server.home) as journal:
        server.write(dashboard.url, entry("front", address))
        with journal.lock(f"device 127.0.0.1:{address.port}"):
            during = server.sync()
        with journal.lock("dashboard dashboard"):
            delivering = server.run("backfill", "--to", "dashboard", *DAYS)
        after = server.sync()
    assert (during.code, during.err) == (75, "")
    assert delivering.code == 75
    assert "another run delivers to it now; nothing was changed, try again" in delivering.err
    assert (after.code, after.err) == (0, "")


def test_the_push_door_keeps_what_it_takes(server: OnServer, dashboard: SampleDashboard) -> None:
    """A batch that is answered OK is in the database, and delivered; one journal has one `zkpoll serve`."""
    server.write(dashboard.url, GATE, more="listen: {address: '127.0.0.1:0'}\n")
    with serving(server) as door:
        answer = door.push("1001\t2026-11-22 08:59:58\t0\t1\t0\t0")
        with psycopg.connect(server.url) as db:
            assert db.execute("SELECT user_id, source FROM zkpoll.punch").fetchall() == [("1001", "push")]
        second = server.run("serve")
        wait_for(lambda: bool(dashboard.events))
        assert door.stop() == 0
    assert answer.status == 200
    assert second.code == 75
    assert f"another `zkpoll serve` has the journal {server.shown}" in second.err
    assert SECRET not in "".join(door.lines)


def test_the_live_page(server: OnServer, dashboard: SampleDashboard) -> None:
    """It is read by a session of its own, as the journal is at that moment."""
    (port,) = free_ports(1)
    admin = f"admin: {{address: '127.0.0.1:{port}'}}\n"
    server.write(dashboard.url, GATE, more=f"listen: {{address: '127.0.0.1:0'}}\n{admin}")
    with serving(server) as door:
        assert door.push("1001\t2026-11-22 08:59:58\t0\t1\t0\t0").status == 200
        wait_for(lambda: bool(dashboard.events))
        found = see(port, "/explain?user=1001&day=2026-11-22")
        told = server.run("explain", "1001", "2026-11-22").out.splitlines()
    assert found.status == 200
    assert f"{told[0]}: 1 punch" in found.shown
    assert SECRET not in found.body


# --- where it cannot be used ---


@pytest.mark.parametrize("command", ["sync", "status", "outbox list", "punches export"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda url: re.sub(r":\d+/", ":1/", url), "is not reachable: "),
        (
            lambda url: re.sub(r"//[^:]*:", "//nobody-of-these:", url),
            r'refuses the login: .*"nobody-of-these".*; check the user and the password',
        ),
        (lambda url: f"{url}_not", "is in a database that is not there; `createdb` makes it"),
    ],
)
def test_what_keeps_the_journal_away_is_one_sentence(
    server: OnServer, dashboard: SampleDashboard, change: Callable[[str], str], told: str, command: str
) -> None:
    """A server that is away, refuses the login or has no such database: code 74 and one line that says it."""
    server.url = change(server.url)
    server.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    result = server.run(*command.split(), *(["-v"] if command == "sync" else []))
    assert (result.code, result.out) == (74, "")
    assert re.search(re.escape(f"the journal {server.shown} ") + told, result.err)
    assert len(result.err.splitlines()) == 1
    assert "Traceback" not in result.err


def test_a_missing_driver_is_named(tmp_path: Path, dashboard: SampleDashboard, url: str) -> None:
    """Without psycopg a sentence says what to install, and a journal in a file goes on without it."""
    server = OnServer(tmp_path, subprocess.Popen, url)  # a forked one has imported it already
    away = server.folder / "away"
    away.mkdir()
    (away / "psycopg.py").write_text("raise ImportError('no psycopg here')\n")
    server.environment |= {"PYTHONPATH": str(away)}
    terminal = Terminal.with_samples(3)
    with serve(terminal) as address:
        server.write(dashboard.url, entry("front", address))
        without = server.sync()
        text = server.inventory.read_text()
        server.inventory.write_text(re.sub("journal: .*", "journal: journal.db", text))
        in_a_file = server.sync()
    assert without.code == 74
    assert without.err == (
        f"zkpoll: the journal {server.shown} cannot be opened: a journal in PostgreSQL needs psycopg: "
        "pip install 'zkpoll[postgres]'\n"
    )
    assert in_a_file.code == 0
    assert dashboard.events.keys() == ids_of(terminal)


def test_a_state_folder_that_is_not_there_is_told(server: OnServer, dashboard: SampleDashboard) -> None:
    """Before anything is made in the database: a slip in the folder's name begins no journal."""
    server.state.rmdir()
    server.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    result = server.sync()
    assert result.code == 74
    assert result.err == (
        f"zkpoll: the journal {server.shown} cannot be opened: the folder for what lies beside it "
        f"(state_dir:), {server.state}, is not there; make it\n"
    )
    with psycopg.connect(server.url) as db:
        assert db.execute("SELECT to_regclass('zkpoll.punch')").fetchone() == (None,)


def test_the_folder_of_another_journal_is_refused(server: OnServer, dashboard: SampleDashboard) -> None:
    """Before a terminal is called, or a journal made: raw copies of two journals must not mix."""
    terminal = Terminal.with_samples(3)
    with serve(terminal) as address:
        server.write(dashboard.url, entry("front", address))
        assert server.sync().code == 0
        shown = server.shown
        with empty_database() as url:
            server.url = with_password(url)
            server.write(dashboard.url, entry("front", address))
            called = len(terminal.commands)
            result = server.sync()
            with psycopg.connect(url) as db:
                assert db.execute("SELECT to_regclass('zkpoll.punch')").fetchone() == (None,)
        assert len(terminal.commands) == called
    assert (result.code, result.err.count("\n")) == (74, 1)
    assert result.err == (
        f"zkpoll: the journal {server.shown} cannot be opened: its state_dir:, {server.state}, is that of "
        f"the journal {shown}, as {server.state}/journal.db.begun says; give each a folder of its own, "
        "or, if it is the same journal in another place, remove that file\n"
    )


@pytest.mark.parametrize("keep", [(), ("--keep", "7")])
def test_a_backup_is_the_servers(server: OnServer, dashboard: SampleDashboard, keep: tuple[str, ...]) -> None:
    """`journal backup` names the command that makes one, and ends with 2; nothing is written."""
    server.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    result = server.run("journal", "backup", "there", *keep)
    file = "there/zkpoll.dump" if keep else "there"
    assert result.code == 2
    assert (
        f"the journal {server.shown} is on a server; this backs it up: "
        f"pg_dump --schema=zkpoll --format=custom --file={file} {server.shown}\n"
    ) in result.err


def test_settings_are_shown_without_the_password(server: OnServer, dashboard: SampleDashboard) -> None:
    """`config check` masks it, in both of its forms."""
    server.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    masked = server.url.replace(SECRET, "********")
    assert json.loads(server.run("config", "check", "--json").out)["journal"] == masked
    assert f"journal: {masked}\n" in server.run("config", "check", "--show").out


def test_the_password_may_come_from_a_file_or_the_environment(
    server: OnServer, dashboard: SampleDashboard
) -> None:
    """`password_file:` is read by commands that need no other secret; what it holds reaches no output."""
    (server.folder / "password").write_text(f"{SECRET}\n")
    server.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    assert server.sync().code == 69
    text = server.inventory.read_text()
    server.inventory.write_text(
        re.sub("journal: .*", f"journal: {{url: '{server.shown}', password_file: password}}", text)
    )
    server.environment = {}
    assert server.run("status", "--json").document()["devices"]
    server.environment = {"PW": SECRET}
    written = server.url.replace(SECRET, "${PW}")
    server.inventory.write_text(re.sub("journal: .*", f"journal: '{written}'", text))
    assert server.run("status", "--json").document()["devices"]
