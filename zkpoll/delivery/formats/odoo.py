"""The format `odoo`: punches as records of a model of Odoo 19 or newer, by its External JSON-2 API. Pure.

One call is one transaction there, so a batch is created whole or not at all. Odoo does not know a request
that comes twice, and refuses in the language of its user. So a punch is looked for, and nothing is guessed
from words: what may be there is not sent again, and nothing counts as refused, before a look at the field
with the event's id.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zkpoll.delivery.contract import Answer, Decision, Failure, Probe, Reply, Request, Verdict, carrying
from zkpoll.delivery.excerpts import as_text, excerpt, is_page
from zkpoll.delivery.formats.events import compact
from zkpoll.delivery.formats.fields import values
from zkpoll.delivery.rejections import Named
from zkpoll.delivery.verdicts import (
    by_records,
    by_status,
    by_stranger,
    explained,
    is_html,
    json_of,
    judge,
    sentence,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zkpoll.delivery.contract import Exchange, FollowUp
    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory.formats.odoo import Odoo
    from zkpoll.model.punch import Event

_ADVICE: Final[Mapping[int, str]] = {
    401: "and does not accept the API key in token:; keys expire, so make a new one",
    403: "and forbids it; give the user of the API key the rights to create and to read {model}",
    404: "and has no {model}; check url: (Odoo 19 or newer), database: and model:, and that the module which"
    " brings the model is installed",
}
_NO_LIST: Final = "with something else than the records that were asked for; check url: and fields:"
_FAILED: Final = "and failed at it; check fields: against the model"
_BAD_VALUES: Final = frozenset(
    {
        "NumericValueOutOfRange",
        "InvalidTextRepresentation",
        "InvalidDatetimeFormat",
        "DatetimeFieldOverflow",
        "StringDataRightTruncation",
        "CharacterNotInRepertoire",
        "UntranslatableCharacter",
    }
)
"""The names that PostgreSQL's driver has for values which a column does not take."""
_NOT_THERE: Final = frozenset({404, 422})
"""Statuses for a method that is not there, or is called otherwise."""

_Look: TypeAlias = Generator[Request, Answer, Decision | None]


