"""`zkpoll status`: how everything stands, on one screen."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from zkpoll.cli.app import config_option, json_option
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console

    from zkpoll.inventory import Inventory
    from zkpoll.journal.overview import DashboardStanding, DeviceStanding, Lasting
    from zkpoll.journal.sqlite import Journal

_SPANS: Final = ((2 * 86_400, 86_400, "days"), (2 * 3600, 3600, "h"), (2 * 60, 60, "min"), (0, 1, "s"))
"""From how many seconds on a span is told in which unit."""


@click.command(short_help="Show how devices and dashboards stand.")
@config_option
@json_option
def status(config: Path | None, as_json: bool) -> int:
    """Show how devices and dashboards stand, by what the journal knows; nothing is contacted.

    \b
      device     when it was last read to its end, how full its log was then,
                 the day it will be full, by how much its clock was off
      dashboard  how many punches are pending, parked (refused) and held, and
                 for how long the oldest waits that it has not confirmed
      trouble    what a person was told of, and lasts

    The day a log will be full is reckoned from the punches of the 28 days before its last reading. Exit
    code 1 where a reading of a device, or a pending or parked punch, is older than alert_after: (1d), or a
    device was never read; devices with `enabled: false` do not count. Times are UTC.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.inventory import load, locate
    from zkpoll.journal.sqlite import Journal

    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    with Journal(inventory.journal, writable=False) as journal:
        found = _look(inventory, journal, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps(_document(found), indent=2))
    elif sys.stdout.isatty():
        _show_tables(found)
    else:
        _show_lines(found)
    return ExitCode.ATTENTION if found.attention else ExitCode.OK


# --- what there is; pure but for the journal ---


@dataclass(frozen=True, slots=True)
class _Device:
    """A device of the inventory, and how it stands."""

    standing: DeviceStanding
    enabled: bool
    stale: bool


@dataclass(frozen=True, slots=True)
class _Dashboard:
    """A dashboard, and how it stands."""

    standing: DashboardStanding
    named: bool
    """Whether it is in the inventory."""
    stale: bool


@dataclass(frozen=True, slots=True)
class _Screen:
    """How everything stands."""

    now: datetime
    limit: timedelta
    devices: tuple[_Device, ...]
    dashboards: tuple[_Dashboard, ...]
    troubles: tuple[Lasting, ...]

    @property
    def attention(self) -> bool:
        """Whether anything is older than it may be."""
        stale = [one.stale for one in self.devices] + [one.stale for one in self.dashboards]
        return any(stale)


def _look(inventory: Inventory, journal: Journal, now: datetime) -> _Screen:
    from zkpoll.journal.overview import troubles

    limit = timedelta(seconds=inventory.alert_after)
    return _Screen(
        now,
        limit,
        tuple(_devices(inventory, journal, limit, now)),
        tuple(_dashboards(inventory, journal, limit, now)),
        tuple(troubles(journal)),
    )


def _devices(inventory: Inventory, journal: Journal, limit: timedelta, now: datetime) -> Iterable[_Device]:
    from zkpoll.journal.overview import DeviceStanding, device_standings

    known = device_standings(journal, now)
    for device in inventory.devices:
        standing = known.get(device.name) or DeviceStanding(device.name)
        yield _Device(standing, device.enabled, device.enabled and standing.is_stale(limit, now))


def _dashboards(
    inventory: Inventory, journal: Journal, limit: timedelta, now: datetime
) -> Iterable[_Dashboard]:
    """Yield those of the inventory, then those that left it while punches wait for them."""
    from zkpoll.journal.overview import DashboardStanding, dashboard_standings

    known = {standing.name: standing for standing in dashboard_standings(journal)}
    for dashboard in inventory.dashboards:
        nothing = DashboardStanding(dashboard.name, None, 0, 0, 0, None)
        standing = known.pop(dashboard.name, nothing)
        yield _Dashboard(standing, named=True, stale=standing.is_stale(limit, now))
    for standing in known.values():
        if standing.oldest:
            yield _Dashboard(standing, named=False, stale=standing.is_stale(limit, now))


# --- a program ---


def _document(found: _Screen) -> dict[str, Any]:
    return {
        "as_of": _iso(found.now),
        "attention": found.attention,
        "alert_after": found.limit.total_seconds(),
        "devices": [_device_json(device) for device in found.devices],
        "dashboards": [_dashboard_json(dashboard) for dashboard in found.dashboards],
        "troubles": [asdict(trouble) | {"since": _iso(trouble.since)} for trouble in found.troubles],
    }


def _device_json(device: _Device) -> dict[str, Any]:
    standing = device.standing
    return {
        "name": standing.name,
        "serial_number": standing.serial_number,
        "enabled": device.enabled,
        "stale": device.stale,
        "last_success": _iso(standing.read_at),
        "last_whole": _iso(standing.whole_at),
        "records": standing.on_device,
        "capacity": standing.capacity,
        "per_day": None if standing.per_day is None else round(standing.per_day, 1),
        "full_on": standing.full_on.isoformat() if standing.full_on else None,
        "drift": standing.drift,
        "cleared_at": _iso(standing.cleared_at),
        "maybe_disabled_since": _iso(standing.disabled_since),
        "stranger": standing.stranger,
        "quarantined": standing.quarantined,
        "accepted": standing.accepted,
    }


