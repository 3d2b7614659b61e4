"""`zkpoll devices list | ping | info | clock`: looks at the terminals."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import click

from zkpoll.cli.app import (
    check_names,
    config_option,
    json_option,
    load_inventory,
    open_or_empty,
)
from zkpoll.cli.output import print_json, say_row, show_table
from zkpoll.cli.ping_report import PingReport, report_options
from zkpoll.cli.selection import Asked, device_names, devices_asked, listed
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from zkpoll.inventory import Device
    from zkpoll.pull.diagnosis import About
    from zkpoll.reports.device_list import ListedDevice
    from zkpoll.tasks.inspect import Drift, Inspection, Look

T = TypeVar("T")

_NOTHING: Final = "-"


@click.command("list")
@config_option
@device_names
@json_option
def list_(config: Path | None, asked: Asked, as_json: bool) -> None:
    """List the devices of the inventory, with what the journal knows of them; none is asked.

    Columns: name, address, serial number, when it was last read to the end (UTC), how full its log was then
    (or how many records it held, where it does not tell for how many there is room), by how much its clock
    was off, and how many of its punches wait for a dashboard. `(off)` is one with enabled: false, and
    `calls us` one without host:.
    """
    from zkpoll.reports.device_list import device_list

    inventory = listed(load_inventory(config, secrets=False), asked, "device")
    with open_or_empty(inventory) as journal:
        found = device_list(inventory, journal)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        headings = ("device", "address", "serial", "last read", "log", "clock", "waiting")
        show_table(headings, list(map(_listed, found)))


def _listed(device: ListedDevice) -> tuple[str, ...]:
    from zkpoll.pull.diagnosis import fill
    from zkpoll.pull.link import Address
    from zkpoll.reports.words import CALLS_US, minute

    where, never = CALLS_US, _NOTHING
    if device.host is not None and device.port is not None:
        where, never = str(Address(device.host, device.port)), "never"
    log = _NOTHING
    if device.on_device is not None:
        log = fill(device.on_device, device.capacity) if device.capacity else f"{device.on_device:,}"
    return (
        device.name if device.enabled else f"{device.name} (off)",
        where,
        device.serial_number or _NOTHING,
        minute(device.read_at) if device.read_at else never,
        log,
        _drift(device.drift),
        f"{device.backlog:,}",
    )


# --- ping, info, clock ---


@click.command(short_help="Ask terminals whether they can be read.")
@config_option
@device_names
@json_option
@report_options
def ping(config: Path | None, asked: Asked, as_json: bool, verbose: bool, quiet: bool) -> int:
    """Ask devices whether they can be read, step by step; change nothing on them.

    Prints a line for each: its serial number, its records and how many it has room for, its clock, and how
    long it took; and how many are well. Where a step fails, or with -v, it shows each step with its
    time and what was found: the name, the port, the protocol, the comm key, serial number, model, firmware,
    users, records, and the clock. Of a step that fails it says why, and what to do. One that a killed run may
    have left disabled is enabled first. Without NAME all devices are asked that have a host and that the
    inventory does not take out.

    Exit codes: 0 all are well; 1 some are not; 69 none could be reached; 75 another run is at all of them.
    Where it is at some of them, these count as not asked for.
    """
    from zkpoll.tasks.result import exit_code

    found: list[Inspection] = []
    with _looking(config, asked) as look:
        names = [device.name for device in devices_asked(look.inventory, asked)]
        report = PingReport(names, verbose=verbose, quiet=quiet, as_json=as_json)
        for _, diagnosis in _each(look, asked, look.diagnosis):
            found.append(diagnosis)
            if diagnosis.ok:
                report.show(diagnosis)
        found = look.in_rings(found)  # what is wrong may be wrong of several at once
    for diagnosis in found:
        if not diagnosis.ok:
            report.show(diagnosis)
    report.end()
    if as_json:
        print_json(list(map(_document, found)))
    return exit_code(found)


@click.command()
@config_option
@click.argument("name")
@json_option
def info(config: Path | None, name: str, as_json: bool) -> int:
    """Show what the device NAME says of itself; change nothing on it.

    One with a host is asked. Of one that pushes, its calls have told that to `zkpoll serve`, and the journal
    shows it: the last call, the TimeZone it was told, its own words, and the last orders with their Return.

    Exit codes: 0 all is well; 1 something is not; 69 it cannot be reached; 75 another run is at it.
    """
    from zkpoll.reports.push_details import push_details
    from zkpoll.tasks.result import exit_code

    inventory = load_inventory(config, secrets=False)
    check_names(inventory, [name], "NAME")
    device = next(one for one in inventory.devices if one.name == name)
    inspected: list[Inspection] = []
    if device.host is not None:
        only = Asked((name,))
        with _looking(config, only) as look:
            inspected = [one for _, one in _each(look, only, partial(look.diagnosis, details=True))]
    calls = None
    if device.push is not None:
        with open_or_empty(inventory) as journal:
            calls = push_details(journal, name)
    abouts = [one.about for one in inspected if one.about]
    if as_json and (abouts or calls):
        pushes = {"push": calls and calls.document()} if device.push else {}
        print_json({"name": name, **(_about(abouts[0]) if abouts else {}), **pushes})
    elif abouts or calls:
        own = _rows(device, abouts[0]) if abouts else [("device", name), ("serial number", device.serial)]
        _show_rows([*own, *(calls.rows() if calls else [])])
    for problem in (problem for one in inspected for problem in one.problems):
        click.echo(f"zkpoll: device {name}: {problem}", err=True)
    if device.push and calls is None:
        text = "it has never called; `zkpoll devices pending` shows who was refused"
        click.echo(f"zkpoll: push {name}: {text}", err=True)
    return exit_code(inspected) or (ExitCode.ATTENTION if device.push and calls is None else ExitCode.OK)


@click.command()
@config_option
@device_names
@click.option("--set", "put_right", is_flag=True, help="Set those that are off.")
@json_option
def clock(config: Path | None, asked: Asked, put_right: bool, as_json: bool) -> int:
    """Show what devices' clocks show, and by how much they are off; less than warn_clock: is well.

    With --set a clock is set that is off by more than its set_when_off_by:, or by more than a second where
    the inventory does not say. Not by this host's clock, though, while that is not synchronised by NTP or is
    behind the journal; and not where the device is off by an hour or more: its timezone: is wrong, then,
    or it is to be set by hand. Where several are off alike, it is this host's clock that is named. Without
    NAME all devices that are enabled and have a host are asked.

    Exit codes: 0 all are well; 1 some are not; 69 none could be reached; 75 another run is at all of them.
    Where it is at some of them, these count as not asked for.
    """
    from zkpoll.tasks.inspect import judged_together
    from zkpoll.tasks.result import exit_code

    with _looking(config, asked) as look:
        looks = _each(look, asked, lambda device: look.clock(device, put_right=put_right))
        found, host = judged_together([drift for _, drift in looks])
    if as_json:
        print_json([asdict(one) | {"clock": one.clock and str(one.clock)} for one in found])
    else:
        show_table(("device", "its clock", "off", ""), list(map(_clock_cells, found)))
    if host.trouble:
        click.echo(f"zkpoll: {host.subject}: {host.trouble.text}", err=True)
    return exit_code(found, [host])


@contextmanager
def _looking(config: Path | None, asked: Asked) -> Iterator[Look]:
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.tasks.inspect import look

    inventory = load_inventory(config)
    names = [device.name for device in devices_asked(inventory, asked)]
    with stop_on_signal() as stop, look(inventory, stop.is_set, names) as looking:
        yield looking


def _each(look: Look, asked: Asked, ask: Callable[[Device], T]) -> Iterator[tuple[Device, T]]:
    """Ask devices in parallel. Yield each with its result, in the inventory's order."""
    from concurrent.futures import ThreadPoolExecutor

    devices = devices_asked(look.inventory, asked)
    with ThreadPoolExecutor(look.inventory.at_once, "device") as pool:
        yield from zip(devices, pool.map(ask, devices), strict=True)


