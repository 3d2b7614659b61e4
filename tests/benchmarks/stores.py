"""The journal in PostgreSQL beside the one in SQLite, and from 50 ms away: what comes in and goes out."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from _pytest.outcomes import Skipped
from sqlalchemy import make_url

from tests.benchmarks.measure import Row, in_turns
from tests.journal.helpers import piece, punches, visit
from tests.journal.on_postgres import journal_url
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.postgres import PostgresJournal
from zkpoll.model.delivery import SentRequest, Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.benchmarks.measure import Scale
    from zkpoll.journal.database import Journal

_SLICE: Final = 1_637
"""Records of 40 bytes in a slice of a log, as they are read."""
_REQUEST: Final = 500
"""Punches of a request."""
_RUNS: Final = 8
"""Visits at once."""
_AWAY: Final = 0.05
"""Seconds to a server that is away, and back."""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure both stores in turns; each figure's peer is SQLite's, that of one away its own round trip."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        try:
            url = stack.enter_context(journal_url())
        except Skipped:
            return  # no PostgreSQL runs here
        sqlite = stack.enter_context(open_journal(Path(name) / "journal.db"))
        postgres = stack.enter_context(PostgresJournal(url))
        journals: dict[str, Journal] = {"sqlite": sqlite, "postgres": postgres}
        for journal in journals.values():
            JournalOutbox(journal, "main")
        took = in_turns(1, **{name: partial(_insert, one, scale.records) for name, one in journals.items()})
        yield Row(
            f"{scale.records:,} punches, in slices of {_SLICE:,}",
            took["postgres"],
            peer=took["sqlite"],
            target=4,
        )
        look = {name: partial(_look, one) for name, one in journals.items()}
        took = in_turns(11, **look)
        yield Row(f"the next {_REQUEST} of the pending", took["postgres"], peer=took["sqlite"], target=6)
        deliver = {name: partial(_deliver, one) for name, one in journals.items()}
        took = in_turns(11, **deliver)
        yield Row(f"{_REQUEST} of them sent and settled", took["postgres"], peer=took["sqlite"], target=6)
        while scale.records > len(JournalOutbox(postgres, "main").next(scale.records).events) > 0:
            _deliver(postgres, 10_000)
        took = in_turns(11, postgres=look["postgres"])
        yield Row("the next of none, when all is confirmed", took["postgres"], target=0.05)
        away = stack.enter_context(PostgresJournal(stack.enter_context(far(url))))
        yield _trips("a slice of 10 new punches", partial(_insert, away, 10, "AWAY"), 20)
        yield _trips("the next 10, sent and settled", partial(_deliver, away, 10), 10)
        yield _at_once(stack, url)


def _trips(what: str, work: Callable[[], object], most: int) -> Row:
    """Measure work with a server that is away; the target is its round trips."""
    return Row(f"50 ms away: {what}", in_turns(1, work=work)["work"], peer=_AWAY, target=most)


def _at_once(stack: ExitStack, url: str) -> Row:
    """Measure visits that are made at once, each by a run of its own; the peer is one after the other."""
    url_there = stack.enter_context(far(url))
    journals = [stack.enter_context(PostgresJournal(url_there)) for _ in range(_RUNS)]
    for number, journal in enumerate(journals):
        _insert(journal, 10, f"GATE{number}")  # it is met, and what is asked is prepared

    def visit_all(runs: int, first: int) -> None:
        def one(number: int) -> None:
            reading = visit(journals[number], f"gate{number}", f"GATE{number}")
            reading.take(piece(*punches(10, first=first)))

        with ThreadPoolExecutor(runs) as pool:
            list(pool.map(one, range(_RUNS)))

    took = in_turns(1, together=lambda: visit_all(_RUNS, 10), one_by_one=lambda: visit_all(1, 20))
    return Row(f"50 ms away: {_RUNS} visits at once", took["together"], peer=took["one_by_one"], target=0.5)


def _insert(journal: Journal, count: int, key: str = "FRONT") -> None:
    """Take a log that is new."""
    taking = visit(journal, name=key.lower(), key=key)
    for first in range(0, count, _SLICE):
        taking.take(piece(*punches(min(_SLICE, count - first), first=first)))


def _look(journal: Journal) -> float:
    """Look for what is to be sent next, as a delivery that begins; it is made before."""
    outbox = JournalOutbox(journal, "main")
    began = time.perf_counter()
    outbox.next(_REQUEST)
    return time.perf_counter() - began


def _deliver(journal: Journal, count: int = _REQUEST) -> float:
    """Send what is next and have it confirmed; what is looked for before does not count."""
    outbox = JournalOutbox(journal, "main")
    ids = tuple(event.id for event in outbox.next(count).events)
    began = time.perf_counter()
    outbox.send(SentRequest(ids))
    outbox.settle(Settled(ids), ids)
    return time.perf_counter() - began


@contextmanager
def far(url: str) -> Iterator[str]:
    """Give the URL of a server that is far away."""
    address = make_url(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, address.port or 5432), daemon=True).start()
        there = address.set(host="127.0.0.1", port=listener.getsockname()[1])
        yield there.render_as_string(hide_password=False)


def _accept(listener: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            for pair in ((client, server), (server, client)):
                pair[1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                on_the_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                threading.Thread(target=_take, args=(pair[0], on_the_way), daemon=True).start()
                threading.Thread(target=_arrive, args=(on_the_way, pair[1]), daemon=True).start()


def _take(source: socket.socket, on_the_way: queue.SimpleQueue[tuple[float, bytes]]) -> None:
    data = b"-"
    while data:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        on_the_way.put((time.monotonic() + _AWAY / 2, data))


def _arrive(on_the_way: queue.SimpleQueue[tuple[float, bytes]], sink: socket.socket) -> None:
    """Hand over what has been on its way for long enough; nothing is the end."""
    with contextlib.suppress(OSError):
        while True:
            due, data = on_the_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
