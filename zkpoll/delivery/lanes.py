"""What the lanes of one delivery share: the word that it is over, what a run may send, who has confirmed.

A lane is a sender of its own, with its connection, its request in flight, its retries and its trials. All
punches of a device are in one, so that they stay in order.

    one lane's punch is refused, or its trial ends        the others go on
    the dashboard is down, gone or set up wrong           all end: no further request begins
    one lane's punch is confirmed                         the dashboard takes punches: so for all trials
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from zkpoll.delivery.contract import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zkpoll.delivery.contract import Decision
    from zkpoll.delivery.destination import Destination, Outbox
    from zkpoll.model.delivery import Batch, Settled

DOUBTED: Final = 2
"""Runs in a row that end at a failure of the same punches until these are tried against others."""
ENDS: Final = frozenset((Verdict.TRY_AGAIN, Verdict.CONFIGURATION, Verdict.GONE))
"""What is said of the dashboard, and of no punch."""
_LOOK: Final = 0.1
"""Seconds between looks at whether another lane has ended a delivery."""


class Over(threading.Event):
    """That a delivery is over: its run was stopped, or one of its lanes has ended it for all."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def is_set(self) -> bool:
        """Say whether it is over."""
        return super().is_set() or self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, or so many seconds. Say whether it is."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set() and (end is None or time.monotonic() < end):
            self._stop.wait(_LOOK if end is None else min(_LOOK, max(0.0, end - time.monotonic())))
        return self.is_set()


class Common:
    """What all lanes of a delivery share. Any of them may call any method."""

    def __init__(
        self,
        outbox: Outbox,
        destination: Destination,
        more: Callable[[], bool],
        progress: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        self._more = more
        self._progress = progress
        self._lanes = destination.lanes
        self._lock = threading.Lock()
        self._waiting = threading.Lock()
        self._coming = True
        self._left = destination.most
        """Punches that this run may yet send; None for any number."""
        self._granted: dict[object, int] = {}
        """Those of them that lanes are about to send, by lane."""
        self._cut_short = False
        self._through: list[bool | None] = []
        """Of each lane that has no more to send, whether its last punches were sent before this run."""
        self._failed: list[bool | None] = []
        """The same of those that ended at a failure of their punches."""
        self.stopped = stop.is_set
        """Whether the run is being stopped."""
        self.failed_runs = outbox.failed_runs()
        self.confirmed = 0
        """Events, of all lanes: that the dashboard takes punches."""
        self._asking = threading.Lock()
        self._may_send = False
        """Whether the dashboard has told what has to be known before anything is sent."""
        self._asked = 0
        """How often it was asked for that."""
        self._refusal: Decision | None = None
        """The decision on what it told last."""
        self.news = 0
        """How often anybody was told that there may be something new."""
        self._at_work = destination.lanes
        """Lanes that may yet have something confirmed."""

    # --- what comes ---

    def more(self, known: int) -> bool:
        """Wait until there may be something new (True), or nothing will come any more (False).

        One lane waits for all. `known` is how much news there was before the caller looked for punches.
        """
        with self._resting(), self._waiting:
            if self.news == known and self._coming:
                self._coming = self._more()
                self.news += 1
            return self._coming

    # --- what the dashboard tells to one lane, and means for all ---

    def stopped_first(self, ask: Callable[[], Decision | None]) -> Decision | None:
        """Return the decision that nothing is sent, or None. One lane asks for all, until it may be sent."""
        known = self._asked
        with self._asking:
            if not self._may_send and self._asked == known:
                self._refusal = ask()
                self._asked += 1
                self._may_send = self._refusal is None
            return self._refusal

    def confirms_others(self, over: threading.Event) -> bool:
        """Wait until a punch of another lane is confirmed (True), or none will be any more (False)."""
        before = self.confirmed
        with self._resting():
            while self.confirmed == before and self._at_work > 0 and not over.wait(_LOOK):
                pass
        return self.confirmed > before

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """Wait inside, with nothing to be confirmed."""
        self.leave()
        try:
            yield
        finally:
            with self._lock:
                self._at_work += 1

    def leave(self) -> None:
        """Note that a lane sends nothing any more."""
        with self._lock:
            self._at_work -= 1

    # --- what a run may send ---

    @property
    def capped(self) -> bool:
        """Whether the run sends no more because it has sent as many as it may."""
        return self._cut_short or self._left == 0

    def may_look_at(self, limit: int) -> int:
        """Return how many of `limit` punches a lane may send next. 0 for none.

        At most an equal part of what is left: the first lane is not to take all of it, in run after run.
        """
        with self._lock:
            if self._left is None:
                return limit
            free = min(limit, self._free(self._left), -(-self._left // self._lanes))
            self._cut_short |= not free
            return free

    def _free(self, left: int) -> int:
        return max(0, left - sum(self._granted.values()))

    @contextmanager
    def granted(self, lane: object, batch: Batch) -> Iterator[Batch]:
        """Let a lane send a batch, or as much of it as all may send together; those in flight always."""
        with self._lock:
            free = len(batch.events) if self._left is None else self._free(self._left)
            count = min(len(batch.events), max(free, batch.sent_before))
            self._granted[lane] = count
        try:
            yield batch if count == len(batch.events) else replace(batch, events=batch.events[:count])
        finally:
            with self._lock:
                del self._granted[lane]

    def note(self, lane: object, settled: Settled) -> None:
        """Note what an answer to a lane decided."""
        with self._lock:
            self.confirmed += len(settled.confirmed)
            if self._left is not None:
                sent = len(settled.confirmed) + len(settled.parked) - len(settled.unasked)
                self._left = max(0, self._left - sent)
                self._granted[lane] = max(0, self._granted[lane] - sent)
            if settled.confirmed:
                self._progress(len(settled.confirmed))

    # --- how it went ---

    def remember(self, outbox: Outbox, lost: bool | None, *, failed: bool) -> None:
        """Note that a lane is through with its pending punches; after the last, write down how it went.

        That is how many runs in a row, this one included, ended at a failure of the same punches. `lost` says
        whether the lane's last punches were sent before this run, None where there were none.
        """
        with self._lock:
            (self._failed if failed else self._through).append(lost)
            if len(self._failed) + len(self._through) < self._lanes:
                return
        runs = self.failed_runs
        if self._failed:
            # Where others were confirmed by now, the next run is to try them again, and no later one.
            again = DOUBTED if self.confirmed and runs >= DOUBTED else runs + 1
            runs = again if any(self._failed) else 1
        elif all(one is False for one in self._through):
            runs = 0
        if runs != self.failed_runs:
            outbox.remember_failed_runs(runs)


def side_by_side(lanes: Sequence[Callable[[], Decision | None]], over: Over) -> list[Decision | None]:
    """Run lanes until all have ended; return the decisions that ended them, the first to end in front.

    One that says something of the dashboard ends all, as does an error, which is raised.
    """
    ends: list[Decision | None] = []

    def run(lane: Callable[[], Decision | None]) -> None:
        late = True
        try:
            end = lane()
            late = over.is_set() and end is not None and end.verdict is Verdict.TRY_AGAIN
            if not late:
                ends.append(end)
            late = late or end is None or end.verdict not in ENDS
        except BaseException:
            late = False
            raise
        finally:
            if not late:
                over.set()

    with ThreadPoolExecutor(len(lanes), thread_name_prefix="zkpoll-lane") as pool:
        try:
            futures = [pool.submit(run, lane) for lane in lanes]
        except BaseException:  # there is no thread for one: those that have begun wait for it no more
            over.set()
            raise
    for future in futures:
        future.result()
    return ends