def _dashboard_json(dashboard: _Dashboard) -> dict[str, Any]:
    standing = asdict(dashboard.standing)
    oldest = standing.pop("oldest")
    return {
        **standing,
        "in_inventory": dashboard.named,
        "stale": dashboard.stale,
        "oldest_unconfirmed": _iso(oldest),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None


# --- a person, a pipe ---


def _device_cells(device: _Device, now: datetime) -> list[str]:
    """Return when it was last read, how full its log was, when it will be full, and how its clock was off."""
    standing = device.standing
    read = f"{_span(now - standing.read_at)} ago" if standing.read_at else "never"
    return [
        f"{read}, TOO LONG" if device.stale else read,
        _log(standing),
        str(standing.full_on or ""),
        "" if standing.drift is None else f"{round(standing.drift):+d} s",
    ]


def _log(standing: DeviceStanding) -> str:
    if standing.on_device is None:
        return ""
    if standing.fill is None:
        return f"{standing.on_device:,} records"
    return f"{standing.on_device:,} of {standing.capacity:,} ({standing.fill:.0%})"


def _remarks(device: _Device) -> Iterable[str]:
    standing = device.standing
    if not device.enabled:
        yield "enabled: false"
    if (standing.fill or 0) >= 1:
        yield "ITS LOG IS FULL"
    if standing.disabled_since:
        yield f"MAY BE DISABLED since {_minute(standing.disabled_since)}"
    if standing.stranger:
        yield f"another terminal ({standing.stranger}) answers there"
    if standing.quarantined:
        yield f"{standing.quarantined:,} quarantined"


def _dashboard_cells(dashboard: _Dashboard, now: datetime) -> list[str]:
    """Return what waits for it, and for how long."""
    standing = dashboard.standing
    waits = f"the oldest for {_span(now - standing.oldest)}" if standing.oldest else ""
    return [
        f"{standing.pending:,} pending, {standing.parked:,} parked, {standing.held:,} held",
        f"{waits}, TOO LONG" if dashboard.stale else waits,
    ]


def _remarks_on(dashboard: _Dashboard) -> Iterable[str]:
    if not dashboard.named:
        yield "not in the inventory"
    if dashboard.standing.halted:
        name = dashboard.standing.name
        yield f"nothing is sent there: {dashboard.standing.halted}; to go on: zkpoll dashboards resume {name}"


def _show_lines(found: _Screen) -> None:
    for device in found.devices:
        read, log, full_on, clock = _device_cells(device, found.now)
        cells = [f"read {read}", log, full_on and f"full on {full_on}", clock and f"clock {clock}"]
        _line("device", [device.standing.name, *cells, *_remarks(device)])
    for dashboard in found.dashboards:
        cells = [*_dashboard_cells(dashboard, found.now), *_remarks_on(dashboard)]
        _line("dashboard", [dashboard.standing.name, *cells])
    for trouble in found.troubles:
        _line("trouble", [trouble.subject, f"since {_minute(trouble.since)}", trouble.kind])


def _line(kind: str, cells: Iterable[str]) -> None:
    click.echo("  ".join([kind, *filter(None, cells)]))


def _show_tables(found: _Screen) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    devices = [(one.stale, [one.standing.name, *_device_cells(one, found.now)]) for one in found.devices]
    _table(console, ["device", "last read", "log", "full on", "clock"], devices)
    dashboards = [
        (one.stale, [one.standing.name, *_dashboard_cells(one, found.now)]) for one in found.dashboards
    ]
    _table(console, ["dashboard", "punches", "waiting"], dashboards)
    for remark in _all_remarks(found):
        console.print(remark, markup=False, style="yellow")


def _all_remarks(found: _Screen) -> Iterable[str]:
    for device in found.devices:
        yield from (f"{device.standing.name}: {remark}" for remark in _remarks(device))
    for dashboard in found.dashboards:
        yield from (f"{dashboard.standing.name}: {remark}" for remark in _remarks_on(dashboard))
    for trouble in found.troubles:
        yield f"{trouble.subject}: since {_minute(trouble.since)}: {trouble.kind}"


def _table(console: Console, heads: list[str], rows: Iterable[tuple[bool, list[str]]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(*heads, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for stale, cells in rows:
        table.add_row(*map(escape, cells), style="red" if stale else None)
    console.print(table)
    console.print()


def _span(time: timedelta) -> str:
    """Return a time span in two words: `3 days`, `2 h`, `5 min`."""
    seconds = max(0, int(time.total_seconds()))
    unit, word = next((unit, word) for least, unit, word in _SPANS if seconds >= least)
    return f"{seconds // unit} {word}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
