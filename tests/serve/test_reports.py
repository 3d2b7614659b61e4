"""What `zkpoll serve` tells: news, once each, beside a `sync` on the same journal; figures for Prometheus."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.look import inside, look
from tests.peers import closed_port
from tests.reports.test_metrics import of, samples
from tests.serve.quick import quick
from tests.serve.serving import GATE, SERIAL, line, serving, write
from tests.site import TOKEN, at_a_terminal
from tests.waiting import wait_for
from zkpoll.simulator import SampleDashboard

if TYPE_CHECKING:
    from tests.serve.serving import Serving
    from tests.site import Result, Site

SECOND = 1.0
PUNCH = line("1001", "2026-11-22 08:59:58")
METRICS = "metrics: {textfile: zkpoll.prom}\n"


def lines(door: Serving, subject: str) -> list[str]:
    """Return what was told of a subject."""
    return [one for one in door.lines if one.startswith(f"zkpoll: {subject}: ")]


def shake_hands(door: Serving) -> None:
    """Call as a terminal does that was switched on."""
    assert door.ask(f"/iclock/cdata?SN={SERIAL}&options=all&pushver=2.4.1&DeviceType=att").status == 200


def test_an_old_inventory(site: Site, dashboard: SampleDashboard) -> None:
    """A run renames the dashboard while it runs: it takes punches on, and leaves sending to such runs."""
    write(site, dashboard.url)
    with quick(site) as door:
        shake_hands(door)
        assert door.push(PUNCH).status == 200
        wait_for(lambda: len(dashboard.events) == 1)
        text = site.inventory.read_text("utf-8")
        site.inventory.write_text(text.replace("dashboard: {", "dashboard: {name: main, was: dashboard, "))
        assert "called main now" in site.sync().err
        assert door.push(line("1002", "2026-11-22 08:59:59")).status == 200
        time.sleep(3 * SECOND)
        assert len(dashboard.events) == 1
        assert door.process.poll() is None
        assert site.sync().code == 0
        assert len(dashboard.events) == 2
    assert [one.partition(" by a run")[0] for one in door.lines] == [
        "zkpoll: push door: dashboard dashboard was given another name"
    ]


# --- status ---


def test_status_beside_it(site: Site, dashboard: SampleDashboard) -> None:
    """While it runs and the device calls, all is well; once nobody listens, status ends with 1."""
    write(site, dashboard.url)
    with serving(site) as door:
        shake_hands(door)
        now = datetime.now(UTC)
        assert door.push(line("1001", f"{now:%Y-%m-%d %H:%M:%S}")).status == 200
        assert door.ask("/iclock/cdata?SN=OTHER&options=all").status == 403
        wait_for(lambda: "1 caller was refused" in site.run("status").out)
        wait_for(lambda: " 0 pending" in site.run("status").out)
        told = site.run("status")
        code, screen = at_a_terminal(site, "status")
    assert told.code == code == 0
    assert told.out.startswith("1 terminal, 1 push door and 1 dashboard well; 1 of 1 punch confirmed\n")
    assert "device  gate  calls us  called " in told.out
    assert "  TimeZone 0  dialect attendance\n" in told.out
    assert "door  push  `zkpoll serve` runs  1 caller was refused; see `zkpoll devices pending`\n" in told.out
    assert max(map(len, screen.splitlines())) <= 80
    assert "push door: `zkpoll serve` runs\n" in screen
    after = site.run("status", "--json")
    assert (after.code, after.document()["push_door"]["serving"]) == (1, False)
    code, screen = at_a_terminal(site, "status")
    assert code == 1
    assert "push door: no `zkpoll serve` runs, so no punches arrive; terminals keep them\n" in screen
    assert screen.startswith("1 thing needs you; 1 of 1 punch confirmed\n")


# --- a dashboard that is away, beside runs by cron ---


def test_a_dashboard_is_told_of_once(site: Site) -> None:
    """A dashboard that is away is told of by one of the two when it begins, and by one when it ends."""
    with closed_port() as (_, port):
        write(site, f"http://127.0.0.1:{port}/v1/attendance")
    with quick(site) as door:
        runs: list[Result] = []

        def told() -> list[str]:
            return [*lines(door, "dashboard dashboard"), *(run.err for run in runs if run.err)]

        for number in range(5):
            assert door.push(line("1001", f"2026-11-22 08:59:5{number}")).status == 200
            runs.append(site.sync())
        time.sleep(2 * SECOND)
        assert [("refuses the connection" in one) for one in told()] == [True]
        with SampleDashboard(TOKEN, port=port) as dashboard:
            for _ in range(5):  # serve rests after its last failure, and a run delivers all
                runs.append(site.sync())
                time.sleep(SECOND)
            assert len(dashboard.events) == 5
            assert door.push(line("1002", "2026-11-22 08:59:59")).status == 200
            wait_for(lambda: len(dashboard.events) == 6)
            time.sleep(2 * SECOND)
            assert sorted("well again" in one for one in told()) == [False, True]
            assert dashboard.duplicates == 0


# --- the journal is the trouble ---


def test_a_journal_that_hangs_is_told_of_without_it(site: Site, dashboard: SampleDashboard) -> None:
    """While another program has the journal, that is told once, and once that it ended; nothing else is."""
    write(site, dashboard.url)
    with quick(site) as door:
        shake_hands(door)
        with inside(site.journal) as db:
            db.execute("BEGIN IMMEDIATE")
            assert door.push(PUNCH).status == 503
            wait_for(lambda: len(lines(door, "push door")) == 1)
            assert door.push(PUNCH).status == 503
            time.sleep(3 * SECOND)
            (told,) = door.lines
            assert "punches are not taken, terminals keep them: the journal " in told
            assert "locked" in told
        wait_for(lambda: len(lines(door, "push door")) == 2)  # nobody has to bring any for that
        assert "push door: well again" in door.lines[1]
        assert door.push(PUNCH).status == 200
        time.sleep(2 * SECOND)
        assert len(lines(door, "push door")) == 2
    assert look(site.journal, "SELECT count(*) FROM condition WHERE subject = 'push door'") == [(0,)]


def test_the_room_is_that_of_the_journals_own_disk(site: Site, dashboard: SampleDashboard) -> None:
    """Where a link stands in the journal's place, the disk that it leads to counts, and not the link's."""
    write(site, dashboard.url)
    disk = site.folder / "disk"
    disk.mkdir()
    site.journal.symlink_to(disk / "journal.db")
    free = f"(0 if str(where) == {str(disk)!r} else 1 << 40)"
    full = f"lambda where: type('Usage', (), dict(free={free}))"
    with quick(site, broken=f"zkpoll.tasks.desk.shutil.disk_usage = {full}") as door:
        shake_hands(door)
        assert door.push(PUNCH).status == 503
        wait_for(lambda: len(lines(door, "push door")) == 1)
    assert f"less than 64 MB are free in {disk}" in door.lines[0]


def test_calls_that_fail_here_are_told_of(site: Site, dashboard: SampleDashboard) -> None:
    """Of posts that meet a bug, and hear 503 for ever, a person is told without -v; not what they hold."""
    write(site, dashboard.url)
    with quick(site, broken="zkpoll.push.commands.told_settings = None") as door:
        shake_hands(door)
        assert door.ask(f"/iclock/cdata?SN={SERIAL}&table=options", b"~Secret=hushhush").status == 503
        wait_for(lambda: len(lines(door, "push gate")) == 1)
        assert door.push(PUNCH).status == 200
    assert "a call of it failed here once" in door.lines[0]
    assert "hushhush" not in "".join(door.lines)


def test_one_whose_punches_are_never_taken_is_told_of(site: Site, dashboard: SampleDashboard) -> None:
    """Those of others that are taken in between do not hide it."""
    write(site, dashboard.url, devices=[GATE, "name: other, serial: OTHER1, push: true"])
    with quick(site, broken=_broken_for_gate("JournalError")) as door:
        shake_hands(door)
        for second in range(4):
            assert door.push(PUNCH).status == 503
            assert door.push(line("1", f"2026-11-22 08:59:0{second}"), serial="OTHER1").status == 200
        wait_for(lambda: len(lines(door, "push gate")) == 1)
    assert "what it brought did not come in" in door.lines[0]


def test_a_damage_that_one_device_meets_ends_it(site: Site, dashboard: SampleDashboard) -> None:
    """A journal that is damaged in one place may take the punches of others, and ends it all the same."""
    write(site, dashboard.url)
    with quick(site, broken=_broken_for_gate("JournalUnfit")) as door:
        assert door.push(PUNCH).status == 503
        assert door.process.wait(timeout=20) == 74
    assert door.lines[-1] == "zkpoll: the journal is broken\n"


def _broken_for_gate(error: str) -> str:
    """Return statements by which the journal takes nothing of gate."""
    return f"""
