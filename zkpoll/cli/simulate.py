"""`zkpoll simulate`: a virtual terminal to try zkpoll on."""

from __future__ import annotations

import re
import signal
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

import click

from zkpoll.cli.simulate_push import push_options, push_until_stopped, refuse_mixtures

if TYPE_CHECKING:
    from zkpoll.simulator import Faults, Listening, Model, Terminal

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Return a length of time such as `5s`, `500ms` or `2m` in seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", value.strip())
    if match is None:
        raise click.BadParameter(f"{value!r} is no duration; write it as 500ms, 5s or 2m")
    return float(match[1]) * _UNITS[match[2]]


_SHARE: Final = click.FloatRange(0, 1)
_SIZE: Final = click.IntRange(min=1)


@click.command(short_help="Run a virtual terminal.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4370,
    show_default=True,
    help="Port; 0 takes any free one.",
)
@click.option("--udp", is_flag=True, help="Answer over UDP instead of TCP.")
@click.option("--records", default=1000, show_default=True, type=click.IntRange(0), help="Punches.")
@click.option("--users", default=50, show_default=True, type=_SIZE, help="Users.")
@click.option(
    "--layout",
    type=click.Choice(["8", "16", "22", "40", "49"]),
    default="40",
    show_default=True,
    help="Bytes in a log record.",
)
@click.option("--serial", help="Serial number to tell; '' for a terminal that tells none.")
@click.option("--comm-key", type=click.IntRange(0, 0xFFFFFFFF), default=0, help="Ask for this key.")
@click.option("--capacity", type=_SIZE, help="Most records; 100,000 or as many as --records.")
@click.option(
    "--when-full",
    type=click.Choice(["stop", "drop", "overwrite"]),
    default="stop",
    show_default=True,
    help="Take no more punches, drop the oldest, or overwrite it in place.",
)
@click.option("--punch-every", metavar="DURATION", callback=_seconds, help="A punch every 5s, 500ms, 2m …")
@click.option(
    "--event-width",
    type=click.Choice(["10", "12", "14", "32", "36", "37", "52"]),
    help="Bytes of a realtime event; 12 with --layout 8 and 16, else 32.",
)
@click.option(
    "--gap",
    metavar="DURATION",
    callback=_seconds,
    default="2ms",
    show_default=True,
    help="Time between frames over TCP, for clients that look at one frame a read.",
)
@click.option("--block-size", type=_SIZE, help="Bytes in a data frame over TCP.")
@click.option(
    "--delay", metavar="DURATION", callback=_seconds, default="0s", help="Fault: wait before each answer."
)
@click.option("--bandwidth", type=_SIZE, help="Fault: bytes a second.")
@click.option("--cut", type=_SIZE, help="Fault: write this many bytes at a time (TCP).")
@click.option(
    "--hang-up-after", type=_SIZE, help="Fault: close after so many bytes (TCP); of a body, with --push."
)
@click.option("--drop", type=_SHARE, default=0.0, help="Fault: share of datagrams lost (UDP).")
@click.option("--damage", type=_SHARE, default=0.0, help="Fault: share of frames with a bad byte.")
@click.option("--no-buffer", is_flag=True, help="Fault: refuse the buffered read (command 1503).")
@click.option("--no-sizes", is_flag=True, help="Fault: tell no record counts.")
@click.option("--mute", is_flag=True, help="Fault: accept connections, never answer.")
@click.option("--refuse-events", is_flag=True, help="Fault: refuse to register for events (command 500).")
@click.option("--no-events", is_flag=True, help="Fault: register clients, tell of no punch.")
@click.option("--lose-event", metavar="N", type=_SIZE, help="Fault: tell nothing of every N-th punch.")
@click.option("--double-events", is_flag=True, help="Fault: tell of each punch two times.")
@click.option(
    "--cut-at-event", metavar="N", type=_SIZE, help="Fault: cut the client off at every N-th punch."
)
@push_options
def simulate(host: str, port: int, udp: bool, **options: Any) -> None:
    """Run a virtual terminal until Ctrl-C, with users and a log of sample punches.

    Its answers follow published captures of real terminals. The first line it prints says where it
    listens, and what to put under `devices:` in an inventory to read it.

    Any client of such terminals can be tried on it: pyzk, zkteco-js, node-zklib, PHP. One that registers
    for events (command 500) is told of each punch at once; --punch-every lets people punch.

    With --push it calls a server instead, as terminals do that push (ADMS, "cloud server"): it shakes
    hands, posts its log and each new punch until the server answers OK, and asks for commands. It tells
    of each in a line, and waits for a server that is away.

    \b
    Example, a terminal over UDP where someone punches every two seconds and
    one datagram in twenty is lost:
      zkpoll simulate --udp --port 4371 --punch-every 2s --drop 0.05
    One that tells a client of a punch every two seconds, by numeric ids:
      zkpoll simulate --layout 16 --punch-every 2s
    One to try `zkpoll watch` on, which loses every fifth bell:
      zkpoll simulate --punch-every 10s --lose-event 5
    A terminal that pushes a punch every five seconds:
      zkpoll simulate --push http://127.0.0.1:8081 --punch-every 5s
    """  # noqa: D301  # click wants the backspace itself
    refuse_mixtures()
    if options["event_width"] == "12" and options["layout"] not in {"8", "16"}:
        raise click.UsageError("--event-width 12 is for ids that are numbers: take --layout 8 or 16, too")
    from zkpoll.simulator import Terminal, serve

    terminal = Terminal.with_samples(options["records"], options["users"], _model(options), _faults(options))
    terminal.set_clock(datetime.now(UTC).replace(tzinfo=None))  # what its inventory entry says
    if options["push"] is not None:
        push_until_stopped(terminal, options)
        return
    stop = threading.Event()
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda _number, _frame: stop.set())
    with ExitStack() as stack:
        try:
            address = stack.enter_context(serve(terminal, host, port, "udp" if udp else "tcp"))
        except OSError as error:
            raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
        click.echo(_ready(address, terminal, "udp" if udp else "tcp"))
        for user in cycle(terminal.users):
            if stop.wait(options["punch_every"]):
                return
            terminal.punch(user.user_id)


