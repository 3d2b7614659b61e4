"""Figures in a file: what Prometheus reads there, and how the file comes to be."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.peers import closed_port
from tests.site import Site, entry
from zkpoll.errors import Busy
from zkpoll.journal.database_overview import DatabaseStanding
from zkpoll.journal.opening import open_journal
from zkpoll.journal.overview import DashboardStanding, DeviceStanding
from zkpoll.journal.pushed import Gap, PushStanding, Told
from zkpoll.model.delivery import Backlog, ShiftMove
from zkpoll.model.errand import Errand, ErrandStanding, Queue
from zkpoll.model.sums import BridgeTally
from zkpoll.reports import metrics
from zkpoll.reports.errand_status import ErrandStatus, QueueStatus
from zkpoll.reports.verdict import LastRun
from zkpoll.simulator import SampleDashboard, Terminal, serve
from zkpoll.tasks.database_outcome import DatabaseOutcome
from zkpoll.tasks.delivery_outcome import DeliveryOutcome
from zkpoll.tasks.device_outcome import DeviceOutcome
from zkpoll.tasks.fleet_outcome import QueueOutcome
from zkpoll.tasks.outcome import Outcome
from zkpoll.tasks.push_outcome import ServeFigures

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.model.errand import State

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
DAY = ShiftMove("Day", NOW, "front-door, last read then", moved=True)
NIGHT = ShiftMove("Night", None, "back-door was not read to its end yet")
NOTHING = Outcome(devices=(), deliveries=(), seconds=1.0)
TEXTFILE = "metrics: {textfile: zkpoll.prom}\n"


def samples(path: Path) -> Samples:
    """Return what Prometheus' own parser finds in a file: values by name and labels."""
    families = text_string_to_metric_families(path.read_text("utf-8"))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def of(found: Samples, name: str, **labels: str) -> float | None:
    """Return one value of those, or None."""
    return found.get((name, frozenset(labels.items())))


def test_every_figure(tmp_path: Path) -> None:
    """Devices, dashboards and the run each have their figures; what is not known has none."""
    path = tmp_path / "zkpoll.prom"
    outcome = Outcome(
        devices=(
            DeviceOutcome('a"\\\nü', "h", seconds=1.5),
            DeviceOutcome("b", "h", problem="no", kind="silent", seconds=2.0),
        ),
        deliveries=(
            DeliveryOutcome("main", confirmed=7, problem="no", kind="away", shifts=(DAY, NIGHT), seconds=0.5),
        ),
        seconds=3.0,
    )
    hour = timedelta(hours=1)
    devices = [
        DeviceStanding(
            'a"\\\nü',
            "A",
            read_at=NOW,
            whole_at=NOW - hour,
            on_device=7,
            capacity=10,
            drift=-2.5,
            quarantined=3,
        ),
        DeviceStanding("b", "B"),
    ]
    dashboards = [
        DashboardStanding("main", None, 5, 2, 1, NOW - hour),
        DashboardStanding("x", None, 0, 0, 0, None),
        DashboardStanding("ahead", None, 1, 0, 0, NOW + hour),
    ]
    growing = {"main": Backlog(5, 3), "x": Backlog(0)}
    standing = metrics.Standings(devices, dashboards, backlogs=growing)
    metrics.write_of_run(path, metrics.of_run(outcome, standing, NOW), beside_serve=False)
    found = samples(path)
    odd = {"device": 'a"\\\nü'}
    assert of(found, "zkpoll_device_last_success_timestamp_seconds", **odd) == NOW.timestamp()
    assert of(found, "zkpoll_device_last_whole_timestamp_seconds", **odd) == NOW.timestamp() - 3600
    assert of(found, "zkpoll_device_records", **odd) == 7
    assert of(found, "zkpoll_device_capacity_records", **odd) == 10
    assert of(found, "zkpoll_device_clock_drift_seconds", **odd) == -2.5
    assert of(found, "zkpoll_device_quarantined_records", **odd) == 3
    assert of(found, "zkpoll_device_visit_duration_seconds", **odd) == 1.5
    assert of(found, "zkpoll_device_last_success_timestamp_seconds", device="b") is None
    assert of(found, "zkpoll_device_failure", device="b", kind="silent") == 1
    assert of(found, "zkpoll_dashboard_failure", dashboard="main", kind="away") == 1
    assert of(found, "zkpoll_dashboard_pending_punches", dashboard="main") == 5
    assert of(found, "zkpoll_dashboard_parked_punches", dashboard="main") == 2
    assert of(found, "zkpoll_dashboard_held_punches", dashboard="main") == 1
    assert of(found, "zkpoll_dashboard_backlog_age_seconds", dashboard="main") == 3600
    assert of(found, "zkpoll_dashboard_backlog_age_seconds", dashboard="x") == 0
    assert of(found, "zkpoll_dashboard_backlog_growth_punches", dashboard="main") == 3
    assert of(found, "zkpoll_dashboard_backlog_growth_punches", dashboard="x") is None
    assert of(found, "zkpoll_dashboard_backlog_age_seconds", dashboard="ahead") == 0
    complete = "zkpoll_shift_complete_timestamp_seconds"
    assert of(found, complete, dashboard="main", shift="Day") == NOW.timestamp()
    assert of(found, complete, dashboard="main", shift="Night") is None
    assert of(found, "zkpoll_dashboard_confirmed_punches", dashboard="main") == 7
    assert of(found, "zkpoll_dashboard_delivery_duration_seconds", dashboard="main") == 0.5
    assert of(found, "zkpoll_run_duration_seconds") == 3
    assert of(found, "zkpoll_run_exit_code") == 1
    assert of(found, "zkpoll_run_timestamp_seconds") == NOW.timestamp()


