"""Offices: an Access file, a SQLite file, a server, changed in place as the vendors' programs do.

What an office holds is a `Truth`, and every change makes another one. An office writes the difference as the
vendor's program would.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import create_engine, text

from tests.bridge.jackcess import Checked, Machine, Person, Typed
from tests.bridge.servers import served
from tests.bridge.vendors import vendor
from zkpoll.bridge.access import Patience
from zkpoll.bridge.jet import JetFile
from zkpoll.bridge.opening import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from tests.bridge.jackcess import Jackcess
    from zkpoll.bridge.contract import Source, Target

START = datetime(2026, 11, 20, 8)
LETTERS = "IO"
BUCKET = 1000
"""Numbers of a server's bucket."""


class Entry(NamedTuple):
    """A row of the table of punches."""

    number: int
    """Its own, 0 where rows have none."""
    user: str
    """The program's number of the person, or the badge."""
    second: int
    """Since `START`."""
    state: int = 0
    verify: int = 1
    work_code: int = 0
    machine: int = 1
    """0: none."""
    serial: str = ""
    manual: bool = False
    memo: str = ""
    """What zkpoll does not read; a long one may move the row to another page."""

    @property
    def at(self) -> datetime:
        """Return its time."""
        return START + timedelta(seconds=self.second)

    @property
    def key(self) -> str:
        """Return the name that it has for as long as it is there."""
        return f"{self.number or self.user} {self.at.isoformat()}"


@dataclass(frozen=True)
class Truth:
    """What a database holds."""

    rows: dict[str, Entry] = field(default_factory=dict)
    """By their keys."""
    people: dict[str, str] = field(default_factory=dict)
    """Badges by number."""
    machines: frozenset[tuple[int, str]] = frozenset()
    """Numbers and serial numbers of machines."""


class Office:
    """A database. What is common to all of them."""

    kind: str
    has_numbers = True
    """Whether its rows have numbers of their own."""
    has_people = True
    """Whether its rows know a person by the program's number."""
    sees_all = True
    """Whether its fingerprints are of all that rows hold."""

    def __init__(self) -> None:
        self.truth = Truth()

    def set(self, truth: Truth) -> None:
        """Make the database hold this and nothing else, by as few changes as it takes."""
        old, self.truth = self.truth, truth
        self.write(old, truth)

    def write(self, old: Truth, new: Truth) -> None:
        """Write the difference."""
        raise NotImplementedError

    def rebuild(self, truth: Truth) -> None:
        """Make all of it anew."""
        self.set(truth)

    def compact(self) -> None:
        """Let the program tidy up."""

    def copy(self) -> Any:
        """Return a copy, to be put back later."""
        return self.truth

    def restore(self, copy: Any) -> None:
        """Put an old copy back."""
        self.set(copy)

    def state(self) -> Any:
        """Return what must not change by a visit: the bytes of files, all that tables hold of a server."""
        raise NotImplementedError

    def inventory(self) -> dict[str, Any]:
        """Return what the inventory says of it."""
        raise NotImplementedError

    def opens(self, target: Target) -> AbstractContextManager[Source]:
        """Open it as zkpoll does."""
        return open_database(target)


def _of_folder(folder: Path) -> list[tuple[str, str]]:
    return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(folder.iterdir())]


