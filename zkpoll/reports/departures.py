"""Why nobody looks at a thing any more that a person was told of: it left, or was switched off. Pure.

    device NAME, clearing of NAME      a device that is called; its clearing where a worker does that alone
    bell of NAME                       a device that is under watch
    push NAME, push dialect of NAME    a device that pushes; told by `zkpoll serve`
    push door, metrics of serve, page of serve
                                       that itself
    database NAME
    dashboard NAME, way to dashboard NAME, backlog of NAME, shift SHIFT of NAME
    queue NAME, queue of devices without site, deliveries, broker
                                       errands of workers, and what carries them
    metrics, page, health check        the watchers of a run
    this host                          its clock, by the terminals that are read
    raw copies                         is always looked at

Those are all subjects there are. What the inventory has, and has in use, is left alone here, whether it was
looked at or not: a run of one device ends nothing that others have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from zkpoll.tasks.bell_outcome import BELL
from zkpoll.tasks.clearing_outcome import CLEARING
from zkpoll.tasks.database_outcome import DATABASE
from zkpoll.tasks.delivery_outcome import BACKLOG
from zkpoll.tasks.fleet_outcome import BrokerOutcome, queues_of
from zkpoll.tasks.push_outcome import PUSH, DialectOutcome, ListenerOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zkpoll.inventory import Dashboard, Device, Inventory

Teller = Literal["run", "run beside serve", "serve", "worker"]
"""`zkpoll serve` goes by the inventory as it was when it began, and tells only of its own subjects that they
left; a run tells that of these only while no `serve` does. A worker tells it of none: each dispatch does."""

METRICS_OF_SERVE: Final = "metrics of serve"
"""The figures that `serve` writes, which may be another user's than those of a run."""
PAGE: Final = "page"
"""The page that a run or a dispatch writes."""
PAGE_OF_SERVE: Final = "page of serve"
"""The same where `serve` writes it."""
GONE: Final = "taken out of the inventory"
_OFF: Final = "switched off (enabled: false)"
_QUEUES: Final = ("queue ", "deliveries")
_PREFIXES: Final = (
    *("device ", PUSH, DATABASE, "dashboard ", "way to dashboard ", BACKLOG, "shift "),
    *("metrics", PAGE, "health check", METRICS_OF_SERVE, "this host"),
    *(*_QUEUES, "broker", CLEARING, BELL),
)
_CLOCKS: Final = 2
"""So many terminals tell whether this host's clock is off."""


def departures(
    subjects: Iterable[str], inventory: Inventory, renamed: Mapping[str, str], teller: Teller
) -> dict[str, str]:
    """Given subjects of what a person was told, return why nobody looks at those any more that have left.

    `renamed` has, by the former names of terminals, what they are called in the journal by now.
    """
    present = dict(_present(inventory))
    return {
        subject: why
        for subject in subjects
        if subject.startswith(_PREFIXES) and _tells(teller, subject)
        if (why := present.get(subject, _named(subject, inventory, renamed)))
    }


def _tells(teller: Teller, subject: str) -> bool:
    if teller == "worker":
        return False
    of_serve = subject.startswith((PUSH, METRICS_OF_SERVE, PAGE_OF_SERVE))
    return teller == "run" or of_serve is (teller == "serve")


def _named(subject: str, inventory: Inventory, renamed: Mapping[str, str]) -> str:
    """Return why the inventory has nothing of a subject."""
    if inventory.workers and subject.startswith(_QUEUES):
        return "it has no errands any more"
    names = {device.name for device in inventory.devices}
    for prefix in ("device ", f"{PUSH}dialect of ", PUSH):
        name = renamed.get(subject.removeprefix(prefix)) if subject.startswith(prefix) else None
        if name in names:
            return f"called {name} now"
    return GONE


def _present(inventory: Inventory) -> Iterator[tuple[str, str]]:
    """Yield each subject that the inventory has, with why nobody looks at it, empty where somebody does."""
    for device in inventory.devices:
        yield from _of_device(device, by_workers=inventory.workers is not None)
    for database in inventory.databases:
        yield f"{DATABASE}{database.name}", "" if database.enabled else _OFF
    for dashboard in inventory.dashboards:
        yield from ((subject, "") for subject in _of_dashboard(dashboard))
    if inventory.metrics:
        yield "metrics", ""
        yield METRICS_OF_SERVE, "" if _pushes(inventory) else "nothing pushes any more"
    if inventory.page:
        yield PAGE, ""
        yield PAGE_OF_SERVE, "" if _pushes(inventory) else "nothing pushes any more"
    if inventory.health:
        yield "health check", ""
    yield ListenerOutcome().subject, "" if _pushes(inventory) else "nothing pushes any more"
    if inventory.workers:
        yield from ((queue.subject, "") for queue in queues_of(inventory))
        yield BrokerOutcome().subject, ""
    few = sum(device.enabled for device in inventory.called) < _CLOCKS
    yield "this host", "no two terminals are read any more that could tell" if few else ""


def _of_device(device: Device, *, by_workers: bool) -> Iterator[tuple[str, str]]:
    off = "" if device.enabled else _OFF
    called = off or ("" if device.host is not None else "not called any more: no host:")
    yield f"device {device.name}", called
    yield f"{BELL}{device.name}", called
    clears = device.host is not None and device.clear.above is not None
    # A run clears as a part of its visit, and tells that of the device.
    cleared = (
        "not cleared any more" if not clears else "" if by_workers else "not cleared by workers any more"
    )
    yield f"{CLEARING}{device.name}", off or cleared
    push = off or ("" if device.push is not None else "may not call any more: no push:")
    yield f"{PUSH}{device.name}", push
    yield DialectOutcome(device.name, None).subject, push


def _of_dashboard(dashboard: Dashboard) -> Iterator[str]:
    yield f"dashboard {dashboard.name}"
    yield f"way to dashboard {dashboard.name}"
    yield f"{BACKLOG}{dashboard.name}"
    for shift in getattr(dashboard.format_settings, "shifts", ()):  # as one format has some
        yield f"shift {shift.name} of {dashboard.name}"


def _pushes(inventory: Inventory) -> bool:
    return any(device.enabled for device in inventory.pushing)
