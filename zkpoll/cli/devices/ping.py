"""`zkpoll devices list | ping | info | clock`: looks at the terminals."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import click

from zkpoll.cli.app import check_names, config_option, json_option
from zkpoll.errors import Busy, ExitCode, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.devices import Known
    from zkpoll.pull.diagnosis import About, Diagnosis
    from zkpoll.tasks.inspect import Drift, Look

T = TypeVar("T")

_NOTHING: Final = "-"


# --- list ---


@dataclass(frozen=True, slots=True)
class _Listed:
    """A device of the inventory, with what the journal knows of it."""

    name: str
    host: str
    port: int
    enabled: bool
    serial_number: str | None
    read_at: str | None
    on_device: int | None
    capacity: int | None
    drift: float | None
    backlog: int

    @classmethod
    def of(cls, device: Device, known: Known | None) -> _Listed:
        """Return a device with what is known of it, if anything is."""
        return cls(
            device.name,
            device.host,
            device.port,
            device.enabled,
            known.key if known else device.serial,
            known.read_at if known else None,
            known.on_device if known else None,
            known.capacity if known else None,
            known.drift if known else None,
            known.backlog if known else 0,
        )

    def cells(self) -> tuple[str, ...]:
        """Return it as a row."""
        from zkpoll.pull.diagnosis import fill
        from zkpoll.pull.link import Address

        log = _NOTHING
        if self.on_device is not None:
            log = fill(self.on_device, self.capacity) if self.capacity else f"{self.on_device:,}"
        read = f"{self.read_at[:16].replace('T', ' ')}Z" if self.read_at else "never"
        return (
            self.name if self.enabled else f"{self.name} (off)",
            str(Address(self.host, self.port)),
            self.serial_number or _NOTHING,
            read,
            log,
            _drift(self.drift),
            f"{self.backlog:,}",
        )


@click.command("list")
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """List the devices of the inventory, with what the journal knows of them; none is asked.

    Columns: name, address, serial number, when it was last read to the end (UTC), how full its log was then
    (or how many records it held, where it does not tell for how many there is room), by how many seconds its
    clock was ahead, and how many of its punches wait for a dashboard. `(off)` is one with enabled: false.
    """
    from zkpoll.cli.output import show_table
    from zkpoll.inventory import load, locate

    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    known = _known(inventory)
    rows = [_Listed.of(device, known.get(device.name)) for device in inventory.devices]
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    headings = ("device", "address", "serial", "last read", "log", "clock", "waiting")
    show_table(headings, [row.cells() for row in rows])


def _known(inventory: Inventory) -> Mapping[str, Known]:
    from zkpoll.journal.devices import Devices
    from zkpoll.tasks.inspect import opened

    with opened(inventory.journal) as journal:
        return Devices(journal).known() if journal else {}


# --- ping, info, clock ---


@click.command()
@config_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def ping(config: Path | None, names: tuple[str, ...], as_json: bool) -> int:
    """Ask devices whether they can be read, step by step; change nothing on them.

    Shows for each step how long it took and what was found: the name, the port, the protocol, the comm key,
    serial number, model, firmware, users and records against what there is room for, and the clock. Of a
    step that fails it says why, and what to do. One that a killed run may have left disabled is enabled
    first. Without NAME all devices are asked that the inventory does not take out.

    Exit codes: 0 all are well; 1 some are not; 69 none could be reached; 75 another run is at all of them.
    """
    from zkpoll.cli.output import show_steps

    found: dict[str, Diagnosis] = {}
    with _looking(config) as look:
        for device, diagnosis in _each(look, names, look.diagnosis):
            found[device.name] = diagnosis
            if not as_json:
                show_steps(device.name, diagnosis.steps)
    if as_json:
        click.echo(json.dumps([_fields(name, one) for name, one in found.items()], indent=2))
    return _exit_code([(one.ok, one.kind) for one in found.values()])


@click.command()
@config_option
@click.argument("name")
@json_option
def info(config: Path | None, name: str, as_json: bool) -> int:
    """Show what the device NAME says of itself; change nothing on it.

    Exit codes: 0 all is well; 1 something is not; 69 it cannot be reached; 75 another run is at it.
    """
    with _looking(config) as look:
        ((device, found),) = _each(look, (name,), lambda device: look.diagnosis(device, details=True))
    if found.about is not None:
        if as_json:
            click.echo(json.dumps({"name": name, **_about(found.about)}, indent=2))
        else:
            _show_about(device, found.about)
    for problem in found.problems:
        click.echo(f"zkpoll: device {name}: {problem}", err=True)
    return _exit_code([(found.ok, found.kind)])


@click.command()
@config_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--set", "put_right", is_flag=True, help="Set those that are off.")
@json_option
def clock(config: Path | None, names: tuple[str, ...], put_right: bool, as_json: bool) -> int:
    """Show what devices' clocks show, and by how many seconds they are ahead.

    With --set a clock is set that is off by more than its set_when_off_by:, or by more than a second where
    the inventory does not say. Not by this host's clock, though, while that is not synchronised by NTP or is
    behind the journal; and not where the device is off by an hour or more: its timezone: is wrong, then,
    or it is to be set by hand. Without NAME all devices that are enabled are asked.

    Exit codes: 0 all are well; 1 some are not; 69 none could be reached; 75 another run is at all of them.
    """
    from zkpoll.cli.output import show_table

    with _looking(config) as look:
        found = [
            drift for _, drift in _each(look, names, lambda device: look.clock(device, put_right=put_right))
        ]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], default=str, indent=2))
    else:
        show_table(("device", "its clock", "ahead", ""), [_clock_cells(one) for one in found])
    return _exit_code([(one.problem is None, one.kind) for one in found])


@contextmanager
def _looking(config: Path | None) -> Iterator[Look]:
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.inventory import load, locate
    from zkpoll.tasks.inspect import look

    inventory = load(locate(config, os.environ), os.environ)
    with stop_on_signal() as stop, look(inventory, stop.is_set) as looking:
        yield looking


def _each(look: Look, names: Sequence[str], ask: Callable[[Device], T]) -> Iterator[tuple[Device, T]]:
    """Yield each device that is asked for with what came of asking it, in the inventory's order."""
    from concurrent.futures import ThreadPoolExecutor

    check_names(look.inventory, names, "NAME")
    devices = [one for one in look.inventory.devices if (one.name in names if names else one.enabled)]
    with ThreadPoolExecutor(look.inventory.parallel, "device") as pool:
        yield from zip(devices, pool.map(ask, devices), strict=True)


