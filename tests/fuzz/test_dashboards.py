"""Whatever answers in a dashboard's place: only good answers confirm, and each punch ends up there, once."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.delivery import frappe_site, odoo_server
from tests.delivery.frappe_site import FrappeSite
from tests.delivery.odoo_server import OdooServer
from tests.delivery.template_server import WAYS, JsonApi
from tests.fuzz.command import IN_MEMORY, Told, fuzzed, run, while_there_is_time
from tests.fuzz.front import TURNS, Front, Turn, ids_in
from tests.look import look
from tests.site import TOKEN, Site, entry
from zkpoll.simulator import SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.fuzz.front import Behind
    from zkpoll.simulator import Received

PUNCHES: Final = 12
PEOPLE: Final = 4
MOST_REQUESTS: Final = 250
"""Of one run: so few punches need no more, whatever is asked again, looked for and taken apart."""
DHAKA: Final = ZoneInfo("Asia/Dhaka")


@dataclass(frozen=True)
class Sort:
    """A sort of dashboards."""

    settings: str
    """Its settings in the inventory, as the inside of a YAML flow mapping."""
    made: Callable[[], Behind]
    there: Callable[[Any, World], list[str]]
    """The ids of the punches that it has."""
    token: str = TOKEN
    by_ids: bool = True
    """Whether a request names the punches that it is about by their ids."""
    own_rules: bool = False
    """Whether the inventory says what confirms, in place of docs/dashboards.md."""


def _template(way: str) -> Sort:
    manners, template = WAYS[way]
    settings = f"format: template, template: {json.dumps(template)}"
    return Sort(settings, lambda: JsonApi(manners), lambda api, _: list(api.refs), own_rules=True)


def _employing() -> FrappeSite:
    site = FrappeSite()
    site.employ(*(user.user_id for user in Terminal.with_samples(PUNCHES, users=PEOPLE).users))
    site.shift("Day")
    return site


def _checkins(site: FrappeSite, world: World) -> list[str]:
    """Return the ids of the punches that are checkins."""
    ids = {(punch.user_id, punch.time): punch.id for punch in world.punches}
    names = {one["name"]: one["attendance_device_id"] for one in site.employees}
    return [ids[names[one["employee"]], one["time"]] for one in site.checkins]


SORTS: Final = {
    "events": Sort("format: events", lambda: SampleDashboard(TOKEN), lambda one, _: list(one.events)),
    "event": Sort("format: event", lambda: SampleDashboard(TOKEN), lambda one, _: list(one.events)),
    **{f"template, {way}": _template(way) for way in WAYS},
    "odoo": Sort("format: odoo", OdooServer, lambda one, _: list(one.ids), odoo_server.KEY),
    "frappe": Sort(
        "format: frappe, frappe: {timezone: Asia/Dhaka, shifts: [{name: Day, devices: [front]}]}",
        _employing,
        _checkins,
        frappe_site.TOKEN,
        by_ids=False,
    ),
}


@dataclass(frozen=True)
class Punch:
    """A punch in the journal."""

    id: str
    user_id: str
    time: str
    """By the clock of the site."""


@cache
def journalled() -> Path:
    """Return a folder with the journal of punches that wait for a dashboard."""
    folder = Path(mkdtemp(dir=IN_MEMORY))
    site = Site(folder)
    with serve(Terminal.with_samples(PUNCHES, users=PEOPLE)) as address:
        site.write("http://127.0.0.1:9", entry("front", address))
        told = run("sync", "--no-deliver", config=site.inventory)
    assert told == Told(0, "", "")
    return folder


class World:
    """A journal, a dashboard, what is in front of it, and what must be true of them."""

    def __init__(self, sort: Sort, batch_size: int) -> None:
        self._sort = sort
        self._batch_size = batch_size
        self.behind = sort.made()

    def __enter__(self) -> Self:
        self._exit = ExitStack()
        folder = Path(self._exit.enter_context(TemporaryDirectory(dir=IN_MEMORY)))
        shutil.copytree(journalled(), folder, dirs_exist_ok=True)
        self.front = self._exit.enter_context(Front(self.behind, own_rules=self._sort.own_rules))
        self.site = Site(folder)
        rows = look(self.site.journal, "SELECT id, user_id, timestamp FROM punch")
        self.punches = [Punch(id_, user, _there(timestamp)) for id_, user, timestamp in rows]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def go(self, *words: str, turns: tuple[Turn, ...] = (), person: bool = False, timeout: float) -> Told:
        """Run a command while answers are distorted so, and see that all promises hold."""
        self.front.do(*turns)
        self.site.write_for(
            f"url: '{self.front.url}', token: '{self._sort.token}', {self._sort.settings}, attempts: 2,"
            f" retry_wait: 0, timeout: {timeout}, batch_size: {self._batch_size}",
            entry("front", ("127.0.0.1", 9), enabled="false"),
        )
        told = run(*words, config=self.site.inventory, person=person)
        assert not any(part in told.words for part in self._sort.token.split(":"))
        assert self.front.count <= MOST_REQUESTS
        self._check()
        return told

    def be_honest(self) -> None:
        """Deliver what is left, with no more distortions: all is there, once, or was confirmed by a lie."""
        for words in (
            ("dashboards", "resume", "dashboard"),
            ("outbox", "retry", "--all"),
            ("sync",),
            ("sync",),
        ):
            self.go(*words, timeout=20)
        assert self.states().keys() == {"confirmed"}
        there = Counter(self._sort.there(self.behind, self))
        assert set(there.values()) <= {1}
        assert there.keys() | self.about(self.front.doubtful) == {punch.id for punch in self.punches}

    def states(self) -> dict[str, set[str]]:
        """Return the ids of punches by state."""
        states: dict[str, set[str]] = {}
        for state, id_ in look(
            self.site.journal, "SELECT outbox.state, id FROM outbox JOIN punch ON punch = seq"
        ):
            states.setdefault(state, set()).add(id_)
        return states

    def _check(self) -> None:
        assert look(self.site.journal, "PRAGMA integrity_check") == [("ok",)]
        states = self.states()
        assert sorted(one for ids in states.values() for one in ids) == sorted(one.id for one in self.punches)
        there = set(self._sort.there(self.behind, self))
        assert states.get("confirmed", set()) <= there | self.about(self.front.doubtful)
        assert states.get("parked", set()) <= self.about(self.front.distorted)

    def about(self, requests: list[Received]) -> set[str]:
        """Return the ids of the punches that requests are about."""
        if self._sort.by_ids:
            return {one for request in requests for one in ids_in(request)}
        assert isinstance(self.behind, FrappeSite)
        said = " ".join(unquote_plus(one.path) + one.body.decode() for one in requests)
        names = {one["attendance_device_id"]: one["name"] for one in self.behind.employees}
        people = {user for user, name in names.items() if user in said or name in said}
        return {punch.id for punch in self.punches if punch.user_id in people}


def _there(timestamp: str) -> str:
    """Return a punch's time, in UTC, by the clock of the site."""
    moment = datetime.fromisoformat(timestamp).astimezone(UTC)
    return moment.astimezone(DHAKA).strftime("%Y-%m-%d %H:%M:%S")


COMMANDS: Final = (
    ("sync",),
    ("sync", "-v"),
    ("sync", "--json"),
    ("sync", "-v", "--log-format", "json"),
    ("dashboards", "ping"),
    ("dashboards", "ping", "--json"),
    ("outbox", "list"),
    ("outbox", "list", "--json"),
    ("status",),
    ("status", "--json"),
)
STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(COMMANDS[:4]) | st.sampled_from(COMMANDS),
        st.lists(TURNS, max_size=3).map(tuple),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SORTS)
@fuzzed(12)
@given(steps=STEPS, batch_size=st.sampled_from([1, 5, 500]))
@while_there_is_time
def test_any_answers(
    name: str, steps: list[tuple[tuple[str, ...], tuple[Turn, ...], bool]], batch_size: int
) -> None:
    """After any answers only what is there, or was said to be, is confirmed; then all arrive, each once."""
    with World(SORTS[name], batch_size) as world:
        for words, turns, person in steps:
            world.go(*words, turns=turns, person=person, timeout=0.05)
        world.be_honest()
