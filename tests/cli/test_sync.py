"""`zkpoll sync` as a process: from inventory to outcome, on real sockets."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.look import inside
from tests.peers import closed_port, peer
from tests.site import TOKEN, Site, entry
from tests.waiting import wait_for
from zkpoll.journal.opening import open_journal
from zkpoll.model.punch import punch_id
from zkpoll.simulator import Faults, HttpAnswer, Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Callable

SERIAL = "CQZ7224760045"
DHAKA = ZoneInfo("Asia/Dhaka")
HTTP_400 = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
C3_ERROR = bytes.fromhex("aa01c90100f313d955")


def ids_of(terminal: Terminal, serial: str = SERIAL) -> set[str]:
    """Return the ids of every punch a terminal ever took, worked out here."""
    return {punch_id(serial, record.user_id, record.time.isoformat()) for record in terminal.history}


# --- all is well ---


def test_the_whole_way(site: Site, dashboard: SampleDashboard) -> None:
    """Every punch of every device arrives once, as its device showed it, and cron hears nothing."""
    front = Terminal.with_samples(700)
    front.set_clock(datetime.now(DHAKA).replace(tzinfo=None))
    back = Terminal.with_samples(80, model=Model(serial="B2", comm_key=4711))
    old = Terminal.with_samples(60, model=Model(serial="C3", layout=8))
    with serve(front) as a, serve(back) as b, serve(old, transport="udp") as c:
        site.write(
            dashboard.url,
            entry("front", a, timezone="Asia/Dhaka"),
            entry("back", b, comm_key=4711),
            entry("old", c, transport="udp"),
        )
        first = site.sync()
        requests = len(dashboard.requests)
        second = site.sync()
    assert (first.code, first.out, first.err) == (0, "", "")
    assert (second.code, second.out, second.err) == (0, "", "")
    assert len(dashboard.requests) == requests
    assert dashboard.duplicates == 0
    assert dashboard.events.keys() == ids_of(front) | ids_of(back, "B2") | ids_of(old, "C3")
    record = front.history[5]
    event = dashboard.events[punch_id(SERIAL, record.user_id, record.time.isoformat())]
    assert event == {
        "user_id": record.user_id,
        "timestamp": record.time.replace(tzinfo=DHAKA).isoformat(),
        "status": record.verify,
        "type": record.state,
        "id": event["id"],
        "device": "front",
        "serial_number": SERIAL,
        "punch_state": {0: "check_in", 1: "check_out"}.get(record.state),
        "work_code": 0,
        "source": "pull",
    }


def test_only_what_is_new_is_sent(site: Site, dashboard: SampleDashboard) -> None:
    """A later run sends what was punched since, and nothing else."""
    terminal = Terminal.with_samples(50)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
        before = set(dashboard.events)
        terminal.punch("1001", datetime(2020, 1, 1, 8, 0))  # a clock that jumped back
        assert site.sync().code == 0
    assert set(dashboard.events) - before == {punch_id(SERIAL, "1001", "2020-01-01T08:00:00")}
    assert dashboard.duplicates == 0


def test_json_is_one_document_with_both_sums(site: Site, dashboard: SampleDashboard) -> None:
    """`--json` gives an outcome for each device and dashboard, and sums that come out."""
    terminal = Terminal.with_samples(30)
    terminal.append(terminal.log[0])  # an exact repeat
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        document = site.report()
    assert document["exit_code"] == 0
    (device,) = document["devices"]
    assert device["name"] == "front"
    assert device["serial_number"] == SERIAL
    assert device["ok"]
    reading = document["sums"]["reading"]
    assert reading.pop("records") == 31 == sum(reading.values())
    assert (reading["first_seen"], reading["exact_repeats"]) == (30, 1)
    journal = document["sums"]["journal"]["dashboard"]
    assert journal == {
        "punches": 30, "confirmed": 30, "pending": 0, "parked": 0, "held": 0, "discarded": 0,
    }  # fmt: skip
    assert document["deliveries"][0]["confirmed_now"] == 30


def test_one_device_by_name(site: Site, dashboard: SampleDashboard) -> None:
    """`--device` visits that device alone, also one that is taken out with `enabled: false`."""
    a, b = Terminal.with_samples(3), Terminal.with_samples(4, model=Model(serial="B"))
    with serve(a) as first, serve(b) as second:
        site.write(dashboard.url, entry("a", first), entry("b", second, enabled="false"))
        assert site.sync("--device", "b").code == 0
    assert a.connections == 0
    assert dashboard.events.keys() == ids_of(b, "B")


def test_an_unknown_device_is_wrong_usage(site: Site, dashboard: SampleDashboard) -> None:
    """A name that the inventory lacks ends with code 2 and the names there are."""
    site.write(dashboard.url, entry("a", ("127.0.0.1", 9)))
    result = site.sync("--device", "front-dor")
    assert result.code == 2
    assert "no device 'front-dor'" in result.err


def test_a_dry_run_writes_nothing(site: Site, dashboard: SampleDashboard) -> None:
    """`--dry-run` shows exactly what the next run sends, and leaves no trace."""
    with serve(Terminal.with_samples(25)) as address:
        site.write(dashboard.url, entry("front", address))
        before = sorted(site.folder.iterdir())
        dry = site.sync("--dry-run")
        assert sorted(site.folder.iterdir()) == before
        assert not dashboard.requests
        assert dry.code == 0
        site.sync()
    shown = [json.loads(line) for line in dry.out.splitlines()]
    assert shown == list(dashboard.events.values())


def test_a_dry_run_beside_a_journal_changes_no_row(site: Site, dashboard: SampleDashboard) -> None:
    """`--dry-run` on a journal in use shows only what is new, and changes nothing in it."""
    terminal = Terminal.with_samples(25)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
        terminal.punch("1001", datetime(2026, 11, 1, 8, 0))
        before = dump(site)
        document = site.report("--dry-run")
    assert [event["user_id"] for event in document["would_send"]] == ["1001"]
    assert dump(site) == before


def dump(site: Site) -> list[str]:
    """Return everything in the journal, as SQL."""
    with inside(site.journal) as db:
        lines = list(db.iterdump())
    db.close()
    return lines


def test_no_deliver_journals_only(site: Site, dashboard: SampleDashboard) -> None:
    """`--no-deliver` keeps the punches for a later run to send."""
    terminal = Terminal.with_samples(12)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync("--no-deliver").code == 0
        assert not dashboard.requests
        assert site.sync().code == 0
    assert dashboard.events.keys() == ids_of(terminal)


# --- one failure stays one failure ---


def test_a_device_that_is_off_is_told_once(site: Site, dashboard: SampleDashboard) -> None:
    """A dead device delays nobody's punches; cron hears of it when it begins and when it ends."""
    terminal, other = Terminal.with_samples(9), Terminal.with_samples(5, model=Model(serial="B"))
    with serve(other) as up:
        with closed_port() as down:
            site.write(dashboard.url, entry("front", down), entry("back", up))
            first, second = site.sync(), site.sync()
        assert (first.code, second.code) == (1, 1)
        assert first.err.startswith("zkpoll: device front: ")
        assert "refuses the connection" in first.err
        assert len(first.err.splitlines()) == 1
        assert (first.out, second.out, second.err) == ("", "", "")
        assert dashboard.events.keys() == ids_of(other, "B")
        with serve(terminal, port=down[1]):
            third = site.sync()
    assert third.code == 0
    assert third.err == "zkpoll: device front: well again, after 0 min\n"
    assert dashboard.events.keys() == ids_of(other, "B") | ids_of(terminal)


