"""Settings of the format frappe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from zkpoll.inventory.formats import FIELD, FormatSettings, Names
from zkpoll.inventory.kinds import Choice, Label, Listed, Section, YesNo, Zone
from zkpoll.inventory.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


_NEVER_COMPLETE: Final = (
    "it is never read, so nobody can say up to when its punches are complete, and the shift would never move;"
    " give it host: as well, or leave it out"
)
_NEVER_TOLD: Final = (
    "it does not tell up to when its punches are complete, so the shift would never move; name"
    " devices that are read themselves"
)


class Shift(Settings):
    """A shift of Frappe, and the devices at which its people punch."""

    name: Annotated[str, Label()] = Field(description="The name of the Shift Type there")
    devices: Annotated[tuple[Annotated[str, Label()], ...], Listed(Label(), "[front-door]", least=1)] = Field(
        description="The devices at which its people punch, by our names for them"
    )


class Frappe(FormatSettings):
    """A site of Frappe HR or ERPNext."""

    timezone: Annotated[str, Zone()] = Field(
        description="The time zone of the site, as its System Settings have it, such as Asia/Dhaka"
    )
    app: Annotated[Literal["hrms", "erpnext"], Choice("hrms", "erpnext")] = Field(
        default="hrms", description="The app that holds its checkins: hrms; erpnext for version 13 and before"
    )
    employee_field: Annotated[str, FIELD] = Field(
        default="attendance_device_id", description="The field of its Employees that holds the user id"
    )
    skip_auto_attendance: Annotated[bool, YesNo()] = Field(
        default=False, description="true keeps the site from making attendance of the checkins"
    )
    shifts: Annotated[
        tuple[Annotated[Shift, Section()], ...], Listed(Section(), "[{name: Day, devices: [front-door]}]")
    ] = Field(
        default=(),
        description="Shifts that are told how far all of their devices were read, so that attendance is made"
        " no earlier",
    )

    @property
    def has_shifts(self) -> bool:
        """Whether any shift is told how far its devices were read."""
        return bool(self.shifts)

    def names(self) -> Iterator[Names]:
        """Yield the names of the shifts, and of the devices of each."""
        yield Names(
            tuple((shift.name, ("shifts", i, "name")) for i, shift in enumerate(self.shifts)), "the name"
        )
        for i, shift in enumerate(self.shifts):
            texts = tuple((name, ("shifts", i, "devices", k)) for k, name in enumerate(shift.devices))
            yield Names(
                texts,
                "in this shift",
                of_devices=True,
                no_callers=_NEVER_COMPLETE,
                no_databases=_NEVER_TOLD,
            )