def _exit_code(found: Sequence[tuple[bool, str | None]]) -> ExitCode:
    """Given for each device whether it is well and the kind of the error that ended it, return the code."""
    if all(ok for ok, _ in found):
        return ExitCode.OK
    kinds = {kind for _, kind in found}
    if kinds == {Busy.kind}:
        return ExitCode.LOCKED
    return ExitCode.UNREACHABLE if kinds == {Unreachable.kind} else ExitCode.ATTENTION


def _fields(name: str, found: Diagnosis) -> dict[str, object]:
    return {
        "name": name,
        "ok": found.ok,
        "kind": found.kind,
        "steps": list(map(asdict, found.steps)),
        "about": found.about and _about(found.about),
    }


def _about(about: About) -> dict[str, object]:
    """Return what a device says of itself, as JSON has it."""
    return asdict(about) | {"clock": about.clock and about.clock.isoformat()}


def _show_about(device: Device, about: About) -> None:
    rows = [
        ("device", device.name),
        ("address", f"{device.host}, {device.transport} port {device.port}"),
        ("serial number", about.serial_number),
        ("model", about.model),
        ("vendor", about.vendor),
        ("platform", about.platform),
        ("firmware", about.firmware),
        ("produced", about.produced),
        ("MAC address", about.mac),
        ("fingerprint algorithm", about.algorithm),
        ("users", _of(about.users, about.user_capacity)),
        ("records", _of(about.records, about.capacity)),
        ("clock", f"{about.clock} ({_drift(about.drift)})" if about.clock else None),
    ]
    width = max(len(what) for what, _ in rows)
    for what, value in rows:
        click.echo(f"{what:<{width}}  {value or _NOTHING}")


def _of(number: int | None, most: int | None) -> str | None:
    return None if number is None else f"{number:,} of {most:,}" if most else f"{number:,}"


def _drift(seconds: float | None) -> str:
    return _NOTHING if seconds is None else f"{round(seconds):+d} s"


def _clock_cells(found: Drift) -> tuple[str, str, str, str]:
    shows = str(found.clock) if found.clock else _NOTHING
    what = found.problem or ("ok" if found.was is None else f"set; it was {_drift(found.was)}")
    return found.name, shows, _drift(found.drift), what
