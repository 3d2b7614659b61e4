"""The report of a ping, line by line as the answers come; and its options."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, TypeVar

import click

from zkpoll.cli.output import print_grid, print_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zkpoll.cli.output import Cell
    from zkpoll.model.step import Step
    from zkpoll.reports.ping_lines import Pinged

F = TypeVar("F", bound="Callable[..., object]")

_COLOURS: Final = {"ok": "green", "failed": "red", "busy": "yellow", "unknown": "yellow"}
_verbose = click.option("-v", "--verbose", is_flag=True, help="Show all steps of all.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print nothing but failures.")


def report_options(command: F) -> F:
    """Pass `verbose: bool` and `quiet: bool` to a command that pings."""
    return _verbose(_quiet(command))


class PingReport:
    """What is printed of pings: a line each, steps where there is something to see, and a last line."""

    def __init__(self, names: Iterable[str], *, verbose: bool, quiet: bool, as_json: bool) -> None:
        if quiet and (verbose or as_json):
            raise click.UsageError(f"-q or {'-v' if verbose else '--json'}, not both")
        self._width = max(map(len, names), default=0)
        self._verbose = verbose
        self._quiet = quiet
        self._silent = as_json
        self._shown: list[Pinged] = []

    def show(self, ping: Pinged) -> None:
        """Print the result of one ping."""
        from zkpoll.reports.ping_lines import VERDICT_WIDTH, facts, steps_to_show, verdict, whole

        self._shown.append(ping)
        word = verdict(ping)
        if self._silent or (self._quiet and word != "failed"):
            return
        name, padded = ping.name.ljust(self._width), word.ljust(VERDICT_WIDTH)
        if sys.stdout.isatty():
            print_grid([(name, (padded, _COLOURS[word]), facts(ping))])
            if steps := steps_to_show(ping, verbose=self._verbose):
                print_grid(map(_at_a_terminal, steps))
        elif self._verbose:
            print_lines(f"{ping.name}  {'  '.join(_cells(step))}" for step in ping.steps)
        else:
            click.echo(f"{name}  {padded}  {whole(ping)}")

    def end(self) -> None:
        """Print how many are well, where more than one was asked."""
        from zkpoll.reports.ping_lines import last_line, verdict, whole

        if self._silent:
            return
        if not self._quiet:
            if len(self._shown) > 1:
                click.echo(last_line(self._shown))
        elif all(verdict(ping) == "busy" for ping in self._shown):  # which is an exit code of its own
            print_lines(f"{ping.name}  busy  {whole(ping)}" for ping in self._shown)


def _cells(step: Step) -> tuple[str, str, str, str]:
    from zkpoll.reports.ping_lines import STEP_WORDS

    seconds = "-" if step.seconds is None else f"{step.seconds:.3f} s"
    return step.name, STEP_WORDS[step.ok], seconds, step.text


def _at_a_terminal(step: Step) -> tuple[Cell, ...]:
    name, word, seconds, text = _cells(step)
    return f"  {name}", (word, _COLOURS[word]), seconds, text
