"""The settings, validated and frozen. Their descriptions are the schema's and the errors'."""

from __future__ import annotations

from datetime import datetime, time  # noqa: TC003  (pydantic reads the annotations)
from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, Field, PlainSerializer, SecretStr, model_validator

from zkpoll.inventory.credentials import CommKey
from zkpoll.inventory.dashboards import CREDENTIALS, OUTWARD, Basic, Dashboard, Signing
from zkpoll.inventory.formats import facts
from zkpoll.inventory.kinds import (
    Choice,
    Degrees,
    Duration,
    File,
    Host,
    Hours,
    Label,
    Listed,
    Moment,
    Percent,
    Section,
    State,
    WhenToClear,
    Whole,
    YesNo,
    Zone,
    written,
)
from zkpoll.inventory.monitoring import HealthChecks, Metrics
from zkpoll.inventory.people import UserIds
from zkpoll.inventory.problems import Sentence
from zkpoll.inventory.settings import Settings, masked

_as_written = PlainSerializer(written, return_type=str)

Encoding = Literal[
    "utf-8", "gb18030", "big5", "cp874", "cp932", "cp949", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254",
    "cp1255", "cp1256", "cp1257", "cp1258",
]  # fmt: skip
"""What terminals were sold with: UTF-8, and the code pages of Windows (gb18030 holds GBK and cp936)."""


class ClockSetting(Settings):
    """What to do about a device's clock."""

    set_when_off_by: Annotated[float, Duration("1s", "1h")] = Field(
        description="Set the clock after a reading when it is off by more than this, in seconds or as 30s"
    )


class Clear(Settings):
    """When to clear a device's log, of which everything is settled."""

    above: Annotated[int, Percent()] | None = Field(
        description="Clear the log when it is fuller than this, such as 80%"
    )
    """Percent of what the log can hold: 0 to clear it whenever there is anything in it, None for never."""

    def due(self, on_device: int, capacity: int | None) -> bool:
        """Given how many records a log holds and can hold, say whether to clear it.

        Where the device does not tell its capacity, nothing is a share of it.
        """
        if not self.above:
            return self.above is not None and on_device > 0
        return 0 < self.above * (capacity or 0) < on_device * 100

    def written(self) -> str | dict[str, str]:
        """Return it as it is written in an inventory."""
        words = {above: word for word, above in WhenToClear.WORDS.items()}
        return words.get(self.above) or {"above": f"{self.above}%"}


_clear_as_written = PlainSerializer(Clear.written)


class Device(Settings):
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
    comm_key: Annotated[SecretStr, CommKey(), masked] | None = Field(
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
    clock: Annotated[ClockSetting, Section()] | None = Field(
        default=None, description="Keeps its clock right; without it nothing ever sets the clock"
    )
    clear: Annotated[Clear, WhenToClear(), _clear_as_written] = Field(
        default=Clear(above=None),
        json_schema_extra={"default": "never"},
        description="When to clear its log, once all in it is delivered: never, confirmed (always) or"
        " {above: 80%}; within quiet_hours, if there are any",
    )
    since: Annotated[datetime, Moment()] | None = Field(
        default=None,
        description="Punches of its first reading that are older are held, not sent; by its wall clock",
    )
    repeat_within: Annotated[float, Duration("1s", "1h")] | None = Field(
        default=None,
        description="A repeat of a punch by the same user in the same state within this time"
        " is held, not sent",
    )
    direction: Annotated[Literal["state", "in", "out", "none"], Choice("state", "in", "out", "none")] = Field(
        default="state",
        description="What its punches mean to formats that ask for arrivals and departures: state (as"
        " in_states and out_states say), in or out (all of them), none (it cannot be told)",
    )
    in_states: Annotated[tuple[Annotated[int, State()], ...], Listed(State(), "[0, 4]")] = Field(
        default=(0, 4), description="The states that mean an arrival"
    )
    out_states: Annotated[tuple[Annotated[int, State()], ...], Listed(State(), "[1, 5]")] = Field(
        default=(1, 5), description="The states that mean a departure"
    )
    latitude: Annotated[float, Degrees(90)] | None = Field(
        default=None, description="Where it hangs, in degrees, north of the equator"
    )
    longitude: Annotated[float, Degrees(180)] | None = Field(
        default=None, description="Where it hangs, in degrees, east of Greenwich"
    )
    user_id: Annotated[UserIds, Section()] | None = Field(
        default=None, description="What becomes of its user ids on the way to any dashboard"
    )
    encoding: Annotated[Encoding, Choice(*get_args(Encoding))] = Field(
        default="utf-8", description="What its users' names are written in, as its language has it"
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

    @model_validator(mode="after")
    def _check_states(self) -> Device:
        both = sorted(set(self.in_states) & set(self.out_states))
        if both:
            key = "out_states" if "out_states" in self.model_fields_set else "in_states"
            other = "in_states" if key == "out_states" else "out_states"
            sentence = (
                f"state {both[0]} is among {other} as well ({', '.join(map(str, getattr(self, other)))})"
            )
            raise Sentence(f"{sentence}; it means one of both", key=key)
        return self

    @model_validator(mode="after")
    def _check_location(self) -> Device:
        if (self.latitude is None) != (self.longitude is None):
            given, other = ("latitude", "longitude") if self.longitude is None else ("longitude", "latitude")
            raise Sentence(f"needs {other} beside it", key=given)
        return self


SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "clock": ClockSetting, "clear": Clear, "basic": Basic, "signing": Signing,
    "metrics": Metrics, "health": HealthChecks, "user_id": UserIds, **facts.SECTIONS,
}  # fmt: skip
"""The settings that are, or may be, mappings of settings themselves or lists of such, and of which."""

SECRETS: Final = frozenset({"comm_key", "health", *CREDENTIALS, *OUTWARD})
"""The settings that hold secrets or name files that may be for zkpoll's own user alone, or may do so, and
those that need them. They matter on the way to a device or a dashboard, and not in the journal."""


class Inventory(Settings):
    """Everything one run needs to know."""

    dashboards: tuple[Dashboard, ...] = Field(description="Where punches go: one, or a named list")
    journal: Annotated[Path, File()] = Field(
        description="The journal's file; a relative path starts at the inventory's folder"
    )
    parallel: Annotated[int, Whole(1, 256)] = Field(
        default=16, description="The most devices visited at the same time"
    )
    keep_raw: Annotated[float, Duration("1d", "36500d")] = Field(
        default=400 * 86_400, description="How long copies of cleared logs are kept, in seconds or as 400d"
    )
    alert_after: Annotated[float, Duration("1m", "365d")] = Field(
        default=86_400,
        description="How old a device's last reading, or a punch that waits, may be before `zkpoll status`"
        " ends with code 1, in seconds or as 1d",
    )
    metrics: Annotated[Metrics, Section()] | None = Field(
        default=None, description="Figures of every run, for Prometheus"
    )
    health: Annotated[HealthChecks, Section()] | None = Field(
        default=None, description="A service that raises an alarm when runs fail or stay away"
    )
    devices: tuple[Device, ...] = Field(description="The terminals, in the order they are visited")

    def masked(self) -> dict[str, Any]:
        """Return the settings in the inventory's own words; secrets are masked, unset ones out."""
        settings = self.model_dump(mode="json", exclude_none=True)
        return {"dashboard": settings.pop("dashboards"), **settings}
