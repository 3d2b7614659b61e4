"""The desk of the push door: whoever calls is looked up, what it brings is journalled, and it is answered.

    turn away   strangers, by the inventory alone, before their bodies are looked at
    react       what a call means is decided by the push door, on values
    keep        punches: on disk before the answer, or 503
    write down  contacts, counts, strangers: gathered in memory, written soon and then once a minute

Handshakes and polls never wait for the journal. What must never happen: an `OK` for punches that are not on
disk; a 200 whose Date would set a terminal's clock wrong; a stranger that is told anything.
"""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from zkpoll.errors import JournalError, JournalUnfit, TryLater, ZkpollError, reason
from zkpoll.journal import callers, pushed
from zkpoll.journal.overview import last_journalled
from zkpoll.journal.pushed import CommandNews
from zkpoll.model.journal_home import JournalServer, file_of
from zkpoll.model.printable import shown
from zkpoll.pull import host_clock
from zkpoll.push import gate
from zkpoll.push.calls import parse
from zkpoll.push.contract import FORBIDDEN, UNAVAILABLE, Admission, Answer, Order
from zkpoll.push.reaction import react
from zkpoll.tasks.seats import Seat, Strangers
from zkpoll.tasks.take_batch import take_batch
from zkpoll.wall_clock import RELEASED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.devices import Met
    from zkpoll.journal.pushed import Contact
    from zkpoll.model.journal_home import JournalHome
    from zkpoll.push.contract import Batch, Call, Head, Reaction

_log = logging.getLogger(__name__)

