"""`zkpoll systemd`: units with the paths of this installation, printed or installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import no_such, one_inventory
from zkpoll.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.installation.program import Program
    from zkpoll.installation.steps import Step, Systemctl
    from zkpoll.installation.systemd_setup import Setup

_config = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default="/etc/zkpoll/devices.yaml",
    show_default=True,
    callback=one_inventory,
    help="The inventory, as the services see it.",
)
_program = click.option(
    "--program",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The zkpoll that the services run, as they see it. Else this one.",
)
_WIDTH: Final = len("already so")
"""Letters of the longest state of a step."""


@click.group(short_help="Have systemd run zkpoll: print units, or install them.")
def systemd() -> None:
    """Have systemd run zkpoll, by units with the paths of this installation."""


@systemd.command("print")
@click.argument("unit", required=False)
@_config
@_program
def print_(unit: str | None, config: Path, program: Path | None) -> None:
    """Print UNIT, such as zkpoll.service, or all units, as `install` would write them.

    Secrets that the inventory takes from $CREDENTIALS_DIRECTORY have a line LoadCredential= each. Where there
    is no inventory yet, the usual ones do.
    """
    from zkpoll.cli.output import complain
    from zkpoll.installation.steps import needing_somebody
    from zkpoll.installation.systemd_setup import Setup, odd_inventory, printed, program_step
    from zkpoll.installation.units import FOLDER, Wanted

    setup = Setup(Wanted(), _program_of(program), config.absolute())
    steps = filter(None, [program_step(setup), odd_inventory(setup)])
    complain(f"{one.what}: {one.advice}" for one in needing_somebody([*steps]))
    texts = printed(setup)
    if unit is None:
        click.echo("\n".join(f"# {FOLDER / name}\n{text}" for name, text in texts.items()), nl=False)
    elif unit in texts:
        click.echo(texts[unit], nl=False)
    else:
        raise no_such("unit", unit, "package", list(texts), "UNIT")


@systemd.command(short_help="Write the units and start them: --apply; else show each step.")
@click.option("--apply", is_flag=True, help="Do it. Else each step is shown, and nothing is changed.")
@click.option("--serve", is_flag=True, help="Also listen for terminals that push.")
@click.option("--watch", is_flag=True, help="Also stay with terminals, and read them at each punch.")
@click.option("--backup", is_flag=True, help="Also back the journal up each night.")
@click.option("--dispatch", is_flag=True, help="Send workers what is due, in place of zkpoll.timer.")
@click.option("--worker", is_flag=True, help="Carry out what is sent to workers, in place of zkpoll.timer.")
@click.option("--site", "sites", metavar="SITE", multiple=True, help="A worker for this site alone.")
@click.option("--force", is_flag=True, help="Replace units that somebody has changed, too.")
@click.option(
    "--root",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Write below DIR, as for an image, and call no systemctl.",
)
@_config
@_program
@click.pass_context
def install(  # the options of one command
    context: click.Context,
    apply: bool,
    serve: bool,
    watch: bool,
    backup: bool,
    dispatch: bool,
    worker: bool,
    sites: tuple[str, ...],
    force: bool,
    root: Path | None,
    config: Path,
    program: Path | None,
) -> None:
    """Have systemd run `zkpoll sync` every five minutes, and what the options say besides.

    It shows each step: what is already so, what is to do, and what needs you, as an inventory and secrets
    have to be there. With --apply it does what is to do, unless something needs you, and stops at the first
    step that fails. It may be run again: what is already so is left as it is, and a unit that somebody has
    changed is not replaced without --force.

    The services run as a user of their own, whom systemd makes. That user sees no home folder: zkpoll, the
    inventory and the files that it names have to lie elsewhere, the journal in /var/lib/zkpoll.

    Exit codes: 0 all is so, is done, or can be done; 1 something needs you, a step has failed, or there is no
    systemd; 2 options that do not go together.
    """
    from zkpoll.errors import ExitCode
    from zkpoll.installation.steps import needing_somebody, systemctl_here
    from zkpoll.installation.systemd_setup import Setup, plan
    from zkpoll.installation.units import Wanted

    if sites and not worker:
        raise click.UsageError("--site names the site of a worker; say --worker, too")
    wanted = Wanted(serve, watch, dispatch, worker, backup, tuple(dict.fromkeys(sites)))
    at = root.absolute() if root else Path("/")
    setup = Setup(wanted, _program_of(program), config.absolute(), at, force)
    systemctl = None if root else systemctl_here()
    if apply and root is None:
        _refuse_without_root()
    steps = plan(setup, systemctl)
    if apply and not needing_somebody(steps):
        _apply(steps, setup, systemctl)
        return
    for step in steps:
        say(_line(step))
    say("")
    if needing_somebody(steps):
        say("Nothing was changed. First do what needs you, then run this again.")
        context.exit(ExitCode.ATTENTION)
    say(f"Nothing was changed. {_how_to_go_on(steps)}")


def _program_of(given: Path | None) -> Program:
    from zkpoll.installation.program import program_at, this_program

    return program_at(given.absolute()) if given else this_program()


def _refuse_without_root() -> None:
    import os

    from zkpoll.installation.steps import StepFailed

    if os.geteuid():
        raise StepFailed(
            "units are written and started by root alone: sudo in front, and the whole path of zkpoll"
        )


def _how_to_go_on(steps: Sequence[Step]) -> str:
    from zkpoll.installation.steps import StepState

    to_do = any(step.state is StepState.TO_DO for step in steps)
    return "Do it with --apply." if to_do else "All is as it should be."


def _line(step: Step, word: str | None = None) -> str:
    """Return how a step is shown; what a person has to do stands below it."""
    indent = " " * (_WIDTH + 2)
    first, *rest = [*step.what.splitlines(), *filter(None, [step.advice])]
    return "\n".join([f"{word or step.state.value:<{_WIDTH}}  {first}", *(indent + line for line in rest)])


def _apply(steps: Sequence[Step], setup: Setup, systemctl: Systemctl | None) -> None:
    """Do what is to do, and say each step once it is done."""
    from zkpoll.cli.streams import going_on
    from zkpoll.installation.steps import StepFailed, StepState, carry_out
    from zkpoll.installation.systemd_setup import what_next

    for step in steps:
        try:
            if step.state is StepState.TO_DO:
                carry_out(step, systemctl)
        except StepFailed as error:
            raise StepFailed(
                f"{error}\nwhat is told above is done, and stays; once this is mended, run the same again"
            ) from error
        with going_on():
            say(_line(step, "done" if step.state is StepState.TO_DO else None))
    if systemctl:
        say("\nSee that it works:\n" + "\n".join(f"  {line}" for line in what_next(setup)))