def test_a_device_that_hangs_up_once(site: Site, dashboard: SampleDashboard) -> None:
    """What came before the end of the connection is kept and sent; the next run brings the rest."""
    terminal = Terminal.with_samples(5000, faults=Faults(hang_up_after=150_000, hang_up_times=1))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        first, second = site.sync(), site.sync()
    assert first.code == 1
    assert "closed the connection" in first.err
    assert len(first.err.splitlines()) == 1
    assert second.code == 0
    assert dashboard.events.keys() == ids_of(terminal)
    assert dashboard.duplicates == 0


def test_a_device_that_hangs_up_for_ever(site: Site, dashboard: SampleDashboard) -> None:
    """A device that dies in each visit is read to its end over several; each run goes on where one ended."""
    terminal = Terminal.with_samples(9000, faults=Faults(hang_up_after=150_000))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        codes = [site.sync().code for _ in range(3)]
    assert codes == [1, 1, 0]
    assert dashboard.events.keys() == ids_of(terminal)
    assert dashboard.duplicates == 0


BAD_PEERS: dict[str, tuple[Callable[[bytes], bytes | None], int, str]] = {
    "an HTTP server": (lambda _data: HTTP_400, 1, "not as a terminal does"),
    "random bytes": (lambda _data: b"\x13\x37" * 40, 1, "not as a terminal does"),
    "a C3 panel that answers": (lambda _data: C3_ERROR, 1, "not as a terminal does"),
    "a C3 panel that is silent": (lambda _data: b"", 69, "does not answer"),
    "an echo": (lambda data: data, 1, "sends back what it is sent"),
    "who hangs up at once": (lambda _data: None, 69, "hangs up when spoken to"),
}


