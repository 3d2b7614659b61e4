"""The doorbell of a device: it tells that somebody has punched, and nothing more.

A session that registered is sent a frame (command 500) for each punch. Such an event has no serial number of
the log, often no work code, seven lengths, and is lost when nobody listens. So it is never a record: it is
counted and acknowledged, and whoever hears it reads the log in the same session.

    bell = Doorbell(session)
    bell.register()
    read the log: people punched before
    for ever: if bell.wait(30) or not: read the log, each time under limits of its own

A bell that comes during a read is not lost: the next `wait` tells of it at once. It may be that of a punch
which that read has, or which it has not; only another read can tell.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Silent, ZkpollError
from zkpoll.pull.link import Limits

if TYPE_CHECKING:
    from zkpoll.pull.session import Session

_PUNCHES: Final = 0x0001
"""The event of attendance, in the mask (pyzk, zk-protocol). Some firmware sends others all the same."""
_NONE: Final = 0
_FLOOD: Final = 0.1
"""Seconds for which bells that queue count as one, so that a flood of them holds nobody."""
_FAREWELL: Final = 1.0
"""Seconds: a mute device must not cost another whole timeout."""


class Doorbell:
    """The bell of the device that a session talks to. It belongs to that session's thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told = session.bells

    @property
    def rung(self) -> int:
        """How often it rang in this session, each event counted, those during an exchange included.

        Events of another kind ring, too. A caller that reads at each ring takes from this how fast it rings.
        """
        return self._session.bells

    def register(self) -> None:
        """Have the device ring at each punch. A second time in the same session does no harm.

        Raise `Refused` when the device will not, else as `Session.ask`.
        """
        self._session.register(_PUNCHES)

    def wait(self, seconds: float) -> bool:
        """Return True as soon as it rings, False after so many seconds of silence.

        True at once where it rang since the last True: during a read. Several bells that queue are one ring.
        It is no part of a visit: it has a limit of its own, and goes on when the session's is over. Other
        frames are dropped. Raise `HungUp`, `Stopped`, `WireError` for bytes that are no frame, or `OverLimit`
        for a frame that never ends.
        """
        session, timeout = self._session, self._session.limits.timeout
        with session.under(session.limits.anew(seconds + _FLOOD + timeout, "waiting for a bell")):
            session.limits.check()
            until = time.monotonic() + seconds
            while self.rung == self._told:
                if not self._hears(until) or time.monotonic() > until + _FLOOD:
                    return False
            enough = time.monotonic() + _FLOOD
            while time.monotonic() < enough and self._hears(until=0.0):
                pass
        self._told = self.rung
        return True

    def _hears(self, until: float) -> bool:
        """Take one frame, and return whether there was any until the moment `until`."""
        try:
            self._session.overhear(until)
        except Silent:
            return False
        return True

    def leave(self) -> bool:
        """Have it ring no more, and return whether the device said yes. Also in a run that was stopped.

        Best effort: EXIT ends events with the session.
        """
        with self._session.under(Limits(_FAREWELL, _FAREWELL)):
            try:
                self._session.register(_NONE)
            except ZkpollError:
                return False
        return True