def _model(options: dict[str, Any]) -> Model:
    from zkpoll.simulator import Model

    usual = Model()
    serial = options["serial"]
    return Model(
        layout=int(options["layout"]),
        serial=usual.serial if serial is None else serial or None,
        comm_key=options["comm_key"],
        capacity=options["capacity"] or max(usual.capacity, options["records"]),
        when_full=options["when_full"],
        block_size=options["block_size"],
        gap=options["gap"],
        event_width=int(options["event_width"]) if options["event_width"] else None,
        sizes=4 if options["no_sizes"] else usual.sizes,
    )


def _faults(options: dict[str, Any]) -> Faults:
    from zkpoll.simulator import Command, Faults, refuse

    refused = {"no_buffer": Command.PREPARE_BUFFER, "refuse_events": Command.REG_EVENT}
    return Faults(
        delay=options["delay"],
        bandwidth=options["bandwidth"],
        cut=options["cut"],
        hang_up_after=options["hang_up_after"],
        drop_share=options["drop"],
        damage_share=options["damage"],
        mute=options["mute"],
        instead=tuple(refuse(command) for option, command in refused.items() if options[option]),
        rings_no_bell=options["no_events"],
        loses_every_bell=options["lose_event"],
        rings_twice=options["double_events"],
        cuts_every_bell=options["cut_at_event"],
    )


def _ready(address: Listening, terminal: Terminal, transport: str) -> str:
    """Return the line that says how to read the terminal."""
    device = f"name: simulated, host: '{address.host}', port: {address.port}"
    device += f", transport: {transport}, timezone: UTC"
    if terminal.model.comm_key:
        device += f", comm_key: {terminal.model.comm_key}"
    where = f"[{address.host}]" if ":" in address.host else address.host
    holds = f"{len(terminal.log)} records, {len(terminal.users)} users"
    return f"listening on {transport} {where}:{address.port} ({holds}): - {{{device}}}"
