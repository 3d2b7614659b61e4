"""What is known in memory of those who call: each device that pushes, and the strangers."""

from __future__ import annotations

import secrets
import threading
from dataclasses import asdict, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.journal.callers import Caller
from zkpoll.journal.devices import Devices
from zkpoll.journal.pushed import Contact, Pushed, Told
from zkpoll.model.printable import shown
from zkpoll.push.contract import Admission, Known, Order
from zkpoll.push.reaction import DOOR_EVENT
from zkpoll.tasks.push_outcome import WRITTEN_EVERY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from zkpoll.inventory import Device
    from zkpoll.journal.database import Journal
    from zkpoll.push.contract import Batch, Call, Reaction, Refusal

OFFERED_AGAIN: Final = 60.0
"""Seconds after which a command that nothing was heard of is offered again."""
_REGISTRY_CODE: Final = 12
"""Bytes of chance in a registry code."""
_NO_CHANCE: Final = 3
"""Batches of one device that are refused one after the other, while those of others are taken in between."""
_MOST_STRANGERS: Final = 256
"""Strangers that wait to be written down. More at once is a flood, and only counted."""
_SHOWN: Final = 32
"""Letters of what a stranger says of itself."""


class Seat:
    """One device that pushes, and what is known of it.

    Its posts take turns, since each is judged by the one before. All else is for whoever holds `lock`, which
    is never held while anybody waits: a poll is answered while a post waits for the disk.
    """

    def __init__(self, device: Device, journal: Journal, poll_every: int) -> None:
        """Given a device of the inventory, learn what its journal knows of it."""
        self.device = device
        self.turn, self.lock = threading.Lock(), threading.Lock()
        push = device.push
        self.admission = Admission(
            device.name,
            device.serial or "",
            device.enabled,
            push.secret_text() if push else None,
            push.networks if push else (),
        )
        self.key = Devices(journal).key_of_caller(device.name, self.admission.serial)
        """The key by which the journal knows it."""
        pushed = Pushed(journal, self.key)
        code = pushed.registry_code()
        self._digests = {table: pushed.digest(table) for table in ("ATTLOG", "RTLOG", "TRANSACTION")}
        self._known = Known(
            self.admission.serial,
            ZoneInfo(device.timezone),
            poll_every,
            pushed.stamps(),
            code or secrets.token_hex(_REGISTRY_CODE),
            registered=code is not None,
            last_punch=pushed.last_time(),
        )
        self._order: Order | None = None
        self._offered_at = float("-inf")
        self._last_body, self._times = b"", 0
        self._contact: Contact | None = None
        self._written_at: datetime | None = None
        self._has_brought = False
        """Whether a batch of it was taken in this process."""
        self._commands: list[tuple[str, int | None]] = []
        self.zone_told: str | None = None
        """The TimeZone that it was told in this process."""
        self.too_large = 0
        """Bodies that were refused for their size."""
        self.too_large_at: datetime | None = None
        """When the last of them came (UTC)."""
        self._refused = 0
        self._refused_at: datetime | None = None
        self.failed = 0
        """Calls that this program could not answer, by a fault of its own."""
        self.failed_at: datetime | None = None
        """When the last of them came (UTC)."""
        self.new_punches = 0
        """Its punches that were not known before, since this process began."""
        self.last_call_at: datetime | None = None
        """When it called last in this process (UTC)."""
        self.routes: set[str] = set()
        """Routes that it asked for and nobody knows."""

    # --- a call ---

    def known(self, call: Call, body: bytes, moment: float) -> Known:
        """Return what is known of it when `body` comes. `moment` is monotonic, in seconds."""
        came_before = 0
        if call.method == "POST" and body:
            digest = sha256(body).digest()
            self._times = self._times + 1 if digest == self._last_body else 0
            self._last_body, came_before = digest, self._times
        due = moment - self._offered_at >= OFFERED_AGAIN
        return replace(self._known, order=self._order if due else None, came_before=came_before)

    def is_replay(self, batch: Batch) -> bool:
        """Say whether a batch is the very one that was committed last of its table."""
        return self._digests.get(batch.table) == batch.digest

    def first_call(self, address: str, now: datetime) -> Contact | None:
        """Return the call that is to be written with its batch; None where one was, in this process."""
        if self._has_brought:
            return None
        return Contact(self.device.name, self.admission.serial, now, now, address)

    def took(self, batch: Batch, new: int) -> None:
        """Note a batch that is on disk, with so many new punches."""
        self._has_brought = True
        self.new_punches += new
        self._refused = 0
        self._digests[batch.table] = batch.digest
        stamps = {**self._known.stamps, **({batch.table: batch.stamp} if batch.stamp else {})}
        last = batch.punches[-1].time if batch.punches else self._known.last_punch
        self._known = replace(self._known, stamps=stamps, last_punch=last)

    def refused(self, now: datetime, *, taken_since: datetime | None) -> None:
        """Note a batch that the journal did not take. `taken_since` is when it took the last of any device.

        Now and then another program has the journal. One that is refused time after time, while others are
        taken in between, is refused for what it holds.
        """
        alone = self._refused_at is not None and taken_since is not None and taken_since > self._refused_at
        self._refused += alone
        self._refused_at = now
        if self._refused >= _NO_CHANCE:
            self.failed += 1
            self.failed_at = now

    def heard(self, reaction: Reaction, address: str, now: datetime, moment: float, *, replay: bool) -> None:
        """Note what a call told that is answered. `now` is UTC, `moment` monotonic."""
        new = Contact(
            self.device.name,
            self.admission.serial,
            now,
            now,
            address,
            reaction.dialect,
            reaction.zone_told,
            self._known.registry_code if reaction.registers else None,
            _told(reaction.told),
            int(replay),
            reaction.counted[DOOR_EVENT],
        )
        self._contact = _joined(self._contact, new) if self._contact else new
        self.last_call_at = now
        self.zone_told = reaction.zone_told or self.zone_told
        if reaction.registers:
            self._known = replace(self._known, registered=True)
        if reaction.offered:
            self._offered_at = moment
            self._commands.append((reaction.offered, None))
        for id_, code in reaction.returned.items():
            if self._order and self._order.id == id_:  # what nobody asked for is nobody's answer
                self._order = None
                self._commands.append((id_, code))

    # --- what is written down, and looked up ---

    def contact_due(self, now: datetime, *, anyway: bool) -> Contact | None:
        """Return what its calls told since that was written last, if it is time to write it. `now` is UTC."""
        recently = self._written_at and timedelta(0) <= now - self._written_at < WRITTEN_EVERY
        if self._contact is None or (recently and not anyway):
            return None
        found, self._contact, self._written_at = self._contact, None, now
        return found

    def put_back(self, contact: Contact) -> None:
        """Take back what could not be written."""
        self._contact = _joined(contact, self._contact) if self._contact else contact
        self._written_at = None

    def orders_heard(self) -> list[tuple[str, int | None]]:
        """Return, once, the ids of commands that were handed out (None), or answered with a code."""
        found, self._commands = self._commands, []
        return found

    def put_back_orders(self, heard: list[tuple[str, int | None]]) -> None:
        """Take back what was heard of commands and could not be written."""
        self._commands = [*heard, *self._commands]

    def set_order(self, order: Order | None) -> None:
        """Set the command that is to be handed out; what was just answered is not set again."""
        answered = {id_ for id_, code in self._commands if code is not None}
        if order and order.id in answered:
            return
        if order is None or self._order is None or order.id != self._order.id:
            self._order, self._offered_at = order, float("-inf")


