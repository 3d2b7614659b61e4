"""One device under watch, for as long as its thread lives: read whenever it rings, and when it is silent.

    contact    its lock, enabled first, identified: as for any visit
    read       what is new, as a visit does
    register   from now on it rings when somebody punches
    read       again: somebody punched in between
    wait       for a bell, 30 s at most; then the same reading in the same session, whether it rang or not
    hang up    where it fails, where its seat is for others (yield_seat), or to clear its log
    rest       a second, twice as long after each further failure, 5 min at most

A bell says that there is something to read, and nothing else: what it brings is never a record. A reading
after silence finds what rang unheard, and shows a session that is dead on the other end. Nothing here waits
by the clock of the host.

It must never happen that a device is disabled, but by the clearing of its log, which is a visit of its own.
"""

from __future__ import annotations

import logging
import random
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Busy, JournalError, JournalUnfit, Refused, Stopped, StopRun, TryLater
from zkpoll.journal import conditions
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import folders
from zkpoll.journal.watches import watch_of
from zkpoll.pull.doorbell import Doorbell
from zkpoll.tasks.bell_outcome import BellOutcome
from zkpoll.tasks.claims import Claims
from zkpoll.tasks.contact import Contacts, contact, target_of
from zkpoll.tasks.device_outcome import DeviceOutcome
from zkpoll.tasks.log_sink import JournalSink
from zkpoll.tasks.visit import Manner, as_outcome, left_out, log_outcome, read

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.sessions import Sessions
    from zkpoll.pull.session import Session
    from zkpoll.tasks.contact import Guard

LOOK: Final = 30.0
"""Seconds of silence after which it is read all the same. An idle reading takes 8 round trips and 0.9 kB."""
_BETWEEN: Final = 1.0
"""Seconds from one reading to the next in the long run, however often it rings."""
_AT_ONCE: Final = 4
"""Readings that may come one right after the other: several people punch within a second."""
_SOON: Final = 1.0
"""Seconds after which it is read once more where it rang, and nothing new was found yet."""
_UNHEARD: Final = 2
"""Readings after silence that found new records, until a device that never rang is taken for a mute one."""
FIRST_REST: Final = 1.0
LONGEST_REST: Final = 300.0
_BESIDE_OTHERS: Final = 5.0
"""Seconds at most until a device is asked for again that another run is at: it is soon done."""
_CLEAR_AGAIN: Final = 300.0
"""Seconds between two tries to clear a log, as between two runs of cron."""

_LEFT_BEHIND: Final = (
    "device {} was given another name by a run with a newer inventory, and is not read by this one now; "
    "restart zkpoll watch"
)

_log = logging.getLogger(__name__)


class _LeftBehind(StopRun):
    """The device has another name by a newer inventory: to read it by the old one would take that back."""


@dataclass(frozen=True, slots=True)
class WatchMeans:
    """The means of all watches of one process. Shared by their threads."""

    inventory: Inventory
    sessions: Sessions
    """Those with the journal, of which each device has one, and shares it where there are more devices."""
    names: dict[str, str]
    """Those of the inventory by device key, to be added to."""
    stop: threading.Event
    announce: Callable[[], None]
    """Called when something new is in the journal."""
    told: Callable[[DeviceOutcome], None]
    """Called with the result of each reading, and of each contact that came to none."""
    listened: Callable[[BellOutcome], None]
    """Called when it is known whether a device rings, and when that has changed."""
    journal: Callable[[str | None], None]
    """Called with why the journal could not be used, or None where it could."""


def watch_device(device: Device, means: WatchMeans) -> None:
    """Watch a device until `stop` is set. Raise `JournalUnfit`; all else is tried again."""
    post = _Post(device, means)
    rests = _Rests(means.stop)
    while not means.stop.is_set():
        try:
            with means.sessions.one() as journal, journal.lock(watch_of(device.name)):
                post.watch(journal)
        except JournalUnfit:
            raise
        except Stopped:
            return
        except _LeftBehind:
            _log.warning("%s", _LEFT_BEHIND.format(device.name))
            return
        except Busy:
            _log.info("%s: another `zkpoll watch` has it", device.name)
            post.failed(f"another `zkpoll watch` has {device.name}", Busy.kind)
        except JournalError as error:
            _log.info("%s: %s", device.name, error)
            means.journal(str(error))
        except TryLater as error:  # its lock cannot be taken, whoever has it
            post.failed(str(error), error.kind)
        rests.rest()


