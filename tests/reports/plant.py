"""A factory of ten terminals, a database and two dashboards, on a morning on which not all is well."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from tests.journal.helpers import Bridge, aside, connection, piece, push, visit
from zkpoll.inventory import load
from zkpoll.journal import conditions
from zkpoll.journal.course import note_courses
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.pushed import Contact, contacts
from zkpoll.journal.runs import note_run
from zkpoll.model.bridged import SettledRow
from zkpoll.model.delivery import Settled
from zkpoll.model.log import Reading
from zkpoll.model.punch import Punch, Quarantined
from zkpoll.model.report import Condition, News

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal

DHAKA: Final = ZoneInfo("Asia/Dhaka")
TERMINALS: Final = {
    "gate-a": ("Dhaka plant", 120, 31_000, 1.0),
    "gate-b": ("Dhaka plant", 118, 42_000, 3.0),
    "gate-c": ("Dhaka plant", 60, 88_000, 2.0),
    "canteen": ("Dhaka plant", 90, 55_000, -4.0),
    "warehouse-in": ("Dhaka plant", 30, 12_000, -3720.0),
    "warehouse-out": ("Dhaka plant", 30, 8_000, 4.0),
    "line-1": ("Chattogram", 24, 76_000, 2.0),
    "line-2": ("Chattogram", 24, 99_100, 0.0),
    "old-gate": ("Chattogram", 0, 1_000, 1.0),
}
"""By name: the site, punches a day, records in its log of 100,000, and how far its clock is ahead."""
GUARD: Final = "GUARD1"
"""The serial number of the terminal that pushes."""
INVENTORY: Final = """\
dashboard:
  - {name: hr-cloud, url: 'https://hr.example.com/hooks/secret-path?key=secret'}
  - {name: erpnext, url: 'https://erp.example.com/api'}
journal: journal.db
defaults: {timezone: Asia/Dhaka}
listen: {address: '127.0.0.1:8081'}
sites:
  Dhaka plant: {}
  Chattogram: {}
devices:
"""


@dataclass(frozen=True, slots=True)
class Plant:
    """The factory: its inventory, and its journal, which is open."""

    inventory: Inventory
    journal: Journal
    now: datetime
    """UTC."""


def inventory_text(more: str = "") -> str:
    """Return the factory's inventory; `more` stands behind its devices."""
    devices = (
        f"  - {{name: {name}, host: 127.0.0.{number}, site: {site}"
        f"{', enabled: false' if name == 'old-gate' else ''}}}\n"
        for number, (name, (site, *_)) in enumerate(TERMINALS.items(), 1)
    )
    guard = f"  - {{name: guard-house, push: true, serial: {GUARD}, site: Dhaka plant}}\n"
    databases = "databases:\n  - {name: head-office, kind: att2000, file: att2000.mdb}\n"
    return INVENTORY + "".join(devices) + guard + databases + more


def plant(folder: Path, *, seed: int = 7) -> Plant:
    """Make the factory in a folder. Its journal's times are of this moment; close it at the end."""
    path = folder / "devices.yaml"
    path.write_text(inventory_text())
    inventory, drawn, now = load(path, {}), random.Random(seed), datetime.now(UTC)
    journal = open_journal(folder / "journal.db")
    for dashboard in inventory.dashboards:
        JournalOutbox(journal, dashboard.name)
    for name, (_, a_day, records, drift) in TERMINALS.items():
        visiting = visit(journal, name, f"S-{name}", DHAKA)
        visiting.take(piece(*_punches(drawn, a_day, now)))
        with journal.transaction():
            Devices(journal).note_reading(
                visiting.key,
                Reading(40, 5, 0, records, 100_000, drift, whole=True, before=0, continued=False),
            )
    visit(journal, "line-2", "S-line-2", DHAKA).take(
        piece(Quarantined(b"\x1e\x02".ljust(40, b"\0"), "30 February"), end=9)
    )
    push(journal, *_punches(drawn, 12, now), name="guard-house", key=GUARD, zone=DHAKA)
    contacts(journal, [Contact("guard-house", GUARD, now, now, "127.0.0.9", "attendance")])
    _read_database(journal, now)
    _deliver(journal, inventory)
    _tell(journal, now)
    note_run(journal)
    _let_time_pass(journal, now)
    return Plant(inventory, journal, datetime.now(UTC))


