"""The table of formats: the class that makes the requests of each.

A format's module is imported when a dashboard takes the format. Its settings, and the facts that the
inventory needs of it, are in `zkpoll/inventory/formats/`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

from zkpoll.delivery.user_ids import Outward, People

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.delivery.contract import Format
    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory import Dashboard


class FormatRow(NamedTuple):
    """The place of a format."""

    module: str
    """Beside this one."""
    made: str
    """Its class, made as `Format` in `zkpoll/delivery/contract.py` says."""
    as_journalled: bool = False
    """Whether it says of a punch just what the journal has of it, so that no source needs to be known."""


FORMATS: Final[Mapping[str, FormatRow]] = {
    "events": FormatRow("events", "Events", as_journalled=True),
    "event": FormatRow("events", "SingleEvent", as_journalled=True),
    "frappe": FormatRow("frappe", "FrappeFormat"),
    "odoo": FormatRow("odoo", "OdooFormat"),
    "template": FormatRow("template", "TemplateFormat"),
}
"""By the name that the inventory has for it."""


def format_of(dashboard: Dashboard, origins: Origins, secrets: tuple[str, ...]) -> Format:
    """Given a dashboard, the origins of punches, and what no message may hold, return its format."""
    row = FORMATS[dashboard.format]
    module = import_module(f"{__package__}.{row.module}")
    extra = {"extra": dashboard.extra_fields} if dashboard.extra_fields else {}
    form: Format = getattr(module, row.made)(dashboard.format_settings, origins, secrets, **extra)
    ruled = dashboard.user_id or any(source.user_id for source in origins.sources.values())
    return form if row.as_journalled and not ruled else Outward(form, People(origins, dashboard.user_id))
