"""A server that answers as the External JSON-2 API of Odoo 19 does, for one model that takes punches.

Statuses and bodies are those of Odoo's documentation and of its source (`addons/rpc/controllers/json2.py`,
`Json2Dispatcher` in `odoo/http.py`, `odoo/exceptions.py`, `odoo/service/model.py`). Each call is a
transaction: what ends with an error leaves nothing behind.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tests.delivery.troubled import Troubled
from zkpoll.simulator import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkpoll.simulator import Received

KEY: Final = "5f3759df0badcafe5f3759df0badcafe5f3759df"
"""The API key of the user that delivers."""
DATABASE: Final = "acme"
MODEL: Final = "zkpoll.punch"
FIELDS: Final[Mapping[str, str]] = {
    "event_id": "char",
    "badge": "char",
    "punched_at": "datetime",
    "device": "char",
    "serial_number": "char",
    "direction": "selection",
    "state": "integer",
    "verify": "integer",
}
"""The fields of the model, by type; `direction` is in or out."""
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "cannot": "The operation cannot be completed: {}",
        "twice": "This punch is here already.",
        "missing": 'Missing required value for the field "{}"',
        "denied": "You are not allowed to {} '{}' records.",
    },
    "de": {
        "cannot": "Der Vorgang kann nicht abgeschlossen werden: {}",
        "twice": "Diese Buchung ist schon da.",
        "missing": 'Fehlender Pflichtwert für das Feld "{}"',
        "denied": "Sie dürfen keine Datensätze '{1}' verwenden ({0}).",
    },
}
"""What it says, by the language of the user."""

_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}
_LARGEST: Final = 2**31 - 1
"""The largest number of an integer column."""
_ARGUMENTS: Final[Mapping[str, frozenset[str]]] = {
    "create": frozenset({"vals_list"}),
    "search_read": frozenset({"domain", "fields", "offset", "limit", "order"}),
    "has_access": frozenset({"operation"}),
}
_NEEDED: Final = {"create": "vals_list", "has_access": "operation"}


def error_body(name: str, message: str) -> bytes:
    """Given an exception's name and text, return the body of the answer that tells of it."""
    debug = f"Traceback (most recent call last):\n  File ...\n{name}: {message}\n"
    return json.dumps(
        {"name": name, "message": message, "arguments": [message], "context": {}, "debug": debug}
    ).encode()


def failure(status: int, name: str, message: str) -> HttpAnswer:
    """Given a status and an exception, return the answer that tells of it."""
    return HttpAnswer(status, error_body(name, message), _JSON)


@dataclass
class Raised(Exception):
    """A call that ends with an error."""

    status: int
    name: str
    message: str


