"""One punch as a row of an export. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from zkpoll.model.punch import Event, as_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.journal.exports import Journalled
    from zkpoll.reports.people import People

_NOBODY: Final = Event("", "", "", "", "", 0, 0, 0, "")
_MORE: Final = ("name", "manual", "clock_suspect", "hold", "journalled_at")
_DASHBOARDS: Final = "dashboards"
TIMES: Final = frozenset(("timestamp", "journalled_at"))
"""The columns that have moments."""


def columns(dashboards: Sequence[str]) -> tuple[str, ...]:
    """Given the names of all dashboards, return the columns of an export, one for each of them at the end."""
    return (*as_json(_NOBODY), *_MORE, *(f"{_DASHBOARDS}.{name}" for name in dashboards))


def as_dict(punch: Journalled, dashboards: Sequence[str], people: People) -> Mapping[str, object]:
    """Given a punch, return its event for dashboards, whose it is, and its state with each of `dashboards`.

    The name is None where it is not known, the state where the punch is older than the dashboard.
    """
    return as_json(punch.event) | {
        "name": people.name_at(punch.event.serial_number, punch.event.user_id),
        "manual": punch.event.manual,
        "clock_suspect": punch.event.clock_suspect,
        "hold": punch.hold,
        "journalled_at": punch.journalled_at,
        _DASHBOARDS: {name: punch.states.get(name) for name in dashboards},
    }
