"""The settings of a dashboard."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PlainSerializer, PrivateAttr, SecretStr, model_validator

from zkpoll.inventory.credentials import (
    HeaderName,
    Headers,
    HeaderValue,
    Password,
    SigningSecret,
    Token,
    UserName,
    secret_in,
)
from zkpoll.inventory.files import check_key
from zkpoll.inventory.formats.facts import FACTS, WITH_SETTINGS, Facts, FormatChoice
from zkpoll.inventory.hosts import is_loopback
from zkpoll.inventory.kinds import (
    Certificates,
    Choice,
    Duration,
    EarlierNames,
    File,
    Label,
    Listed,
    Section,
    Url,
    Whole,
    YesNo,
    found_url,
)
from zkpoll.inventory.people import UserIds  # noqa: TC001  (pydantic reads the annotations)
from zkpoll.inventory.problems import Sentence
from zkpoll.inventory.settings import MASK, Settings, masked, without_query

if TYPE_CHECKING:
    from zkpoll.inventory.formats import FormatSettings

_values_masked = PlainSerializer(lambda headers: dict.fromkeys(headers, MASK), return_type=dict[str, str])

ExtraField = Literal["clock_suspect"]
"""What an event may have besides."""
AUTHORIZATIONS: Final = ("token", "token_file", "basic")
"""The settings that each give the one Authorization of a request."""
OUTWARD: Final = ("format", *WITH_SETTINGS, "user_id", "lanes")
"""The settings of the requests to a dashboard, and what depends on them."""


class Basic(Settings):
    """A user name and its password."""

    user: Annotated[str, UserName()] = Field(description="The user name")
    password: Annotated[SecretStr, Password(), masked] = Field(
        description="Its password; best from the environment or a file: ${NAME}, ${file:PATH}"
    )

    def pair(self) -> tuple[str, str]:
        """Return the user and the password's text."""
        return self.user, self.password.get_secret_value()


class Signing(Settings):
    """The secrets that requests are signed with."""

    secret: Annotated[SecretStr, SigningSecret(), masked] = Field(
        description="24 to 64 bytes in base64, after whsec_ or not; best from a file: ${file:PATH}"
    )
    previous: Annotated[SecretStr, SigningSecret(), masked] | None = Field(
        default=None, description="The secret before it, which signs as well while the dashboard changes over"
    )

    def secrets(self) -> tuple[str, ...]:
        """Return the secrets' texts, the newest first."""
        both = (self.secret, self.previous)
        return tuple(secret.get_secret_value() for secret in both if secret is not None)


class Endpoint(Settings):
    """A dashboard's name and URL."""

    name: Annotated[str, Label()] = Field(
        default="dashboard", description="The name used in messages; needed in a list of dashboards"
    )
    was: Annotated[tuple[str, ...], EarlierNames()] | None = Field(
        default=None,
        description="The name it had before, or a list of names; what the journal has for it goes on here",
    )
    url: Annotated[str, Url(), PlainSerializer(without_query, return_type=str)] = Field(
        description="Where punches are POSTed: http or https"
    )

    @property
    def exposed(self) -> bool:
        """Whether punches and secrets go to it over a network that anybody on the way can read."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and not is_loopback(parts.hostname or "")


class Credentials(Settings):
    """The settings by which a dashboard and we prove to be ourselves."""

    token: Annotated[SecretStr, Token(), masked] | None = Field(
        default=None, description="Sent as Authorization: Bearer; best from the environment: ${NAME}"
    )
    token_file: Annotated[Path, File()] | None = Field(
        default=None, description="A file that holds the token, such as a systemd credential"
    )
    basic: Annotated[Basic, Section()] | None = Field(
        default=None, description="A user and a password, sent as Authorization: Basic, instead of a token"
    )
    headers: (
        Annotated[
            dict[Annotated[str, HeaderName()], Annotated[SecretStr, HeaderValue()]], Headers(), _values_masked
        ]
        | None
    ) = Field(default=None, description="Headers sent with every request, such as X-Api-Key; never shown")
    signing: Annotated[Signing, Section()] | None = Field(
        default=None, description="Signs every request as Standard Webhooks has it"
    )
    ca_file: Annotated[Path, Certificates()] | None = Field(
        default=None, description="The authorities that may vouch for it, instead of the usual ones; PEM"
    )
    client_cert: Annotated[Path, Certificates()] | None = Field(
        default=None, description="The certificate that we show it; PEM, with its key or beside client_key"
    )
    client_key: Annotated[Path, File()] | None = Field(
        default=None, description="The key of client_cert, if that file does not hold it; PEM, no passphrase"
    )
    _token_from_file: SecretStr | None = PrivateAttr(None)

    @property
    def over_tls(self) -> bool:
        """Whether certificates mean anything."""
        return True

    def bearer(self) -> str | None:
        """Return the token's text, or None to send none. That of a file is as it was at load time."""
        secret = self.token or self._token_from_file
        return secret.get_secret_value() if secret else None

    def extra_headers(self) -> dict[str, str]:
        """Return the texts of the headers to send with every request, by name."""
        return {name: value.get_secret_value() for name, value in (self.headers or {}).items()}

    @property
    def in_headers(self) -> bool:
        """Whether an Authorization is among the headers."""
        return any(name.lower() == "authorization" for name in self.headers or ())

    @model_validator(mode="after")
    def _check_authorization(self) -> Self:
        ways = [key for key in AUTHORIZATIONS if getattr(self, key) is not None]
        if self.in_headers:
            ways.append("headers")
        if len(ways) > 1:
            first, second = ways[:2]
            shown = "an Authorization in headers" if second == "headers" else second
            raise Sentence(f"{first} and {shown} exclude each other; keep one of them", key=second)
        return self

    @model_validator(mode="after")
    def _read_token(self) -> Self:
        if self.token_file is not None:
            self._token_from_file = secret_in(self.token_file, Token(), "token_file")
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        for key in ("ca_file", "client_cert", "client_key"):
            if getattr(self, key) is not None and not self.over_tls:
                raise Sentence("means something with https:// only, and url begins with http://", key=key)
        if self.client_cert is not None:
            try:
                check_key(self.client_cert, self.client_key)
            except Sentence as error:
                raise error.of("client_key" if self.client_key else "client_cert") from None
        elif self.client_key is not None:
            raise Sentence("needs the certificate it belongs to, in client_cert", key="client_key")
        return self


