"""A process that runs the real `zkpoll serve` until a thread of it reaches one step, and is killed there.

    python -m tests.serve.armed "before tasks/desk.py:150 ..." 3 serve --config FILE

A *step* is a statement on the way of a batch from its body to its answer, or of a punch to its dashboard, and
each row that SQLite is about to write. They are found in the source: new code has steps at once.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

from tests.crash.points import PACKAGE, Place, statements
from tests.crash.process import by_file, killer, watch_places, watch_statements
from tests.forks import load_everything
from zkpoll.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WAY: Final[Mapping[str, frozenset[str]]] = {
    "push/listener.py": frozenset({"answer", "execute"}),
    "tasks/desk.py": frozenset({"answer", "_answered", "_is_kept", "_check_room"}),
    "tasks/take_batch.py": frozenset({"take_batch"}),
    "tasks/seats.py": frozenset({"took", "heard"}),
    "journal/sqlite.py": frozenset({"transaction"}),
    "journal/intake.py": frozenset({"_insert"}),
    "journal/pushed.py": frozenset({"keep_batch", "contacts"}),
    "journal/outbox.py": frozenset(),
    "delivery/loop.py": frozenset(),
}
"""Functions on that way, by file; none is all of them."""


@cache
def steps() -> tuple[str, ...]:
    """Return the names of all steps."""
    on_the_way = [
        f"{when} {place}" for file in _WAY for place in _places(file) for when in ("before", "after")
    ]
    rows = sorted({what for what in statements().values() if what})
    return (*on_the_way, *(f"before {what}" for what in rows))


def _places(file: str) -> Iterator[Place]:
    """Yield the statements in the functions of a file that are on the way."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and (not _WAY[file] or node.name in _WAY[file]):
            for one in node.body:
                if not _is_docstring(one):
                    yield from _statements(one, file, node.name)


def _is_docstring(node: ast.stmt) -> bool:
    """Say whether a statement is no step: nothing is run there."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _statements(node: ast.stmt, file: str, function: str) -> Iterator[Place]:
    inner = [one for one in ast.walk(node) if isinstance(one, ast.stmt) and one is not node]
    if inner:
        for one in ast.iter_child_nodes(node):
            if isinstance(one, ast.stmt):
                yield from _statements(one, file, function)
    else:
        yield Place(file, node.lineno, node.end_lineno or node.lineno, function, type(node).__name__)


if __name__ == "__main__":
    load_everything()
    step, times, *command = sys.argv[1:]
    sys.argv = ["zkpoll", *command]
    reached = killer(step, int(times))
    places = [place for file in _WAY if f" {file}:" in step for place in _places(file)]
    if places:
        watch_places(by_file(places), reached)
    else:
        watch_statements(reached)
    main()