def test_figures_of_errands(tmp_path: Path) -> None:
    """How many errands stand how, since when the oldest is late, and when any were sent; zero counts, too."""
    late = ErrandStanding(
        Errand("visit", "a"), NOW, NOW, NOW - timedelta(hours=1), None, None, None, None, None
    )
    counts: dict[State, int] = {"done": 5, "waiting": 2, "under way": 0, "late": 1}
    queues = (
        QueueStatus(Queue("dhaka"), counts, None, QueueOutcome(Queue("dhaka"))),
        QueueStatus(Queue(), counts, None, QueueOutcome(Queue())),
    )
    path = tmp_path / "zkpoll.prom"
    for sent, figure in ((NOW, NOW.timestamp()), (None, None)):
        errands = ErrandStatus(NOW, 300, LastRun(sent, overdue=False, what="dispatch"), queues, (), (late,))
        standing = metrics.Standings([], [], errands=errands)
        metrics.write_of_run(path, metrics.of_run(NOTHING, standing, NOW), beside_serve=False)
        found = samples(path)
        states = [of(found, "zkpoll_errands", state=one) for one in ("done", "waiting", "under_way", "late")]
        assert states == [10, 4, 0, 2]
        assert of(found, "zkpoll_errands_late_age_seconds") == 3600
        assert of(found, "zkpoll_errands_sent_timestamp_seconds") == figure
    metrics.write_of_run(path, metrics.of_run(NOTHING, metrics.Standings([], []), NOW), beside_serve=False)
    assert "errand" not in path.read_text()


def test_figures_of_databases(tmp_path: Path) -> None:
    """A database has figures of its last visit and of what the journal holds; without any there are none."""
    path = tmp_path / "zkpoll.prom"
    outcome = Outcome(
        (),
        (),
        seconds=3.0,
        databases=(
            DatabaseOutcome("hq", "att2000", "h.mdb", BridgeTally(rows=9, first_seen=9), seconds=1.5),
            DatabaseOutcome("branch", "biotime", "b", problem="no", kind="unreachable", seconds=2.0),
        ),
    )
    standing = DatabaseStanding(
        *("hq", "h.mdb", "att2000", "hq", NOW, NOW, None),
        rows=9931,
        set_aside=3,
        changed=2,
        gone=1,
        pending=5,
    )
    found = metrics.Standings([], [], databases=[standing, replace(standing, name="branch", read_at=None)])
    metrics.write_of_run(path, metrics.of_run(outcome, found, NOW), beside_serve=False)
    figures = samples(path)
    assert of(figures, "zkpoll_database_last_success_timestamp_seconds", database="hq") == NOW.timestamp()
    assert of(figures, "zkpoll_database_last_success_timestamp_seconds", database="branch") is None
    assert of(figures, "zkpoll_database_rows", database="hq") == 9931
    assert of(figures, "zkpoll_database_set_aside_rows", database="hq") == 3
    assert of(figures, "zkpoll_database_changed_rows", database="hq") == 2
    assert of(figures, "zkpoll_database_gone_rows", database="hq") == 1
    assert of(figures, "zkpoll_database_visit_duration_seconds", database="hq") == 1.5
    assert of(figures, "zkpoll_database_new_punches", database="hq") == 9
    assert of(figures, "zkpoll_database_failure", database="branch", kind="unreachable") == 1
    assert of(figures, "zkpoll_database_failure", database="hq", kind="") is None
    metrics.write_of_run(
        path, metrics.of_run(Outcome((), (), 1.0), metrics.Standings([], []), NOW), beside_serve=False
    )
    assert not [name for name, _ in samples(path) if name.startswith("zkpoll_database_")]


