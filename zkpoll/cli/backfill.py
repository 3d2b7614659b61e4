"""`zkpoll backfill`: punches that a dashboard was not to get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import (
    check_dashboards,
    config_option,
    formerly,
    load_inventory,
    no_delivery,
    open_journal,
    refuse_date,
)
from zkpoll.cli.dates import DAY, day
from zkpoll.cli.output import say
from zkpoll.cli.selection import Asked, former_options, names_in_journal

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Send a dashboard older punches.")
@config_option
@click.option("--to", required=True, metavar="NAME", help="The dashboard.")
@click.option("--from", "first", required=True, type=DAY, metavar="DATE", help="The first day: 2026-11-01.")
@click.option("--until", "last", required=True, type=DAY, metavar="DATE", help="The last day.")
@formerly("--to-date", "--until")
@former_options
@click.option("--held", is_flag=True, help="Also those held as repeats.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
def backfill(
    config: Path | None,
    to: str,
    first: str,
    last: str,
    asked: Asked,
    held: bool,
    dry_run: bool,
) -> None:
    """Send a dashboard older punches, at the next sync.

    That is for a dashboard that came later, and for punches held because of since:. They go out under the
    ids they always had. DATE is a day by the devices' own clocks. What the dashboard has, refused, waits for
    or was denied by a person is left as it is; so are repeats, unless --held is said. Punches of the same
    second and of terminals that are not accepted stay held.
    """
    from zkpoll.journal.decisions import Decisions, Span

    inventory = load_inventory(config, secrets=False)
    refuse_date(to, [one.name for one in inventory.dashboards])
    begin, end = day(inventory, first, "--from"), day(inventory, last, "--until")
    if begin > end:
        raise click.UsageError(f"--from is later than --until: {begin}, {end}")
    check_dashboards(inventory, [to], "--to")
    with open_journal(inventory) as journal:
        names = names_in_journal(inventory, journal, asked)
    span = Span(begin, end, names)
    locks = no_delivery(inventory, [] if dry_run else [to])
    with open_journal(inventory, writable=not dry_run) as journal, locks:
        done = Decisions(journal, to).backfill(span, repeats=held, dry_run=dry_run)
    goes = "would go" if dry_run else "goes" if done.added + done.released == 1 else "go"
    say(
        f"{done.added + done.released:,} {goes} to {to} at the next sync"
        f" ({done.added:,} it was not to get, {done.released:,} that were held);"
        f" {done.held:,} {'would be' if dry_run else 'are'} held, {done.left:,} left as they were."
    )
