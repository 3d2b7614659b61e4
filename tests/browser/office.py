"""Places with everything on their page: an inventory, and a journal filled by the journal's own verbs.

    office    eleven terminals, databases, dashboards, workers: well, and in every kind of trouble
    estate    as many terminals as are asked for, by site, a few of them in trouble

With `mark`, every text that comes from elsewhere holds it: from terminals, dashboards, vendors' databases,
workers. What the inventory says holds it, too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from tests.journal.helpers import START, Bridge, aside, line, piece, push, row, visit
from tests.look import inside
from zkpoll.inventory import load
from zkpoll.journal import callers, conditions, errands
from zkpoll.journal.callers import Caller
from zkpoll.journal.devices import Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.intake import Intake
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.pushed import Contact, Told, contacts
from zkpoll.journal.runs import note_run
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.errand import Errand
from zkpoll.model.log import Reading
from zkpoll.model.punch import Punch, Quarantined
from zkpoll.model.report import Condition, News
from zkpoll.reports.page.html import page
from zkpoll.reports.page.view import page_view

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.reports.page.search import Search

ZONE: Final = ZoneInfo("Asia/Dhaka")
PERSON: Final = "1042"
"""Somebody who punched this morning, at the first terminal."""
_DAYS: Final = 28
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Place:
    """An inventory, and the journal that belongs to it."""

    folder: Path
    now: datetime
    """The moment of the page (UTC)."""
    name: str = "devices.yaml"
    """The inventory that the page is of."""

    @property
    def inventory(self) -> Path:
        """The inventory that commands can be run with."""
        return self.folder / "devices.yaml"

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.folder / "journal.db"

    def page(self, search: Search | None = None) -> str:
        """Return the page of it all."""
        inventory = load(self.folder / self.name, {})
        with open_journal(self.journal, writable=False) as journal:
            return page(page_view(inventory, journal, self.now), search)

    @property
    def address(self) -> str:
        """Where a browser finds the page, once it is written."""
        return (self.folder / "zkpoll.html").as_uri()

    def write(self) -> None:
        """Write the page into a file."""
        (self.folder / "zkpoll.html").write_text(self.page(), "utf-8")


@dataclass(frozen=True, slots=True)
class _Terminal:
    """A terminal that we call, how busy it is, and how it is."""

    name: str
    serial: str
    site: str
    a_day: int
    fill: float
    """Of its log, from 0 to 1, when it was read last."""
    drift: float = 1.0
    read_ago: timedelta = 2 * _MINUTE


_TERMINALS: Final = (
    _Terminal("gate-a", "CQZ7224760045", "dhaka", 42, 0.41),
    _Terminal("gate-b", "CQZ7224760046", "dhaka", 39, 0.39, 0.0),
    _Terminal("gate-c", "CQZ7224760047", "dhaka", 40, 0.92, -2.0, timedelta(days=3)),
    _Terminal("canteen", "CQZ7224760048", "dhaka", 28, 0.22, 2.0),
    _Terminal("warehouse-in", "CQZ7224760049", "chattogram", 12, 0.08, -3720.0),
    _Terminal("line-1", "CQZ7224760050", "chattogram", 18, 0.76, 2.0, 3 * _MINUTE),
    _Terminal("line-2", "CQZ7224760051", "chattogram", 17, 0.97, 0.0, 3 * _MINUTE),
    _Terminal("head-office", "CQZ7224760052", "", 6, 0.07),
)
_PUSHING: Final = {"guard-house": "GUARD1", "back-gate": "BACK1"}
"""The serial numbers of those that push, by name."""
_CAPACITY: Final = 10_000
_STANDS: Final = """
SELECT id, confirmed, (SELECT count(*) FROM outbox WHERE destination = one.id AND state = 'pending')
FROM destination AS one
"""


def office(folder: Path, mark: str = "") -> Place:
    """Make an office in `folder`, in which everything stands that a page can show."""
    now = datetime.now(UTC).replace(microsecond=0)
    (folder / "devices.yaml").write_text(_inventory(mark), "utf-8")
    # Workers need a journal on a server; what the page shows of them is in this one.
    fleet = _inventory(mark).replace("journal: journal.db", "journal: 'postgresql://127.0.0.1/zkpoll'")
    workers = "state_dir: state\nworkers: {broker: 'redis://127.0.0.1:1/0', every: 5m}\n"
    (folder / "fleet.yaml").write_text(workers + fleet, "utf-8")
    place = Place(folder, now, "fleet.yaml")
    with open_journal(place.journal) as journal:
        hr_cloud, erpnext = JournalOutbox(journal, "hr-cloud"), JournalOutbox(journal, "erpnext")
        for number, one in enumerate(_TERMINALS):
            _fill(journal, one, now, random.Random(number), mark)
        _push(journal, now, mark)
        _bridge(journal, now, mark)
        _deliver(hr_cloud, erpnext, mark)
        Devices(journal).meet_stranger("canteen", f"STRANGER{mark}")
        _errands(journal, now, mark)
        conditions.tell(journal, lambda _: News((), _troubles(now, mark)))
        note_run(journal)
    with inside(place.journal) as db:
        _as_it_was(db, now)
    return place


def _as_it_was(db: sqlite3.Connection, now: datetime) -> None:
    """Put back what the journal stamped just now to when it would have happened."""

    def ago(span: timedelta) -> str:
        return (now - span).isoformat(timespec="milliseconds")

    for one in _TERMINALS:
        read_at = ago(one.read_ago)
        db.execute("UPDATE device SET read_at = ?, whole_at = ? WHERE name = ?", (read_at, read_at, one.name))
    late = ago(31 * _MINUTE)
    db.execute("UPDATE outbox SET changed_at = ? WHERE state = 'pending'", (late,))
    db.execute("UPDATE destination SET confirmed_at = ? WHERE name = 'hr-cloud'", (late,))
    pushed = "UPDATE push_table SET committed_at = ? WHERE device = (SELECT id FROM device WHERE name = ?)"
    db.execute(pushed, (ago(timedelta(minutes=4)), "guard-house"))
    db.execute(pushed, (ago(timedelta(days=2)), "back-gate"))
    for number, confirmed, pending in db.execute(_STANDS).fetchall():
        for hour in range(26):
            waited = max(0, pending - 80 * hour)
            row = (number, ago(timedelta(hours=hour, minutes=2)), waited, max(0, confirmed - 11 * hour))
            db.execute("INSERT INTO course VALUES (?, ?, ?, ?)", row)


def _inventory(mark: str) -> str:
    """Return the office's inventory; `mark` stands where an inventory takes any text."""
    entries = "".join(
        f"  - {{name: {one.name}, host: 127.0.0.1, port: {4371 + number}"
        f"{one.site and f', site: {one.site}'}}}\n"
        for number, one in enumerate(_TERMINALS)
    )
    file = f"/mnt/zk/{mark}att2000.mdb".replace("'", "''")
    return (
        "dashboard:\n"
        "  - {name: hr-cloud, url: 'http://127.0.0.1:9/v1'}\n"
        "  - {name: erpnext, url: 'http://127.0.0.1:9/erp'}\n"
        "journal: journal.db\n"
        "listen: {address: '127.0.0.1:0', poll_every: 30s}\n"
        "defaults: {timezone: Asia/Dhaka}\n"
        "sites: {dhaka: {}, chattogram: {}}\n"
        f"devices:\n{entries}"
        "  - {name: guard-house, serial: GUARD1, push: true}\n"
        "  - {name: back-gate, serial: BACK1, push: true, site: dhaka}\n"
        "  - {name: reserve, host: 127.0.0.1, port: 4390, enabled: false}\n"
        "databases:\n"
        f"  - {{name: payroll-pc, kind: att2000, file: '{file}'}}\n"
        "  - {name: doors, kind: zkaccess, file: /mnt/zk/access.mdb, site: chattogram}\n"
    )


