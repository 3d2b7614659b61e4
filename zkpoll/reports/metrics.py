"""Figures of runs and of what the journal holds, in a file for Prometheus' node_exporter.

Two write the same file, each in its turn: a run of `zkpoll sync` when it ends, and `zkpoll serve` twice a
minute.

    what the journal holds    written by both, as it is by then
    of the last run           written by the run; `serve` leaves it in place
    of `serve` itself         (`zkpoll_serve_...`) the other way round
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from zkpoll.durable import new_file, remove_old_parts
from zkpoll.errors import Busy
from zkpoll.journal import callers
from zkpoll.journal.backlog import backlogs
from zkpoll.journal.database_overview import database_standings
from zkpoll.journal.overview import dashboard_standings, device_standings
from zkpoll.journal.pushed import pushed_standings
from zkpoll.ordinary_files import contents
from zkpoll.reports.errand_status import errand_status
from zkpoll.tasks.device_outcome import warn_at
from zkpoll.wall_clock import age, is_off

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from prometheus_client import Metric

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.database_overview import DatabaseStanding
    from zkpoll.journal.overview import DashboardStanding, DeviceStanding
    from zkpoll.journal.pushed import PushStanding
    from zkpoll.model.delivery import Backlog
    from zkpoll.model.fullness import WarnAt
    from zkpoll.reports.errand_status import ErrandStatus
    from zkpoll.tasks.outcome import Outcome
    from zkpoll.tasks.push_outcome import ServeFigures

_READABLE: Final = 0o644
"""For the user that node_exporter runs as; no secret is in it."""
_LONGEST: Final = 16_000_000
"""Bytes of a file that others have figures in; a thousand devices make one of 1 MB."""
_OF_SERVE: Final = "zkpoll_serve_"
_TURNS: Final = 20
"""How often a writer tries to get its turn, a tenth of a second each; the other one needs less than one."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric, and its value for each set of labels."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: tuple[tuple[tuple[str, ...], float], ...]
    kind: Literal["gauge", "counter"] = "gauge"


@dataclass(frozen=True, slots=True)
class Standings:
    """What the journal holds."""

    devices: Sequence[DeviceStanding]
    dashboards: Sequence[DashboardStanding]
    pushing: Sequence[PushStanding] = ()
    """Those of the devices that push; only such as have called."""
    refused: int | None = None
    """Callers that were refused; None where no device pushes."""
    databases: Sequence[DatabaseStanding] = ()
    backlogs: Mapping[str, Backlog] = field(default_factory=dict)
    """How what waits has grown, by the dashboard's name."""
    warn_at: Mapping[str, WarnAt] = field(default_factory=dict)
    """From when on a person is told of a device's log and clock, by its name."""
    errands: ErrandStatus | None = None
    """How errands of workers stand; None where the inventory has none."""


def standings(inventory: Inventory, journal: Journal, now: datetime) -> Standings:
    """Return what the journal holds of the inventory's enabled devices and databases, and of dashboards.

    A dashboard that left counts while punches wait for it. `now` is UTC.
    """
    known, calls = device_standings(journal, now, rates=False), pushed_standings(journal)
    enabled = [device.name for device in inventory.devices if device.enabled]
    pushing = {device.name for device in inventory.pushing}
    dashboards = {dashboard.name for dashboard in inventory.dashboards}
    databases = database_standings(journal) if inventory.databases else {}
    return Standings(
        [known[name] for name in enabled if name in known],
        [one for one in dashboard_standings(journal) if one.name in dashboards or one.oldest],
        [calls[name] for name in enabled if name in pushing and name in calls],
        len(callers.pending(journal)) if pushing else None,
        [databases[one.name] for one in inventory.databases if one.enabled and one.name in databases],
        backlogs(journal, now),
        {device.name: warn_at(device) for device in inventory.called},
        errand_status(inventory, journal, now),
    )


