"""How deliveries learn that something new was journalled, and when nothing more will come."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from zkpoll.tasks import arrivals as feed_module
from zkpoll.tasks.arrivals import Feed

SOON = 10.0
"""Seconds that a loaded machine may need to wake a thread."""


def test_what_was_announced_before_the_first_look() -> None:
    """A watcher that looks late misses nothing: several announcements are one piece of news."""
    feed = Feed(1)
    more = feed.watcher()
    feed.announce()
    feed.announce()
    feed.reader_ended()
    assert [more(), more(), more()] == [True, False, False]


def test_a_watcher_that_begins_late() -> None:
    """A delivery that begins after the last announcement is told that there is something."""
    feed = Feed(1)
    feed.announce()
    feed.reader_ended()
    assert feed.watcher()()


def test_each_watcher_for_itself() -> None:
    """What one delivery has seen is news to another one still."""
    feed = Feed(1)
    first, second = feed.watcher(), feed.watcher()
    feed.announce()
    assert first()
    feed.announce()
    feed.reader_ended()
    assert [first(), first()] == [True, False]
    assert [second(), second()] == [True, False]


def test_no_readers() -> None:
    """Where nobody reads, nothing is waited for."""
    assert not Feed(0).watcher()()


@pytest.mark.parametrize("readers", [1, 3])
def test_it_ends_with_the_last_reader(readers: int) -> None:
    """A watcher waits for every reader, and not longer."""
    feed = Feed(readers)
    more = feed.watcher()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(more)
        for _ in range(readers - 1):
            feed.reader_ended()
        time.sleep(0.05)
        assert not waiting.done()
        feed.reader_ended()
        assert waiting.result(SOON) is False


def test_it_is_closed_over_readers_that_go_on() -> None:
    """Once closed nobody waits, whatever readers there are and however they end after that."""
    feed = Feed(5)
    more = feed.watcher()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(more)
        feed.close()
        assert waiting.result(SOON) is False
    feed.reader_ended()
    assert not more()
    feed.announce()  # a reader that had not noticed yet
    assert [more(), more()] == [True, False]


def test_many_threads() -> None:
    """With many readers and many deliveries, each delivery takes every item and then ends."""
    readers, watchers, items = 16, 8, 200
    feed = Feed(readers)
    journal: list[int] = []
    lock = threading.Lock()

    def read() -> None:
        for _ in range(items):
            with lock:
                journal.append(1)
            feed.announce()
        feed.reader_ended()

    def deliver() -> int:
        taken, more, coming = 0, feed.watcher(), True
        while True:
            with lock:
                new = len(journal) - taken
            if new:
                taken += new
            elif coming:
                coming = more()
            else:
                return taken

    with ThreadPoolExecutor(readers + watchers) as pool:
        deliveries = [pool.submit(deliver) for _ in range(watchers)]
        for _ in range(readers):
            pool.submit(read)
        assert [each.result(SOON) for each in deliveries] == [readers * items] * watchers


def test_it_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """While readers are slow, a delivery looks now and then for what other runs have journalled."""
    monkeypatch.setattr(feed_module, "LOOK_AGAIN", 0.01)
    feed = Feed(1)
    more = feed.watcher()
    assert [more(), more()] == [True, True]
    feed.close()
    assert not more()
