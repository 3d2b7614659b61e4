"""The settings, validated and frozen. Their descriptions are the schema's and the errors'."""

from __future__ import annotations

from datetime import time  # noqa: TC003  (pydantic reads the annotations)
from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from zkpoll.inventory.kinds import (
    Choice,
    CommKey,
    Duration,
    File,
    Host,
    Hours,
    Label,
    Section,
    Token,
    Url,
    Whole,
    YesNo,
    Zone,
    written,
)
from zkpoll.inventory.problems import Sentence

MASK = "********"
# A token is tens to a few thousand bytes long; a file far beyond that is the wrong file.
_LONGEST_TOKEN_FILE = 65_536  # bytes

_masked = PlainSerializer(lambda _: MASK, return_type=str)
_as_written = PlainSerializer(written, return_type=str)


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Dashboard(_Settings):
    """A dashboard that punches are sent to."""

    name: Annotated[str, Label()] = Field(
        default="dashboard", description="The name used in messages; needed in a list of dashboards"
    )
    url: Annotated[str, Url()] = Field(description="Where punches are POSTed: http or https")
    token: Annotated[SecretStr, Token(), _masked] | None = Field(
        default=None, description="Sent as Authorization: Bearer; best from the environment: ${NAME}"
    )
    token_file: Annotated[Path, File()] | None = Field(
        default=None, description="A file that holds the token, such as a systemd credential"
    )
    format: Annotated[Literal["events", "event"], Choice("events", "event")] = Field(
        default="events", description="events: a list of punches a request; event: one punch a request"
    )
    batch_size: Annotated[int, Whole(1, 10_000)] = Field(
        default=500, description="The most punches in one request"
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
    _token_from_file: SecretStr | None = PrivateAttr(None)

    def bearer(self) -> str | None:
        """Return the token's text, or None to send none; that of a file as it was at load time."""
        secret = self.token or self._token_from_file
        return secret.get_secret_value() if secret else None

    @model_validator(mode="after")
    def _read_token(self) -> Dashboard:
        if self.token_file is not None:
            if self.token is not None:
                message = "token and token_file exclude each other; keep one of them"
                raise Sentence(message, key="token_file")
            self._token_from_file = _token_in(self.token_file)
        return self


def _token_in(path: Path) -> SecretStr:
    """Given a file, return the token in it without the line end. Raise Sentence naming the file."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_TOKEN_FILE + 1).decode("ascii", "replace").rstrip("\r\n")
    except OSError as error:
        raise Sentence(f"cannot read {path}: {error.strerror}", key="token_file") from None
    if not text:
        raise Sentence(f"{path} is empty, expected a token", key="token_file")
    if len(text) > _LONGEST_TOKEN_FILE or not Token().fits(text):
        raise Sentence(f"{path} is not a token, expected {Token.expected}", key="token_file")
    return SecretStr(text)


class Clock(_Settings):
    """What to do about a device's clock."""

    set_when_off_by: Annotated[float, Duration("1s", "1h")] = Field(
        description="Set the clock after a reading when it is off by more than this, in seconds or as 30s"
    )


class Device(_Settings):
    """An attendance terminal."""

    name: Annotated[str, Label()] = Field(
        description="Our name for the device, used in messages and sent with every punch"
    )
    host: Annotated[str, Host()] = Field(description="Its IPv4 or IPv6 address, or its DNS name")
    port: Annotated[int, Whole(1, 65_535)] = Field(
        default=4370, description="Its port, as set in its Comm. menu"
    )
    transport: Annotated[Literal["tcp", "udp"], Choice("tcp", "udp")] = Field(
        default="tcp", description="tcp; udp for old devices that know nothing else"
    )
    comm_key: Annotated[SecretStr, CommKey(), _masked] | None = Field(
        default=None, description="The Comm Key set on the device, if any; a number"
    )
    timezone: Annotated[str, Zone()] = Field(
        description="The time zone of its wall clock, such as Asia/Dhaka, here or in defaults"
    )
    timeout: Annotated[float, Duration("10ms", "1h")] = Field(
        default=10, description="The longest silence between two bytes, in seconds or as 10s"
    )
    visit_limit: Annotated[float, Duration("10ms", "1d")] = Field(
        default=900, description="The limit of one visit, in seconds or as 15m; the next run goes on there"
    )
    quiet_hours: Annotated[tuple[time, time], Hours(), _as_written] | None = Field(
        default=None,
        description="When to read its whole log, once a day, by its wall clock, such as 22:00-05:00",
    )
    clock: Annotated[Clock, Section()] | None = Field(
        default=None, description="Keeps its clock right; without it nothing ever sets the clock"
    )
    serial: Annotated[str, Label()] | None = Field(
        default=None, description="Its serial number, for a device that does not tell it"
    )
    enabled: Annotated[bool, YesNo()] = Field(
        default=True, description="false takes the device out for a while"
    )

    def key(self) -> int:
        """Return the comm key as a number, 0 if there is none."""
        return int(self.comm_key.get_secret_value()) if self.comm_key else 0


SECTIONS: Final[dict[str, type[BaseModel]]] = {"clock": Clock}
"""The settings that are mappings of settings themselves, and of which."""


class Inventory(_Settings):
    """Everything one run needs to know."""

    dashboards: tuple[Dashboard, ...] = Field(description="Where punches go: one, or a named list")
    journal: Annotated[Path, File()] = Field(
        description="The journal's file; a relative path starts at the inventory's folder"
    )
    parallel: Annotated[int, Whole(1, 256)] = Field(
        default=16, description="The most devices visited at the same time"
    )
    devices: tuple[Device, ...] = Field(description="The terminals, in the order they are visited")

    def masked(self) -> dict[str, Any]:
        """Return the settings in the inventory's own words; secrets are masked, unset ones out."""
        settings = self.model_dump(mode="json", exclude_none=True)
        return {"dashboard": settings.pop("dashboards"), **settings}
