"""Punches as Employee Checkins, one a request. Pure.

A site refuses a repeat and an unknown employee alike, in its own language, so no refusal is believed before
a look at its records:

    GET Employee Checkin                      is there any of that second? (asked where it may be)
    | POST add_log_based_on_employee_field    refused, or the answer lost
    | GET Employee                            whose user id is it?
    | GET Employee Checkin                    is there one of theirs of that second?

The function is in employee_checkin.py of frappe/hrms. A punch without direction is always looked for first:
some versions compare its log type with NULL when they look for a repeat, find none, and store it twice.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from zkpoll.delivery.contract import Answer, Decision, Failure, Reply, Request, Verdict, carrying
from zkpoll.delivery.excerpts import excerpt
from zkpoll.delivery.formats.events import compact
from zkpoll.delivery.formats.fields import WALL_CLOCK
from zkpoll.delivery.formats.frappe import answers
from zkpoll.delivery.formats.frappe.answers import CHECKIN, EMPLOYEE, Judge
from zkpoll.delivery.formats.frappe.probes import probes, zone_preflight
from zkpoll.delivery.formats.frappe.shifts import follow_up
from zkpoll.delivery.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.delivery.contract import Exchange, FollowUp, Preflight, Probe
    from zkpoll.delivery.origins import Direction, Origins
    from zkpoll.inventory.formats.frappe import Frappe
    from zkpoll.model.punch import Event

_METHOD: Final = (
    "/api/method/{app}.hr.doctype.employee_checkin.employee_checkin.add_log_based_on_employee_field"
)
_LOG_TYPES: Final[Mapping[Direction, str]] = {"in": "IN", "out": "OUT"}
_SHARING: Final = 20
"""Employees with one user id, and checkins of one second, that are looked at; there should be one."""
_SECOND: Final = len("2026-11-22 08:59:58")
_OF_THE_DATABASE: Final = ("OperationalError", "InternalError", "InterfaceError", "ProgrammingError")
"""Ends of the names of errors that no record causes; any other that a site did not see coming, such as a
TypeError in a customisation of it, may well be this record's, and must not hold up the others."""
_INACTIVE: Final = "InactiveEmployeeStatusError"
_NOT_THERE: Final = "DoesNotExistError"
_NOT_AT_WORK: Final = "the employee is inactive"


@dataclass(frozen=True, slots=True)
class _Absent:
    """That the site has no such checkin of anybody with the punch's user id."""

    inactive: bool
    """Whether all with that user id have left."""


_Look: TypeAlias = Generator[Request, Answer, Decision | _Absent]