def of_run(outcome: Outcome, standing: Standings, now: datetime) -> Iterator[Figure]:
    """Given a run's outcome and how things stand at its end, yield its figures. `now` is UTC."""
    yield _one("zkpoll_run_timestamp_seconds", "When the last run ended (Unix time).", now.timestamp())
    yield _one("zkpoll_run_duration_seconds", "How long the last run took.", outcome.seconds)
    yield _one("zkpoll_run_exit_code", "How the last run ended; 0 is all well.", int(outcome.exit_code))
    yield from _of_journal(standing, now)
    yield from _of_visits(outcome)
    yield from _of_bridge(outcome)
    yield from _of_deliveries(outcome)


def of_serve(serving: ServeFigures, standing: Standings, now: datetime) -> Iterator[Figure]:
    """Given how `serve` does and how things stand, yield its figures. `now` is UTC."""
    yield _one(f"{_OF_SERVE}timestamp_seconds", "When `serve` wrote this (Unix time).", now.timestamp())
    taking = 0 if serving.problem else 1
    yield _one(f"{_OF_SERVE}taking", "1 while punches that are pushed are taken, else 0.", taking)
    waiting = "Bodies that wait to be journalled."
    yield _one(f"{_OF_SERVE}waiting_bodies", waiting, serving.waiting_bodies)
    yield _one(f"{_OF_SERVE}connections", "Connections that are open.", serving.connections)
    text = "New punches that were pushed since `serve` began."
    new = tuple(((name,), float(number)) for name, number in serving.punches.items())
    yield Figure(f"{_OF_SERVE}punches", text, ("device",), new, "counter")
    yield from _of_journal(standing, now)


def _of_journal(standing: Standings, now: datetime) -> Iterator[Figure]:
    yield from _of_devices(standing.devices)
    yield from _of_warnings(standing)
    yield from _of_databases(standing.databases)
    yield from _of_dashboards(standing.dashboards, now)
    grown = ((name, one.more) for name, one in standing.backlogs.items())
    text = "How many more punches wait than a day ago; 0 where none waits that long."
    yield _by("dashboard", "backlog_growth_punches", text, grown)
    if standing.refused is not None:
        yield from _of_callers(standing.pushing, standing.refused)
    if standing.errands:
        yield from _of_errands(standing.errands)


def _of_errands(errands: ErrandStatus) -> Iterator[Figure]:
    numbers = tuple(((state.replace(" ", "_"),), float(number)) for state, number in errands.counts.items())
    text = "Errands of workers, by how they stand; one that is late counts as that alone."
    yield Figure("zkpoll_errands", text, ("state",), numbers)
    text = "For how long the oldest errand waits that is late; 0 where none is."
    yield _one("zkpoll_errands_late_age_seconds", text, errands.oldest_late.total_seconds())
    if errands.dispatch.ended_at:
        text = "When `zkpoll dispatch` sent errands last (Unix time)."
        sent = errands.dispatch.ended_at.timestamp()
        yield _one("zkpoll_errands_sent_timestamp_seconds", text, sent)


def _of_callers(pushing: Sequence[PushStanding], refused: int) -> Iterator[Figure]:
    def each(name: str, text: str, values: Iterable[float | None]) -> Figure:
        found = _by("device", name, text, zip((one.name for one in pushing), values, strict=True))
        kind: Literal["gauge", "counter"] = "gauge" if name.endswith("seconds") else "counter"
        return Figure(f"zkpoll_push_{name}", text, found.labels, found.values, kind)

    calls = (one.last_call_at.timestamp() for one in pushing)
    yield each("last_call_timestamp_seconds", "When it called last (Unix time).", calls)
    batches = (_unix(one.committed_at) for one in pushing)
    yield each("last_batch_timestamp_seconds", "When it brought its last punches (Unix time).", batches)
    text = "From punch to receipt, the median of punches that came at once."
    yield each("clock_skew_seconds", text, (one.skew for one in pushing))
    yield each("replays", "Bodies that were equal to the one before.", (one.replays for one in pushing))
    events = (one.door_events for one in pushing)
    yield each("door_events", "Lines that are events of a door, and no punches.", events)
    yield _one("zkpoll_push_refused_callers", "Callers that were refused.", refused)


