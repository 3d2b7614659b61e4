"""Orders to devices that push: what each is asked for, and when. `Orders` carries out pure decisions.

    CHECK              the TimeZone it was told is not that of now: daylight saving, or another timezone:
    INFO               it told nothing of itself for a day
    DATA QUERY ATTLOG  it tells more records than came of it, and nothing came for ten minutes; or by hand

A terminal fetches its orders when it polls, one after the other. One that it does not answer is offered again
after a minute, five times at most, and dropped after an hour. No other order is ever given: none of these
changes anything on a terminal but its settings of pushing and its clock.

    gap: more records told than came
      ──ten minutes without a batch──▶ all are asked for, once
      ──answered, and ten minutes without a batch──▶ what is still missing is told, and remembered
      ──more are missing than were told──▶ all over again
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.errors import SetAside
from zkpoll.journal import conditions, pushed
from zkpoll.journal.pushed import CommandNews, Gap, Pushed
from zkpoll.push.commands import CHECK, ID_LENGTH, INFO, new_id, query_attlog
from zkpoll.push.contract import Order
from zkpoll.push.options import time_zone
from zkpoll.tasks.push_outcome import PUSH
from zkpoll.tasks.seats import OFFERED_AGAIN
from zkpoll.wall_clock import is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.pushed import Command, PushStanding

SPENT_AFTER: Final = timedelta(hours=1)
"""How long a command waits to be answered."""
MOST_OFFERS: Final = 5
QUIET: Final = timedelta(minutes=10)
"""How long nothing must come before something counts as missing: a terminal tries again every 30 s."""
_IN_TOUCH: Final = timedelta(minutes=5)
"""How long ago a device that is given orders called last. Terminals call once a minute at least, and calls
are written down once a minute."""
_DAY: Final = timedelta(days=1)
_LAG: Final = timedelta(minutes=1)
"""By how much the journal may be late to say when a device told something."""
_COUNTS: Final = 4
"""Devices of which punches are counted at one time: those of a full log take some 50 ms."""
_FIRST: Final = datetime(2000, 1, 1)
"""The first time that a terminal's clock can show."""

_QUERY: Final = "DATA QUERY"
"""What orders for punches begin with."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An order that a device should get, unless it got it lately."""

    text: str
    kind: str
    """Why it is given."""


# --- decisions ---


def is_spent(command: Command, now: datetime) -> bool:
    """Say whether a command that waits is to be dropped, since nobody answers it. `now` is UTC."""
    if _passed(command.queued_at, SPENT_AFTER, now):
        return True
    if command.offers < MOST_OFFERS or command.offered_at is None:
        return False
    return _passed(command.offered_at, timedelta(seconds=OFFERED_AGAIN), now)


def wishes(standing: PushStanding, told: str | None, zone: tzinfo, now: datetime) -> Iterator[Wish]:
    """Yield what a device should be asked for by now. `told` is the TimeZone it was told last.

    Some firmware shakes hands only when it starts, so that a journal which was begun anew knows of no
    TimeZone; without CHECK such a terminal would not hear of daylight saving.
    """
    wanted = time_zone(now.astimezone(zone).utcoffset() or timedelta())
    is_new = not _passed(standing.first_call_at, QUIET, now)
    if told != wanted and not (told is None and is_new):
        yield Wish(CHECK, f"TimeZone {wanted}")
    if not is_new and (standing.told_at is None or _passed(standing.told_at, _DAY, now)):
        yield Wish(INFO, "daily")


def was_lately(wish: Wish, commands: Iterable[Command], now: datetime) -> bool:
    """Say whether a device has such an order, or got it within a day."""
    return any(
        one.kind == wish.kind and (one.settled_at is None or not _passed(one.queued_at, _DAY, now))
        for one in commands
    )


