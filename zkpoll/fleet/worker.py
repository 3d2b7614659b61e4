"""A worker: it takes errands from queues, carries them out, and notes what came of them.

    a message ──▶ known here? still sent? same settings? nobody at it? ──▶ take ──▶ carry out ──▶ done
                  else it is left, and that is said: the journal has it, and it is sent again

What a person has to know is told once a minute, of all that was done meanwhile, as a run of `zkpoll sync`
tells it. A journal that is away fails the errands of that time and no more; one that is unfit ends the
worker.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from zkpoll.errors import Busy, ExitCode, JournalError, JournalUnfit, Stopped
from zkpoll.fleet.carry_out import Means, carry_out, lock_for
from zkpoll.fleet.news import NEWS, events, outcome_of
from zkpoll.journal import errands as register
from zkpoll.journal.devices import Devices
from zkpoll.journal.runs import note_run
from zkpoll.journal.sessions import Sessions
from zkpoll.journal.watches import is_watched
from zkpoll.model.errand import Errand
from zkpoll.model.printable import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.fleet.carry_out import Done
    from zkpoll.fleet.errands import Plan
    from zkpoll.fleet.inventories import Inventories
    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.tasks.outcome import Outcome

_log = logging.getLogger(__name__)

LAST: Final = 13.0
"""Seconds from a signal to the end of the process, whatever is under way."""
_UPKEEP: Final = 1.0
"""Seconds."""
_LEFT: Final = 10_000
"""Errands remembered that were left; whoever may write to the broker may name any."""
_JOURNAL: Final = "journal"
_UNKNOWN: Final = "left: this zkpoll knows no such errand; is it older than the one that sends it?"
_NOT_HERE: Final = "left: it is not in this machine's inventory; have the same one on all machines"
_OTHERWISE: Final = (
    "left: this machine's inventory has other settings for it than the one by which it was sent; "
    "have the same one on all machines"
)


class Engine(Protocol):
    """What brings messages from queues to threads."""

    def consume(self, carry: Callable[[str, datetime], None], stop: threading.Event) -> None:
        """Call `carry` with the subject and `until` of each message, until `stop` is set; then return."""


@dataclass(frozen=True, slots=True)
class Observers:
    """The listeners to one worker. Called from its threads."""

    trouble: Callable[[str, str | None], None]
    """Called with a subject, and what is wrong with it here or None, each time that is known."""
    done: Callable[[Outcome, Journal, Inventory], None]
    """Called once a minute with what was done, and at the end. May raise `JournalError`."""


def myself() -> str:
    """Return the name under which the journal has this process."""
    return f"{socket.gethostname()} ({os.getpid()})"


@contextmanager
def ended_in_time(stop: threading.Event) -> Iterator[None]:
    """End this process when it has not ended within `LAST` seconds after `stop` was set.

    To be killed anywhere loses nothing; to be waited for by a service manager, for a minute, helps nobody.
    """
    ended = threading.Event()

    def watch() -> None:
        stop.wait()
        if not ended.wait(LAST):
            _log.warning("not all that was under way has ended within %.0f s; it is broken off", LAST)
            os._exit(ExitCode.OK)

    threading.Thread(target=watch, name="last", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def work(
    inventories: Inventories,
    journal: Journal,
    engine: Engine,
    observers: Observers,
    *,
    by: str,
    stop: threading.Event,
) -> None:
    """Carry out errands until `stop` is set; then end what is under way soon, and return.

    `by` is the name under which the journal has it. Raise `JournalUnfit` where the journal cannot be used any
    more, and what the engine raises.
    """
    worker = _Worker(inventories, journal, observers, by, stop)
    with ThreadPoolExecutor(1, "news") as pool:
        telling = pool.submit(worker.tell_on)
        try:
            engine.consume(worker.take, stop)
        finally:
            stop.set()
    telling.result()
    worker.close_the_books()


class _Worker:
    """The errands of one process."""

    def __init__(
        self,
        inventories: Inventories,
        journal: Journal,
        observers: Observers,
        by: str,
        stop: threading.Event,
    ) -> None:
        self._inventories = inventories
        self._journal = journal
        self._sessions = Sessions(inventories.plan().inventory.home, journal)
        self._observers = observers
        self._by = by
        self._stop = stop
        self._lock = threading.Lock()
        self._done: dict[str, Done] = {}
        """What was done and is still to be told, by the errand's subject: the last result of each."""
        self._earlier: list[tuple[str, str]] = []
        """What a person should know of the results before that, each with its subject in front."""
        self._left: dict[str, datetime] = {}
        """The sending that was left last, of errands that are not as the inventory here has them."""
        self._newest = Devices(journal).newest_reading(until=datetime.now(UTC))
        """The newest reading before what is still to be told, by any machine."""
        self._began = time.monotonic()
        self._unfit: JournalUnfit | None = None

    def take(self, subject: str, until: datetime) -> None:
        """Take an errand, if it is to be carried out here, and carry it out. Raises nothing."""
        try:
            self._take(subject, until)
        except JournalUnfit as error:
            self._unfit = error
            self._stop.set()
        except JournalError as error:
            _log.info("%s: %s", subject, error)
            self._observers.trouble(_JOURNAL, str(error))
        except Stopped:
            _log.info("%s: broken off, as this worker ends", subject)

    def _take(self, subject: str, until: datetime) -> None:
        try:
            errand = Errand.of(subject)
        except ValueError:
            self._leave(subject, _UNKNOWN)
            return
        if self._stop.is_set() or until <= datetime.now(UTC):
            _log.info("%s: left, as it is over", shown(subject))
            return
        plan = self._inventories.plan()
        if not plan.has(errand):
            self._leave_once_more(subject, until, _NOT_HERE)
            return
        with self._sessions.one() as journal:
            self._take_from(journal, errand, plan, until)

    def _take_from(self, journal: Journal, errand: Errand, plan: Plan, until: datetime) -> None:
        """Take an errand that the inventory has, if the journal has that sending."""
        subject = errand.subject
        settings = register.sent_with(journal, errand, until)
        self._observers.trouble(_JOURNAL, None)
        if settings is None:
            _log.info("%s: left, as it was taken already, or sent anew", subject)
            return
        if settings != plan.settings(errand):
            self._leave_once_more(subject, until, _OTHERWISE)
            return
        with self._lock:
            self._left.pop(subject, None)
        self._observers.trouble(subject, None)
        if journal.is_locked(lock_for(plan, errand)):
            _log.info("%s: left, as another run is at it", subject)
            if errand.kind != "deliver" and is_watched(journal, errand.name):
                self._is_done_by_watch(journal, errand, until)
            return
        if register.take(journal, errand, until, self._by, datetime.now(UTC)):
            self._carry_out(errand, Means(plan, journal, self._stop), until)

    def _is_done_by_watch(self, journal: Journal, errand: Errand, until: datetime) -> None:
        """Note that a device needs no visit and no clearing, as a `zkpoll watch` reads it and clears it."""
        now = datetime.now(UTC)
        if register.take(journal, errand, until, self._by, now):
            register.done(journal, errand, until, self._by, now, "ok")

    def _leave(self, subject: str, why: str) -> None:
        _log.info("%s: %s", shown(subject), why)
        self._observers.trouble(shown(subject), why)

    def _leave_once_more(self, subject: str, until: datetime, why: str) -> None:
        """Leave an errand that is not as the inventory here has it; tell that where it was left before, too.

        An inventory is changed on one machine after the other, while errands are on their way.
        """
        with self._lock:
            if len(self._left) >= _LEFT:
                self._left.clear()
            before, self._left[subject] = self._left.get(subject), until
        if before in (None, until):
            _log.info("%s: %s", shown(subject), why)
        else:
            self._leave(subject, why)

    def _carry_out(self, errand: Errand, means: Means, until: datetime) -> None:
        outcome = "broken off"
        try:
            done = carry_out(errand, means, until)
            broken_off = self._stop.is_set() and done.problem
            outcome = "stopped" if broken_off else done.problem or "ok"
            if not broken_off:
                with self._lock:
                    if before := self._done.get(errand.subject):
                        self._earlier += events(before)
                    self._done[errand.subject] = done
        except Stopped:
            outcome = "stopped"
            raise
        finally:
            register.done(means.journal, errand, until, self._by, datetime.now(UTC), outcome)

    # --- what is told ---

    def tell_on(self) -> None:
        """Tell once a minute what was done, until the end."""
        told_at = time.monotonic()
        try:
            while not self._stop.wait(_UPKEEP):
                if time.monotonic() - told_at >= NEWS:
                    told_at = time.monotonic()
                    self._tell()
        except BaseException:  # who cannot tell anything any more does not go on in silence
            self._stop.set()
            raise

    def close_the_books(self) -> None:
        """Tell the last. Raise `JournalUnfit`."""
        with self._sessions:
            if self._unfit:
                raise self._unfit
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            done, self._done = self._done, {}
            earlier, self._earlier = self._earlier, []
            began, self._began = self._began, time.monotonic()
        if not done:
            self._look_at_journal()
            return
        inventory = self._inventories.plan().inventory
        results, seconds = list(done.values()), time.monotonic() - began
        try:
            outcome = outcome_of(results, earlier, inventory, self._journal, self._newest, seconds)
            if any(one.kind != Busy.kind for one in results):
                note_run(self._journal)
            if outcome.host_clock.read > 1:
                clock = outcome.host_clock.trouble
                self._observers.trouble(outcome.host_clock.subject, clock.text if clock else None)
            self._observers.done(outcome, self._journal, inventory)
            self._newest = Devices(self._journal).newest_reading(until=datetime.now(UTC))
        except JournalUnfit as error:
            self._unfit = error
            self._stop.set()
        except JournalError as error:  # told once the journal is there again
            with self._lock:
                self._earlier += [
                    *earlier,
                    *(one for name in done if name in self._done for one in events(done[name])),
                ]
                self._done, self._began = done | self._done, began
            self._observers.trouble(_JOURNAL, str(error))

    def _look_at_journal(self) -> None:
        """See whether the journal is still there: in one that was moved away nothing is sent any more."""
        try:
            self._journal.check_in_place()
        except JournalUnfit as error:
            self._unfit = error
            self._stop.set()
        except JournalError as error:
            self._observers.trouble(_JOURNAL, str(error))
        else:
            self._observers.trouble(_JOURNAL, None)
