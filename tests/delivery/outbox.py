"""An outbox that keeps its events in memory, and events to put into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.punch import Event, punch_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SERIAL = "CQZ7224760045"

EXAMPLE = Event(
    id="224c9c2b-8130-5e29-a627-3b68fe8961e9",
    device="front-door",
    serial_number=SERIAL,
    user_id="1001",
    timestamp="2026-11-22T08:59:58+06:00",
    verify=1,
    state=0,
    work_code=0,
    source="pull",
)


def some_events(count: int, first: int = 1) -> list[Event]:
    """Return events of as many people, all at the same second."""
    time = "2026-11-22T08:59:58"
    return [
        Event(
            id=punch_id(SERIAL, str(user), time),
            device="front-door",
            serial_number=SERIAL,
            user_id=str(user),
            timestamp=f"{time}+06:00",
            verify=1,
            state=0,
            work_code=0,
            source="pull",
        )
        for user in range(first, first + count)
    ]


class MemoryOutbox:
    """Pending events in order; remembers each confirmation as it was made."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._pending = {event.id: event for event in events}
        self.confirmations: list[tuple[str, ...]] = []

    def add(self, events: Iterable[Event]) -> None:
        """Put `events` behind what is pending."""
        self._pending.update((event.id, event) for event in events)

    def pending(self, limit: int) -> Sequence[Event]:
        """Return the oldest pending events."""
        return list(self._pending.values())[:limit]

    def confirm(self, ids: Sequence[str]) -> None:
        """Take confirmed events out. Raise `KeyError` for one that is not pending."""
        for one in ids:
            del self._pending[one]
        self.confirmations.append(tuple(ids))

    @property
    def left(self) -> list[str]:
        """The ids still pending."""
        return list(self._pending)

    @property
    def confirmed(self) -> list[str]:
        """The ids confirmed, in the order of their confirmation."""
        return [one for ids in self.confirmations for one in ids]