@dataclass(frozen=True, slots=True)
class OdooFormat:
    """The format `odoo`: a record for each punch, all of a batch in one call."""

    settings: Odoo
    origins: Origins
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no message may hold."""
    most = None

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Create a record for each event, unless some of them are there already."""
        if unsure and (known := (yield from self._look(events))):
            return known
        answer = yield self.carry(events)
        made = _result(answer)  # a list of the new records, each by its number
        if isinstance(made, list) and len(made) == len(events) and all(type(one) is int for one in made):
            return Decision(Verdict.CONFIRMED)
        decision = self._judged(answer)
        claims = isinstance(answer, Reply) and answer.status // 100 == 2
        if decision.verdict is Verdict.SUSPECT or claims:
            return (yield from self._look(events)) or decision
        return decision

    def resend(self, request: Request) -> None:
        """Send nothing again as it was: what may be there is looked for first."""

    def preflight(self) -> None:
        """Ask nothing."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask for a record with all of its fields, then whether more may be created."""
        model, fields = self.settings.model, list(self.settings.fields.values())
        look = self._call("search_read", domain=[], fields=fields, limit=1)
        ask = self._call("has_access", operation="create")
        return (
            Probe("credentials", f"a look at {model}", look, self._to_look),
            Probe("rights", f"the question whether {model} may be created", ask, self._to_question),
        )

    def follow_ups(self) -> tuple[FollowUp, ...]:
        """Send nothing more."""
        return ()

    def carry(self, events: Sequence[Event]) -> Request:
        """Return the request that creates a record for each event."""
        body = compact({"vals_list": [self._record(event) for event in events]})
        call = self._call("create")
        return replace(carrying(events, body, path=call.path), headers=call.headers)

    def _look(self, events: Sequence[Event]) -> _Look:
        """Look for the events. Return the decision on those that are there, or None if there are none."""
        ids, field = [event.id for event in events], self.settings.fields["id"]
        # Without the context Odoo hides what somebody has archived; with a limit, rows that are there twice
        # would hide others.
        answer = yield self._call(
            "search_read",
            domain=[[field, "in", ids]],
            fields=[field],
            context={"active_test": False},
        )
        rows, known = _rows(answer, [field]), set(ids)
        there = [row[field] for row in rows or ()]
        if rows is None or not all(isinstance(one, str) and one in known for one in there):
            decision = self._judged(answer)
            if decision.verdict not in (Verdict.SUSPECT, Verdict.TOO_LARGE):
                return decision
            message = f"asked which punches are there already, {decision.message}"
            return Decision(Verdict.CONFIGURATION, message)
        present = frozenset(there)
        if len(present) == len(ids):
            return Decision(Verdict.CONFIRMED)
        return Decision(Verdict.NAMED, present=present) if present else None

    def _call(self, method: str, **arguments: object) -> Request:
        """Given a method of the model and its arguments, return the request that calls it."""
        database = self.settings.database
        headers = {"X-Odoo-Database": database} if database else {}
        return Request(compact(arguments), path=f"/json/2/{self.settings.model}/{method}", headers=headers)

    def _record(self, event: Event) -> dict[str, Any]:
        """Return a record's fields. Odoo's word for an empty one is false."""
        named = values(event, self.origins)
        return {
            theirs: False if named[ours] is None else named[ours]
            for ours, theirs in self.settings.fields.items()
        }

    def _judged(self, answer: Answer) -> Decision:
        """Given an answer without the records asked for, return the decision, as far as it says."""
        if isinstance(answer, Failure) or by_stranger(answer):
            return judge(answer, self.secrets)
        error = _error(answer)
        if answer.status in _ADVICE:
            return self._with_advice(Verdict.CONFIGURATION, answer, _ADVICE[answer.status])
        if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR and error.of_values:
            return self._with_advice(Verdict.SUSPECT, answer, _FAILED)
        if error.message:
            said = error.message.encode("utf-8", "replace").decode()  # JSON can tell of half a character
            page = is_html(answer)
            rule = by_status(answer.status, page=page or is_page(said))
            decision = explained(
                by_records(rule, answer, Named()), answer, "" if page else said, self.secrets
            )
        else:
            decision = judge(answer, self.secrets)
        if decision.verdict is Verdict.CONFIRMED:
            return self._with_advice(Verdict.CONFIGURATION, answer, _NO_LIST)
        return decision

    def _with_advice(self, verdict: Verdict, reply: Reply, advice: str) -> Decision:
        """Return the decision with advice, and with Odoo's own words."""
        page = is_html(reply)
        words = excerpt(_error(reply).message or ("" if page else as_text(reply.body)), self.secrets)
        todo = advice.format(model=self.settings.model)
        return Decision(verdict, sentence(reply, f" {todo}", words))

    def _to_look(self, reply: Reply) -> tuple[bool, str] | None:
        if _rows(reply, self.settings.fields.values()) is not None:
            return True, f"accepted, and {self.settings.model} has all fields"
        return self._not_told(reply)

    def _to_question(self, reply: Reply) -> tuple[bool | None, str] | None:
        if reply.status in _NOT_THERE:
            return None, "not told; the first punch will tell"
        match _result(reply):
            case True:
                return True, f"may create {self.settings.model}"
            case False:
                return False, f"may not create {self.settings.model}; give its user the right to"
            case _:
                return self._not_told(reply)

    def _not_told(self, reply: Reply) -> tuple[bool, str] | None:
        """Given a reply without the fact asked for, return the advice on it, if there is any."""
        decision = self._judged(reply)
        return None if decision.verdict is Verdict.TRY_AGAIN else (False, decision.message)


@dataclass(frozen=True, slots=True)
class _Error:
    """An exception in Odoo, as it tells of it."""

    name: str = ""
    """With its module, such as `odoo.exceptions.ValidationError`; the same in every language."""
    message: str = ""

    @property
    def of_values(self) -> bool:
        """Whether the values sent may have raised it, and not a moment's trouble."""
        module, _, kind = self.name.rpartition(".")
        return module == "builtins" or kind in _BAD_VALUES


def _error(reply: Reply) -> _Error:
    content = json_of(reply)
    if not isinstance(content, dict):
        return _Error()
    name, message = content.get("name"), content.get("message")
    return _Error(name if isinstance(name, str) else "", message if isinstance(message, str) else "")


def _result(answer: Answer) -> Any:
    """Given the answer to a call, return its result. None if it did not end well."""
    return json_of(answer) if isinstance(answer, Reply) and answer.status == HTTPStatus.OK else None


def _rows(answer: Answer, fields: Iterable[str]) -> list[dict[str, Any]] | None:
    """Return the records in an answer, each with these fields. None if it does not list such records."""
    rows, asked = _result(answer), set(fields)
    fits = isinstance(rows, list) and all(isinstance(row, dict) and asked <= row.keys() for row in rows)
    return rows if fits else None
