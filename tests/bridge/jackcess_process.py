"""A process of its own that makes and changes Access files, by Jackcess. It is started by `jackcess.py`.

It takes pickled requests on stdin, a name and arguments each, and answers each on stdout with a pair: whether
it was done, and what it brought. The rows of an append follow the request in batches, an empty one last.
A Java machine cannot be stopped, and bears no fork: so it is not in the tests' own process.
"""

from __future__ import annotations

import os
import pickle
import sys
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jpype

EPOCH = datetime(1970, 1, 1)


def cell(column: str) -> Any:
    """Given the type of a column, return what turns a value into Java's."""
    return {"LONG": integer, "INT": integer, "BYTE": integer, "SHORT_DATE_TIME": moment}.get(column, plain)


def plain(value: Any) -> Any:
    """Return text, a boolean, a float or bytes as Jackcess takes it."""
    if isinstance(value, bytes):
        return jpype.JArray(jpype.JByte)(value)
    if isinstance(value, float):
        return jpype.JDouble(value)
    return text(value) if isinstance(value, str) else value


@cache
def text(value: str) -> Any:
    """Return text; machines, states and serial numbers come again and again."""
    return jpype.JString(value)


def integer(value: Any) -> Any:
    """Return a number."""
    return None if value is None else jpype.JInt(value)


def moment(value: datetime | None) -> Any:
    """Return a wall clock, to the microsecond."""
    if value is None:
        return None
    past = value - EPOCH
    return Files.wall_clock(past.days * 86400 + past.seconds, past.microseconds * 1000, Files.utc)


def python(value: Any) -> Any:
    """Return a value of Java's as Python's."""
    if value is None or isinstance(value, bool):
        return value
    name = value.getClass().getName()
    if name == "java.time.LocalDateTime":
        return datetime.fromisoformat(str(value))
    if name == "java.lang.Boolean":
        return bool(value)
    if name in {"java.lang.Integer", "java.lang.Short", "java.lang.Byte", "java.lang.Long"}:
        return int(value)
    return float(value) if name in {"java.lang.Double", "java.lang.Float"} else str(value)