@pytest.mark.parametrize("who", BAD_PEERS)
def test_what_is_no_terminal(site: Site, dashboard: SampleDashboard, who: str) -> None:
    """What answers and is no terminal is named in one sentence, and nothing is left half done."""
    answer, code, words = BAD_PEERS[who]
    with peer(answer) as address:
        site.write(dashboard.url, entry("front", address), timeout=0.5)
        result = site.sync()
    assert result.code == code
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert "Traceback" not in result.err
    assert not dashboard.requests


def test_nothing_reached(site: Site, dashboard: SampleDashboard) -> None:
    """A host that refuses, the only one there is, ends with code 69."""
    with closed_port() as address:
        site.write(dashboard.url, entry("front", address))
        result = site.sync()
    assert result.code == 69
    assert "refuses the connection" in result.err


def test_a_device_that_never_answers(site: Site, dashboard: SampleDashboard) -> None:
    """A mute device costs its timeout, not more, and ends with code 69."""
    with serve(Terminal(faults=Faults(mute=True))) as address:
        site.write(dashboard.url, entry("front", address), timeout=0.5)
        document = site.report()
    assert document["exit_code"] == 69
    assert document["devices"][0]["failure"] == "unreachable"
    assert document["devices"][0]["seconds"] < 2


def test_a_wrong_comm_key(site: Site, dashboard: SampleDashboard) -> None:
    """A wrong key is said to be wrong, and is not in what is said."""
    with serve(Terminal(Model(comm_key=1234))) as address:
        site.write(dashboard.url, entry("front", address, comm_key=987654))
        result = site.sync("-v")
        missing = site.report("--device", "front")
        site.write(dashboard.url, entry("front", address))
        missing = site.report()
    assert result.code == 1
    assert "comm_key is wrong" in result.err
    assert "987654" not in result.err
    assert "a comm_key is needed" in missing["devices"][0]["problem"]


def test_a_log_that_fits_no_layout_is_saved(site: Site, dashboard: SampleDashboard) -> None:
    """An unknown layout fails the visit; its bytes are kept for the owner's eyes, and nothing is guessed."""
    terminal = Terminal(Model(inline_limit=0))
    for number in range(50):
        terminal.append(bytes((number * 7 + i * 13) % 251 for i in range(40)))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        result = site.sync()
    assert result.code == 1
    (saved,) = (site.folder / "journal.db.unknown").iterdir()
    assert str(saved) in result.err
    assert saved.read_bytes() == b"".join(terminal.log)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert not dashboard.events


