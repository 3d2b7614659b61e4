"""`zkpoll outbox`: punches that wait for a person's decision, and the decision."""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import (
    account,
    agreed,
    check_destination,
    config_option,
    json_option,
    load_inventory,
    no_delivery,
    open_journal,
    refuse_unasked,
    yes_option,
)
from zkpoll.cli.output import few, print_lines, print_table, say
from zkpoll.cli.selection import Asked, former_options, names_in_journal
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.journal.decisions import Decisions, Meant, Waiting
    from zkpoll.journal.spans import Places

_FIRST_FEW: Final = 5
"""Punches shown before a person is asked whether to discard them."""
_SHOWN: Final = (
    "dashboard", "id", "device", "serial_number", "user_id", "timestamp", "state", "reason", "since",
    "tried_at",
)  # fmt: skip
"""The fields of a punch in JSON."""


_id = click.option("--id", "ids", multiple=True, metavar="ID", help="This one; may be repeated.")
_user = click.option("--user", metavar="USER", help="Those of this user id.")
_all = click.option("--all", "every", is_flag=True, help="All of them.")
_to = click.option("--to", metavar="NAME", help="Only for this dashboard, also one that left the inventory.")


@click.group(short_help="Look at punches that are not delivered, and decide.")
def outbox() -> None:
    """Look at punches that are not delivered, and decide about them."""


@outbox.command("list", short_help="List punches that are not delivered.")
@config_option
@click.option("--parked", is_flag=True, help="Those that a dashboard refused; this is the default.")
@click.option("--held", is_flag=True, help="Those that are not sent unless a person asks for it.")
@click.option("--pending", is_flag=True, help="Those that the next sync sends.")
@click.option("--discarded", is_flag=True, help="Those that a person gave up.")
@_to
@_user
@former_options
@json_option
def list_(
    config: Path | None, to: str | None, user: str | None, asked: Asked, as_json: bool, **states: bool
) -> None:
    """List punches that are not delivered: by default those that a dashboard refused.

    Each with its dashboard, its state, its id, device, user and time, since when it is in that state (UTC),
    and why: the dashboard's own words, or of held ones

    \b
      since             it is from before the device's since:
      repeat            it is within repeat_within of the one before
      same second       another punch of that person has its second
      exact repeat      its terminal shows its record more than once
      manual            a person typed it in at the vendor's program
      sudden            its database brought very many at once, most of them in
                        seconds that are known under other user ids
      another terminal  its terminal is not accepted

    --json prints an array with an object a line, as they are read.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.journal.decisions import Decisions, Selection, dashboards

    shown = frozenset(state for state, wanted in states.items() if wanted) or frozenset({"parked"})
    inventory = load_inventory(config, secrets=False)
    with open_journal(inventory) as journal:
        if to:
            check_destination(journal, to)
        choice = Selection(shown, user, names_in_journal(inventory, journal, asked))
        names = [to] if to else dashboards(journal)
        punches = chain.from_iterable(Decisions(journal, name).punches(choice) for name in names)
        _show(punches, " or ".join(sorted(shown)), as_json=as_json)


@outbox.command()
@config_option
@_id
@_user
@former_options
@_all
@_to
def retry(
    config: Path | None,
    ids: tuple[str, ...],
    user: str | None,
    asked: Asked,
    every: bool,
    to: str | None,
) -> int:
    """Send parked punches again, at the next sync.

    A parked punch stays parked until its dashboard takes it. By its id a held or discarded punch is sent
    as well, but never one of a terminal that is not accepted. Without --to it is for the dashboards of the
    inventory.
    """
    from zkpoll.journal.decisions import why_not_retried

    if not (ids or user or asked or every):
        raise click.UsageError("say which: --id, --user, --device, --site or --all")
    inventory = load_inventory(config, secrets=False)
    found = _find(inventory, to, {"parked"}, ids, user, asked, why_not_retried)
    _act(
        inventory,
        found,
        lambda desk, seen: desk.retry(found.choice, seen),
        "sent again at the next sync, once nothing else waits",
    )
    return ExitCode.ATTENTION if found.refused else ExitCode.OK


@outbox.command()
@config_option
@_id
@_user
@former_options
@_all
@_to
@click.option("--pending", is_flag=True, help="Those that still wait to be sent as well.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with your name.")
@yes_option
def discard(
    config: Path | None,
    ids: tuple[str, ...],
    user: str | None,
    asked: Asked,
    every: bool,
    to: str | None,
    pending: bool,
    reason: str,
    yes: bool,
) -> int:
    """Give punches up: a dashboard never gets them.

    That is for parked and held ones, with --pending (or by their id) also for those that wait to be sent.
    They stay in the journal, with the reason and your name; `outbox retry --id` takes it back. Without --to
    it is for the dashboards of the inventory. So a dashboard is given up that left it for good:

    \b
      zkpoll outbox discard --to old --all --pending --reason "shut down"
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.journal.decisions import Decisions, why_not_discarded

    if not (ids or user or asked or every):
        raise click.UsageError("say which: --id, --user, --device, --site or --all")
    if every and not (ids or user or asked or to):
        raise click.UsageError("--all needs --to: for which dashboard?")
    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")
    refuse_unasked(yes)
    inventory = load_inventory(config, secrets=False)
    states = {"parked", "held", "pending"} if pending else {"parked", "held"}
    found = _find(inventory, to, states, ids, user, asked, why_not_discarded)
    if not (yes or _agreed(found)):
        click.echo("Nothing is discarded.")
        return ExitCode.ATTENTION
    written = f"{' '.join(reason.split())} (by {account()})"
    _act(inventory, found, lambda desk, seen: desk.discard(found.choice, seen, written), "discarded")
    if every and pending and to and to not in {dashboard.name for dashboard in inventory.dashboards}:
        with open_journal(inventory, writable=True) as journal, no_delivery(inventory, [to]):
            Decisions(journal, to).give_up()
        click.echo(f"{to} is given up: nothing is kept for it any more, unless the inventory names it again.")
    return ExitCode.ATTENTION if found.refused else ExitCode.OK


