"""`zkpoll devices pending`: callers that the push door turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, json_option, load_inventory, open_journal, open_or_empty
from zkpoll.cli.output import say, show

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.reports.refused_callers import RefusedScreen


@click.command(short_help="Show who called `zkpoll serve` and was not let in.")
@config_option
@json_option
@click.option("--forget", is_flag=True, help="Forget them all when they are shown.")
def pending(config: Path | None, as_json: bool, forget: bool) -> None:
    """Show who called `zkpoll serve` and was not let in, the last one first.

    \b
      unknown serial        no device with push: has this serial number; the
                            line that lets it in is printed below the list
      wrong secret          it is a device's, and its address lacks the secret
                            in push:, or has another one
      outside its networks  it is a device's, and does not call from one of
                            the networks in push:
      disabled              its device has enabled: false

    Of each there is when it called first and last (UTC), how often, from where, what for, and what it says of
    itself (pushver, DeviceType). Nothing of that is proved: anybody can send it. No more than 256 are
    remembered; the one that called least recently goes. Requests without a serial number are only counted.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.journal import callers
    from zkpoll.reports.refused_callers import RefusedScreen, refused_screen
    from zkpoll.reports.words import are, counted

    inventory = load_inventory(config, secrets=False)
    with open_or_empty(inventory) as journal:
        screen = refused_screen(inventory, journal)
    show(
        screen,
        as_json=as_json,
        document=RefusedScreen.document,
        person=_show_person,
        lines=RefusedScreen.lines,
    )
    if forget:
        with open_journal(inventory, writable=True) as journal:
            number = callers.forget(journal)
        click.echo(f"zkpoll: {counted(number, 'caller')} {are(number)} forgotten", err=True)


def _show_person(screen: RefusedScreen) -> None:
    """Print some lines for each caller, and how to let unknown ones in."""
    if not screen.callers:
        say(screen.nobody())
    for one in screen.callers:
        first, *more = one.words()
        say(first)
        for line in [*more, *([one.hint] if one.hint else [])]:
            say(f"    {line}")
    if screen.nameless:
        say(screen.nameless_words())
    if screen.entries:
        say(
            "\nTo let in who is unknown, put its line under devices: in the inventory, with a name of yours"
            " (and a timezone:, where defaults: have none), and restart `zkpoll serve`:"
        )
        for entry in screen.entries:
            click.echo(f"  {entry}")
