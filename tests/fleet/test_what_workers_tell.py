"""What a worker tells of errands it carried out, or left: each thing once; and what it reads anew."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.inventory.helpers import GOOD, read
from tests.tasks.test_outcome import read as read_well
from tests.waiting import wait_for
from zkpoll.cli.worker_report import Teller
from zkpoll.errors import JournalError, JournalUnfit, WrongSerial
from zkpoll.fleet import inventories as module_of_inventories
from zkpoll.fleet import news, worker
from zkpoll.fleet.dispatch import dispatch
from zkpoll.fleet.errands import Plan, queues, threads_for
from zkpoll.fleet.inventories import Inventories
from zkpoll.fleet.worker import Observers, work
from zkpoll.inventory import Inventory, load
from zkpoll.journal import conditions
from zkpoll.journal import errands as register
from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.devices import Devices, LastReading
from zkpoll.journal.opening import open_journal
from zkpoll.model.errand import Errand
from zkpoll.model.fate import Fate
from zkpoll.reports.departures import departures
from zkpoll.reports.log_lines import Style
from zkpoll.reports.news import tell
from zkpoll.tasks.clearing_outcome import ClearingOutcome
from zkpoll.tasks.device_outcome import ClearOutcome, DeviceOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zkpoll.fleet.dispatch import Message
    from zkpoll.journal.database import Journal
    from zkpoll.tasks.outcome import Outcome

FLEET: Final = (
    GOOD + "  - {name: back, host: 192.168.1.202}\nworkers: {broker: 'redis://127.0.0.1', every: 1m}\n"
)
VISIT: Final = Errand("visit", "front")


class Office:
    """A journal, and a worker in this process whose errands come to what a test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "devices.yaml"
        self.inventory = read(folder, FLEET)
        self.told: list[Outcome] = []
        self.lines: list[str] = []
        """The news."""
        self.troubles: list[tuple[str, str]] = []
        self.results: list[Any] = []
        """What the next errands come to."""
        self.fail_telling = 0
        """How often the journal is away when something is told."""
        self.until = datetime.now(UTC) + timedelta(hours=1)
        monkeypatch.setattr(worker, "carry_out", lambda *_: self.results.pop(0))
        monkeypatch.setattr(worker, "NEWS", 0.1)
        monkeypatch.setattr(worker, "_UPKEEP", 0.05)

    def open(self) -> Journal:
        """Open the journal."""
        return open_journal(self.inventory.home)

    def send(self, journal: Journal, errand: Errand = VISIT, settings: str | None = None) -> datetime:
        """Send an errand anew; return the end of its span."""
        now, self.until = self.until, self.until + timedelta(minutes=1)
        settings = Plan(self.inventory).settings(errand) if settings is None else settings
        assert register.claim(journal, {errand: settings}, now, self.until) == [errand]
        return self.until

    def run(self, journal: Journal, steps: Callable[[Callable[[str, datetime], None]], None]) -> None:
        """Run a worker that takes what `steps` gives it, and then ends."""

        class Engine:
            def consume(self, carry: Callable[[str, datetime], None], stop: threading.Event) -> None:
                steps(carry)
                stop.set()

        def trouble(subject: str, text: str | None) -> None:
            if text:
                self.troubles.append((subject, text))

        inventories = Inventories(
            self.inventory, self.path, lambda path: load(path, os.environ), lambda _: None, trouble
        )
        observers = Observers(trouble, self._done)
        work(inventories, journal, Engine(), observers, by="me", stop=threading.Event())

    def _done(self, outcome: Outcome, journal: Journal, _: Inventory) -> None:
        if self.fail_telling:
            self.fail_telling -= 1
            raise JournalError("away")
        self.told.append(outcome)
        tell(journal, outcome, {}, datetime.now(UTC), self.lines.extend, self.inventory, "worker")
        conditions.strike(journal, outcome.untold)

    def events(self) -> list[str]:
        """Return the events that were told."""
        return [notice.text for one in self.told for _, notice in one.notices() if not notice.harmless]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Give an office."""
    return Office(tmp_path, monkeypatch)


def event(text: str) -> ClearingOutcome:
    """Return a result with something that a person should know of."""
    return ClearingOutcome("front", ClearOutcome(Fate.CLEARED, problem=text))


def test_what_happened_is_told_once_the_journal_is_there_again(office: Office) -> None:
    """A journal that is away in the minute of the news costs none of them."""
    with office.open() as journal:
        until = office.send(journal)
        office.results, office.fail_telling = [event("its log was cleared by somebody")], 1

        def steps(carry: Callable[[str, datetime], None]) -> None:
            carry("visit front", until)
            wait_for(lambda: bool(office.told))

        office.run(journal, steps)
    assert office.events() == ["its log was cleared by somebody"]
    assert ("journal", "away") in office.troubles


def test_two_results_in_one_minute_lose_no_event(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """How things stand is told by the last one; what has happened in the first one is told, too."""
    monkeypatch.setattr(worker, "NEWS", 60)
    with office.open() as journal:
        office.results = [event("one"), event("two")]

        def steps(carry: Callable[[str, datetime], None]) -> None:
            for _ in range(2):
                carry("visit front", office.send(journal))

        office.run(journal, steps)
    assert len(office.told) == 1
    assert sorted(office.events()) == ["one", "two"]


@pytest.mark.parametrize(("age", "told"), [(1, []), (10, ["old"])], ids=["found just now", "long ago"])
def test_what_another_worker_found_is_left_to_that_one(
    office: Office, monkeypatch: pytest.MonkeyPatch, age: int, told: list[str]
) -> None:
    """It tells that within a minute; where it did not come to it, whoever is there tells it."""
    monkeypatch.setattr(worker, "NEWS", 60)
    with office.open() as journal:
        with journal.transaction():
            found_at = (datetime.now(UTC) - timedelta(minutes=age)).isoformat()
            journal.run("owe", subject="device back", text="old", now=found_at)
        office.results = [DeviceOutcome("front", "192.168.1.201:4370")]
        office.run(journal, lambda carry: carry("visit front", office.send(journal)))
        assert office.events() == told
        assert [text for _, text in conditions.owed(journal)] == (["old"] if not told else [])


def test_what_cannot_be_told_ends_the_worker(office: Office) -> None:
    """A mistake of ours in telling does not let it go on in silence."""
    with office.open() as journal:
        until = office.send(journal)
        office.results = [DeviceOutcome("front", "192.168.1.201:4370")]
        stopped = []

        def broken(*_: object) -> None:
            raise RuntimeError("a mistake")

        class Engine:
            def consume(self, carry: Callable[[str, datetime], None], stop: threading.Event) -> None:
                carry("visit front", until)
                stopped.append(stop.wait(20))

        inventories = Inventories(
            office.inventory, office.path, lambda _: office.inventory, lambda _: None, lambda *_: None
        )
        with pytest.raises(RuntimeError, match="a mistake"):
            work(
                inventories,
                journal,
                Engine(),
                Observers(lambda *_: None, broken),
                by="me",
                stop=threading.Event(),
            )
    assert stopped == [True]


def test_an_idle_worker_sees_that_its_journal_was_moved_away(office: Office) -> None:
    """What is sent then is in another journal: this worker would leave all of it, and say nothing."""
    stopped = []

    class Engine:
        def consume(self, _: object, stop: threading.Event) -> None:
            for file in office.path.parent.glob("journal.db*"):
                file.rename(file.with_name(f"old-{file.name}"))
            stopped.append(stop.wait(20))

    def run() -> None:
        inventories = Inventories(
            office.inventory, office.path, lambda _: office.inventory, lambda _: None, lambda *_: None
        )
        observers = Observers(lambda *_: None, lambda *_: None)
        with office.open() as journal:
            work(inventories, journal, Engine(), observers, by="me", stop=threading.Event())

    with pytest.raises(JournalUnfit):
        run()
    assert stopped == [True]


def test_other_settings_are_told_when_they_last(office: Office) -> None:
    """While an inventory goes from machine to machine, one sending is left without a word; two are not."""
    with office.open() as journal:
        office.run(journal, lambda carry: carry("visit front", office.send(journal, settings="other")))
        assert office.troubles == []

        def steps(carry: Callable[[str, datetime], None]) -> None:
            for _ in range(2):
                carry("visit front", office.send(journal, settings="other"))

        office.run(journal, steps)
    assert [subject for subject, _ in office.troubles] == ["visit front"]


def test_what_was_just_switched_off_is_left_without_a_word(office: Office) -> None:
    """Its errand was on its way; nobody has another inventory."""
    switched_off = FLEET.replace("192.168.1.201\n", "192.168.1.201\n    enabled: false\n")
    with office.open() as journal:
        until = office.send(journal)

        def steps(carry: Callable[[str, datetime], None]) -> None:
            office.path.write_text(switched_off)
            carry("visit front", until)

        office.run(journal, steps)
    assert office.troubles == []
    assert office.told == []


def test_a_clock_that_has_jumped_is_seen_by_what_was_read_before(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit that the wrong clock has stamped vouches for nothing: raw copies are removed by that clock."""
    before, given = datetime(2024, 1, 1, tzinfo=UTC), []

    def newest(*_: object, **__: object) -> datetime:
        return before if office.results else datetime.now(UTC)

    monkeypatch.setattr(Devices, "newest_reading", newest)
    monkeypatch.setattr(news, "remove_old_copies", lambda *words: given.append(words[2]))
    with office.open() as journal:
        until = office.send(journal)
        office.results = [event("cleared")]
        office.run(journal, lambda carry: carry("visit front", until))
    assert given == [before]