@dataclass(frozen=True, slots=True)
class FrappeFormat:
    """The format `frappe`: a checkin a request."""

    settings: Frappe
    origins: Origins
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no message may hold."""
    most = 1

    @property
    def _judge(self) -> Judge:
        return Judge(self.secrets)

    def carry(self, events: Sequence[Event]) -> Request:
        """Return the request that carries exactly one event, without the fields that nobody knows."""
        (event,) = events
        source = self.origins.of(event)
        arguments = {
            "employee_field_value": event.user_id,
            "timestamp": self._time(event),
            "device_id": event.device,
            "log_type": self._log_type(event),
            "latitude": source and source.latitude,
            "longitude": source and source.longitude,
            "skip_auto_attendance": int(self.settings.skip_auto_attendance),
            "employee_fieldname": self.settings.employee_field,
        }
        body = compact({name: value for name, value in arguments.items() if value is not None})
        return carrying(events, body, path=_METHOD.format(app=self.settings.app))

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Send exactly one event, unless it is there already. Look for it if the answer leaves that open."""
        (event,) = events
        if unsure or self._log_type(event) is None:
            decided = yield from self._looked_for(event)
            if decided:
                return decided
        answer = yield self.carry(events)
        if isinstance(answer, Failure):
            return judge(answer, self.secrets)
        if decided := self._decided(event, answer):
            return decided
        found = yield from self._looked_up(event)
        return found if isinstance(found, Decision) else self._refused(event, answer, found)

    def resend(self, request: Request) -> None:
        """Send nothing again as it was: what may be there is looked for first."""

    def preflight(self) -> Preflight:
        """Ask for the site's time zone: in another one, all hours would be wrong, and nobody would notice."""
        return zone_preflight(self.settings, self._judge)

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the rights of the user of the token, and for the set-up of the site."""
        return probes(self.settings, self._judge)

    def follow_ups(self) -> tuple[FollowUp, ...]:
        """Tell the site how far the punches of each shift are complete."""
        zone = ZoneInfo(self.settings.timezone)
        return tuple(follow_up(shift, zone, self._judge) for shift in self.settings.shifts)

    # --- what is sent ---

    def _time(self, event: Event) -> str:
        """Return its time by the wall clock of the site, the only one it knows."""
        zone = ZoneInfo(self.settings.timezone)
        return datetime.fromisoformat(event.timestamp).astimezone(zone).strftime(WALL_CLOCK)

    def _log_type(self, event: Event) -> str | None:
        direction = self.origins.direction(event)
        return _LOG_TYPES[direction] if direction else None

    # --- what the site has ---

    def _looked_for(self, event: Event) -> Generator[Request, Answer, Decision | None]:
        """Look for an event before it is sent. Return the decision if it is there, else None."""
        anybodys = [("time", "=", self._time(event))]
        answer = yield answers.listing(CHECKIN, ["name"], anybodys, 1)
        found = answers.rows(answer)
        if found is None:
            return self._judge.not_told(answer, CHECKIN)
        if not found:
            return None
        looked_up = yield from self._looked_up(event)
        return looked_up if isinstance(looked_up, Decision) else None

    def _looked_up(self, event: Event) -> _Look:
        """Look for the person and the checkin of an event. Return the decision, or that there is none."""
        whose = [self.settings.employee_field, "=", event.user_id]
        answer = yield answers.listing(EMPLOYEE, ["name", "status"], [whose], _SHARING)
        people = answers.rows(answer)
        if people is None:
            return self._judge.not_told(answer, EMPLOYEE)
        if not people:
            shown = excerpt(f"{self.settings.employee_field} {event.user_id}", self.secrets)
            return _rejected(event, f"no employee has {shown}")
        names = [person["name"] for person in people]
        theirs = [("employee", "in", names), ("time", "=", self._time(event))]
        answer = yield answers.listing(CHECKIN, ["name", "log_type", "device_id"], theirs, _SHARING)
        checkins = answers.rows(answer)
        if checkins is None:
            return self._judge.not_told(answer, CHECKIN)
        if any(self._is_it(event, checkin) for checkin in checkins):
            return Decision(Verdict.CONFIRMED)
        return _Absent(all(person.get("status") == "Inactive" for person in people))

    def _is_it(self, event: Event, checkin: Mapping[str, Any]) -> bool:
        """Say whether a checkin of the event's person and second is the event.

        One of the same terminal is, with any log type: `direction:` may have been changed since it was sent,
        and a site may fill in a log type of its own where there is none. So is one of the same log type, as
        to the site.
        """
        same_terminal = checkin.get("device_id") == event.device
        return same_terminal or (checkin.get("log_type") or None) == self._log_type(event)

    # --- what an answer means ---

    def _decided(self, event: Event, reply: Reply) -> Decision | None:
        """Given the reply to an event, return the decision by it alone. None if the site must be asked."""
        decision = self._judge.by_status(reply)
        if decision.verdict is Verdict.CONFIRMED:
            return self._receipt(event, answers.content(reply).get("message"))
        error = answers.error_of(reply)
        if error == _INACTIVE:
            return _rejected(event, self._judge.excerpt(reply) or _NOT_AT_WORK)
        if known := self._judge.by_error(reply):
            return known
        missing = reply.status == HTTPStatus.NOT_FOUND and error == _NOT_THERE
        broken = reply.status == HTTPStatus.INTERNAL_SERVER_ERROR
        failed = broken and bool(error) and not error.endswith(_OF_THE_DATABASE)
        conflict = reply.status == HTTPStatus.CONFLICT
        unclear = missing or failed or conflict or decision.verdict is Verdict.SUSPECT
        return None if unclear else decision

    def _receipt(self, event: Event, message: Any) -> Decision | None:
        """Given the message about a stored checkin, return the decision. None if it is no receipt.

        A site that does not let the user set the time of a checkin gives it the present one, without a word
        (validate_higher_perm_levels in frappe/model/document.py, for the field is of level 1).
        """
        receipt = message if isinstance(message, dict) else {}
        name, time = receipt.get("name"), receipt.get("time")
        if not (name and isinstance(name, str) and isinstance(time, str)):
            return None
        sent, stored = self._time(event), time[:_SECOND].replace("T", " ")
        if stored == sent:
            return Decision(Verdict.CONFIRMED)
        checkin = excerpt(f"{name} with the time {stored}", self.secrets)
        return Decision(
            Verdict.GONE,
            f"the site made {checkin} of a punch at {sent}, so nothing more is sent; delete that one, and let"
            " the user of token: set the time of an Employee Checkin (the role HR User)",
        )

    def _refused(self, event: Event, reply: Reply, found: _Absent) -> Decision:
        """Given a reply that decides nothing on an event that is not there, return the decision."""
        decision = self._judge.by_status(reply)
        if decision.verdict is Verdict.CONFIRMED:
            meant = "without a receipt, and has no such checkin; check url: and app:"
            return Decision(Verdict.CONFIGURATION, self._judge.sentence(reply, meant))
        if found.inactive:
            return _rejected(event, self._judge.excerpt(reply) or _NOT_AT_WORK)
        if reply.status == HTTPStatus.CONFLICT:
            return decision
        return Decision(Verdict.SUSPECT, self._judge.sentence(reply, "and refused it"))


def _rejected(event: Event, why: str) -> Decision:
    return Decision(Verdict.NAMED, rejected={event.id: why})
