"""The first request to a dashboard: for a person laid out, in a pipe as it goes over the line."""

from __future__ import annotations

import json
import sys
from textwrap import indent
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.model.delivery import Preview


_SHOWN: Final = 36
"""Characters of a header's value that a person sees."""


def show_preview(preview: Preview, title: str) -> None:
    """Show a request to a person under a title, else a line each with the dashboard's name before it."""
    if sys.stdout.isatty():
        # Not broken at the window's edge, where the terminal breaks it: it is there to be copied.
        click.echo(title)
        click.echo(indent("\n".join(_laid_out(preview)), "    "))
    else:
        show_lines(preview)


def show_lines(preview: Preview, *, err: bool = False) -> None:
    """Print a request a line each; `err` on stderr, where stdout is for data."""
    for line in (*_head(preview), *filter(None, [preview.body])):
        click.echo(f"{preview.dashboard}  first request  {line}", err=err)


def _laid_out(preview: Preview) -> Iterator[str]:
    for line in _head(preview):
        name, _, value = line.partition(": ")
        # A digest is there, and nobody types it; addresses stay whole.
        yield f"{name}: {value[:_SHOWN]}…" if len(value) > _SHOWN else line
    if preview.body:
        yield _readable(preview.body)


def _readable(body: str) -> str:
    """Return JSON with its lines broken; as it is where a mask in it has made it no JSON."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def _head(preview: Preview) -> Iterator[str]:
    """Yield all lines of a request but its body; or why there is none."""
    if preview.problem:
        yield f"none; its punch would be parked: {preview.problem}"
        return
    yield f"{preview.method} {preview.url}"
    yield from (f"{name}: {value}" for name, value in preview.headers.items())