def test_exchanged_terminals_are_one_thing_whoever_visits_them(office: Office) -> None:
    """One worker visits both, another one only one of them: what is told does not change each time."""
    keys = {"front": "S2", "back": "S1"}

    def visits(*names: str) -> None:
        sendings = {name: office.send(journal, Errand("visit", name)) for name in names}
        for name in names:
            Devices(journal).meet_stranger(name, keys[name])
            office.results.append(
                DeviceOutcome(
                    name, "", key=keys[name], problem=f"{keys[name]} answers", kind=WrongSerial.kind
                )
            )

        def steps(carry: Callable[[str, datetime], None]) -> None:
            for name, until in sendings.items():
                carry(f"visit {name}", until)

        office.run(journal, steps)

    with office.open() as journal:
        Devices(journal).meet("front", "S1")
        Devices(journal).meet("back", "S2")
        visits("front")
        assert office.lines == ["device front: S2 answers"]
        visits("back")
        visits("front")
        told = list(office.lines)
        for names in (("front", "back"), ("back",), ("front",), ("back", "front")):
            visits(*names)
    assert office.lines == told
    assert [line.split(":")[0] for line in told] == ["device front", "device back", "device front"]
    assert all("front and back answer at each other's address" in line for line in told[1:])


def test_the_clock_of_one_host_is_told_by_its_own_worker_alone(office: Office) -> None:
    """The journal belongs to many: one with a right clock would end, each minute, what this one began."""
    off = [replace(read_well(drift=600.0), name="front"), replace(read_well(drift=601.0), name="back")]
    with office.open() as journal:
        sendings = {one.name: office.send(journal, Errand("visit", one.name)) for one in off}
        office.results = list(off)

        def steps(carry: Callable[[str, datetime], None]) -> None:
            for name, until in sendings.items():
                carry(f"visit {name}", until)

        office.run(journal, steps)
    ((subject, text),) = office.troubles
    assert (subject, "10 min" in text) == ("this host", True)
    assert [one.subjects() & {"this host"} for one in office.told] == [set()]
    assert office.told[0].troubles() == {}


