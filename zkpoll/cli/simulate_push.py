"""`zkpoll simulate --push`: a virtual terminal that calls a server, and the lines that tell of it."""

from __future__ import annotations

import signal
import threading
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.simulator import PushExchange, PushTerminal, Terminal

_OPTIONS: Final = (
    click.option("--push", metavar="URL", help="Push to http://HOST:PORT instead of listening."),
    click.option(
        "--dialect",
        type=click.Choice(["2.x", "3.x"]),
        default="2.x",
        show_default=True,
        help="Push: attendance (T&A PUSH, ADMS) or access (A&C PUSH).",
    ),
    click.option("--old", is_flag=True, help="Push: old firmware, which goes by stamps."),
    click.option(
        "--fields",
        type=click.IntRange(4, 11),
        default=7,
        show_default=True,
        help="Push: fields in the line of a punch.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        default=128,
        show_default=True,
        help="Push: punches in a request.",
    ),
    click.option("--people", is_flag=True, help="Push: also users, templates, a photo; all made up."),
    click.option("--aspx", is_flag=True, help="Push: .aspx behind every path."),
    click.option("--no-host", is_flag=True, help="Push: no Host header."),
    click.option("--http10", is_flag=True, help="Push: HTTP/1.0."),
    click.option("--keep-open", is_flag=True, help="Push: one connection for all requests."),
    click.option(
        "--speed",
        type=click.FloatRange(min=1),
        default=1.0,
        show_default=True,
        help="Push: wait so many times shorter than the server says.",
    ),
)
OWN: Final = frozenset(
    ["dialect", "old", "fields", "batch_size", "people", "aspx", "no_host", "http10", "keep_open", "speed"]
)
"""Options of a terminal that pushes, and of no other."""
SHARED: Final = frozenset(
    [
        "push",
        "records",
        "users",
        "serial",
        "capacity",
        "when_full",
        "punch_every",
        "bandwidth",
        "hang_up_after",
    ]
)
"""Options of both kinds."""
_ATTENDANCE: Final = frozenset(["old", "fields"])
"""Options of the 2.x dialect."""
_ANSWER_SHOWN: Final = 60
"""Letters of an answer that are shown."""


def push_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` the options of a terminal that pushes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def refuse_mixtures() -> None:
    """Refuse options that were given and make no sense together. Raise `UsageError`."""
    context = click.get_current_context()
    chosen = click.core.ParameterSource.COMMANDLINE
    given = [
        (one.name, one.opts[0])
        for one in context.command.params
        if one.name and context.get_parameter_source(one.name) is chosen
    ]
    push, dialect = context.params["push"], context.params["dialect"]
    for name, option in given:
        if push is None and name in OWN:
            raise click.UsageError(f"{option} is for a terminal that pushes: give --push URL, too")
        if push is not None and name not in OWN | SHARED:
            raise click.UsageError(f"{option} is for a terminal that listens: leave it out with --push")
        if dialect == "3.x" and name in _ATTENDANCE:
            raise click.UsageError(f"{option} is of the attendance dialect: leave it out with --dialect 3.x")
    if push is not None and context.params["serial"] == "":
        raise click.UsageError("a terminal that pushes has a serial number: --serial '' cannot be")


def push_until_stopped(terminal: Terminal, options: dict[str, Any]) -> None:
    """Let `terminal` push to `options["push"]` until a signal comes, and print what is said.

    Raise `BadParameter` if that is no address to push to.
    """
    from zkpoll.simulator import PushFaults, PushModel, PushTerminal

    model = PushModel(
        dialect=options["dialect"],
        old=options["old"],
        fields=options["fields"],
        batch=options["batch_size"],
        aspx=options["aspx"],
        host=not options["no_host"],
        http="1.0" if options["http10"] else "1.1",
        keeps_open=options["keep_open"],
        operlog=options["people"],
        biodata=options["people"],
        photos=options["people"],
    )
    faults = PushFaults(bandwidth=options["bandwidth"], hang_up_after=options["hang_up_after"])
    try:
        caller = PushTerminal(options["push"], terminal, model, faults, pace=1 / options["speed"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--push") from None
    stop = threading.Event()

    def end(_number: int, _frame: object) -> None:
        stop.set()
        caller.hang_up()

    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, end)
    click.echo(_ready(options["push"], caller))
    people = threading.Thread(target=_punch, args=(terminal, options["punch_every"], stop))
    people.start()
    try:
        teller = Teller(options["push"])
        for exchange in caller.run(stop):
            if line := teller.line(exchange):
                click.echo(line)
    finally:
        stop.set()
        people.join()


def _ready(url: str, caller: PushTerminal) -> str:
    """Return the line that says how to let the terminal in."""
    terminal = caller.terminal
    holds = f"{len(terminal.log)} records, {len(terminal.users)} users"
    device = f"name: simulated, serial: '{caller.serial}', push: true, timezone: UTC"
    return f"pushing to {url} ({holds}): - {{{device}}}"


def _punch(terminal: Terminal, every: float | None, stop: threading.Event) -> None:
    for user in cycle(terminal.users):
        if stop.wait(every):
            return
        terminal.punch(user.user_id)


class Teller:
    """Tells of exchanges in plain lines; the same trouble once, until it is over."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._troubles: dict[str, str] = {}

    def line(self, exchange: PushExchange) -> str | None:
        """Return the line about `exchange`, None where there is nothing new to say."""
        if exchange.answer is None:
            return self._trouble("", f"no answer from {self._url}: {exchange.trouble}; trying again")
        self._troubles.pop("", None)
        what = _what(exchange)
        if not exchange.accepted:
            status = f"{exchange.answer.status} {_shown(exchange.answer.text)}".strip()
            return self._trouble(exchange.what, f"{what}: {status}; trying again")
        self._troubles.pop(exchange.what, None)
        return None if exchange.what == "getrequest" else f"{what}: {_shown(exchange.answer.text)}"

    def _trouble(self, place: str, line: str) -> str | None:
        told = self._troubles.get(place) == line
        self._troubles[place] = line
        return None if told else line


def _what(exchange: PushExchange) -> str:
    if exchange.what == "punches":
        return f"posted {exchange.punches} punch{'' if exchange.punches == 1 else 'es'}"
    if exchange.what == "results":
        results = exchange.request.partition(b"\r\n\r\n")[2].decode("utf-8", "replace").splitlines()
        done = (line for line in results if line.startswith("ID="))
        return f"carried out {', '.join(done)}"
    asks = exchange.request.startswith(b"GET")
    return exchange.what if asks else f"posted {exchange.what}"


def _shown(text: str) -> str:
    """Return the first line of an answer, fit for a screen."""
    from zkpoll.model.printable import shown

    first = text.strip().partition("\n")[0].strip()
    return shown(first[:_ANSWER_SHOWN])
