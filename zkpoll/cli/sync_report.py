"""What a run tells: a person at a terminal, cron, or a program."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

from zkpoll.cli.previews import show_lines, show_preview
from zkpoll.journal import conditions
from zkpoll.journal.sqlite import Journal
from zkpoll.model.log import Reading
from zkpoll.model.punch import as_json as event_as_json
from zkpoll.model.report import Trouble
from zkpoll.model.sums import Tally
from zkpoll.reports.log_lines import Formatter, Style
from zkpoll.reports.news import news
from zkpoll.tasks.run import Observer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from zkpoll.errors import ExitCode, ZkpollError
    from zkpoll.inventory import Inventory
    from zkpoll.model.delivery import ShiftMove
    from zkpoll.model.report import News
    from zkpoll.tasks.outcome import DeliveryOutcome, DeviceOutcome, Outcome
    from zkpoll.tasks.run import Options

_SHOWN: Final = 10
"""New punches that a dry run shows to a person."""
_PLAIN: Final = Style()
_NOBODY: Final[Mapping[str, str | None]] = MappingProxyType({})


@contextmanager
def log(verbose: bool, style: Style = _PLAIN) -> Iterator[None]:
    """Write what zkpoll does to stderr if `verbose`, a line each, by default with the local time."""
    logger = logging.getLogger("zkpoll")
    handler = logging.StreamHandler() if verbose else logging.NullHandler()
    handler.setFormatter(Formatter(style))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def progress(inventory: Inventory, options: Options, *, shown: bool) -> Iterator[Observer]:
    """Show a progress bar while inside, if a person is at the terminal; give who moves it."""
    if not (shown and sys.stderr.isatty()):
        yield Observer()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("devices"),
        MofNCompleteColumn(),
        BarColumn(20),
        TextColumn("{task.fields[records]:,} records read, {task.fields[punches]:,} punches delivered"),
    )
    devices = len(options.devices) or sum(device.enabled for device in inventory.devices)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sync", total=devices, records=0, punches=0)
        counter = bar.tasks[0].fields

        def count(what: str, number: int) -> None:
            bar.update(task, **{what: counter[what] + number})

        yield Observer(
            records_read=lambda _device, records: count("records", records),
            device_done=lambda _outcome: bar.advance(task),
            delivered=lambda _dashboard, punches: count("punches", punches),
        )


def failed(error: ZkpollError, style: Style) -> ExitCode:
    """Tell on stderr why a run came to nothing; return its exit code."""
    _print_all(str(error).splitlines(), style, logging.ERROR)
    return error.exit_code


def show(
    outcome: Outcome,
    journal: Path,
    *,
    as_json: bool,
    verbose: bool,
    style: Style = _PLAIN,
    watchers: Mapping[str, str | None] = _NOBODY,
) -> None:
    """Tell what the run came to, to whoever is there; of each watcher, also why it could not be told."""
    if as_json:
        click.echo(json.dumps(document(outcome) | {"watchers": dict(watchers)}, indent=2))
    elif sys.stdout.isatty():
        _show_person(outcome)
        _print_all(_untold(watchers), style)
    elif outcome.would_send is not None:
        _show_events(outcome, style)
    elif verbose:
        _log_the_rest(outcome)
    else:
        _show_news(outcome, journal, style, watchers)


def _log_the_rest(outcome: Outcome) -> None:
    """Log what the run itself could not, before all of it was done."""
    logger = logging.getLogger("zkpoll")
    for subject, trouble in outcome.late_troubles().items():
        logger.warning("%s: %s", subject, trouble.text)
    logger.info("%s", summary(outcome))


# --- cron ---


def _show_news(outcome: Outcome, journal: Path, style: Style, watchers: Mapping[str, str | None]) -> None:
    """Print on stderr what a person who is not watching has to know and was not told yet."""
    busy = outcome.busy()  # another run is at those, and tells of them
    found = {**outcome.troubles(), **outcome.advice(), **_of_watchers(watchers)}
    troubles = {subject: trouble for subject, trouble in found.items() if subject not in busy}
    subjects, moment = (outcome.subjects() | watchers.keys()) - busy, datetime.now(UTC)
    with Journal(journal) as opened:
        # Printed before it is remembered: what nobody could read is told again.
        conditions.tell(opened, lambda before: _printed(news(before, troubles, subjects, moment), style))
    _print_all(_notice_lines(outcome), style)


def _printed(found: News, style: Style) -> News:
    _print_all(found.lines, style)
    return found


def _print_all(lines: Iterable[str], style: Style, level: int = logging.WARNING) -> None:
    for line in lines:
        click.echo(style.notice(line, level), err=True)


def _notice_lines(outcome: Outcome) -> list[str]:
    return [f"{subject}: {notice.text}" for subject, notice in outcome.notices()]


def _of_watchers(watchers: Mapping[str, str | None]) -> dict[str, Trouble]:
    return {subject: Trouble("untold", problem) for subject, problem in watchers.items() if problem}


def _untold(watchers: Mapping[str, str | None]) -> list[str]:
    return [f"{subject}: {trouble.text}" for subject, trouble in _of_watchers(watchers).items()]


def _show_events(outcome: Outcome, style: Style) -> None:
    """Print a dry run's events on stdout, one JSON object a line; troubles on stderr."""
    for event in outcome.would_send or ():
        click.echo(json.dumps(event_as_json(event)))
    for preview in outcome.previews:
        show_lines(preview, err=True)
    troubles = [f"{subject}: {trouble.text}" for subject, trouble in outcome.troubles().items()]
    _print_all((*troubles, *_notice_lines(outcome)), style)


