"""Steps of a ping, small tables and text: for a person as the window is, in a pipe a plain line each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkpoll.model.step import Step


def say(text: str) -> None:
    """Print lines of text; for a person each is broken between words, where the window ends."""
    if sys.stdout.isatty():
        from shutil import get_terminal_size

        width = get_terminal_size().columns
        text = "\n".join(_broken(line, width) for line in text.split("\n"))
    click.echo(text)


def _broken(line: str, width: int) -> str:
    from textwrap import wrap

    indent = " " * (len(line) - len(line.lstrip()))
    # Ids and paths stay whole, so that they can be copied.
    pieces = wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(pieces)


def show_steps(name: str, steps: Iterable[Step]) -> None:
    """Show the steps of pinging `name`."""
    if sys.stdout.isatty():
        _show_person(name, steps)
        return
    for step in steps:
        click.echo("  ".join((name, *_cells(step))))


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Show rows of text, in a pipe without the headings."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("  ".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def _cells(step: Step) -> tuple[str, str, str, str]:
    word = {True: "ok", False: "failed", None: "unknown"}[step.ok]
    return step.name, word, "-" if step.seconds is None else f"{step.seconds:.3f} s", step.text


def _show_person(name: str, steps: Iterable[Step]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for step in steps:
        what, word, seconds, text = _cells(step)
        colour = {True: "green", False: "red", None: "yellow"}[step.ok]
        table.add_row(f"  {what}", Text(word, colour), seconds, Text(text))
    console = Console(highlight=False)
    console.print(name, markup=False)
    console.print(table)