class OdooServer(Troubled):
    """A server with one database, or several, and what becomes of the punches in it."""

    def __init__(self, seed: int | None = None) -> None:
        """Given a seed, make trouble now and then; without one, none."""
        super().__init__(seed)
        self.rows: list[dict[str, Any]] = []
        """The records there are, in the order of their creation."""
        self.databases = [DATABASE]
        """With more than one, a request has to name its own."""
        self.unique = True
        """Whether the database has the constraint on `event_id`."""
        self.language = "en"
        self.rights = {"read", "create"}
        """What the user may do with the model."""
        self.fields = dict(FIELDS)
        self.unknown: set[str] = set()
        """Badges that a constraint of the model, written in Python, refuses."""
        self.stored: Callable[[], None] = lambda: None
        """Called when a transaction is committed, before it is answered."""
        self._transaction = threading.Lock()

    @property
    def url(self) -> str:
        """The site's address."""
        return super().url.removesuffix("/v1/attendance")

    @property
    def ids(self) -> list[str]:
        """The ids of the punches that are there, each as often as it is."""
        return [row["event_id"] for row in self.rows]

    def serve(self, request: Received) -> HttpAnswer:
        """Do what a request asks for, and answer."""
        if len(self.databases) > 1 and request.headers.get("x-odoo-database") not in self.databases:
            page = b"<!doctype html><title>404 Not Found</title><p>The requested URL was not found.</p>"
            return HttpAnswer(404, page, _HTML)
        try:
            result = self._called(request)
        except Raised as error:
            return failure(error.status, error.name, error.message)
        return HttpAnswer(200, json.dumps(result).encode(), _JSON)

    def _called(self, request: Received) -> Any:
        if request.headers.get("authorization", "").lower() != f"bearer {KEY}":
            raise Raised(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
        arguments = _arguments(request)
        model, method = _target(request)
        if model != MODEL:
            raise Raised(404, "werkzeug.exceptions.NotFound", f"the model {model!r} does not exist")
        if method not in _ARGUMENTS:
            raise Raised(404, "werkzeug.exceptions.NotFound", f"The method '{model}.{method}' does not exist")
        context = arguments.pop("context", {})
        _bind(method, arguments)
        with self._transaction:
            return {
                "create": self._create,
                "search_read": self._search_read,
                "has_access": self._has_access,
            }[method](arguments, context)

    def _create(self, arguments: dict[str, Any], _: object) -> list[int]:
        self._check_right("create")
        made = [self._record(values) for values in arguments["vals_list"]]
        known = set(self.ids)
        for row in made:
            if not row["event_id"]:
                self._raise_integrity(self._say("missing", "Event (event_id)"))
            if self.unique and row["event_id"] in known:
                self._raise_integrity(self._say("twice"))
            known.add(row["event_id"])
        for row in made:
            if row["badge"] in self.unknown:
                raise Raised(422, "odoo.exceptions.ValidationError", f"No employee has badge {row['badge']}")
        for row in made:
            row["id"] = len(self.rows) + 1
            self.rows.append(row)
        self.stored()
        return [row["id"] for row in made]

    def _search_read(self, arguments: dict[str, Any], context: Mapping[str, Any]) -> list[dict[str, Any]]:
        self._check_right("read")
        asked = arguments.get("fields") or list(self.fields)
        conditions = [self._condition(*term) for term in arguments.get("domain") or ()]
        for name in asked:
            self._check_field(name)
        hidden = context.get("active_test", True)
        found = [
            {"id": row["id"]} | {name: row[name] for name in asked}
            for row in self.rows
            if (row["active"] or not hidden) and all(holds(row) for holds in conditions)
        ]
        return found[: arguments.get("limit") or None]

    def _has_access(self, arguments: dict[str, Any], _: object) -> bool:
        return arguments["operation"] in self.rights

    def _condition(self, name: str, operator: str, value: Any) -> Callable[[dict[str, Any]], bool]:
        self._check_field(name)
        assert operator == "in"
        return lambda row: row[name] in value

    def _record(self, values: dict[str, Any]) -> dict[str, Any]:
        for name in values:
            self._check_field(name)
        empty = dict.fromkeys(self.fields, False)
        return {**empty, "active": True, **{name: self._kept(name, value) for name, value in values.items()}}

    def _kept(self, name: str, value: Any) -> Any:
        """Return a value as its column keeps it."""
        match self.fields[name]:
            case "integer":
                return _integer(value)
            case "datetime":
                return _datetime(value)
            case "selection" if value and value not in ("in", "out"):
                raise Raised(500, "builtins.ValueError", f"Wrong value for {MODEL}.{name}: {value!r}")
            case _:
                return _text(value) if value else False

    def _check_right(self, operation: str) -> None:
        if operation not in self.rights:
            raise Raised(403, "odoo.exceptions.AccessError", self._say("denied", operation, MODEL))

    def _check_field(self, name: str) -> None:
        if name not in self.fields:
            raise Raised(500, "builtins.ValueError", f"Invalid field {name!r} on {MODEL!r}")

    def _raise_integrity(self, message: str) -> None:
        raise Raised(422, "odoo.exceptions.ValidationError", self._say("cannot", message))

    def _say(self, what: str, *values: str) -> str:
        return WORDS[self.language][what].format(*values)


def _target(request: Received) -> tuple[str, str]:
    """Return the model and the method that a request names."""
    match request.method, request.path.split("/"):
        case "POST", ["", "json", "2", model, method]:
            return model, method
        case _:
            message = "Did you mean POST /json/2/<model>/<method>?"
            raise Raised(404, "werkzeug.exceptions.NotFound", message)


def _arguments(request: Received) -> dict[str, Any]:
    try:
        arguments = json.loads(request.body)
    except ValueError as error:
        message = f"could not parse the body as json: {error}"
        raise Raised(400, "werkzeug.exceptions.BadRequest", message) from error
    assert isinstance(arguments, dict)
    return arguments


def _bind(method: str, arguments: Mapping[str, Any]) -> None:
    """Raise `Raised` for arguments that the method does not take, and for one that it needs."""
    name = "werkzeug.exceptions.UnprocessableEntity"
    if unexpected := sorted(arguments.keys() - _ARGUMENTS[method]):
        raise Raised(422, name, f"got an unexpected keyword argument '{unexpected[0]}'")
    needed = _NEEDED.get(method)
    if needed and needed not in arguments:
        raise Raised(422, name, f"missing a required argument: '{needed}'")


def _integer(value: Any) -> int:
    number = int(value or 0)
    if abs(number) > _LARGEST:
        raise Raised(500, "psycopg2.errors.NumericValueOutOfRange", "integer out of range")
    return number


def _datetime(value: Any) -> str:
    try:
        datetime.strptime(value, "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        raise Raised(500, "builtins.ValueError", str(error)) from error
    return str(value)


def _text(value: Any) -> str:
    text = str(value)
    if "\0" in text:
        message = "A string literal cannot contain NUL (0x00) characters."
        raise Raised(500, "builtins.ValueError", message)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Raised(500, "builtins.UnicodeEncodeError", str(error)) from error
    return text
