"""The values of a punch by name, for formats with fields named in the inventory. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from zkpoll.inventory import Database, Device
from zkpoll.model.punch import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory import Source
    from zkpoll.model.punch import Event

Value: TypeAlias = "str | int | float | None"

WALL_CLOCK = "%Y-%m-%d %H:%M:%S"
"""The form in which databases write a time without a zone."""


def values(event: Event, origins: Origins) -> Mapping[str, Value]:
    """Given an event and the origins, return its values by the names of `inventory.documents.NAMES`.

    The settings of a source that the inventory has no more are None, and so is the address of one that has
    none.
    """
    source = origins.of(event)
    device = source if isinstance(source, Device) and source.host is not None else None
    moment = datetime.fromisoformat(event.timestamp)
    date, time = event.timestamp[:10], event.timestamp[11:19]
    return {
        **as_json(event),
        "manual": event.manual,
        "clock_suspect": event.clock_suspect,
        "direction": origins.direction(event),
        "local": f"{date} {time}",
        "date": date,
        "time": time,
        "utc": moment.astimezone(UTC).strftime(WALL_CLOCK),
        "epoch": int(moment.timestamp()),
        "host": device and device.host,
        "port": device and device.port,
        "transport": device and device.transport,
        "timezone": source and _zone(source, event),
        "latitude": source and source.latitude,
        "longitude": source and source.longitude,
    }


def _zone(source: Source, event: Event) -> str:
    """Given a source and one of its events, return the time zone of the wall clock that it was stamped by."""
    return source.zone_of(event.serial_number) if isinstance(source, Database) else source.timezone
