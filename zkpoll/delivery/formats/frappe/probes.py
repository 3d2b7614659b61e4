"""The questions of a ping to a site: rights, user ids, time zone, shifts. Pure, but for the present year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.delivery.contract import Probe, Reply, Request, Verdict
from zkpoll.delivery.excerpts import excerpt
from zkpoll.delivery.formats.frappe import answers
from zkpoll.delivery.formats.frappe.answers import CHECKIN, EMPLOYEE, SHIFT, Judge
from zkpoll.delivery.verdicts import judge

if TYPE_CHECKING:
    from zkpoll.inventory.formats.frappe import Frappe

_ZONE: Final = "/api/method/frappe.client.get_time_zone"
_HOURS: Final = 366 * 24
"""Of a year: zones may change to daylight saving on one day, and at different hours."""


def probes(settings: Frappe, judge: Judge) -> tuple[Probe, ...]:
    """Ask for a checkin, an employee, the time zone, and each shift."""
    looks, field = _Looks(settings, judge), settings.employee_field
    checkins = answers.listing(CHECKIN, ["name", "time"], [], 1)
    employees = answers.listing(EMPLOYEE, ["name", field], [[field, "is", "set"]], 1)
    names = [shift.name for shift in settings.shifts]
    shifts = [Request(method="GET", path=answers.document(SHIFT, name)) for name in names]
    return (
        Probe("credentials", "a look at Employee Checkin", checkins, looks.to_checkins),
        Probe("employees", "a look at Employee", employees, looks.to_employees),
        zone_probe(settings, judge),
        *(
            Probe(f"shift {name}", f"a look at Shift Type {name}", asked, _to_shift)
            for name, asked in zip(names, shifts, strict=True)
        ),
    )


def zone_probe(settings: Frappe, judge: Judge) -> Probe:
    """Ask for the time zone of the site."""
    asked = Request(method="GET", path=_ZONE)
    return Probe("zone", "the question for its time zone", asked, _Looks(settings, judge).to_zone)


@dataclass(frozen=True, slots=True)
class _Looks:
    """The meaning of the answers to a ping."""

    settings: Frappe
    judge: Judge

    def to_checkins(self, reply: Reply) -> tuple[bool, str] | None:
        """Say whether the user may see checkins, and when they were."""
        rows = answers.rows(reply)
        if rows is None:
            return self._flaw(reply, CHECKIN)
        if rows and "time" not in rows[0]:
            return False, "accepted, but the user may not see when a checkin was; give it the role HR User"
        return True, "accepted"

    def to_employees(self, reply: Reply) -> tuple[bool, str] | None:
        """Say whether the user may see employees, and their user ids."""
        rows = answers.rows(reply)
        if rows is None:
            return self._flaw(reply, EMPLOYEE)
        field = self.settings.employee_field
        if not rows:
            return (
                False,
                f"no employee that the user may see has {field} filled in; all punches would be parked",
            )
        return True, f"found by {field}"

    def _flaw(self, reply: Reply, kind: str) -> tuple[bool, str] | None:
        decision = self.judge.not_told(reply, kind)
        return (False, decision.message) if decision.verdict is Verdict.CONFIGURATION else None

    def to_zone(self, reply: Reply) -> tuple[bool | None, str] | None:
        """Say whether the site is in the zone that the inventory says."""
        if judge(reply).verdict is Verdict.TRY_AGAIN:
            return None
        message = answers.content(reply).get("message")
        theirs = message.get("time_zone") if isinstance(message, dict) else None
        ours = self.settings.timezone
        if not theirs or not isinstance(theirs, str):
            return None, f"the site does not tell; nobody checked that it is {ours}"
        same = _same_hours(ours, theirs, datetime.now(UTC).year)
        shown = excerpt(theirs, self.judge.secrets)
        if same is None:
            return None, f"the site is in {shown}, which is unknown here; is that {ours}?"
        if not same:
            return False, f"the site is in {shown}, and timezone: says {ours}; all hours would be wrong"
        return True, shown


def _to_shift(reply: Reply) -> tuple[bool | None, str] | None:
    if judge(reply).verdict is not Verdict.CONFIRMED:
        missing = reply.status == HTTPStatus.NOT_FOUND
        return (False, "the site has no Shift Type of that name") if missing else None
    shift = answers.content(reply).get("data")
    if not isinstance(shift, dict):
        return False, "the site answered with what is no Shift Type"
    if not shift.get("enable_auto_attendance"):
        return None, "there, but with Enable Auto Attendance off, so nothing is made of its checkins"
    return True, "there, with auto attendance"


def _same_hours(one: str, other: str, year: int) -> bool | None:
    """Given two names of zones, return whether their clocks agree all year. None if one is not known here."""
    try:
        zones = ZoneInfo(one), ZoneInfo(other)
    except (KeyError, ValueError, OSError):  # not there; outside the database; a folder of it
        return None
    begin = datetime(year, 1, 1, tzinfo=UTC)
    moments = (begin + timedelta(hours=hours) for hours in range(_HOURS))
    return all(len({moment.astimezone(zone).utcoffset() for zone in zones}) == 1 for moment in moments)
