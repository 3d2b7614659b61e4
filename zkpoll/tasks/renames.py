"""Names that changed in the inventory (`was:`): the journal follows them before anything else is done."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Busy, Stopped
from zkpoll.journal.renames import Rename, follow, is_due
from zkpoll.model.report import Notice, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.renames import Renamed

_PATIENCE: Final = 10.0
"""Seconds to wait for a run that delivers under the old name; `zkpoll serve` rests between two rounds."""
_PAUSE: Final = 0.02

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RenameOutcome:
    """The result of following a name that changed."""

    renamed: Renamed
    kind: str | None = None

    @property
    def subject(self) -> str:
        """The journal; where it is refused, the thing by its old name, which is no other's."""
        rename = self.renamed.rename
        return f"{rename.kind} {rename.old}" if self.renamed.refusal else "journal"

    @property
    def trouble(self) -> Trouble | None:
        """Why the journal does not follow, or None."""
        rename, known = self.renamed.rename, self.renamed.refusal
        if known is None:
            return None
        what = {"device": "terminals", "database": "databases"}.get(rename.kind, rename.kind)
        return Trouble(
            "two names",
            f"{rename.new} has it as its earlier name (was:), and the journal knows both: these are two"
            f" {what}, {known}, and keep their histories; take was: away there",
        )

    @property
    def notices(self) -> tuple[Notice, ...]:
        """That it was followed."""
        rename = self.renamed.rename
        if self.renamed.refusal:
            return ()
        how = "is joined to what it has by that name" if self.renamed.joined else "goes on by that name"
        text = f"{rename.kind} {rename.old} is called {rename.new} now; what the journal has of it {how}"
        return (Notice(text, harmless=True),)


def follow_renames(
    inventory: Inventory, journal: Journal, stopped: Callable[[], bool]
) -> tuple[RenameOutcome, ...]:
    """Let the journal follow each name of the inventory that changed, and return what came of it.

    Raise `Busy` where another run still delivers to a dashboard by its old name; nothing may be delivered
    by the new one then, or the journal would take it for another dashboard.
    """
    outcomes = []
    for rename in renames(inventory):
        if not is_due(journal, rename):
            continue
        with _nothing_delivered(journal, rename, stopped):
            renamed = follow(journal, rename)
        if renamed:
            outcomes.append(RenameOutcome(renamed))
            _log.info("%s %s was %s before", rename.kind, rename.new, rename.old)
    return tuple(outcomes)


def renames(inventory: Inventory) -> Iterator[Rename]:
    """Yield the earlier names of an inventory, with the present ones. Pure."""
    for device in inventory.devices:
        yield from (Rename("device", old, device.name) for old in device.was or ())
    for database in inventory.databases:
        yield from (Rename("database", old, database.name) for old in database.was or ())
    for dashboard in inventory.dashboards:
        yield from (Rename("dashboard", old, dashboard.name) for old in dashboard.was or ())


@contextmanager
def _nothing_delivered(journal: Journal, rename: Rename, stopped: Callable[[], bool]) -> Iterator[None]:
    """Hold the locks of a dashboard's two names; they are waited for a while."""
    until = time.monotonic() + _PATIENCE
    with ExitStack() as stack:
        for name in (rename.old, rename.new) if rename.kind == "dashboard" else ():
            while True:
                try:
                    stack.enter_context(journal.lock(f"dashboard {name}"))
                    break
                except Busy as error:
                    if stopped():
                        raise Stopped(Stopped.__doc__) from error
                    if time.monotonic() >= until:
                        raise Busy(
                            f"dashboard {rename.new}: another run still delivers to it as {name}; nothing is"
                            " done before that one has ended"
                        ) from error
                    time.sleep(_PAUSE)
        yield
