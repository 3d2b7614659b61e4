"""What workers did, as the outcome of a run that did no more: what a person is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.journal import conditions
from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.devices import Devices
from zkpoll.tasks.backlogs import look_after_backlogs
from zkpoll.tasks.clearing_outcome import ClearingOutcome
from zkpoll.tasks.database_outcome import DatabaseOutcome
from zkpoll.tasks.delivery_outcome import DeliveryOutcome
from zkpoll.tasks.device_outcome import DeviceOutcome
from zkpoll.tasks.old_copies import remove_old_copies
from zkpoll.tasks.outcome import Outcome, whose_clock
from zkpoll.tasks.rings import in_rings, owners, rings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.fleet.carry_out import Done
    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal

NEWS: Final = 60.0
"""Seconds between two tellings of what was done."""


def events(done: Done) -> list[tuple[str, str]]:
    """Return what a person should know of a result, but for how things stand, which the next one tells."""
    return [(done.subject, notice.text) for notice in done.notices if not notice.harmless]


def untold_here(
    done: Sequence[Done], earlier: Sequence[tuple[str, str]], journal: Journal
) -> tuple[tuple[str, str], ...]:
    """Return what is to be told by this process now, each with its subject in front.

    What others found they tell within a minute, or did not come to it.
    """
    own = {event for one in done for event in events(one)}
    owed = conditions.owed(journal)
    left = set(conditions.owed(journal, timedelta(seconds=2 * NEWS)))
    return (
        *(one for one in owed if one in left or one in own or one in earlier),
        *(one for one in dict.fromkeys(earlier) if one not in owed),
    )


def outcome_of(
    done: Sequence[Done],
    earlier: Sequence[tuple[str, str]],
    inventory: Inventory,
    journal: Journal,
    newest: datetime | None,
    seconds: float,
) -> Outcome:
    """Return what was done as the outcome of a run that did no more.

    `earlier` are events of results before these, and `newest` is the newest reading before all of that.
    """
    now = datetime.now(UTC)
    visited = [one for one in done if isinstance(one, DeviceOutcome)]
    visited = exchanged(visited, inventory, journal)
    deliveries = tuple(one for one in done if isinstance(one, DeliveryOutcome))
    failed = {one.name for one in deliveries if one.failed}
    delivered = [one for one in inventory.dashboards if one.name in {each.name for each in deliveries}]
    clearings = [one for one in done if isinstance(one, ClearingOutcome)]
    if newest and newest > now:
        newest = None
    return Outcome(
        devices=whose_clock(visited),
        databases=tuple(one for one in done if isinstance(one, DatabaseOutcome)),
        deliveries=deliveries,
        backlogs=look_after_backlogs(delivered, journal, failed, now) if delivered else (),
        fleet=(*clearings, *_not_due(visited, inventory)),
        locked=maybe_disabled(journal),
        old_copies=remove_old_copies(inventory, visited, newest, now) if clearings else None,
        untold=untold_here(done, earlier, journal),
        is_one_of_many=True,
        seconds=seconds,
    )


def exchanged(
    visited: Sequence[DeviceOutcome], inventory: Inventory, journal: Journal
) -> list[DeviceOutcome]:
    """Return visits; devices that answer at each other's addresses say so.

    Each of them says it by itself, by what the journal has of the others while these are in trouble: another
    process may have visited them, or this one in another minute, and a person is told one thing of them.
    """
    known, standing = Devices(journal), conditions.told(journal)
    whose = owners(inventory.devices, known.names())
    told = {one.name: one.key for one in visited if one.key}
    for key in [one.key for one in visited if one.key and one.problem]:
        name = whose.get(key)
        while name and name not in told and f"device {name}" in standing:
            if (answers := known.stranger_at(name)) is None:
                break
            told[name] = answers
            name = whose.get(answers)
    in_order = {one.name: told[one.name] for one in inventory.devices if one.name in told}
    return [replace(one, ring=()) for one in in_rings(visited, rings(in_order, whose))]


def _not_due(visited: Sequence[DeviceOutcome], inventory: Inventory) -> list[ClearingOutcome]:
    """Return that the logs need no clearing which were read and are not due: whatever was told of it ends."""
    clear = {one.name: one.clear for one in inventory.called if one.clear.above is not None}
    return [
        ClearingOutcome(one.name)
        for one in visited
        if one.complete
        and one.reading
        and one.name in clear
        and not clear[one.name].due(one.reading.on_device, one.reading.capacity)
    ]