def test_impossible_records_stay_aside(site: Site, dashboard: SampleDashboard) -> None:
    """A record of 30 February is kept, counted and told; its neighbours are delivered."""
    terminal = Terminal.with_samples(60)
    raw = bytearray(terminal.log[10])
    raw[27:31] = ((26 * 12 + 1) * 31 * 86400 + 29 * 86400).to_bytes(4, "little")
    terminal.append(bytes(raw))
    for hour in range(9):
        terminal.punch("1001", datetime(2026, 11, 2, hour))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        result, again = site.sync(), site.sync("--full")
        document = site.report("--full")
    assert result.code == 1
    assert result.err == "zkpoll: device front: 1 record is impossible; see `zkpoll quarantine list`\n"
    assert (again.code, again.err) == (0, "")
    assert document["sums"]["reading"]["quarantined"] == 1
    assert dashboard.events.keys() == ids_of(terminal)


def test_a_terminal_without_a_serial_number(site: Site, dashboard: SampleDashboard) -> None:
    """A unit that tells no serial number is not read until the inventory gives it one."""
    terminal = Terminal.with_samples(7, model=Model(serial=None))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        refused = site.sync()
        site.write(dashboard.url, entry("front", address, serial="0012"))
        accepted = site.sync()
    assert refused.code == 1
    assert "serial:" in refused.err
    assert accepted.code == 0
    assert dashboard.events.keys() == ids_of(terminal, "0012")


def test_another_terminal_at_that_address(site: Site, dashboard: SampleDashboard) -> None:
    """Another serial number than before fails the visit, naming both, and nothing is mixed up."""
    with serve(Terminal.with_samples(7)) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    with serve(Terminal.with_samples(9, model=Model(serial="NEW1")), port=address.port):
        result = site.sync()
    assert result.code == 1
    assert "NEW1" in result.err
    assert SERIAL in result.err
    assert len(dashboard.events) == 7


def test_one_terminal_under_two_names(site: Site, dashboard: SampleDashboard) -> None:
    """Two entries that reach one terminal are told apart: the first reads it, the second says so."""
    terminal = Terminal.with_samples(7, model=Model(seats=2))
    with serve(terminal) as a, serve(terminal) as b:
        site.write(dashboard.url, entry("one", a), entry("two", b))
        document = site.report()
    kinds = sorted(device["failure"] or "" for device in document["devices"])
    assert kinds == ["", "wrong_serial"]
    assert dashboard.events.keys() == ids_of(terminal)


# --- the dashboard ---


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HttpAnswer(200, b"<!doctype html><p>Log in", {"Content-Type": "text/html"}, keep=False), "web page"),
        (HttpAnswer(302, b"", {"Location": "https://sso.example.com/login"}), "sso.example.com"),
        (HttpAnswer(401, b"{}"), "token"),
        (HttpAnswer(503, b"{}"), "503"),
        (HttpAnswer(422, b'{"error": "schema changed"}'), "schema changed"),
    ],
)
def test_what_is_not_confirmed_stays(
    site: Site, dashboard: SampleDashboard, answer: HttpAnswer, words: str
) -> None:
    """Whatever is not a real yes leaves the punches pending, is told, and the next run delivers them."""
    terminal = Terminal.with_samples(20)
    dashboard.answers.extend([answer] * 50)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        first = site.sync()
        dashboard.answers.clear()
        second = site.sync()
    assert first.code == 1
    assert words in first.err
    assert "20 punches wait" in first.err
    assert TOKEN not in first.err
    assert second.code == 0
    assert dashboard.events.keys() == ids_of(terminal)
    assert dashboard.duplicates == 0


def test_a_dashboard_that_is_away(site: Site) -> None:
    """Devices are read while the dashboard is away, and all is delivered when it is back."""
    terminal = Terminal.with_samples(20)
    with serve(terminal) as address:
        with closed_port() as (host, port):
            site.write(f"http://{host}:{port}/x", entry("front", address))
            first = site.report()
        with SampleDashboard(TOKEN, port=port) as back:
            second = site.report()
    assert first["exit_code"] == 1
    assert first["sums"]["journal"]["dashboard"]["pending"] == 20
    assert second["exit_code"] == 0
    assert back.events.keys() == ids_of(terminal)


