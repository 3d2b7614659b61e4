"""`zkpoll outbox`: what waits for a person's decision, and the decision."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import click

from zkpoll.cli.app import check_journal, config_option, json_option, no_delivery
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.journal.decisions import Choice, Decisions, Waiting
    from zkpoll.journal.sqlite import Journal

_IN_A_TABLE: Final = 300
"""Punches shown as a table on a terminal, at most; more are plain lines, as they come."""
_FIRST_FEW: Final = 5
"""Punches shown before a person is asked whether to discard them."""
_SHOWN: Final = (
    "dashboard", "id", "device", "serial_number", "user_id", "timestamp", "state", "reason", "since",
    "tried_at",
)  # fmt: skip
"""The fields of a punch in JSON."""


_id = click.option("--id", "ids", multiple=True, metavar="ID", help="This one; may be repeated.")
_user = click.option("--user", metavar="USER", help="Those of this user id.")
_device = click.option(
    "--device", metavar="NAME", help="Those of this device, by its present or a former name."
)
_all = click.option("--all", "every", is_flag=True, help="All of them.")
_to = click.option("--to", metavar="NAME", help="Only for this dashboard, also one that left the inventory.")


@click.group()
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
@_device
@json_option
def list_(
    config: Path | None, to: str | None, user: str | None, device: str | None, as_json: bool, **states: bool
) -> None:
    """List punches that are not delivered: by default those that a dashboard refused.

    Each with its dashboard, its state, its id, device, user and time, since when it is in that state (UTC),
    and why: the dashboard's own words, or of held ones

    \b
      since             it is from before the device's since:
      repeat            it is within repeat_within of the one before
      same second       another punch of that person has its second, and its id
      another terminal  its terminal is not accepted

    --json prints an array with an object a line, as they are read.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.journal.decisions import Choice, Decisions, dashboards

    asked = frozenset(state for state, wanted in states.items() if wanted) or frozenset({"parked"})
    choice = Choice(asked, user, device)
    with _reading(_inventory(config).journal) as journal:
        check_journal(journal, dashboard=to, device=device)
        names = [to] if to else dashboards(journal)
        punches = chain.from_iterable(Decisions(journal, name).punches(choice) for name in names)
        _show(punches, " or ".join(sorted(asked)), as_json=as_json)


@outbox.command()
@config_option
@_id
@_user
@_device
@_all
@_to
def retry(
    config: Path | None,
    ids: tuple[str, ...],
    user: str | None,
    device: str | None,
    every: bool,
    to: str | None,
) -> int:
    """Send parked punches again, at the next sync.

    A parked punch stays parked until its dashboard takes it. By its id a held or discarded punch is sent
    as well, but never one of the same second (two punches would have one id), and never one of a terminal
    that is not accepted. Without --to it is for the dashboards of the inventory.
    """
    from zkpoll.journal.decisions import why_not_retried

    if not (ids or user or device or every):
        raise click.UsageError("say which: --id, --user, --device or --all")
    inventory = _inventory(config)
    found = _find(inventory, to, _choice({"parked"}, ids, user, device), why_not_retried)
    done = _act(inventory, found, lambda desk, last: desk.retry(found.choice, last))
    _tell(done, "sent again at the next sync, once nothing else waits")
    return ExitCode.ATTENTION if found.refused else ExitCode.OK