class AccessOffice(Office):
    """A file of ZKTime 5, written by Jackcess."""

    kind = "att2000"
    has_numbers = False

    def __init__(self, jackcess: Jackcess, folder: Path) -> None:
        super().__init__()
        self._jackcess = jackcess
        self.path = folder / "att2000.mdb"
        self.on_sleep: Callable[[int], None] = lambda _: None
        """Called each time a visit waits, with the number of times it has."""
        self._sleeps = 0
        jackcess.att2000(self.path)

    def write(self, old: Truth, new: Truth) -> None:
        """Delete, edit and add rows where they stand."""
        gone = [row for key, row in old.rows.items() if key not in new.rows]
        edited = [(old.rows[key], row) for key, row in new.rows.items() if key in old.rows]
        edited = [(was, row) for was, row in edited if was != row]
        added = [row for key, row in new.rows.items() if key not in old.rows]
        ask = self._jackcess
        if gone:
            ask.delete(self.path, "CHECKINOUT", map(_found, gone))
        if edited:
            ask.edit(self.path, "CHECKINOUT", [(_found(was), _edited(row)) for was, row in edited])
        if added:
            rows = [(*one[:6], *one[7:]) for one in map(_checked, added)]
            ask.append(self.path, "CHECKINOUT", rows)
        was_typed, typed = ({row for row in one.rows.values() if row.manual} for one in (old, new))
        marks = {(row.user, row.second): row for row in typed}
        were = {(row.user, row.second): row for row in was_typed}
        if one := [_found(row) for mark, row in were.items() if mark not in marks]:
            ask.delete(self.path, "CHECKEXACT", one)
        if some := [row for mark, row in marks.items() if mark not in were]:
            ask.append(
                self.path, "CHECKEXACT", [(None, int(row.user), row.at, "I", 1, *[None] * 7) for row in some]
            )
        left = [number for number, badge in old.people.items() if new.people.get(number) != badge]
        if left:
            ask.delete(self.path, "USERINFO", [{"USERID": int(number)} for number in left])
        came = [one for one in new.people.items() if old.people.get(one[0]) != one[1]]
        if came:
            ask.append(
                self.path, "USERINFO", [(int(number), badge, *[None] * 9, True) for number, badge in came]
            )
        for number, serial in old.machines - new.machines:
            ask.delete(self.path, "Machines", [{"MachineNumber": number, "sn": serial}])
        if plugged := sorted(new.machines - old.machines):
            ask.append(
                self.path, "Machines", [(None, "x", 1, "", 4370, number, True, sn) for number, sn in plugged]
            )

    def rebuild(self, truth: Truth) -> None:
        """Make a new file, its rows in no order."""
        self.truth = truth
        rows = sorted(truth.rows.values(), key=lambda row: hash((row.second, row.user)))
        self._jackcess.att2000(
            self.path,
            map(_checked, rows),
            (Person(int(number), badge) for number, badge in truth.people.items()),
            (Machine(number, serial) for number, serial in sorted(truth.machines)),
            (Typed(int(row.user), row.at) for row in rows if row.manual),
        )

    def compact(self) -> None:
        """Write all rows anew, in the order of their keys."""
        self._jackcess.compact(self.path)

    def copy(self) -> Any:
        """Copy the file."""
        return self.truth, self.path.read_bytes()

    def restore(self, copy: Any) -> None:
        """Put the file back."""
        self.truth, told = copy
        self.path.write_bytes(told)

    def state(self) -> Any:
        """Return the bytes, and what is beside the file."""
        return _of_folder(self.path.parent)

    def inventory(self) -> dict[str, Any]:
        """Return where the file is."""
        return {"file": str(self.path)}

    def pages(self, *, all_: bool) -> list[int]:
        """Return the numbers of the pages of punches, or of all pages."""
        with JetFile.open(self.path) as file:
            return list(range(file.pages)) if all_ else list(file.tables["checkinout"].pages())

    @contextmanager
    def torn(self, page: int, half: bytes, first: int, last: int) -> Iterator[None]:
        """Let the second half of a page be other bytes from one wait of a visit to another, or to its end."""
        size = 4096
        whole = self.path.read_bytes()
        there = whole[page * size + size // 2 : (page + 1) * size]

        def put(told: bytes) -> None:
            with self.path.open("r+b") as file:
                file.seek(page * size + size // 2)
                file.write(told)

        def turn(number: int) -> None:
            if number == first:
                put(half)
            elif number == last:
                put(there)

        self._sleeps, self.on_sleep = 0, turn
        try:
            yield
        finally:
            self.on_sleep = lambda _: None
            put(there)

    def opens(self, target: Target) -> AbstractContextManager[Source]:
        """Open it; nobody waits, but what happens meanwhile does."""

        def sleep(_seconds: float) -> None:
            self._sleeps += 1
            self.on_sleep(self._sleeps)

        return open_database(target, Patience(apart=0.0, pause=0.0, sleep=sleep))


def _found(row: Entry) -> dict[str, Any]:
    return {"USERID": int(row.user), "CHECKTIME": row.at}


def _edited(row: Entry) -> dict[str, Any]:
    return {
        "CHECKTYPE": LETTERS[row.state],
        "VERIFYCODE": row.verify,
        "WorkCode": str(row.work_code),
        "Memoinfo": row.memo or None,
    }


def _checked(row: Entry) -> Checked:
    return Checked(
        int(row.user),
        row.at,
        LETTERS[row.state],
        row.verify,
        str(row.machine) if row.machine else None,
        row.memo or None,
        serial=row.serial or None,
        work_code=str(row.work_code),
    )


class SqlOffice(Office):
    """A database that speaks SQL: ZKTimeNet.db, or BioTime's on a server."""

    def __init__(self, engine: str, folder: Path) -> None:
        super().__init__()
        self._exit = ExitStack()
        self._server = self._exit.enter_context(served(engine, folder))
        self._folder = folder
        self.is_file = engine == "sqlite"
        self.kind = "zktime-net" if self.is_file else "biotime"
        self.has_people = self.sees_all = self.is_file
        self._tables = vendor(self.kind, engine, 0).metadata.tables
        self._engine = create_engine(self._server.url)
        self._exit.callback(self._engine.dispose)
        self._slow: list[tuple[Connection, Any]] = []
        self._zone = UTC if engine == "postgresql" else None
        with self._engine.begin() as connection:
            vendor(self.kind, engine, 0).metadata.create_all(connection)

    def close(self) -> None:
        """Drop it."""
        self.end_slow(keep=False)
        self._exit.close()

    def write(self, old: Truth, new: Truth) -> None:
        """Delete, edit and add rows, in one transaction."""
        with self._engine.begin() as connection:
            self._write(connection, old, new)

    def _write(self, connection: Connection, old: Truth, new: Truth) -> None:
        punches = self._tables["att_punches" if self.is_file else "iclock_transaction"]
        was, is_ = ({row.number: row for row in one.rows.values()} for one in (old, new))
        for number in was.keys() - is_.keys():
            connection.execute(punches.delete().where(punches.c.id == number))
        for number, row in is_.items():
            if number in was and was[number] != row:
                connection.execute(punches.update().where(punches.c.id == number), self._values(row))
        if added := [self._values(row) for number, row in is_.items() if number not in was]:
            connection.execute(punches.insert(), added)
        if not self.is_file:
            return
        people, terminals = self._tables["hr_employee"], self._tables["att_terminal"]
        if old.people != new.people:
            connection.execute(people.delete())
            if told := [{"id": int(number), "emp_pin": badge} for number, badge in new.people.items()]:
                connection.execute(people.insert(), told)
        if old.machines != new.machines:
            connection.execute(terminals.delete())
            if machines := [
                {"id": number, "terminal_no": number, "terminal_sns": serial}
                for number, serial in new.machines
            ]:
                connection.execute(terminals.insert(), machines)

    def _values(self, row: Entry) -> dict[str, Any]:
        if self.is_file:
            return {
                "id": row.number, "employee_id": int(row.user), "punch_time": str(row.at),
                "workcode": row.work_code, "workstate": row.state, "verifycode": str(row.verify),
                "terminal_id": row.machine or None, "operator": "admin" if row.manual else None,
            }  # fmt: skip
        return {
            "id": row.number, "emp_code": row.user, "punch_time": row.at.replace(tzinfo=self._zone),
            "punch_state": str(row.state), "verify_type": row.verify, "work_code": str(row.work_code),
            "terminal_sn": row.serial or None, "terminal_alias": row.memo,
        }  # fmt: skip

    def begin_slow(self, rows: Iterable[Entry]) -> None:
        """Add rows in a transaction that stays open."""
        connection = self._engine.connect()
        self._slow.append((connection, rows := list(rows)))
        self._write(connection, Truth(), Truth({row.key: row for row in rows}))

    def end_slow(self, *, keep: bool) -> None:
        """Commit what is open, the youngest first, or undo it."""
        while self._slow:
            connection, rows = self._slow.pop()
            if keep:
                connection.commit()
                self.truth = Truth(
                    self.truth.rows | {row.key: row for row in rows}, self.truth.people, self.truth.machines
                )
            connection.close()

    @property
    def pending(self) -> set[int]:
        """Return the numbers of rows that are not committed."""
        return {row.number for _, rows in self._slow for row in rows}

    def compact(self) -> None:
        """Let SQLite write its file anew."""
        if self.is_file:
            with self._engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM"))

    def copy(self) -> Any:
        """Copy the file, or all rows."""
        return self.truth, Path(self._server.file).read_bytes() if self._server.file else b""

    def restore(self, copy: Any) -> None:
        """Put the file back, or all rows."""
        truth, told = copy
        if self._server.file:
            self.truth = truth
            self._engine.dispose()
            self._server.file.write_bytes(told)
        else:
            self.set(truth)

    def state(self) -> Any:
        """Return the bytes of the file and what is beside it; of a server, each row and who wrote it last."""
        if self._server.file:
            return _of_folder(self._server.file.parent)
        with self._engine.connect() as connection:
            mark = "xmin, ctid, " if self._server.engine == "postgresql" else ""
            return [
                sorted(map(str, connection.execute(text(f"SELECT {mark}t.* FROM {name} t"))))  # noqa: S608
                for name in sorted(self._tables)
            ]

    def inventory(self) -> dict[str, Any]:
        """Return where it is."""
        if self._server.file:
            return {"file": str(self._server.file)}
        url = self._server.url.set(drivername=self._server.engine)
        return {"url": url.render_as_string()}