def test_the_file_is_whole_or_the_old_one(tmp_path: Path) -> None:
    """A file that cannot be put in place leaves the old one, and nothing beside it."""
    path = tmp_path / "zkpoll.prom"
    path.mkdir()  # a folder is what no file can replace
    with pytest.raises(OSError, match="directory"):
        metrics.write_of_run(path, [], beside_serve=False)
    assert list(tmp_path.iterdir()) == [path]


# --- two that write it ---

CALLER = PushStanding(
    "gate",
    "GATE1",
    NOW - timedelta(days=9),
    NOW - timedelta(seconds=9),
    "10.0.0.7",
    "attendance",
    "330",
    None,
    replays=4,
    door_events=5,
    told=Told(),
    told_at=None,
    gap=Gap(),
    committed_at=NOW - timedelta(minutes=1),
    skew=2.5,
)
SERVING = ServeFigures(None, waiting_bodies=3, connections=7, punches={"gate": 12})


def written_by_run(
    path: Path, *, seconds: float, standing: metrics.Standings, pushes: bool = True
) -> Samples:
    """Let a run write its figures, and return what is there then."""
    found = metrics.of_run(Outcome((), (), seconds), standing, NOW)
    metrics.write_of_run(path, found, beside_serve=pushes)
    return samples(path)


def written_by_serve(path: Path, serving: ServeFigures, standing: metrics.Standings) -> Samples:
    """Let `serve` write its figures, and return what is there then."""
    metrics.write_of_serve(path, metrics.of_serve(serving, standing, NOW))
    return samples(path)


def test_the_push_door(tmp_path: Path) -> None:
    """Each caller has its figures, and so has the door."""
    standing = metrics.Standings((), (), (CALLER,), refused=3)
    found = written_by_serve(tmp_path / "zkpoll.prom", SERVING, standing)
    gate = {"device": "gate"}
    assert of(found, "zkpoll_push_last_call_timestamp_seconds", **gate) == NOW.timestamp() - 9
    assert of(found, "zkpoll_push_last_batch_timestamp_seconds", **gate) == NOW.timestamp() - 60
    assert of(found, "zkpoll_push_clock_skew_seconds", **gate) == 2.5
    assert of(found, "zkpoll_push_replays_total", **gate) == 4
    assert of(found, "zkpoll_push_door_events_total", **gate) == 5
    assert of(found, "zkpoll_push_refused_callers") == 3
    assert of(found, "zkpoll_serve_punches_total", **gate) == 12
    assert of(found, "zkpoll_serve_waiting_bodies") == 3
    assert of(found, "zkpoll_serve_connections") == 7
    assert of(found, "zkpoll_serve_taking") == 1
    assert of(found, "zkpoll_serve_timestamp_seconds") == NOW.timestamp()
    shut = replace(SERVING, problem="the disk is full")
    assert of(written_by_serve(tmp_path / "zkpoll.prom", shut, standing), "zkpoll_serve_taking") == 0


