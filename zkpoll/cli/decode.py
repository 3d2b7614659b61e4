"""`zkpoll decode`: what each layout would make of a log's bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zkpoll.pull.layouts import Layout

_SHOWN = 5


@click.command(short_help="Show what a saved log could mean.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def decode(file: Path, as_json: bool) -> None:
    """Show what each known record layout would make of FILE.

    FILE holds the records of a log as a device gave them, as `zkpoll sync` saves them when no layout fits.
    Slots of 8-byte records stand for user ids here, as the user table is not at hand.
    """
    from zkpoll.errors import UnknownLayout
    from zkpoll.pull import layouts

    data = _bytes_of(file)
    try:
        fitting = layouts.detect(data, len(data)).width
        verdict = f"{len(data)} bytes; they are records of {fitting} bytes"
    except UnknownLayout as error:
        verdict = str(error)
    candidates = [_candidate(layout, data) for layout in layouts.LAYOUTS.values()]
    if as_json:
        click.echo(json.dumps({"verdict": verdict, "layouts": candidates}, indent=2))
        return
    click.echo(verdict)
    for candidate in candidates:
        _show(candidate)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from error


def _candidate(layout: Layout, data: bytes) -> dict[str, Any]:
    from zkpoll.pull.layouts import ANY_SLOT

    whole = len(data) // layout.width * layout.width
    found = layout.decode(data[:whole], ANY_SLOT)
    reasons = sorted({record.reason for record in found.quarantined})
    return {
        "layout": layout.width,
        "believable": len(found.punches),
        "records": whole // layout.width,
        "bytes_left_over": len(data) - whole,
        "impossible_because": reasons,
        "first": [
            {
                "user_id": punch.user_id,
                "time": punch.time.isoformat(),
                "verify": punch.verify,
                "state": punch.state,
                "work_code": punch.work_code,
            }
            for punch in found.punches[:_SHOWN]
        ],
    }


def _show(candidate: dict[str, Any]) -> None:
    click.echo(
        "\n{layout} bytes a record: {believable} of {records} believable, "
        "{bytes_left_over} bytes left over".format(**candidate)
    )
    for reason in candidate["impossible_because"]:
        click.echo(f"  impossible: {reason}")
    for punch in candidate["first"]:
        click.echo("  {user_id}  {time}  verify {verify}  state {state}".format(**punch))