class Files:
    """The files that are open, and what can be done to them."""

    wall_clock: Any
    utc: Any

    def __init__(self) -> None:
        self._package = jpype.JPackage("com").healthmarketscience.jackcess
        self._formats = jpype.JClass("com.healthmarketscience.jackcess.Database$FileFormat")
        self._kept: dict[str, Any] = {}
        Files.wall_clock = jpype.JClass("java.time.LocalDateTime").ofEpochSecond
        Files.utc = jpype.JClass("java.time.ZoneOffset").UTC

    def create(self, path: str, version: str, tables: list[tuple[str, list[Any], list[Any]]]) -> None:
        """Make a file with these tables, empty."""
        builder = self._package.DatabaseBuilder(jpype.java.io.File(path)).setAutoSync(False)
        database = builder.setFileFormat(getattr(self._formats, f"V{version}")).create()
        try:
            for name, columns, indexes in tables:
                table = self._package.TableBuilder(name)
                for column in columns:
                    table.addColumn(self._column(*column))
                for index in indexes:
                    table.addIndex(self._index(*index))
                table.toTable(database)
        finally:
            database.close()

    def keep(self, path: str) -> None:
        """Leave a file open for writing until it is let go of."""
        self._kept[path] = self._open(path)

    def let_go(self, path: str) -> None:
        """Close a file that was left open."""
        self._kept.pop(path).close()

    def append(self, path: str, name: str) -> None:
        """Add the rows that follow on stdin."""
        with _Open(self, path) as database:
            table = database.getTable(name)
            cells = [cell(str(column.getType())) for column in table.getColumns()]
            row = jpype.JArray(jpype.JObject)
            while batch := pickle.load(sys.stdin.buffer):  # noqa: S301 -- by the tests
                rows = jpype.java.util.ArrayList(len(batch))
                for values in batch:
                    rows.add(row([make(value) for make, value in zip(cells, values, strict=False)]))
                table.addRows(rows)
            database.flush()

    def edit(self, path: str, name: str, edits: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        """Change the row that each key finds."""
        with _Open(self, path) as database:
            table = database.getTable(name)
            for key, values in edits:
                row = self._find(table, key)
                for column, value in values.items():
                    row.put(column, cell(str(table.getColumn(column).getType()))(value))
                table.updateRow(row)
            database.flush()

    def delete(self, path: str, name: str, keys: list[dict[str, Any]]) -> None:
        """Delete the row that each key finds."""
        with _Open(self, path) as database:
            table = database.getTable(name)
            for key in keys:
                table.deleteRow(self._find(table, key))
            database.flush()

    def add_column(self, path: str, name: str, column: tuple[Any, ...]) -> None:
        """Add a column to a table."""
        with _Open(self, path) as database:
            self._column(*column).addToTable(database.getTable(name))
            database.flush()

    def rows(self, path: str, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        with _Open(self, path) as database:
            table = database.getTable(name)
            columns = [str(column.getName()) for column in table.getColumns()]
            return [{column: python(row.get(column)) for column in columns} for row in table]

    def compact(self, path: str, into: str) -> None:
        """Write all tables anew into another file, in the order of their primary keys."""
        with _Open(self, path) as old:
            new = self._package.DatabaseBuilder(jpype.java.io.File(into)).setAutoSync(False)
            new = new.setFileFormat(old.getFileFormat()).create()
            try:
                for name in old.getTableNames():
                    self._copy(old.getTable(name), new)
            finally:
                new.close()

    def _copy(self, table: Any, new: Any) -> None:
        builder = self._package.TableBuilder(table.getName())
        for column in table.getColumns():
            builder.addColumn(self._package.ColumnBuilder(column.getName()).setFromColumn(column))
        order = None
        for index in table.getIndexes():
            made = self._package.IndexBuilder(index.getName())
            made.addColumns([one.getName() for one in index.getColumns()])
            if index.isPrimaryKey():
                made.setPrimaryKey()
                order = index
            builder.addIndex(made)
        target = builder.toTable(new)
        target.setAllowAutoNumberInsert(True)
        batch = jpype.java.util.ArrayList()
        for row in order.newCursor().toCursor() if order is not None else table:
            batch.add(target.asRow(row))
            if batch.size() == 20_000:
                target.addRows(batch)
                batch.clear()
        target.addRows(batch)

    def _column(self, name: str, kind: str, length: int, compressed: bool, auto: bool) -> Any:
        column = self._package.ColumnBuilder(name, getattr(self._package.DataType, kind))
        if length:
            column.setLengthInUnits(length)
        if kind in {"TEXT", "MEMO"}:
            column.setCompressedUnicode(compressed)
        return column.setAutoNumber(True) if auto else column

    def _index(self, name: str, columns: list[str], primary: bool, unique: bool) -> Any:
        index = self._package.IndexBuilder(name).addColumns(columns)
        if unique:
            index.setUnique()
        return index.setPrimaryKey() if primary else index

    def _find(self, table: Any, key: dict[str, Any]) -> Any:
        """Return the one row that has these values, by an index where there is one of these columns."""
        values = jpype.java.util.HashMap()
        for column, value in key.items():
            values.put(column, cell(str(table.getColumn(column).getType()))(value))
        row = self._package.CursorBuilder.findRow(table, values)
        if row is None:
            message = f"no row has {key}"
            raise KeyError(message)
        return row

    def _open(self, path: str) -> Any:
        file = jpype.java.io.File(path)
        database = self._package.DatabaseBuilder(file).setAutoSync(False).open()
        database.setAllowAutoNumberInsert(True)
        return database


class _Open:
    """A file that is open for one request, or the one that is kept open."""

    def __init__(self, files: Files, path: str) -> None:
        self._kept = files._kept.get(path)
        self._database = self._kept if self._kept is not None else files._open(path)

    def __enter__(self) -> Any:
        return self._database

    def __exit__(self, *_: object) -> None:
        if self._kept is None:
            self._database.close()


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what Java prints is no answer
    jpype.startJVM("-Xmx512m", classpath=[sys.argv[1]], convertStrings=False)
    files = Files()
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 -- by the tests
        except EOFError:
            break
        try:
            told = True, getattr(files, name)(*arguments)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test hears it
            told = False, f"{type(error).__name__}: {error}"
        pickle.dump(told, answers)
        answers.flush()
    os._exit(0)  # the Java machine has nothing left to write


if __name__ == "__main__":
    assert Path(sys.argv[1]).is_file()
    main()