def _find(
    inventory: Inventory,
    to: str | None,
    states: set[str],
    ids: Iterable[str],
    user: str | None,
    asked: Asked,
    why_not: Callable[[Waiting], str | None],
) -> Meant:
    """Return the punches that are meant. Tell of each id that is not why. Raise when nothing is left."""
    from zkpoll.journal.decisions import Selection, meant

    with open_journal(inventory) as journal:
        if to:
            check_destination(journal, to)
        devices = names_in_journal(inventory, journal, asked)
        choice = Selection(frozenset(states), user, devices, tuple(one.strip().lower() for one in ids))
        names = [to] if to else [dashboard.name for dashboard in inventory.dashboards]
        found = meant(journal, names, choice, why_not, shown=_FIRST_FEW)
    for one, why in found.refused.items():
        click.echo(f"zkpoll: {one}: {why}", err=True)
    if not found.portions:
        raise click.ClickException("no punch is meant; nothing was changed")
    return found


def _agreed(found: Meant) -> bool:
    """Show the first few punches that are to be discarded, and ask."""
    from zkpoll.reports.words import punches

    for portion in found.portions.values():
        for punch in portion.first:
            click.echo(_line(punch), err=True)
        if portion.count > len(portion.first):
            click.echo(f"... and {portion.count - len(portion.first):,} more", err=True)
    counts = [f"{punches(portion.count)} for {name}" for name, portion in found.portions.items()]
    return agreed(f"Discard {', '.join(counts)}?")


def _act(inventory: Inventory, found: Meant, do: Callable[[Decisions, Places], int], done: str) -> None:
    """Do it to those of the punches that still stand as they were found. Tell each dashboard's number."""
    from zkpoll.journal.decisions import Decisions
    from zkpoll.reports.words import are, punches

    with open_journal(inventory, writable=True) as journal, no_delivery(inventory, found.portions):
        counts = {name: do(Decisions(journal, name), one.seen) for name, one in found.portions.items()}
    for name, count in counts.items():
        click.echo(f"{punches(count)} for {name} {are(count)} {done}.")


# --- showing ---


def _show(punches: Iterator[Waiting], asked: str, *, as_json: bool) -> None:
    """Print `punches` as they come: none but a page of them is in memory."""
    if as_json:
        from zkpoll.reports.tables import FORMATS

        documents = ({name: getattr(punch, name) for name in _SHOWN} for punch in punches)
        for piece in FORMATS["json"]((), documents):
            click.echo(piece, nl=False)
        return
    if sys.stdout.isatty():
        found, punches = few(punches)
        if found is not None:
            _show_table(found, asked)
            return
    print_lines(map(_line, punches))


def _line(punch: Waiting) -> str:
    return (
        f"{punch.dashboard}  {punch.state}  {punch.id}  {punch.device}  {punch.user_id}  {punch.timestamp}"
        f"  {punch.since}  {punch.reason or ''}"
    ).rstrip()


def _show_table(punches: list[Waiting], asked: str) -> None:
    from rich.table import Column

    rows = []
    for punch in punches:
        since = f"{punch.dashboard}, {punch.state} since {punch.since[:16].replace('T', ' ')}"
        who = f"{punch.device}, user {punch.user_id}"
        rows.append((f"{punch.id}\n{punch.timestamp}\n{who}", f"{since}\n{punch.reason or ''}"))
    headings = (Column("punch", no_wrap=True), "for, since (UTC), why")
    print_table(headings, rows, none=f"Nothing is {asked}.", gap=1)
    if any(punch.state == "parked" for punch in punches):
        say("Once that is mended: `zkpoll outbox retry`. What shall never go there: `zkpoll outbox discard`.")
