"""An API in the style of many: it keeps documents by a unique key, and has manners of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.delivery.troubled import Troubled
from tests.site import TOKEN
from zkpoll.simulator import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from zkpoll.simulator import Received

Record = dict[str, Any]
"""One document as it was sent; its `ref` is the unique key, its `employee` must be known."""

API_KEY: Final = "b0dy-k3y/7c2e"
"""What some of them want in the body."""


@dataclass(frozen=True)
class Manners:
    """How such an API wants its requests, and how it answers."""

    listed: str | None = None
    """Where in the body the list stands: a name, "" where the body is the list; None for one document."""
    says: Literal["status", "body"] = "status"
    """Whether a refusal is a status, or 200 and its body says so."""
    repeats: Literal["welcome", "conflict", "named"] = "welcome"
    """What it answers where it has some already: as if it had not, 409, or 409 that names them."""
    together: bool = False
    """Whether a list is kept as a whole or not at all."""
    names: bool = False
    """Whether its refusals name the documents at fault."""
    key_in_body: bool = False
    """Whether it wants `API_KEY` in each body, and tells what it got where it is not."""
    limit: int | None = None
    """Of how many requests the last is answered 429."""


EACH: Final = {
    "ref": "{{ id }}",
    "employee": "{{ user_id }}",
    "at": "{{ timestamp }}",
    "way": "{{ direction }}",
    "text": "{{ device }}: {{ type }}",
}
WAYS: Final[dict[str, tuple[Manners, dict[str, Any]]]] = {
    "one document": (Manners(repeats="conflict"), {"body": EACH, "success": {"status": [200, 201, 409]}}),
    "a list": (
        Manners(listed="rows", says="body", limit=7),
        {
            "method": "PUT",
            "body": {"rows": "{{ events }}"},
            "each": EACH,
            "success": {"path": "$.result.ok", "value": True},
        },
    ),
    "a list as a whole": (
        Manners(listed="rows", says="body", repeats="conflict", together=True),
        {
            "body": {"rows": "{{ events }}"},
            "each": EACH,
            "success": {"status": [200, 201, 409], "path": "$.result.ok", "value": True},
        },
    ),
    "a list with names": (
        Manners(listed="", repeats="named", names=True, limit=5),
        {"body": "{{ events }}", "each": EACH},
    ),
}
"""Manners of APIs, and the template for each."""


class JsonApi(Troubled):
    """An API, for as long as the `with` block lasts."""

    def __init__(
        self, manners: Manners | None = None, strangers: Collection[str] = (), seed: int | None = None
    ) -> None:
        """Given its manners, whom it does not know, and a seed for its troubles, make one."""
        super().__init__(seed)
        self.manners = manners or Manners()
        self.strangers = frozenset(strangers)
        self.records: list[Record] = []
        """What it keeps, in the order of arrival."""
        self.when_stored: Callable[[], object] = lambda: None
        """Called once documents were stored, before that is answered."""
        self._asked = 0

    @property
    def refs(self) -> list[str]:
        """The unique keys of what it keeps."""
        return [record["ref"] for record in self.records]

    def serve(self, request: Received) -> HttpAnswer:
        """Take what comes by POST, PUT or PATCH."""
        self._asked += 1
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _answer(401, error=f"unknown token: {request.headers.get('authorization')}")
        if request.method not in {"POST", "PUT", "PATCH"}:
            return _answer(405, error="POST records here")
        if self.manners.limit and self._asked % self.manners.limit == 0:
            return HttpAnswer(429, b'{"error": "slow down"}', {"Retry-After": "0"})
        try:
            body = json.loads(request.body)
        except ValueError:
            return _answer(400, error="no JSON")
        if self.manners.key_in_body and body.get("api_key") != API_KEY:
            return _answer(401, error=f"unknown api_key in {request.body.decode()}")
        records = self._records(body)
        return _answer(400, error="no records") if records is None else self._take(records)

    def _records(self, body: Any) -> list[Record] | None:
        listed = self.manners.listed
        records = [body] if listed is None else body.get(listed) if listed else body
        fine = isinstance(records, list) and all("ref" in record for record in records)
        return records if fine else None

    def _take(self, records: Sequence[Record]) -> HttpAnswer:
        """Keep what can be kept of some records, and answer for them."""
        unknown = [record for record in records if record["employee"] in self.strangers]
        known = set(self.refs)
        repeated = [record for record in records if record["ref"] in known]
        fresh = [record for record in records if record not in unknown and record["ref"] not in known]
        at_odds = bool(unknown) or (bool(repeated) and self.manners.repeats != "welcome")
        if fresh and not (at_odds and self.manners.together):
            self.records += fresh
            self.when_stored()
        if unknown:
            return self._refusal(unknown)
        if repeated and self.manners.repeats != "welcome":
            return self._conflict(repeated)
        return _answer(201 if fresh else 200, result={"ok": True, "kept": len(fresh)})

    def _refusal(self, unknown: Sequence[Record]) -> HttpAnswer:
        said = {one["ref"]: f"unknown employee {one['employee']}" for one in unknown}
        if self.manners.names:
            return _answer(422, rejected=[{"id": ref, "error": words} for ref, words in said.items()])
        words = next(iter(said.values()))
        words += f" in what was sent with {API_KEY}" if self.manners.key_in_body else ""
        if self.manners.says == "body":
            return _answer(200, result={"ok": False, "error": words})
        return _answer(422, error=words)

    def _conflict(self, repeated: Sequence[Record]) -> HttpAnswer:
        if self.manners.repeats == "named":
            return _answer(409, present=[record["ref"] for record in repeated])
        return _answer(409, error="duplicate key value violates unique constraint")


def _answer(status: int, **body: object) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(body).encode())
