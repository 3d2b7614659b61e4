"""The time up to which the checkins of a shift are complete. Pure.

The site marks people present and absent up to a Shift Type's `last_sync_of_checkin`. Every punch with an
earlier time, of any device of the shift, must be there before that moves: a punch behind it is never looked
at again, and its person stays absent. So a device that cannot be read holds its shifts, and so does a punch
that the site refuses. A record that nobody can read may be of any time: while it waits for a person, the
shift stays where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from zkpoll.delivery.contract import Decision, FollowUp, Reply, Request, Verdict
from zkpoll.delivery.formats.events import compact
from zkpoll.delivery.formats.fields import WALL_CLOCK
from zkpoll.delivery.formats.frappe.answers import SHIFT, content, document
from zkpoll.model.delivery import Reach, ShiftMove
from zkpoll.wall_clock import out_of_repeats

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from zoneinfo import ZoneInfo

    from zkpoll.delivery.contract import Answer
    from zkpoll.delivery.formats.frappe.answers import Judge
    from zkpoll.inventory.formats.frappe import Shift

_FIELD: Final = "last_sync_of_checkin"
_NEVER: Final = Reach()
_ADVICE: Final = {
    403: "to its Shift Type; let the user of token: read and write Shift Type",
    404: "because it has no Shift Type of that name; check shifts:",
}


def follow_up(shift: Shift, zone: ZoneInfo, judge: Judge) -> FollowUp:
    """Given a shift of a site and the site's zone, return the exchange that tells it how far the shift is."""

    def exchange(
        reaches: Mapping[str, Reach], late_before: datetime
    ) -> Generator[Request, Answer, ShiftMove | Decision]:
        wanted = bound(shift, reaches, late_before)
        undated = [words for name in shift.devices for words in _undated(name, reaches.get(name, _NEVER))]
        return staying(wanted, "; ".join(undated), zone, judge) if undated else moving(wanted, zone, judge)

    return FollowUp(f"shift {shift.name}", zone, exchange)


def bound(shift: Shift, reaches: Mapping[str, Reach], late_before: datetime) -> ShiftMove:
    """Given a shift and how far each device is, return up to when it is complete, and the reason.

    A shift that is not complete up to `late_before` (aware) is late.
    """
    ends = [_end(name, reaches.get(name, _NEVER)) for name in shift.devices]
    first = min(ends, key=lambda end: end.until.timestamp() if end.until else 0.0)
    late = first.until is None or first.until < late_before
    return ShiftMove(shift.name, first.until, first.reason, late=late)


@dataclass(frozen=True, slots=True)
class _End:
    """Up to when one device's punches are complete, and why not later."""

    until: datetime | None
    reason: str


def _end(name: str, reach: Reach) -> _End:
    if reach.complete_until is None:
        why = "its clock shows no date, or this host's clock was wrong then"
        return _End(None, f"{name} was not read to its end yet, or {why}")
    if reach.unsettled_since is None or reach.complete_until <= reach.unsettled_since:
        return _End(reach.complete_until, f"{name}, last read then")
    waiting = [f"{reach.pending:,} punches pending"] if reach.pending else []
    parked = [f"{reach.parked:,} punches parked"] if reach.parked else []
    held = [f"{reach.held:,} punches held, from where another terminal belongs"] if reach.held else []
    return _End(reach.unsettled_since, f"{name}, with {' and '.join(waiting + parked + held)}")


def _undated(name: str, reach: Reach) -> list[str]:
    """Return what of a device may be of any time, each with what a person can do about it."""
    found = [(f"{_counted(reach.quarantined, 'record')} in quarantine", name)] if reach.quarantined else []
    for database, rows in reach.set_aside.items():
        found.append((f"{_counted(rows, 'row')} set aside in its database {database}", database))
    advice = "see zkpoll quarantine list, then zkpoll quarantine accept --device"
    return [f"{name}, with {what}, of a time that nobody knows: {advice} {of}" for what, of in found]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def staying(
    wanted: ShiftMove, reason: str, zone: ZoneInfo, judge: Judge
) -> Generator[Request, Answer, ShiftMove | Decision]:
    """Given a shift that must not be moved now, and why, begin the exchange that looks where it stands.

    What it returns says that it is complete no further than that.
    """
    stands = _standing((yield Request(method="GET", path=document(SHIFT, wanted.name))), zone, judge)
    if isinstance(stands, Decision):
        return _failed(wanted, stands)
    until = stands and stands.replace(tzinfo=zone).astimezone(UTC)
    until = min(until, wanted.until) if until and wanted.until else None
    return replace(wanted, until=until, held_by=reason, late=True)


def moving(
    wanted: ShiftMove, zone: ZoneInfo, judge: Judge
) -> Generator[Request, Answer, ShiftMove | Decision]:
    """Given how far a shift is complete, begin the exchange that tells the site so, in its `zone`.

    It returns the result, or the decision of a site that does not answer. It never moves a shift backwards:
    not behind a time that a person, or another program, set.
    """
    if wanted.until is None:
        return wanted
    until = out_of_repeats(wanted.until, zone).astimezone(zone).replace(microsecond=0, tzinfo=None)
    stands = _standing((yield Request(method="GET", path=document(SHIFT, wanted.name))), zone, judge)
    if isinstance(stands, Decision):
        return _failed(wanted, stands)
    if stands is not None and until <= stands:
        return wanted
    body = compact({_FIELD: until.strftime(WALL_CLOCK)})
    stands = _standing((yield Request(body, method="PUT", path=document(SHIFT, wanted.name))), zone, judge)
    if isinstance(stands, Decision):
        return _failed(wanted, stands)
    if stands is None or stands < until:
        words = "the site says that it is saved, and keeps the time that it had"
        return _failed(wanted, Decision(Verdict.CONFIGURATION, words))
    return replace(wanted, moved=True)


def _standing(answer: Answer, zone: ZoneInfo, judge: Judge) -> datetime | Decision | None:
    """Return the time of a Shift Type in an answer, None if it has none yet, or the decision on a flaw."""
    decision = judge.by_error(answer) or judge.by_status(answer)
    if not isinstance(answer, Reply) or decision.verdict is Verdict.TRY_AGAIN:
        return decision
    if advice := _ADVICE.get(answer.status):
        return Decision(Verdict.CONFIGURATION, judge.sentence(answer, advice))
    if decision.verdict is not Verdict.CONFIRMED:
        return decision
    try:
        told = content(answer)["data"].get(_FIELD)
        moment = datetime.fromisoformat(told) if told else None
    except (ValueError, LookupError, TypeError, AttributeError):
        words = f"the site answered {answer.status} with what is no Shift Type"
        return Decision(Verdict.CONFIGURATION, words)
    return moment.astimezone(zone).replace(tzinfo=None) if moment and moment.tzinfo else moment


def _failed(wanted: ShiftMove, decision: Decision) -> ShiftMove | Decision:
    said = f"its last_sync_of_checkin was not moved: {decision.message}"
    if decision.verdict is Verdict.TRY_AGAIN:
        return replace(decision, message=said)
    return replace(wanted, problem=said)
