"""The devices the journal has met, and which inventory name each belongs to."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from zkpoll.errors import SameSerial, WrongSerial
from zkpoll.journal import watermarks
from zkpoll.journal.database import now, of_device
from zkpoll.journal.forgotten import holders_of_seconds, shown_and_pruned
from zkpoll.model.punch import BRIDGED, punch_id
from zkpoll.wall_clock import WALL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from zkpoll.journal.database import Journal
    from zkpoll.journal.holds import HeldReason
    from zkpoll.model.log import Reading

STRANGER: Final[HeldReason] = "another terminal"
"""Why punches are held that come from a terminal that answers where another one belongs."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal knows of a device: what its last reading to the end found, and what waits."""

    key: str
    read_at: str | None = None
    """UTC, ISO 8601; None while it never was read to the end."""
    on_device: int | None = None
    """Records in its log then."""
    capacity: int | None = None
    """Records its log can hold, where it tells."""
    drift: float | None = None
    """Seconds by which its clock was ahead."""
    backlog: int = 0
    """Punches of it that wait for a dashboard."""


@dataclass(frozen=True, slots=True)
class LastReading:
    """What the journal knows of the last reading of a device that came to its log's end."""

    key: str
    read_at: datetime
    on_device: int
    """Records in its log."""
    capacity: int | None
    """Records its log can hold, where it tells."""


class Met(NamedTuple):
    """A device that calls, as the journal knows it."""

    key: str
    held: HeldReason | None = None
    """Why nothing of it may be delivered for now."""


