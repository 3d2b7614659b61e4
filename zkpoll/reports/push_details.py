"""A device that pushes, in all that is known of it. Nothing here writes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from zkpoll.journal.pushed import Pushed, pushed_standings
from zkpoll.model.printable import shown
from zkpoll.reports.words import ahead, counted, iso, minute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal
    from zkpoll.journal.pushed import Command, PushStanding

_RETURNS: Final = {
    0: "done",
    -1: "nothing there, or not understood",
    -1002: "not supported",
    -1004: "not supported",
    -1005: "busy",
}
"""What a terminal's return codes mean, as far as that is known (vendor's documents)."""


@dataclass(frozen=True, slots=True)
class PushDetails:
    """A device that has called, in all that its calls told."""

    standing: PushStanding
    held: int
    """Punches of it in the journal, and lines in quarantine."""
    commands: tuple[Command, ...]
    """Those that wait, and the last ones that are settled, in the order of queueing."""

    def rows(self) -> Iterator[tuple[str, str | None]]:
        """Yield what is known, each with its name in front; None is not known."""
        one, told = self.standing, self.standing.told
        yield "last call", f"{minute(one.last_call_at)} from {one.address}"
        yield "first call", minute(one.first_call_at)
        yield "last punches", minute(one.committed_at) if one.committed_at else None
        yield "dialect", one.dialect
        yield "TimeZone told", one.zone_told
        words = (told.model, told.firmware, told.platform, told.push_version)
        for name, word in zip(("model", "firmware", "platform", "push version"), words, strict=True):
            yield name, shown(word) if word else word  # as the device told it: it may steer a screen
        yield "users", None if told.users is None else f"{told.users:,}"
        yield "records", self._records()
        yield "held here", f"{self.held:,}"
        yield "push clock", None if one.skew is None else ahead(-one.skew)
        yield "replays", f"{one.replays:,}"
        if one.door_events:
            yield "door events", f"{one.door_events:,}"
        for command in self.commands:
            yield "order", command_words(command)

    def _records(self) -> str | None:
        records, gap = self.standing.told.records, self.standing.gap
        if records is None:
            return None
        missing = f"; {counted(gap.told, 'record')} never came" if gap.told else ""
        return f"{records:,}{missing}"

    def document(self) -> dict[str, Any]:
        """Return it for JSON. `skew` are the seconds from punch to receipt."""
        one = self.standing
        return {
            "first_call": iso(one.first_call_at),
            "last_call": iso(one.last_call_at),
            "last_batch": iso(one.committed_at),
            "address": one.address,
            "dialect": one.dialect,
            "timezone_told": one.zone_told,
            "told": asdict(one.told),
            "told_at": iso(one.told_at),
            "held": self.held,
            "never_came": one.gap.told,
            "skew": one.skew,
            "replays": one.replays,
            "door_events": one.door_events,
            "commands": [_command(command) for command in self.commands],
        }


def push_details(journal: Journal, name: str) -> PushDetails | None:
    """Return what is known of the terminal that calls by this name; None where none ever did."""
    standing = pushed_standings(journal).get(name)
    if standing is None:
        return None
    pushed = Pushed(journal, standing.serial_number)
    return PushDetails(standing, pushed.held(), pushed.commands())


def command_words(command: Command) -> str:
    """Return a command, why and when it was queued, and what came of it."""
    text = command.text.replace("\t", " ")
    return f"{text} ({command.kind}), {minute(command.queued_at)}: {_end(command)}"


def _end(command: Command) -> str:
    if command.return_code is not None:
        meaning = _RETURNS.get(command.return_code)
        return f"Return={command.return_code}{f', {meaning}' if meaning else ''}"
    fetched = f"fetched {counted(command.offers, 'time')}, not answered" if command.offers else "not fetched"
    return f"{fetched}, and dropped" if command.settled_at else f"{fetched} yet"


def _command(command: Command) -> dict[str, Any]:
    times = ("queued_at", "offered_at", "settled_at")
    return asdict(command) | {key: iso(getattr(command, key)) for key in times}