@outbox.command()
@config_option
@_id
@_user
@_device
@_all
@_to
@click.option("--pending", is_flag=True, help="Those that still wait to be sent as well.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with your name.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where no terminal is.")
def discard(
    config: Path | None,
    ids: tuple[str, ...],
    user: str | None,
    device: str | None,
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
    from zkpoll.journal.decisions import why_not_discarded

    _check_discard(ids or user or device, every, to, reason)
    if not (yes or sys.stdin.isatty()):
        raise click.UsageError("nobody is there to be asked; say --yes")
    inventory = _inventory(config)
    states = {"parked", "held", "pending"} if pending else {"parked", "held"}
    found = _find(inventory, to, _choice(states, ids, user, device), why_not_discarded)
    if not (yes or _agreed(found)):
        click.echo("Nothing is discarded.")
        return ExitCode.ATTENTION
    written = f"{' '.join(reason.split())} (by {_person()})"
    done = _act(inventory, found, lambda desk, last: desk.discard(found.choice, last, written))
    _tell(done, "discarded")
    if every and pending and to and to not in {dashboard.name for dashboard in inventory.dashboards}:
        _give_up(inventory, to)
    return ExitCode.ATTENTION if found.refused else ExitCode.OK


def _give_up(inventory: Inventory, name: str) -> None:
    from zkpoll.journal.decisions import Decisions
    from zkpoll.journal.sqlite import Journal

    with no_delivery(inventory.journal, [name]), Journal(inventory.journal) as journal:
        Decisions(journal, name).give_up()
    click.echo(f"{name} is given up: nothing is kept for it any more, unless the inventory names it again.")


def _check_discard(selected: object, every: bool, to: str | None, reason: str) -> None:
    if not (selected or every):
        raise click.UsageError("say which: --id, --user, --device or --all")
    if every and not (selected or to):
        raise click.UsageError("--all needs --to: for which dashboard?")
    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")


# --- what is meant, and doing it ---


@dataclass(frozen=True, slots=True)
class _Share:
    """What of a choice is one dashboard's."""

    count: int
    first: tuple[Waiting, ...]
    """The first few."""
    last: int
    """The last one's place: what comes to the journal while a person thinks is not meant."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a choice comes to."""

    choice: Choice
    shares: dict[str, _Share]
    """By dashboard."""
    refused: int
    """How many of the ids asked for cannot be done."""


def _choice(states: set[str], ids: Iterable[str], user: str | None, device: str | None) -> Choice:
    from zkpoll.journal.decisions import Choice

    return Choice(frozenset(states), user, device, tuple(one.strip().lower() for one in ids))


def _find(
    inventory: Inventory, to: str | None, choice: Choice, why_not: Callable[[Waiting], str | None]
) -> _Found:
    """Return what `choice` comes to, telling of each id why it is not meant. Raise when nothing is left."""
    from zkpoll.journal.decisions import Decisions

    with _reading(inventory.journal) as journal:
        check_journal(journal, dashboard=to, device=choice.device)
        names = [to] if to else [dashboard.name for dashboard in inventory.dashboards]
        desks = {name: Decisions(journal, name) for name in names}
        shares = {
            name: share
            for name, desk in desks.items()
            if (share := _share(punch for punch in desk.punches(choice) if not why_not(punch)))
        }
        refused = _refused(choice, desks.values(), why_not)
    for one, why in refused.items():
        click.echo(f"zkpoll: {one}: {why}", err=True)
    if not shares:
        raise click.ClickException("no punch is meant; nothing was changed")
    return _Found(choice, shares, len(refused))


def _refused(
    choice: Choice, desks: Iterable[Decisions], why_not: Callable[[Waiting], str | None]
) -> dict[str, str]:
    """Return for which of the ids asked for nothing can be done, and why."""
    found = [punch for desk in desks for punch in desk.punches(choice)] if choice.ids else []
    meant = {punch.id for punch in found if not why_not(punch)}
    return {
        one: "; ".join(f"{punch.dashboard}: {why_not(punch)}" for punch in found if punch.id == one)
        or "there is no such punch"
        for one in choice.ids
        if one not in meant
    }


def _share(punches: Iterator[Waiting]) -> _Share | None:
    first = tuple(islice(punches, _FIRST_FEW))
    count, last = len(first), first[-1].seq if first else 0
    for punch in punches:
        count, last = count + 1, punch.seq
    return _Share(count, first, last) if first else None


def _act(inventory: Inventory, found: _Found, do: Callable[[Decisions, int], int]) -> dict[str, int]:
    """Do it to what was found, and is still so; return to how many punches, by dashboard."""
    from zkpoll.journal.decisions import Decisions
    from zkpoll.journal.sqlite import Journal

    with no_delivery(inventory.journal, found.shares), Journal(inventory.journal) as journal:
        return {name: do(Decisions(journal, name), share.last) for name, share in found.shares.items()}


def _agreed(found: _Found) -> bool:
    """Show what is to be discarded, and ask."""
    for share in found.shares.values():
        for punch in share.first:
            click.echo(_line(punch), err=True)
        if share.count > len(share.first):
            click.echo(f"... and {share.count - len(share.first):,} more", err=True)
    counts = [f"{_punches(share.count)} for {name}" for name, share in found.shares.items()]
    return click.confirm(f"Discard {', '.join(counts)}?", err=True)


def _tell(done: dict[str, int], what: str) -> None:
    for name, count in done.items():
        click.echo(f"{_punches(count)} for {name} {'is' if count == 1 else 'are'} {what}.")


def _punches(count: int) -> str:
    return f"{count:,} {'punch' if count == 1 else 'punches'}"


def _person() -> str:
    """Return the name of the account that runs this."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return "somebody"


# --- the journal ---


def _inventory(config: Path | None) -> Inventory:
    from zkpoll.inventory import load, locate

    return load(locate(config, os.environ), os.environ, secrets=False)


def _reading(path: Path) -> Journal:
    """Open the journal to look at it; one that is not there is not made."""
    from zkpoll.journal.sqlite import Journal

    return Journal(path, writable=False)


# --- showing ---


def _show(punches: Iterator[Waiting], asked: str, *, as_json: bool) -> None:
    """Print `punches` as they come: none but a page of them is in memory."""
    if as_json:
        _show_array(punches)
        return
    first: list[Waiting] = []
    if sys.stdout.isatty():
        first = list(islice(punches, _IN_A_TABLE + 1))
        if len(first) <= _IN_A_TABLE:
            _show_table(first, asked)
            return
    for punch in chain(first, punches):
        click.echo(_line(punch))


def _show_array(punches: Iterable[Waiting]) -> None:
    before = "[\n"
    for punch in punches:
        click.echo(before + json.dumps(_fields(punch)), nl=False)
        before = ",\n"
    click.echo("[]" if before == "[\n" else "\n]")


def _fields(punch: Waiting) -> dict[str, Any]:
    return {name: getattr(punch, name) for name in _SHOWN}


def _line(punch: Waiting) -> str:
    return (
        f"{punch.dashboard}  {punch.state}  {punch.id}  {punch.device}  {punch.user_id}  {punch.timestamp}"
        f"  {punch.since}  {punch.reason or ''}"
    ).rstrip()


def _show_table(punches: list[Waiting], asked: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not punches:
        click.echo(f"Nothing is {asked}.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0))
    table.add_column("punch", no_wrap=True)
    table.add_column("for, since (UTC), why", overflow="fold")
    for punch in punches:
        who = f"{punch.device}, user {punch.user_id}"
        since = f"{punch.dashboard}, {punch.state} since {punch.since[:16].replace('T', ' ')}"
        table.add_row(
            f"{punch.id}\n{punch.timestamp}\n{escape(who)}", f"{escape(since)}\n{escape(punch.reason or '')}"
        )
    Console(highlight=False).print(table)
