"""Options of the exports, and their output: a table, stdout or a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.output import few

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Rows = Iterable[Mapping[str, object]]

NAMES: Final = ("csv", "json", "ndjson")
"""The formats; a test compares them with `zkpoll.reports.tables`, which is not imported for help alone."""

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(NAMES),
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
class ExportOutput:
    """The form and the place of an export."""

    format: str | None
    """None for a table, where a person is at a terminal and asked for nothing else."""
    output: Path | None

    @classmethod
    def asked(cls, format_: str | None, output: Path | None, *, as_json: bool) -> ExportOutput:
        """Given the options, return how the export goes out."""
        if as_json and format_ not in {None, "json"}:
            raise click.UsageError(f"--json or --format {format_}, not both")
        ending = output.suffix.removeprefix(".").lower() if output else None
        if found := format_ or ("json" if as_json else None) or (ending if ending in NAMES else None):
            return cls(found, output)
        return cls(None if output is None and sys.stdout.isatty() else "csv", output)

    def give(
        self,
        columns: Sequence[str],
        rows: Rows,
        show: Callable[[Sequence[Mapping[str, object]]], None],
        stop: threading.Event,
    ) -> int:
        """Write `rows` as they come, or few of them to a terminal by `show`. Return their number."""
        from zkpoll.reports.export_file import write
        from zkpoll.reports.tables import FORMATS

        if self.format is None:
            found, rows = few(rows)
            if found is not None:
                show(found)
                return len(found)
        counted = _Counted(rows)
        write(FORMATS[self.format or "csv"](columns, counted), self.output, stop)
        return counted.count

    def say_written(self, contents: str) -> None:
        """Tell a person at a terminal that the file was written, with its contents in words."""
        if self.output is not None and sys.stderr.isatty():
            click.echo(f"{contents} in {self.output}", err=True)


class _Counted:
    """Rows, and how many of them went by."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for row in self._rows:
            self.count += 1
            yield row