def _told(told: Mapping[str, str]) -> Told | None:
    """Return what a terminal told of itself; its counts are digits."""
    if not told:
        return None
    users, records = told.get("UserCount"), told.get("TransactionCount")
    return Told(
        told.get("DeviceName"),
        told.get("FWVersion"),
        told.get("Platform"),
        told.get("PushVersion"),
        int(users) if users else None,
        int(records) if records else None,
    )


def _joined(before: Contact, new: Contact) -> Contact:
    """Return two contacts as one; what the new one does not show is that of the one before."""
    told = new.told and before.told
    return replace(
        new,
        first_at=before.first_at,
        dialect=new.dialect or before.dialect,
        zone_told=new.zone_told or before.zone_told,
        registry_code=new.registry_code or before.registry_code,
        told=_merged(told, new.told) if told and new.told else new.told or before.told,
        replays=before.replays + new.replays,
        door_events=before.door_events + new.door_events,
    )


def _merged(before: Told, new: Told) -> Told:
    return replace(before, **{key: value for key, value in asdict(new).items() if value is not None})


class Strangers:
    """The callers that may not in, until they are written down. Any thread may note one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: dict[str, Caller] = {}
        self._written_at: dict[str, datetime] = {}
        self._nameless = 0

    def note(self, refusal: Refusal | None, call: Call, address: str, now: datetime) -> None:
        """Note a caller that is refused; one without a well-formed serial number is only counted."""
        with self._lock:
            if refusal is None or not (
                refusal.serial in self._callers or len(self._callers) < _MOST_STRANGERS
            ):
                self._nameless += 1
                return
            before = self._callers.pop(refusal.serial, None)
            self._callers[refusal.serial] = Caller(
                refusal.serial,
                refusal.reason,
                before.first_at if before else now,
                now,
                (before.requests if before else 0) + 1,
                address,
                f"/iclock/{call.told_name}",
                _word(call.query.get("pushver")),
                _word(call.query.get("DeviceType")),
            )

    def due(self, now: datetime, *, all_of_them: bool = False) -> tuple[tuple[Caller, ...], int]:
        """Return those to be written now, the least recent first, and how many calls had no serial number."""
        with self._lock:
            found = tuple(
                one for one in self._callers.values() if all_of_them or not self._was_written(one.serial, now)
            )
            for one in found:
                del self._callers[one.serial]
                self._written_at.pop(one.serial, None)
                self._written_at[one.serial] = now
            for serial in list(self._written_at)[:-_MOST_STRANGERS]:
                del self._written_at[serial]
            nameless, self._nameless = self._nameless, 0
            return found, nameless

    def put_back(self, callers: Sequence[Caller], nameless: int) -> None:
        """Take back those that could not be written. What has no place any more is only counted."""
        with self._lock:
            later, self._callers = self._callers, {}
            self._nameless += nameless
            for one in (*callers, *later.values()):
                self._written_at.pop(one.serial, None)
                before = self._callers.pop(one.serial, None)
                if before:
                    one = replace(one, first_at=before.first_at, requests=before.requests + one.requests)
                if len(self._callers) < _MOST_STRANGERS:
                    self._callers[one.serial] = one
                else:
                    self._nameless += one.requests

    def _was_written(self, serial: str, now: datetime) -> bool:
        written = self._written_at.get(serial)
        return written is not None and timedelta(0) <= now - written < WRITTEN_EVERY


def _word(text: str | None) -> str | None:
    """Return what a stranger says of itself, without what would steer a screen."""
    return shown(text)[:_SHOWN] if text else None