def test_a_clock_that_drifts_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Each minute finds it off by another second."""
    teller = Teller("redis://127.0.0.1", ["visit"], Style("text"))
    for text in ("its clock is 10 min behind", "its clock is 11 min behind", None):
        teller.observers.trouble("this host", text)
    assert capsys.readouterr().err.splitlines() == [
        "zkpoll: this host: its clock is 10 min behind",
        "zkpoll: this host: well again, after 0 min",
    ]


def test_what_was_told_of_a_clearing_ends_with_the_workers(tmp_path: Path) -> None:
    """A run looks after clearings by another subject, and would leave it standing for ever."""
    text = FLEET.replace("192.168.1.201\n", "192.168.1.201\n    clear: confirmed\n")
    told = ["clearing of front"]
    assert departures(told, read(tmp_path, text), {}, "run") == {}
    (line,) = (one for one in text.splitlines() if one.startswith("workers:"))
    why = departures(told, read(tmp_path, text.replace(line, "")), {}, "run")
    assert why == {"clearing of front": "not cleared by workers any more"}


# --- the inventory and its files ---

MAPPED: Final = FLEET.replace(
    "  token: secret-token\n", "  token_file: token\n  user_id: {map_file: ids.csv}\n"
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Callable[[], Inventory], list[str | None]]:
    """Give a folder with an inventory, what a worker has of it by now, and what it told."""
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "ids.csv").write_text("1,A\n")
    first, told = read(tmp_path, MAPPED), list[str | None]()
    inventories = Inventories(
        first,
        tmp_path / "devices.yaml",
        lambda path: load(path, {}),
        lambda _: None,
        lambda _, text: told.append(text),
    )
    return tmp_path, lambda: inventories.plan().inventory, told


def test_a_map_of_user_ids_that_was_changed_is_read(files: Any) -> None:
    """A person who was added to it is delivered by the new id, as by `zkpoll sync`, without a restart."""
    folder, now, _ = files
    (folder / "ids.csv").write_text("1,A\n2,B\n")
    (rule,) = (one.user_id for one in now().dashboards)
    assert rule.outward("2") == "B"


def test_a_token_that_was_changed_is_read(files: Any) -> None:
    """The same of secrets in files."""
    folder, now, told = files
    (folder / "token").unlink()
    now()
    assert told[-1] is not None
    (folder / "token").write_text("other\n")
    assert "other" in str(now().dashboards[0]._token_from_file.get_secret_value())
    assert told[-1] is None


def test_an_inventory_that_waits_for_a_file_is_read_again(
    files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names one that is not there yet; when that comes, nothing else has changed."""
    monkeypatch.setattr(module_of_inventories, "_READ_AGAIN", 0.0)
    folder, now, told = files
    (folder / "devices.yaml").write_text(MAPPED.replace("token_file: token", "token_file: next"))
    now()
    assert told[-1] is not None
    (folder / "next").write_text("x\n")
    now()
    assert told[-1] is None