def _of_devices(devices: Sequence[DeviceStanding]) -> Iterator[Figure]:
    def each(name: str, text: str, values: Iterable[float | None]) -> Figure:
        return _by("device", name, text, zip((one.name for one in devices), values, strict=True))

    read = (_unix(one.read_at) for one in devices)
    yield each("last_success_timestamp_seconds", "When its log was last read to its end (Unix time).", read)
    whole = (_unix(one.whole_at) for one in devices)
    yield each("last_whole_timestamp_seconds", "When all of its log was last read (Unix time).", whole)
    yield each("records", "Records in its log.", (one.on_device for one in devices))
    yield each("capacity_records", "Records that its log can hold.", (one.capacity for one in devices))
    yield each("clock_drift_seconds", "By how much its clock is ahead.", (one.drift for one in devices))
    quarantined = (one.quarantined for one in devices)
    yield each("quarantined_records", "Impossible records that nobody accepted.", quarantined)


def _of_warnings(standing: Standings) -> Iterator[Figure]:
    """Yield what a person is told of devices that are called, by the limits of the inventory."""
    read = [(one, standing.warn_at[one.name]) for one in standing.devices if one.name in standing.warn_at]
    logs = [(one.name, one.fullness, at) for one, at in read if one.fullness]
    text = "1 where its log is full or nearly (warn_full:), else 0."
    yield _by("device", "nearly_full", text, ((name, float(log.is_nearly(at))) for name, log, at in logs))
    text = "Days until its log is full, by the punches of the last weeks."
    yield _by("device", "days_until_full", text, ((name, log.days_left) for name, log, _ in logs))
    text = "1 where its clock is off by more than it may be (warn_clock:), else 0."
    clocks = ((one.name, float(is_off(one.drift, at.clock))) for one, at in read if one.drift is not None)
    yield _by("device", "clock_off", text, clocks)


def _of_databases(databases: Sequence[DatabaseStanding]) -> Iterator[Figure]:
    def each(name: str, text: str, values: Iterable[float | None]) -> Figure:
        return _by("database", name, text, zip((one.name for one in databases), values, strict=True))

    if not databases:
        return
    read = (_unix(one.read_at) for one in databases)
    yield each("last_success_timestamp_seconds", "When it was last read to its end (Unix time).", read)
    yield each("rows", "Rows in its table of punches.", (one.rows for one in databases))
    aside = (one.set_aside for one in databases)
    yield each("set_aside_rows", "Rows that are no punches yet, and that nobody accepted.", aside)
    changed = (one.changed for one in databases)
    yield each("changed_rows", "Rows that were edited there after they were read.", changed)
    yield each(
        "gone_rows", "Rows that were read and are not there any more.", (one.gone for one in databases)
    )


def _of_dashboards(dashboards: Sequence[DashboardStanding], now: datetime) -> Iterator[Figure]:
    def each(name: str, text: str, values: Iterable[float]) -> Figure:
        return _by("dashboard", name, text, zip((one.name for one in dashboards), values, strict=True))

    yield each("pending_punches", "Punches that wait to be sent.", (one.pending for one in dashboards))
    yield each("parked_punches", "Punches that it refused.", (one.parked for one in dashboards))
    yield each("held_punches", "Punches that are not sent unasked.", (one.held for one in dashboards))
    ages = (age(one.oldest, now).total_seconds() if one.oldest else 0.0 for one in dashboards)
    yield each("backlog_age_seconds", "For how long the oldest pending or parked punch waits.", ages)


def _of_visits(outcome: Outcome) -> Iterator[Figure]:
    durations = ((one.name, one.seconds) for one in outcome.devices)
    yield _by("device", "visit_duration_seconds", "How long the last visit took.", durations)
    new = ((one.name, float(one.tally.first_seen)) for one in outcome.devices)
    yield _by("device", "new_punches", "Punches that the last visit found.", new)
    failed = (
        ((one.name, one.kind or ""), 1.0)
        for one in outcome.devices
        if one.problem and one.kind != Busy.kind  # what another run is at, that one tells of
    )
    text = "1 where the last visit failed, by the kind of failure."
    yield Figure("zkpoll_device_failure", text, ("device", "kind"), tuple(failed))


