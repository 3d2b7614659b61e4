"""`zkpoll sync` to a site that takes a punch a request, and is asked what arrived; killed at any moment.

The site takes the same punch twice without a word: what is doubled is seen. A failure names its seed: with
CRASH_SEED in the environment, it is drawn again.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.cli.test_frappe import employ, until_nothing_waits
from tests.delivery.frappe_site import TOKEN, FrappeSite
from tests.site import entry
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site

KILLS: Final = int(os.environ.get("CRASH_KILLS", "20"))
PART: Final = 10
"""Kills of one test."""
_TERMINALS: Final = 4
_EACH: Final = 15
"""Punches at each terminal before each run."""
_TAKES: Final = 0.01
"""Seconds from a punch being stored to its answer: most kills come in between."""
_BEGIN: Final = datetime(2026, 11, 22, 6)

Arrivals = dict[str, list[tuple[str, str]]]
"""The employees and times of each device's checkins, in the order of their arrival."""


class Branch:
    """Some terminals, an inventory, and a site that may be in trouble."""

    def __init__(self, site: Site, stack: ExitStack, dice: random.Random, trouble: int | None) -> None:
        self.site = site
        self.dice = dice
        self.frappe = stack.enter_context(FrappeSite(trouble))
        self.frappe.blind_to_absent_log_type = True
        self.frappe.stored = lambda: time.sleep(_TAKES)
        self.terminals = {
            f"gate{number}": Terminal(model=Model(serial=f"GATE{number}")) for number in range(_TERMINALS)
        }
        self._addresses = {name: stack.enter_context(serve(one)) for name, one in self.terminals.items()}
        samples = Terminal.with_samples(0, users=12)
        for one in self.terminals.values():
            one.users = samples.users
        employ(self.frappe, samples)
        self._seconds = 0
        self._longest = 60.0
        """Seconds that the shortest run took."""
        site.environment["TOKEN"] = TOKEN

    def people_punch(self) -> None:
        """Let people punch at all terminals, in turns."""
        for _ in range(_EACH):
            for one in self.terminals.values():
                self._seconds += 1
                user = self.dice.choice(one.users).user_id
                assert one.punch(user, _BEGIN + timedelta(seconds=self._seconds), state=0)

    def configure(self, lanes: int) -> None:
        """Write an inventory with so many lanes."""
        devices = [entry(name, where, direction="none") for name, where in self._addresses.items()]
        self.site.write_for(
            f"url: '{self.frappe.url}', token: '${{TOKEN}}', format: frappe, frappe: {{timezone: UTC}}, "
            f"attempts: 6, retry_wait: 0, timeout: 2, lanes: {lanes}",
            *devices,
        )
        self.frappe.zone = "UTC"

    def all_goes(self) -> None:
        """Run until all is delivered."""
        began = time.monotonic()
        until_nothing_waits(self.site)
        self._longest = min(self._longest, time.monotonic() - began)

    def killed(self) -> bool:
        """Start a run, kill it at some moment, and say whether it was still running."""
        began = time.monotonic()
        process = self.site.start("sync")
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.dice.uniform(0.25, 1) * self._longest)
            self._longest = min(self._longest, time.monotonic() - began)
        process.kill()
        return self.site.finish(process).code < 0

    def shown(self) -> Arrivals:
        """Return what has to arrive."""
        names = {one["attendance_device_id"]: one["name"] for one in self.frappe.employees}
        return {
            name: [(names[one.user_id], f"{one.time:%Y-%m-%d %H:%M:%S}") for one in terminal.history]
            for name, terminal in self.terminals.items()
        }

    def arrived(self) -> Arrivals:
        """Return what the site has."""
        found: Arrivals = defaultdict(list)
        for one in self.frappe.checkins:
            found[one["device_id"]].append((one["employee"], one["time"]))
        return dict(found)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(-(-KILLS // PART)))
def test_killed_at_any_moment(site: Site, part: int) -> None:
    """Whatever moment a run is killed at: all is there once, and a device's punches are in their order.

    Where the site is in trouble as well, a punch may be parked, and come later.
    """
    seed = int(os.environ.get("CRASH_SEED", random.randrange(1_000_000)))
    dice, trouble, kills = random.Random(seed), seed if part % 2 else None, 0
    logging.getLogger(__name__).warning("CRASH_SEED=%d", seed)  # shown where anything fails
    with ExitStack() as stack:
        branch = Branch(site, stack, dice, trouble)
        branch.configure(1)
        branch.people_punch()
        branch.all_goes()
        for _ in range(4 * PART):
            if kills == PART:
                break
            branch.configure(dice.choice((1, 1, 2, 5)))
            branch.people_punch()
            kills += branch.killed()
            if dice.random() < 0.3:
                branch.all_goes()
        branch.all_goes()
        shown, arrived = branch.shown(), branch.arrived()
    assert kills == PART
    if trouble is not None:
        arrived = {name: sorted(found, key=lambda one: one[1]) for name, found in arrived.items()}
    assert arrived == shown
