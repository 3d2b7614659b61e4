"""The people of databases: each database asked under its lock, in parallel, one result for each."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zkpoll.journal.ledger import Ledger
from zkpoll.model.report import Trouble
from zkpoll.tasks.contact import Contacts
from zkpoll.tasks.database_contact import database_contact, own_key
from zkpoll.tasks.database_outcome import DATABASE
from zkpoll.tasks.result import one_failure
from zkpoll.tasks.run import joined

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from zkpoll.bridge.contract import DatabaseUser, Opens
    from zkpoll.inventory import Database
    from zkpoll.journal.database import Journal
    from zkpoll.model.report import Notice

_AT_ONCE: Final = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DatabaseUsers:
    """The people of a database, or why it did not tell them."""

    database: Database
    key: str = ""
    """The device key of the rows that no terminal made."""
    users: tuple[DatabaseUser, ...] = field(default=(), repr=False)
    problem: str | None = None
    """Why it could not be read, in one sentence; None if it could."""
    kind: str | None = None
    """The kind of that."""

    @property
    def subject(self) -> str:
        """The database."""
        return f"{DATABASE}{self.database.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The problem, or None."""
        return Trouble(self.kind or "users", self.problem) if self.problem else None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """None."""
        return ()


def ask_databases(
    databases: Sequence[Database], journal: Journal, opens: Opens, stop: threading.Event
) -> list[DatabaseUsers]:
    """Read the people of `databases` and return a result for each, in their order.

    Raise `JournalError` when the journal cannot be used.
    """
    contacts = Contacts(journal, stop.is_set, writes=False)
    with ThreadPoolExecutor(_AT_ONCE, "database") as pool:
        work = [pool.submit(read_database_users, database, contacts, opens) for database in databases]
        return joined(work, stop.set)


def read_database_users(database: Database, contacts: Contacts, opens: Opens) -> DatabaseUsers:
    """Read the people of one database. Raise only `StopRun`."""

    def asked() -> DatabaseUsers:
        _log.info("%s: reading the people of %s", database.name, database.address)
        known = Ledger(contacts.journal, database.address).known
        with database_contact(contacts, database, opens) as source:
            users = tuple(source.users())
        _log.info("%s: %d people", database.name, len(users))
        return DatabaseUsers(database, known.key if known else own_key(database), users)

    return one_failure(
        database.name, asked, lambda problem, kind: DatabaseUsers(database, problem=problem, kind=kind)
    )
