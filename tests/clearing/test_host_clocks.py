"""This host's clock jumps from run to run: nothing is lost, doubled, forgotten, silenced or deleted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clearing.machine_world import SERIAL, Trouble, World
from tests.examples import examples
from tests.host_clock import clock_here
from zkpoll.errors import ExitCode
from zkpoll.inventory import load
from zkpoll.journal.opening import folders, open_journal
from zkpoll.reports import news
from zkpoll.reports.status import status
from zkpoll.simulator import EnrolledUser, Faults, Model

if TYPE_CHECKING:
    from typing import Any

    from zkpoll.tasks.outcome import Outcome

DAYS = st.sampled_from([-20_000, -800, -30, 0, 0, 0, 1, 30, 800, 5000])
"""By how many days the clock may be wrong in a run."""
ROUND = st.fixed_dictionaries(
    {
        "days": DAYS,
        "vouched": st.sampled_from([True, True, None, False]),
        "people": st.integers(0, 5),
        "answers": st.lists(st.sampled_from(["busy", "lost", "names one", "well"]), max_size=2).map(tuple),
    }
)
LESS_THAN_NOTHING = re.compile(r"(for|after|read|since) -")


class Host(World):
    """A world in which raw copies stay where they are."""

    def __init__(self) -> None:
        users = [EnrolledUser(1, "1"), EnrolledUser(2, "2")]
        super().__init__(Model(serial=SERIAL), Faults(), users)
        self.now = datetime.now(UTC).replace(microsecond=0, tzinfo=None) - timedelta(days=1)
        self._copies = folders(self.journal).raw_copies
        self._copies.mkdir(mode=0o700)

    def _well_again(self) -> None:
        self.terminal.before_command = None
        self.dashboard.answers.clear()

    def told(self, outcome: Outcome, now: datetime) -> list[str]:
        """Return what a run tells, and what `status` shows after it."""
        lines: list[str] = []
        inventory = load(self.folder / "devices.yaml", {"TOKEN": "t"})
        with open_journal(self.journal) as journal:
            news.tell(journal, outcome, {}, now, lines.extend, inventory)
            shown = status(inventory, journal, now)
        return [*lines, *shown.lines()]


@settings(max_examples=examples(24), deadline=None)
@given(st.lists(ROUND, min_size=2, max_size=7))
def test_whatever_the_clock_says(rounds: list[dict[str, Any]]) -> None:
    """All arrives once, what was parked goes out in the end, and every log that was cleared is in a copy."""
    host = Host()
    try:
        for one in rounds:
            for user in range(one["people"]):
                host.punch(user, 3)
            with clock_here(timedelta(days=one["days"]), one["vouched"]):
                outcome = host.run(Trouble(dashboard=one["answers"]))
                assert outcome is not None
                assert outcome.exit_code is not ExitCode.BUG, outcome.troubles()
                lines = host.told(outcome, datetime.now(UTC) + timedelta(days=one["days"]))
            assert not [line for line in lines if LESS_THAN_NOTHING.search(line)]
            assert host.remembered.cleared <= host.copied()
        with clock_here(timedelta(days=2), vouched=True):
            last = host.run(Trouble())
        assert last is not None
        (delivery,) = last.deliveries
        assert (delivery.counts.pending, delivery.counts.parked, delivery.counts.difference) == (0, 0, 0)
        assert host.sent() == host.remembered.punches()
        assert not host.dashboard.conflicts
        assert host.remembered.cleared <= host.copied()
    finally:
        host.close()