LOCK_WAIT: Final = 20.0
"""Seconds that a batch waits in all, from its last byte to its commit; terminals were seen to give up after
30."""
_LAST_TRY: Final = 0.2
"""Seconds for a batch that has waited so long already: the journal may be free by now."""
_LEAST_FREE: Final = 64_000_000
"""Bytes on the journal's disk; the last of them are for what is already there."""
_MOST_ROUTES: Final = 16
"""Unknown routes of a device that are told."""
_BEHIND: Final = timedelta(hours=1)
"""A clock that is behind the newest punch by more is wrong; daylight saving does not move UTC."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """How long one request may wait, for whatever it waits."""

    end: float
    """By `time.monotonic`."""

    @property
    def left(self) -> float:
        """Return how many seconds it may wait from now on."""
        return max(_LAST_TRY, self.end - time.monotonic())


class Desk:
    """The desk of one `serve`. Its methods are called by many threads at once."""

    def __init__(
        self,
        inventory: Inventory,
        journal: Journal,
        *,
        taken: Callable[[Met, str], None],
        clock_is_right: bool = False,
    ) -> None:
        """Given the inventory and its journal, learn what is known of each device that pushes.

        `taken` is called with a device's identity and name when a batch of it is on disk. `clock_is_right` is
        a person's word that this host's clock is right, whatever times the journal has.
        """
        poll_every = inventory.listen.poll_every if inventory.listen else 0
        # Of two devices with one serial number, one of them taken out, the other one may call.
        devices = sorted(inventory.pushing, key=lambda device: device.enabled)
        self.seats: Mapping[str, Seat] = {
            device.serial: Seat(device, journal, poll_every) for device in devices if device.serial
        }
        """By serial number."""
        self.problem: str | None = None
        """Why punches are not taken, in one sentence; None while they would be."""
        self.unfit: JournalUnfit | None = None
        """What shows that the journal can take no batch any more, however long one waits; also where only
        the batches of some device come upon the damage."""
        self._journal = journal
        self._folder = _folder(inventory.home)
        self._taken = taken
        self._clock_is_right = clock_is_right
        self._doors = {serial: seat.admission for serial, seat in self.seats.items()}
        self._taken_at: datetime | None = None
        """When the last batch was taken, of any device (UTC)."""
        self._newest = last_journalled(journal)
        self._strangers = Strangers()

    # --- at the door ---

    def turn_away(self, head: Head) -> Answer | None:
        """Given a head, return the answer to one that may not in: the same to all of them."""
        call = parse(head)
        if call is None:
            return Answer(404)
        found = gate.admit(call, head.address, self._doors)
        if isinstance(found, Admission):
            return None
        self._strangers.note(found, call, head.address, datetime.now(UTC))
        return Answer(403, FORBIDDEN)

    def answer(self, head: Head, body: bytes) -> Answer:
        """Given a whole request of one that may in, return the answer. What it promises is on disk."""
        call = parse(head)
        seat = self.seats.get(call.serial or "") if call else None
        if call is None or seat is None:
            return Answer(403, FORBIDDEN)
        now, moment = datetime.now(UTC), time.monotonic()
        if self.clock_doubt(now):
            return Answer(503, UNAVAILABLE)
        # Each is judged by the one before. What brings nothing is a poll, and waits for nobody.
        takes_turns = bool(body)
        wait = _Wait(moment + LOCK_WAIT - head.waited)
        if takes_turns and not seat.turn.acquire(timeout=wait.left):
            return Answer(503, UNAVAILABLE)
        try:
            return self._answered(seat, call, head, body, now, wait)
        except Exception:  # it hears 503, again and again: a person has to know
            with seat.lock:
                seat.failed += 1
                seat.failed_at = now
            raise
        finally:
            if takes_turns:
                seat.turn.release()

    def _answered(
        self, seat: Seat, call: Call, head: Head, body: bytes, now: datetime, wait: _Wait
    ) -> Answer:
        moment = time.monotonic()
        with seat.lock:
            known = seat.known(call, body, moment)
        reaction = react(call, body, known, now)
        if isinstance(reaction, Answer):
            if reaction.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                self.too_large(head)
            return reaction
        replay = reaction.batch is not None and seat.is_replay(reaction.batch)
        if reaction.batch and not self._is_kept(seat, reaction.batch, head.address, now, wait, replay=replay):
            return Answer(503, UNAVAILABLE)
        with seat.lock:
            seat.heard(reaction, head.address, now, moment, replay=replay)
        _log_call(seat, call, reaction)
        return Answer(200, reaction.text)

    def too_large(self, head: Head) -> None:
        """Note a body that was larger than any terminal sends, and was not read."""
        call = parse(head)
        if call and (seat := self.seats.get(call.serial or "")):
            with seat.lock:
                seat.too_large += 1
                seat.too_large_at = datetime.now(UTC)

    def clock_doubt(self, now: datetime) -> str | None:
        """Return why this host's clock is plainly wrong, or None. `now` is UTC.

        Terminals set their clocks by the Date of our answers, but for those of 503. Where the kernel says
        that the clock is synchronised, it is the journal's newest time that was wrong.
        """
        if now < RELEASED:
            return f"this host's clock shows {now:%Y-%m-%d}, a day before this zkpoll was made"
        behind = self._newest is not None and now < self._newest - _BEHIND
        if not behind or self._clock_is_right or host_clock.synchronised():
            return None
        return (
            f"this host's clock is behind the journal, which got a punch at {self._newest:%Y-%m-%d %H:%MZ}; "
            "put it right (timedatectl), or say --clock-is-right"
        )

    # --- what has to be on disk ---

    def _is_kept(
        self, seat: Seat, batch: Batch, address: str, now: datetime, wait: _Wait, *, replay: bool
    ) -> bool:
        """Journal a batch, unless it is the one before; say whether all of it is on disk."""
        try:
            if replay:
                self._journal.check_in_place()
                return True
            self._check_room()
            call = seat.first_call(address, now)
            taken = take_batch(self._journal, seat.device, batch, now, wait.left, call)
        except ZkpollError as error:
            self.problem = str(error)
            if isinstance(error, JournalUnfit):
                self.unfit = error
            with seat.lock:
                seat.refused(now, taken_since=self._taken_at)
            _log.warning("%s: %d punches are not taken: %s", seat.device.name, len(batch.punches), error)
            return False
        self.problem = None
        self._taken_at = now
        self._newest = max(self._newest or now, now)
        new = taken.tally.first_seen
        with seat.lock:
            seat.took(batch, new)
        odd = f", {len(batch.quarantined)} impossible" if batch.quarantined else ""
        _log.info("%s: %d punches pushed, %d new%s", seat.device.name, len(batch.punches), new, odd)
        self._taken(taken.met, seat.device.name)
        return True

    def _check_room(self) -> None:
        """Raise `TryLater` where the journal's disk is full; a server tells that itself."""
        if self._folder is None:
            return
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise TryLater(f"{self._folder} cannot be seen: {reason(error)}") from error
        if free < _LEAST_FREE:
            raise TryLater(f"less than {_LEAST_FREE // 1_000_000} MB are free in {self._folder}")

    def try_again(self) -> None:
        """Where punches were not taken, see whether they would be by now. Raise `JournalError`.

        There may be nobody who brings any: who punched last has gone home.
        """
        if self.problem is None:
            return
        try:
            self._check_room()
            pushed.try_to_write(self._journal)
        except TryLater as error:
            self.problem = str(error)
        else:
            self.problem = None

    # --- what is written down ---

    def write_down(self, now: datetime, *, all_of_it: bool = False) -> None:
        """Write down what callers told, as far as it is due, and look up commands. Raise `JournalError`."""
        due: list[tuple[Seat, Contact]] = []
        for seat in self.seats.values():
            with seat.lock:
                if contact := seat.contact_due(now, anyway=all_of_it):
                    due.append((seat, contact))
        try:
            keys = pushed.contacts(self._journal, [contact for _, contact in due])
        except JournalError:
            for seat, contact in due:
                with seat.lock:
                    seat.put_back(contact)
            raise
        for (seat, _), key in zip(due, keys, strict=True):
            seat.key = key
        strangers, nameless = self._strangers.due(now, all_of_them=all_of_it)
        try:
            callers.note(self._journal, strangers, nameless)
        except JournalError:
            self._strangers.put_back(strangers, nameless)
            raise

    def exchange_orders(self) -> None:
        """Write down what became of commands, and look up the next of each device. Raise `JournalError`."""
        heard = []
        for seat in self.seats.values():
            with seat.lock:
                if commands := seat.orders_heard():
                    heard.append((seat, commands))
        news = (
            CommandNews(seat.key, id_, settled=code is not None, code=code)
            for seat, commands in heard
            for id_, code in commands
        )
        try:
            pushed.note_commands(self._journal, news)
        except JournalError:
            for seat, commands in heard:
                with seat.lock:
                    seat.put_back_orders(commands)
            raise
        waiting = pushed.waiting_commands(self._journal)
        for seat in self.seats.values():
            turn = waiting.get(seat.key)
            with seat.lock:
                seat.set_order(Order(turn[0].id, turn[0].text) if turn else None)

    def zones_told(self) -> Mapping[str, str]:
        """Return the TimeZone that devices were told last by this process, by name."""
        return {seat.device.name: seat.zone_told for seat in self.seats.values() if seat.zone_told}


def _folder(home: JournalHome) -> Path | None:
    """Return the folder on whose disk a journal grows, None where that is a server's."""
    if isinstance(home, JournalServer):
        return None
    return file_of(home).resolve().parent  # a link may lead to another disk


def _log_call(seat: Seat, call: Call, reaction: Reaction) -> None:
    """Log what a call came to; nothing of its body or its address."""
    name = seat.device.name
    if reaction.unknown and reaction.unknown not in seat.routes and len(seat.routes) < _MOST_ROUTES:
        seat.routes.add(reaction.unknown)
        _log.info("%s: asks for /iclock/%s, which nobody knows; answered OK", name, shown(reaction.unknown))
    elif reaction.zone_told or reaction.registers:
        _log.info("%s: %s from %s", name, "handshake", call.name)
    elif reaction.counted:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(reaction.counted.items()))
        _log.info("%s: not kept: %s", name, counts)
