"""Kinds of settings that only databases have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import unquote_plus

from zkpoll.inventory.hosts import HIGHEST_PORT, check_host
from zkpoll.inventory.kinds import TEXT, VARIABLE, Kind, Label, Section, Shape, Url, Whole, pattern
from zkpoll.inventory.problems import Sentence, found, found_shape, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DIALECTS: Final = ("postgresql", "mysql", "mssql", "sqlite")
"""What a URL may begin with, alone or with a driver behind it (`mssql+pyodbc`)."""
_ALSO_CALLED: Final = {"mariadb": "mysql", "postgres": "postgresql", "sqlserver": "mssql"}
_DRIVER: Final = r"(?:\+[a-z0-9_]+)?"
_URL: Final = re.compile(
    rf"(?P<scheme>[A-Za-z0-9]+)(?P<driver>{_DRIVER})://(?P<authority>[^/?]*)(?P<path>[^?]*)(?P<query>.*)"
)
_SQLITE_PATH: Final = re.compile(r"/(?:/[^/]|[A-Za-z]:/).*")
_PASSWORD_IN_QUERY: Final = re.compile(r"(?:password|passwd|pwd|passphrase)\s*=", re.IGNORECASE)


class DatabaseUrl(Url):
    """The URL of a database, as SQLAlchemy takes it, without a password."""

    def check(self, text: str) -> str:
        """Given a URL, return it. Raise ValueError with its flaw."""
        if not text.isprintable() or any(character in ' "<>#' for character in text):
            raise ValueError("expected a URL without spaces, quotes, # or control characters")
        parts = _URL.fullmatch(text)
        if parts is None or parts["scheme"] not in DIALECTS:
            scheme = parts["scheme"].lower() if parts else ""
            meant = _ALSO_CALLED.get(scheme) or nearest(scheme, DIALECTS)
            begins = " or ".join(f"{one}://" for one in DIALECTS)
            raise ValueError(f"expected {begins}" + (f", did you mean {meant}://?" if meant else ""))
        user, _, host = parts["authority"].rpartition("@")
        if ":" in user or _PASSWORD_IN_QUERY.search(unquote_plus(parts["query"])):
            raise ValueError("expected no password in it; that goes into password: or password_file:")
        if parts["scheme"] == "sqlite":
            if host or user or not _SQLITE_PATH.fullmatch(parts["path"]):
                raise ValueError("expected sqlite:/// and an absolute path; or write the path into file:")
        elif not parts["driver"] or host:  # a driver may have a way of its own to name a server
            check_server(parts["scheme"], host)
            if not parts["driver"] and not re.fullmatch("/[^/]+", parts["path"]):
                sample = f"{parts['scheme']}://zkpoll@10.0.0.5/attendance"
                raise ValueError(f"expected the name of a database at its end, such as {sample}")
        return text

    def shape(self) -> Shape:
        """Return: a dialect, perhaps with a driver, then anything but space, quotes and a fragment."""
        return pattern(rf'^({"|".join(DIALECTS)}){_DRIVER}://[^\s"<>#]+$')


def check_server(scheme: str, text: str) -> None:
    """Given what stands between the user and the path, raise ValueError if it is no host and port."""
    parts = re.fullmatch(r"(?:\[(?P<inner>.*)\]|(?P<outer>[^:]*))(?::(?P<port>[0-9]{1,5}))?", text)
    if parts is None or not 0 < int(parts["port"] or 1) <= HIGHEST_PORT:
        raise ValueError("expected a host, or a host and a port, such as 10.0.0.5:5432")
    host = parts["inner"] or parts["outer"] or ""
    if scheme == "mssql":  # `10.0.0.7\SQLEXPRESS`: one of several servers there, by its name
        host = re.sub(r"\\[A-Za-z0-9_$#-]{1,64}$", "", host)
    check_host(host)


class Selection(Kind):
    """One SELECT that only reads."""

    LONGEST: ClassVar[int] = 20_000
    _BEGINS: ClassVar[re.Pattern[str]] = re.compile(r"(?:SELECT|WITH)\b", re.IGNORECASE)
    _WRITES: ClassVar[re.Pattern[str]] = re.compile(
        r"\b(?:INTO|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|DROP|EXEC|EXECUTE|CALL)\b",
        re.IGNORECASE,
    )

    def parse(self, value: object) -> str:
        """Given a statement, return it without blanks around it and a semicolon at its end."""
        text = value.strip().removesuffix(";").rstrip() if isinstance(value, str) else ""
        if not self._BEGINS.match(text) or len(text) > self.LONGEST:
            raise ValueError("expected one SELECT, or WITH ... SELECT")
        if ";" in text:
            raise Sentence("found a ; within it, expected one SELECT; what needs more can be a view there")
        if not re.search(r"\bSELECT\b", text, re.IGNORECASE):
            raise Sentence("found a WITH without a SELECT, expected WITH ... SELECT")
        if word := self._WRITES.search(text):
            told = f"found the word {word[0].upper()}, expected a SELECT that only reads"
            raise Sentence(f"{told}; where a column is called so, a view there can give it another name")
        return text

    def shape(self) -> Shape:
        """Return: text that begins so."""
        return pattern(r"^\s*([Ss][Ee][Ll][Ee][Cc][Tt]|[Ww][Ii][Tt][Hh])\s")


class EventTypes(Kind):
    """Types of events: numbers, and ranges of them."""

    HIGHEST: ClassVar[int] = 65_535
    _WRITTEN: ClassVar[str] = "([0-9]{1,5})(?:-([0-9]{1,5}))?"
    _EXPECTED: ClassVar[str] = f"expected a number from 0 to {HIGHEST}, or a range such as 14-19"

    def parse(self, value: object) -> frozenset[int]:
        """Given a list of numbers and of texts such as `14-19`, or a set of numbers, return the set."""
        if not isinstance(value, list | tuple | set | frozenset) or not value:
            raise Sentence(f"found {found_shape(value or None)}, expected a list, such as [0, 1, 14-19]")
        return frozenset(number for i, one in enumerate(value) for number in self._range(one, i))

    def _range(self, one: object, at: int) -> range:
        parts = re.fullmatch(self._WRITTEN, str(one)) if isinstance(one, str | int) else None
        first, last = (int(parts[1]), int(parts[2] or parts[1])) if parts else (1, 0)
        if not first <= last <= self.HIGHEST:
            raise Sentence(f"found {found(one)}, {self._EXPECTED}", key=(at,))
        return range(first, last + 1)

    @classmethod
    def written(cls, numbers: Iterable[int]) -> list[str | int]:
        """Return numbers as they are written: single ones, and ranges of several."""
        return [first if first == last else f"{first}-{last}" for first, last in _runs(sorted(numbers))]

    def shape(self) -> Shape:
        """Return: a list of numbers and ranges."""
        number = Whole(0, self.HIGHEST).shape()["anyOf"][0]
        return {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [number, pattern(f"^{self._WRITTEN}$")]},
        }


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Given numbers in their order, yield the first and the last of each run without a gap."""
    first = last = None
    for number in numbers:
        if first is not None and last is not None and number != last + 1:
            yield first, last
            first = None
        first = number if first is None else first
        last = number
    if first is not None and last is not None:
        yield first, last


class SerialOrMore(Kind):
    """A serial number, or a mapping of settings with a model of their own."""

    def parse(self, value: object) -> object:
        """Given a serial number, a mapping or the model, return it as the model takes it."""
        return value if value is not None and not isinstance(value, str) else {"serial": Label().parse(value)}

    def shape(self) -> Shape:
        """Return: text, or a mapping. Its model says more."""
        return {"anyOf": [dict(TEXT), Section().shape()]}


class ColumnName(Kind):
    """The name of a column or of a table, as the database spells it."""

    LONGEST: ClassVar[int] = 200
    _WRITTEN: ClassVar[str] = r"""[^\x00-\x1f"'`;\[\]]{1,200}"""

    def __init__(self, expected: str) -> None:
        self.expected = expected

    def parse(self, value: object) -> str:
        """Given a name, return it without blanks around it."""
        if isinstance(value, str) and value.strip() and re.fullmatch(self._WRITTEN, value):
            return value.strip()
        raise ValueError(f"expected {self.expected}, without quotes and brackets")

    def shape(self) -> Shape:
        """Return: text without quotes and brackets."""
        return {"type": "string", "pattern": rf"^{self._WRITTEN}$|{VARIABLE}"}
