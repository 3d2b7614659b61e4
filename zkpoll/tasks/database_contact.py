"""Contact with a database: under its lock, as the inventory describes it, its rows as they are meant there.

All that reads a database stands inside `database_contact`, so that no two runs are at one.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zkpoll.bridge.contract import Target
from zkpoll.bridge.meaning import RowRules
from zkpoll.bridge.schemas import PUNCH_EVENTS, schema_of
from zkpoll.tasks.database_outcome import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.bridge.contract import Opens, Source
    from zkpoll.inventory import Database
    from zkpoll.tasks.contact import Contacts


@contextmanager
def database_contact(contacts: Contacts, database: Database, opens: Opens) -> Iterator[Source]:
    """Give a database that is open and under its lock.

    Raise `Busy` when another run is at it, and what `opens` raises.
    """
    target = target_of_database(database)
    with contacts.journal.lock(f"{DATABASE}{target.address}"), opens(target) as source:
        yield source


def target_of_database(database: Database) -> Target:
    """Given the settings of a database, return it as a target of visits."""
    return Target(
        database.name,
        database.kind,
        database.address,
        file=database.file,
        url=database.url,
        password=database.password_text(),
        timeout=database.timeout,
        take=database.take,
        table=database.table,
        query=database.query,
        columns=database.target_columns,
    )


def own_key(database: Database) -> str:
    """Return the device key that rows get which no terminal made, as long as the journal knows no other."""
    return database.serial or database.name


def rules_of(database: Database, key: str) -> RowRules:
    """Given the settings of a database and its own device key, return what its rows mean."""
    schema = schema_of(target_of_database(database))
    events = None
    if database.take == "events":
        events = PUNCH_EVENTS[database.kind] if database.events is None else database.events
    return RowRules(
        key,
        schema.user_is,
        states={**schema.states, **database.states},
        machines={number: machine.serial for number, machine in database.machines.items()},
        events=events,
        door_states=database.take == "events",
    )


def asked(database: Database) -> bytes:
    """Return 16 bytes that differ where the inventory asks for other rows of a database."""
    told = [
        *(database.kind, database.take, database.table, database.query),
        sorted(database.target_columns.items()),
        None if database.events is None else sorted(database.events),
    ]
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).digest()
