"""What a request may tell of a punch, by name: for the formats that leave it to the inventory. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from zkpoll.model.punch import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.delivery.origins import Terminals
    from zkpoll.model.punch import Event

Value: TypeAlias = "str | int | float | None"

WALL_CLOCK = "%Y-%m-%d %H:%M:%S"
"""How databases write a time that has no zone."""


def values(event: Event, terminals: Terminals) -> Mapping[str, Value]:
    """Given an event and the terminals, return its values by the names of `inventory.documents.NAMES`.

    The settings of a terminal that the inventory has no more are None.
    """
    device = terminals.of(event)
    moment = datetime.fromisoformat(event.timestamp)
    date, time = event.timestamp[:10], event.timestamp[11:19]
    return {
        **as_json(event),
        "direction": terminals.direction(event),
        "local": f"{date} {time}",
        "date": date,
        "time": time,
        "utc": moment.astimezone(UTC).strftime(WALL_CLOCK),
        "epoch": int(moment.timestamp()),
        "host": device and device.host,
        "port": device and device.port,
        "transport": device and device.transport,
        "timezone": device and device.timezone,
        "latitude": device and device.latitude,
        "longitude": device and device.longitude,
    }