def _fill(journal: Journal, one: _Terminal, now: datetime, chance: random.Random, mark: str) -> None:
    """Let a terminal be read to its end."""
    since = _local(now - timedelta(days=_DAYS - 1)) if one.name == "line-1" else None
    taken = visit(journal, one.name, one.serial, ZONE, Holding(since=since))
    read_at = now - one.read_ago
    log: list[Punch | Quarantined] = [*_days(one.a_day, read_at, chance)]
    if one.name == "gate-a":
        morning = _local(read_at) - timedelta(minutes=20)
        log.append(_punch(PERSON, morning))
        log.append(_punch(f"7{mark}", morning + timedelta(seconds=9)))
    if one.name == "line-2":
        log.append(Quarantined(b"\x01\x02".ljust(40, b"\0"), f"30 February{mark}"))
    taken.take(piece(*log))
    on_device = int(one.fill * _CAPACITY)
    reading = Reading(40, len(log), 0, on_device, _CAPACITY, one.drift, whole=True, before=0, continued=True)
    with journal.transaction():
        Devices(journal).note_reading(one.serial, reading)


def _days(a_day: int, until: datetime, chance: random.Random) -> Iterator[Punch]:
    """Yield the punches of the last weeks: about so many a day, few on Fridays, none after `until` (UTC)."""
    end = _local(until)
    opens = (end - timedelta(hours=4)).time()  # so that today is under way, whatever the hour
    for ago in range(_DAYS, -1, -1):
        day = end.date() - timedelta(days=ago)
        begin = datetime.combine(day, opens)
        many = 1 if day.weekday() == 4 else round(a_day * chance.uniform(0.8, 1.1))
        moments = (begin + timedelta(seconds=chance.randrange(10 * 3600)) for _ in range(many))
        yield from (_punch(str(1000 + chance.randrange(400)), one) for one in sorted(moments) if one < end)


