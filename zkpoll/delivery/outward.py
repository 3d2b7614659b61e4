"""Whose punch a dashboard is told it is: user ids on the way out, and terminals that are known no more. Pure.

A format behind another one: what nobody can tell of a punch sets that punch aside, and the others go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zkpoll.delivery.policy import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.delivery.formats import Format
    from zkpoll.delivery.request import Exchange, Probe
    from zkpoll.delivery.terminals import Terminals
    from zkpoll.inventory import UserIds
    from zkpoll.punch import Event


@dataclass(frozen=True, slots=True)
class Unknown:
    """What nobody can tell of a punch, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class People:
    """The rules that make the dashboard's user ids of the devices'."""

    terminals: Terminals
    rule: UserIds | None
    """The dashboard's own; it follows that of the device."""

    def outward(self, event: Event) -> Event | Unknown:
        """Given an event, return it with the user id that the dashboard knows, or why there is none."""
        device = self.terminals.meaning(event)
        if device is None:
            return Unknown(
                f"{event.device} is not in the inventory any more, which told what its punches mean;"
                " name it there again (enabled: false will do)"
            )
        user_id = event.user_id
        for rule in filter(None, (device.user_id, self.rule)):
            found = rule.outward(user_id)
            if found is None:
                remedy = f"add it there, then: zkpoll outbox retry --user {event.user_id}"
                return Unknown(f"{_not_in_file(rule, user_id)}; {remedy}")
            user_id = found
        return event._replace(user_id=user_id)


def _not_in_file(rule: UserIds, user_id: str) -> str:
    """Given a rule and a user id that is not in its file, return that in words."""
    assert rule.map_file is not None  # noqa: S101  # without a file every id is known
    wanted = rule.model_copy(update={"map_file": None}).outward(user_id)
    return f"{rule.map_file.path} has no user id {wanted}"


@dataclass(frozen=True, slots=True)
class Outward:
    """A format, and who the punches are of."""

    form: Format
    people: People

    @property
    def most(self) -> int | None:
        """How many events one request can carry."""
        return self.form.most

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Send the events whose people are known; reject the others without asking anybody."""
        found = {event.id: self.people.outward(event) for event in events}
        known = [one for one in found.values() if not isinstance(one, Unknown)]
        unknown = {id_: one.reason for id_, one in found.items() if isinstance(one, Unknown)}
        if not known:
            return Decision(Verdict.NAMED, rejected=unknown)
        decision = yield from self.form.exchange(known, unsure=unsure)
        if decision.verdict in (Verdict.CONFIRMED, Verdict.NAMED):
            return replace(decision, rejected={**decision.rejected, **unknown})
        return decision

    def probes(self) -> Sequence[Probe]:
        """Ask what the format asks."""
        return self.form.probes()
