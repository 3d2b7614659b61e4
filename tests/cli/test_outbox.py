"""`zkpoll outbox`: what waits for a decision, and the decision."""

from __future__ import annotations

import getpass
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import KEY, piece, punch, punches, visit
from tests.site import at_a_terminal, entry
from zkpoll.journal.opening import lock, open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Settled
from zkpoll.model.punch import punch_id
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from typing import Any

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

FIRST = "224c9c2b-8130-5e29-a627-3b68fe8961e9"
"""The id of the punch of user 1001."""
WORDS = '{"error": "no such employee [1001] in our books; ask the people who keep them, or add one"}'


@pytest.fixture
def journalled(site: Site, dashboard: SampleDashboard) -> Site:
    """Give a site with two dashboards, `old` of which left the inventory.

    For `dashboard` the punches of 1001 and 1002 are parked, one of 1003 is pending, and one of 1004 is
    confirmed, a second one in its second held. For `old` all wait.
    """
    site.write(dashboard.url, entry("front-door", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        outbox = JournalOutbox(journal, "dashboard")
        JournalOutbox(journal, "old")
        log = [punch("1001"), punch("1002"), punch("1003"), punch("1004"), punch("1004", verify=4)]
        visit(journal).take(piece(*log))
        ids = [event.id for event in outbox.next(9).events]
        outbox.settle(Settled((ids[3],), {ids[0]: WORDS, ids[1]: WORDS}))
    return site


def counts(site: Site, name: str = "dashboard") -> Counts:
    """Return the journal sum of a dashboard."""
    with open_journal(site.journal) as journal:
        return JournalOutbox(journal, name).counts()


BEFORE = Counts(punches=5, pending=1, confirmed=1, parked=2, held=1)
OLD = Counts(punches=5, pending=4, held=1)


def listed(site: Site, *arguments: str) -> list[dict[str, Any]]:
    """Return what `outbox list --json` prints."""
    result = site.run("outbox", "list", "--json", *arguments)
    assert (result.code, result.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(result.out)
    return found


# --- looking ---


def test_what_is_parked_is_listed(journalled: Site) -> None:
    """By default parked punches are listed, a line each, with the dashboard's own words."""
    told = journalled.run("outbox", "list")
    assert (told.code, told.err) == (0, "")
    first, second = (line.split("  ") for line in told.out.splitlines())
    assert first[:6] == ["dashboard", "parked", FIRST, "front-door", "1001", "2026-11-22T08:59:58+06:00"]
    assert first[7] == WORDS
    assert second[4] == "1002"


def test_as_json(journalled: Site) -> None:
    """For a program it is one array, with all that is known of each punch."""
    one, other = listed(journalled)
    assert one == {
        "dashboard": "dashboard",
        "id": FIRST,
        "device": "front-door",
        "serial_number": KEY,
        "user_id": "1001",
        "timestamp": "2026-11-22T08:59:58+06:00",
        "state": "parked",
        "reason": WORDS,
        "since": one["since"],
        "tried_at": one["since"],
    }
    assert other["user_id"] == "1002"
    assert listed(journalled, "--user", "nobody") == []


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--held",), [("dashboard", "1004", "held"), ("old", "1004", "held")]),
        (("--held", "--to", "old"), [("old", "1004", "held")]),
        (("--pending", "--held", "--user", "1003", "--to", "old"), [("old", "1003", "pending")]),
        (("--parked", "--device", "front-door", "--user", "1002"), [("dashboard", "1002", "parked")]),
        (("--discarded",), []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_which_are_listed(
    journalled: Site, arguments: tuple[str, ...], found: list[tuple[str, str, str]]
) -> None:
    """States, dashboards, users and devices choose what is listed."""
    rows = listed(journalled, *arguments)
    assert [(row["dashboard"], row["user_id"], row["state"]) for row in rows] == found


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--to", "main"), "no dashboard 'main' in the journal; there are dashboard, old"),
        (("--device", "window"), "no device 'window' in the journal"),
    ],
)
def test_names_that_are_not_there(journalled: Site, arguments: tuple[str, ...], told: str) -> None:
    """A name that the journal lacks is wrong usage, not an empty list."""
    result = journalled.run("outbox", "list", *arguments)
    assert (result.code, result.out) == (2, "")
    assert told in result.err


def test_a_list_on_a_terminal(journalled: Site) -> None:
    """At 80 columns each id stands whole on a line, beside the reason; nothing is cut."""
    code, shown = at_a_terminal(journalled, "outbox", "list")
    assert code == 0
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert f"{FIRST}  dashboard, parked since 20" in shown
    assert "2026-11-22T08:59:58+06:00" in shown
    assert "front-door, user 1001" in shown
    right = " ".join(line[38:].strip() for line in shown.splitlines())
    assert right.count(WORDS) == 2


def test_many_on_a_terminal(site: Site, dashboard: SampleDashboard) -> None:
    """More than fit a table are plain lines, as they come."""
    site.write(dashboard.url, entry("front-door", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard")
        visit(journal).take(piece(*punches(301)))
    code, shown = at_a_terminal(site, "outbox", "list", "--pending")
    assert code == 0
    assert [line.split("  ")[:2] for line in shown.splitlines()] == [["dashboard", "pending"]] * 301


def test_an_empty_list(journalled: Site) -> None:
    """Where nothing is, a person is told so, and a pipe gets nothing."""
    assert at_a_terminal(journalled, "outbox", "list", "--discarded") == (0, "Nothing is discarded.\n")
    told = journalled.run("outbox", "list", "--discarded")
    assert (told.code, told.out, told.err) == (0, "", "")


def test_a_reader_that_has_enough(site: Site, dashboard: SampleDashboard) -> None:
    """A pipe that is closed half way through a long list is no reason for a traceback."""
    site.write(dashboard.url, entry("front-door", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard")
        visit(journal).take(piece(*punches(3000)))
    for arguments in (["--pending"], ["--pending", "--json"]):
        process = site.start("outbox", "list", *arguments)
        assert process.stdout
        assert process.stdout.readline()
        process.stdout.close()
        with process:
            assert process.stderr
            assert process.stderr.read() == ""
        assert process.returncode == 0


def test_no_journal_yet(site: Site, dashboard: SampleDashboard) -> None:
    """Without a journal nothing can be looked at or decided, and none is made."""
    site.write(dashboard.url, entry("front-door", ("127.0.0.1", 9)))
    for arguments in (["list"], ["retry", "--all"], ["discard", "--user", "1", "--reason", "x", "--yes"]):
        result = site.run("outbox", *arguments)
        assert result.code == 74
        assert len(result.err.splitlines()) == 1
    assert not site.journal.exists()


def test_secrets_are_not_needed(journalled: Site) -> None:
    """A person who may read the journal decides without the dashboard's token."""
    journalled.inventory.write_text(journalled.inventory.read_text().replace("${TOKEN}", "${NOT_SET}"))
    assert len(listed(journalled)) == 2
    assert journalled.run("outbox", "retry", "--all").code == 0


# --- trying again ---


def test_parked_punches_are_sent_again(journalled: Site, dashboard: SampleDashboard) -> None:
    """What is tried again goes out at the next sync, the rest rests."""
    told = journalled.run("outbox", "retry", "--user", "1001")
    assert (told.code, told.err) == (0, "")
    assert told.out == "1 punch for dashboard is sent again at the next sync, once nothing else waits.\n"
    assert counts(journalled) == BEFORE
    journalled.sync()
    assert {event["user_id"] for event in dashboard.events.values()} == {"1001", "1003"}
    assert counts(journalled) == Counts(punches=5, confirmed=3, parked=1, held=1)


def test_every_parked_punch(journalled: Site) -> None:
    """`--all` sends all of them again."""
    told = journalled.run("outbox", "retry", "--all")
    assert (told.code, told.out) == (
        0,
        "2 punches for dashboard are sent again at the next sync, once nothing else waits.\n",
    )
    journalled.sync()
    assert counts(journalled) == Counts(punches=5, confirmed=4, held=1)


def test_taking_a_decision_back(journalled: Site, dashboard: SampleDashboard) -> None:
    """A punch that was given up is sent after all once its id is named."""
    gave_up = journalled.run("outbox", "discard", "--id", FIRST, "--reason", "wrong", "--yes")
    assert gave_up.out == "1 punch for dashboard is discarded.\n"
    assert journalled.run("outbox", "retry", "--user", "1001").code == 1
    told = journalled.run("outbox", "retry", "--id", FIRST.upper())
    assert (told.code, told.out) == (
        0,
        "1 punch for dashboard is sent again at the next sync, once nothing else waits.\n",
    )
    journalled.sync()
    assert FIRST in dashboard.events
    assert counts(journalled, "old") == OLD


def test_ids_that_cannot_be_sent_again(journalled: Site) -> None:
    """Each of them is named with the reason, the others are done, and the code says that some were not."""
    confirmed = punch_id(KEY, "1004", "2026-11-22T08:59:58")
    (pending,) = listed(journalled, "--pending", "--to", "dashboard")
    told = journalled.run(
        "outbox", "retry", "--id", FIRST, "--id", confirmed, "--id", pending["id"], "--id", "1-2-3"
    )
    assert told.code == 1
    assert told.out == "1 punch for dashboard is sent again at the next sync, once nothing else waits.\n"
    assert told.err == (
        f"zkpoll: {confirmed}: dashboard: the dashboard has it\n"
        f"zkpoll: {pending['id']}: dashboard: the next sync sends it anyway\n"
        "zkpoll: 1-2-3: there is no such punch\n"
    )
    assert counts(journalled) == BEFORE


def test_nothing_to_send_again(journalled: Site) -> None:
    """When no punch is meant, it is said in one sentence, with code 1."""
    told = journalled.run("outbox", "retry", "--user", "1003")
    assert (told.code, told.out, told.err) == (1, "", "Error: no punch is meant; nothing was changed\n")


@pytest.mark.parametrize("arguments", [(), ("--to", "dashboard"), ("--all", "--to", "main")], ids=" ".join)
def test_retry_without_a_selector(journalled: Site, arguments: tuple[str, ...]) -> None:
    """Which punches are meant has to be said, and a dashboard must be one."""
    told = journalled.run("outbox", "retry", *arguments)
    assert (told.code, told.out) == (2, "")


# --- giving up ---


def test_giving_up(journalled: Site, dashboard: SampleDashboard) -> None:
    """What is discarded is never sent; who did it and why is written down."""
    told = journalled.run("outbox", "discard", "--user", "1001", "--reason", "left\nus", "--yes")
    assert (told.code, told.out, told.err) == (0, "1 punch for dashboard is discarded.\n", "")
    (one,) = listed(journalled, "--discarded")
    assert (one["id"], one["reason"]) == (FIRST, f"left us (by {getpass.getuser()})")
    journalled.sync()
    assert FIRST not in dashboard.events
    assert counts(journalled) == Counts(punches=5, confirmed=2, parked=1, held=1, discarded=1)


GIVEN_UP = "old is given up: nothing is kept for it any more, unless the inventory names it again.\n"


def test_a_dashboard_that_is_gone_for_good(journalled: Site) -> None:
    """One that left the inventory is given up whole, with what still waits only where that is said."""
    assert "dashboard old: 4 punches wait for it" in journalled.sync().err
    only_parked = journalled.run("outbox", "discard", "--to", "old", "--all", "--reason", "x", "--yes")
    assert only_parked.out == "1 punch for old is discarded.\n"
    told = journalled.run(
        "outbox", "discard", "--to", "old", "--all", "--pending", "--reason", "shut down", "--yes"
    )
    assert (told.code, told.out) == (0, f"4 punches for old are discarded.\n{GIVEN_UP}")
    assert counts(journalled, "old") == Counts(punches=5, discarded=5)


def test_confirmed_punches_are_not_given_up(journalled: Site) -> None:
    """What a dashboard has stays confirmed, whatever becomes of another one of its second."""
    (held,) = listed(journalled, "--held", "--to", "dashboard")
    first = journalled.run("outbox", "discard", "--id", held["id"], "--reason", "x", "--yes")
    again = journalled.run("outbox", "discard", "--id", held["id"], "--reason", "x", "--yes")
    assert first.out == "1 punch for dashboard is discarded.\n"
    assert (again.code, again.out) == (1, "")
    assert "dashboard: it is discarded already" in again.err
    assert counts(journalled) == Counts(punches=5, pending=1, confirmed=1, parked=2, discarded=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--yes", "--reason", "x"),
        ("--yes", "--reason", "x", "--to", "old"),
        ("--yes", "--reason", "x", "--all"),
        ("--yes", "--reason", "x", "--all", "--to", "main"),
        ("--yes", "--reason", " ", "--user", "1001"),
        ("--yes", "--user", "1001"),
        ("--reason", "x", "--user", "1001"),
    ],
    ids=" ".join,
)
def test_wrong_usage(journalled: Site, arguments: tuple[str, ...]) -> None:
    """Without saying which, why, or (where nobody can be asked) `--yes`, nothing is given up."""
    told = journalled.run("outbox", "discard", *arguments)
    assert (told.code, told.out) == (2, "")
    assert counts(journalled) == BEFORE
    assert counts(journalled, "old") == OLD


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 130)])
def test_a_person_is_asked(journalled: Site, answer: str, code: int) -> None:
    """At a terminal it is shown how many and which are meant, and only a yes gives them up."""
    arguments = ("outbox", "discard", "--all", "--pending", "--to", "dashboard", "--reason", "x")
    ended, shown = at_a_terminal(journalled, *arguments, answer=answer)
    assert ended == code
    assert f"dashboard  parked  {FIRST}  front-door  1001" in shown
    assert "Discard 4 punches for dashboard? [y/N]" in shown
    after = Counts(punches=5, confirmed=1, discarded=4)
    assert counts(journalled) == (BEFORE if code else after)


def test_only_a_few_are_shown(site: Site, dashboard: SampleDashboard) -> None:
    """Of many that are meant the first few are shown, and how many more there are."""
    site.write(dashboard.url, entry("front-door", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard")
        visit(journal).take(piece(*punches(1234)))
    arguments = ("--all", "--pending", "--to", "dashboard", "--reason", "x")
    code, shown = at_a_terminal(site, "outbox", "discard", *arguments, answer="y\n")
    assert code == 0
    assert shown.count("  pending  ") == 5
    assert "... and 1,229 more" in shown
    assert "1,234 punches for dashboard are discarded." in shown


@pytest.mark.parametrize("command", ["retry", "discard"])
def test_a_dashboard_that_is_delivered_to(journalled: Site, command: str) -> None:
    """While a delivery goes on nothing is changed: code 75, and one sentence."""
    more = ["--reason", "x", "--yes"] if command == "discard" else []
    with lock(journalled.journal, "dashboard dashboard"):
        told = journalled.run("outbox", command, "--user", "1001", *more)
    assert (told.code, told.out) == (75, "")
    assert told.err == "zkpoll: dashboard: another run delivers to it now; nothing was changed, try again\n"
    assert counts(journalled) == BEFORE


def test_a_dashboard_that_is_delivered_to_for_a_moment(journalled: Site) -> None:
    """Between two rounds of `zkpoll serve` its dashboard is free: a person's decision waits for that."""
    with lock(journalled.journal, "dashboard dashboard"):
        process = journalled.start("outbox", "retry", "--user", "1001")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
    told = journalled.finish(process)
    assert (told.code, told.err) == (0, "")
    assert "sent again at the next sync" in told.out
