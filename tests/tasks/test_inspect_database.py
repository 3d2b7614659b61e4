"""A person's look at a database: what it holds, whose it is, and why it cannot be read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.bridge.in_memory import InMemory, punched
from zkpoll.bridge.contract import Opened
from zkpoll.errors import Encrypted, Refused, Unreachable, WrongSchema, ZkpollError
from zkpoll.inventory import Database
from zkpoll.journal.opening import open_journal
from zkpoll.tasks.contact import Contacts
from zkpoll.tasks.inspect_database import DatabaseInspection, inspect_database
from zkpoll.tasks.read_database_users import ask_databases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.journal.database import Journal

FILE: dict[str, Any] = {"name": "hq", "kind": "att2000", "file": "/mnt/a.mdb", "timezone": "UTC"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Give a journal on disk."""
    with open_journal(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
def vendor() -> InMemory:
    """Give a database with rows of machines that are known in every way, and in none."""
    rows = [
        *(punched(number) for number in range(3)),
        punched(4, machine="2"),
        punched(5, machine="2"),
        punched(6, machine="3"),
        punched(7, machine="4"),
        punched(8, machine="1", serial="CQZ7"),
        punched(9, machine=None),
    ]
    machines = {"1": frozenset({"CQZ1"}), "4": frozenset({"CQZ4", "CQZ5"})}
    return InMemory(rows, machines=machines, typed=frozenset({("17", "2026-11-22T09:08:58")}))


def look(journal: Journal, vendor: InMemory, **settings: object) -> DatabaseInspection:
    """Look at the database as the inventory describes it."""
    contacts = Contacts(journal, lambda: False, writes=False)
    return inspect_database(Database.model_validate(FILE | settings), contacts, vendor)


def test_each_step_is_told(journal: Journal, vendor: InMemory) -> None:
    """A person sees how far one comes, what is there, and whose each machine's rows are."""
    found = look(journal, vendor, machines={"2": "CQZ2"})
    assert [(step.name, step.ok, step.text) for step in found.steps] == [
        ("open", True, "Memory"),
        ("tables", True, "CHECKINOUT, USERINFO, Machines, CHECKEXACT"),
        ("rights", True, "read only"),
        ("people", True, "2 people"),
        ("rows", True, "9 rows"),
        ("machine 1", True, "1 row of CQZ7, told by its rows"),
        ("machine 1", True, "3 rows of CQZ1, told by the table of machines"),
        ("machine 2", True, "2 rows of CQZ2, named in machines:"),
        ("machine 3", False, "1 row: machine 3 has no serial number here; name it in machines:"),
        (
            "machine 4",
            False,
            "1 row: machine 4 has several serial numbers here; name the right one in machines:",
        ),
        ("no machine", True, "1 row of hq, no terminal made them"),
        ("manual rows", True, "1 row that a person typed in"),
        ("newest row", True, "2026-11-22 09:08:58"),
    ]
    assert not found.ok
    assert found.trouble
    assert found.about
    assert (found.about.rows, found.about.people, found.about.engine) == (9, 2, "Memory")


@pytest.mark.parametrize(
    ("step", "error", "name"),
    [
        ("open", Unreachable, "open"),
        ("open", Encrypted, "open"),
        ("open", Refused, "login"),
        ("tables", WrongSchema, "tables"),
        ("lookups", Refused, "people"),
        ("contents", Unreachable, "rows"),
    ],
)
def test_a_step_that_fails(
    journal: Journal, vendor: InMemory, step: str, error: type[ZkpollError], name: str
) -> None:
    """It is the last one, named, with the reason."""
    vendor.failing[step] = error("it cannot be")
    found = look(journal, vendor)
    assert (found.steps[-1].name, found.steps[-1].ok, found.steps[-1].text) == (name, False, "it cannot be")
    assert (found.kind, found.about) == (error.kind, None)
    assert not vendor.is_open


def test_another_run_is_at_it(journal: Journal, vendor: InMemory) -> None:
    """The lock is named."""
    with journal.lock("database /mnt/a.mdb"):
        found = look(journal, vendor)
    assert (found.steps[-1].name, found.kind) == ("lock", "busy")


@pytest.mark.parametrize(
    ("opened", "ok", "words"),
    [
        (Opened("P", read_only=True, may_write=True), True, "read only; this login could write"),
        (Opened("P", read_only=False, may_write=True), None, "this login could write: give it SELECT alone"),
        (Opened("P", read_only=False, may_write=False), True, "this login cannot write"),
        (Opened("P", read_only=False), None, "nobody can tell whether this login could"),
    ],
)
def test_advice_on_rights(
    journal: Journal,
    vendor: InMemory,
    monkeypatch: pytest.MonkeyPatch,
    opened: Opened,
    ok: bool | None,
    words: str,
) -> None:
    """A login that could write is advised against, and fails nothing."""
    monkeypatch.setattr(InMemory, "opened", opened)
    (step,) = (step for step in look(journal, vendor).steps if step.name == "rights")
    assert step.ok is ok
    assert words in step.text


def test_people_of_databases(journal: Journal, vendor: InMemory) -> None:
    """Each database tells its people, or why not."""
    good, bad = (Database.model_validate(FILE | {"name": name, "file": f"/{name}"}) for name in ("a", "b"))

    found = ask_databases([good], journal, vendor, threading.Event())
    assert [(user.number, user.badge) for user in found[0].users] == [("17", "1001"), ("18", "1002")]
    assert (found[0].key, found[0].subject, found[0].trouble) == ("a", "database a", None)
    vendor.failing["users"] = Refused("no right to read USERINFO")
    (one,) = ask_databases([bad], journal, vendor, threading.Event())
    assert (one.problem, one.kind, one.users) == ("no right to read USERINFO", "refused", ())
