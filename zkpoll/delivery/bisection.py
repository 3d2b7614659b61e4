"""Bisection of a refused batch: the part of it to send next. Pure.

A dashboard that refuses a batch does not always say which record is at fault. The batch is halved until the
guilty stand alone, which takes about as many requests as its size has binary digits, twice.

    parts, the next one last              what the answer to a part makes of it

    [ 1 2 3 4 5 6 7 8 ]  -- confirmed --> settled: confirmed, but for those it names as rejected
         |               -- named ------> settled: those it names; the others again, in halves
         | refused       -- too large --> halves; and no later part is larger
         v
    [ 5 6 7 8 ] [ 1 2 3 4 ]  ->  ...  ->  [ 3 ]
                                           | refused alone
                                           v
    suspect  -- any other confirmed, or parked before ------------> parked, with the words of its refusal
       |     -- last of a batch, few suspects, earlier confirmed -> parked
       |
       v  until then: probes of one record, of people not met yet; then witnesses from behind the batch
    8 suspects, none confirmed: the dashboard is at fault -> nothing is parked, nothing more is sent

What may be lost: nothing. A suspect that is not parked stays pending, and the next run tries it again. What
is not answered for (try again, configuration, gone) never comes here: the loop ends before.

What must never happen:
- a record is parked because a dashboard refuses everybody, whatever it confirmed an hour ago;
- a record that an answer confirms is parked by the same answer, or the other way round;
- a part is sent twice without an answer in between that asks for it;
- one bad record keeps the others from being sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from zkpoll.delivery.contract import Verdict
from zkpoll.model.delivery import Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zkpoll.delivery.contract import Decision
    from zkpoll.model.delivery import Batch
    from zkpoll.model.punch import Event

_PROBES: Final = 8
"""Single records that may be refused while none was confirmed: where half of the people are unknown to a
dashboard, the odds that it takes somebody, and none of these, are 1 in 256; the next run tries others."""

Part = tuple["Event", ...]


class Trial:
    """One batch, taken apart as far as its answers ask for it."""

    def __init__(
        self,
        batch: Batch,
        size: int,
        *,
        whole: bool,
        proven: bool,
        choose: Callable[[Sequence[Event]], Event],
    ) -> None:
        """Given a batch and the most events of a request, begin.

        `whole` keeps those in flight in one part, however many they are. `proven` is true once the dashboard
        has confirmed anything in this run. `choose` takes one of several, at random.
        """
        self.size = size
        """The most events of a request; 413 makes it smaller."""
        self._confirms = batch.tried_before
        """Whether refusals are the records' own: others of this batch were confirmed, or these refused."""
        self._proven = proven
        self._choose = choose
        self._refusal: Decision | None = None
        self._witnesses: list[Event] = []
        """Single punches from behind the batch, that may show who is at fault."""
        self._suspects: dict[str, str] = {}
        self._met: set[str] = set()
        """User ids of the suspects."""
        first, rest = batch.events[: batch.in_flight], batch.events[batch.in_flight :]
        # The last is the next.
        self._parts = _cut(rest, size) + _cut(first, max(size, len(first)) if whole else size)

    @property
    def at_fault(self) -> Decision | None:
        """The last refusal, if the dashboard itself seems to be at fault.

        Then nothing is parked, and nothing more is sent.
        """
        if self._witnesses or len(self._suspects) < (_PROBES if self._parts else 1):
            return None
        return self._refusal

    def call(self, events: Sequence[Event]) -> None:
        """Given punches from behind the batch, try those of people not met yet as well."""
        known = {event.id for part in self._parts for event in part}
        self._witnesses = [
            event for event in events if event.id not in known and event.user_id not in self._met
        ]

    def next(self) -> Part:
        """Return the next part to send. Empty when all is settled, or the dashboard is at fault."""
        if self.at_fault:
            return ()
        if self._suspects:
            return self._probe()
        return self._parts[-1] if self._parts else ()

    def cut_anew(self) -> None:
        """Cut the part that is next as all others are."""
        self._parts += _cut(self._parts.pop(), self.size)

    def heard(self, part: Part, decision: Decision) -> Settled:
        """Given a part and the decision on it, return the punches it settles."""
        self._take_out(part)
        match decision.verdict:
            case Verdict.CONFIRMED | Verdict.NAMED:
                return self._answered(part, decision)
            case verdict if len(part) > 1:
                half = min((len(part) + 1) // 2, self.size)
                if verdict is Verdict.TOO_LARGE:
                    self.size = min(self.size, half)
                    self._parts = [piece for one in self._parts for piece in _cut(one, self.size)]
                self._parts += _cut(part, half)
                return Settled()
            case _:
                self._refusal = decision
                self._suspects[part[0].id] = decision.message
                self._met.add(part[0].user_id)
                return Settled(parked=self._convicted())

    def _answered(self, part: Part, decision: Decision) -> Settled:
        named = decision.rejected.keys() | decision.present
        if decision.verdict is Verdict.CONFIRMED:
            confirmed = tuple(event.id for event in part if event.id not in decision.rejected)
        else:
            confirmed = tuple(event.id for event in part if event.id in decision.present)
            # In halves: some dashboards name the first they do not like, and look no further.
            rest = [event for event in part if event.id not in named]
            self._parts += _cut(rest, min((len(rest) + 1) // 2, self.size) or 1)
        parked = {one: said for one, said in decision.rejected.items() if one not in decision.present}
        self._confirms = self._confirms or bool(confirmed)
        return Settled(confirmed, parked | self._convicted(), decision.unasked)

    def _convicted(self) -> dict[str, str]:
        """Return the suspects once they, and not the dashboard, are shown to be at fault."""
        few = not self._parts and len(self._suspects) < _PROBES
        if not (self._confirms or (self._proven and few)):
            return {}
        convicted, self._suspects = self._suspects, {}
        return convicted

    def _probe(self) -> Part:
        """Return one record alone, if possible of a person not refused yet."""
        if self._witnesses:
            return (self._witnesses.pop(0),)
        left = [event for part in self._parts for event in part]
        strangers = [event for event in left if event.user_id not in self._met]
        return (self._choose(strangers or left),)

    def _take_out(self, part: Part) -> None:
        if self._parts and self._parts[-1] is part:
            self._parts.pop()
            return
        (event,) = part  # a probe, or a witness
        left = (tuple(other for other in one if other is not event) for one in self._parts)
        self._parts = [one for one in left if one]


def _cut(events: Iterable[Event], size: int) -> list[Part]:
    """Return events in parts of `size` at most, the first ones last."""
    whole = tuple(events)
    return [whole[at : at + size] for at in range(0, len(whole), size)][::-1]
