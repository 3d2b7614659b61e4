"""Every answer of Odoo that docs/odoo.md tells about, and what it has to mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.delivery import answers
from tests.delivery.odoo_server import error_body
from tests.delivery.outbox import some_events
from zkpoll.delivery.contract import Answer, Failure, Reply, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.model.punch import Event

EVENTS: Final = tuple(some_events(3))
"""The events of the request that is answered."""
PAGE: Final = b"<!doctype html><title>Odoo</title>"


def returned(value: object) -> Reply:
    """Given what a call returns, return the answer that tells of it."""
    return Reply(200, "application/json; charset=utf-8", json.dumps(value).encode())


def raised(status: int, name: str, message: str = "Nicht möglich") -> Reply:
    """Given a status and an exception, return the answer that tells of it."""
    return Reply(status, "application/json; charset=utf-8", error_body(name, message))


def page(status: int) -> Reply:
    """Return an answer for a person's browser."""
    return Reply(status, "text/html; charset=utf-8", PAGE)


def look(events: Sequence[Event]) -> Reply:
    """Given the events that are there, return the answer to a look at all of them."""
    return returned([{"id": at, "event_id": event.id} for at, event in enumerate(events, 1)])


@dataclass(frozen=True)
class Case(answers.Case):
    """A row of the table: answers to the call that creates records, or to a look where nothing is created."""

    looked: Answer | None = None
    """What a look at the model then finds; None where nobody looks."""


_WITHOUT_NUMBERS: Final = (
    returned([]),
    returned([1, 2]),
    returned([1, 2, True]),
    returned({"ids": [1, 2, 3]}),
    Reply(200),
    Reply(202, body=b"[1, 2, 3]"),
    page(200),
)
_REFUSALS: Final = (
    raised(422, "odoo.exceptions.ValidationError"),
    raised(422, "odoo.exceptions.UserError"),
    raised(422, "werkzeug.exceptions.UnprocessableEntity"),
    raised(400, "werkzeug.exceptions.BadRequest"),
    raised(500, "builtins.ValueError", "Invalid field 'badge' on 'zkpoll.punch'"),
    raised(500, "builtins.UnicodeEncodeError"),
    raised(500, "psycopg2.errors.NumericValueOutOfRange", "integer out of range"),
)
_ALL, _ONE, _NOBODY = look(EVENTS), look(EVENTS[:1]), look(())

CASES: Final = (
    Case("200 with the numbers of as many new records", (returned([7, 8, 9]),), Verdict.CONFIRMED),
    Case(
        "any other 2xx, or a refusal; all are there",
        _WITHOUT_NUMBERS + _REFUSALS,
        Verdict.CONFIRMED,
        looked=_ALL,
    ),
    Case(
        "any other 2xx, or a refusal; some are there",
        _WITHOUT_NUMBERS + _REFUSALS,
        Verdict.NAMED,
        "those confirmed",
        _ONE,
    ),
    Case("any other 2xx; none is there", _WITHOUT_NUMBERS, Verdict.CONFIGURATION, looked=_NOBODY),
    Case("a refusal; none is there", _REFUSALS, Verdict.SUSPECT, looked=_NOBODY),
    Case(
        "409 and any other 500",
        (
            raised(500, "psycopg2.errors.SerializationFailure"),
            raised(500, "psycopg2.OperationalError"),
            raised(500, "odoo.exceptions.ConcurrencyError"),
            Reply(500),
            page(500),
            raised(409, "odoo.exceptions.LockError"),
        ),
        Verdict.TRY_AGAIN,
    ),
    Case(
        "408, 425, 429, 502, 503, 504",
        tuple(page(status) for status in (408, 425, 429, 502, 503, 504)),
        Verdict.TRY_AGAIN,
    ),
    Case("no connection, or no whole answer within `timeout`", (Failure("refuses"),), Verdict.TRY_AGAIN),
    Case("413", (page(413),), Verdict.TOO_LARGE),
    Case("401: the API key", (raised(401, "werkzeug.exceptions.Unauthorized"),), Verdict.CONFIGURATION),
    Case(
        "403: the rights of its user",
        (raised(403, "odoo.exceptions.AccessError"), raised(403, "odoo.exceptions.AccessDenied"), page(403)),
        Verdict.CONFIGURATION,
    ),
    Case(
        "404: no such model, database or API",
        (raised(404, "werkzeug.exceptions.NotFound"), raised(404, "odoo.exceptions.MissingError"), page(404)),
        Verdict.CONFIGURATION,
    ),
    Case(
        "400 or 422 with a web page, 3xx, any other 4xx",
        tuple(page(status) for status in (400, 422, 301, 302, 405, 415, 451)),
        Verdict.CONFIGURATION,
    ),
    Case("no TLS", (Failure("expired", lasting=True),), Verdict.CONFIGURATION),
    Case("410", (page(410),), Verdict.GONE),
)
LOOKS: Final = (
    Case("the records of all", (_ALL,), Verdict.CONFIRMED),
    Case(
        "the records of some",
        (_ONE, look(EVENTS[1:]), look((EVENTS[0], EVENTS[0]))),
        Verdict.NAMED,
        "those confirmed",
    ),
    Case(
        "no connection, or no whole answer; 408, 409, 425, 429, any other 5xx",
        (
            Failure("refuses"),
            raised(409, "odoo.exceptions.LockError"),
            raised(500, "psycopg2.errors.SerializationFailure"),
            *(page(status) for status in (408, 425, 429, 500, 502, 503, 504)),
        ),
        Verdict.TRY_AGAIN,
    ),
    Case(
        "anything else: a refusal, or other records than were asked for",
        (
            *_REFUSALS,
            *(page(status) for status in (200, 301, 400, 401, 403, 404, 413, 422)),
            raised(403, "odoo.exceptions.AccessError"),
            Failure("expired", lasting=True),
            returned(None),
            returned({}),
            returned([7]),
            returned([{"id": 7}]),
            returned([{"id": 7, "event_id": [7, "a1"]}]),
            returned([{"id": 7, "event_id": EVENTS[0].id.upper()}]),
            Reply(202, body=_ALL.body),
        ),
        Verdict.CONFIGURATION,
    ),
    Case("410", (page(410),), Verdict.GONE),
)
"""The answers to a look that comes before anything is sent again, and keep it from being sent."""
