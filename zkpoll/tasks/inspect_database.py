"""A person's look at databases: each step of the way to the rows, and whose they are."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from zoneinfo import ZoneInfo

from zkpoll.bridge.meaning import Aside, Settler
from zkpoll.errors import Busy, Locked, Refused
from zkpoll.journal.devices import Devices
from zkpoll.journal.ledger import Ledger
from zkpoll.model.report import BUG, Trouble
from zkpoll.model.step import Step
from zkpoll.tasks.database_contact import database_contact, own_key, rules_of
from zkpoll.tasks.database_outcome import DATABASE, why_aside
from zkpoll.tasks.result import MEMORY, one_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from zkpoll.bridge.contract import Lookups, MachineRows, Opened, Opens, Source
    from zkpoll.inventory import Database
    from zkpoll.journal.database import Journal
    from zkpoll.model.report import Notice
    from zkpoll.tasks.contact import Contacts

T = TypeVar("T")

_COULD_WRITE: Final = "this login could write: give it SELECT alone"
_TELLERS: Final = {
    "row": "told by its rows",
    "inventory": "named in machines:",
    "machines": "told by the table of machines",
    "nobody": "no terminal made them",
}


@dataclass(frozen=True, slots=True)
class MachineLook:
    """The rows of a machine, and whose they are."""

    machine: str | None
    """Its number in the database; None where the rows tell none."""
    rows: int
    device_key: str | None
    """None where nobody can tell it: then its rows are set aside."""
    told_by: str
    """Where that came from, in words; or why it is not known."""


@dataclass(frozen=True, slots=True)
class AboutDatabase:
    """What a database holds."""

    engine: str
    read_only: bool
    may_write: bool | None
    tables: tuple[str, ...]
    people: int | None
    """None where the rows themselves have badges."""
    typed_in: int
    """Rows that a person typed in, where a table of its own tells them."""
    rows: int
    newest: datetime | None
    machines: tuple[MachineLook, ...]


@dataclass(frozen=True, slots=True)
class DatabaseInspection:
    """The result of a ping of one database of the inventory."""

    name: str
    address: str
    steps: tuple[Step, ...]
    """As far as it came."""
    about: AboutDatabase | None = None
    """None when it could not be asked to the end."""
    kind: str | None = None
    """Kind of the error that ended it; None when all was asked."""

    @property
    def subject(self) -> str:
        """The database."""
        return f"{DATABASE}{self.name}"

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return all(step.ok is not False for step in self.steps)

    @property
    def problems(self) -> tuple[str, ...]:
        """The text of each step that failed: the cause and the cure."""
        return tuple(step.text for step in self.steps if step.ok is False)

    @property
    def trouble(self) -> Trouble | None:
        """The steps that failed, or None."""
        return None if self.ok else Trouble(self.kind or "steps", "; ".join(self.problems))

    @property
    def notices(self) -> tuple[Notice, ...]:
        """None."""
        return ()

    @property
    def facts(self) -> tuple[str, ...]:
        """What matters of it, in few words."""
        if (about := self.about) is None:
            return ()
        newest = f"newest {about.newest}" if about.newest else None
        return tuple(filter(None, (about.engine, _rows(about.rows), newest)))


def inspect_database(database: Database, contacts: Contacts, opens: Opens) -> DatabaseInspection:
    """Return what a database holds, step by step, or why it cannot be read. Raise only `StopRun`."""
    look = _Look()

    def looked() -> DatabaseInspection:
        with ExitStack() as stack:
            contact = database_contact(contacts, database, opens)
            source = look.ask("open", lambda: stack.enter_context(contact), lambda one: one.opened.engine)
            about = _about(source, look, database, contacts.journal)
        return DatabaseInspection(database.name, database.address, tuple(look.steps), about)

    def failed(problem: str, kind: str) -> DatabaseInspection:
        look.fail(problem, kind)
        return DatabaseInspection(database.name, database.address, tuple(look.steps), None, kind)

    return one_failure(database.name, looked, failed)


class _Look:
    """The steps of one look, as far as it has come."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._under_way = "open"
        self._began = time.monotonic()

    def ask(self, name: str, work: Callable[[], T], text: Callable[[T], str]) -> T:
        """Take a step that may fail, and return what it found."""
        self._under_way, self._began = name, time.monotonic()
        found = work()
        seconds = time.monotonic() - self._began
        self.steps.append(Step(name, ok=True, seconds=seconds, text=text(found)))
        return found

    def note(self, name: str, text: str, ok: bool | None = True) -> None:
        """Note what was read off another step."""
        self.steps.append(Step(name, ok=ok, seconds=None, text=text))

    def fail(self, problem: str, kind: str) -> None:
        """Note that the step under way failed."""
        name = self._under_way
        if kind in {BUG, MEMORY}:
            name = "zkpoll"
        elif kind in {Busy.kind, Locked.kind}:
            name = "lock"
        elif kind == Refused.kind and name == "open":
            name = "login"
        seconds = time.monotonic() - self._began
        self.steps.append(Step(name, ok=False, seconds=seconds, text=problem))


def _about(source: Source, look: _Look, database: Database, journal: Journal) -> AboutDatabase:
    """Ask an open database what it holds, step by step."""
    if database.url is not None:
        look.note("login", "ok")
    tables = look.ask("tables", source.tables, ", ".join)
    opened = source.opened
    look.note("rights", *_rights(opened))
    lookups = look.ask("people", source.lookups, _people)
    contents = look.ask("rows", source.contents, lambda found: _rows(found.rows))
    known = Ledger(journal, database.address).known
    rules = rules_of(database, known.key if known else own_key(database))
    zone = ZoneInfo(database.timezone)
    settler = Settler(rules, lookups, lambda _: zone, Devices(journal).key_of_serial)
    machines = tuple(_machine(one, settler) for one in contents.machines)
    for one in machines:
        name = "no machine" if one.machine is None else f"machine {one.machine}"
        rows = _rows(one.rows)
        of = f"{rows} of {one.device_key}, {one.told_by}" if one.device_key else f"{rows}: {one.told_by}"
        look.note(name, of, ok=one.device_key is not None)
    if lookups.typed:
        look.note("manual rows", f"{_rows(len(lookups.typed))} that a person typed in")
    if contents.newest is not None:
        look.note("newest row", str(contents.newest))
    for text in (*opened.notes, *contents.notes):
        look.note("note", text, ok=None)
    return AboutDatabase(
        engine=opened.engine,
        read_only=opened.read_only,
        may_write=opened.may_write,
        tables=tables,
        people=None if lookups.people is None else len(lookups.people),
        typed_in=len(lookups.typed),
        rows=contents.rows,
        newest=contents.newest,
        machines=machines,
    )


def _rights(opened: Opened) -> tuple[str, bool | None]:
    """Return the words on what may be written, and whether they are good."""
    if opened.read_only:
        return f"read only; {_COULD_WRITE}" if opened.may_write else "read only", True
    if opened.may_write is None:
        return "the session may write, and zkpoll never does; nobody can tell whether this login could", None
    return (_COULD_WRITE, None) if opened.may_write else ("this login cannot write", True)


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _people(lookups: Lookups) -> str:
    if lookups.people is None:
        return "the rows have badges"
    return "1 person" if len(lookups.people) == 1 else f"{len(lookups.people):,} people"


def _machine(found: MachineRows, settler: Settler) -> MachineLook:
    device, teller = settler.whose(found.serial, found.machine)
    if isinstance(device, Aside):
        return MachineLook(found.machine, found.rows, None, why_aside(*device))
    return MachineLook(found.machine, found.rows, device, _TELLERS[teller])
