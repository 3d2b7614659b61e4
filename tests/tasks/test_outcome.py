"""What a run comes to: the exit code, the troubles, the notices, the sums."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from zkpoll.errors import ExitCode
from zkpoll.model.delivery import Backlog, ShiftMove
from zkpoll.model.log import Reading, WholeReading
from zkpoll.model.report import BUG, Notice, Trouble
from zkpoll.model.sums import Counts, Tally
from zkpoll.tasks.delivery_outcome import BacklogOutcome, DeliveryOutcome
from zkpoll.tasks.device_outcome import DeviceOutcome
from zkpoll.tasks.outcome import Outcome

READING = Reading(
    layout=40,
    records=18,
    proved=8,
    on_device=110,
    capacity=1000,
    drift=2.4,
    whole=False,
    before=100,
    continued=True,
)
FINE = DeviceOutcome("front", "192.168.1.201:4370", "S1", Tally(10, 8), READING)
SENT = DeliveryOutcome("main", confirmed=10, counts=Counts(punches=10, confirmed=10))
IDLE = DeliveryOutcome("main")


def failed(kind: str, problem: str = "something is wrong") -> DeviceOutcome:
    """Return the outcome of a visit that failed."""
    return DeviceOutcome("back", "192.168.1.202:4370", problem=problem, kind=kind)


def undelivered(kind: str) -> DeliveryOutcome:
    """Return the outcome of a delivery that failed."""
    return DeliveryOutcome("main", problem="the dashboard is away", kind=kind)


def read(**changes: object) -> DeviceOutcome:
    """Return the outcome of a visit whose reading differs from a quiet one by `changes`."""
    reading = replace(READING, **changes)  # type: ignore[arg-type]
    return replace(FINE, reading=reading, whole=None if reading.continued else WholeReading(reading.before))


def run(*parts: DeviceOutcome | DeliveryOutcome) -> Outcome:
    """Return the outcome of a run with these parts."""
    devices = tuple(part for part in parts if isinstance(part, DeviceOutcome))
    return Outcome(devices, tuple(part for part in parts if isinstance(part, DeliveryOutcome)), 1.0)


OFF, BUSY, MUTE = failed("unreachable"), failed("busy"), failed("silent")
CLEARED = read(on_device=5, continued=False)
OVERWRITTEN = replace(read(on_device=1000, continued=False), tally=Tally(first_seen=18))


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        pytest.param(run(), ExitCode.OK, id="nothing was asked for"),
        pytest.param(run(FINE, SENT), ExitCode.OK, id="all is well"),
        pytest.param(run(FINE, IDLE), ExitCode.OK, id="nothing to send"),
        pytest.param(run(FINE, MUTE, SENT), ExitCode.ATTENTION, id="one device fails"),
        pytest.param(run(MUTE), ExitCode.ATTENTION, id="all devices fail, and were reached"),
        pytest.param(run(FINE, OFF, SENT), ExitCode.ATTENTION, id="one device is off"),
        pytest.param(run(OFF, OFF, IDLE), ExitCode.UNREACHABLE, id="all devices are off"),
        pytest.param(run(OFF, undelivered("unreachable")), ExitCode.UNREACHABLE, id="so is the dashboard"),
        pytest.param(run(OFF, SENT), ExitCode.ATTENTION, id="all are off, the dashboard got its own"),
        pytest.param(run(OFF, undelivered("refused")), ExitCode.ATTENTION, id="all are off, it answered"),
        pytest.param(run(BUSY, BUSY, SENT), ExitCode.LOCKED, id="all are another run's"),
        pytest.param(run(BUSY, FINE), ExitCode.OK, id="one is another run's"),
        pytest.param(run(BUSY, OFF), ExitCode.UNREACHABLE, id="one is another run's, one is off"),
        pytest.param(run(FINE, undelivered("busy")), ExitCode.OK, id="the dashboard is another's"),
        pytest.param(run(FINE, undelivered("unreachable")), ExitCode.ATTENTION, id="the dashboard is away"),
        pytest.param(run(failed(BUG), FINE, SENT), ExitCode.BUG, id="a bug in a visit"),
        pytest.param(run(OFF, OFF, undelivered(BUG)), ExitCode.BUG, id="a bug in a delivery, all off"),
        pytest.param(run(replace(FINE, tally=Tally(9, 8)), SENT), ExitCode.BUG, id="a record is nowhere"),
        pytest.param(run(CLEARED, SENT), ExitCode.OK, id="a log was cleared"),
        pytest.param(run(OVERWRITTEN, SENT), ExitCode.ATTENTION, id="records were overwritten unseen"),
        pytest.param(
            run(replace(FINE, tally=Tally(9, 8, quarantined=1, newly_quarantined=1))),
            ExitCode.ATTENTION,
            id="an impossible record is new",
        ),
        pytest.param(
            run(replace(FINE, tally=Tally(9, 8, quarantined=1))),
            ExitCode.OK,
            id="an impossible record is known",
        ),
        pytest.param(
            run(replace(FINE, tally=Tally(9, 8, same_second=1))), ExitCode.ATTENTION, id="a same second"
        ),
        pytest.param(
            run(replace(FINE, tally=Tally(10, 8, held_since=4, held_repeats=3))),
            ExitCode.OK,
            id="some are held as the settings say",
        ),
        pytest.param(run(replace(FINE, clock_set=True)), ExitCode.OK, id="a clock was set"),
        pytest.param(run(replace(FINE, clock_kept="why")), ExitCode.ATTENTION, id="a clock was not set"),
    ],
)
def test_the_exit_code(outcome: Outcome, code: ExitCode) -> None:
    """A run ends with the documented code."""
    assert outcome.exit_code is code


@pytest.mark.parametrize(
    ("reading", "tally", "words", "harmless"),
    [
        ({"on_device": 5}, Tally(5), "was cleared or shortened since the last visit", True),
        ({"on_device": 5, "capacity": 100}, Tally(5), "or RECORDS WERE OVERWRITTEN UNSEEN", False),
        ({"on_device": 0, "records": 0}, Tally(), "100 records then, 0 now", True),
        ({"on_device": 100}, Tally(3, 97), "wrapped or rewritten", True),
        ({"on_device": 120}, Tally(120), "cleared and filled again, or RECORDS WERE OVERWRITTEN", False),
        ({"on_device": 1000}, Tally(1000), "OVERWRITTEN UNSEEN", False),
        ({"on_device": 120, "capacity": None}, Tally(120), "OVERWRITTEN UNSEEN", False),
    ],
)
def test_what_became_of_a_log(reading: dict[str, int], tally: Tally, words: str, harmless: bool) -> None:
    """A log that is not what it was is told of; only what may have lost records asks for a person."""
    whole = WholeReading(READING.before, tally.seen_before)
    outcome = replace(read(continued=False, **reading), tally=tally, whole=whole)
    (notice,) = outcome.notices
    assert words in notice.text
    assert notice.harmless is harmless


@pytest.mark.parametrize("changes", [{"before": 0, "continued": False}, {"on_device": 110}])
def test_a_log_that_only_grew(changes: dict[str, object]) -> None:
    """A first reading, and a log that was appended to, are nothing to tell of."""
    assert read(**changes).notices == ()


def test_notices_of_a_visit() -> None:
    """What happened is told in numbers, with its subject, also of a visit that broke off."""
    outcome = replace(
        failed("hung_up"), tally=Tally(5, same_second=1, quarantined=3, newly_quarantined=2), name="front"
    )
    assert run(FINE, outcome).notices() == (
        ("device front", Notice("2 records are impossible; see `zkpoll quarantine list`")),
        ("device front", Notice("1 record is of a user in a second that holds another one, held")),
    )


@pytest.mark.parametrize(
    ("tally", "texts"),
    [
        (Tally(1234, held_since=1234), ["1,234 records older than since: are held, not sent"]),
        (Tally(3, held_since=1, held_repeats=2), ["1 record older than since: is held, not sent"]),
        (Tally(3, held_repeats=2), []),
    ],
)
def test_what_the_settings_hold(tally: Tally, texts: list[str]) -> None:
    """What a first reading holds is told, and asks for nobody; that repeats are held is routine."""
    assert replace(FINE, tally=tally).notices == tuple(Notice(text, harmless=True) for text in texts)


def test_a_clock_that_was_set() -> None:
    """That a clock was set is told with how far it was off, and asks for nobody."""
    (notice,) = replace(FINE, clock_set=True).notices
    assert notice == Notice("its clock was 2 s ahead and was set", harmless=True)


def test_troubles_by_subject() -> None:
    """Only what lasts and needs a person is a trouble; everything the run looked at is a subject."""
    away = replace(undelivered("unreachable"), counts=Counts(punches=7, pending=7))
    outcome = run(FINE, MUTE, away)
    assert outcome.subjects() == {"device front", "device back", "dashboard main", "way to dashboard main"}
    assert outcome.troubles() == {
        "device back": Trouble("something is wrong", "something is wrong"),
        "dashboard main": Trouble("unreachable", "the dashboard is away; 7 punches wait"),
    }


@pytest.mark.parametrize(
    ("kind", "before", "after", "news"),
    [
        ("wrong_serial", "serial number B", "serial number C", True),
        ("unreachable", "refuses the connection", "does not answer", True),
        ("unknown_layout", "the log of 2000 bytes", "the log of 2040 bytes", False),
        ("wire", "the log says it has 2000 bytes", "the log says it has 2040 bytes", False),
    ],
)
def test_what_is_another_trouble(kind: str, before: str, after: str, news: bool) -> None:
    """Other words are another trouble, but where they count the bytes of a log that grows."""
    first, second = failed(kind, before).trouble, failed(kind, after).trouble
    assert first
    assert second
    assert (first.kind != second.kind) is news
    assert (first.text, second.text) == (before, after)


def test_a_clock_that_was_not_set() -> None:
    """That a clock was not set is one trouble, however far it has drifted since."""
    texts = set()
    for drift in (31.0, 33.4, None):
        trouble = replace(read(drift=drift), clock_kept="nobody knows the time").trouble
        assert trouble
        assert trouble.kind == "clock"
        texts.add(trouble.text)
    assert texts == {
        f"its clock is {off} and was not set: nobody knows the time"
        for off in ("31 s ahead", "33 s ahead", "off by an unknown time")
    }


def test_sums_that_do_not_come_out() -> None:
    """A sum that does not come out is a failure that names the difference."""
    lost = replace(FINE, tally=Tally(7, 8))
    assert lost.difference == 3
    assert lost.trouble == Trouble(BUG, "3 records read are nowhere; this is a bug, please report it")
    assert FINE.difference == SENT.counts.difference == failed("silent").difference == 0


def test_what_waits_and_since_when() -> None:
    """A dashboard in trouble is told with how much waits for it, and how long."""
    counts = Counts(punches=1200, pending=1200)
    away = DeliveryOutcome(
        "main", counts=counts, oldest_pending="2026-11-20T03:04:05.678+00:00", problem="it is off"
    )
    assert away.trouble
    assert away.trouble.text == "it is off; 1,200 punches wait, the oldest since 2026-11-20T03:04Z"


def test_parked_punches_need_a_person() -> None:
    """While anything is parked a run is not well; more or fewer of them are news."""
    parked = [DeliveryOutcome("main", counts=Counts(punches=n, parked=n)) for n in (1, 2)]
    assert run(parked[0]).exit_code is ExitCode.ATTENTION
    texts = [one.trouble.text for one in parked if one.trouble]
    assert texts[0].startswith("1 punch is parked")
    assert texts[1].startswith("2 punches are parked")
    assert len({one.trouble.kind for one in parked if one.trouble}) == 2


def test_a_backlog_that_grows() -> None:
    """Its figures and what helps are told; one trouble as long as it lasts, beside the dashboard's own."""
    slow = BacklogOutcome("hr-cloud", Backlog(12_400, 3100))
    more = "12,400 punches wait, 3,100 more than yesterday: it takes fewer than come in"
    assert slow.trouble == Trouble(
        "growing", f"{more}; it has to answer faster, or to take a larger batch_size"
    )
    capped = replace(slow, capped=True).trouble
    assert capped == Trouble("growing", f"{more}; raise max_per_run")
    steady = [BacklogOutcome("x", known) for known in (Backlog(12_400), Backlog(12_400, 19))]
    assert [one.trouble for one in steady] == [None, None]
    parked = DeliveryOutcome("hr-cloud", counts=Counts(1, parked=1))
    outcome = Outcome((), (parked,), 1.0, backlogs=(slow,))
    assert outcome.troubles().keys() == {"dashboard hr-cloud", "backlog of hr-cloud"}
    assert outcome.exit_code == ExitCode.ATTENTION


