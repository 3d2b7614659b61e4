"""Where a run may be killed: every place in zkpoll that writes, sends or receives, found in its source.

A *place* is a call of one of the names below, whoever the object is: `link.send` counts like `socket.send`,
as one place too many costs a second, and one too few hides a loss. A *statement* is what SQLite is about to
do for queries.sql, once for each row of an `executemany`. Nothing is listed by hand but the names: code that
writes in a new place has a point there at once, and test_points.py fails until a stage of world.py reaches
it.

Lines for a person on stdout and stderr are no points: no punch hangs on them.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zkpoll
from zkpoll.journal.sqlite import queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE: Final = Path(zkpoll.__file__).parent
_OTHERS: Final = ("simulator/", "cli/demo.py", "cli/simulate.py", "cli/simulate_push.py")
"""The other side of the wire: it lives on when a run is killed."""

_WIRE: Final = frozenset(("connect", "send", "sendall", "sendmsg", "sendto", "recv", "recv_into", "recvfrom"))
_HTTP: Final = frozenset(("post", "put", "request", "begin", "iter_content", "readline"))
_SQL: Final = frozenset(("backup", "execute", "executemany", "executescript"))
_FILES: Final = frozenset(
    ("acquire", "chmod", "fsync", "hardlink_to", "mkdir", "release", "rename", "rmdir", "symlink_to", "touch",
     "truncate", "unlink", "write", "write_bytes", "write_text", "writelines")
)  # fmt: skip
_METHODS: Final = _WIRE | _HTTP | _SQL | _FILES
_FOLDERS: Final = frozenset(
    ("link", "makedirs", "move", "remove", "removedirs", "replace", "copy", "copyfile", "rmtree")
)
"""What `os` and `shutil` have besides; elsewhere these names mean other things."""

UNREACHED: Final[Mapping[str, str]] = {
    "bridge/access.py _Opening.__init__": "opens an Access file, to read alone",
    "bridge/sql_rights.py may_write": "only of a server; it looks",
    "bridge/sql_sessions.py _patient.connect": "only to PostgreSQL; nothing is written there",
    "bridge/sql_sessions.py _try": "only of a server's session: it makes it one that cannot write",
    "bridge/sql_sessions.py _says_yes": "only of a server; it looks",
    "delivery/transport.py _TlsConnection.request": "hands on to _Connection.request, where runs are killed",
    "durable.py _take_name": "only where the file system knows no hard links",
    "journal/locks.py LockFiles.take": "only where the system has no locks of an open file",
    "journal/locks.py LockFiles.free": "only there, too",
    "journal/opening.py _mark": "only with state_dir:; the mark is whole, or what it was before",
    "journal/sqlite.py SqliteJournal._undo_part": "only for a slice with known records between new ones",
    "journal/sqlite.py SqliteJournal._wait_for_others": "only a pushed batch has a limit of its own",
    "journal/sqlite.py SqliteJournal.snapshot": "only the page looks so; nothing is written there",
    "journal/sqlite.py copy_journal": "only `journal backup` comes to it",
    "journal/sqlite.py _copied": "only `journal backup` comes to it",
    "reports/inventory_news.py Memory.keep": "only of a bad inventory, with which no run begins",
    "pull/session.py Session._received": "acknowledges a bell, under watch alone; tests/watch kills that",
    "silence.py unless_silent": "only of a server's session; it waits",
    "cli/journal.py backup": "a command of its own, which writes another file than the journal",
    "cli/streams.py prepare_streams": "opens the null device, and only for callers without streams",
}
"""Functions whose places no run comes to here, with the reason."""
PUSHED: Final = frozenset(
    ("add_line", "keep_batch", "keep_stamp", "add_contact", "keep_gap", "queue_command", "offer_command",
     "settle_command", "forget_commands", "note_caller", "forget_least_recent", "forget_callers")
)  # fmt: skip
"""Statements of `zkpoll serve` and of commands on devices that push; tests/serve kills that."""
ERRANDS: Final = frozenset(
    ("claim_errands", "give_errands_back", "take_errand", "end_errand", "forget_errands")
)
"""Statements of `zkpoll dispatch` and of workers; tests/fleet kills these."""
PRUNED: Final = frozenset(("forget_punch", "remove_form", "add_kind_of_forgotten"))
"""Statements of `zkpoll journal prune`, and on what it pruned; tests/journal/test_forgotten.py kills that."""


@dataclass(frozen=True, slots=True)
class Place:
    """A call that writes, sends or receives."""

    file: str
    """Below the package: `pull/link.py`."""
    first: int
    """The line it begins on."""
    last: int
    function: str
    call: str

    def __str__(self) -> str:
        """Return where it is, for people: `pull/link.py:131 TcpLink.send sendall`."""
        return f"{self.file}:{self.first} {self.function} {self.call}"

    @property
    def reason(self) -> str | None:
        """Why no run comes to it here, or None."""
        return UNREACHED.get(f"{self.file} {self.function}")


@cache
def places() -> tuple[Place, ...]:
    """Return every place in zkpoll, one for each line that such a call begins on."""
    files = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return tuple(place for file in files if not file.startswith(_OTHERS) for place in places_in(file))


def places_in(file: str) -> list[Place]:
    """Return the places in one file of the package."""
    return found_in((PACKAGE / file).read_text("utf-8"), file)


def found_in(source: str, file: str) -> list[Place]:
    """Return the places in `source`."""
    found: dict[int, Place] = {}
    for function, call in _calls(ast.parse(source), ""):
        if name := _name(call):
            last = call.end_lineno or call.lineno
            found.setdefault(call.lineno, Place(file, call.lineno, last, function, name))
    return [found[line] for line in sorted(found)]


def _calls(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call below `node` with the function it lies in, outermost calls first."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        inside = f"{inside}.{node.name}".lstrip(".")
    if isinstance(node, ast.Call):
        yield inside, node
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, inside)


def _name(call: ast.Call) -> str | None:
    """Return the name of a call that writes, sends or receives, None for any other call."""
    match call.func:
        case ast.Attribute(value=ast.Name(id="os"), attr="open"):
            return "os.open"
        case ast.Attribute(value=ast.Name(id="os" | "shutil"), attr=name) if name in _FOLDERS:
            return name
        case ast.Attribute(attr="replace") if len(call.args) == 1 and not call.keywords:
            return "replace"  # of a path; that of text takes two, those of records and dates take names
        case ast.Attribute(attr="open" as name) | ast.Name(id="open" as name):
            return name if _opens_to_write(call) else None
        case ast.Attribute(attr=name) if name in _METHODS:
            return name
        case ast.Name(id="NamedTemporaryFile" as name):
            return name
        case _:
            return None


def _opens_to_write(call: ast.Call) -> bool:
    """Say whether this `open` has a mode that writes, or one that only running it would tell."""
    behind_path = call.args[1:] if isinstance(call.func, ast.Name) else call.args
    modes = [*behind_path[:1], *(one.value for one in call.keywords if one.arg == "mode")]
    texts = [mode.value if isinstance(mode, ast.Constant) else "w" for mode in modes]
    return any(set("wax+") & set(str(text)) for text in texts)


# --- statements ---


def _bare(sql: str) -> str:
    return re.sub(r"^(\s*--.*\n)+", "", sql)


def statement(sql: str) -> str | None:
    """Return what a statement writes to, such as `UPDATE outbox`, None when it only reads."""
    found = re.match(
        r"\s*(INSERT|REPLACE|UPDATE|DELETE)\b(?:\s+OR\s+\w+)?(?:\s+INTO|\s+FROM)?\s+(\w+)", _bare(sql)
    )
    return " ".join(found.groups()) if found else None


def statements() -> Mapping[str, str | None]:
    """Return what each statement of queries.sql writes to, by its name."""
    return {name: statement(sql) for name, sql in queries().items()}


def points() -> tuple[str, ...]:
    """Return the names of all points."""
    writes = sorted({what for what in statements().values() if what})
    around = [f"{when} {place}" for place in places() for when in ("before", "after") if not place.reason]
    return (*around, *(f"before {what}" for what in writes))
