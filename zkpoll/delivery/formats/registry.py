"""Which formats there are.

A format lives in a module of its own, which is imported where a dashboard takes it, and is entered in
`FORMATS`. Elsewhere its name stands for what is not of its requests: for the word before the token in
`access`, and for the shifts that follow a delivery to Frappe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from zkpoll.delivery.formats.events import Events, SingleEvent
from zkpoll.delivery.user_ids import Outward, People
from zkpoll.inventory.formats.odoo import Odoo as OdooSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkpoll.delivery.contract import Format
    from zkpoll.delivery.origins import Terminals
    from zkpoll.inventory import Dashboard


def _events(_: Dashboard, __: Terminals, secrets: tuple[str, ...]) -> Format:
    return Events(secrets)


def _event(_: Dashboard, __: Terminals, secrets: tuple[str, ...]) -> Format:
    return SingleEvent(secrets)


def _frappe(dashboard: Dashboard, terminals: Terminals, secrets: tuple[str, ...]) -> Format:
    from zkpoll.delivery.formats.frappe import Frappe

    assert dashboard.frappe is not None  # noqa: S101  # no inventory has this format without it
    return Frappe(dashboard.frappe, terminals, secrets)


def _odoo(dashboard: Dashboard, terminals: Terminals, secrets: tuple[str, ...]) -> Format:
    from zkpoll.delivery.formats.odoo import Odoo

    return Odoo(dashboard.odoo or OdooSettings(), terminals, secrets)


def _template(dashboard: Dashboard, terminals: Terminals, secrets: tuple[str, ...]) -> Format:
    from zkpoll.delivery.formats.template import Template

    assert dashboard.template is not None  # noqa: S101  # no inventory has this format without it
    return Template(dashboard.template, terminals, secrets)


FORMATS: Final[Mapping[str, Callable[[Dashboard, Terminals, tuple[str, ...]], Format]]] = {
    "events": _events,
    "event": _event,
    "frappe": _frappe,
    "odoo": _odoo,
    "template": _template,
}
"""By name, who makes the format of a dashboard's settings, the terminals, and what no message may hold."""
_AS_JOURNALLED: Final = frozenset({"events", "event"})
"""Formats that tell of a punch just what the journal has of it."""


def format_of(dashboard: Dashboard, terminals: Terminals, secrets: tuple[str, ...]) -> Format:
    """Given a dashboard, the terminals, and what no message may hold, return the format that it takes."""
    form = FORMATS[dashboard.format](dashboard, terminals, secrets)
    ruled = dashboard.user_id or any(device.user_id for device in terminals.devices.values())
    if dashboard.format in _AS_JOURNALLED and not ruled:
        return form
    return Outward(form, People(terminals, dashboard.user_id))