def _of_bridge(outcome: Outcome) -> Iterator[Figure]:
    if not outcome.databases:
        return
    durations = ((one.name, one.seconds) for one in outcome.databases)
    yield _by("database", "visit_duration_seconds", "How long the last visit took.", durations)
    new = ((one.name, float(one.tally.first_seen)) for one in outcome.databases)
    yield _by("database", "new_punches", "Punches that the last visit found.", new)
    failed = (((one.name, one.kind or ""), 1.0) for one in outcome.databases if one.problem)
    text = "1 where the last visit failed, by the kind of failure."
    yield Figure("zkpoll_database_failure", text, ("database", "kind"), tuple(failed))


def _of_deliveries(outcome: Outcome) -> Iterator[Figure]:
    durations = ((one.name, one.seconds) for one in outcome.deliveries)
    yield _by("dashboard", "delivery_duration_seconds", "How long the last delivery took.", durations)
    confirmed = ((one.name, float(one.confirmed)) for one in outcome.deliveries)
    yield _by("dashboard", "confirmed_punches", "Punches that the last delivery brought.", confirmed)
    failed = (((one.name, one.kind or ""), 1.0) for one in outcome.deliveries if one.problem)
    text = "1 where the last delivery failed, by the kind of failure."
    yield Figure("zkpoll_dashboard_failure", text, ("dashboard", "kind"), tuple(failed))
    complete = (
        ((one.name, shift.name), shift.until.timestamp())
        for one in outcome.deliveries
        for shift in one.shifts
        if shift.until
    )
    text = "Up to when the punches of a shift are read and confirmed (Unix time)."
    yield Figure("zkpoll_shift_complete_timestamp_seconds", text, ("dashboard", "shift"), tuple(complete))


def _one(name: str, text: str, value: float) -> Figure:
    return Figure(name, text, (), (((), value),))


def _by(label: str, name: str, text: str, values: Iterable[tuple[str, float | None]]) -> Figure:
    known = tuple(((who,), value) for who, value in values if value is not None)
    return Figure(f"zkpoll_{label}_{name}", text, (label,), known)


def _unix(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


# --- the file ---


def write_of_run(path: Path, found: Iterable[Figure], *, beside_serve: bool) -> None:
    """Write a run's figures, and leave those of `serve` in place if it is `beside_serve`. Raise OSError."""
    _write(path, found, lambda name: beside_serve and name.startswith(_OF_SERVE))


def write_of_serve(path: Path, found: Iterable[Figure]) -> None:
    """Write the figures of `serve`, and leave those of the last run in place. Raise OSError."""
    _write(path, found, lambda name: name.startswith("zkpoll_") and not name.startswith(_OF_SERVE))


@contextmanager
def turn(journal: Journal) -> Iterator[None]:
    """Hold the turn to write the file. Raise `Busy` where it does not come, and as `lock` does."""
    with ExitStack() as stack:
        for left in reversed(range(_TURNS)):
            try:
                stack.enter_context(journal.lock("metrics"))
                break
            except Busy:
                if not left:
                    raise
                time.sleep(0.1)
        yield


def _write(path: Path, found: Iterable[Figure], keep: Callable[[str], bool]) -> None:
    """Write figures to a file, which holds the old ones until it holds the new ones."""
    from prometheus_client import CollectorRegistry, generate_latest

    new = [_family(figure) for figure in found]
    names = {one.name for one in new}
    kept = [one for one in _there(path) if one.name not in names and keep(one.name)]
    registry = CollectorRegistry()
    registry.register(_Families([*new, *kept]))
    text = generate_latest(registry)
    # Until it is whole it has another ending, and node_exporter reads what ends in .prom alone.
    with new_file(path, replace=True, mode=_READABLE) as file:
        file.write(text)
    remove_old_parts(path)


def _there(path: Path) -> list[Metric]:
    """Return what a file holds by now; nothing where it cannot be read, or is no such file."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        return list(text_string_to_metric_families(contents(path, _LONGEST).decode()))
    except (OSError, ValueError, IndexError):  # the parser raises both of what it cannot read
        return []


def _family(figure: Figure) -> Metric:
    from prometheus_client import Metric

    family = Metric(figure.name, figure.help, figure.kind)
    suffix = "_total" if figure.kind == "counter" else ""
    for labels, value in figure.values:
        family.add_sample(f"{figure.name}{suffix}", dict(zip(figure.labels, labels, strict=True)), value)
    return family


class _Families:
    """What a registry collects: figures as they are."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