CREDENTIALS: Final = tuple(Credentials.model_fields)


class Dashboard(FormatChoice, Credentials, Endpoint):
    """A dashboard that punches are sent to.

    Its settings have the order of these models, the last one first.
    """

    user_id: Annotated[UserIds, Section()] | None = Field(
        default=None, description="What becomes of user ids on the way to it, after what their device says"
    )
    extra_fields: (
        Annotated[
            tuple[Annotated[ExtraField, Choice("clock_suspect")], ...],
            Listed(Choice("clock_suspect"), "[clock_suspect]", least=1),
        ]
        | None
    ) = Field(
        default=None,
        description="What is in each event besides: clock_suspect, true where the clock it has cannot"
        " have been right",
    )
    gzip: Annotated[bool, YesNo()] = Field(
        default=False, description="true sends large requests packed, as Content-Encoding: gzip"
    )
    batch_size: Annotated[int, Whole(1, 10_000)] = Field(
        default=500, description="The most punches in one request"
    )
    lanes: Annotated[int, Whole(1, 16)] = Field(
        default=1,
        description="Requests under way at once, each of other devices; see docs/dashboards.md",
    )
    max_per_run: Annotated[int, Whole(1, 10_000_000)] | None = Field(
        default=None, description="The most punches sent in one run; the rest goes in the next"
    )
    timeout: Annotated[float, Duration("10ms", "1h")] = Field(
        default=30, description="The limit of one request from start to end, in seconds or as 30s"
    )
    attempts: Annotated[int, Whole(1, 20)] = Field(
        default=4, description="Tries of one batch within a run; the next run tries again"
    )
    retry_wait: Annotated[float, Duration("0", "1h")] = Field(
        default=1, description="The wait before the second try, doubled each time, in seconds or as 500ms"
    )
    park_retry_every: Annotated[float, Duration("1m", "365d")] = Field(
        default=86_400, description="How often a parked punch is tried again by itself, in seconds or as 1d"
    )

    @property
    def over_tls(self) -> bool:
        """Whether the dashboard is reached over TLS."""
        return urlsplit(self.url).scheme == "https"

    @property
    def facts(self) -> Facts:
        """The facts of its format."""
        return FACTS[self.format]

    @property
    def format_settings(self) -> FormatSettings | None:
        """The settings of its format, by default if none are given. None for a format without any."""
        model = self.facts.settings
        given: FormatSettings | None = getattr(self, self.format) if model else None
        return given if given or model is None else model()

    @property
    def has_shifts(self) -> bool:
        """Whether it is told how far its shifts are complete."""
        settings = self.format_settings
        return settings is not None and settings.has_shifts

    def secrets_in_bodies(self) -> tuple[str, ...]:
        """Return the texts from variables and files that stand in the bodies of requests."""
        settings = self.format_settings
        return settings.secrets_in_bodies() if settings else ()

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        for key in WITH_SETTINGS:
            if getattr(self, key) is not None and self.format != key:
                raise Sentence(f"means something with format: {key} only", key=key)
        if self.extra_fields and not self.facts.sends_events:
            events = " or ".join(row.name for row in FACTS.values() if row.sends_events)
            raise Sentence(f"means something with format: {events} only", key="extra_fields")
        if self.facts.needed and getattr(self, self.format) is None:
            raise Sentence(f"missing (format: {self.format} needs {self.facts.needed})", key=self.format)
        return self

    @model_validator(mode="after")
    def _check_lanes(self) -> Self:
        batches = getattr(self.format_settings, "each", None) is not None or not self.facts.side_by_side
        if self.lanes > 1 and batches:
            with_each = " with each" if self.facts.side_by_side else ""
            raise Sentence(
                f"is for one punch a request; format: {self.format}{with_each} takes many,"
                " which is faster: see batch_size",
                key="lanes",
            )
        return self

    @model_validator(mode="after")
    def _check_site(self) -> Self:
        parts = urlsplit(self.url)
        first = parts.path.lstrip("/").partition("/")[0]
        if self.facts.own_paths and ("?" in self.url or first in self.facts.own_paths):
            site = "the site's address alone, such as https://erp.example.com"
            raise Sentence(f"found {{it}}, expected {site}", key="url", value=self.url, show=found_url)
        if self.gzip and not self.facts.unpacks:
            raise Sentence(f"true is not for format: {self.format}, whose servers do not unpack", key="gzip")
        return self

    @model_validator(mode="after")
    def _check_user(self) -> Self:
        token = self.bearer()
        if self.facts.needs_user and not (self.in_headers or token or self.basic):
            raise Sentence(f"missing (format: {self.format} needs the key of a user)", key="token")
        form = self.facts.token
        if form and token is not None and not form.fits(token):
            key = "token" if self.token else "token_file"
            raise Sentence(f"found (hidden), expected {form.expected}", key=key)
        return self
