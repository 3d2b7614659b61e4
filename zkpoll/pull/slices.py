"""Cuts a table's bytes into verified slices of records."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Self

from zkpoll.errors import UnknownLayout
from zkpoll.model.log import Slice, Watermark
from zkpoll.model.punch import LAYOUT_FORMS, MIXED
from zkpoll.pull import layouts
from zkpoll.wall_clock import unfold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime, tzinfo

    from zkpoll.model.punch import Punch

TAIL: Final = 8
"""Records kept as proof of where a reading ended. A record holds a user and a second, so eight of them in
a row are met again only where they were."""
SLICE: Final = 512 * 1024
"""Bytes of records journalled at once: some ten thousand records, a few megabytes of memory."""
_RECORDS: Final = 16 * 1024
"""Records journalled at once, where they are so narrow that `SLICE` would hold more: each takes a kilobyte
of memory on its way to the journal."""


class Slicer:
    """Cuts consecutive records of one log into slices and hands them on."""

    def __init__(
        self,
        layout: layouts.Layout,
        users: Mapping[int, str],
        zone: tzinfo,
        drift: float | None,
        take: Callable[[Slice], None],
    ) -> None:
        """Begin at the first record of a log. `users` translates slots, `drift` is in seconds."""
        self._layout = layout
        self._users = users
        self._zone = zone
        self._drift = drift
        self._hand = take
        self._at = 0
        self._tail: deque[bytes] = deque(maxlen=TAIL)
        self._last: datetime | None = None
        self._proved = self._new = self._mixed = False
        self._marking = True
        self._records = self._impossible = self._odd_ids = 0

    @property
    def layout(self) -> int:
        """The number of the layout of the records until now."""
        return MIXED if self._mixed else self._layout.width

    def go_on(self, known: Watermark, last: datetime | None) -> Self:
        """Begin behind the known records instead. They prove the layout; `last` is the time of the last."""
        self._at, self._last, self._proved = known.count, last, True
        self._mixed = known.layout == MIXED
        self._tail.extend(known.tail)
        self._new = known.all_read
        return self

    def begin_anew(self) -> Self:
        """Begin at the first record of a log that was seen empty: all of it is new."""
        self._new = True
        return self

    def go_over(self) -> Self:
        """Begin at the first of the records that are known already. No slice carries a watermark."""
        self._marking, self._proved = False, True
        return self

    def hand_on(self, runs: Iterable[bytes], progress: Callable[[int], None]) -> int:
        """Hand the whole records in `runs` on, a slice at a time, and return how many they are.

        `runs` are `even`. When the reading breaks off, those that came until then are handed on, too. Raise
        `UnknownLayout` when too many of them are impossible, or the last one is no whole record.
        """
        held = bytearray()
        enough = min(SLICE, _RECORDS * self._layout.width)
        came = told = 0
        try:
            for run in runs:
                held += run
                came += len(run)
                progress(came // self._layout.width - told)
                told = came // self._layout.width
                if len(held) >= enough:
                    self._take(held)
        except UnknownLayout as error:
            front = self._layout.as_sent(bytes(held)) if self._layout.shortest else b""
            raise UnknownLayout(str(error), front + error.log) from error
        except Exception:
            self._take(held)
            raise
        self._take(held)
        return self._records

    def _take(self, held: bytearray) -> None:
        """Hand on the whole records at the front of `held` and remove them there."""
        end = len(held) // self._layout.width * self._layout.width
        if not end:
            return
        data = bytes(memoryview(held)[:end])
        del held[:end]
        decoded = self._layout.decode(data, self._users, TAIL)
        self._impossible += decoded.impossible
        self._records += end // self._layout.width
        self._at += end // self._layout.width
        self._odd_ids += decoded.odd_ids
        self._mixed = self._mixed or layouts.number_of(self._layout, data) == MIXED
        # Behind known records a short one may still be a long one that is damaged: none behind it is right.
        doubtful = not self._proved or (self._mixed and self._marking)
        if doubtful and layouts.too_many(self._impossible, self._records, self._odd_ids):
            bad = self._impossible + self._odd_ids
            raise UnknownLayout(
                f"{bad} of {self._records} records are impossible: no known layout",
                self._layout.as_sent(data),
            )
        self._tail.extend(decoded.tail)
        punches, mark = self._timed(decoded.punches), None
        if self._marking:
            fold = self._last.fold if self._last else 0
            mark = Watermark(self.layout, self._at, tuple(self._tail), fold, all_read=self._new)
        form = LAYOUT_FORMS[self._layout.width]
        new = self._new
        self._hand(Slice(punches, decoded.quarantined, mark, form=form, drift=self._drift, proved_new=new))

    def _timed(self, punches: tuple[Punch, ...]) -> tuple[Punch, ...]:
        """Return `punches` with the fold of their times set."""
        times = unfold([punch.time for punch in punches], self._zone, self._last)
        if times:
            self._last = times[-1]
        if not any(time.fold for time in times):
            return punches
        return tuple(punch._replace(time=time) for punch, time in zip(punches, times, strict=True))
