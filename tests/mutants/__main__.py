"""Try the changes of modules, and tell which ones no test notices."""

from __future__ import annotations

import argparse
import sys

import click

from tests.mutants.changes import changes
from tests.mutants.pairs import OPEN, SETTLED
from tests.mutants.survivors import EXPLAINED, Explained, explanations, stale, unexplained
from tests.mutants.trial import Module, Outcome, Trials


def main() -> None:
    """Go through the modules, and end with 1 where something is not explained, or explained in vain."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "modules", metavar="MODULE", nargs="*", help="Such as model/days. Else all settled ones."
    )
    known = explanations(EXPLAINED.read_text("utf-8"))
    all_pairs = SETTLED | OPEN
    wrong = 0
    for name in parser.parse_args().modules or SETTLED:
        if name not in all_pairs:
            parser.error(f"{name} has no tests in tests/mutants/pairs.py")
        wrong += _judge(Module(name, all_pairs[name]), known)
    sys.exit(1 if wrong else 0)


def _judge(module: Module, known: list[Explained]) -> int:
    """Try a module's changes and return how many findings there are."""
    trials = Trials(module)
    all_changes = list(changes(module.path.name, module.path.read_text("utf-8")))
    survived = [one for one in all_changes if trials.of(one.source) is Outcome.SURVIVED]
    open_ones = unexplained(module.name, survived, known)
    in_vain = stale(module.name, survived, known)
    counts = {
        "changes": len(all_changes),
        "killed": len(all_changes) - len(survived),
        "explained": len(survived) - len(open_ones),
        "open": len(open_ones),
    }
    click.echo(f"{module.name}: {', '.join(f'{count} {what}' for what, count in counts.items())}")
    for change in open_ones:
        click.echo(f"zkpoll/{module.name}.py, {change}")
    for old in in_vain:
        click.echo(f"{module.name}: explained in vain: {old.before} -> {old.after}")
    return len(open_ones) + len(in_vain)


if __name__ == "__main__":
    main()
