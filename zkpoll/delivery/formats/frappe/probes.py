"""The questions of a ping to a site: rights, user ids, time zone, shifts. Pure, but for the present year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.delivery.contract import Answer, Decision, Preflight, Probe, Reply, Request, Verdict
from zkpoll.delivery.excerpts import excerpt
from zkpoll.delivery.formats.frappe import answers
from zkpoll.delivery.formats.frappe.answers import CHECKIN, EMPLOYEE, SHIFT, ZONE, Judge
from zkpoll.delivery.verdicts import judge

if TYPE_CHECKING:
    from zkpoll.inventory.formats.frappe import Frappe

_ZONE: Final = Request(method="GET", path="/api/method/frappe.client.get_time_zone")
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
        Probe("zone", ZONE, _ZONE, looks.to_zone),
        *(
            Probe(f"shift {name}", f"a look at Shift Type {name}", asked, _to_shift)
            for name, asked in zip(names, shifts, strict=True)
        ),
    )


def zone_preflight(settings: Frappe, judge: Judge) -> Preflight:
    """Ask for the time zone of the site."""
    looks = _Looks(settings, judge)
    return Preflight(_ZONE, settings.timezone, looks.zone_in, looks.flaw_of_zone)


@dataclass(frozen=True, slots=True)
class _Looks:
    """The meaning of what a site answers about itself."""

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

    def to_zone(self, reply: Reply) -> tuple[bool, str] | None:
        """Say whether the site is in the zone that the inventory says."""
        found = self.zone_in(reply)
        if isinstance(found, Decision):
            return None if found.verdict is Verdict.TRY_AGAIN else (False, found.message)
        flaw = self.flaw_of_zone(found)
        return flaw is None, flaw or found

    def zone_in(self, answer: Answer) -> str | Decision:
        """Return the zone that an answer tells, or the decision on one that tells none."""
        if decided := self.judge.by_error(answer):
            return decided
        if not isinstance(answer, Reply) or judge(answer).verdict is not Verdict.CONFIRMED:
            return self.judge.not_told(answer, ZONE)
        message = answers.content(answer).get("message")
        if not isinstance(message, dict) or "time_zone" not in message:
            return self.judge.not_told(answer, ZONE)
        told = message["time_zone"]
        shown = excerpt(told, self.judge.secrets) if isinstance(told, str) else ""
        return shown or Decision(
            Verdict.CONFIGURATION,
            "the site does not say in which time zone it is; set Time Zone in its System Settings",
        )

    def flaw_of_zone(self, theirs: str) -> str | None:
        """Say what is wrong with the zone that the site tells."""
        ours = self.settings.timezone
        same = _same_hours(ours, theirs, datetime.now(UTC).year)
        if same is None:
            return (
                f"the site is in {theirs}, a time zone that is unknown here, and timezone: says {ours}; give"
                " the site a Time Zone that both know"
            )
        if not same:
            return f"the site is in {theirs}, and timezone: says {ours}; all hours would be wrong"
        return None


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


@cache
def _same_hours(one: str, other: str, year: int) -> bool | None:
    """Given two names of zones, return whether their clocks agree all year. None if one is not known here."""
    try:
        zones = ZoneInfo(one), ZoneInfo(other)
    except (KeyError, ValueError, OSError):  # not there; outside the database; a folder of it
        return None
    begin = datetime(year, 1, 1, tzinfo=UTC)
    moments = (begin + timedelta(hours=hours) for hours in range(_HOURS))
    return all(len({moment.astimezone(zone).utcoffset() for zone in zones}) == 1 for moment in moments)
