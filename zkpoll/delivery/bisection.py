"""Bisection of a batch that is refused, or at which a dashboard fails: the part of it to send next. Pure.

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
       |     -- no witness at hand, another lane's is confirmed --> parked
       |
       v  until then: probes of one record, of people not met yet; then witnesses from behind the batch
    8 suspects, none confirmed: the dashboard is at fault -> nothing is parked, nothing more is sent

A failure (5xx, a web page, a connection that breaks) is no refusal: as a rule the dashboard is down for all,
and the run ends at the first. Only a batch that is doubted, as two runs ended so at it, is tried on:

    probe: a record of somebody else  -- failure ----> the dashboard is down: the run ends
         | confirmed
         v
    [ 1 2 3 4 5 6 7 8 ], as it was    -- confirmed --> it was the dashboard
         | failure: halves, all in flight until they are settled
         v
    [ 3 ]  failure, and since the last confirmation only parts with 3 in them failed
         |
         v
    probe: a record of somebody else  -- confirmed --> 3 is tried once more, behind all others
         |                            -- failure ----> perhaps both, perhaps the dashboard: once one is
         |                                             confirmed, each of them is tried once more
         | nobody else is left, or 16 failures in a row
         v
    the run ends, as at any failure; 3 stays pending

    [ 3 ]  behind all others          -- failure ----> parked, with the words of the failure
                                      -- confirmed --> it was the dashboard, which fails now and then: the run
                                                       ends at its next failure, and parks nothing

Of parked records that are tried again, each that fails alone stays parked, if the run has confirmed anything.

What may be lost: nothing. A suspect that is not parked stays pending, and the next run tries it again. What
is not answered for (try again, configuration, gone) never comes to `heard`: the loop ends before, or asks
`failed`.

What must never happen:
- a record is parked because a dashboard refuses everybody, whatever it confirmed an hour ago;
- a record is parked because a dashboard was down for a moment, or fails now and then;
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
_FAILURES: Final = 16
"""Failures in a row until the dashboard is taken to be down: down to one of 10,000 records it takes 14."""

_ALONE: Final = "it fails at this one alone: "

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
        doubted: bool = False,
    ) -> None:
        """Given a batch and the most events of a request, begin.

        `whole` keeps those in flight in one part, however many they are. `proven` is true once the dashboard
        has confirmed anything in this run. `choose` takes one of several, at random. `doubted` says that runs
        ended at a failure of this batch, so that it may be at fault.
        """
        self.size = size
        """The most events of a request; 413 makes it smaller."""
        self._tried_before = batch.tried_before
        self._confirms = batch.tried_before
        """Whether refusals are the records' own: others of this batch were confirmed, or these refused."""
        self._proven = proven
        self._choose = choose
        self._doubted = doubted
        self._refusal: Decision | None = None
        """The last refusal, or failure, of a record that stood alone."""
        self._witnesses: list[Event] = []
        """Single punches from behind the batch, that may show who is at fault."""
        self._taken: set[str] = set()
        """Devices of which something was confirmed: of the others, all may be at fault."""
        self._suspects: dict[str, str] = {}
        self._failed: list[Part] = []
        """The parts that failed since the last confirmation."""
        self._alone: dict[str, tuple[Event, str]] = {}
        """The records that failed alone and are not decided on, with the words of the failure."""
        self._shown: dict[str, Event] = {}
        """The records that were shown to be at fault once, by id, which are tried once more."""
        self._again: dict[str, str] = {}
        """Those of them that failed again, with the words of the failure."""
        self._unsteady = False
        """Whether one that was shown to be at fault was confirmed: then it is the dashboard that fails."""
        self._asked = 0
        """Records of others that were tried before the batch itself."""
        self._too_much: int | None = None
        """The least events that failed together, as long as no record failed alone."""
        self._met: set[str] = set()
        """User ids of the suspects, and of those that may be."""
        first, rest = batch.events[: batch.in_flight], batch.events[batch.in_flight :]
        # The last is the next.
        self._parts = _cut(rest, size) + _cut(first, max(size, len(first)) if whole else size)
        if doubted:
            self._met.update(event.user_id for event in self._parts[-1])

    @property
    def at_fault(self) -> Decision | None:
        """The last refusal, if the dashboard itself seems to be at fault, or nobody can tell.

        Then nothing is parked, and nothing more is sent.
        """
        if self._witnesses:
            return None
        if self._alone and not self._parts:
            return self._refusal
        if len(self._suspects) < (_PROBES if self._parts else 1):
            return None
        return self._refusal

    @property
    def is_open(self) -> bool:
        """Whether any stand alone, refused or failed at, and nobody from behind the batch is left to ask."""
        return bool(self._suspects or self._alone) and not self._witnesses

    @property
    def size_from_now(self) -> int:
        """The most events of a request behind this batch: fewer where all of its parts were taken."""
        return self.size if self._too_much is None else min(self.size, (self._too_much + 1) // 2)

    def call(self, events: Sequence[Event]) -> None:
        """Given punches from behind the batch, try those of people not met yet as well."""
        known = {event.id for part in self._parts for event in part}
        others = [event for event in events if event.id not in known]
        strangers = [event for event in others if event.user_id not in self._met]
        self._witnesses = strangers or (others if self._doubted else [])

    def vouch(self) -> None:
        """Note that the dashboard has confirmed something in this run, of whatever batch."""
        self._proven = True

    def vouched_for(self) -> Settled:
        """Note that another lane had a punch confirmed just now: a witness. Return what that settles."""
        self._proven = self._confirms = True
        self._show(())
        return Settled(parked=self._convicted())

    def next(self) -> Part:
        """Return the next part to send. Empty when all is settled, or the dashboard is at fault."""
        if self.at_fault:
            return ()
        asks_first = self._asks_first
        self._asked += asks_first
        if self._suspects or self._alone or asks_first:
            return self._probe()
        return self._parts[-1] if self._parts else ()

    def coming(self, most: int) -> Sequence[str]:
        """Return the ids of the punches behind the next part, each a part: `most` at most, in order.

        Empty where it depends on answers which goes next, or others go with them.
        """
        if self.size > 1 or self._suspects or self._alone or self._asks_first:
            return ()
        return [part[0].id for part in self._parts[-most - 1 : -1]][::-1]

    @property
    def _asks_first(self) -> bool:
        """Whether somebody else has to show that the dashboard takes any, before a batch that is doubted."""
        others = len(self._witnesses) + sum(map(len, self._parts)) > 1
        return self._doubted and not self._proven and others and self._asked < _PROBES

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

    def failed(self, part: Part, decision: Decision) -> Settled | None:
        """Given a part at which the dashboard failed, return what that settles. None: the run ends here.

        What is not settled stays in flight: nobody knows whether it was taken.
        """
        doubted = self._doubted or self._tried_before
        if not self._proven or not doubted or self._unsteady or len(self._failed) >= _FAILURES:
            return None
        self._take_out(part)
        if part[0].id in self._shown and len(part) == 1:
            return self._failed_again(part[0], f"{_ALONE}{decision.message}")
        self._failed.append(part)
        if len(part) > 1:
            self._too_much = min(len(part), self._too_much or len(part))
            self._parts += _cut(part, (len(part) + 1) // 2)
            return Settled()
        self._too_much = None
        words = f"{_ALONE}{decision.message}"
        if self._tried_before:
            return Settled(parked={part[0].id: words})
        self._refusal = decision
        self._alone[part[0].id] = part[0], words
        self._met.add(part[0].user_id)
        return Settled()

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
        if confirmed:
            self._proven = True
            self._taken.update(event.device for event in part)
            self._show(confirmed)
        return Settled(confirmed, parked | self._convicted(), decision.unasked)

    def _failed_again(self, event: Event, words: str) -> Settled:
        """Given one that was shown to be at fault and fails again, return those that are parked by now.

        They are parked together: should one of them be confirmed, none of them is.
        """
        self._again[event.id] = words
        if self._parts and len(self._again) < _PROBES:
            return Settled()
        parked, self._again = self._again, {}
        for one in parked:
            del self._shown[one]
        return Settled(parked=parked)

    def _show(self, confirmed: Iterable[str]) -> None:
        """Note, at a confirmation, which record is at fault for all that failed since the last, if one is."""
        if not self._shown.keys().isdisjoint(confirmed):
            self._unsteady = True
            self._parts[:0] = [(self._shown[one],) for one in self._again]
            self._again = {}
        alone, failed = self._alone, self._failed
        self._alone, self._failed = {}, []
        if len(alone) == 1:
            ((one, (event, _)),) = alone.items()
            if all(event in part for part in failed):
                self._shown[one] = event
                self._parts.insert(0, (event,))
                return
        self._parts += [(event,) for event, _ in alone.values()]

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
            taken = (one for one in self._witnesses if one.device in self._taken)
            witness = next(taken, self._witnesses[0])
            self._witnesses = [one for one in self._witnesses if one is not witness]
            return (witness,)
        left = [event for part in self._parts for event in part]
        strangers = [event for event in left if event.user_id not in self._met]
        # What stands next to one that failed may be at fault, too.
        beyond = [event for part in self._parts[:-1] for event in part] if self._doubted else []
        return (self._choose(strangers or beyond or left),)

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