def _document(found: Inspection) -> dict[str, object]:
    return {
        "name": found.name,
        "ok": found.ok,
        "kind": found.kind,
        "steps": list(map(asdict, found.steps)),
        "about": found.about and _about(found.about),
    }


def _about(about: About) -> dict[str, object]:
    """Return a device's description of itself for JSON."""
    return asdict(about) | {"clock": about.clock and about.clock.isoformat()}


def _rows(device: Device, about: About) -> list[tuple[str, str | None]]:
    host, port, transport = device.address
    return [
        ("device", device.name),
        ("address", f"{host}, {transport} port {port}"),
        ("serial number", about.serial_number),
        *([("in the inventory", device.serial)] if device.trust == "inventory" else []),
        ("model", about.model),
        ("vendor", about.vendor),
        ("platform", about.platform),
        ("firmware", about.firmware),
        ("produced", about.produced),
        ("MAC address", about.mac),
        ("fingerprint algorithm", about.algorithm),
        ("users", _share(about.users, about.user_capacity)),
        ("records", _share(about.records, about.capacity)),
        ("clock", f"{about.clock} ({_drift(about.drift)})" if about.clock else None),
    ]


def _show_rows(rows: Sequence[tuple[str, str | None]]) -> None:
    width = max(len(what) for what, _ in rows)
    for what, value in rows:
        say_row(what, value or _NOTHING, width)


def _share(number: int | None, most: int | None) -> str | None:
    return None if number is None else f"{number:,} of {most:,}" if most else f"{number:,}"


def _drift(seconds: float | None) -> str:
    from zkpoll.reports.words import ahead

    return _NOTHING if seconds is None else ahead(seconds)


def _clock_cells(found: Drift) -> tuple[str, str, str, str]:
    shows = str(found.clock) if found.clock else _NOTHING
    what = found.problem or ("ok" if found.was is None else f"set; it was {_drift(found.was)}")
    return found.name, shows, _drift(found.drift), what