def test_a_dashboard_that_left_with_punches_pending(site: Site, dashboard: SampleDashboard) -> None:
    """Punches that wait for a dashboard under another name are told of, until it is named again."""
    terminal = Terminal.with_samples(20)
    with serve(terminal) as address:
        with closed_port() as (host, port):
            site.write(f"http://{host}:{port}/x", entry("front", address))
            site.sync()
        site.write(f"{dashboard.url}', name: 'payroll", entry("front", address))
        renamed = site.sync()
        site.write(dashboard.url, entry("front", address))
        back = site.sync()
    assert renamed.code == 1
    assert "dashboard dashboard: 20 punches wait for it, and it is not in the inventory" in renamed.err
    assert back.code == 0
    assert dashboard.events.keys() == ids_of(terminal)


def test_a_clock_hours_off_is_told(site: Site, dashboard: SampleDashboard) -> None:
    """A clock that is hours off is told once while it lasts; its punches are delivered all the same."""
    terminal = Terminal.with_samples(20)
    terminal.set_clock(datetime(2023, 1, 1))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        first, second = site.sync(), site.sync()
    assert first.code == second.code == 1
    assert "its clock is 4 years behind, and so are its punches" in first.err
    assert second.err == ""
    assert dashboard.events.keys() == ids_of(terminal)


def test_overlapping_runs_are_no_news(site: Site, dashboard: SampleDashboard) -> None:
    """A device that another run is at is named in the exit code and in JSON, and mailed to nobody."""
    with serve(Terminal.with_samples(3)) as address, open_journal(site.journal) as journal:
        site.write(dashboard.url, entry("front", address))
        with journal.lock(f"device 127.0.0.1:{address.port}"):
            during = site.sync()
        after = site.sync()
    assert (during.code, during.err) == (75, "")
    assert (after.code, after.err) == (0, "")


def test_a_silent_terminal_delays_nobody(site: Site, dashboard: SampleDashboard) -> None:
    """Punches are delivered while another device still keeps its reader waiting."""
    terminal = Terminal.with_samples(20)
    with serve(terminal) as up, serve(Terminal(faults=Faults(mute=True))) as mute:
        site.write(dashboard.url, entry("front", up), entry("mute", mute), timeout=20)
        process = site.start("sync")
        wait_for(lambda: len(dashboard.events) == 20)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert site.finish(process).code == 143


# --- journal, inventory, locks ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("dashboard: [}", "found a }"),
        ("devices:\n  - {name: a, host: h}\ndashboard: []\njournal: j\n", "dashboard"),
        ("- a\n- b\n", "found a list"),
        (
            "{dashboard: {url: 'ftp:/x'}, journal: j, devices: [{name: a, host: h, timezone: UTC}]}",
            "url",
        ),
    ],
)
def test_a_bad_inventory(site: Site, text: str, words: str) -> None:
    """An inventory that cannot be used ends with code 78 and names the file and what is wrong."""
    site.inventory.write_text(text)
    result = site.sync()
    assert result.code == 78
    assert "devices.yaml" in result.err
    assert words in result.err
    assert "Traceback" not in result.err
    assert not site.journal.exists()


def foreign(site: Site) -> None:
    """Put another program's database in the journal's place."""
    with inside(site.journal) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()


def from_the_future(site: Site) -> None:
    """Put a journal of a newer zkpoll in place."""
    with inside(site.journal) as db:
        db.execute("PRAGMA application_id = 0x7a6b706c")
        db.execute("PRAGMA user_version = 999")
        db.execute("CREATE TABLE punch (x)")
    db.close()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda site: site.journal.mkdir(), "is a folder"),
        (foreign, "some other program's database"),
        (from_the_future, "newer zkpoll"),
        (lambda site: site.journal.write_bytes(b"not a database, " * 300), "some other kind of file"),
    ],
)
def test_a_journal_that_cannot_be_used(
    site: Site, dashboard: SampleDashboard, prepare: Callable[[Site], None], words: str
) -> None:
    """A journal that cannot be used ends with code 74 and one sentence; no device is visited."""
    terminal = Terminal.with_samples(3)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        prepare(site)
        result = site.sync()
    assert result.code == 74
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert terminal.connections == 0