# --- what is done at once ---


def test_deliveries_that_wait_take_no_thread_from_visits(tmp_path: Path) -> None:
    """With one thread, and one dashboard, a visit would be begun once a minute."""
    inventory = read(tmp_path, FLEET)
    assert threads_for(inventory, queues(inventory, (), deliver=False), 1) == 2
    assert threads_for(inventory, ["site.dhaka"], 1) == 1


def test_a_clearing_that_ends_while_one_looks_leaves_nothing_disabled(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many clear logs at once, and each worker looks every minute."""
    seen = [[("front", "S1")], []]
    with office.open() as journal:
        monkeypatch.setattr(journal, "all", lambda _: seen.pop(0))
        assert maybe_disabled(journal) == frozenset()


# --- the order of what is sent ---


class Sent:
    """A broker that keeps what it was sent."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    def send(self, _queue: str, messages: Sequence[Message], _most: int) -> None:
        """Keep messages."""
        self.subjects += [one.subject for one in messages]


def test_a_clearing_goes_before_the_next_visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind it, it would find the device taken, each time, where devices are visited once a minute."""
    inventory = read(tmp_path, FLEET.replace("192.168.1.201\n", "192.168.1.201\n    clear: confirmed\n"))
    monkeypatch.setattr(Plan, "clearings", lambda self, *_: self.ever_cleared())
    sent = Sent()
    with open_journal(inventory.home) as journal:
        dispatch(inventory, journal, sent, 60.0)
    assert sent.subjects[1:] == ["clear front", "visit back", "visit front"]


@pytest.mark.parametrize("is_due", [False, True], ids=["not due any more", "due"])
def test_a_clearing_that_is_not_due_any_more_is_late_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_due: bool
) -> None:
    """Nobody took it, and the quiet hours are over, or a person cleared the log: nobody waits for it.

    One that is due is sent again, though its log was not read since.
    """
    inventory = read(tmp_path, FLEET.replace("192.168.1.201\n", "192.168.1.201\n    clear: confirmed\n"))
    now, hour = datetime.now(UTC), timedelta(hours=1)
    clearing, sent = Errand("clear", "front"), Sent()
    reading = LastReading("S1", now - 3 * hour, int(is_due), None)
    monkeypatch.setattr(Devices, "last_readings", lambda _: {"front": reading})
    with open_journal(inventory.home) as journal:
        register.claim(journal, {clearing: "x"}, now - 2 * hour, now - hour)
        done = dispatch(inventory, journal, sent, 60.0)
    late = [one.errand for one in done.standings if one.is_late(now, 60.0)]
    assert late == ([clearing] if is_due else [])
    assert ("clear front" in sent.subjects) is is_due


def test_what_waits_longest_is_sent_first(tmp_path: Path) -> None:
    """Where a worker does some visits in each span, and no more, none of the devices is left out for ever."""
    inventory, sent = read(tmp_path, FLEET), Sent()
    plan, now, minute = Plan(inventory), datetime.now(UTC), timedelta(minutes=1)
    with open_journal(inventory.home) as journal:
        register.claim(journal, {one: plan.settings(one) for one in plan.visits()}, now - 3 * minute, now)
        register.take(journal, Errand("visit", "back"), now, "me", now - minute)
        register.done(journal, Errand("visit", "back"), now, "me", now - minute, "ok")
        dispatch(inventory, journal, sent, 60.0)
    assert sent.subjects[1:] == ["visit front", "visit back"]