def _punches(drawn: random.Random, a_day: int, now: datetime) -> list[Punch]:
    """Return the punches of a terminal until now: fewer on Fridays."""
    today, found = now.astimezone(DHAKA).replace(tzinfo=None, microsecond=0), []
    for ago in range(28, -1, -1):
        day = today - timedelta(days=ago)
        number = 0 if day.weekday() == 4 else round(a_day * drawn.uniform(0.7, 1.1))
        end = day if ago == 0 else day.replace(hour=20)
        start = day.replace(hour=0 if end.hour < 8 else 7, minute=0, second=0)
        span = max(1, int((end - start).total_seconds()))
        seconds = sorted(drawn.sample(range(span), min(span, number if ago else number // 3)))
        for second in seconds:
            user, time = str(drawn.randrange(1001, 1400)), start + timedelta(seconds=second)
            found.append(Punch(user, time, 1, 0, 0, f"{user} {time}".encode().ljust(40, b"\0")))
    return found


def _read_database(journal: Journal, now: datetime) -> None:
    """Let the database show punches of its own, a row that was edited, one that is gone, one of nobody."""
    today = now.astimezone(DHAKA).replace(tzinfo=None, microsecond=0)
    rows = []
    for ago in range(20, -1, -1):
        for number in range(9):
            time, user = today - timedelta(days=ago, minutes=number), str(2001 + number)
            found = Punch(user, time, 1, 0, 0, f"db\n{user}\t{time.isoformat()}".encode())
            rows.append(SettledRow(f"{user} {time}", "HQ", found, f"raw {user} {time}", manual=False))
    bridge = Bridge(journal)
    bridge.visit({1: [*rows, aside("x", detail="badge 77")]})
    bridge.visit({1: [*rows[1:], aside("x", detail="badge 77")]})


def _deliver(journal: Journal, inventory: Inventory) -> None:
    """Let one dashboard have all, and the other one all but the last and three that it refuses."""
    for dashboard in inventory.dashboards:
        outbox = JournalOutbox(journal, dashboard.name)
        events = outbox.next(1_000_000).events
        left = 315 if dashboard.name == "hr-cloud" else 0
        refused = events[-400:-397] if left else ()
        taken = [one.id for one in events[: len(events) - left] if one not in refused]
        words = ("no such employee", "no such employee", "contract ended")
        outbox.settle(
            Settled(tuple(taken), {one.id: text for one, text in zip(refused, words, strict=False)})
        )


def _let_time_pass(journal: Journal, now: datetime) -> None:
    """Put back what happened a while ago: gate-c was read three days ago, the others minutes, and so on."""
    db = connection(journal)
    for number, name in enumerate((*TERMINALS, "head-office")):
        ago = timedelta(days=3) if name == "gate-c" else timedelta(minutes=2 + number % 3)
        read = (now - ago).isoformat(timespec="milliseconds")
        db.execute("UPDATE device SET read_at = ? WHERE name = ? AND read_at IS NOT NULL", [read, name])
        db.execute("UPDATE database SET read_at = ? WHERE name = ?", [read, name])
    since = (now - timedelta(minutes=31)).isoformat(timespec="milliseconds")
    db.execute("UPDATE outbox SET changed_at = ? WHERE state = 'pending'", [since])
    halves = [now - timedelta(minutes=30 * ago) for ago in range(50, 0, -1)]
    for number, at in enumerate(halves):
        note_courses(journal, at)
        late = max(0, number - len(halves) + 4)
        db.execute(
            "UPDATE course SET pending = CASE WHEN destination = 1 THEN ? ELSE 0 END,"
            " confirmed = confirmed - ? WHERE at = ?",
            [80 * late, 11 * (len(halves) - number), at.isoformat(timespec="milliseconds")],
        )


def _tell(journal: Journal, now: datetime) -> None:
    """Let runs have told of three troubles."""
    told = {
        "device gate-c": (
            "unreachable",
            "does not answer at 127.0.0.3:4370: is it switched on, on this network, not behind a firewall?",
            timedelta(days=3),
        ),
        "device warehouse-in": (
            "clock",
            "its clock is 1 h 2 min behind, and so are its punches; put it right",
            timedelta(hours=2),
        ),
        "dashboard hr-cloud": (
            "server",
            "https://hr.example.com answered 503 Service Unavailable; 315 punches wait",
            timedelta(minutes=31),
        ),
    }
    conditions.tell(
        journal,
        lambda _: News(
            (),
            {
                subject: Condition(kind, now - ago, now - ago, text)
                for subject, (kind, text, ago) in told.items()
            },
        ),
    )
