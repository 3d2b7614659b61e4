"""The command line: Click skin over the rooms, one module a command group.

stdout carries data, stderr progress and log. Only `click` is imported before a command runs, so that help
and completion are quick. A command imports the rest when it runs.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Final

import click

from zkpoll import __version__
from zkpoll.cli.app import before_option
from zkpoll.cli.backfill import backfill
from zkpoll.cli.completion import completion
from zkpoll.cli.config import config
from zkpoll.cli.dashboards import dashboards
from zkpoll.cli.databases import databases
from zkpoll.cli.decode import decode
from zkpoll.cli.demo import demo
from zkpoll.cli.devices import devices
from zkpoll.cli.dispatch import dispatch
from zkpoll.cli.explain import explain
from zkpoll.cli.init import init
from zkpoll.cli.journal import journal
from zkpoll.cli.outbox import outbox
from zkpoll.cli.output import complain
from zkpoll.cli.punches import punches
from zkpoll.cli.quarantine import quarantine
from zkpoll.cli.serve import serve
from zkpoll.cli.simulate import simulate
from zkpoll.cli.status import status
from zkpoll.cli.streams import prepare_streams
from zkpoll.cli.sync import sync
from zkpoll.cli.systemd import systemd
from zkpoll.cli.users import users
from zkpoll.cli.watch import watch
from zkpoll.cli.worker import worker
from zkpoll.errors import OUT_OF_MEMORY, ExitCode, ZkpollError

_GONE: Final = "the folder that this was started in was removed: cd to another"
_SECTIONS: Final = {
    "First day": (
        *("demo", "init", "config check", "devices discover", "devices ping", "dashboards ping"),
        *("sync", "watch", "serve", "status"),
    ),
    "Every day": ("explain", "outbox", "quarantine", "users", "punches"),
    "Now and then": (
        *("devices", "databases", "dashboards", "backfill", "journal", "config", "systemd", "completion"),
    ),
    "More than one machine": ("dispatch", "worker"),
    "For developers": ("simulate", "decode"),
}
"""The commands of the help, in the order in which a person comes to need them."""


class _InOrder(click.Group):
    """The group of all commands. Its help lists them by when they are needed."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections. A command of a group may stand alone."""
        width = max(len(words) for section in _SECTIONS.values() for words in section)
        for title, section in _SECTIONS.items():
            rows = []
            for words in section:
                command: click.Command | None = self
                for word in words.split():
                    command = command.get_command(ctx, word) if isinstance(command, click.Group) else None
                if command is not None:
                    rows.append((f"{words:{width}}", command.get_short_help_str(formatter.width - width - 6)))
            with formatter.section(title):
                formatter.write_dl(rows)


def _tell_version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from zkpoll.version import told_version

        click.echo(f"zkpoll, version {told_version(__version__)}")
        context.exit()


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
@before_option
def zkpoll(config: Path | None) -> None:  # each command looks for it there
    """Carry punches from attendance terminals to a dashboard.

    `zkpoll demo` shows it at work without hardware; `zkpoll sync` is what cron runs.
    """


for _command in (
    sync,
    watch,
    serve,
    status,
    explain,
    backfill,
    devices,
    databases,
    dashboards,
    users,
    punches,
    outbox,
    quarantine,
    journal,
    dispatch,
    worker,
    decode,
    config,
    systemd,
    completion,
    simulate,
    init,
    demo,
):
    zkpoll.add_command(_command)


def main() -> None:
    """Run the command line and exit with the documented code. Only a bug prints a traceback."""
    prepare_streams()
    # Else pydantic looks through all installed packages for plugins: a tenth of an idle run.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sys.exit(_run())


def _run() -> int:
    try:
        code = zkpoll.main(prog_name="zkpoll", standalone_mode=False)
        sys.stdout.flush()
    except ZkpollError as error:
        return _failed(str(error), error.exit_code)
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except MemoryError:
        return _failed(OUT_OF_MEMORY, ExitCode.ATTENTION)
    except Exception as error:  # noqa: BLE001  # what is left is a bug of ours
        if isinstance(error, FileNotFoundError) and _folder_is_gone():
            return _failed(_GONE, ExitCode.ATTENTION)
        traceback.print_exc()
        return _failed("this is a bug in zkpoll; please report it with the lines above", ExitCode.BUG)
    return code if isinstance(code, int) else ExitCode.OK


def _folder_is_gone() -> bool:
    """Say whether no path that is relative leads anywhere."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _failed(message: str, code: ExitCode) -> int:
    complain(f"zkpoll: {line}" for line in message.splitlines())
    return code
