"""The tables beside that of punches: people, terminals, rows that a person typed in. Pure.

Numbers and times are told as rows of punches are looked up by them.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final

from zkpoll.bridge.contract import DatabaseUser
from zkpoll.bridge.values import NO_NUMBER, bare, second_text, to_second

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zkpoll.bridge.contract import Cell

USER_MEANINGS: Final = ("number", "badge", "name", "last_name", "card", "privilege", "has_pin")
"""What is read of people. Of a password only whether there is one is told."""


def badges(rows: Iterable[Sequence[Cell]]) -> dict[str, str]:
    """Given numbers and badges of people, return the badges by number."""
    return {bare(number): bare(badge) for number, badge in rows if number is not None}


def serials(rows: Iterable[Sequence[Cell]]) -> dict[str, frozenset[str]]:
    """Given numbers and serial numbers of terminals, return the serial numbers that each number has."""
    found: dict[str, set[str]] = {}
    for number, serial in rows:
        if machine := bare(number):
            found.setdefault(machine, set()).update({bare(serial)} - NO_NUMBER)
    return {machine: frozenset(told) for machine, told in found.items()}


def typed_in(rows: Iterable[Sequence[Cell]]) -> frozenset[tuple[str, str]]:
    """Given numbers of people, times and whether a row was added, return the added: number and second."""
    found = set()
    for number, time, added in rows:
        if bare(added) == "1" and isinstance(time, datetime):
            with suppress(OverflowError):  # of no row: none is of the year 10,000
                found.add((bare(number), second_text(to_second(time))))
    return frozenset(found)


def user_of(told: Mapping[str, Cell]) -> DatabaseUser:
    """Given what a table tells of a person, by meaning, return the person."""
    privilege = bare(told.get("privilege"))
    return DatabaseUser(
        number=bare(told.get("number")),
        badge=bare(told.get("badge")),
        name=" ".join(part for part in (bare(told.get("name")), bare(told.get("last_name"))) if part),
        card=bare(told.get("card")),
        privilege=int(privilege) if privilege.isascii() and privilege.isdigit() else None,
        has_password=bare(told.get("has_pin")) != "",
    )