class Devices:
    """The devices the journal has met."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def key_of(self, name: str) -> str | None:
        """Return the device key stored for an inventory name at first contact, or None."""
        row = self._journal.one("device_by_name", name=name)
        return row[1] if row else None

    def name_of(self, key: str) -> str | None:
        """Return the inventory name under which the device with this key was last visited, or None."""
        row = self._journal.one("device_by_key", key=key)
        return row[1] if row else None

    def whose(self, key: str) -> tuple[str | None, str | None]:
        """Given a device key, return the name of its device, and that at whose address it is a stranger."""
        row = self._journal.one("whose_key", key=key)
        return (row[0], row[1]) if row else (None, None)

    def stranger_at(self, name: str) -> str | None:
        """Return the key of the stranger that answered last where this device belongs, or None."""
        row = self._journal.one("stranger_seen_as", name=name)
        return row[1] if row else None

    def answered_in_turn(self, name: str, key: str) -> bool:
        """Say whether a stranger with this key was met before, and the device of this name was read since."""
        row = self._journal.one("answered_in_turn", name=name, key=key)
        return bool(row and row[0])

    def is_being_met(self, name: str, lock: str) -> bool:
        """Say whether a run holds the lock of a device that no run has met yet."""
        return self.key_of(name) is None and bool(self._journal.is_locked(lock))

    def names(self) -> dict[str, str]:
        """Return the inventory names of all devices that have one, by device key."""
        return dict(self._journal.all("names_by_key"))

    def renamed(self) -> dict[str, str]:
        """Return what terminals are called in the inventory by now, by the names they had before."""
        return dict(self._journal.all("renamed"))

    def aliases(self, name: str) -> frozenset[str]:
        """Return the serial numbers that repairs gave to the device of an inventory name."""
        return frozenset(row[0] for row in self._journal.all("aliases", name=name))

    def key_of_caller(self, name: str, serial: str) -> str:
        """Return the key of the terminal that calls as `name` and tells this serial number.

        It is the serial number, unless that is one which a repair gave to the device of this name.
        """
        key = self.key_of(name)
        return key if key is not None and serial in self.aliases(name) else serial

    def key_of_serial(self, serial: str) -> str:
        """Return the key of the terminal with a serial number: that number, unless a repair gave it."""
        row = self._journal.one("key_of_alias", serial=serial)
        return row[0] if row else serial

    def meet_in_rows(self, key: str) -> None:
        """Note, in the transaction under way, a device that perhaps only a database knows."""
        self._journal.run("meet_device_of_rows", key=key, now=now())

    def meet(self, name: str, key: str, others: Collection[str] = ()) -> None:
        """Store the device key of an inventory name; a renamed device keeps its key.

        What was held of it while it answered elsewhere is released. Raise `SameSerial` when it is the key of
        one of `others` by now, which another run has met. One that is met again costs no write, but the look
        whether the journal can be written to: its records may be handed out only once.
        """
        with self._journal.transaction(only=of_device(key)):
            known = self._journal.one("met_already", name=name, key=key)
        if known:
            return
        with self._journal.transaction():
            self._leave_to(key, others)
            self._journal.run("forget_stranger", name=name)
            row = self._journal.one("meet_device", name=name, key=key, now=now())
            if row and row[1]:
                self._journal.run("own_name", device=row[0])
                self._release(row[0])

    @contextmanager
    def transaction_of_caller(self, name: str, serial: str, patience: float | None = None) -> Iterator[Met]:
        """Do what is inside as one transaction that writes the records of a device that calls; yield it.

        Of a device that is known nothing else is written, so that others may write beside it. As a rule its
        key is the serial number that it tells; to look that up before would wait without `patience`.
        """
        began, key = time.monotonic(), serial

        def left() -> float | None:
            return patience and max(0.001, patience - (time.monotonic() - began))

        for _ in range(2):
            with self._journal.transaction(left(), only=of_device(key)):
                known = self._known_caller(name, serial)
                if known and known.key == key:
                    yield known
                    return
            if known is None:
                break
            key = known.key  # which a person may change in between
        with self._journal.transaction(left()):
            yield self.meet_caller(name, serial)

    def _known_caller(self, name: str, serial: str) -> Met | None:
        """Return the device that calls by a name, or the stranger in its place; None if it is to be met."""
        key = self.key_of(name)
        if key == serial or (key is not None and serial in self.aliases(name)):
            return Met(key)
        if key is None:
            return None
        stranger = self._journal.one("stranger_seen_as", name=name)
        return Met(serial, STRANGER) if stranger and stranger[1] == serial else None

    def meet_caller(self, name: str, serial: str) -> Met:
        """Given a device that calls and its serial number in the inventory, return it.

        One that was not met before is noted in the transaction under way; a known one costs no write. Where
        the name is another terminal's by now, what it sends is held until a person accepts it, as if it had
        answered at that one's address.
        """
        if known := self._known_caller(name, serial):
            return known
        if self.key_of(name) is not None:
            self._journal.run("forget_stranger", name=name)
            self._journal.run("meet_stranger", name=name, key=serial, now=now())
            return Met(serial, STRANGER)
        row = self._journal.one("meet_device", name=name, key=serial, now=now())
        if row and row[1]:
            self._journal.run("own_name", device=row[0])
            self._release(row[0])
        return Met(serial)

    def meet_stranger(self, name: str, key: str, others: Collection[str] = ()) -> None:
        """Store that a terminal with this key answers where the device `name` belongs.

        Raise `SameSerial` when it is the key of one of `others`.
        """
        with self._journal.transaction():
            self._leave_to(key, others)
            self._journal.run("forget_stranger", name=name)
            self._journal.run("meet_stranger", name=name, key=key, now=now())

    def accept(self, name: str) -> str:
        """Let the stranger that answers as `name` be that device from now on; return its key.

        The device it replaces keeps its punches. Raise `WrongSerial` when there is no stranger.
        """
        with self._journal.transaction():
            device, key, _ = self._stranger(name)
            self._journal.run("forget_stranger", name=name)
            self._journal.run("retire_device", name=name)
            self._journal.run("name_device", device=device, name=name)
            self._release(device)
        return key

    def accept_as_same(self, name: str) -> str:
        """Let the stranger that answers as `name` be the device it was, under another serial number.

        Return that number. What is held under it goes out under the device's own key, once. Raise
        `WrongSerial` when there is no stranger, no such device, or when it is another one of the inventory.
        """
        with self._journal.transaction():
            stranger, serial, own_name = self._stranger(name)
            if own_name is not None:
                raise WrongSerial(f"serial number {serial} is {own_name}; put the addresses right instead")
            row = self._journal.one("device_by_name", name=name)
            if row is None:
                raise WrongSerial(f"{name} was never read under another serial number; put serial: right")
            self._journal.run("add_alias", serial=serial, name=name)
            self._move(stranger, device=row[0], key=row[1])
            self._journal.run("count_discarded_of_device", device=stranger)
            self._journal.run("discard_device", device=stranger, now=now())
            self._journal.run("nothing_held", device=stranger)
            self._journal.run("forget_stranger", name=name)
        return serial

    def _move(self, stranger: int, device: int, key: str) -> None:
        """Let the punches of a stranger be those of a device, under its key, and let them go out.

        The device's log is read whole next time, and its records are found among them.

        Left are those that the device has shown itself, by their bytes or in another form. One that shares
        its user and second with another one waits for a person, as if it had been read just now.
        """
        pruned = shown_and_pruned(self._journal, device, stranger)
        found = self._journal.all("punches_to_move", device=stranger, other=device)
        rows = [row for row in found if row[0] not in pruned]
        ids = [punch_id(key, user_id, timestamp[:WALL]) for _, user_id, timestamp, *_ in rows]
        last: Counter[str] = Counter()
        others: defaultdict[str, list[tuple[int, int, bool]]] = defaultdict(list)
        asked = list(set(ids))
        for place, one in holders_of_seconds(self._journal, device, asked):
            last[asked[place]] = max(last[asked[place]], one.nth)
            others[asked[place]].append((one.kinds, one.state, one.source == "bridge"))
        moved = []
        for id_, (seq, user_id, timestamp, kinds, state, source) in zip(ids, rows, strict=True):
            unlike = (one for one in others[id_] if not one[0] & kinds)
            same = [one for one in unlike if one[1] == state or one[2] or source == "bridge"]
            if same:
                equal = next((one for one in same if one[1] == state), same[0])
                others[id_].remove(equal)  # it is one of the stranger's, not two
                continue
            last[id_] += 1
            nth, further = last[id_], last[id_] > 1
            moved.append(
                {
                    "seq": seq,
                    "device": device,
                    "id": punch_id(key, user_id, timestamp[:WALL], nth),
                    "nth": nth,
                    "first_id": id_ if further else None,
                    "hold": "same second" if further else None,
                }
            )
        self._journal.run_many("move_punch", moved)
        self._journal.run("move_forms", device=stranger, other=device)
        self._journal.run("move_forgotten", device=stranger, other=device)
        self._journal.run("note_moved_forgotten", device=stranger, other=device)
        for whose in (stranger, device):
            self._journal.run("recount_shown", device=whose, bridged=BRIDGED)
        self._journal.run("move_devices_of_rows", device=stranger, other=device)
        watermarks.forget(self._journal, device)
        self._journal.run("release_device", device=device, now=now())

    def note_reading(self, key: str, reading: Reading) -> None:
        """Store, in the transaction under way, what a visit found that read the log to its end."""
        row = {
            "key": key,
            "on_device": reading.on_device,
            "capacity": reading.capacity,
            "drift": reading.drift,
            "whole": reading.whole,
            "complete_until": reading.complete_until and reading.complete_until.isoformat(),
            "now": now(),
        }
        self._journal.run_later("note_reading", [row])

    def known(self) -> Mapping[str, Known]:
        """Return what is known of each device that has a name in the inventory, by that name."""
        waiting: dict[str, int] = dict(self._journal.all("backlog"))
        return {
            name: Known(key, read_at, on_device, capacity, drift, waiting.get(name, 0))
            for name, key, read_at, on_device, capacity, drift in self._journal.all("readings")
        }

    def last_reading(self, name: str) -> LastReading | None:
        """Return the last reading of the device of an inventory name, or None if it was never read."""
        row = self._journal.one("last_reading", name=name)
        return LastReading(row[0], datetime.fromisoformat(row[1]), *row[2:]) if row else None

    def last_readings(self) -> dict[str, LastReading]:
        """Return the last readings of all devices that were ever read, by their inventory names."""
        return {
            name: LastReading(key, datetime.fromisoformat(read_at), *log)
            for name, key, read_at, *log in self._journal.all("last_readings")
        }

    def newest_reading(self, until: datetime | None = None) -> datetime | None:
        """Return when any device was last read, `until` then (UTC) where that is given, or None."""
        text = until and until.isoformat(timespec="milliseconds")
        row = self._journal.one("newest_reading", until=text)
        return datetime.fromisoformat(row[0]) if row and row[0] else None

    def _leave_to(self, key: str, others: Collection[str]) -> None:
        """Raise `SameSerial` when a key is that of one of `others`."""
        name, _ = self.whose(key)
        if name is not None and name in others:
            raise SameSerial(key, name)

    def _release(self, device: int) -> None:
        """Let what was held of a stranger go out: it is no stranger any more."""
        self._journal.run("release_device", device=device, now=now())
        self._journal.run("nothing_held", device=device)

    def _stranger(self, name: str) -> tuple[int, str, str | None]:
        """Return the id and key of the terminal that answers as `name`, and its own name if it has one."""
        row = self._journal.one("stranger_seen_as", name=name)
        if row is None:
            raise WrongSerial(f"no other terminal than its own answers as {name}")
        return row[0], row[1], row[2]
