"""The raw copies that are older than `keep_raw:`, removed where this host's clock can be believed.

    not synchronised, or no terminal bears it out   kept, and told while it lasts
    far ahead of the newest reading before this run  kept until the next run; nothing to tell
    a terminal's newest copies                       kept for good

An age is reckoned by this host's clock alone, and a copy that is gone is gone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from zkpoll.journal.opening import folders
from zkpoll.model.report import Trouble
from zkpoll.pull import host_clock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from zkpoll.inventory import Inventory
    from zkpoll.model.report import Notice
    from zkpoll.tasks.device_outcome import DeviceOutcome

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OldCopies:
    """The result of looking after old raw copies."""

    problem: str | None = None
    """Why those that are due are kept, or cannot be removed, in one sentence."""
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The raw copies."""
        return "raw copies"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while they are kept."""
        return Trouble("kept", self.problem) if self.problem else None


def remove_old_copies(
    inventory: Inventory, visited: Sequence[DeviceOutcome], newest: datetime | None, now: datetime
) -> OldCopies:
    """Remove the raw copies that are older than `keep_raw:`, unless this host's clock is in doubt.

    `visited` are this run's, and `newest` is the newest reading before it that is not ahead of `now` (UTC).
    """
    folder = folders(inventory.home).raw_copies
    if not folder.exists():  # as where nothing is ever cleared
        return OldCopies()
    from zkpoll.pull import raw_copy

    try:
        old = raw_copy.due(folder, timedelta(seconds=inventory.keep_raw), now)
        if not old:
            return OldCopies()
        drifts = [one.reading.drift for one in visited if one.reading and one.reading.drift is not None]
        if why := host_clock.doubt(host_clock.synchronised(), drifts):
            copies = "1 raw copy is" if len(old) == 1 else f"{len(old):,} raw copies are"
            what = f"{copies} older than keep_raw: and kept in {folder}, while {why}"
            return OldCopies(f"{what}; put that right (timedatectl), or remove them by hand")
        if host_clock.may_have_jumped(newest, now):
            _log.info("%d old raw copies are kept for one run more, after so long a pause", len(old))
            return OldCopies()
        for path in raw_copy.remove(old):
            _log.info("%s is older than keep_raw, and was removed", path)
    except raw_copy.CopyFailed as error:
        _log.warning("%s", error)
    return OldCopies()
