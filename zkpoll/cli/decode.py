"""`zkpoll decode`: a log's bytes, decoded by each known layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zkpoll.cli.app import json_option
from zkpoll.cli.output import print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.model.punch import Punch
    from zkpoll.pull.layouts import Layout
    from zkpoll.pull.raw_copy import RawCopy

_SHOWN = 5


@click.command(short_help="Show what a saved log could mean.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def decode(file: Path, as_json: bool) -> None:
    """Show what each known record layout would make of FILE.

    FILE holds the records of a log as a device gave them, as `zkpoll sync` saves them when no layout fits.
    Slots of 8-byte records stand for user ids here, as the user table is not at hand.

    Of a raw copy, as it is kept of each log that is cleared, layout and user ids are known: its header is
    shown, with its first and last records.
    """
    from zkpoll.model.printable import shown
    from zkpoll.ordinary_files import contents
    from zkpoll.pull import raw_copy

    try:
        data = contents(file, raw_copy.LONGEST)
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from error
    document = _of_copy(raw_copy.load(file)) if raw_copy.recognised(data) else _of_log(data)
    if as_json:
        print_json(document)
        return
    say(document["verdict"])
    for name, value in document.get("raw_copy", {}).items():
        say(f"  {name}: {shown(str(value))}")
    for candidate in document["layouts"]:
        _show(candidate)


def _of_copy(copy: RawCopy) -> dict[str, Any]:
    from zkpoll.pull import layouts

    layout = layouts.layout_called(copy.layout)
    assert layout is not None  # noqa: S101  # a copy of another one is not loaded
    width = layouts.bytes_a_record(copy.layout)
    header = copy.header()
    del header["about"], header["users"]  # the first is for who has no zkpoll
    return {
        "verdict": f"a raw copy of {copy.count} records of {width} bytes; its SHA-256 is right",
        "raw_copy": header | {"slots": len(copy.users)},
        "layouts": [_candidate(layout, layout.whole(copy.log), copy.users, last=_SHOWN)],
    }


def _of_log(data: bytes) -> dict[str, Any]:
    from zkpoll.errors import UnknownLayout
    from zkpoll.pull import layouts

    slotted = data
    try:
        fitting = layouts.detect(data, len(data))
        even = fitting.whole(data)
        slotted = even if fitting.shortest else data
        width = layouts.bytes_a_record(layouts.number_of(fitting, even))
        verdict = f"{len(data)} bytes; they are records of {width} bytes"
    except UnknownLayout as error:
        verdict = str(error)
    candidates = [
        _candidate(layout, slotted if layout.shortest else data, layouts.ANY_SLOT)
        for layout in layouts.LAYOUTS.values()
    ]
    return {"verdict": verdict, "layouts": candidates}


def _candidate(layout: Layout, data: bytes, users: Mapping[int, str], last: int = 0) -> dict[str, Any]:
    """Return records decoded by `layout`, with the first few punches and the `last` ones behind them."""
    whole = len(data) // layout.width * layout.width
    found = layout.decode(data[:whole], users)
    reasons = sorted({record.reason for record in found.quarantined})
    candidate = {
        "layout": layout.width,
        "believable": len(found.punches),
        "records": whole // layout.width,
        "bytes_left_over": len(data) - whole,
        "impossible_because": reasons,
        "first": _documents(found.punches[:_SHOWN]),
    }
    return candidate | ({"last": _documents(found.punches[_SHOWN:][-last:])} if last else {})


def _documents(punches: Iterable[Punch]) -> list[dict[str, Any]]:
    return [
        {
            "user_id": punch.user_id,
            "time": punch.time.isoformat(),
            "verify": punch.verify,
            "state": punch.state,
            "work_code": punch.work_code,
        }
        for punch in punches
    ]


def _show(candidate: dict[str, Any]) -> None:
    say(
        "\n{layout} bytes a record: {believable} of {records} believable, "
        "{bytes_left_over} bytes left over".format(**candidate)
    )
    for reason in candidate["impossible_because"]:
        click.echo(f"  impossible: {reason}")
    first, last = candidate["first"], candidate.get("last", [])
    for place, punch in enumerate(first + last):
        if place == len(first) and candidate["believable"] > len(first + last):
            click.echo("  ...")
        click.echo("  {user_id}  {time}  verify {verify}  state {state}".format(**punch))
