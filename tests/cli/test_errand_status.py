"""`zkpoll status` where the inventory has workers: how their errands stand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.journal.helpers import piece, punch, visit
from tests.look import inside
from tests.site import at_a_terminal, entry
from zkpoll.journal.devices import Devices
from zkpoll.journal.errands import claim, done, give_back, take
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Settled
from zkpoll.model.errand import Errand
from zkpoll.model.log import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.site import Site
    from zkpoll.journal.database import Journal

SITES = ("dhaka", "dhaka", None)
NAMES = ("gate", "yard", "hall")
ERRANDS = (
    *(Errand("visit", name) for name in NAMES),
    Errand("clear", "yard"),
    Errand("deliver", "dashboard"),
)
SPAN = timedelta(minutes=5)
READING = Reading(40, 1, 0, 1, 1000, 0.0, whole=True, before=0, continued=False)


def write(site: Site, workers: str = "workers: {broker: 'redis://127.0.0.1:1/0', every: 5m}\n") -> None:
    """Write an inventory of two devices at a site, one of no site, and a dashboard."""
    places = [{} if where is None else {"site": where} for where in SITES]
    places[1]["clear"] = "confirmed"
    devices = [entry(name, ("127.0.0.1", 9 + number), **places[number]) for number, name in enumerate(NAMES)]
    site.write("http://127.0.0.1:9/", *devices, more=f"sites: {{dhaka: {{}}}}\n{workers}")


@pytest.fixture
def fleet(site: Site) -> Site:
    """Give a site whose three devices were read just now, and all of which is confirmed."""
    write(site)
    with open_journal(site.journal) as journal:
        outbox = JournalOutbox(journal, "dashboard")
        for name in NAMES:
            visit(journal, name, name.upper()).take(piece(punch(name)))
            Devices(journal).note_reading(name.upper(), READING)
        outbox.settle(Settled(tuple(event.id for event in outbox.next(9).events)))
    return site


def dispatched(journal: Journal, minutes: float, errands: Iterable[Errand] = ERRANDS) -> datetime:
    """Send errands so many minutes ago; return the end of that span, a minute later."""
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    until = then + timedelta(minutes=1)
    assert set(claim(journal, dict.fromkeys(errands, "x"), then, until)) == set(errands)
    return until


def carried_out(journal: Journal, until: datetime, errands: Iterable[Errand] = ERRANDS) -> None:
    """Let errands be taken and done as soon as they were sent."""
    at = until - timedelta(minutes=1)
    for errand in errands:
        assert take(journal, errand, until, "here/1", at)
        assert done(journal, errand, until, "here/1", at, "read")


def document(site: Site, code: int) -> dict[str, Any]:
    """Return what `status --json` prints."""
    result = site.run("status", "--json")
    assert (result.code, result.err) == (code, "")
    return result.document()


def test_all_goes_well(fleet: Site) -> None:
    """Each site has a line; what goes well adds none, however many devices there are."""
    with open_journal(fleet.journal) as journal:
        carried_out(journal, dispatched(journal, 3))
    result = fleet.run("status")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "3 terminals and 1 dashboard well; last dispatch 3 min ago; 3 of 3 punches confirmed"
    assert [line for line in lines if line.startswith(("errands", "worker", "late", "trouble"))] == [
        "errands  site dhaka  3 done, 0 waiting, 0 under way, 0 late  taken 3 min ago by here/1",
        "errands  no site  1 done, 0 waiting, 0 under way, 0 late  taken 3 min ago by here/1",
        "errands  deliveries  1 done, 0 waiting, 0 under way, 0 late  taken 3 min ago by here/1",
    ]


def test_what_is_under_way(fleet: Site) -> None:
    """A worker is named with what it has been at for longest; a new sending of that is no second one."""
    with open_journal(fleet.journal) as journal:
        until = dispatched(journal, 7)
        take(journal, ERRANDS[0], until, "dhaka-1/77", datetime.now(UTC) - timedelta(minutes=7))
        dispatched(journal, 2)
    result = fleet.run("status")
    assert result.code == 0
    assert "worker  dhaka-1/77  1 under way  longest visit gate, 7 min\n" in result.out
    assert "errands  site dhaka  0 done, 2 waiting, 1 under way, 0 late  taken 7 min ago by dh" in result.out


def test_what_is_late(fleet: Site) -> None:
    """Code 1; each errand says since when and why, each site what to look at, and no device says it again."""
    with open_journal(fleet.journal) as journal:
        until = dispatched(journal, 40)
        take(journal, ERRANDS[1], until, "dhaka-1/77", until)
        until = dispatched(journal, 2)
        give_back(journal, [ERRANDS[3]], until)
        carried_out(journal, until, ERRANDS[2:3])
    with inside(fleet.journal) as db:
        db.execute("UPDATE device SET read_at = '2026-11-01T00:00:00.000+00:00' WHERE name <> 'hall'")
    result = fleet.run("status")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[0].startswith("2 things need you; last dispatch 2 min ago; ")
    trouble, deliveries = (line for line in lines if line.startswith("trouble"))
    assert "queue dhaka: 1 clearing waits since 20" in trouble
    assert "is `zkpoll worker --site dhaka` running there?; 1 visit was taken, and not ended since" in trouble
    assert deliveries.endswith("and nobody takes it; is `zkpoll worker --deliver` running?")
    late = {line.split("  ")[1]: line.split("  ")[3] for line in lines if line.startswith("late")}
    assert late.pop("visit yard").startswith("taken 39 min ago by dhaka-1/77, not ended")
    assert late == {
        "visit gate": "nobody took it",
        "clear yard": "it could not be sent",
        "deliver dashboard": "nobody took it",
    }
    found = document(fleet, 1)
    assert {need["kind"] for need in found["needs"]} == {"not sent", "not taken"}
    assert {one["subject"]: one["why"] for one in found["errands"]["late"]} == {
        "visit gate": "not taken",
        "visit yard": "not ended",
        "clear yard": "not sent",
        "deliver dashboard": "not taken",
    }
    assert found["errands"]["queues"][0]["late"] == 3


def test_a_screen_for_a_person(fleet: Site) -> None:
    """On a terminal there is a table of sites, one of workers, and one of what is late, in 80 columns."""
    with open_journal(fleet.journal) as journal:
        until = dispatched(journal, 40)
        for errand in ERRANDS[:2]:
            take(journal, errand, until, "a-worker-with-a-rather-long-name.example.com/1234567", until)
        carried_out(journal, dispatched(journal, 3), ERRANDS[2:])
    code, shown = at_a_terminal(fleet, "status")
    assert code == 1
    assert max(map(len, shown.splitlines())) <= 80
    rows = [line.split() for line in shown.splitlines()]
    assert ["errands", "done", "waiting", "under", "way", "late", "taken", "last"] in rows
    assert ["site", "dhaka", "1", "0", "0", "2", "3", "min", "ago", "by", "here/1"] in rows
    assert ["worker", "under", "way", "longest"] in rows
    assert ["late", "since", "why"] in rows
    assert shown.count("visit gate") == 3  # in the sentence, as the longest, and in the list


def test_a_long_list_is_cut_unless_asked_for(site: Site) -> None:
    """Ten thousand that are late leave the screen of use: some, how many more, and one sentence a site."""
    names = [f"d{number:03}" for number in range(50)]
    site.write(
        "http://127.0.0.1:9/",
        *(entry(name, (f"127.0.1.{number}", 9)) for number, name in enumerate(names, 1)),
        more="workers: {broker: 'redis://127.0.0.1:1/0', every: 5m}\n",
    )
    with open_journal(site.journal) as journal:
        dispatched(journal, 40, [Errand("visit", name) for name in names])
        dispatched(journal, 1, [Errand("deliver", "dashboard")])
    code, shown = at_a_terminal(site, "status")
    assert code == 1
    assert "late: 20 more need you; --all shows them" in shown
    assert shown.count("50 visits wait since") == 1
    assert at_a_terminal(site, "status", "--all")[1].count("nobody took it") == 50


@pytest.mark.parametrize("minutes", [11.5, 60 * 24 * 3, -6])
def test_nothing_is_sent_any_more(fleet: Site, minutes: float) -> None:
    """Where no dispatch runs, that is said once, and neither workers nor devices are blamed for it."""
    with open_journal(fleet.journal) as journal:
        dispatched(journal, minutes)
    with inside(fleet.journal) as db:
        db.execute("UPDATE device SET read_at = '2026-11-01T00:00:00.000+00:00'")
    found = document(fleet, 1)
    (need,) = found["needs"]
    assert (need["subject"], need["kind"]) == ("zkpoll dispatch", "no run")
    assert "it has sent no errand " in need["text"]
    assert "see whether cron or the timer starts it" in need["text"]


def test_nothing_was_ever_sent(fleet: Site) -> None:
    """With workers in the inventory and no dispatch, a person is told what is missing."""
    result = fleet.run("status")
    assert result.code == 1
    assert result.out.startswith("1 thing needs you; no dispatch yet; ")
    assert "trouble  zkpoll dispatch: it has sent no errand yet, so nothing is read and" in result.out


def test_what_left_the_inventory_is_not_late(fleet: Site) -> None:
    """Errands of a device that is switched off, and of a clearing that is not asked for, count no more."""
    with open_journal(fleet.journal) as journal:
        dispatched(journal, 40, [ERRANDS[0], ERRANDS[3]])
        carried_out(journal, dispatched(journal, 1, [ERRANDS[1], ERRANDS[2], ERRANDS[4]]), ERRANDS[1:3])
    assert [one["subject"] for one in document(fleet, 1)["errands"]["late"]] == ["clear yard", "visit gate"]
    text = fleet.inventory.read_text().replace("port: 9,", "port: 9, enabled: false,")
    fleet.inventory.write_text(text.replace(", clear: confirmed", ""))
    found = document(fleet, 0)["errands"]
    assert found["late"] == []
    assert [one["waiting"] for one in found["queues"]] == [0, 0, 1]


def test_without_workers_nothing_is_said(fleet: Site) -> None:
    """An inventory without `workers:` has no errands, whatever rows an earlier one left."""
    with open_journal(fleet.journal) as journal:
        dispatched(journal, 60 * 24)
    write(fleet, "")
    result = fleet.run("status")
    assert result.code == 0
    assert "errand" not in result.out
    assert document(fleet, 0)["errands"] is None


TAKES = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from zkpoll.journal.errands import standings, take
from zkpoll.journal.opening import open_journal
with open_journal(Path(sys.argv[1])) as journal:
    (one,) = [one for one in standings(journal) if one.errand.subject == sys.argv[2]]
    print(take(journal, one.errand, one.until, "victim", datetime.now(UTC)), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def victim(fleet: Site) -> Iterator[subprocess.Popen[str]]:
    """Give a process that has taken the visit to the gate, and holds on to it."""
    with open_journal(fleet.journal) as journal:
        dispatched(journal, 0.5)
    words = [sys.executable, "-c", TAKES, str(fleet.journal), "visit gate"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_a_killed_worker_is_named_until_another_one_ends_it(
    fleet: Site, victim: subprocess.Popen[str]
) -> None:
    """What it took is under way as long as it may be; the next sending is anybody's, and then all is well."""
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait(10)
    assert "worker  victim  1 under way  longest visit gate, " in fleet.run("status").out
    with open_journal(fleet.journal) as journal:
        in_time = datetime.now(UTC) + timedelta(minutes=1)
        until = in_time + SPAN
        assert ERRANDS[0] in claim(journal, dict.fromkeys(ERRANDS, "x"), in_time, until)
        carried_out(journal, until)
    result = fleet.run("status")
    assert (result.code, "victim" in result.out) == (0, False)
