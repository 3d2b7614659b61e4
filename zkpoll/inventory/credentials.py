"""Kinds of credentials, for devices and dashboards. Most are secret."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import SecretStr

from zkpoll.inventory.files import content
from zkpoll.inventory.kinds import TEXT, Kind, Shape, Whole
from zkpoll.inventory.problems import Sentence, found, found_shape

if TYPE_CHECKING:
    from pathlib import Path


class Secret(Kind):
    """A text that is never shown, in no error either."""

    pattern: ClassVar[str]
    expected: ClassVar[str]

    def parse(self, value: object) -> SecretStr:
        """Given a secret, return it wrapped."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and self.fits(text):
            return SecretStr(text)
        shown = "(hidden)" if text and isinstance(text, str) else found(text)
        raise Sentence(f"found {shown}, expected {self.expected}")

    def fits(self, text: str) -> bool:
        """Given the text of a secret, say whether it can be one."""
        return re.fullmatch(self.pattern, text) is not None

    def shape(self) -> Shape:
        """Return: text."""
        return dict(TEXT)  # pydantic writes into what it is given


def secret_in(path: Path, kind: Secret, key: str) -> SecretStr:
    """Given a file, return the secret in it without the line end. Raise Sentence naming the file.

    `key` is the setting that names it: `token_file` for a token.
    """
    try:
        text = content(path).rstrip("\r\n")
    except Sentence as error:
        raise error.of(key) from None
    noun = key.removesuffix("_file")
    if not text:
        raise Sentence(f"{{it}} is empty, expected a {noun}", key=key, value=path)
    if not kind.fits(text):
        raise Sentence(f"{{it}} is not a {noun}, expected {kind.expected}", key=key, value=path)
    return SecretStr(text)


class CommKey(Secret):
    """The number set as "Comm Key" on a device."""

    HIGHEST = 0xFFFF_FFFF  # the protocol mixes it as 32 bits
    pattern = "[0-9]{1,10}"
    expected = f"a whole number from 0 to {HIGHEST}"

    def fits(self, text: str) -> bool:
        """Given digits, say whether they fit 32 bits."""
        return super().fits(text) and int(text) <= self.HIGHEST

    def shape(self) -> Shape:
        """Return: a number, or digits in quotes."""
        return Whole(0, self.HIGHEST).shape()


class PathSecret(Secret):
    """The secret in the path of the address that a terminal calls."""

    pattern = "[A-Za-z0-9_-]{16,64}"
    expected = "16 to 64 letters, digits, - and _"


class Token(Secret):
    """A bearer token: the text after `Bearer` in an HTTP header."""

    pattern = "[!-~]+"
    expected = "one line of ASCII characters without spaces, and without the word Bearer"


class Password(Secret):
    """The password of HTTP's basic authentication (RFC 7617)."""

    pattern = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
    expected = "a password without control characters"


class UserName(Kind):
    """The user name of HTTP's basic authentication. A colon in it would begin the password."""

    def parse(self, value: object) -> str:
        """Given a name, return it."""
        if isinstance(value, str) and ":" not in value and Password().fits(value):
            return value
        # Not shown: in `user:hunter2` half of it is the secret.
        shown = "(hidden)" if value and isinstance(value, str) else found(value)
        raise Sentence(f"found {shown}, expected a user name without ':' and control characters")

    def shape(self) -> Shape:
        """Return: text."""
        return dict(TEXT)


class SigningSecret(Secret):
    """A secret of Standard Webhooks: 24 to 64 bytes in base64, after `whsec_` or not."""

    pattern = "(?:whsec_)?[A-Za-z0-9+/]+={0,2}"
    expected = "24 to 64 bytes in base64, after whsec_ or not; openssl rand -base64 32 makes some"

    def fits(self, text: str) -> bool:
        """Given a text, say whether it holds so many bytes."""
        digits = text.removeprefix("whsec_").rstrip("=")
        try:
            return super().fits(text) and 24 <= len(base64.b64decode(digits + "=" * (-len(digits) % 4))) <= 64
        except binascii.Error:  # one digit too many
            return False


class HeaderValue(Secret):
    """The value of an HTTP header. It may be a key, so it is never shown."""

    pattern = r"[!-~\xa1-\xff](?:[ -~\xa0-\xff]*[!-~\xa1-\xff])?"
    expected = "one line of Latin-1 characters, no space around them"


_OURS: Final = frozenset(
    {
        *("host", "connection", "keep-alive", "upgrade", "te", "trailer", "transfer-encoding", "expect"),
        *("content-length", "content-type", "content-encoding", "accept", "accept-encoding"),
        *("user-agent", "idempotency-key"),
    }
)
_OUR_BEGINNINGS: Final = ("webhook-", "proxy-")


class HeaderName(Kind):
    """The name of a header that may be added to a request."""

    _WRITTEN: ClassVar[str] = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"

    def parse(self, value: object) -> str:
        """Given a name, return it. Names that the exchange itself needs are refused."""
        if not isinstance(value, str) or not re.fullmatch(self._WRITTEN, value):
            # Not shown: in `{X-Key:hunter2}` half of it is the secret.
            raise Sentence("found what is no header's name, expected a name and its value (X-Api-Key: value)")
        if value.lower() in _OURS or value.lower().startswith(_OUR_BEGINNINGS):
            raise Sentence("this header is set by zkpoll itself; expected another one")
        return value


class Headers(Kind):
    """Headers by name. In a name, case counts for nothing."""

    def parse(self, value: object) -> object:
        """Given a mapping, return it. Its names and values have kinds of their own."""
        if not isinstance(value, dict) or not value:
            shown = found_shape(value or None)
            raise Sentence(f"found {shown}, expected a mapping of headers (X-Api-Key: value)")
        if len({str(name).lower() for name in value}) < len(value):
            raise Sentence("one header is written twice; case makes no difference in its name")
        return value

    def shape(self) -> Shape:
        """Return: a mapping of texts."""
        return {"type": "object", "minProperties": 1, "additionalProperties": dict(TEXT)}
