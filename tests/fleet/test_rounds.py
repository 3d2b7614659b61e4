"""Rounds of a fleet over each broker, with a worker or two: what is done, what is left, what is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.cli.test_on_postgres import OnServer
from tests.crash.test_two_hosts import finished
from tests.fleet.brokers import Letter, put_in, take_out, waiting
from tests.fleet.fleet import EVERY, dispatch, start_dispatch, working
from tests.fleet.office import ERRANDS, Office
from tests.fleet.own_redis import SECRET
from tests.look import inside, look
from tests.peers import closed_port
from tests.site import TOKEN, Site
from tests.waiting import wait_for
from zkpoll.simulator import Command

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.fleet.brokers import Broker
    from zkpoll.simulator import SampleDashboard

QUEUES: Final = ("zkpoll.visit", "zkpoll.site.dhaka", "zkpoll.site.sylhet", "zkpoll.deliver")
_READY: Final = "taking errands"
_LONG: Final = pytest.mark.long


def _send(site: Site, ahead: timedelta = timedelta(0)) -> None:
    """Send what is due. Where spans go by so fast, some of it may be late, and told."""
    done = dispatch(site, ahead=ahead)
    assert done.code in {0, 1}, done.err
    assert "does not answer" not in done.err


def test_a_round_goes_through(office: Office) -> None:
    """What is due is sent, visited and delivered by a worker; all is well then, and cron heard nothing."""
    with working(office.site) as worker:
        worker.wait_until_it_says(_READY)
        sent = dispatch(office.site)
        wait_for(office.has_all)
    assert (sent.code, sent.out, sent.err) == (0, "", "")
    assert worker.printed == []
    assert worker.said == "taking errands: visit, site.dhaka, site.sylhet, deliver\n"
    assert office.visits() == dict.fromkeys(office.terminals, 1)
    assert office.site.run("status").code == 0
    told = look(office.site.journal, "SELECT subject, outcome FROM errand ORDER BY subject")
    assert told == [(one, "ok") for one in ERRANDS]


@_LONG
def test_a_worker_that_comes_later_finds_what_was_sent(office: Office) -> None:
    """Messages wait for a worker, but no more than one for each errand."""
    for minutes in (0, 1, 2):
        _send(office.site, ahead=minutes * EVERY)
    assert sum(waiting(office.between, queue) for queue in QUEUES) <= 2 * len(ERRANDS)
    with working(office.site):
        wait_for(office.has_all)


# --- what is sent ---


def test_a_message_is_a_name(office: Office) -> None:
    """No address, no key, no token goes through the broker, nor the settings of a device."""
    office.write(office.site, comm_key=31337)
    _send(office.site)
    letters = {queue: take_out(office.between, queue) for queue in QUEUES}
    bodies = [json.loads(one.body) for letters in letters.values() for one in letters]
    (until,) = {body[0][1] for body in bodies}
    assert datetime.fromisoformat(until) > datetime.now(UTC)
    assert sorted(body[0][0] for body in bodies) == sorted(ERRANDS)
    assert {len(body[0]) for body in bodies} == {2}
    assert {len(one) for one in letters.values()} == {1}
    everything = repr(letters)
    for secret in (TOKEN, SECRET, "31337", "127.0.0.1", office.dashboard.url):
        assert secret not in everything


def test_two_dispatchers_at_once_send_each_errand_once(office: Office) -> None:
    """Each of them may claim some; all are sent, and none of them twice."""
    for minutes in range(5):
        runs = [start_dispatch(office.site, ahead=minutes * EVERY) for _ in range(3)]
        assert {finished(run).code for run in runs} <= {0, 1}  # 1 once nobody took them for two spans
        sent = [json.loads(one.body)[0][0] for queue in QUEUES for one in take_out(office.between, queue)]
        assert sorted(sent) == sorted(ERRANDS)


def test_what_was_sent_is_not_sent_again_before_its_span_is_over(office: Office) -> None:
    """A dispatch a moment later sends nothing; one in the next span sends all again."""
    _send(office.site, ahead=10 * EVERY)
    for queue in QUEUES:
        take_out(office.between, queue)
    _send(office.site, ahead=10 * EVERY)
    again = sum(waiting(office.between, queue) for queue in QUEUES)
    _send(office.site, ahead=11.1 * EVERY)
    then = sum(waiting(office.between, queue) for queue in QUEUES)
    assert then == len(ERRANDS)
    assert again in {0, len(ERRANDS)}  # the minute may have ended between the two


# --- who takes what ---


def test_a_worker_of_a_site_takes_only_its_own(office: Office) -> None:
    """With --site a worker visits that site; with --deliver it delivers, and visits nothing."""
    with working(office.site, "--site", "dhaka") as worker:
        worker.wait_until_it_says(_READY)
        _send(office.site)
        wait_for(lambda: look(office.site.journal, "SELECT count(*) FROM punch") == [(20,)])
    assert office.visits() == {"GATE": 0, "DHAKA": 1, "SYLHET": 0}
    assert [waiting(office.between, queue) for queue in QUEUES] == [1, 0, 1, 1]
    assert office.dashboard.events == {}
    with working(office.site, "--deliver"):
        wait_for(lambda: len(office.dashboard.events) == 20)
    assert office.visits() == {"GATE": 0, "DHAKA": 1, "SYLHET": 0}


@_LONG
def test_a_worker_with_another_inventory_leaves_what_it_has_otherwise(
    office: Office, tmp_path: Path, popen: type[subprocess.Popen[Any]]
) -> None:
    """It says so, once, and does the rest; one with the same settings takes it in the next span."""
    (folder := tmp_path / "other").mkdir()
    other = Site(folder, popen)
    office.write(other, timeout=7)
    text = other.inventory.read_text()
    other.inventory.write_text(text.replace("journal: journal.db", f"journal: '{office.site.journal}'"))
    with working(other) as worker:
        worker.wait_until_it_says(_READY)
        for minutes in range(2):
            _send(office.site, ahead=minutes * EVERY)
            wait_for(lambda: min(office.visits()["DHAKA"], office.visits()["SYLHET"]) > minutes)  # noqa: B023
        worker.wait_until_it_says("visit gate: ")
    assert office.visits()["GATE"] == 0
    assert worker.said.count("visit gate: ") == 1
    assert "this machine's inventory has other settings for it" in worker.said
    with working(office.site):
        _send(office.site, ahead=2 * EVERY)
        wait_for(office.has_all)


# --- what nobody sent like this ---


def _letter(subject: str, until: str, like: Letter) -> Letter:
    """Return a message of an errand, in the form of a real one."""
    body = json.loads(like.body)
    body[0][:] = [subject, until]
    return replace(like, body=json.dumps(body).encode(), headers={**(like.headers or {}), "expires": None})


def _real(office: Office) -> Letter:
    """Return the message of the visit to the gate, which is taken out."""
    _send(office.site)
    (letter,) = take_out(office.between, QUEUES[0])
    return letter


@_LONG
def test_what_is_no_message_of_ours_is_left(office: Office) -> None:
    """Garbage, another program's task, an errand that nobody knows: dropped, said, and the rest is done."""
    real = _real(office)
    until, headers = json.loads(real.body)[0][1], real.headers or {}
    strange = [
        replace(real, body=b"rubbish"),
        replace(real, body=b"\x80\x04N.", content_type="application/x-python-serialize"),
        *(replace(real, body=body) for body in (b"[1, 2]", b"7", b"[[], {}, {}]", b"[[7, 8], {}, {}]")),
        *(
            replace(real, headers=one)
            for one in (None, {"task": headers["task"]}, headers | {"expires": "soon"})
        ),
        replace(real, headers=headers | {"task": "other.program"}),
        _letter("visit gate", "tomorrow", real),
        _letter("polish gate", until, real),
        _letter("visit \x1b[31mnobody", until, real),
    ]
    put_in(office.between, QUEUES[0], [*strange, real])
    with working(office.site, "-v") as worker:
        wait_for(office.has_all)
        worker.wait_until_it_says("visit \\x1b[31mnobody: left")
    assert office.visits() == dict.fromkeys(office.terminals, 1)
    assert "polish gate: left: this zkpoll knows no such errand" in worker.said
    assert "a message that is none of zkpoll's was dropped: other.program" in worker.said
    assert "Traceback" not in worker.said
    assert "\x1b" not in worker.said