@dataclass(frozen=True, slots=True)
class GapStep:
    """What follows from how many records are missing."""

    gap: Gap
    """What is to be remembered."""
    asks: bool = False
    """Whether all records are to be asked for."""
    tells: int | None = None
    """How many records a person is to be told of."""


def gap_step(standing: PushStanding, held: int, *, is_asked: bool, now: datetime) -> GapStep:
    """Given a device that is quiet, and how many of its records are held here, return what follows.

    `is_asked` says that an order for records waits. Counts are told after changes, and not at once: so more
    missing than before are sure to be missing, fewer only if they were told after the last batch.
    """
    gap, missing = standing.gap, (standing.told.records or 0) - held
    known = gap.told or 0
    if missing <= known:
        return GapStep(Gap(told=(max(missing, 0) if _is_up_to_date(standing) else known) or None))
    if gap.asked_at is None:
        since = gap.since or now
        if is_asked or not _passed(since, QUIET, now):
            return GapStep(replace(gap, since=since))
        return GapStep(Gap(since, now, gap.told), asks=True)
    if is_asked or not _passed(gap.asked_at, QUIET, now):
        return GapStep(gap)
    return GapStep(Gap(told=missing), tells=missing)


def may_miss(standing: PushStanding, now: datetime) -> bool:
    """Say whether a device tells how many records it has, and has sent none for a while."""
    if standing.told.records is None:
        return False
    return standing.committed_at is None or _passed(standing.committed_at, QUIET, now)


def _is_up_to_date(standing: PushStanding) -> bool:
    """Say whether a device told how many records it has after its last batch."""
    committed, told_at = standing.committed_at, standing.told_at
    return committed is None or (told_at is not None and told_at >= committed + _LAG)


def _passed(then: datetime, span: timedelta, now: datetime) -> bool:
    """Say whether so much time has passed since; also where a clock was wrong then, and nobody knows."""
    return now - then >= span or is_ahead(then, now)


