"""`zkpoll devices accept`: another terminal where a device belongs, a repaired one, two that were swapped."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.look import inside
from tests.site import TOKEN, entry
from zkpoll.inventory import load
from zkpoll.model.punch import punch_id
from zkpoll.simulator import Model, Terminal, serve
from zkpoll.sync import sync

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import Listening, SampleDashboard

OLD = "CQZ7224760045"
NEW = "OIN7030067091200012"


def ids_of(terminal: Terminal, serial: str) -> set[str]:
    """Return the ids of every punch a terminal ever took, as that serial number's."""
    return {punch_id(serial, record.user_id, record.time.isoformat()) for record in terminal.history}


def states(site: Site) -> Counter[tuple[str, str]]:
    """Return how many punches of each device key are in each state."""
    query = """
        SELECT device.key, outbox.state FROM outbox
        JOIN punch ON punch.seq = outbox.punch JOIN device ON device.id = punch.device
    """
    with inside(site.journal) as db:
        return Counter(db.execute(query).fetchall())


def repaired(terminal: Terminal, serial: str) -> Terminal:
    """Return a terminal with another serial number and the log that `terminal` has."""
    copy = Terminal(Model(serial=serial), users=terminal.users)
    copy.record(terminal.history)
    return copy


def test_another_terminal_waits_until_it_is_accepted(site: Site, dashboard: SampleDashboard) -> None:
    """A stranger's punches are kept, told of once, and go out once, as its own, when it is accepted."""
    old, other = Terminal.with_samples(7), Terminal.with_samples(5, model=Model(serial="B"))
    new = Terminal.with_samples(9, model=Model(serial=NEW))  # the same people, the same seconds
    with serve(other) as back:
        with serve(old) as front:
            site.write(dashboard.url, entry("front", front), entry("back", back))
            assert site.sync().code == 0
        delivered = dict(dashboard.events)
        with serve(new, port=front.port):
            met = site.sync()
            kept = states(site)
            other.punch("1001", datetime(2026, 11, 22, 9))
            again = site.sync()
            assert dashboard.events.keys() == delivered.keys() | ids_of(other, "B")
            accepted = site.run("devices", "accept", "front")
            last = site.sync()
    assert met.code == 1
    assert len(met.err.splitlines()) == 1
    assert NEW in met.err
    assert OLD in met.err
    assert "zkpoll devices accept front" in met.err
    assert kept == {(OLD, "confirmed"): 7, ("B", "confirmed"): 5, (NEW, "held"): 9}
    assert (again.code, again.out, again.err) == (1, "", "")
    assert (accepted.code, accepted.err) == (0, "")
    assert accepted.out == f"front is a new terminal from now on (serial number {NEW}).\n"
    assert (last.code, last.err) == (0, "zkpoll: device front: well again, after 0 min\n")
    assert dashboard.events.keys() == ids_of(old, OLD) | ids_of(new, NEW) | ids_of(other, "B")
    assert dashboard.duplicates == 0
    assert delivered.items() <= dashboard.events.items()
    assert states(site) == {(OLD, "confirmed"): 7, ("B", "confirmed"): 6, (NEW, "confirmed"): 9}


def test_a_repaired_terminal_keeps_its_punches(site: Site, dashboard: SampleDashboard) -> None:
    """With `--same-terminal` nothing is doubled, and what is new goes out under the number it always had."""
    old = Terminal.with_samples(12)
    with serve(old) as front:
        site.write(dashboard.url, entry("front", front))
        site.sync()
    same = repaired(old, NEW)
    with serve(same, port=front.port):
        same.punch("1001", datetime(2026, 11, 22, 9))  # while nobody knows yet who it is
        assert site.sync().code == 1
        assert len(dashboard.events) == 12
        accepted = site.run("devices", "accept", "front", "--same-terminal")
        same.punch("1002", datetime(2026, 11, 22, 9, 1))
        document = site.report()
    assert accepted.out == f"front is the terminal it was (serial number {NEW}).\n"
    assert document["exit_code"] == 0
    assert document["devices"][0]["serial_number"] == OLD
    assert document["devices"][0]["first_seen"] == 1
    assert dashboard.events.keys() == ids_of(same, OLD)
    assert dashboard.duplicates == 0
    assert states(site) == {(OLD, "confirmed"): 14, (NEW, "discarded"): 12}


def test_a_wrong_address_needs_no_accepting(site: Site, dashboard: SampleDashboard) -> None:
    """When `host:` is put right again all is well, and what was read of the stranger stays held."""
    right, wrong = Terminal.with_samples(6), Terminal.with_samples(8, model=Model(serial=NEW))
    with serve(right) as good, serve(wrong) as bad:
        site.write(dashboard.url, entry("front", good))
        site.sync()
        site.write(dashboard.url, entry("front", bad))
        assert site.sync().code == 1
        right.punch("1001", datetime(2026, 11, 22, 9))
        site.write(dashboard.url, entry("front", good))
        last = site.sync()
    assert (last.code, last.err) == (0, "zkpoll: device front: well again, after 0 min\n")
    assert dashboard.events.keys() == ids_of(right, OLD)
    assert states(site) == {(OLD, "confirmed"): 7, (NEW, "held"): 8}


