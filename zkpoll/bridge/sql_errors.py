"""What servers and their drivers complain of, in errors of ours. Pure.

Of a server's own words only the first line is told, and only where such a line names no more than tables,
logins and hosts: others quote values of rows.
"""

from __future__ import annotations

import os
import re
from errno import ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Damaged, MissingDriver, Refused, Silent, Unreachable, WrongSchema, ZkpollError
from zkpoll.model.printable import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.bridge.contract import Target

SERVERS: Final[Mapping[str, str]] = {
    "postgresql": "PostgreSQL",
    "postgres": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MySQL",
    "mssql": "SQL Server",
    "sqlserver": "SQL Server",
    "sqlite": "SQLite",
}
"""What the servers are called, by the beginnings of their addresses."""

_REASONS: Final[Mapping[type[ZkpollError], str]] = {
    Unreachable: "the server cannot be reached",
    Refused: "the server refuses",
    Silent: "the server stopped answering",
    WrongSchema: "the server lacks a table or a column, or it is of another type",
    Damaged: "the server says that its data is damaged",
}
_LOCKED: Final = "a table is locked by another program"
_TOO_LONG: Final = "the server took too long for one statement"
_LONGEST: Final = 200
"""Characters of a server's own line that are told."""

# SQLSTATE: of PostgreSQL, and of ODBC. The longest beginning that is here decides.
_STATES: Final[Mapping[str, type[ZkpollError]]] = {
    "08": Silent, "28": Refused, "3D": Refused, "3F": WrongSchema, "42": WrongSchema, "42501": Refused,
    "42000": Refused, "40": Silent, "53": Silent, "55": Silent, "57": Silent, "58": Silent, "HYT": Silent,
    "XX001": Damaged, "XX002": Damaged,
}  # fmt: skip
_MYSQL: Final[Mapping[int, type[ZkpollError]]] = {
    **dict.fromkeys((1044, 1045, 1049, 1130, 1142, 1143, 1227, 1251, 1370, 1698, 1862), Refused),
    **dict.fromkeys((1051, 1054, 1146, 1356), WrongSchema),
    **dict.fromkeys((0, 1053, 1080, 1205, 1213, 1317, 1927, 1969, 2006, 2013, 2055, 3024), Silent),
    **dict.fromkeys((1034, 1035, 1194, 1195), Damaged),
    **dict.fromkeys((2002, 2003, 2005), Unreachable),
}
# Numbers below 20000 are of SQL Server, the others of the library under pymssql.
_SQL_SERVER: Final[Mapping[int, type[ZkpollError]]] = {
    **dict.fromkeys((229, 230, 262, 300, 916, 4060, 4064, 18452, 18456, 18470, 18486, 18487, 18488), Refused),
    **dict.fromkeys((207, 208, 2812, 4121), WrongSchema),
    **dict.fromkeys((1204, 1205, 1222, 20003, 20004, 20006, 20017, 20047), Silent),
    **dict.fromkeys((605, 823, 824, 825, 8646), Damaged),
    **dict.fromkeys((20002, 20009, 20012, 20013), Unreachable),
}
_SQLITE: Final[Mapping[int, type[ZkpollError]]] = {
    1: WrongSchema,
    5: Silent,
    6: Silent,
    11: Damaged,
    26: Damaged,
}
_LOCKS: Final = frozenset({"55P03", 1205, 1222})
_LIMITS: Final = frozenset({"57014", 1969, 3024, 20003})
_LOST: Final = (2006, 2013, 2055, 20003, 20004, 20006, 20017, 20047)
_DB_LIB: Final = re.compile(
    r"DB-Lib error message (\d+)(?:, severity \d+:?)?(?:\s+General SQL Server error:.*)?"
)
"""What the library under pymssql puts between the words of a server and its own."""
_WRAPPED: Final = re.compile(r"^(Cannot \w+ transaction): \(.*", re.DOTALL)
"""What pymssql makes of an error where a transaction cannot begin or end: numbers and words in one text."""
_CHECK_MESSAGES: Final = 20018
"""What that library adds where the server itself complained."""
_QUOTING: Final = ("21", "22", "23")
"""Classes of SQLSTATE whose messages quote values."""
_QUOTING_NUMBERS: Final = frozenset({245, 248, 2601, 2627, 2628})
"""Numbers of SQL Server's whose messages do."""
_NOBODY: Final = (ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT)
_ABSENT: Final = re.compile(
    "|".join(
        [
            *(re.escape(os.strerror(one)) for one in _NOBODY),
            "could not translate host name", "failed to resolve host", "timeout expired",
            "server closed the connection unexpectedly", "received invalid response", "timed out",
            "Could not set connection properties", "Cannot start transaction",
        ]
    )
)  # fmt: skip
"""What the drivers say where no server answered; any other word while connecting is the server's.

The last two are pymssql's, for a connection that ends behind the login.
"""