import zkpoll.errors
take = zkpoll.tasks.desk.take_batch
def take_others(journal, device, *rest):
    if device.name == "gate":
        raise zkpoll.errors.{error}("the journal is broken")
    return take(journal, device, *rest)
zkpoll.tasks.desk.take_batch = take_others
"""


# --- beginning, and end ---


def test_a_stop_while_the_journal_hangs(site: Site, dashboard: SampleDashboard) -> None:
    """Told to stop while another program has the journal, it ends well: no punch is in doubt."""
    write(site, dashboard.url)
    with quick(site) as door, inside(site.journal) as db:
        db.execute("BEGIN IMMEDIATE")
        shake_hands(door)
        assert door.stop() == 0


def test_a_stop_tells_what_is_owed(site: Site, dashboard: SampleDashboard) -> None:
    """What was found and not told yet is told at the end, once; killed, it is left to the next one."""
    write(site, dashboard.url)
    with serving(site) as door:
        assert door.push("nonsense").status == 200
        door.kill()
    assert door.lines == []
    with serving(site) as door:
        pass
    assert door.lines == ["zkpoll: push gate: 1 record is impossible; see `zkpoll quarantine list`\n"]
    with serving(site) as door:
        pass
    assert door.lines == []


def test_a_silence_outlasts_a_restart(site: Site, dashboard: SampleDashboard) -> None:
    """A silence that a person was told of neither ends nor begins when serve is started again."""
    write(site, dashboard.url)
    with quick(site):
        pass
    with inside(site.journal) as db:
        day = "2026-01-01T00:00:00.000+00:00"
        told = ("push gate", "silent", day, datetime.now(UTC).isoformat())
        db.execute("INSERT INTO condition (subject, kind, since, told_at) VALUES (?, ?, ?, ?)", told)
    with quick(site) as door:
        time.sleep(3 * SECOND)
        assert door.lines == []
        shake_hands(door)
        wait_for(lambda: len(door.lines) == 1)
    assert door.lines[0].startswith("zkpoll: push gate: well again, after ")


def test_a_device_that_left_has_no_trouble(site: Site, dashboard: SampleDashboard) -> None:
    """What is told of a device ends when it is taken out of the inventory."""
    write(site, dashboard.url)
    with quick(site):
        pass
    with inside(site.journal) as db:
        now = datetime.now(UTC).isoformat()
        db.execute(
            "INSERT INTO condition (subject, kind, since, told_at) VALUES ('push yard', 'silent', ?, ?)",
            (now, now),
        )
    with quick(site) as door:
        wait_for(lambda: len(door.lines) == 1)
    assert door.lines == ["zkpoll: push yard: ended, after 0 min: taken out of the inventory\n"]


def test_every_line_is_json_where_that_is_asked_for(site: Site, dashboard: SampleDashboard) -> None:
    """Where lines are to be JSON, so is the one that says where it listens."""
    write(site, dashboard.url)
    process = site.start("serve", "--log-format", "json")
    assert process.stderr is not None
    first = json.loads(process.stderr.readline())
    process.terminate()
    site.finish(process)
    assert first["message"].startswith("listening on 127.0.0.1:")
    assert first["level"] == "info"


# --- figures ---


def test_figures_beside_those_of_runs(site: Site, dashboard: SampleDashboard) -> None:
    """Both write one file, and it has what each of them knows."""
    write(site, dashboard.url, more=METRICS)
    path = site.folder / "zkpoll.prom"
    gate = {"device": "gate"}
    with quick(site) as door:
        shake_hands(door)
        assert door.push(PUNCH).status == 200
        wait_for(lambda: path.exists() and of(samples(path), "zkpoll_serve_punches_total", **gate) == 1)
        assert site.sync().code == 0
        found = samples(path)
        assert of(found, "zkpoll_run_exit_code") == 0
        assert of(found, "zkpoll_serve_punches_total", **gate) == 1
        first = of(found, "zkpoll_serve_timestamp_seconds") or 0
        wait_for(lambda: (of(samples(path), "zkpoll_serve_timestamp_seconds") or 0) > first)
        found = samples(path)
    assert of(found, "zkpoll_run_exit_code") == 0
    assert of(found, "zkpoll_serve_taking") == 1
    assert of(found, "zkpoll_push_last_call_timestamp_seconds", **gate) is not None


def test_figures_that_cannot_be_written(site: Site, dashboard: SampleDashboard) -> None:
    """A file that cannot be written is told of once, and stops nothing."""
    write(site, dashboard.url, more="metrics: {textfile: nowhere/zkpoll.prom}\n")
    with quick(site) as door:
        wait_for(lambda: len(door.lines) == 1)
        time.sleep(2 * SECOND)
        assert door.push(PUNCH).status == 200
    (told,) = door.lines
    assert told.startswith("zkpoll: metrics of serve: ")
    assert "zkpoll.prom cannot be written" in told


def test_no_devices_but_one_that_is_named(site: Site) -> None:
    """What is told of the door never names a device by anything but its name."""
    write(site, devices=[GATE])
    with quick(site) as door:
        assert door.push("nonsense").status == 200
        wait_for(lambda: len(door.lines) >= 1)
    assert SERIAL not in "".join(door.lines)
