"""User ids of devices -> user ids of a dashboard. Pure.

A format in front of another one. A punch whose user id cannot be told is set aside, and the others go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zkpoll.delivery.contract import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.delivery.contract import Exchange, FollowUp, Format, Probe, Request
    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory import UserIds
    from zkpoll.model.punch import Event


@dataclass(frozen=True, slots=True)
class Unknown:
    """What nobody can tell of a punch, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class People:
    """The rules that make the dashboard's user ids of the devices'."""

    origins: Origins
    rule: UserIds | None
    """The dashboard's own; it follows that of the device."""

    def outward(self, event: Event) -> Event | Unknown:
        """Given an event, return it with the user id that the dashboard knows, or why there is none."""
        device = self.origins.meaning(event)
        if device is None:
            return Unknown(
                f"{event.device} is not in the inventory any more, which told what its punches mean;"
                " name it there again (enabled: false will do), and the next run sends this punch"
            )
        user_id = event.user_id
        for rule in filter(None, (device.user_id, self.rule)):
            found = rule.outward(user_id)
            if found is None:
                return Unknown(_not_told(rule, user_id))
            user_id = found
        return event._replace(user_id=user_id)


def _not_told(rule: UserIds, user_id: str) -> str:
    """Given a rule whose file does not tell a user id, return why not, in words."""
    assert rule.map_file is not None  # noqa: S101  # without a file every id is known
    if rule.map_file.problem:
        return f"{rule.map_file.problem}; once it is mended, the next run sends this punch"
    wanted = rule.model_copy(update={"map_file": None}).outward(user_id)
    return f"{rule.map_file.path} has no user id {wanted}; once it has, the next run sends this punch"


def _rejected(unknown: Mapping[str, str]) -> Decision:
    return Decision(Verdict.NAMED, rejected=unknown, unasked=frozenset(unknown))


@dataclass(frozen=True, slots=True)
class Outward:
    """A format, and who the punches are of."""

    form: Format
    people: People

    @property
    def most(self) -> int | None:
        """How many events one request can carry."""
        return self.form.most

    def carry(self, events: Sequence[Event]) -> Request | Decision:
        """Return the request that carries those events whose people are known, or why there are none."""
        known, unknown = self._known(events)
        return self.form.carry(known) if known else _rejected(unknown)

    def _known(self, events: Sequence[Event]) -> tuple[list[Event], dict[str, str]]:
        """Return the events whose people are known; and why the others' are not, by id."""
        found = {event.id: self.people.outward(event) for event in events}
        known = [one for one in found.values() if not isinstance(one, Unknown)]
        return known, {id_: one.reason for id_, one in found.items() if isinstance(one, Unknown)}

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Send the events whose people are known; reject the others without asking anybody."""
        known, unknown = self._known(events)
        if not known:
            return _rejected(unknown)
        decision = yield from self.form.exchange(known, unsure=unsure)
        if decision.verdict in (Verdict.CONFIRMED, Verdict.NAMED):
            rejected = {**decision.rejected, **unknown}
            return replace(decision, rejected=rejected, unasked=frozenset(unknown))
        return decision

    def preflight(self) -> Probe | None:
        """Ask what the format asks."""
        return self.form.preflight()

    def probes(self) -> Sequence[Probe]:
        """Ask what the format asks."""
        return self.form.probes()

    def follow_ups(self) -> Sequence[FollowUp]:
        """Send what the format sends."""
        return self.form.follow_ups()
