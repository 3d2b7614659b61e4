"""`zkpoll punches`: export punches from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import check_destination, config_option, load_inventory, open_journal, refuse_date
from zkpoll.cli.dates import DAY, between
from zkpoll.cli.export_output import ExportOutput, force_option, format_option, json_option, output_option
from zkpoll.cli.output import print_table
from zkpoll.cli.selection import Asked, former_options, names_in_journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@click.group(short_help="Export punches from the journal.")
def punches() -> None:
    """Tell what the journal holds."""


@punches.command(short_help="Export punches from the journal.")
@config_option
@click.option("--from", "first", type=DAY, metavar="DATE", help="The first day: 2026-11-01.")
@click.option("--until", "last", type=DAY, metavar="DATE", help="The last day.")
@click.option("--to", metavar="NAME", help="Only those that are this dashboard's, however they stand.")
@click.option("--user", metavar="USER", help="Only those of this user id.")
@former_options
@format_option
@output_option
@force_option
@json_option
def export(
    config: Path | None,
    first: str | None,
    last: str | None,
    to: str | None,
    user: str | None,
    asked: Asked,
    format_: str | None,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Export punches from the journal, in the order in which they came in. No device is asked.

    DATE is a day by the devices' own clocks. Of each punch there is what a dashboard gets, and

    \b
      name              the person's, as that device has it, or else the only
                        name that is known of that user id; from the last
                        `zkpoll users export`, nothing where that knows none
      manual            a person typed it in at a vendor's program
      clock_suspect     its clock cannot have been right
      hold              why it is held: since, repeat, same second,
                        exact repeat, manual, sudden, another terminal
      journalled_at     when it was read (UTC)
      dashboards        for each: confirmed, pending, parked, held, discarded;
                        nothing where the punch is older than the dashboard

    In CSV and in a workbook (--output FILE.xlsx) each dashboard has a column, dashboards.NAME. In CSV an
    apostrophe stands in front of what a spreadsheet would run; in a workbook a text is always a text.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.journal import exports
    from zkpoll.journal.decisions import dashboards
    from zkpoll.reports.people import people_of
    from zkpoll.reports.punches import TIMES, as_dict, columns

    export = ExportOutput.asked(format_, output, as_json=as_json, force=force)
    inventory = load_inventory(config, secrets=False)
    begin, end = between(inventory, first, last, ("--from", "--until"))
    with stop_on_signal() as stop, open_journal(inventory) as journal:
        found = names_in_journal(inventory, journal, asked)
        wanted = exports.Wanted(begin, end, user, found)
        names = dashboards(journal)
        if to is not None:
            refuse_date(to, names)
            check_destination(journal, to)
        people = people_of(inventory, journal)
        found_punches = exports.punches(journal, wanted)
        rows = (as_dict(one, names, people) for one in found_punches if to is None or to in one.states)
        count = export.give("punches", columns(names), rows, _show, stop, TIMES)
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
    user = f"{row['user_id']} {row['name'] or ''}".rstrip()
    return str(row["timestamp"]), str(row["device"]), user, state, f"{where}{hold}"