def test_each_leaves_the_figures_of_the_other(tmp_path: Path) -> None:
    """What only one of them knows is as it wrote it last; what the journal holds is of the later one."""
    path = tmp_path / "zkpoll.prom"
    before = metrics.Standings((), (DashboardStanding("main", None, 5, 0, 0, NOW),), (CALLER,), refused=3)
    after = metrics.Standings((), (DashboardStanding("main", None, 0, 0, 0, None),), (CALLER,), refused=4)
    pending = "zkpoll_dashboard_pending_punches"
    written_by_run(path, seconds=1.5, standing=before)
    found = written_by_serve(path, SERVING, after)
    assert of(found, "zkpoll_run_duration_seconds") == 1.5
    assert (of(found, pending, dashboard="main"), of(found, "zkpoll_push_refused_callers")) == (0, 4)
    found = written_by_run(path, seconds=2.5, standing=before)
    assert of(found, "zkpoll_run_duration_seconds") == 2.5
    assert of(found, "zkpoll_serve_punches_total", device="gate") == 12
    assert of(found, pending, dashboard="main") == 5
    found = written_by_serve(path, replace(SERVING, punches={}), after)
    assert of(found, "zkpoll_run_duration_seconds") == 2.5
    assert of(found, "zkpoll_serve_punches_total", device="gate") is None


def test_a_site_that_has_given_up_serve(tmp_path: Path) -> None:
    """Where no device pushes any more, a run leaves nothing of `serve`."""
    path = tmp_path / "zkpoll.prom"
    written_by_serve(path, SERVING, metrics.Standings((), (), (CALLER,), refused=3))
    written_by_run(path, seconds=1, standing=metrics.Standings((), ()), pushes=False)
    assert "zkpoll_serve" not in path.read_text()
    assert "zkpoll_push" not in path.read_text()


@pytest.mark.parametrize("junk", [b"\xff\xfe", b"zkpoll_run_x{", b"# TYPE x\nx one\n", b'x{a="1", ="v"} 1\n'])
def test_a_file_that_is_none(tmp_path: Path, junk: bytes) -> None:
    """What is no file of figures is replaced."""
    path = tmp_path / "zkpoll.prom"
    path.write_bytes(junk)
    assert of(written_by_serve(path, SERVING, metrics.Standings((), ())), "zkpoll_serve_taking") == 1


def test_they_take_turns(tmp_path: Path) -> None:
    """Of two that write the file one waits for the other, and not for long."""
    path = tmp_path / "journal.db"
    with open_journal(path) as journal, open_journal(path) as other:
        with metrics.turn(journal), pytest.raises(Busy), metrics.turn(other):
            pass
        with metrics.turn(other):
            pass


# --- the real command ---


def test_a_run_writes_its_figures(site: Site, dashboard: SampleDashboard) -> None:
    """After a run the file says what is in the journal and what failed; anybody may read it."""
    path = site.folder / "zkpoll.prom"
    with serve(Terminal.with_samples(30)) as address, closed_port() as nobody:
        devices = entry("front", address), entry("back", nobody), entry("off", nobody, enabled="false")
        site.write(dashboard.url, *devices, more=TEXTFILE)
        site.sync("--dry-run")
        assert not path.exists()
        assert site.sync().code == 1
        first = samples(path)
        site.sync("--device", "front")
        second = samples(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert of(first, "zkpoll_device_records", device="front") == 30
    assert of(first, "zkpoll_device_new_punches", device="front") == 30
    assert of(first, "zkpoll_device_failure", device="back", kind="unreachable") == 1
    assert of(first, "zkpoll_dashboard_confirmed_punches", dashboard="dashboard") == 30
    assert of(first, "zkpoll_run_exit_code") == 1
    assert of(second, "zkpoll_device_failure", device="back", kind="unreachable") is None
    assert of(second, "zkpoll_device_new_punches", device="front") == 0
    assert of(second, "zkpoll_run_exit_code") == 0


def test_a_file_that_cannot_be_written_fails_no_run(site: Site, dashboard: SampleDashboard) -> None:
    """Code 0 stays code 0, and cron hears of the file once."""
    with serve(Terminal.with_samples(3)) as address:
        more = "metrics: {textfile: nowhere/zkpoll.prom}\n"
        site.write(dashboard.url, entry("front", address), more=more)
        first, second, verbose = site.sync(), site.sync(), site.sync("-v")
    path = site.folder / "nowhere" / "zkpoll.prom"
    told = f"{path} cannot be written: no such file or directory"
    assert (first.code, first.err) == (0, f"zkpoll: metrics: {told}\n")
    assert (second.code, second.err) == (0, "")
    assert verbose.code == 0
    assert told in verbose.err