def test_advice_is_no_trouble() -> None:
    """A way that anybody can read along is told, and changes no exit code."""
    outcome = run(replace(SENT, exposed=True))
    assert (outcome.exit_code, outcome.troubles()) == (ExitCode.OK, {})
    assert list(outcome.advice()) == ["way to dashboard main"]
    assert outcome.advice().keys() <= outcome.subjects()


def test_another_fault_of_the_configuration_is_news() -> None:
    """Who mends a token and then has a wrong address hears of it."""
    faults = (
        "the dashboard answered 401 and does not accept",
        "the dashboard answered 404 because nothing takes",
    )
    troubles = [DeliveryOutcome("main", problem=fault, kind="configuration").trouble for fault in faults]
    assert len({trouble.kind for trouble in troubles if trouble}) == 2


def test_a_dashboard_that_left() -> None:
    """What waits for it is a trouble with the way out; where nothing does, it was looked at all the same."""
    outcome = replace(run(SENT), stranded={"old": 1, "older": 0})
    assert list(outcome.troubles()) == ["dashboard old"]
    assert "zkpoll outbox discard --to old --all --pending" in outcome.troubles()["dashboard old"].text
    assert {"dashboard old", "dashboard older"} <= outcome.subjects()


# --- shifts ---

HELD = ShiftMove("Day", datetime(2026, 11, 20, 2, 30, tzinfo=UTC), "back, last read then")


