"""`zkpoll devices ask`, and what `zkpoll devices info` shows of a device that pushes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.site import at_a_terminal, entry
from zkpoll.journal import pushed
from zkpoll.journal.opening import open_journal
from zkpoll.journal.pushed import Command, CommandNews, Contact, Pushed, Told
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site

SERIAL: Final = "CQZ7224760045"
GATE: Final = f"name: gate, serial: {SERIAL}, push: true"
NOWHERE: Final = "http://127.0.0.1:9/x"
NOON: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOLD: Final = Told("SpeedFace", "Ver 8.0", "ZAM170", "Ver 2.0.33", 20, 12_000)


def called(site: Site, *besides: str, dialect: str = "attendance") -> None:
    """Have the gate called at noon."""
    site.write(NOWHERE, GATE, *besides, more="listen: {address: '127.0.0.1:0', poll_every: 20s}\n")
    with open_journal(site.journal) as journal:
        row = Contact("gate", SERIAL, NOON, NOON, "203.0.113.7", dialect, "330", told=TOLD)
        pushed.contacts(journal, [row])


def queued(site: Site) -> list[str]:
    """Return the words of what waits."""
    with open_journal(site.journal) as journal:
        return [one.text for one in pushed.waiting_commands(journal).get(SERIAL, ())]


# --- ask ---


def test_asking_for_all(site: Site) -> None:
    """Without times a device is asked for all it can hold, and a person hears when it will fetch that."""
    called(site)
    told = site.run("devices", "ask", "gate")
    assert (told.code, told.err) == (0, "")
    end = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d} 23:59:59"
    assert told.out == (
        f"gate is asked for its punches from 2000-01-01 00:00:00 to {end}.\n"
        "It fetches that with its next call, once `zkpoll serve` runs; it calls every 20 s, last at"
        " 2026-11-22 12:00Z.\nWhat came of it: `zkpoll devices info gate`.\n"
    )
    assert queued(site) == [f"DATA QUERY ATTLOG StartTime=2000-01-01 00:00:00\tEndTime={end}"]


def test_asking_for_some(site: Site) -> None:
    """A day stands for its first second, and as the last one for its last; it is asked for once."""
    called(site)
    words = ("devices", "ask", "gate", "--since", "2026-11-01", "--until", "2026-11-02")
    assert site.run(*words).out.startswith(
        "gate is asked for its punches from 2026-11-01 00:00:00 to 2026-11-02 23:59:59.\n"
    )
    assert site.run(*words).out.startswith("gate is asked already for its punches from 2026-11-01")
    site.run("devices", "ask", "gate", "--since", "2026-11-01T08:30", "--until", "2026-11-01 09:00:01")
    assert queued(site) == [
        "DATA QUERY ATTLOG StartTime=2026-11-01 00:00:00\tEndTime=2026-11-02 23:59:59",
        "DATA QUERY ATTLOG StartTime=2026-11-01 08:30:00\tEndTime=2026-11-01 09:00:01",
    ]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("gte", 2, "no device 'gte' in the inventory; there are gate, front, off"),
        ("front", 2, "front does not push; `zkpoll sync --full` reads all of it"),
        ("off", 2, "off is taken out (enabled: false), and may not call"),
        ("gate --since 2026-11-02 --until 2026-11-01", 2, "it is before --since"),
        ("gate --since 2026-11-01T25:00", 2, "'2026-11-01T25:00' has no time of day such as 08:00"),
        ("gate --since 1/11/2026", 2, "which of the two is the month?"),
        ("gate --since yesterday --until today", 1, "gate has never called"),
        ("gate", 1, "zkpoll: gate has never called, so nothing can be asked of it"),
    ],
)
def test_what_cannot_be_asked(site: Site, words: str, code: int, sentence: str) -> None:
    """Whoever cannot be asked is refused in a sentence, and no journal is begun."""
    off = "name: off, serial: OFF1, push: true, enabled: false"
    site.write(NOWHERE, GATE, entry("front", ("127.0.0.1", 9)), off)
    told = site.run("devices", "ask", *words.split())
    assert (told.code, told.out) == (code, "")
    assert sentence in " ".join(told.err.split())
    assert not site.journal.exists()


def test_the_other_dialect(site: Site) -> None:
    """A device of the access dialect is asked nothing."""
    called(site, dialect="access")
    told = site.run("devices", "ask", "gate")
    assert (told.code, told.out) == (1, "")
    assert told.err == "zkpoll: gate speaks the access dialect, and takes no orders from zkpoll\n"


# --- info ---


def with_orders(site: Site) -> None:
    """Have the gate called, and given orders with every end there is."""
    called(site)
    with open_journal(site.journal) as journal:
        with journal.transaction():
            for id_ in "ABCD":
                Pushed(journal, SERIAL).queue(Command(id_, f"INFO {id_}", "daily", NOON), "daily")
        pushed.note_commands(
            journal,
            [
                *(CommandNews(SERIAL, "B") for _ in range(2)),
                CommandNews(SERIAL, "A", settled=True, code=-1002),
                CommandNews(SERIAL, "B", settled=True),
                CommandNews(SERIAL, "C"),
            ],
        )


def test_info_of_one_that_only_pushes(site: Site) -> None:
    """Nobody is called: the journal tells what the device told, and what became of its orders."""
    with_orders(site)
    told = site.run("devices", "info", "gate")
    assert (told.code, told.err) == (0, "")
    rows = [tuple(line.split("  ", 1)) for line in told.out.splitlines()]
    shown = [(name, value.strip()) for name, value in rows]
    for row in (
        ("device", "gate"),
        ("serial number", SERIAL),
        ("last call", "2026-11-22 12:00Z from 203.0.113.7"),
        ("dialect", "attendance"),
        ("TimeZone told", "330"),
        ("model", "SpeedFace"),
        ("push version", "Ver 2.0.33"),
        ("users", "20"),
        ("records", "12,000"),
        ("held here", "0"),
        ("last punches", "-"),
    ):
        assert row in shown
    ends = [value.split("Z: ")[1] for name, value in shown if name == "order"]
    assert ends == [
        "Return=-1002, not supported",
        "fetched 2 times, not answered, and dropped",
        "fetched 1 time, not answered yet",
        "not fetched yet",
    ]
    document = site.run("devices", "info", "gate", "--json").document()
    assert document["push"]["told"]["records"] == 12_000
    assert [one["return_code"] for one in document["push"]["commands"]] == [-1002, None, None, None]
    _, screen = at_a_terminal(site, "devices", "info", "gate")
    assert max(map(len, screen.splitlines())) <= 80


def test_info_of_one_that_never_called(site: Site) -> None:
    """There is nothing to show, and that is said."""
    site.write(NOWHERE, GATE)
    told = site.run("devices", "info", "gate")
    assert (told.code, told.out) == (1, "")
    assert (
        told.err == "zkpoll: push gate: it has never called; `zkpoll devices pending` shows who was refused\n"
    )
    assert not site.journal.exists()


def test_info_by_both_doors(site: Site) -> None:
    """Of a device with two doors, what it answers comes first, and then what its calls told."""
    with serve(Terminal(Model(serial=SERIAL))) as where:
        called(site)
        site.write(NOWHERE, f"{entry('gate', where)}, serial: {SERIAL}, push: true")
        told = site.run("devices", "info", "gate")
        document = site.run("devices", "info", "gate", "--json").document()
    assert (told.code, told.err) == (0, "")
    names = [line.split("  ")[0] for line in told.out.splitlines()]
    assert names.index("MAC address") < names.index("last call")
    assert (document["serial_number"], document["push"]["timezone_told"]) == (SERIAL, "330")
