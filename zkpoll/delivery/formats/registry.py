"""Which formats there are.

A format lives in a module of its own, which is imported where a dashboard takes it, and is entered in
`FORMATS`. Elsewhere its name stands for what is not of its requests: for the word before the token in
`access`, and for the shifts that follow a delivery to Frappe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from zkpoll.delivery.formats.events import Events, SingleEvent
from zkpoll.delivery.user_ids import Outward, People
from zkpoll.inventory.formats import Odoo as OdooSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zkpoll.delivery.contract import Exchange, Probe, Request
    from zkpoll.delivery.origins import Terminals
    from zkpoll.delivery.verdicts import Decision
    from zkpoll.inventory import Dashboard
    from zkpoll.model.punch import Event


class Format(Protocol):
    """How punches become requests, and what the answers mean. Pure: it asks by way of an `Exchange`."""

    @property
    def most(self) -> int | None:
        """How many events one request can carry; None for any number."""

    def carry(self, events: Sequence[Event]) -> Request | Decision:
        """Given events, not more than a request can carry, return the request that carries them.

        A decision where it is settled about all of them that none can be sent.
        """

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Given events, not more than a request can carry, begin the exchange that settles them.

        `unsure` says that they may be there already: they were sent before, and the answer was lost.
        """

    def preflight(self) -> Probe | None:
        """Return the question before the first event of a delivery, if there is one.

        What its answer shows to be wrong is wrong with every event, and ends the delivery.
        """

    def probes(self) -> Sequence[Probe]:
        """Return the questions that show whether it would take punches."""


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


def most_of(form: Format, batch_size: int) -> int:
    """Given a format and the most events wanted in a request, return how many it can be."""
    return min(batch_size, form.most or batch_size)
