"""One device's visit: its log read into a sink, its clock set if need be, its result told."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from zkpoll.errors import Busy, SameSerial, UnknownLayout, WrongSerial, ZkpollError
from zkpoll.model.fullness import fullness
from zkpoll.pull.reader import read_log
from zkpoll.pull.set_clock import correct
from zkpoll.tasks.contact import contact, target_of
from zkpoll.tasks.device_outcome import DeviceOutcome
from zkpoll.tasks.result import one_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.inventory import Device
    from zkpoll.model.log import Reading
    from zkpoll.pull.identity import Identity
    from zkpoll.pull.session import Session
    from zkpoll.tasks.contact import Contacts
    from zkpoll.tasks.log_sink import LogSink

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a device's log is read."""

    full: bool = False
    """Whether to read all of it."""
    newest: datetime | None = None
    """The time of the journal's newest reading: a host clock before it sets no other."""
    progress: Callable[[str, int], None] = lambda _name, _records: None
    """Called with the device's name and the number of records each time some came."""
    leaves: bool = False
    """Whether the session ends as soon as nothing more is to be asked."""


def visit_in_turn(
    device: Device,
    contacts: Contacts,
    sink: Callable[[Device], LogSink],
    *,
    full: bool = False,
    newest: datetime | None = None,
    progress: Callable[[str, int], None] = lambda _name, _records: None,
) -> DeviceOutcome | None:
    """Visit a device, as `visit` does; or one that was left, now that the others were heard.

    Return None where it is to be left until then. Raise only `StopRun`.
    """
    claims = contacts.claims
    if claims.is_left(device.name) and (refusal := claims.refusal(device.name)):
        return left_out(device, refusal)
    try:
        return visit(device, contacts, sink(device), full=full, newest=newest, progress=progress)
    finally:
        claims.ended(device.name)


def visit(
    device: Device,
    contacts: Contacts,
    sink: LogSink,
    *,
    full: bool = False,
    newest: datetime | None = None,
    progress: Callable[[str, int], None] = lambda _name, _records: None,
) -> DeviceOutcome | None:
    """Read a device's log into `sink` and return the result. Raise only `StopRun`.

    Return None where the device is to be left until the others of the run were heard.
    `full` reads all of the log. `newest` is the time of the journal's newest reading: a host clock before it
    sets no other. `progress` is called with the device's name and the number of records each time some came.
    """
    address = target_of(device).address

    def visited() -> DeviceOutcome:
        _log.info("%s: visiting %s", device.name, address)
        with contact(contacts, device) as (session, guard):
            found = guard.ask(session)
            # Its only seat is free while we write.
            how = Manner(full, newest, progress, leaves=True)
            return read(session, found, device, contacts, sink, how)

    outcome = as_outcome(device, sink, visited)
    if contacts.claims.is_left(device.name):
        _log.info("%s: left until the other devices have told who they are", device.name)
        return None
    log_outcome(outcome)
    return outcome


def as_outcome(device: Device, sink: LogSink, work: Callable[[], DeviceOutcome]) -> DeviceOutcome:
    """Return the result of reading a device's log into `sink`, also of a failure. Raise only `StopRun`."""
    began = time.monotonic()

    def judged() -> DeviceOutcome:
        try:
            return work()
        except SameSerial as error:
            return left_out(device, error)
        except UnknownLayout as error:
            raise UnknownLayout(f"{error}{sink.save(error.log)}", error.log) from error

    address = str(target_of(device).address)
    outcome = one_failure(
        device.name,
        judged,
        lambda problem, kind: DeviceOutcome(device.name, address, problem=problem, kind=kind),
    )
    return replace(
        outcome,
        key=sink.key,
        tally=sink.tally,
        not_pushed=sink.not_pushed,
        released=sink.released,
        whole=sink.whole,
        would_send=sink.would_send,
        seconds=time.monotonic() - began,
    )


def read(
    session: Session,
    found: Identity,
    device: Device,
    contacts: Contacts,
    sink: LogSink,
    manner: Manner,
) -> DeviceOutcome:
    """Read the log of a device that told who it is, set its clock if need be, and return the result.

    Raise what `read_log` and the sink raise.
    """
    target, progress = target_of(device, full=manner.full), manner.progress
    before = (0, 0) if manner.leaves else (session.round_trips, session.bytes_received)
    clock_set, clock_kept = False, None
    known = sink.begin(found, session)
    reading = read_log(session, target, known, sink, lambda records: progress(device.name, records))
    if contacts.writes and found.problem is None:
        clock_set, clock_kept = _correct_clock(device, session, reading, manner.newest)
    if manner.leaves:
        session.disconnect()
    reading = replace(
        reading,
        round_trips=session.round_trips - before[0],
        bytes_received=session.bytes_received - before[1],
    )
    sink.end(reading)
    return DeviceOutcome(
        device.name,
        str(target.address),
        reading=reading,
        warn_at=target.warn_at,
        timezone=device.timezone,
        fullness=fullness(reading.on_device, reading.capacity, datetime.now(UTC).date(), None),
        clock_set=clock_set,
        clock_kept=clock_kept,
        problem=found.problem,
        kind=WrongSerial.kind if found.problem else None,
    )


def left_out(device: Device, error: SameSerial) -> DeviceOutcome:
    """Return the result for a device that has the serial number of another one."""
    address = str(target_of(device).address)
    return DeviceOutcome(
        device.name, address, problem=str(error), kind=error.kind, same_serial_as=error.other
    )


def _correct_clock(
    device: Device, session: Session, reading: Reading, newest: datetime | None
) -> tuple[bool, str | None]:
    """Set the device's clock if the inventory asks for it. Return whether it was set, and why not.

    A failure is no failure of the visit: the reading is safe.
    """
    wanted, drift = device.clock, reading.drift
    if wanted is None or drift is None or abs(drift) <= wanted.set_when_off_by:
        return False, None
    try:
        kept = correct(session, ZoneInfo(device.timezone), drift, wanted.set_when_off_by, newest)
    except ZkpollError as error:
        kept = str(error)
    return kept is None, kept


def log_outcome(outcome: DeviceOutcome) -> None:
    """Write down what came of a visit."""
    if outcome.problem:  # what else is wrong is told when all are read, and the clock is judged by all
        level = logging.INFO if outcome.kind == Busy.kind else logging.WARNING
        _log.log(level, "%s: %s", outcome.name, outcome.problem)
    for notice in outcome.notices:
        _log.log(logging.INFO if notice.harmless else logging.WARNING, "%s: %s", outcome.name, notice.text)
    if outcome.tally.held_repeats:
        _log.info("%s: repeats held: %d", outcome.name, outcome.tally.held_repeats)
    if outcome.reading:
        reading, tally = outcome.reading, outcome.tally
        _log.info(
            "%s: serial %s, %d records read, %d new, clock %+d s, %.1f s",
            *(
                outcome.name,
                outcome.key,
                reading.records,
                tally.first_seen,
                round(reading.drift or 0),
                outcome.seconds,
            ),
        )