def everything(zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
    """Return the first and the last time of all that a device can hold, by its wall clock."""
    tomorrow = now.astimezone(zone).replace(tzinfo=None) + _DAY
    return _FIRST, tomorrow.replace(hour=23, minute=59, second=59, microsecond=0)


def gap_notice(missing: int) -> str:
    """Return the sentence on records that did not come."""
    return (
        f"its log holds {'1 record' if missing == 1 else f'{missing:,} records'} more than came, though it"
        " was asked for all; equal ones count once here, and others can be read with host: (`zkpoll sync`)"
    )


# --- carrying them out ---


class Orders:
    """The orders of one `serve`. Used by one thread."""

    def __init__(self, inventory: Inventory, journal: Journal) -> None:
        self._devices = [device for device in inventory.pushing if device.enabled]
        self._journal = journal
        self._held: dict[str, tuple[datetime | None, int]] = {}
        """How many records of a device were held after which batch. Counting takes time."""

    def look_after(self, now: datetime, zones_told: Mapping[str, str]) -> None:
        """Give the orders that are due, and drop what nobody answers. Raise `JournalError`.

        A handful of queries for all devices. `now` is UTC. `zones_told` has the TimeZone that devices were
        told by this process, by name: the journal may not know it yet.
        """
        waiting = pushed.waiting_commands(self._journal)
        spent = [(key, one.id) for key, those in waiting.items() for one in those if is_spent(one, now)]
        pushed.note_commands(self._journal, (CommandNews(key, id_, settled=True) for key, id_ in spent))
        standings = pushed.pushed_standings(self._journal)
        reached = [
            (device, standing)
            for device in self._devices
            if (standing := standings.get(device.name)) and takes_orders(standing)
            if not _passed(standing.last_call_at, _IN_TOUCH, now)
        ]
        self._give([(one, wish) for one in reached for wish in self._wishes(*one, zones_told, now)], now)
        for device, standing in self._counted(reached, now):
            is_asked = any(one.text.startswith(_QUERY) for one in waiting.get(standing.serial_number, ()))
            step = gap_step(standing, self._held[device.name][1], is_asked=is_asked, now=now)
            if step != GapStep(standing.gap):
                self._take(step, device, standing, now)

    def _wishes(
        self, device: Device, standing: PushStanding, zones_told: Mapping[str, str], now: datetime
    ) -> Iterator[Wish]:
        told = zones_told.get(device.name) or standing.zone_told
        return wishes(standing, told, ZoneInfo(device.timezone), now)

    def _give(self, wanted: Sequence[tuple[tuple[Device, PushStanding], Wish]], now: datetime) -> None:
        """Queue, in one transaction, what devices did not get lately."""
        if not wanted:
            return
        given = pushed.all_commands(self._journal)
        due = [
            (standing.serial_number, wish)
            for (_, standing), wish in wanted
            if not was_lately(wish, given.get(standing.serial_number, ()), now)
        ]
        if due:
            with self._journal.transaction():
                for key, wish in due:
                    Pushed(self._journal, key).queue(new_order(wish.text), wish.kind)

    def _counted(
        self, reached: Iterable[tuple[Device, PushStanding]], now: datetime
    ) -> Iterator[tuple[Device, PushStanding]]:
        """Yield the devices whose records that are held have been counted since the last batch.

        Not those that are called, too: a reading of their log finds what did not come.
        """
        counts = 0
        for device, standing in reached:
            if device.host is not None or not may_miss(standing, now):
                continue
            known = self._held.get(device.name)
            if known is None or known[0] != standing.committed_at:
                if counts == _COUNTS:
                    continue
                counts += 1
                held = Pushed(self._journal, standing.serial_number).held()
                self._held[device.name] = standing.committed_at, held
            yield device, standing

    def _take(self, step: GapStep, device: Device, standing: PushStanding, now: datetime) -> None:
        mine = Pushed(self._journal, standing.serial_number)
        with self._journal.transaction():
            mine.keep_gap(step.gap)
            if step.asks:
                text = query_attlog(*everything(ZoneInfo(device.timezone), now))
                mine.queue(new_order(text), "gap")
            if step.tells is not None:
                conditions.owe(self._journal, f"{PUSH}{device.name}", gap_notice(step.tells))


def takes_orders(standing: PushStanding) -> bool:
    """Say whether a device understands these orders: those of the access dialect are others."""
    return standing.dialect != "access"


def new_order(text: str) -> Order:
    """Return an order with an id of its own."""
    return Order(new_id(secrets.token_bytes(ID_LENGTH)), text)


# --- by hand ---


@dataclass(frozen=True, slots=True)
class Asked:
    """A device that was asked to push punches again."""

    since: datetime
    """By its wall clock, as is `until`."""
    until: datetime
    is_new: bool
    """False where the very same is asked for already, and waits."""


def who_is_asked(journal: Journal, device: Device) -> PushStanding:
    """Return how a device stands that can be asked. Raise `SetAside` where it would not hear of that."""
    standing = pushed.pushed_standings(journal).get(device.name)
    if standing is None:
        raise SetAside(
            f"{device.name} has never called, so nothing can be asked of it; `zkpoll devices pending` shows"
            " who was refused"
        )
    if not takes_orders(standing):
        raise SetAside(f"{device.name} speaks the access dialect, and takes no orders from zkpoll")
    return standing


def ask(
    journal: Journal, key: str, zone: tzinfo, span: tuple[datetime | None, datetime | None], now: datetime
) -> Asked:
    """Ask a device for its punches in a span of time, by its wall clock; None is its own end of all time.

    `zone` is that of its clock, `now` is UTC. Raise `JournalError` where the order cannot be written down.
    """
    first, last = everything(zone, now)
    since, until = span[0] or first, span[1] or last
    with journal.transaction():
        is_new = Pushed(journal, key).queue(new_order(query_attlog(since, until)), "by hand")
    return Asked(since, until, is_new)
