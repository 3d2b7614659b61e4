"""Whether a login could write to a table. What it may do besides is not asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from zkpoll.bridge.sql_catalogue import FoundTable

_WRITING: Final = re.compile(r"\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE)\b")
_GRANT: Final = re.compile(r"GRANT (?P<rights>.+?) ON (?P<where>\S+|`.+?`\.(?:`.+?`|\*)) TO ")
_RIGHTS: Final = ("INSERT", "UPDATE", "DELETE")


def may_write(connection: Connection, found: FoundTable) -> bool | None:
    """Return whether the login may insert, update or delete rows; None where that cannot be told."""
    dialect = connection.dialect
    if dialect.name == "postgresql":
        return bool(
            connection.scalar(
                select(func.has_table_privilege(_quoted(connection, found), ", ".join(_RIGHTS)))
            )
        )
    if dialect.name == "mssql":
        name = _quoted(connection, found)
        told = connection.execute(
            select(*(func.has_perms_by_name(name, "OBJECT", right) for right in _RIGHTS))
        ).one()
        return None if None in told else any(told)
    if dialect.name == "mysql":
        schema = found.schema or dialect.default_schema_name or ""
        return granted(connection.scalars(text("SHOW GRANTS")).all(), schema, found.name)
    return None


def _quoted(connection: Connection, found: FoundTable) -> str:
    """Return the name of a table as a value that the server reads as a name."""
    first, last = "[]" if connection.dialect.name == "mssql" else '""'
    names = (found.schema or connection.dialect.default_schema_name, found.name)
    return ".".join(f"{first}{one.replace(last, last * 2)}{last}" for one in names if one)


def granted(grants: Iterable[str], schema: str, table: str) -> bool | None:
    """Given what MySQL tells a login of its rights, return whether it may write to a table. Pure.

    None where it has roles, whose rights are not told.
    """
    roles = False
    for grant in grants:
        found = _GRANT.match(grant)
        if found is None:
            roles = roles or grant.startswith("GRANT ")
        elif _WRITING.search(found["rights"]) and _covers(found["where"], schema, table):
            return True
    return None if roles else False


def _covers(where: str, schema: str, table: str) -> bool:
    """Say whether a place of a grant, in which `_` and `%` stand for letters, has a table."""
    database, _, name = where.replace("`", "").partition(".")
    if name not in ("*", table):
        return False
    pattern = "".join(
        {"%": ".*", "_": "."}.get(part, re.escape(part.removeprefix("\\")))
        for part in re.findall(r"\\.|.", database)
    )
    return database == "*" or re.fullmatch(pattern, schema) is not None
