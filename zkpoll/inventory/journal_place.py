"""The setting that says where the journal is: a file, or a database on a server."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import TYPE_CHECKING, Annotated, ClassVar, Final
from urllib.parse import unquote

from pydantic import Field, SecretStr
from pydantic_core import core_schema

from zkpoll.inventory.database_kinds import check_server
from zkpoll.inventory.kinds import File, Shape, pattern
from zkpoll.inventory.problems import Sentence, found_shape
from zkpoll.inventory.server_urls import SecretUrl, Server
from zkpoll.inventory.settings import in_order, masked

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

_URL: Final = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:/?]*)(?P<password>:.*)?@)?(?P<hosts>[^/?@]*)/(?P<name>[^/?@]+)"
    r"(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_SECRET_IN_QUERY: Final = re.compile(r"(?:^|&)[^=&]*(?:pass|secret)[^=&]*=", re.IGNORECASE)
_LIKE_A_URL: Final = re.compile(r"[A-Za-z0-9+]{2,}:/")
_SAMPLE: Final = "postgresql://zkpoll@db.example.com/zkpoll"


class JournalUrl(SecretUrl):
    """The URL of a PostgreSQL database, as libpq takes it; perhaps with a password."""

    def check(self, text: str) -> None:
        """Given a URL, raise ValueError with its flaw."""
        parts = _URL.fullmatch(text)
        if not text.isprintable() or any(character in ' "<>#' for character in text) or parts is None:
            raise ValueError(f"expected the URL of a PostgreSQL database, such as {_SAMPLE}")
        if _SECRET_IN_QUERY.search(unquote(parts["query"] or "")):
            raise ValueError("expected no password behind the ?; that goes into password_file:")
        for host in parts["hosts"].split(",") if parts["hosts"] else ():
            if not host.startswith("%2F"):  # the folder of a socket
                check_server("postgresql", host)

    def shape(self) -> Shape:
        """Return: postgresql or postgres, then anything but space, quotes and a fragment."""
        return pattern(r'^postgres(ql)?://[^\s"<>#]+$')


@in_order("url", "password_file")
class JournalDatabase(Server):
    """A PostgreSQL database that holds the journal. Without a password libpq looks for one."""

    FORM = _URL

    url: Annotated[SecretStr, JournalUrl(), masked] = Field(
        description=f"The database's URL, such as {_SAMPLE}"
    )

    def written(self) -> str | dict[str, str]:
        """Return it as it is written in an inventory, without secrets."""
        file = self.password_file
        return {"url": self.shown, "password_file": str(file)} if file else self.shown


class JournalPlace(File):
    """A path, the URL of a database, or a mapping of settings with a model of their own."""

    EXPECTED: ClassVar[str] = "a path, a URL (postgresql://...), or a mapping with url: and password_file:"

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda place: place.written() if isinstance(place, JournalDatabase) else str(place)
            ),
        )

    def _read(self, value: object, info: core_schema.ValidationInfo) -> Path | JournalDatabase:
        if isinstance(value, JournalDatabase):
            return value
        if isinstance(value, str) and is_url(value):
            value = {"url": JournalUrl().parse(value)}
        if isinstance(value, dict):
            return JournalDatabase.model_validate(value, context=info.context)
        if isinstance(value, list):
            raise Sentence(f"found {found_shape(value)}, expected {self.EXPECTED}")
        return self._placed(value, info)

    def shape(self) -> Shape:
        """Return: text, or a mapping. Its model says more."""
        return {"anyOf": [super().shape(), {"type": "object"}]}


def is_url(text: str) -> bool:
    """Say whether a text means a URL, and no path."""
    return _LIKE_A_URL.match(text) is not None
