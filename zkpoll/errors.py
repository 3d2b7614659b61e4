"""One error family, and the exit codes.

Three answers to a failure: stop the run (`StopRun`), try this device or dashboard again in the next
run (`TryLater`), or set it aside until a person acts (`SetAside`). Every message is one sentence that
a person can act on, without secrets. `kind` is the same in JSON output and in logs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from signal import Signals

OUT_OF_MEMORY: Final = (
    "there was not enough memory for it; what was journalled and confirmed until then stays so"
)
"""The words for a `MemoryError`, which is no bug and no error of this family."""


class ExitCode(IntEnum):
    """The exit codes of a run."""

    OK = 0
    ATTENTION = 1  # some device or delivery needs attention, the rest is done
    USAGE = 2
    UNREACHABLE = 69  # nothing could be reached
    BUG = 70
    JOURNAL = 74  # the journal cannot be used
    LOCKED = 75  # everything asked for is locked by another run
    INVENTORY = 78
    HUNG_UP = 129  # SIGHUP; this and those below are 128 and the signal's number, as shells say
    INTERRUPTED = 130  # SIGINT
    QUIT = 131  # SIGQUIT
    TERMINATED = 143  # SIGTERM


class ZkpollError(Exception):
    """Base of everything zkpoll raises on purpose."""

    kind: ClassVar[str] = "error"
    exit_code: ExitCode = ExitCode.ATTENTION


class StopRun(ZkpollError):
    """Nothing useful can be done in this run."""


class InventoryError(StopRun):
    """The inventory cannot be used."""

    kind = "inventory"
    exit_code = ExitCode.INVENTORY


class NotInstalled(StopRun):
    """A package that only this command needs is not installed."""

    kind = "not_installed"
    exit_code = ExitCode.INVENTORY


class JournalError(StopRun):
    """The journal cannot be used."""

    kind = "journal"
    exit_code = ExitCode.JOURNAL


class JournalUnfit(JournalError):
    """The journal is damaged, or not in its place any more: waiting does not help."""


class LocksLost(JournalError):
    """The session with a server is lost, and so are the locks that it held: they may be another run's."""


class Stopped(StopRun):
    """Stopped; what was journalled and confirmed until then stays so."""

    kind = "stopped"
    exit_code = ExitCode.TERMINATED

    @classmethod
    def by(cls, number: Signals) -> Stopped:
        """Given the signal that stopped the run, return the error to raise. Its exit code is the shell's."""
        error = cls(f"stopped by {number.name}; what was journalled and confirmed until then stays so")
        error.exit_code = ExitCode(128 + number)
        return error


class TryLater(ZkpollError):
    """Failed this time; the next run tries again."""


class Busy(TryLater):
    """Another run holds the lock of this device or dashboard."""

    kind = "busy"
    exit_code = ExitCode.LOCKED


class Locked(TryLater):
    """The lock of this device or dashboard cannot be taken, whoever holds it."""

    kind = "locked"


class Unreachable(TryLater):
    """Nothing that speaks the protocol answered at this address."""

    kind = "unreachable"


class SeatTaken(Unreachable):
    """The device turns clients away: it is off, or another client has its only seat."""


class WrongChecksums(Unreachable):
    """The device answers, and none of its datagrams arrives undamaged."""


class Silent(TryLater):
    """The device stopped answering."""

    kind = "silent"


class HungUp(TryLater):
    """The device closed the connection."""

    kind = "hung_up"


class OverLimit(TryLater):
    """The visit took longer than `visit_limit`."""

    kind = "over_limit"


class Refused(TryLater):
    """The device answered a command with an error code."""

    kind = "refused"


class NothingLaidOut(Refused):
    """The device counts records, and lays out a log of none."""

    kind = "nothing_laid_out"


class WireError(TryLater):
    """These bytes are not a frame of the 4370 protocol, or not the one that was due."""

    kind = "wire"


class SetAside(ZkpollError):
    """Set aside until a person acts."""


class Encrypted(SetAside):
    """The database is encrypted with a password."""

    kind = "encrypted"


class Damaged(TryLater):
    """A part of the database cannot be what was written there."""

    kind = "damaged"


class WrongSchema(SetAside):
    """The database lacks a table or a column."""

    kind = "wrong_schema"


class MissingDriver(SetAside):
    """The package that speaks to this kind of database is not installed."""

    kind = "missing_driver"


class NotATerminal(SetAside):
    """Something answers at this address, but not a terminal."""

    kind = "not_a_terminal"


class WrongKey(SetAside):
    """The device refused the comm key."""

    kind = "wrong_key"


class FirmwareRefuses(SetAside):
    """The device's firmware refuses this protocol (reply 6001)."""

    kind = "firmware_refuses"


class WrongSerial(SetAside):
    """The device tells no serial number, or not the one on record."""

    kind = "wrong_serial"


class SameSerial(WrongSerial):
    """The device has the serial number of another one of the inventory."""

    def __init__(self, serial: str, other: str, remark: str = "") -> None:
        super().__init__(
            f"serial number {serial} is {other}'s{remark}, so nothing of this one is read: if both are one "
            "terminal, remove one of the two entries; if this is another one with a copied number, give it a "
            "serial: of its own with trust: inventory"
        )
        self.other = other
        """The name of the device whose it is."""


class UnknownLayout(SetAside):
    """The log fits no known record layout."""

    kind = "unknown_layout"

    def __init__(self, message: str, log: bytes) -> None:
        super().__init__(message)
        self.log = log
        """The attendance buffer as read, without the 4-byte length in front."""


def reason(error: OSError) -> str:
    """Return why the operating system refused, in its own words, to stand inside a sentence."""
    return (error.strerror or str(error)).lower()
