"""`zkpoll punches`: export punches from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import DAY, check_journal, config_option, load_inventory, open_journal
from zkpoll.cli.export_output import ExportOutput, format_option, json_option, output_option
from zkpoll.cli.output import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path


@click.group()
def punches() -> None:
    """Tell what the journal holds."""


@punches.command(short_help="Export punches from the journal.")
@config_option
@click.option("--from", "first", type=DAY, metavar="DATE", help="The first day: 2026-11-01.")
@click.option("--to", "last", type=DAY, metavar="DATE", help="The last day.")
@click.option("--user", metavar="USER", help="Only those of this user id.")
@click.option("--device", metavar="NAME", help="Only this device's, by its present or a former name.")
@format_option
@output_option
@json_option
def export(
    config: Path | None,
    first: datetime | None,
    last: datetime | None,
    user: str | None,
    device: str | None,
    format_: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Export punches from the journal, in the order in which they came in. No device is asked.

    DATE is a day by the devices' own clocks. Of each punch there is what a dashboard gets, and

    \b
      clock_suspect     its clock cannot have been right
      hold              why it is held: since, repeat, same second, exact repeat,
                        another terminal
      journalled_at     when it was read (UTC)
      dashboards        for each: confirmed, pending, parked, held, discarded;
                        nothing where the punch is older than the dashboard

    In CSV each dashboard has a column, dashboards.NAME, and an apostrophe stands in front of what a
    spreadsheet would run.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.journal import exports
    from zkpoll.journal.decisions import dashboards
    from zkpoll.reports.punches import as_dict, columns

    if first and last and first > last:
        raise click.UsageError("--from is later than --to")
    export = ExportOutput.asked(format_, output, as_json=as_json)
    inventory = load_inventory(config, secrets=False)
    wanted = exports.Wanted(first and first.date(), last and last.date(), user, device)
    with stop_on_signal() as stop, open_journal(inventory) as journal:
        check_journal(journal, device=device)
        names = dashboards(journal)
        rows = (as_dict(punch, names) for punch in exports.punches(journal, wanted))
        count = export.give(columns(names), rows, _show, stop)
    export.say_written(f"{count:,} punches")


def _show(rows: Sequence[Mapping[str, object]]) -> None:
    headings = ("time", "device", "user", "state", "dashboards")
    print_table(headings, map(_cells, rows), none="There are no such punches.")


def _cells(row: Mapping[str, object]) -> tuple[str, ...]:
    states = row["dashboards"]
    found = states.items() if isinstance(states, dict) else ()
    where = ", ".join(f"{name} {state}" for name, state in found if state)
    hold = f" ({row['hold']})" if row["hold"] else ""
    state = str(row["punch_state"] or row["type"])
    return str(row["timestamp"]), str(row["device"]), str(row["user_id"]), state, f"{where}{hold}"
