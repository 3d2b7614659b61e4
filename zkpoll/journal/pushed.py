"""What is known of devices that push, beside their punches.

What belongs to a batch is written in the transaction that keeps its punches; so is the first call that brings
one to a process. What else calls tell is gathered in memory and written once a minute. Numbers are added to
what is there, so that nothing is counted twice or lost where two write, or where one begins anew.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Final, Protocol

from zkpoll.journal.database import now
from zkpoll.journal.devices import Devices
from zkpoll.model.punch import PUSHED, Form

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zkpoll.journal.database import Journal, Row

SKEWS: Final = 9
"""Real-time punches of which the clock's skew is the median: one or two that came late do not move it."""
SETTLED: Final = 5
"""Settled commands that are kept of a device."""


class OrderLike(Protocol):
    """A command as the door has it."""

    @property
    def id(self) -> str:
        """Letters and digits."""

    @property
    def text(self) -> str:
        """What the device is told."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command to a device. Times are UTC."""

    id: str
    text: str
    kind: str
    """Why it was queued."""
    queued_at: datetime
    offered_at: datetime | None = None
    """When it was last handed out."""
    offers: int = 0
    settled_at: datetime | None = None
    """When it was answered or dropped."""
    return_code: int | None = None
    """The device's answer; None where there is none."""


@dataclass(frozen=True, slots=True)
class CommandNews:
    """What became of a command: it was handed out, or settled."""

    key: str
    """The device's."""
    id: str
    settled: bool = False
    code: int | None = None
    """The device's answer; None where it was handed out, or dropped."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a device told of itself; None where it did not."""

    model: str | None = None
    firmware: str | None = None
    platform: str | None = None
    push_version: str | None = None
    users: int | None = None
    records: int | None = None
    """Punches in its log."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What a device's calls told since the last time that was written. What no call showed is None."""

    name: str
    """In the inventory, as is the serial number."""
    serial: str
    first_at: datetime
    """UTC, as is `last_at`. Counts only where the device never called before."""
    last_at: datetime
    address: str
    """The IP address of the last call."""
    dialect: str | None = None
    zone_told: str | None = None
    """The TimeZone that it was told last."""
    registry_code: str | None = None
    told: Told | None = None
    replays: int = 0
    """Bodies that were equal to the last committed one; to be added up, as are the next ones."""
    door_events: int = 0
    stamps: Mapping[str, str] = field(default_factory=dict)
    """Of tables of which nothing is kept, by table."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How the number of punches that a device tells differs from what the journal holds of it."""

    since: datetime | None = None
    """Since when it tells more (UTC); None where it does not."""
    asked_at: datetime | None = None
    """When it was asked for all of them (UTC)."""
    told: int | None = None
    """How many did not come then, as a person was told."""


@dataclass(frozen=True, slots=True)
class PushStanding:
    """How a device stands that pushes. Times are UTC; None where nothing is known."""

    name: str
    serial_number: str
    """The device key."""
    first_call_at: datetime
    last_call_at: datetime
    address: str
    """The IP address of its last call."""
    dialect: str | None
    zone_told: str | None
    registry_code: str | None
    replays: int
    door_events: int
    told: Told
    told_at: datetime | None
    gap: Gap
    committed_at: datetime | None = None
    """When its last batch was committed."""
    skew: float | None = None
    """Seconds from punch to receipt, the median of its last real-time punches."""
    is_stranger: bool = False
    """Whether it calls in the name of another terminal, and nothing of it is delivered."""