def _punch(user: str, moment: datetime, state: int = 0) -> Punch:
    """Return a punch with bytes of its own."""
    moment = moment.replace(microsecond=0)
    canonical = f"{user[:8]} {moment.isoformat()} {state}".encode()
    return Punch(user, moment, 1, state, 0, canonical[:40].ljust(40, b"\0"))


def _push(journal: Journal, now: datetime, mark: str) -> None:
    """Let one terminal that pushes have called just now, another one two days ago, and strangers."""
    told = Told(model=f"SpeedFace{mark}", firmware=f"Ver 8.0{mark}", platform=f"ZLM60{mark}", records=640)
    month = timedelta(days=30)
    contacts(
        journal,
        (
            Contact(
                "guard-house",
                _PUSHING["guard-house"],
                now - month,
                now - timedelta(seconds=12),
                "10.8.0.7",
                told=told,
            ),
            Contact(
                "back-gate",
                _PUSHING["back-gate"],
                now - month,
                now - timedelta(days=2),
                "10.8.0.8",
                told=told,
            ),
        ),
    )
    for seed, name in enumerate(("guard-house", "back-gate")):
        until = now - timedelta(days=2 * seed, seconds=12)
        log = list(_days(7, until, random.Random(name)))
        lines = [line(one.user_id, round((one.time - START).total_seconds())) for one in log]
        push(journal, *lines, name=name, key=_PUSHING[name], zone=ZONE)
    stranger = Caller(
        f"UNKNOWN{mark}", "unknown", now - month, now, 12, "203.0.113.9", f"/iclock/{mark}", None, None
    )
    callers.note(journal, [stranger], 3)


def _bridge(journal: Journal, now: datetime, mark: str) -> None:
    """Let one of two databases be read, with rows that are set aside."""
    bridge = Bridge(journal, f"/mnt/zk/{mark}att2000.mdb", "payroll-pc")
    ago = (_local(now) - START).total_seconds()
    rows = [row(str(2000 + number), round(ago) - number * 7200) for number in range(1, 150)]
    bridge.visit({1: rows, 2: [aside(f"9{mark}", detail=f"no person{mark}"), aside("10")]})


def _deliver(hr_cloud: JournalOutbox, erpnext: JournalOutbox, mark: str) -> None:
    """Let one dashboard have all, and the other one refuse three, and not answer for the last ones."""
    while events := erpnext.next(500).events:
        ids = tuple(one.id for one in events)
        erpnext.send(SentRequest(ids))
        erpnext.settle(Settled(ids))
    words = (f"no such employee {mark}", f"no such employee {mark}", f"contract ended {mark}")
    parked = False
    while len(events := hr_cloud.next(500).events) == 500:
        ids = tuple(one.id for one in events)
        refused = {} if parked else dict(zip(ids[-3:], words, strict=True))
        hr_cloud.send(SentRequest(ids))
        hr_cloud.settle(Settled(tuple(one for one in ids if one not in refused), refused))
        parked = True


