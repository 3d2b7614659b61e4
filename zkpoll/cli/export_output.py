"""Options of the exports, and their output: a table, stdout or a file."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.output import few

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Rows = Iterable[Mapping[str, object]]

NAMES: Final = ("csv", "json", "ndjson", "xlsx")
"""The formats; a test compares them with `zkpoll.reports.tables`, which is not imported for help alone."""
_WORKBOOK: Final = "xlsx"

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
    help="Write a new file for its owner alone, whole or not at all.",
)
force_option = click.option("--force", is_flag=True, help="Overwrite FILE.")
json_option = click.option("--json", "as_json", is_flag=True, help="The same as --format json.")


@dataclass(frozen=True, slots=True)
class ExportOutput:
    """The form and the place of an export."""

    format: str | None
    """None for a table, where a person is at a terminal and asked for nothing else."""
    output: Path | None
    replace: bool = False
    """Whether it takes the place of a file that is there."""

    @classmethod
    def asked(
        cls, format_: str | None, output: Path | None, *, as_json: bool, force: bool = False
    ) -> ExportOutput:
        """Given the options, return how the export goes out. Refuse what cannot be."""
        if as_json and format_ not in {None, "json"}:
            raise click.UsageError(f"--json or --format {format_}, not both")
        wanted = format_ or ("json" if as_json else None)
        if output is None:
            if wanted == _WORKBOOK:
                raise click.UsageError("a workbook goes into a file: --output FILE.xlsx")
            return cls(wanted or (None if sys.stdout.isatty() else "csv"), None)
        found = wanted or _format_of(output)
        ending = _ending(output)
        if (found == _WORKBOOK) != (ending == _WORKBOOK) and (wanted or ending == _WORKBOOK):
            raise click.UsageError(f"--format {found} and --output {output} do not fit together")
        if found == _WORKBOOK and find_spec("openpyxl") is None:
            raise click.UsageError("a workbook needs openpyxl: pip install 'zkpoll[xlsx]', or write a .csv")
        is_there = os.path.lexists(output)
        if is_there and not force and _is_ordinary(output):
            raise click.UsageError(f"{output} is there already; --force overwrites it")
        return cls(found, output, replace=is_there)  # what is no ordinary file is refused in words of its own

    def give(
        self,
        title: str,
        columns: Sequence[str],
        rows: Rows,
        show: Callable[[Sequence[Mapping[str, object]]], None],
        stop: threading.Event,
        times: frozenset[str] = frozenset(),
    ) -> int:
        """Write `rows` as they come, or few of them to a terminal by `show`. Return their number.

        `title` is what they are, and `times` are the columns that have moments in them.
        """
        from zkpoll.reports.export_file import new_export, unless_stopped, write
        from zkpoll.reports.tables import FORMATS

        if self.format is None:
            found, rows = few(rows)
            if found is not None:
                show(found)
                return len(found)
        counted = _Counted(rows)
        if self.format == _WORKBOOK and self.output is not None:
            from zkpoll.reports.workbook import write_workbook

            with new_export(self.output, replace=self.replace) as file:
                write_workbook(file, title, columns, times, unless_stopped(counted, stop))
        else:
            pieces = FORMATS[self.format or "csv"](columns, counted)
            write(pieces, self.output, stop, replace=self.replace)
        return counted.count

    def say_written(self, contents: str) -> None:
        """Tell a person at a terminal that the file was written, with its contents in words."""
        if self.output is not None and sys.stderr.isatty():
            click.echo(f"{contents} in {self.output}", err=True)


def _ending(output: Path) -> str:
    return output.suffix.removeprefix(".").lower()


def _format_of(output: Path) -> str:
    """Return the format that a file's ending says, csv for none. Refuse one that is not known."""
    ending = _ending(output)
    if ending and ending not in NAMES:
        endings = ", ".join(f".{name}" for name in NAMES)
        raise click.UsageError(f"{output} ends in .{ending}; known are {endings}, or say --format")
    return ending or "csv"


def _is_ordinary(output: Path) -> bool:
    """Say whether a path is a file, which may be overwritten."""
    try:
        return stat.S_ISREG(output.lstat().st_mode)
    except OSError:
        return False


class _Counted:
    """Rows, and how many of them went by."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for row in self._rows:
            self.count += 1
            yield row