# --- a person ---


def _show_person(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table.grid(padding=(0, 2))
    for device in outcome.devices:
        table.add_row(escape(device.name), *_device_cells(device))
    for delivery in outcome.deliveries:
        if delivery.trouble:
            mark = "[red]failed[/red]" if delivery.problem else "[yellow]look[/yellow]"
            table.add_row(escape(delivery.name), mark, escape(delivery.trouble.text))
    for subject, trouble in {**outcome.other_troubles(), **outcome.advice()}.items():
        table.add_row(escape(subject), "[yellow]look[/yellow]", escape(trouble.text))
    console.print(table)
    new = outcome.would_send or ()
    for event in new[:_SHOWN]:
        console.print("would send", json.dumps(event_as_json(event)), markup=False, soft_wrap=True)
    if len(new) > _SHOWN:
        console.print(
            f"and {len(new) - _SHOWN:,} more; `zkpoll sync --dry-run | less` shows all", markup=False
        )
    for preview in outcome.previews:
        show_preview(preview, f"the first request to {preview.dashboard} would be:")
    console.print(summary(outcome), markup=False)


def _device_cells(outcome: DeviceOutcome) -> tuple[str, str]:
    from rich.markup import escape

    if outcome.trouble:
        return "[red]failed[/red]", escape(outcome.trouble.text)
    told = "; ".join([_found(outcome), *(notice.text for notice in outcome.notices)])
    attention = any(not notice.harmless for notice in outcome.notices)
    return ("[yellow]look[/yellow]" if attention else "[green]ok[/green]"), escape(told)


def _found(outcome: DeviceOutcome) -> str:
    reading, tally = outcome.reading, outcome.tally
    if reading is None:
        return ""
    clock = "no clock" if reading.drift is None else f"clock {round(reading.drift):+d} s"
    return f"{tally.first_seen:,} new of {reading.on_device:,} records, {clock}, {outcome.seconds:.1f} s"


def summary(outcome: Outcome) -> str:
    """Return a run's outcome in one line."""
    read = sum(device.problem is None for device in outcome.devices)
    new = sum(device.tally.first_seen for device in outcome.devices)
    parts = [f"{read} of {len(outcome.devices)} devices read", f"{new:,} new punches"]
    parts += [_delivered(delivery) for delivery in outcome.deliveries]
    if outcome.would_send is not None:
        parts.append(f"{len(outcome.would_send):,} of them would be sent, nothing was written")
    return f"{', '.join(parts)}; {outcome.seconds:.1f} s"


def letter(outcome: Outcome) -> str:
    """Return a run's outcome in one line, and a line for each thing that needs a person."""
    troubles = [f"{subject}: {trouble.text}" for subject, trouble in outcome.troubles().items()]
    return "\n".join([summary(outcome), *troubles, *_notice_lines(outcome)])


def _delivered(outcome: DeliveryOutcome) -> str:
    since = f" since {outcome.oldest_pending[:16]}Z" if outcome.oldest_pending else ""
    pending = f", {outcome.counts.pending:,} wait{since}" if outcome.counts.pending else ""
    parked = f", {outcome.counts.parked:,} parked" if outcome.counts.parked else ""
    return f"{outcome.confirmed:,} delivered to {outcome.name}{pending}{parked}"


# --- a program ---

_READING = [field.name for field in fields(Reading)]


def document(outcome: Outcome) -> dict[str, Any]:
    """Return a run's outcome as one JSON document."""
    data: dict[str, Any] = {
        "exit_code": int(outcome.exit_code),
        "devices": [_device_json(device) for device in outcome.devices],
        "maybe_disabled": sorted(outcome.locked),
        "troubles": {subject: asdict(trouble) for subject, trouble in outcome.troubles().items()},
        "deliveries": [_delivery_json(delivery) for delivery in outcome.deliveries],
        "sums": {
            "reading": _reading_sum(outcome),
            "journal": {delivery.name: asdict(delivery.counts) for delivery in outcome.deliveries},
        },
        "seconds": round(outcome.seconds, 3),
    }
    if outcome.would_send is not None:
        data["would_send"] = [event_as_json(event) for event in outcome.would_send]
        data["first_requests"] = [asdict(preview) for preview in outcome.previews]
    return data


def _device_json(outcome: DeviceOutcome) -> dict[str, Any]:
    reading = asdict(outcome.reading) if outcome.reading else dict.fromkeys(_READING)
    until = outcome.reading and outcome.reading.complete_until
    return {
        "name": outcome.name,
        "address": outcome.address,
        "serial_number": outcome.key,
        "ok": outcome.trouble is None,
        "kind": outcome.kind,
        "problem": outcome.trouble.text if outcome.trouble else None,
        "notices": [notice.text for notice in outcome.notices],
        "clearing": asdict(outcome.clearing) if outcome.clearing else None,
        **reading,
        "complete_until": until and until.isoformat(timespec="seconds"),
        **asdict(outcome.tally),
        "seconds": round(outcome.seconds, 3),
    }


def _delivery_json(outcome: DeliveryOutcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "ok": outcome.trouble is None,
        "kind": outcome.kind,
        "problem": outcome.trouble.text if outcome.trouble else None,
        "confirmed_now": outcome.confirmed,
        "parked_now": outcome.parked,
        "exposed": outcome.exposed,
        "requests": outcome.requests,
        "capped": outcome.capped,
        "shifts": [_shift_json(shift) for shift in outcome.shifts],
        "pending": outcome.counts.pending,
        "oldest_pending": outcome.oldest_pending,
        "seconds": round(outcome.seconds, 3),
    }


def _shift_json(shift: ShiftMove) -> dict[str, Any]:
    return asdict(shift) | {"until": shift.until and shift.until.isoformat(timespec="seconds")}


def _reading_sum(outcome: Outcome) -> dict[str, int]:
    tally = sum((device.tally for device in outcome.devices), start=Tally())
    terms = asdict(tally)
    for part in ("newly_quarantined", "held_since", "held_repeats"):
        del terms[part]
    return {"records": tally.records + sum(d.difference for d in outcome.devices), **terms}
