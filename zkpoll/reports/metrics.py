"""Figures of a run and of what the journal holds, in a file for Prometheus' node_exporter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.durable import new_file
from zkpoll.wall_clock import age

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from zkpoll.journal.overview import DashboardStanding, DeviceStanding
    from zkpoll.tasks.outcome import Outcome

_READABLE = 0o644
"""For the user that node_exporter runs as; no secret is in it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric, and its value for each set of labels."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: tuple[tuple[tuple[str, ...], float], ...]


def figures(
    outcome: Outcome,
    devices: Sequence[DeviceStanding],
    dashboards: Sequence[DashboardStanding],
    now: datetime,
) -> Iterator[Figure]:
    """Given a run's outcome and how things stand at its end, yield its figures. `now` is UTC."""
    yield _one("zkpoll_run_timestamp_seconds", "When the last run ended (Unix time).", now.timestamp())
    yield _one("zkpoll_run_duration_seconds", "How long the last run took.", outcome.seconds)
    yield _one("zkpoll_run_exit_code", "How the last run ended; 0 is all well.", int(outcome.exit_code))
    yield from _of_devices(devices)
    yield from _of_dashboards(dashboards, now)
    yield from _of_visits(outcome)
    yield from _of_deliveries(outcome)


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
    failed = (((one.name, one.kind or ""), 1.0) for one in outcome.devices if one.problem)
    text = "1 where the last visit failed, by the kind of failure."
    yield Figure("zkpoll_device_failure", text, ("device", "kind"), tuple(failed))


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


def write(path: Path, found: Iterable[Figure]) -> None:
    """Write figures to a file, which holds the old ones until it holds the new ones. Raise OSError."""
    from prometheus_client import generate_latest

    text = generate_latest(_registry(found))
    # Until it is whole it has another ending, and node_exporter reads what ends in .prom alone.
    with new_file(path, replace=True, mode=_READABLE) as file:
        file.write(text)


def _registry(found: Iterable[Figure]) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()
    for figure in found:
        gauge = Gauge(figure.name, figure.help, figure.labels, registry=registry)
        for labels, value in figure.values:
            (gauge.labels(*labels) if labels else gauge).set(value)
    return registry
