"""SIGINT and SIGTERM ask a run to stop. A second one ends the process at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zkpoll.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Give an event that the first signal sets. `Stopped` then names that signal and has its exit code."""
    stop = threading.Event()
    received: list[signal.Signals] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        stop.set()

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield stop
    except Stopped as error:
        if not received:
            raise
        raise Stopped.by(received[0]) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
