"""Days as options and arguments: text until the inventory is loaded, which says how dates are meant."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from datetime import date

    from click.shell_completion import CompletionItem

    from zkpoll.inventory import Inventory

    _Text = click.ParamType[str]
else:
    _Text = click.ParamType  # which says what it makes from click 8.4 on


class _Day(_Text):
    """A day as a person writes it. `day` says which it is."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002  # click's own
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:  # noqa: ARG002  # click's own
        from click.shell_completion import CompletionItem

        from zkpoll.model.days import WEEKDAYS

        words = ("today", "yesterday", *WEEKDAYS)
        return [CompletionItem(word) for word in words if word.startswith(begun.lower())]


DAY: Final = _Day()
"""A day as an option or argument."""


def day(inventory: Inventory, text: str, parameter: str, zone: str | None = None) -> date:
    """Given a day as a person wrote it, and the parameter it came by, return it, or refuse it.

    What day it is today is told by this host's clock, in the zone, or in the inventory's.
    """
    from zoneinfo import ZoneInfo

    from zkpoll.model.days import day_of

    today = datetime.now(ZoneInfo(zone or inventory.zone)).date()
    month_first = inventory.dates and inventory.dates == "month/day/year"
    try:
        return day_of(text, today, month_first)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=parameter) from None


def between(
    inventory: Inventory, first: str | None, last: str | None, parameters: tuple[str, str]
) -> tuple[date | None, date | None]:
    """Given the first and the last day of a span, and their parameters, return them.

    Refuse a span that ends before it begins.
    """
    begin = None if first is None else day(inventory, first, parameters[0])
    end = None if last is None else day(inventory, last, parameters[1])
    if begin and end and begin > end:
        raise click.UsageError(f"{parameters[0]} is later than {parameters[1]}: {begin}, {end}")
    return begin, end
