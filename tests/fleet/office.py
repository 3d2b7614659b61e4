"""Three terminals, one at each of two sites and one at none, in one inventory with workers."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from tests.crash.test_two_hosts import shown
from tests.fleet.fleet import sent_by
from tests.site import entry
from zkpoll.simulator import Faults, Model, Terminal, serve

if TYPE_CHECKING:
    from types import TracebackType

    from tests.fleet.brokers import Broker
    from tests.site import Site
    from zkpoll.simulator import Listening, SampleDashboard

_PLACES: Final[dict[str, str | None]] = {"GATE": None, "DHAKA": "dhaka", "SYLHET": "sylhet"}
_SITES: Final = "sites:\n  dhaka: {}\n  sylhet: {}\n"
ERRANDS: Final = ("deliver dashboard", "visit dhaka", "visit gate", "visit sylhet")
"""What there is to do here."""


class Office:
    """Terminals that answer as long as the `with` block lasts."""

    def __init__(
        self, site: Site, between: Broker, dashboard: SampleDashboard, *, seats: int = 1, **settings: object
    ) -> None:
        """`settings` are those of the gate."""
        self.site = site
        self.between = between
        self.dashboard = dashboard
        self.terminals = {
            serial: Terminal.with_samples(20, model=Model(serial=serial, seats=seats)) for serial in _PLACES
        }
        self._settings = settings
        self._served: dict[str, Listening] = {}
        self._ends = ExitStack()
        self.ahead = timedelta(0)
        """Of the clock of the last who sent something."""

    def __enter__(self) -> Self:
        for serial, terminal in self.terminals.items():
            self._served[serial] = self._ends.enter_context(serve(terminal))
        self.write(self.site, **self._settings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    @property
    def gate(self) -> Terminal:
        """The terminal without a site."""
        return self.terminals["GATE"]

    def write(self, site: Site, **gate: object) -> None:
        """Write the inventory of a machine, with further settings of the gate."""
        devices = []
        for serial, where in self._served.items():
            place = _PLACES[serial]
            settings = {"site": place} if place else gate
            devices.append(entry(serial.lower(), where, **settings))
        site.write(self.dashboard.url, *devices, more=sent_by(self.between, site, more=_SITES))

    def slow_down(self, seconds: float) -> None:
        """Let the gate wait so many seconds before each answer."""
        self.gate.faults = Faults(delay=seconds)

    def has_all(self) -> bool:
        """Say whether the dashboard has all that was ever punched, and nothing else."""
        return self.dashboard.events.keys() == shown(self.terminals)

    def visits(self) -> dict[str, int]:
        """Return how often each terminal was called."""
        return {serial: one.connections for serial, one in self.terminals.items()}
