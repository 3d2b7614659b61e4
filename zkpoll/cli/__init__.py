"""The command line: Click skin over the rooms, one module a command group.

stdout carries data, stderr progress and log. Only `click` is imported before a command runs, so that help
and completion are quick. A command imports the rest when it runs.
"""

from __future__ import annotations

import sys
import traceback

import click

from zkpoll import __version__
from zkpoll.cli.backfill import backfill
from zkpoll.cli.completion import completion
from zkpoll.cli.config import config
from zkpoll.cli.dashboards import dashboards
from zkpoll.cli.decode import decode
from zkpoll.cli.demo import demo
from zkpoll.cli.devices import devices
from zkpoll.cli.explain import explain
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
from zkpoll.cli.users import users
from zkpoll.errors import OUT_OF_MEMORY, ExitCode, ZkpollError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="zkpoll")
def zkpoll() -> None:
    """Carry punches from attendance terminals to a dashboard.

    `zkpoll demo` shows it at work without hardware; `zkpoll sync` is what cron runs.
    """


for _command in (
    sync,
    serve,
    status,
    explain,
    backfill,
    devices,
    dashboards,
    users,
    punches,
    outbox,
    quarantine,
    journal,
    decode,
    config,
    completion,
    simulate,
    demo,
):
    zkpoll.add_command(_command)


def main() -> None:
    """Run the command line and exit with the documented code. Only a bug prints a traceback."""
    prepare_streams()
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
    except Exception:  # noqa: BLE001  # what is left is a bug of ours
        traceback.print_exc()
        return _failed("this is a bug in zkpoll; please report it with the lines above", ExitCode.BUG)
    return code if isinstance(code, int) else ExitCode.OK


def _failed(message: str, code: ExitCode) -> int:
    complain(f"zkpoll: {line}" for line in message.splitlines())
    return code
