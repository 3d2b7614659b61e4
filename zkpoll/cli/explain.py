"""`zkpoll explain`: the punches of a person on a day, and their fates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, json_option, load_inventory, open_journal
from zkpoll.cli.dates import DAY, day
from zkpoll.cli.output import console, print_table, say, show
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.reports.explain import PersonDay
    from zkpoll.reports.people import Meant


@click.command(short_help="Show what became of a person's punches on a day.")
@click.argument("asked", metavar="WHO")
@click.argument("when", metavar="WHEN", type=DAY)
@config_option
@json_option
def explain(asked: str, when: str, config: Path | None, as_json: bool) -> int:
    """Show every punch of WHO on WHEN, and what became of it.

    \b
      zkpoll explain 1001 2026-11-22
      zkpoll explain rahim yesterday
      zkpoll explain "karim uddin" sunday

    WHO is a user id, or a name or a part of one, as the last `zkpoll users export` has it. WHEN is a day by
    the devices' wall clocks: a date, today, yesterday, or a weekday, which is the last such day. A date such
    as 23/11/2026 is taken where the inventory says which is the month (dates: day/month/year).

    Each punch is shown with its device, when it was read, or received from a device that pushes, in which
    databases it stands since when, and for each dashboard what became of it: confirmed when, refused with
    which words, held or discarded why, or still waiting. Where nothing has shown one, it says when each
    device was last read, read whole, and called last, and when each database was read: what was punched since
    then is not known yet, nor is what a device that calls us has not sent. On a terminal it also says, below
    punches, which devices were not read since that day ended. What `zkpoll journal prune`
    removed is not known any more. Times are UTC but for those of the punches.

    The exit code is 0, also where that person has no punch on that day. It is 1 where several people have
    that name, who are listed then, and where neither a punch nor an export of users knows that id or name:
    then the nearest are told.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.reports.explain import PersonDay
    from zkpoll.reports.explain import explain as look
    from zkpoll.reports.people import Meant, Person, who

    if not asked.strip():
        raise click.BadParameter("it is empty, expected a user id or a name", param_hint="WHO")
    inventory = load_inventory(config, secrets=False)
    date = day(inventory, when, "WHEN")
    with open_journal(inventory) as journal:
        meant = who(inventory, journal, asked)
        is_one = len(meant.found) == 1
        if not is_one:
            click.echo(f"zkpoll: {meant.sentence()}", err=True)
        if is_one or (meant.is_id and not meant.found):  # perhaps nobody has read yet who that is
            person = meant.found[0] if is_one else Person(asked)
            screen = look(inventory, journal, person, date, datetime.now(UTC))
            show(
                screen,
                as_json=as_json,
                document=PersonDay.document,
                person=_show_person,
                lines=PersonDay.lines,
            )
        else:
            show(meant, as_json=as_json, document=Meant.document, person=_show_people, lines=Meant.lines)
    return ExitCode.OK if is_one else ExitCode.ATTENTION


def _show_people(meant: Meant) -> None:
    """Print who may be meant, a row each."""
    if not meant.found:
        return
    rows = ((one.user_id, one.name or "", ", ".join(one.places)) for one in meant.found)
    print_table(("user", "name", "where"), rows)


def _show_person(screen: PersonDay) -> None:
    """Print who it is about, and each punch under a bold line with its time and device."""
    from zkpoll.reports.explain import details

    shown = console()
    shown.print(screen.title, markup=False)
    for punch in screen.punches:
        head = f"{punch.timestamp[11:19]}  {punch.device} ({punch.serial_number})"
        shown.print(head, markup=False, style="bold")
        for line in details(punch):
            say(f"  {line}")
    for line in [] if screen.punches else screen.not_seen():
        shown.print(line, markup=False)
    if screen.punches and (more := screen.more_may_come()):
        say(more)
