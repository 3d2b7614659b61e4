"""The settings of workers on other machines: the broker that carries errands, and how often they are sent."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Self
from urllib.parse import quote, unquote

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_serializer, model_validator

from zkpoll.inventory.credentials import Password
from zkpoll.inventory.hosts import HIGHEST_PORT, check_host
from zkpoll.inventory.kinds import Duration, Section, Shape, pattern
from zkpoll.inventory.problems import Sentence, found
from zkpoll.inventory.scalars import Scalar
from zkpoll.inventory.server_urls import SecretUrl, Server
from zkpoll.inventory.settings import in_order

_URL: Final = re.compile(
    r"(?P<scheme>rediss?|amqps?)://(?:(?P<user>[^:/?#@]*)(?P<password>:.*)?@)?"
    r"(?:\[(?P<inner>[^\[\]/?#@]*)\]|(?P<outer>[^\[\]:/?#@]*))(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/(?P<part>/|[^/?#@]*))?",
    re.DOTALL,
)
_SAMPLE: Final = "redis://10.0.0.5:6379/1 or amqps://zkpoll@10.0.0.5/zkpoll"


class BrokerUrl(SecretUrl):
    """The URL of a Redis or a RabbitMQ server, perhaps with a password from a variable."""

    def parse(self, value: object) -> SecretStr:
        """Given a URL, return it wrapped. A password that is written out in a file is refused."""
        secret = super().parse(value)
        if isinstance(value, Scalar) and (parts := _URL.fullmatch(value)) and parts["password"]:
            written = _URL.fullmatch(value.written)
            if not value.filled or (written and "${" not in (written["password"] or "")):
                told = "found a password written out, expected ${NAME} in its place, or password_file:"
                raise Sentence(told)
        return secret

    def check(self, text: str) -> None:
        """Given a URL, raise ValueError with its flaw."""
        parts = _URL.fullmatch(text)
        if parts is None or not re.fullmatch(r"""[^\s"'<>\\]*""", _without_password(parts)):
            raise ValueError(f"expected the URL of a broker, such as {_SAMPLE}")
        check_host(parts["inner"] or parts["outer"] or "")
        if not 0 < int(parts["port"] or 1) <= HIGHEST_PORT:
            raise ValueError(f"expected a port from 1 to {HIGHEST_PORT}")
        if parts["password"] and not Password().fits(parts["password"].removeprefix(":")):
            raise ValueError(f"expected {Password.expected}")
        if parts["scheme"].startswith("redis") and not re.fullmatch("[0-9]{0,5}", parts["part"] or ""):
            raise ValueError("expected the number of a database at its end, such as redis://10.0.0.5/1")

    def shape(self) -> Shape:
        """Return: a scheme, then anything but space, quotes, a query and a fragment."""
        return pattern(r'^(redis|amqp)s?://[^\s"<>?#]+$')


def _without_password(parts: re.Match[str]) -> str:
    begin, end = parts.span("password")
    return parts.string[:begin] + parts.string[end:] if begin >= 0 else parts.string


class _WorkersSection(Section):
    """The mapping of `workers:`. A number there is what another setting is for."""

    def parse(self, value: object) -> object:
        """Given a mapping or the model, return it."""
        if isinstance(value, str) and value.isdecimal():
            raise Sentence(
                f"found {found(value)}, expected a mapping with broker: and every:; how many devices are"
                " visited at the same time is parallel:"
            )
        return super().parse(value)


SECTION: Final = _WorkersSection()


@in_order("broker", "password_file", "every")
class Workers(Server):
    """Workers on one or more machines, which visit and deliver what `zkpoll dispatch` sends them."""

    model_config = ConfigDict(json_schema_extra={"required": ["broker"]})

    FORM = _URL
    URL: ClassVar[str] = "broker"

    broker: Annotated[SecretStr, BrokerUrl()] | None = Field(
        default=None,
        description="The URL of the broker that carries errands to workers, Redis (redis://, rediss://) or"
        f" RabbitMQ (amqp://, amqps://), such as {_SAMPLE}; its password only as ${{NAME}}",
    )
    every: Annotated[float, Duration("1m", "1d")] = Field(
        default=300,
        description="How often each device and database is visited, in seconds or as 5m; to dashboards is"
        " delivered each minute",
    )

    @model_validator(mode="after")
    def _check_broker(self, info: ValidationInfo) -> Self:
        if self.broker is None and (info.context or {}).get("secrets", True):
            raise Sentence(f"missing ({type(self).model_fields['broker'].description})", "broker")
        return self

    @field_serializer("broker")
    def _broker_shown(self, broker: SecretStr | None) -> str | None:
        return self.shown if broker else None

    def broker_url(self) -> str:
        """Return the whole URL for the client library: user and password in it, percent-encoded.

        Never to be shown. Raise LookupError where it was left unread, as it may hold secrets.
        """
        parts = _URL.fullmatch(self.address)
        assert parts is not None  # noqa: S101  # its kind has seen to it
        password = self.password_text()
        login = quote(unquote(parts["user"] or ""), safe="")
        login += "" if password is None else f":{quote(password, safe='')}"
        host = f"[{parts['inner']}]" if parts["inner"] else parts["outer"]
        port = f":{parts['port']}" if parts["port"] else ""
        part = {"/": "/%2F", "": "", None: ""}.get(parts["part"], f"/{parts['part']}")
        return f"{parts['scheme']}://{login and f'{login}@'}{host}{port}{part}"
