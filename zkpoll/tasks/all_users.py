"""The users of devices and of databases, all asked in parallel, one answer for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zkpoll.model.report import Trouble
from zkpoll.model.user import User
from zkpoll.tasks import read_users
from zkpoll.tasks.database_outcome import DATABASE
from zkpoll.tasks.read_database_users import ask_databases

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from zkpoll.bridge.contract import DatabaseUser, Opens
    from zkpoll.inventory import Database, Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.report import Notice

_ENCODING: Final = "utf-8"
"""Of the names of a database, which has text and no bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The users of a device or a database, or why it did not tell them."""

    name: str
    """Its name in the inventory."""
    key: str
    """The device key; empty where it did not answer."""
    users: tuple[User, ...] = field(repr=False)
    encoding: str
    """That of the names."""
    of_database: bool
    problem: str | None
    """Why it did not answer, in one sentence; None if it did."""
    kind: str | None

    @property
    def subject(self) -> str:
        """The device or database."""
        return f"{DATABASE if self.of_database else 'device '}{self.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The problem, or None."""
        return Trouble(self.kind or "users", self.problem) if self.problem else None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """None."""
        return ()


def ask_all(
    inventory: Inventory,
    devices: Sequence[Device],
    databases: Sequence[Database],
    journal: Journal,
    opens: Opens,
    stop: threading.Event,
) -> list[Answer]:
    """Ask devices, then databases for their users; return an answer for each, in their order.

    Raise as those do that ask them.
    """
    told = read_users.call(inventory, devices, journal, stop)
    stored = ask_databases(databases, journal, opens, stop)
    return [
        *(
            Answer(one.device.name, one.key, one.users, one.device.encoding, False, one.problem, one.kind)
            for one in told
        ),
        *(
            Answer(
                one.database.name,
                one.key,
                tuple(map(_user, one.users)),
                _ENCODING,
                True,
                one.problem,
                one.kind,
            )
            for one in stored
        ),
    ]


def _user(person: DatabaseUser) -> User:
    return User(
        slot=_number(person.number),
        user_id=person.badge,
        name=person.name.encode(_ENCODING, "backslashreplace"),
        privilege=person.privilege or 0,
        card=_number(person.card or "0"),
        group=0,
        has_password=person.has_password,
    )


def _number(text: str) -> int | str:
    """Return a number as such, without zeros in front, and other text as it is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text
