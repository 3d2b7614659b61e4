"""A site that answers as Frappe HR does, as far as terminals have to do with it.

Statuses and bodies are those of `employee_checkin.py` in frappe/hrms, and of `exceptions.py`, `app.py`,
`rate_limiter.py`, `utils/response.py`, `api/v1.py` and `model/db_query.py` in frappe/frappe. Each request is
a transaction: what ends with an error leaves nothing behind.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.delivery.troubled import Troubled
from zkpoll.simulator import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zkpoll.simulator import Received

TOKEN: Final = "8d1f0c3b5a7e9d2:f6a4b2c0d8e1f35"
"""The API key and the API secret of the user that delivers."""
NOW: Final = "2026-12-24 18:00:00"
"""What the clock of the site shows."""
EMPLOYEE: Final = "Employee"
CHECKIN: Final = "Employee Checkin"
SHIFT: Final = "Shift Type"
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "twice": "This employee already has a log with the same timestamp.<Br>"
        '<a href="/app/Form/Employee Checkin/{0}" style="font-weight: bold;">Employee Checkin {0}</a>',
        "nobody": "No Employee found for the given employee field value. '{0}': {1}",
        "inactive": "Transactions cannot be created for an Inactive Employee"
        ' <a href="/app/employee/{0}">{0}</a>.',
        "required": "'employee_field_value' and 'timestamp' are required.",
        "undirected": "Log Type is required for check-ins falling in the shift: {0}.",
        "log type": 'Log Type cannot be "{0}". It should be one of "", "IN", "OUT"',
        "no right": "User <strong>api@example.com</strong> does not have doctype access via role permission"
        " for document <strong>{0}</strong>",
        "not found": "{0} {1} not found",
        "no method": "Failed to get method for command {0} with No module named '{1}'",
        "many": "Too Many Requests",
    },
    "de": {
        "twice": "Dieser Mitarbeiter hat bereits ein Protokoll mit demselben Zeitstempel.<Br>"
        '<a href="/app/Form/Employee Checkin/{0}" style="font-weight: bold;">Mitarbeiter-Check-in {0}</a>',
        "nobody": "Für den Wert des Feldes wurde kein Mitarbeiter gefunden. '{0}': {1}",
        "inactive": "Für einen inaktiven Mitarbeiter können keine Transaktionen erstellt werden:"
        ' <a href="/app/employee/{0}">{0}</a>.',
        "required": "'employee_field_value' und 'timestamp' sind erforderlich.",
        "undirected": "Für Check-ins der Schicht {0} ist der Protokolltyp erforderlich.",
        "log type": 'Protokolltyp kann nicht "{0}" sein. Es sollte "", "IN", "OUT" sein',
        "no right": "Benutzer <strong>api@example.com</strong> hat keinen Zugriff auf <strong>{0}</strong>",
        "not found": "{0} {1} nicht gefunden",
        "no method": "Methode für Befehl {0} nicht gefunden: No module named '{1}'",
        "many": "Zu viele Anfragen",
    },
}
"""What it says to a person, by the language of the site."""

Document = dict[str, Any]

_JSON: Final = {"Content-Type": "application/json"}
_TEXT: Final = "text/plain; charset=utf-8"
_FUNCTION: Final = "{}.hr.doctype.employee_checkin.employee_checkin.add_log_based_on_employee_field"
_PLACES: Final[Mapping[str, str]] = {"InactiveEmployeeStatusError": "erpnext.setup.utils"}
"""The modules of exceptions that are not in frappe.exceptions."""
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    EMPLOYEE: frozenset({"name", "employee_name", "attendance_device_id", "status"}),
    CHECKIN: frozenset(
        {
            *("name", "employee", "time", "device_id", "log_type"),
            *("skip_auto_attendance", "latitude", "longitude"),
        }
    ),
    SHIFT: frozenset({"name", "enable_auto_attendance", "last_sync_of_checkin"}),
}


def error_body(error: str, message: str = "") -> bytes:
    """Given the name of an exception and its text, return the body of the answer that tells of it."""
    raised = f"{_PLACES.get(error, 'frappe.exceptions')}.{error}"
    shown = f"{raised}: {message}" if message else raised
    trace = f'Traceback (most recent call last):\n  File "apps/frappe/frappe/app.py", line 115\n{shown}\n'
    content = {"exception": shown, "exc_type": error, "exc": json.dumps([trace])}
    if message:
        logged = {"message": message, "title": "Message", "indicator": "red", "raise_exception": 1}
        content["_server_messages"] = json.dumps([json.dumps(logged)])
    return json.dumps(content).encode()


@dataclass
class Raised(Exception):
    """A request that ends with an error."""

    status: int
    error: str
    message: str = ""


class FrappeSite(Troubled):
    """A site with its employees, their checkins and their shifts."""

    def __init__(self, seed: int | None = None) -> None:
        """Given a seed, make trouble now and then; without one, none."""
        super().__init__(seed)
        self.app = "hrms"
        self.language = "en"
        self.zone: str | None = "Asia/Dhaka"
        self.employees: list[Document] = []
        self.checkins: list[Document] = []
        """In the order of their creation."""
        self.shift_types: list[Document] = []
        self.moves: list[tuple[str, Document]] = []
        """What was PUT to each Shift Type."""
        self.denied: set[tuple[str, str]] = set()
        """What the user may not do: to a kind of documents, `read`, `create` or `write`."""
        self.sees_times = True
        """Whether the user has the permission level of the field `time`; else it is set for him."""
        self.blind_to_absent_log_type = False
        """Whether the search for a repeat compares a log type that is absent with NULL, and so finds none."""
        self.strict_shift: str | None = None
        """A shift into which all checkins fall, and whose checkins need a log type."""
        self.requests_left: int | None = None
        """How many requests the site takes before it asks to come back later."""
        self.receipts = True
        """Whether the function returns the checkin that it makes."""
        self.stored: Callable[[], None] = lambda: None
        """Called when a checkin is committed, before that is answered."""
        self._transaction = threading.Lock()

    @property
    def url(self) -> str:
        """The site's address."""
        return super().url.removesuffix("/v1/attendance")

    def employ(self, *user_ids: str, status: str = "Active") -> None:
        """Let there be employees with these user ids."""
        for user_id in user_ids:
            name = f"HR-EMP-{len(self.employees) + 1:05}"
            self.employees.append({"name": name, "attendance_device_id": user_id, "status": status})

    def shift(self, name: str, last_sync: str | None = None, *, enabled: bool = True) -> Document:
        """Let there be a Shift Type, and return it."""
        made = {"name": name, "enable_auto_attendance": int(enabled), "last_sync_of_checkin": last_sync}
        self.shift_types.append(made)
        return made

    def serve(self, request: Received) -> HttpAnswer:
        """Do what a request asks for, and answer."""
        with self._transaction:
            if self.requests_left == 0:
                headers = {"Content-Type": _TEXT, "Retry-After": "27", "X-RateLimit-Reset": "27"}
                return HttpAnswer(429, self._said("many").encode(), headers)
            if self.requests_left is not None:
                self.requests_left -= 1
            try:
                content = self._answered(request)
            except Raised as error:
                return HttpAnswer(error.status, error_body(error.error, error.message), _JSON)
            return HttpAnswer(200, json.dumps(content).encode(), _JSON)

    def _answered(self, request: Received) -> Document:
        if request.headers.get("authorization") != f"token {TOKEN}":
            raise Raised(401, "AuthenticationError")
        url = urlsplit(request.path)
        _, api, kind, *names = (unquote(part) for part in url.path.split("/"))
        match (api, kind, request.method, names):
            case "api", "method", _, [method]:
                return self._called(method, request)
            case "api", "resource", "GET", [doctype]:
                return {"data": self._list(doctype, dict(parse_qsl(url.query)))}
            case "api", "resource", "GET", [doctype, name]:
                return {"data": self._document(doctype, name, "read")}
            case "api", "resource", "PUT", [doctype, name]:
                return {"data": self._put(doctype, name, json.loads(request.body))}
            case _:
                raise Raised(404, "PageDoesNotExistError")

    # --- functions ---

    def _called(self, method: str, request: Received) -> Document:
        if method == "frappe.client.get_time_zone":
            return {"message": {"time_zone": self.zone}}
        if method != _FUNCTION.format(self.app):
            module = method.split(".")[0]
            raise Raised(417, "ValidationError", self._said("no method", method, module))
        made = self._add_log(**json.loads(request.body))
        self.stored()
        return {"message": made} if self.receipts else {}

    def _add_log(
        self,
        employee_field_value: str,
        timestamp: str,
        device_id: str | None = None,
        log_type: str | None = None,
        skip_auto_attendance: int = 0,
        employee_fieldname: str = "attendance_device_id",
        **place: float,
    ) -> Document:
        if not employee_field_value or not timestamp:
            raise Raised(417, "ValidationError", self._said("required"))
        found = self._find(EMPLOYEE, [[employee_fieldname, "=", employee_field_value]])
        if not found:
            said = self._said("nobody", employee_fieldname, employee_field_value)
            raise Raised(417, "ValidationError", said)
        time = datetime.fromisoformat(timestamp).replace(microsecond=0) if self.sees_times else NOW
        checkin = {
            "name": f"EMP-CKIN-12-2026-{len(self.checkins) + 1:06}",
            "employee": found[0]["name"],
            "time": str(time),
            "device_id": device_id,
            "log_type": log_type,
            "skip_auto_attendance": skip_auto_attendance,
            **place,
        }
        self._validate(checkin, found[0])
        self.checkins.append(checkin)
        return {"doctype": CHECKIN, **{name: value for name, value in checkin.items() if value is not None}}

    def _validate(self, checkin: Document, employee: Document) -> None:
        self._allow(CHECKIN, "create")
        if checkin["log_type"] not in (None, "", "IN", "OUT"):
            raise Raised(417, "ValidationError", self._said("log type", checkin["log_type"]))
        if employee["status"] == "Inactive":
            raise Raised(417, "InactiveEmployeeStatusError", self._said("inactive", employee["name"]))
        if repeated := self._repeated(checkin):
            raise Raised(417, "ValidationError", self._said("twice", repeated["name"]))
        if self.strict_shift and not (checkin["log_type"] or checkin["skip_auto_attendance"]):
            raise Raised(417, "ValidationError", self._said("undirected", self.strict_shift))

    def _repeated(self, checkin: Document) -> Document | None:
        if self.blind_to_absent_log_type and checkin["log_type"] is None:
            return None
        alike = ("employee", "time", "log_type")
        return next((one for one in self.checkins if all(one[key] == checkin[key] for key in alike)), None)

    # --- documents ---

    def _list(self, doctype: str, query: Mapping[str, str]) -> list[Document]:
        self._allow(doctype, "read")
        fields = json.loads(query.get("fields", '["name"]'))
        found = self._find(doctype, json.loads(query.get("filters", "[]")))
        most = int(query.get("limit_page_length", "20"))
        _check_columns(doctype, fields)
        shown = [name for name in fields if self.sees_times or name != "time"]
        return [{name: one.get(name) for name in shown} for one in found[: most or None]]

    def _find(self, doctype: str, filters: Iterable[Sequence[Any]]) -> list[Document]:
        """Return the documents that all filters fit; each is a field, `=`, `in` or `is`, and a value."""
        found = self._all(doctype)
        for name, operator, value in filters:
            _check_columns(doctype, [name])
            fits = _OPERATORS[operator]
            found = [one for one in found if fits(one.get(name), value)]
        return found

    def _document(self, doctype: str, name: str, permission: str) -> Document:
        self._allow(doctype, permission)
        for one in self._all(doctype):
            if one["name"] == name:
                return one
        raise Raised(404, "DoesNotExistError", self._said("not found", doctype, name))

    def _put(self, doctype: str, name: str, values: Document) -> Document:
        document = self._document(doctype, name, "write")
        self.moves.append((name, values))
        document.update(values)
        return document

    def _all(self, doctype: str) -> list[Document]:
        kinds = {EMPLOYEE: self.employees, CHECKIN: self.checkins, SHIFT: self.shift_types}
        if doctype not in kinds:
            raise Raised(404, "DoesNotExistError", self._said("not found", "DocType", doctype))
        return kinds[doctype]

    def _allow(self, doctype: str, permission: str) -> None:
        if (doctype, permission) in self.denied:
            raise Raised(403, "PermissionError", self._said("no right", doctype))

    def _said(self, words: str, *about: str) -> str:
        return WORDS[self.language][words].format(*about)


def _check_columns(doctype: str, names: Iterable[str]) -> None:
    for name in names:
        if name not in _FIELDS[doctype]:
            said = f"(1054, \"Unknown column 'tab{doctype}.{name}' in 'WHERE'\")"
            raise Raised(500, "OperationalError", said)


def _equal(one: Any, other: Any) -> bool:
    """Compare as the database does: texts without regard to case and to spaces at their end."""
    return str(one or "").casefold().rstrip() == str(other or "").casefold().rstrip()


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": _equal,
    "in": lambda one, others: any(_equal(one, other) for other in others),
    "is": lambda one, wanted: bool(one) is (wanted == "set"),
}
