"""Servers of our own that are named by a URL, and the passwords that may stand in it."""

from __future__ import annotations

import re  # noqa: TC003  (pydantic reads the annotations)
from pathlib import Path  # noqa: TC003
from typing import Annotated, ClassVar, Self
from urllib.parse import unquote

from pydantic import Field, PrivateAttr, SecretStr, model_validator

from zkpoll.inventory.credentials import Password, secret_in
from zkpoll.inventory.hosts import without_secrets
from zkpoll.inventory.kinds import File, Kind
from zkpoll.inventory.problems import Sentence, found
from zkpoll.inventory.scalars import as_written
from zkpoll.inventory.settings import MASK, Settings, without_query


class SecretUrl(Kind):
    """A URL that may hold a password, so it is never shown as it is."""

    def parse(self, value: object) -> SecretStr:
        """Given a URL, return it wrapped. A wrong one is shown without the part that may be a password."""
        written = value.get_secret_value() if isinstance(value, SecretStr) else value
        text = written if isinstance(written, str) else ""
        try:
            self.check(text)
        except ValueError as error:
            shown = found(_hidden(as_written(written) or text)) if text else found(written)
            raise Sentence(f"found {shown}, {error}") from None
        return SecretStr(text)

    def check(self, text: str) -> None:
        """Given a URL, perhaps as it was written, raise ValueError with its flaw."""
        raise NotImplementedError


def _hidden(url: str) -> str:
    """Given a wrong URL, return it without what may be a password, also where the @ behind it is missing."""
    if "@" in url:
        return without_secrets(url)
    scheme, mark, rest = url.rpartition("://")
    host, colon, _ = rest.partition(":")
    return without_secrets(f"{scheme}{mark}{host}{colon and ':(hidden)'}")


class Server(Settings):
    """A server that is named by a URL. Its password stands in there, or in a file."""

    FORM: ClassVar[re.Pattern[str]]
    """A valid URL. The group `password` is the password with the colon in front of it."""
    URL: ClassVar[str] = "url"
    """The setting that has it."""

    password_file: Annotated[Path, File()] | None = Field(
        default=None, description="A file that holds the password, such as a systemd credential"
    )
    _password_from_file: SecretStr | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _read_password(self) -> Self:
        if self.password_file is not None and getattr(self, self.URL) is not None:
            if self._url_without("")[1]:
                raise Sentence(
                    f"a password in {self.URL} and password_file exclude each other; keep one of them",
                    "password_file",
                )
            self._password_from_file = secret_in(self.password_file, Password(), "password_file")
        return self

    @property
    def address(self) -> str:
        """The URL without a password. Raise LookupError where it was left unread, as it may hold secrets."""
        return self._url_without("")[0]

    @property
    def shown(self) -> str:
        """The URL with the mask for a password, and for a query."""
        return without_query(self._url_without(f":{MASK}")[0])

    def password_text(self) -> str | None:
        """Return the password, None where there is none. That of a file is as it was at load time."""
        if self._password_from_file:
            return self._password_from_file.get_secret_value()
        password = self._url_without("")[1]
        return unquote(password.removeprefix(":")) if password else None

    def _url_without(self, mask: str) -> tuple[str, str]:
        """Return the URL with a mask for the password and its colon, and both of these, '' if not there."""
        url: SecretStr | None = getattr(self, self.URL)
        if url is None:
            raise LookupError(f"{self.URL} was left unread")
        parts = self.FORM.fullmatch(text := url.get_secret_value())
        assert parts is not None  # noqa: S101  # its kind has seen to it
        if parts["password"] is None:
            return text, ""
        begin, end = parts.span("password")
        return f"{text[:begin]}{mask}{text[end:]}", parts["password"]
