"""What the exports share: their options, and where they go."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_NAMES: Final = ("csv", "json", "ndjson")
"""The formats; a test compares them with `zkpoll.audit.formats`, which is not imported for help alone."""
_IN_A_TABLE: Final = 300
"""Rows shown as a table on a terminal, at most; more are CSV, as they come."""

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(_NAMES),
    help="Else the output's ending says; csv if it does not.",
)
output_option = click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a file for its owner alone, whole or not at all.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="The same as --format json.")


@dataclass(frozen=True, slots=True)
class Way:
    """How an export goes out."""

    format: str | None
    """None for a table, where a person is at a terminal and asked for nothing else."""
    output: Path | None


def way(format_: str | None, output: Path | None, *, as_json: bool) -> Way:
    """Given what was asked, return how the export goes out."""
    if as_json and format_ not in {None, "json"}:
        raise click.UsageError(f"--json or --format {format_}, not both")
    ending = output.suffix.removeprefix(".").lower() if output else None
    if found := format_ or ("json" if as_json else None) or (ending if ending in _NAMES else None):
        return Way(found, output)
    return Way(None if output is None and sys.stdout.isatty() else "csv", output)


def give(
    how: Way,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    show: Callable[[Sequence[Mapping[str, object]]], None],
    stop: threading.Event,
) -> int:
    """Write `rows` as they come, few of them on a terminal by `show`; return how many there were."""
    from zkpoll.reports.export_file import write
    from zkpoll.reports.tables import FORMATS

    counted = _Counted(rows)
    first: list[Mapping[str, object]] = []
    if how.format is None:
        first = list(islice(counted, _IN_A_TABLE + 1))
        if len(first) <= _IN_A_TABLE:
            show(first)
            return len(first)
    write(FORMATS[how.format or "csv"](columns, chain(first, counted)), how.output, stop)
    return counted.count


class _Counted:
    """Rows, and how many of them went by."""

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        self._rows = iter(rows)
        self.count = 0

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for row in self._rows:
            self.count += 1
            yield row


def told(how: Way, what: str) -> None:
    """Tell a person at a terminal that the file was written, and what is in it."""
    if how.output is not None and sys.stderr.isatty():
        click.echo(f"{what} in {how.output}", err=True)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]], none: str) -> None:
    """Show a table on the terminal, or say `none` where there are no rows; long cells are folded."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name in letters that this terminal lacks is no failure
        sys.stdout.reconfigure(errors="backslashreplace")
    if table.row_count:
        Console(highlight=False).print(table)
    else:
        click.echo(none)