def shifted(**changes: object) -> Outcome:
    """Return the outcome of a run with one shift, which differs by `changes` from one that is well."""
    shift = replace(HELD, **changes)  # type: ignore[arg-type]
    return run(FINE, replace(SENT, shifts=(shift,)))


def test_a_shift_that_is_held_for_a_while_is_no_news() -> None:
    """What holds it is told by itself; only when it lasts too long is the shift a trouble of its own."""
    assert (shifted().exit_code, shifted().troubles()) == (ExitCode.OK, {})
    late = shifted(late=True)
    assert late.exit_code == ExitCode.ATTENTION
    text = (
        "its punches are complete until 2026-11-20 02:30Z only, and no attendance is processed after that:"
        " back, last read then"
    )
    assert late.troubles() == {"shift Day of main": Trouble("late", text)}
    never = shifted(until=None, held_by="back was not read to its end yet", late=True)
    (trouble,) = never.troubles().values()
    assert trouble.text == (
        "nobody knows up to when its punches are complete, and no attendance is processed:"
        " back was not read to its end yet"
    )


def test_a_shift_that_the_site_does_not_take() -> None:
    """What a person must mend there is told at once, late or not."""
    problem = "its last_sync_of_checkin was not moved: 404"
    for late in (False, True):
        outcome = shifted(problem=problem, late=late)
        assert [trouble.text for trouble in outcome.troubles().values()] == [problem]
        assert outcome.exit_code == ExitCode.ATTENTION


def test_a_shift_is_looked_at_where_it_was_told_of() -> None:
    """A run that told a site nothing of a shift says nothing about it, neither good nor bad."""
    assert "shift Day of main" in shifted().subjects()
    assert not any(subject.startswith("shift") for subject in run(FINE, SENT).subjects())