def _errands(journal: Journal, now: datetime, mark: str) -> None:
    """Let errands have been sent, most of them done, one under way, one that nobody took."""
    all_of_them = [Errand("visit", one.name) for one in _TERMINALS] + [
        Errand("deliver", name) for name in ("hr-cloud", "erpnext")
    ]
    then, until = now - 3 * _MINUTE, now + 2 * _MINUTE
    errands.claim(journal, dict.fromkeys(all_of_them, "x"), then, until)
    for one in all_of_them[:-2]:
        worker = f"worker-1{mark}"
        errands.take(journal, one, until, worker, then)
        if one.name != "gate-c":
            errands.done(journal, one, until, worker, then + timedelta(seconds=4), "read")


def _troubles(now: datetime, mark: str) -> dict[str, Condition]:
    """Return what the last runs have found."""

    def found(kind: str, ago: timedelta, text: str, *, advice: bool = False) -> Condition:
        return Condition(kind, now - ago, now - ago, f"{text}{mark}", advice)

    return {
        "device gate-c": found(
            "no answer",
            timedelta(days=3),
            "no answer from 127.0.0.1:4373; is it switched on, on this network, not behind a firewall?",
        ),
        "device warehouse-in": found(
            "clock", timedelta(hours=2), "its clock is 1 h 2 min behind, and so are its punches"
        ),
        "dashboard hr-cloud": found(
            "503", 31 * _MINUTE, "answers 503 Service Unavailable; zkpoll tries again"
        ),
        "database doors": found("no file", timedelta(days=1), "there is no /mnt/zk/access.mdb"),
        "device line-1": found("advice", timedelta(days=5), "its firmware tells no capacity", advice=True),
    }


# --- many terminals ---


def estate(folder: Path, terminals: int, a_day: int = 0, sites: int = 40) -> Place:
    """Make a place with so many terminals, by site, each with so many punches a day for four weeks.

    Every 97th does not answer. Without `a_day` each has one punch, of today.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    names = [f"terminal-{number:04}" for number in range(terminals)]
    entries = "".join(
        f"  - {{name: {name}, host: 127.{1 + number // 60000}.{number // 250}.{1 + number % 250},"
        f" site: plant-{number % sites:02}}}\n"
        for number, name in enumerate(names)
    )
    (folder / "devices.yaml").write_text(
        "dashboard: {name: hr-cloud, url: 'http://127.0.0.1:9/v1'}\n"
        "journal: journal.db\n"
        "defaults: {timezone: Asia/Dhaka}\n"
        f"sites: {{{', '.join(f'plant-{number:02}: {{}}' for number in range(sites))}}}\n"
        f"devices:\n{entries}",
        "utf-8",
    )
    place = Place(folder, now)
    with open_journal(place.journal) as journal:
        outbox = JournalOutbox(journal, "hr-cloud")
        with journal.transaction():
            _read_all(journal, names, now, a_day)
        while events := outbox.next(10_000).events:
            ids = tuple(one.id for one in events)
            outbox.send(SentRequest(ids))
            outbox.settle(Settled(ids))
        silent = {
            f"device {name}": Condition("no answer", now, now, "no answer; is it switched on?")
            for name in names[::97]
        }
        conditions.tell(journal, lambda _: News((), silent))
        note_run(journal)
    return place


def _read_all(journal: Journal, names: Sequence[str], now: datetime, a_day: int) -> None:
    """Let all terminals be read, in the transaction under way."""
    devices = Devices(journal)
    for number, name in enumerate(names):
        key, chance = f"ESTATE{number:06}", random.Random(number)
        devices.meet_caller(name, key)
        log = [*_days(a_day, now, chance)] if a_day else [_punch(PERSON, _local(now) - _MINUTE)]
        sliced = piece(*log)
        Intake(journal, name, key, ZONE, source="pull", held=None).add(sliced)
        on_device = chance.randrange(_CAPACITY * 3 // 4)
        devices.note_reading(
            key, Reading(40, len(log), 0, on_device, _CAPACITY, 1.0, whole=True, before=0, continued=True)
        )


def _local(now: datetime) -> datetime:
    """Return a moment by the terminals' wall clocks (naive)."""
    return now.astimezone(ZONE).replace(tzinfo=None)
