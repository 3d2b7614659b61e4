"""Terminals and dashboards as processes of their own: they take next to nothing from who is measured.

    python -m tests.benchmarks.serving logs COUNT ...   terminals with so many records, each its own
    ...                                idle N DELAY     N terminals with 50 records; seconds before a reply
    ...                                counting         a dashboard that counts the ids it gets
    ...                                frappe DELAY     a Frappe site with the terminals' people

Each prints where it answers, serves until its standard input ends, and prints how many punches it got.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.benchmarks import counting
from tests.delivery.frappe_site import FrappeSite
from zkpoll.simulator import Faults, Listening, Model, Terminal, serve
from zkpoll.simulator.samples import sample_records, sample_users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.simulator import HttpAnswer, Received

USERS: Final = 300


class _SlowSite(FrappeSite):
    """A site that takes its time, whatever it is asked; for several at once."""

    delay = 0.0
    """Seconds."""

    def default(self, request: Received) -> HttpAnswer:
        time.sleep(self.delay)
        return super().default(request)


def main(kind: str, *words: str) -> None:
    """Serve until nobody wants it any more."""
    if kind == "counting":
        counting.main()
        return
    with ExitStack() as stack:
        got = 0
        if kind == "frappe":
            site = stack.enter_context(_SlowSite())
            site.delay = float(words[0])
            site.employ(*(user.user_id for user in sample_users(USERS)))
            _say(site.url)
        else:
            counts = [int(word) for word in words] if kind == "logs" else int(words[0]) * [50]
            faults = Faults(delay=float(words[1])) if kind == "idle" else None
            terminals = (_terminal(number, count, faults) for number, count in enumerate(counts))
            _say(" ".join(_place(stack.enter_context(serve(one))) for one in terminals))
        sys.stdin.read()
        if kind == "frappe":
            got = len(site.checkins)
        _say(str(got))


def _terminal(number: int, count: int, faults: Faults | None) -> Terminal:
    """Return a terminal whose log is far from full."""
    terminal = Terminal(Model(serial=f"S{number}", capacity=20 * count), faults)
    people = sample_users(USERS)
    if count <= USERS:  # nobody punches at two small ones in the same second
        first = number % 10 * 30
        people = people[first : first + 30]
    terminal.users = people
    terminal.record(sample_records(people, count))
    return terminal


def _place(listening: Listening) -> str:
    return f"{listening.host}:{listening.port}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # for who starts us


@dataclass(frozen=True, slots=True)
class Served:
    """A process that serves."""

    said: str
    """Where it answers."""
    process: subprocess.Popen[str]

    @property
    def places(self) -> list[Listening]:
        """Where its terminals answer."""
        pairs = (one.rpartition(":") for one in self.said.split())
        return [Listening(host, int(port)) for host, _, port in pairs]


@contextmanager
def served(kind: str, *words: object, expected: int | None = None) -> Iterator[Served]:
    """Give a process that serves. Raise `RuntimeError` when it got more or fewer punches than expected."""
    command = [sys.executable, "-m", "tests.benchmarks.serving", kind, *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield Served(process.stdout.readline().strip(), process)
        process.stdin.close()
        got = int(process.stdout.readline())
    if expected is not None and got != expected:
        raise RuntimeError(f"{got} punches arrived, not {expected}")


if __name__ == "__main__":
    main(*sys.argv[1:])
