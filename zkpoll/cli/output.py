"""Output on stdout: JSON for a program, tables and text for a person, plain lines for a pipe."""

from __future__ import annotations

import json
import sys
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import Console
    from rich.table import Column

    from zkpoll.model.delivery import Preview

T = TypeVar("T")
Cell: TypeAlias = str | tuple[str, str]
"""A cell of a grid: its text, or its text and style."""

_FEW: Final = 300
"""Rows shown as a table on a terminal, at most; more are written as they come."""
_SHOWN: Final = 36
"""Characters of a header's value that a person sees."""
_LONG: Final = 1500
"""Characters of a body that a person sees: more than those of a request with one punch."""


def print_json(data: object) -> None:
    """Print a JSON document."""
    click.echo(json.dumps(data, indent=2))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they come."""
    for line in lines:
        click.echo(line)


def complain(lines: Iterable[str]) -> None:
    """Print on stderr why a command came to nothing. Where nobody can read it, its exit code still tells."""
    for line in lines:
        click.echo(line, err=True)


def show(
    screen: T,
    *,
    as_json: bool,
    document: Callable[[T], object],
    person: Callable[[T], None],
    lines: Callable[[T], Iterable[str]],
) -> None:
    """Show a screen: its document if JSON was asked for, else to a person, in a pipe its lines."""
    if as_json:
        print_json(document(screen))
    elif sys.stdout.isatty():
        person(screen)
    else:
        print_lines(lines(screen))


def say(text: str) -> None:
    """Print lines of text. At a terminal each is broken between words, where the window ends."""
    if sys.stdout.isatty():
        text = "\n".join(_broken(line, len(line) - len(line.lstrip())) for line in text.split("\n"))
    click.echo(text)


def say_row(what: str, value: str, width: int) -> None:
    """Print a value behind its name, which is padded to `width`. At a terminal it goes on below itself."""
    line = f"{what:<{width}}  {value}"
    click.echo(_broken(line, width + 2) if sys.stdout.isatty() else line)


def _broken(line: str, indent: int) -> str:
    """Return a line broken where the window ends, its later lines indented."""
    from shutil import get_terminal_size
    from textwrap import fill

    # Ids and paths stay whole, so that they can be copied.
    return fill(
        line,
        get_terminal_size().columns,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


# --- tables ---


def few(rows: Iterable[T]) -> tuple[list[T] | None, Iterator[T]]:
    """Return the rows as a list, or None where they are too many for a table, and all as they come."""
    iterator = iter(rows)
    first = list(islice(iterator, _FEW + 1))
    return (first if len(first) <= _FEW else None), chain(first, iterator)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Show rows of text as a table, or in a pipe as lines without the headings."""
    if sys.stdout.isatty():
        print_table(headings, rows)
    else:
        print_lines("  ".join(row) for row in rows)


def print_table(
    headings: Iterable[str | Column],
    rows: Iterable[Sequence[str]],
    *,
    none: str | None = None,
    styles: Iterable[str | None] = (),
    gap: int = 0,
) -> None:
    """Print a table on the terminal, or say `none` where there are no rows.

    Long cells are folded, unless a heading is a column that says otherwise. `styles` are those of the rows,
    and `gap` the empty lines between them.
    """
    from rich.table import Column, Table
    from rich.text import Text

    columns = [Column(one, overflow="fold") if isinstance(one, str) else one for one in headings]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, gap, 0))
    for row, style in zip(rows, chain(styles, repeat(None)), strict=False):
        table.add_row(*map(Text, row), style=style)
    if table.row_count or none is None:
        console().print(table)
    else:
        click.echo(none)


def print_grid(rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows of cells below each other, without headings."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for row in rows:
        grid.add_row(*map(Text.assemble, row))
    console().print(grid)


def console() -> Console:
    """Return a console for a person: text is shown as it is, none of it in colours of its own."""
    from rich.console import Console

    return Console(highlight=False)


# --- the first request to a dashboard ---


def show_preview(preview: Preview, title: str) -> None:
    """Show a request laid out under a title, or in a pipe by its lines alone."""
    if not sys.stdout.isatty():
        print_lines(preview_lines(preview))
        return
    from textwrap import indent

    shown = []
    for line in _head(preview):
        name, _, value = line.partition(": ")
        # A digest is there, and nobody types it; addresses stay whole.
        shown.append(f"{name}: {value[:_SHOWN]}…" if len(value) > _SHOWN else line)
    if body := _body(preview):
        try:
            shown.append(json.dumps(json.loads(body), indent=2, ensure_ascii=False))
        except ValueError:  # no JSON, or none any more with a mask in it, or not all of it
            shown.append(body)
    # Not broken at the window's edge, where the terminal breaks it: it is there to be copied.
    click.echo(title)
    click.echo(indent("\n".join(shown), "    "))


def preview_lines(preview: Preview) -> Iterator[str]:
    """Yield a request line by line, as it goes over the wire."""
    for line in (*_head(preview), *filter(None, [_body(preview)])):
        yield f"{preview.dashboard}  first request  {line}"


def _body(preview: Preview) -> str:
    """Return a request's body, or the beginning of a long one."""
    if len(preview.body) <= _LONG:
        return preview.body
    return f"{preview.body[:_LONG]}… ({len(preview.body):,} characters; --json shows all)"


def _head(preview: Preview) -> Iterator[str]:
    """Yield all lines of a request but its body, or one that says why there is none."""
    if preview.problem:
        yield f"none; its punch would be parked: {preview.problem}"
        return
    if preview.again:
        punches = "1 punch" if preview.again == 1 else f"{preview.again:,} punches"
        since = f" since {preview.sent_at[:16].replace('T', ' ')}Z" if preview.sent_at else ""
        yield f"again as it was, with {punches}, not answered for{since}"
    yield f"{preview.method} {preview.url}"
    yield from (f"{name}: {value}" for name, value in preview.headers.items())