@pytest.mark.parametrize("accepting", [False, True], ids=["swapped back", "accepted"])
def test_two_terminals_that_were_swapped(site: Site, dashboard: SampleDashboard, accepting: bool) -> None:
    """Two devices that changed places lose and mix up nothing: each punch goes out once, as its own."""
    one, two = Terminal.with_samples(6), Terminal.with_samples(8, model=Model(serial=NEW))
    with serve(one) as a, serve(two) as b:
        site.write(dashboard.url, entry("a", a), entry("b", b))
        site.sync()
        one.punch("1001", datetime(2026, 11, 22, 9))
        two.punch("1001", datetime(2026, 11, 22, 9))
        site.write(dashboard.url, entry("a", b), entry("b", a))
        swapped = site.sync()
        assert len(dashboard.events) == 14
        assert states(site)[OLD, "held"] == states(site)[NEW, "held"] == 1
        if accepting:
            assert site.run("devices", "accept", "a").code == site.run("devices", "accept", "b").code == 0
        else:
            site.write(dashboard.url, entry("a", a), entry("b", b))
        one.punch("1002", datetime(2026, 11, 22, 9))
        document = site.report()
    assert swapped.code == 1
    assert len(swapped.err.splitlines()) == 1
    assert document["exit_code"] == 0
    assert [device["serial_number"] for device in document["devices"]] == (
        [NEW, OLD] if accepting else [OLD, NEW]
    )
    assert dashboard.events.keys() == ids_of(one, OLD) | ids_of(two, NEW)
    assert dashboard.duplicates == 0


def test_a_swapped_terminal_accepted_halfway(site: Site, dashboard: SampleDashboard) -> None:
    """Of two swapped terminals one may be accepted; the other is then at home where it answers, too."""
    one, two = Terminal.with_samples(6), Terminal.with_samples(8, model=Model(serial=NEW))
    with serve(one) as a, serve(two) as b:
        site.write(dashboard.url, entry("a", a), entry("b", b))
        site.sync()
        one.punch("1001", datetime(2026, 11, 22, 9))
        site.write(dashboard.url, entry("a", b), entry("b", a))
        assert site.sync().code == 1
        assert site.run("devices", "accept", "a").code == 0
        assert site.sync().code == 0
    assert dashboard.events.keys() == ids_of(one, OLD) | ids_of(two, NEW)
    assert dashboard.duplicates == 0


def visit(site: Site, url: str, **devices: Listening) -> None:
    """Sync these devices, in process: what is told of it is not looked at."""
    site.write(url, *(entry(name, address) for name, address in devices.items()))
    sync(load(site.inventory, {"TOKEN": TOKEN}))


def test_a_stranger_that_has_gone_is_not_accepted(site: Site, dashboard: SampleDashboard) -> None:
    """Once the device itself answers again there is nothing to accept."""
    with serve(Terminal.with_samples(6)) as right:
        with serve(Terminal.with_samples(8, model=Model(serial=NEW))) as wrong:
            for address in (right, wrong, right):
                visit(site, dashboard.url, front=address)
        assert site.run("devices", "accept", "front").code == 1


def test_of_two_strangers_the_last_is_accepted(site: Site, dashboard: SampleDashboard) -> None:
    """The terminal that is accepted is the one that answers now, not one that did so long ago."""
    for serial in (OLD, "MISTAKE", NEW):
        with serve(Terminal.with_samples(6, model=Model(serial=serial))) as address:
            visit(site, dashboard.url, front=address)
    assert NEW in site.run("devices", "accept", "front").out


def test_another_device_is_no_repaired_one(site: Site, dashboard: SampleDashboard) -> None:
    """A terminal that is a device of its own cannot be accepted as another one, which would double it."""
    with (
        serve(Terminal.with_samples(6)) as a,
        serve(Terminal.with_samples(8, model=Model(serial=NEW))) as b,
    ):
        visit(site, dashboard.url, one=a, two=b)
        visit(site, dashboard.url, one=b, two=a)
        assert site.run("devices", "accept", "one", "--same-terminal").code == 1
        visit(site, dashboard.url, one=b, two=a)
    assert len(dashboard.events) == 14


def test_nothing_to_accept(site: Site, dashboard: SampleDashboard) -> None:
    """Where no other terminal answered there is nothing to accept, which is said in one sentence."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    result = site.run("devices", "accept", "front")
    assert (result.code, result.out) == (1, "")
    assert result.err == "zkpoll: no other terminal than its own answers as front\n"


def test_accepting_needs_no_secret(site: Site, dashboard: SampleDashboard) -> None:
    """An operator's shell has neither the variables nor the files of secrets, and can accept all the same."""
    with serve(Terminal.with_samples(6)) as right:
        visit(site, dashboard.url, front=right)
    with serve(Terminal.with_samples(8, model=Model(serial=NEW))) as wrong:
        visit(site, dashboard.url, front=wrong)
    text = site.inventory.read_text()
    site.inventory.write_text(text.replace("${TOKEN}", "${file:$CREDENTIALS_DIRECTORY/token}"))
    assert site.run("devices", "accept", "front").code == 0


def test_accepting_a_name_that_is_not_there(site: Site, dashboard: SampleDashboard) -> None:
    """A name that the inventory lacks is wrong usage, and the names there are get told."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    result = site.run("devices", "accept", "frnt")
    assert result.code == 2
    assert "no device 'frnt' in the inventory; there are front" in result.err
    assert not site.journal.exists()