class Pushed:
    """One device's part in the journal that has to do with pushing."""

    def __init__(self, journal: Journal, key: str) -> None:
        """Given a device key, look at that device; of one that was never met, nothing is known."""
        self._journal = journal
        self._key = key

    # --- batches ---

    def stamps(self) -> dict[str, str]:
        """Return the stamp of the last committed batch of each table, as it came."""
        return dict(self._journal.all("stamps", key=self._key))

    def digest(self, table: str) -> bytes | None:
        """Return the SHA-256 of the last committed batch of a table, or None."""
        row = self._journal.one("last_batch", key=self._key, name=table)
        return row[0] if row else None

    def last_time(self) -> datetime | None:
        """Return the time of the last punch of the last batch, by the device's wall clock (naive), or None.

        Its `fold` is set in the second pass of an hour that daylight saving repeats.
        """
        row = self._journal.one("last_pushed", key=self._key)
        return datetime.fromisoformat(row[0]).replace(fold=row[1]) if row else None

    def keep_batch(
        self,
        table: str,
        stamp: str | None,
        digest: bytes,
        *,
        last: datetime | None = None,
        skews: Sequence[float] = (),
    ) -> None:
        """Note a batch in the transaction under way, which keeps its punches and has met the device.

        `last` is the time of its last punch, `skews` the seconds from punch to receipt of those that came at
        once.
        """
        row = self._journal.one("last_batch", key=self._key, name=table) if skews else None
        known = _numbers(row[1]) if row else []
        self._journal.run(
            "keep_batch",
            key=self._key,
            name=table,
            stamp=stamp,
            digest=digest,
            last_time=last and last.replace(fold=0).isoformat(),
            last_fold=last and last.fold,
            skews=" ".join(f"{skew:g}" for skew in [*known, *skews][-SKEWS:]) or None if skews else None,
            now=now(),
        )

    # --- what it told ---

    def keep_call(self, call: Contact) -> None:
        """Add what a call told to what is known, in the transaction under way, which has met the device."""
        self._journal.run("add_contact", **_row(call, self._key))

    def registry_code(self) -> str | None:
        """Return the code that it registered with, or None."""
        row = self._journal.one("registry_code", key=self._key)
        return row[0] if row else None

    def held(self) -> int:
        """Return how many punches it showed, and impossible lines, that came into the journal."""
        row = self._journal.one("held_of_device", key=self._key, pushed=PUSHED)
        return row[0] if row else 0

    def not_pushed(self, after: int, until: datetime, called_since: datetime) -> int:
        """Return how many punches pull has shown and push has not, of those journalled after a place.

        Only those count that the device stamped up to `until`, by its wall clock (naive), and only where it
        pushed before and has called since `called_since` (UTC).
        """
        row = self._journal.one(
            "not_pushed",
            key=self._key,
            after=after,
            until=until.isoformat(timespec="seconds"),
            kind=int(Form.PUSH),
            bridge=int(Form.BRIDGE),
            called_since=_text(called_since),
        )
        return row[0] if row else 0

    def gap(self) -> Gap:
        """Return what is remembered of punches that did not come."""
        row = self._journal.one("gap", key=self._key)
        return Gap(_moment(row[0]), _moment(row[1]), row[2]) if row else Gap()

    def keep_gap(self, gap: Gap) -> None:
        """Remember that instead, in the transaction under way."""
        since, asked_at = _text(gap.since), _text(gap.asked_at)
        self._journal.run("keep_gap", key=self._key, since=since, asked_at=asked_at, told=gap.told)

    # --- commands ---

    def queue(self, order: OrderLike, kind: str) -> bool:
        """Let a command wait for the device, in the transaction under way.

        Return False where one of the same words waits already, or the device has never called.
        """
        return bool(
            self._journal.run(
                "queue_command", key=self._key, id=order.id, text=order.text, kind=kind, now=now()
            )
        )

    def commands(self) -> tuple[Command, ...]:
        """Return the commands that wait, and the last ones that are settled, in the order of queueing."""
        return tuple(_command(*row) for row in self._journal.all("commands", key=self._key))


def all_commands(journal: Journal) -> dict[str, tuple[Command, ...]]:
    """Return the commands of all devices, by device key, each as `Pushed.commands` does."""
    return _by_device(journal.all("all_commands"))


