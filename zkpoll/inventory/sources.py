"""Settings of a source of punches, as all doors share them.

A device that is called is a source with an address; `models` has that.
"""

from __future__ import annotations

from datetime import datetime, time  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Literal, Self

from pydantic import Field, PlainSerializer, model_validator

from zkpoll.inventory.kinds import (
    Choice,
    Degrees,
    Duration,
    EarlierNames,
    Hours,
    Label,
    Listed,
    Moment,
    Section,
    State,
    YesNo,
    Zone,
    written,
)
from zkpoll.inventory.people import UserIds  # noqa: TC001  (pydantic reads the annotations)
from zkpoll.inventory.problems import Sentence
from zkpoll.inventory.settings import Settings

_as_written = PlainSerializer(written, return_type=str)


class Visited(Settings):
    """The settings of our visits to a source."""

    timeout: Annotated[float, Duration("10ms", "1h")] = Field(
        default=10, description="The longest silence before a visit is given up, in seconds or as 10s"
    )
    visit_limit: Annotated[float, Duration("10ms", "1d")] = Field(
        default=900, description="The limit of one visit, in seconds or as 15m; the next run goes on there"
    )
    quiet_hours: Annotated[tuple[time, time], Hours(), _as_written] | None = Field(
        default=None,
        description="When to read all of it, once a day, by its wall clock, such as 22:00-05:00",
    )


class SourceKey(Settings):
    """The serial number of a source, and whether it is in use."""

    serial: Annotated[str, Label()] | None = Field(
        default=None,
        description="Its serial number, for a device that pushes, or that does not tell it when it is called",
    )
    enabled: Annotated[bool, YesNo()] = Field(
        default=True, description="false takes the device out for a while"
    )


class Source(SourceKey):
    """A source of punches, and the meaning of its punches."""

    name: Annotated[str, Label()] = Field(
        description="Our name for the device, used in messages and sent with every punch"
    )
    was: Annotated[tuple[str, ...], EarlierNames()] | None = Field(
        default=None,
        description="The name it had before, or a list of names; what the journal has under it goes on here",
    )
    site: Annotated[str, Label()] | None = Field(
        default=None, description="The site where it is, one of those under sites:, whose settings it has"
    )
    timezone: Annotated[str, Zone()] = Field(
        description="The time zone of its wall clock, such as Asia/Dhaka, here, in its site or in defaults"
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

    @model_validator(mode="after")
    def _check_states(self) -> Self:
        both = sorted(set(self.in_states) & set(self.out_states))
        if both:
            key = "out_states" if "out_states" in self.model_fields_set else "in_states"
            other = "in_states" if key == "out_states" else "out_states"
            others = ", ".join(map(str, getattr(self, other)))
            usual = "" if other in self.model_fields_set else f" ({others})"
            raise Sentence(
                f"state {{it}} is among {other} as well{usual}; it means one of both",
                key=(key, getattr(self, key).index(both[0])),
                value=both[0],
            )
        return self

    @model_validator(mode="after")
    def _check_location(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            given, other = ("latitude", "longitude") if self.longitude is None else ("longitude", "latitude")
            raise Sentence(f"needs {other} beside it", key=given)
        return self