def missing_driver(target: Target) -> MissingDriver:
    """Return the error where no package here speaks to a database."""
    scheme = "sqlite" if target.url is None else target.url.partition(":")[0].partition("+")[0]
    return MissingDriver(f"reading {SERVERS.get(scheme, scheme)} needs pip install 'zkpoll[bridge]'")


def told(error: BaseException, *, connecting: bool, password: str | None = None) -> ZkpollError:
    """Given what a driver raised, return the error to raise for it."""
    code, line = _code(error), _line(error, password)
    if isinstance(error, RuntimeError) and "cryptography" in str(error):
        return MissingDriver("this login at MySQL needs pip install cryptography")
    kind = _kind(error, code, connecting=connecting)
    if code in _LOCKS:
        return kind(_LOCKED)
    if code in _LIMITS and not connecting:
        return kind(_TOO_LONG)
    if code in _QUOTING_NUMBERS or (isinstance(code, str) and code.startswith(_QUOTING)):
        return kind(f"{_REASONS[kind]}: error {code}")
    return kind(f"{_REASONS[kind]}: {line}" if line else _REASONS[kind])


def _kind(error: BaseException, code: str | int | None, *, connecting: bool) -> type[ZkpollError]:
    driver = type(error).__module__.partition(".")[0]
    if isinstance(code, str):
        found = next((_STATES[code[:n]] for n in (5, 3, 2) if code[:n] in _STATES), Refused)
        return Unreachable if connecting and code.startswith(("08", "HYT")) else found
    if code is None:
        if connecting:
            return Unreachable if _ABSENT.search(str(error)) else Refused
        return Silent
    if connecting and code in _LOST:
        return Unreachable
    return {"pymysql": _MYSQL, "sqlite3": _SQLITE}.get(driver, _SQL_SERVER).get(code, Refused)


def _code(error: BaseException) -> str | int | None:
    """Return the number or SQLSTATE that a driver tells, or None."""
    number = getattr(error, "sqlite_errorcode", None)
    if isinstance(number, int):
        return number & 0xFF
    first = error.args[0] if error.args else None
    pair = first if isinstance(first, tuple) else error.args
    if len(pair) == 2 and isinstance(pair[1], bytes):
        return _pymssql_number(*pair)
    if isinstance(first, int):
        return first
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state
    return first if isinstance(first, str) and re.fullmatch(r"[0-9A-Z]{5}", first) else None


def _pymssql_number(number: int, text: bytes) -> int:
    """Given the number that pymssql tells, and the words, return the number that this failure is of.

    For a login the number is the worst of all that failed in this process: after a wrong password, a server
    that is away has that of a wrong password. For a silence it is that of what came of it. The words are of
    this failure.
    """
    own = [int(one) for one in _DB_LIB.findall(text.decode("utf-8", "replace"))]
    return number if not own or _CHECK_MESSAGES in own else own[0]


def _line(error: BaseException, password: str | None) -> str:
    """Return the first line of what a driver says, fit for a screen and without the password."""
    text: object = error.args[-1] if error.args else ""
    if isinstance(text, tuple) and text:
        text = text[-1]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = str(text)
    if text.startswith("DB-Lib") and str(_CHECK_MESSAGES) in _DB_LIB.findall(text):
        return "the login failed"  # the server's own words come with the first of such failures alone
    lines = _DB_LIB.sub("\n", _WRAPPED.sub(r"\1", text)).splitlines()
    line = next((line.strip() for line in lines if line.strip()), "")
    if password:
        line = line.replace(password, "…")
    return shown(line[:_LONGEST].rstrip(".: "))