def test_a_journal_in_a_folder_that_is_missing(site: Site, dashboard: SampleDashboard) -> None:
    """A journal whose folder does not exist is not conjured up elsewhere."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    text = site.inventory.read_text().replace("journal: journal.db", "journal: gone/journal.db")
    site.inventory.write_text(text)
    result = site.sync()
    assert result.code == 74
    assert "gone/journal.db" in result.err


def test_a_locked_device_is_left_to_the_other_run(site: Site, dashboard: SampleDashboard) -> None:
    """A device that another run is at is skipped and named; if that is all of them, the code is 75."""
    a, b = Terminal.with_samples(3), Terminal.with_samples(4, model=Model(serial="B"))
    with serve(a) as first, serve(b) as second, open_journal(site.journal) as journal:
        site.write(dashboard.url, entry("a", first), entry("b", second))
        with journal.lock(f"device 127.0.0.1:{first.port}"):
            some = site.report()
            all_of_them = site.report("--device", "a")
    assert (some["exit_code"], some["troubles"]) == (0, {})
    assert some["devices"][0]["failure"] == "busy"
    assert "another run" in some["devices"][0]["problem"]
    assert dashboard.events.keys() == ids_of(b, "B")
    assert all_of_them["exit_code"] == 75


# --- stopped, killed ---


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_soon(site: Site, dashboard: SampleDashboard, number: int, code: int) -> None:
    """A signal in mid-read ends the run soon, with its code; the seat is free and nothing is lost."""
    terminal = Terminal.with_samples(40_000, faults=Faults(bandwidth=400_000))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address), timeout=20)
        process = site.start("sync")
        wait_for(lambda: terminal.bytes_sent > 200_000)
        process.send_signal(number)
        sent = time.monotonic()
        result = site.finish(process)
        assert time.monotonic() - sent < 5
        assert result.code == code
        assert "stopped by" in result.err
        assert "Traceback" not in result.err
        wait_for(lambda: terminal.seats_taken == 0)
        terminal.faults = Faults()
        assert site.sync().code == 0
    assert dashboard.events.keys() == ids_of(terminal)


def test_killed_at_any_time(site: Site, dashboard: SampleDashboard) -> None:
    """A run that is killed outright loses nothing and doubles nothing: the next one goes on."""
    terminal = Terminal.with_samples(30_000)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for delay in (0.5, 0.7, 0.9, 1.2):
            process = site.start("sync")
            time.sleep(delay)
            process.kill()
            site.finish(process)
            terminal.restart()  # a killed client leaves its seat; the terminal notices in the end
        assert site.sync().code == 0
        assert site.report()["exit_code"] == 0
    assert dashboard.events.keys() == ids_of(terminal)
    assert not dashboard.conflicts
    with inside(site.journal) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


# --- a person ---


def test_on_a_terminal(site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a terminal sees a line for each device and a summary, in 80 columns."""
    pty = pytest.importorskip("pty")
    with serve(Terminal.with_samples(20)) as address, closed_port() as down:
        site.write(dashboard.url, entry("front", address), entry("back", down))
        shown: list[bytes] = []
        for name, value in {"TOKEN": TOKEN, "COLUMNS": "80", "NO_COLOR": "1"}.items():
            monkeypatch.setenv(name, value)

        def read(fd: int) -> bytes:
            shown.append(os.read(fd, 4096))
            return shown[-1]

        import sys

        status = pty.spawn([sys.executable, "-m", "zkpoll", "sync", "-c", str(site.inventory)], read)
    text = b"".join(shown).decode()
    assert os.waitstatus_to_exitcode(status) == 1
    assert "front" in text
    assert "20 new of 20 records" in text
    assert "failed" in text
    assert "1 of 2 devices read, 20 new punches, 20 delivered to dashboard" in text
