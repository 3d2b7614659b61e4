"""Signals that ask a run to stop; a second one ends the process at once.

A closed session (SIGHUP) is no person in a hurry: it sends several of them, from the shell and from the
kernel, and systemd sends one behind its SIGTERM. So SIGHUP asks like the others, and is never the second one.
A signal that the caller had ignored (`nohup`, a job in the background of a script) stays ignored.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import click

from zkpoll.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

T = TypeVar("T")

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP")
_SIGNALS: Final = tuple(signal.Signals[name] for name in _NAMES if hasattr(signal, name))
"""Windows lacks the last two."""


def interruptibly(ask: Callable[[], T]) -> T:
    """Return what a person answers; Ctrl-C ends the question, as it does outside of `stop_on_signal`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return ask()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Give an event that the first signal sets.

    `Stopped`, or a question that nobody can answer any more, then names that signal and has its exit code.
    """
    stop = threading.Event()
    received: list[signal.Signals] = []
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def note(number: int, _frame: FrameType | None) -> None:
        first = not received
        received.append(signal.Signals(number))
        if received[-1].name != "SIGHUP":
            for each in heeded:
                if each.name != "SIGHUP":
                    signal.signal(each, signal.SIG_DFL)
        if first:  # `set` takes a lock, and the next signal may come while it is held
            stop.set()

    before = {number: signal.signal(number, note) for number in heeded}
    try:
        yield stop
    except (Stopped, click.Abort) as error:
        if not received:
            raise
        raise Stopped.by(received[0]) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