def waiting_commands(journal: Journal) -> dict[str, tuple[Command, ...]]:
    """Return the commands that wait, by device key, in the order of queueing.

    The first of a device is the one whose turn it is: no other is handed out before it is settled.
    """
    return _by_device(journal.all("waiting_commands"))


def note_commands(journal: Journal, news: Iterable[CommandNews]) -> None:
    """Note in one transaction what became of commands. What no such one waits for changes nothing."""
    news = tuple(news)
    if not news:
        return
    with journal.transaction():
        for one in news:
            if not one.settled:
                journal.run("offer_command", key=one.key, id=one.id, now=now())
            elif journal.run("settle_command", key=one.key, id=one.id, code=one.code, now=now()):
                journal.run("forget_commands", key=one.key, kept=SETTLED)


def _by_device(rows: Iterable[Row]) -> dict[str, tuple[Command, ...]]:
    found: defaultdict[str, list[Command]] = defaultdict(list)
    for key, *row in rows:
        found[key].append(_command(*row))
    return {key: tuple(those) for key, those in found.items()}


def contacts(journal: Journal, rows: Iterable[Contact]) -> list[str]:
    """Add what calls told to what is known, in one transaction. A device never met before is met.

    Return for each the key by which the device is known.
    """
    rows = tuple(rows)
    if not rows:
        return []
    with journal.transaction():
        devices = Devices(journal)
        keys = [devices.meet_caller(one.name, one.serial).key for one in rows]
        journal.run_many("add_contact", [_row(one, key) for one, key in zip(rows, keys, strict=True)])
        stamps = [
            {"key": key, "name": table, "stamp": stamp}
            for one, key in zip(rows, keys, strict=True)
            for table, stamp in one.stamps.items()
        ]
        journal.run_many("keep_stamp", stamps)
    return keys


def try_to_write(journal: Journal) -> None:
    """Write what is there already, to see whether it can be written. Raise `JournalError`."""
    with journal.transaction():
        journal.run("try_to_write")


def pushed_standings(journal: Journal) -> Mapping[str, PushStanding]:
    """Return how the devices stand that push, by name: of a name, the terminal that calls by it."""
    batches = {device: (at, skews) for device, at, skews in journal.all("push_batches")}
    found = (_standing(row, *batches.get(row[1], (None, None))) for row in journal.all("push_standings"))
    return {one.name: one for one in found}


def _standing(row: Row, committed_at: str | None, skews: str | None) -> PushStanding:
    name, _, key, first, last, address, dialect, zone, code, replays, door_events, *told, at = row[:18]
    numbers = _numbers(skews)
    return PushStanding(
        name,
        key,
        datetime.fromisoformat(first),
        datetime.fromisoformat(last),
        address,
        dialect,
        zone,
        code,
        replays,
        door_events,
        Told(*told),
        _moment(at),
        Gap(_moment(row[18]), _moment(row[19]), row[20]),
        committed_at=_moment(committed_at),
        skew=median(numbers) if numbers else None,
        is_stranger=bool(row[21]),
    )


def _row(one: Contact, key: str) -> dict[str, object]:
    return {
        "key": key,
        "first_at": _text(one.first_at),
        "last_at": _text(one.last_at),
        "address": one.address,
        "dialect": one.dialect,
        "zone_told": one.zone_told,
        "registry_code": one.registry_code,
        # Of its records, by which a gap is told; settings without them are nothing new.
        "told_at": _text(one.last_at) if one.told and one.told.records is not None else None,
        "replays": one.replays,
        "door_events": one.door_events,
        **asdict(one.told or Told()),
    }


def _command(
    id_: str,
    text: str,
    kind: str,
    queued: str,
    offered: str | None,
    offers: int,
    settled: str | None,
    code: int | None,
) -> Command:
    """Given a row of the query `commands`, return it as a command."""
    moment = datetime.fromisoformat(queued)
    return Command(id_, text, kind, moment, _moment(offered), offers, _moment(settled), code)


def _numbers(skews: str | None) -> list[float]:
    return [float(skew) for skew in (skews or "").split()]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