def test_a_message_that_comes_twice_or_late_is_done_once(office: Office) -> None:
    """The first one is taken; the second, one of a span that is over, and one sent before are not."""
    real = _real(office)
    over = _letter("visit gate", (datetime.now(UTC) - timedelta(seconds=1)).isoformat(), real)
    another = _letter("visit gate", (datetime.now(UTC) + timedelta(hours=1)).isoformat(), real)
    put_in(office.between, QUEUES[0], [over, another, real, real, real])
    with working(office.site) as worker:
        worker.wait_until_it_says(_READY)
        wait_for(lambda: waiting(office.between, QUEUES[0]) == 0)
        _send(office.site, ahead=EVERY)
        wait_for(lambda: office.visits()["GATE"] == 2)
    assert office.visits()["GATE"] == 2
    assert worker.said.splitlines()[1:] == []


# --- what is away ---


def test_a_broker_that_is_away_is_told_once_by_who_sends(office: Office) -> None:
    """Code 1 each time, one sentence the first time, and one when it is there again; then all is sent."""
    office.between.away()
    first, second = (dispatch(office.site) for _ in range(2))
    office.between.back()
    third = dispatch(office.site)
    assert (first.code, second.code, third.code) == (1, 1, 0)
    (line,) = first.err.splitlines()
    assert re.match(r"zkpoll: broker: no errands are sent, .*(redis|amqp)://[^ ]* does not answer: ", line)
    assert SECRET not in first.err
    assert second.err == ""
    assert len(third.err.splitlines()) == 1
    assert "broker" in third.err
    assert sum(waiting(office.between, queue) for queue in QUEUES) == len(ERRANDS)


