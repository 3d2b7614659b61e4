"""A person's question to a dashboard, outside of runs: nothing is sent that is a punch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.delivery.access import Access
from zkpoll.delivery.formats.registry import format_of
from zkpoll.delivery.origins import Origins
from zkpoll.delivery.ping import WAY, Ping, ping
from zkpoll.errors import JournalError, Unreachable
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import newest_punch
from zkpoll.model.report import Trouble
from zkpoll.model.step import Step
from zkpoll.tasks.deliver import previewed
from zkpoll.tasks.result import one_failure

if TYPE_CHECKING:
    from zkpoll.inventory import Dashboard, Inventory
    from zkpoll.model.delivery import Preview
    from zkpoll.model.report import Notice

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DashboardPing(Ping):
    """The result of asking a dashboard whether it would take punches."""

    name: str = ""
    preview: Preview | None = None
    """The request it would be sent first, if any."""
    kind: str | None = None
    """None where it answered."""
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The dashboard."""
        return f"dashboard {self.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The steps that failed, or None."""
        failed = [step.text for step in self.steps if step.ok is False]
        return Trouble(self.kind or "steps", "; ".join(failed)) if failed else None

    @property
    def facts(self) -> tuple[str, ...]:
        """What it answered, in few words."""
        return tuple(f"{step.name} {step.text}" for step in self.steps if step.ok and step.name not in WAY)


def pinged(dashboard: Dashboard, inventory: Inventory) -> DashboardPing:
    """Ask a dashboard whether it would take punches. Raise only `StopRun`."""

    def asked() -> DashboardPing:
        preview = _example(dashboard, inventory)
        access = Access.to(dashboard)
        form = format_of(dashboard, Origins.of_inventory(inventory.devices, {}), access.secrets)
        found = ping(access, form)
        kind = None if found.answered or found.ok else Unreachable.kind
        return DashboardPing(found.steps, found.answered, dashboard.name, preview, kind)

    def failed(problem: str, kind: str) -> DashboardPing:
        step = Step("zkpoll", ok=False, seconds=None, text=problem)
        return DashboardPing((step,), answered=False, name=dashboard.name, kind=kind)

    return one_failure(dashboard.name, asked, failed)


def _example(dashboard: Dashboard, inventory: Inventory) -> Preview | None:
    """Return the request for the oldest punch that waits for a dashboard, or, if none waits, the newest.

    A journal that cannot be read, or is not there yet, has none.
    """
    try:
        with open_journal(inventory.home, writable=False) as journal:
            terminals = Origins.of_inventory(inventory.devices, Devices(journal).names())
            newest = filter(None, [newest_punch(journal)])
            return previewed(dashboard, terminals, journal, tuple(newest))
    except JournalError as error:
        _log.info("%s", error)
        return None
