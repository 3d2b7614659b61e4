"""What the tests do not notice, beside what is explained."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.mutants.changes import Change

EXPLAINED: Final = Path(__file__).with_name("explained.toml")


@dataclass(frozen=True, slots=True)
class Explained:
    """A change that no test can notice, or need not, and why."""

    module: str
    before: str
    after: str
    why: str


def explanations(text: str) -> list[Explained]:
    """Return what a file of explanations has: for each module a list of tables."""
    found = tomllib.loads(text)
    return [
        Explained(module, one["before"], one["after"], one["why"])
        for module in found
        for one in found[module]
    ]


def unexplained(module: str, survived: Iterable[Change], known: Iterable[Explained]) -> list[Change]:
    """Return the changes of a module that survived and are not explained."""
    mine = {(one.before, one.after) for one in known if one.module == module}
    return [one for one in survived if (one.before, one.after) not in mine]


def stale(module: str, survived: Iterable[Change], known: Iterable[Explained]) -> list[Explained]:
    """Return the explanations of a module whose change is not made any more, or does not survive."""
    there = {(one.before, one.after) for one in survived}
    return [one for one in known if one.module == module and (one.before, one.after) not in there]