@_LONG
def test_a_broker_that_is_away_is_waited_for_by_who_works(office: Office) -> None:
    """A worker that finds none says so and waits; it goes on when there is one, again and again."""
    office.between.away()
    with working(office.site) as worker:
        worker.wait_until_it_says("; waiting for it")
        office.between.back()
        worker.wait_until_it_says(_READY)
        _send(office.site)
        wait_for(office.has_all)
        office.between.away()
        wait_for(lambda: worker.said.count("; waiting for it") == 2, seconds=40)
        office.between.back()
        office.gate.punch("1", datetime(2026, 11, 23, 9))
        wait_for(lambda: _sent_and_done(office), seconds=60)
    assert worker.said.count(_READY) == 1


def _sent_and_done(office: Office) -> bool:
    """Send what is due a span later than the last time; say whether all has arrived."""
    office.ahead += EVERY
    _send(office.site, ahead=office.ahead)
    return office.has_all()


@_LONG
def test_a_worker_ends_while_its_broker_is_away(office: Office) -> None:
    """Whoever waits for a broker hears a signal all the same."""
    office.between.away()
    with working(office.site) as worker:
        worker.wait_until_it_says("; waiting for it")
        worker.stop()
    office.between.back()


@pytest.mark.parametrize("words", [("dispatch",), ("worker",)])
def test_a_journal_that_is_away(
    tmp_path: Path,
    popen: type[subprocess.Popen[Any]],
    between: Broker,
    dashboard: SampleDashboard,
    words: tuple[str, ...],
) -> None:
    """Code 74 and one sentence, and nothing is sent."""
    with closed_port() as (_, port):
        site = OnServer(tmp_path, popen, f"postgresql://zkpoll@127.0.0.1:{port}/zkpoll")
        with Office(site, between, dashboard):
            result = site.run(*words)
    assert (result.code, result.out) == (74, "")
    assert len(result.err.splitlines()) == 1
    assert "is not reachable: " in result.err
    assert [waiting(between, queue) for queue in QUEUES] == [0, 0, 0, 0]


@pytest.mark.parametrize("words", [("dispatch",), ("worker",)])
def test_a_journal_of_a_newer_form(office: Office, words: tuple[str, ...]) -> None:
    """Code 74: it is for a newer zkpoll, and is left alone."""
    _send(office.site)
    with inside(office.site.journal) as db:
        db.execute("PRAGMA user_version = 999")
    result = office.site.run(*words)
    assert (result.code, result.out) == (74, "")
    assert "newer zkpoll" in result.err
    assert len(result.err.splitlines()) == 1


# --- a signal ---


def test_a_signal_in_the_middle_of_a_visit(office: Office) -> None:
    """A worker ends in time; what it had not read is read by the next one, and nobody is shut out."""
    office.slow_down(1)
    with working(office.site) as worker:
        worker.wait_until_it_says(_READY)
        _send(office.site)
        wait_for(lambda: Command.PREPARE_BUFFER in office.gate.commands)
        worker.stop()
    assert (office.gate.disabled, office.gate.seats_taken) == (False, 0)
    office.slow_down(0)
    with working(office.site):
        _send(office.site, ahead=EVERY)
        wait_for(office.has_all)


@_LONG
@pytest.mark.parametrize("moment", [Command.DISABLEDEVICE, Command.CLEAR_ATTLOG])
def test_a_signal_in_the_middle_of_a_clearing(office: Office, moment: int) -> None:
    """The terminal is enabled before the worker ends, in time; nothing is lost."""
    office.write(office.site, clear="confirmed")
    with working(office.site) as worker:

        def at(command: int) -> None:
            if command == moment:
                worker.process.terminate()

        office.gate.before_command = at
        _send(office.site)
        wait_for(office.has_all)
        _send(office.site, ahead=EVERY)  # its clearing is due now
        assert worker.process.wait(timeout=40) == 0
    assert moment in office.gate.commands
    assert not office.gate.disabled
    office.gate.before_command = None
    last = office.site.sync()
    assert last.code == 0, last.err
    assert office.has_all()
