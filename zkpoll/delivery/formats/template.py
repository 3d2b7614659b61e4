"""The format `template`: punches as any API wants them, by a document of the inventory. Pure.

The document's JSON is written once, and cut at its placeholders. To fill it is to join the pieces again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zkpoll.delivery.contract import Decision, Reply, Verdict, carrying
from zkpoll.delivery.formats.events import OPTIONS, compact
from zkpoll.delivery.formats.fields import values
from zkpoll.delivery.rejections import mentions, named
from zkpoll.delivery.verdicts import NO_RIGHT, Rule, is_html, judge
from zkpoll.inventory.documents import PLACEHOLDER
from zkpoll.inventory.jsonpath import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.delivery.contract import Exchange, FollowUp, Probe, Request
    from zkpoll.delivery.formats.fields import Value
    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory.documents import Document
    from zkpoll.inventory.formats.template import Success, Template
    from zkpoll.model.punch import Event

_GAP: Final = re.compile(rf'(?P<alone>(?<!\\)")?{PLACEHOLDER.pattern}(?(alone)")')
"""A placeholder in JSON, with the quotes around it where it is all of its text.

Within a text JSON has a backslash in front of every quote, so one without begins or ends a text.
"""
_MISSING: Final = object()


@dataclass(frozen=True)
class TemplateFormat:
    """The format `template`: a document for each punch, or a list of them within one."""

    settings: Template
    origins: Origins
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no message may hold."""

    @property
    def most(self) -> int | None:
        """How many events a request can carry."""
        return None if self.settings.each else 1

    def carry(self, events: Sequence[Event]) -> Request:
        """Return the request that carries as many events as the document has room for."""
        return carrying(events, self._body(events), self.settings.method)

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:  # noqa: ARG002  # ids are unique
        """Send the events. An API knows a repeat by the id in its document."""
        return self.resend(self.carry(events))

    def resend(self, request: Request) -> Exchange:
        """Send a request as it is."""
        answer, ids = (yield request), request.ids
        rule = self.settings.success
        decision = judge(answer, self.secrets, ids, partial(_broken, rule) if rule else None)
        if rule is None or not isinstance(answer, Reply) or decision.verdict is not Verdict.TRY_AGAIN:
            return decision
        conflict = answer.status == HTTPStatus.CONFLICT in rule.status
        return _held_already(answer, ids, decision) if conflict else decision

    def preflight(self) -> None:
        """Ask nothing."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask with OPTIONS, since any other request may change something there."""
        return tuple(replace(probe, meaning=_to_options) for probe in OPTIONS)

    def follow_ups(self) -> tuple[FollowUp, ...]:
        """Send nothing more."""
        return ()

    def _body(self, events: Sequence[Event]) -> bytes:
        named = (values(event, self.origins) for event in events)
        if self._each is None:
            (one,) = named
            return _filled(self._whole, one)
        rows = b"[%b]" % b",".join(_filled(self._each, one) for one in named)
        return b"".join(rows if isinstance(piece, _Gap) else piece for piece in self._whole)

    @cached_property
    def _whole(self) -> _Mould:
        return _mould(self.settings.body)

    @cached_property
    def _each(self) -> _Mould | None:
        return _mould(self.settings.each) if self.settings.each else None


def _to_options(reply: Reply) -> tuple[bool | None, str] | None:
    """Read an answer to OPTIONS. It tells little, since many APIs know only the method that they take."""
    if reply.status in NO_RIGHT:
        return None
    return None, "not asked for; the first punch will tell"


# --- documents ---


@dataclass(frozen=True, slots=True)
class _Gap:
    """The place of a value in the JSON of a document."""

    name: str
    alone: bool
    """Whether the value stands by itself, and not within a text."""


_Mould: TypeAlias = "tuple[bytes | _Gap, ...]"


def _mould(document: Document) -> _Mould:
    """Given a document, return the bytes of its JSON, cut at its placeholders."""
    text, at = compact(document.tree).decode(), 0
    pieces: list[bytes | _Gap] = []
    for mark in _GAP.finditer(text):
        pieces += (text[at : mark.start()].encode(), _Gap(mark["name"], bool(mark["alone"])))
        at = mark.end()
    return (*pieces, text[at:].encode())


def _filled(mould: _Mould, named: Mapping[str, Value]) -> bytes:
    """Given a mould and the values of an event by name, return the JSON."""
    return b"".join(_of(piece, named[piece.name]) if isinstance(piece, _Gap) else piece for piece in mould)


def _of(gap: _Gap, value: Value) -> bytes:
    """Given the place of a value, return it as JSON has it there."""
    if gap.alone:
        return compact(value)
    if value is None:
        return b""
    return compact(value)[1:-1] if isinstance(value, str) else compact(value)


# --- answers ---


def _held_already(answer: Reply, ids: Sequence[str], decision: Decision) -> Decision:
    """Given a 409 that the inventory takes for a repeat, return the decision on these events."""
    found = named(answer.content, ids)
    if is_html(answer) or not answer.whole or found.unclear or found.stray:
        return decision
    if len(ids) == 1:
        return Decision(Verdict.CONFIRMED)
    # Of several, some may be there and the others not: alone each is answered for.
    return replace(decision, verdict=Verdict.SUSPECT)


def _broken(rule: Success, reply: Reply) -> Rule | None:
    """Given the rule of success and a 2xx, return the rule for a 2xx that breaks it. None if it holds.

    CONFIRMED if it holds where the reply tells of rejections, which nobody else needs to understand then.
    """
    if unmet := _unmet(rule, reply):
        return Rule(Verdict.SUSPECT, unmet)
    looked = any(isinstance(step, str) and mentions(step) for step in rule.path or ())
    return Rule(Verdict.CONFIRMED) if looked else None


def _unmet(rule: Success, reply: Reply) -> str:
    """Given the rule of success and a 2xx, return the part of the rule that it breaks, in words."""
    if rule.status and reply.status not in rule.status:
        return f"but with none of the statuses in success: ({', '.join(map(str, rule.status))})"
    if rule.path is None:
        return ""
    place = written(rule.path)
    if not reply.content.is_json:
        return f"without the JSON in which success: looks for {place}"
    found = _at(reply.content.value, rule.path)
    if not rule.has_value:
        return f"and success: wants something at {place}" if found in (None, _MISSING) else ""
    wanted = compact(rule.value).decode()
    return "" if _same(found, rule.value) else f"and success: wants {wanted} at {place}"


def _at(tree: Any, path: Sequence[str | int]) -> Any:
    """Given JSON and a path, return the value there, or `_MISSING`."""
    for step in path:
        match tree, step:
            case dict(), str() if step in tree:
                tree = tree[step]
            case list(), int() if -len(tree) <= step < len(tree):
                tree = tree[step]
            case _:
                return _MISSING
    return tree


def _same(one: Any, other: Any) -> bool:
    """Given two values, return whether they are the same to JSON: true is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