class _Rests:
    """The rests after failures, one longer than the other, none as long as another thread's."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._next = FIRST_REST

    def rest(self, most: float = LONGEST_REST) -> None:
        """Rest, and longer next time; `most` seconds at most."""
        self._stop.wait(min(self._next, most) * random.uniform(0.75, 1.0))  # noqa: S311  # no secret
        self._next = min(2 * self._next, LONGEST_REST)

    def begin_anew(self) -> None:
        """Let the next rest be a short one."""
        self._next = FIRST_REST


class _Pace:
    """The pace of readings: some at once, and one in `_BETWEEN` seconds in the long run."""

    def __init__(self) -> None:
        self._free = float(_AT_ONCE)
        self._seen_at = time.monotonic()

    def goes_on(self) -> None:
        """Note that a reading begins."""
        self._look()
        self._free -= 1

    def left(self) -> float:
        """Return the seconds until the next reading may begin; 0 or less where it may."""
        self._look()
        return (1 - self._free) * _BETWEEN

    def _look(self) -> None:
        now = time.monotonic()
        self._free = min(_AT_ONCE, self._free + (now - self._seen_at) / _BETWEEN)
        self._seen_at = now


class _Post:
    """The watch of one device."""

    def __init__(self, device: Device, means: WatchMeans) -> None:
        self._device = device
        self._means = means
        self._key: str | None = None
        """By which it was read last; None before that."""
        self._rang = False
        """Whether it ever rang."""
        self._unheard = 0
        """How often a reading after silence found something new, before it ever rang."""
        self._bell: BellOutcome | None = None
        self._last: DeviceOutcome | None = None
        """The last result that was told."""
        self._clear_at = time.monotonic()
        """Not before that moment, by the monotonic clock, its log is cleared."""

    def watch(self, journal: Journal) -> None:
        """Watch until `stop` is set. Raise `StopRun`."""
        rests, stop = _Rests(self._means.stop), self._means.stop
        while not stop.is_set():
            began = time.monotonic()
            well = self._met(journal)
            if self._last and self._is_due(journal, self._last):
                self._clear(journal)
                continue
            if time.monotonic() - began > LOOK:
                rests.begin_anew()
            if well and self._device.yield_seat:
                rests.begin_anew()
                stop.wait(self._device.yield_seat)
            else:
                is_busy = self._last is not None and self._last.kind == Busy.kind
                rests.rest(_BESIDE_OTHERS if is_busy else LONGEST_REST)

    def failed(self, problem: str, kind: str) -> None:
        """Tell that the device could not be had."""
        address = str(target_of(self._device).address)
        self._tell(DeviceOutcome(self._device.name, address, problem=problem, kind=kind))

    # --- one contact ---

    def _met(self, journal: Journal) -> bool:
        """Stay with the device for as long as that goes well; say whether its last reading did."""
        contacts = self._contacts(journal)
        name, claims = self._device.name, contacts.claims
        claims.will_ask([name])
        while True:
            if claims.is_left(name) and (refusal := claims.refusal(name)):
                self._tell(left_out(self._device, refusal))
                return False
            outcome = self._stayed(contacts)
            if not claims.is_left(name):
                return outcome.problem is None
            _log.info("%s: asked again, now that it is known who the others are", name)

    def _stayed(self, contacts: Contacts) -> DeviceOutcome:
        """Stay with the device for one session, and return the last reading's result."""
        with ExitStack() as stack:
            met: list[_Visitor] = []

            def begun() -> DeviceOutcome:
                session, guard = stack.enter_context(contact(contacts, self._device))
                met.append(_Visitor(session, guard, session.serial_number()))
                return self._read(met[0], contacts, sink)

            _log.debug("%s: calling", self._device.name)
            sink = self._sink(contacts)
            outcome = as_outcome(self._device, sink, begun)
            if contacts.claims.is_left(self._device.name):
                return outcome
            self._tell(outcome, is_first=True)
            if outcome.problem or self._device.yield_seat:
                return outcome
            try:
                return self._listen(met[0], contacts, outcome)
            except TryLater as error:  # silence or a hang-up between two readings is told if it lasts
                _log.info("%s: the session ended: %s", self._device.name, error)
                return outcome

    def _listen(self, visitor: _Visitor, contacts: Contacts, outcome: DeviceOutcome) -> DeviceOutcome:
        """Read at each bell and after each silence, until that fails or the log is to be cleared.

        Return the last result. Raise the errors of the link, and `Stopped`.
        """
        bell, pace = Doorbell(visitor.session), _Pace()
        has_bell = self._registered(bell)
        rang = rang_before = False
        patience = 0.0
        while True:
            pace.goes_on()
            heard = bell.rung
            outcome = self._read_on(visitor, contacts)
            found, rings_on = outcome.tally.records > outcome.tally.seen_before, bell.rung > heard
            if has_bell:
                is_look = patience == LOOK and not (rang or rings_on)
                self._note_bell(rang=rang, unheard=is_look and found)
                if is_look and found:  # it may have forgotten who listens, as where another client registered
                    with suppress(Refused):
                        bell.register()
            self._tell(outcome)
            if outcome.problem or (not (rang or found) and self._is_due(contacts.journal, outcome)):
                return outcome
            # It may ring a moment before the record is in its log. What rang during a reading may be in that.
            is_early = rang and not (found or rang_before) and patience == LOOK
            patience, rang_before = _SOON if is_early else LOOK, rings_on
            rang = bell.wait(patience)
            while (left := pace.left()) > 0:
                rang = bell.wait(left) or rang

    def _registered(self, bell: Doorbell) -> bool:
        """Have the device ring, and say whether it will. Raise the errors of the link."""
        try:
            bell.register()
        except Refused as error:
            _log.info("%s: it will not ring: %s", self._device.name, error)
            self._note_listening(rings=False)
            return False
        return True

    def _note_bell(self, *, rang: bool, unheard: bool) -> None:
        """Note whether a reading came of a bell, or found something new that did not ring."""
        self._rang = self._rang or rang
        self._unheard += unheard
        if self._rang or self._unheard >= _UNHEARD:
            self._note_listening(rings=self._rang)

    def _note_listening(self, *, rings: bool) -> None:
        if self._bell is None or self._bell.rings != rings:
            self._bell = BellOutcome(self._device.name, rings, LOOK)
            self._means.listened(self._bell)

    # --- one reading ---

    def _read_on(self, visitor: _Visitor, contacts: Contacts) -> DeviceOutcome:
        """Read what is new in a session under way, within the limits of a visit."""
        sink, session = self._sink(contacts), visitor.session

        def again() -> DeviceOutcome:
            with session.under(session.limits.anew(self._device.visit_limit, "the visit")):
                return self._read(visitor, contacts, sink)

        return as_outcome(self._device, sink, again)

    def _read(self, visitor: _Visitor, contacts: Contacts, sink: JournalSink) -> DeviceOutcome:
        """Read what is new of the terminal that answers, whoever it is by now: a person may decide that."""
        found = visitor.guard.identify(visitor.serial)
        if found.problem is None and found.key == self._key:
            self._stay_behind(contacts.journal, found.key)
        newest = Devices(contacts.journal).newest_reading() if self._device.clock else None
        return read(visitor.session, found, self._device, contacts, sink, Manner(newest=newest))

    def _stay_behind(self, journal: Journal, key: str) -> None:
        """Raise `_LeftBehind` where the terminal that was read by this name has one by now that is not here.

        One that is here is that of another device, which tells the same number: `Claims` says whose it is.
        """
        name = Devices(journal).name_of(key)
        if name is None or any(one.name == name for one in self._means.inventory.devices):
            return
        with journal.transaction():
            conditions.owe(journal, "watch", _LEFT_BEHIND.format(self._device.name))
        raise _LeftBehind(_LeftBehind.__doc__)

    def _contacts(self, journal: Journal) -> Contacts:
        claims = Claims(self._means.inventory.devices, asks_again=True)
        return Contacts(journal, self._means.stop.is_set, writes=True, claims=claims)

    def _sink(self, contacts: Contacts) -> JournalSink:
        return JournalSink(
            self._device,
            contacts.journal,
            contacts.claims,
            self._means.names,
            unknown_logs=folders(self._means.inventory.home).unknown_logs,
            announce=self._means.announce,
        )

    def _tell(self, outcome: DeviceOutcome, *, is_first: bool = False) -> None:
        """Tell a result, and log it, but for that of a reading that found nothing."""
        if is_first or outcome.problem or outcome.notices or outcome.tally.first_seen:
            log_outcome(outcome)
        if self._last and self._last.clearing and self._last.clearing.trouble and not outcome.problem:
            outcome = replace(outcome, clearing=self._last.clearing)  # until it is tried again
        self._last = outcome
        if outcome.reading:
            self._key = self._key if outcome.problem else outcome.key
            self._means.journal(None)
        self._means.told(outcome)

    # --- clearing ---

    def _is_due(self, journal: Journal, outcome: DeviceOutcome) -> bool:
        """Say whether its log is to be cleared now; what was due and is not any more is told no longer."""
        if self._device.clear.above is None or not outcome.complete:
            return False
        from zkpoll.tasks.clear import due

        is_due = due(self._device, Devices(journal).last_reading(self._device.name), datetime.now(UTC))
        if not is_due and self._last and self._last.clearing:
            self._last = replace(self._last, clearing=None)
        return is_due and time.monotonic() >= self._clear_at

    def _clear(self, journal: Journal) -> None:
        """Clear its log, as a run of `zkpoll sync` does once it has delivered. Raise only `StopRun`."""
        from zkpoll.tasks.clear import clear

        assert self._last is not None  # noqa: S101  # it was read just now
        self._clear_at = time.monotonic() + _CLEAR_AGAIN
        copies = folders(self._means.inventory.home).raw_copies
        done = clear(self._device, self._contacts(journal), copies)
        self._last = replace(self._last, clearing=done)
        self._means.told(self._last)


@dataclass(frozen=True, slots=True)
class _Visitor:
    """A session, and who it is with."""

    session: Session
    guard: Guard
    serial: str | None
    """What the device told."""
