"""User ids of devices -> user ids of a dashboard. Pure.

A format in front of another one. A punch whose user id cannot be told is set aside, and the others go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zkpoll.delivery.contract import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.delivery.contract import Exchange, FollowUp, Format, Preflight, Probe, Request
    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory import UserIds
    from zkpoll.model.punch import Event


@dataclass(frozen=True, slots=True)
class Unknown:
    """A punch without a user id that the dashboard knows."""

    reason: str


@dataclass(frozen=True, slots=True)
class People:
    """The rules that make the dashboard's user ids of the devices'."""

    origins: Origins
    rule: UserIds | None
    """The dashboard's own; it follows that of the device."""

    def outward(self, event: Event) -> Event | Unknown:
        """Given an event, return it with the user id that the dashboard knows, or the reason why not."""
        device = self.origins.meaning(event)
        if device is None:
            return Unknown(
                f"{event.device} is not in the inventory any more, which told what its punches mean;"
                " name it there again (enabled: false will do), and the next run sends this punch"
            )
        user_id = event.user_id
        for rule in filter(None, (device.user_id, self.rule)):
            found, file = rule.outward(user_id), rule.map_file
            if found is None and file and file.problem:
                return Unknown(f"{file.problem}; once it is mended, the next run sends this punch")
            if found is None:  # without a file every id is known
                wanted = rule.model_copy(update={"map_file": None}).outward(user_id)
                path = file and file.path
                return Unknown(f"{path} has no user id {wanted}; once it has, the next run sends this punch")
            user_id = found
        return event._replace(user_id=user_id)


def _rejected(unknown: Mapping[str, str]) -> Decision:
    return Decision(Verdict.NAMED, rejected=unknown, unasked=frozenset(unknown))


@dataclass(frozen=True, slots=True)
class Outward:
    """A format behind the rules of user ids."""

    form: Format
    people: People

    @property
    def most(self) -> int | None:
        """How many events one request can carry."""
        return self.form.most

    def carry(self, events: Sequence[Event]) -> Request | Decision:
        """Return the request that carries the events of known people, or the decision if there are none."""
        known, unknown = self._known(events)
        return self.form.carry(known) if known else _rejected(unknown)

    def _known(self, events: Sequence[Event]) -> tuple[list[Event], dict[str, str]]:
        """Return the events of known people, and the reasons why the others' are unknown, by id."""
        found = {event.id: self.people.outward(event) for event in events}
        known = [one for one in found.values() if not isinstance(one, Unknown)]
        return known, {id_: one.reason for id_, one in found.items() if isinstance(one, Unknown)}

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Send the events of known people. Reject the others without asking anybody."""
        known, unknown = self._known(events)
        if not known:
            return _rejected(unknown)
        decision = yield from self.form.exchange(known, unsure=unsure)
        if decision.verdict in (Verdict.CONFIRMED, Verdict.NAMED):
            rejected = {**decision.rejected, **unknown}
            return replace(decision, rejected=rejected, unasked=frozenset(unknown))
        return decision

    def resend(self, request: Request) -> Exchange | None:
        """Send a request as it is: its user ids went out already."""
        return self.form.resend(request)

    def preflight(self) -> Preflight | None:
        """Ask the questions of the format."""
        return self.form.preflight()

    def probes(self) -> Sequence[Probe]:
        """Ask the questions of the format."""
        return self.form.probes()

    def follow_ups(self) -> Sequence[FollowUp]:
        """Send the requests of the format."""
        return self.form.follow_ups()
