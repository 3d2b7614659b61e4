"""Orders to terminals that push, with a real `zkpoll serve` and a virtual terminal that obeys."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.look import inside, look
from tests.serve.serving import SERIAL, journalled, line, serving, write
from tests.site import entry
from tests.waiting import wait_for
from zkpoll.simulator import Model, Terminal, serve
from zkpoll.simulator.push_model import PushModel
from zkpoll.simulator.push_terminal import PushTerminal, pushing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.serving import Serving
    from tests.site import Site


ANYWHERE = "127.0.0.1:0"


@contextmanager
def open_door(site: Site, address: str = ANYWHERE, timezone: str = "UTC") -> Iterator[Serving]:
    """Run `zkpoll serve --no-deliver` at an address for the device `gate` in a time zone."""
    gate = f"name: gate, serial: '{SERIAL}', push: true, timezone: {timezone}"
    listen = f"listen: {{address: '{address}', poll_every: 2s}}\n"
    site.write("http://127.0.0.1:9", gate, more=listen)
    with serving(site, "--no-deliver") as door:
        yield door


def at(door: Serving) -> str:
    """Return the address of a door, for another one that is to take its place."""
    return f"{door.address[0]}:{door.address[1]}"


def terminal_of(door: Serving, *users: str, model: PushModel | None = None) -> PushTerminal:
    """Return a terminal that calls here, and at which these people have punched, an hour after another."""
    terminal = Terminal(Model(serial=SERIAL))
    for hour, user in enumerate(users):
        terminal.punch(user, datetime(2026, 11, 20, 8) + timedelta(hours=hour))
    return PushTerminal(door.url, terminal, model, pace=0.2)


def words(terminal: PushTerminal) -> list[str]:
    """Return the commands that a terminal has heard, without their times."""
    return [text.split(" StartTime")[0] for _, text in terminal.commands]


def test_a_terminal_hears_of_another_zone(site: Site) -> None:
    """A terminal that shakes hands only when it starts is told another zone by one CHECK."""
    with open_door(site) as door:
        terminal = terminal_of(door, "1", "2", model=PushModel(handshakes_once=True))
        with pushing(terminal):
            wait_for(lambda: len(journalled(site)) == 2)
    assert terminal.settings.told["TimeZone"] == "0"
    with open_door(site, at(door), "Asia/Dhaka"), pushing(terminal):
        wait_for(lambda: terminal.settings.told["TimeZone"] == "6", 40)
        wait_for(lambda: look(site.journal, "SELECT return_code FROM push_command") == [(0,)])
    assert words(terminal) == ["CHECK"]
    assert len(journalled(site)) == 2


def test_what_never_came_comes_after_all(site: Site) -> None:
    """Punches that another server had acknowledged are missed by their number, asked for once, and come."""
    with open_door(site) as other:
        terminal = terminal_of(other, "1", "2", "3")
        with pushing(terminal):
            wait_for(lambda: len(terminal.acknowledged) == 3)
    for file in site.folder.glob("journal.db*"):
        file.unlink()
    terminal.boot()  # it tells how many punches it holds
    with open_door(site, at(other)), pushing(terminal):
        wait_for(
            lambda: look(site.journal, "SELECT gap_since FROM push_device WHERE gap_since > ''") != [], 40
        )
        assert (journalled(site), terminal.commands) == ([], [])
        with inside(site.journal) as db:  # ten minutes go by
            earlier = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
            db.execute("UPDATE push_device SET gap_since = ?", (earlier,))
        wait_for(lambda: len(journalled(site)) == 3, 40)
    assert words(terminal) == ["DATA QUERY ATTLOG"]


def test_one_asks_by_hand(site: Site) -> None:
    """`zkpoll devices ask` brings punches again that are not in the journal any more, by the wall clock."""
    with open_door(site) as door:
        terminal = terminal_of(door, "1", "2", "3")
        with pushing(terminal):
            wait_for(lambda: len(journalled(site)) == 3)
            wait_for(lambda: look(site.journal, "SELECT 1 FROM push_device") != [])
            with inside(site.journal) as db:
                db.executescript(
                    "DELETE FROM form; DELETE FROM outbox; DELETE FROM push_line; DELETE FROM punch;"
                    "DELETE FROM push_table"
                )
            told = site.run("devices", "ask", "gate", "--since", "2026-11-20T09:00:00")
            assert (told.code, told.err) == (0, "")
            wait_for(lambda: len(journalled(site)) == 2, 40)
            wait_for(lambda: look(site.journal, "SELECT return_code FROM push_command") == [(0,)])
            shown = site.run("devices", "info", "gate", "--json").document()
    assert [user for user, _ in journalled(site)] == ["2", "3"]
    (command,) = shown["push"]["commands"]
    assert (command["kind"], command["return_code"], command["offers"]) == ("by hand", 0, 1)


def test_the_reading_tells_what_push_did_not_bring(site: Site) -> None:
    """A visit tells once how many old punches it alone brought; a fresh one may be on its way."""
    terminal = Terminal(Model(serial=SERIAL))
    terminal.set_clock(datetime.now(UTC).replace(tzinfo=None))
    for hour in range(12):
        terminal.punch("1", datetime(2026, 11, 20, 8) + timedelta(hours=hour))
    with serve(terminal) as where:
        write(site, devices=[f"{entry('gate', where)}, serial: '{SERIAL}', push: true"])
        terminal.punch("9", datetime(2026, 11, 21, 8), verify=1)
        with serving(site, "--no-deliver") as door:
            assert door.push(line("9", "2026-11-21 08:00:00")).status == 200
            wait_for(lambda: look(site.journal, "SELECT 1 FROM push_device") != [])
            told = site.sync("--no-deliver")
            assert (told.code, told.err) == (0, "zkpoll: device gate: 12 punches had not come by push\n")
            terminal.punch("2")
            again = site.sync("--no-deliver")
            assert (again.code, again.err) == (0, "")
    assert len(journalled(site)) == 14


def test_a_reading_of_one_that_never_pushed(site: Site) -> None:
    """While a device has not pushed yet, its visits say nothing of push."""
    terminal = Terminal(Model(serial=SERIAL))
    terminal.punch("1", datetime(2026, 11, 20, 8))
    with serve(terminal) as where:
        write(site, devices=[f"{entry('gate', where)}, serial: '{SERIAL}', push: true"])
        with serving(site, "--no-deliver") as door:
            assert door.ask(f"/iclock/cdata?SN={SERIAL}&options=all").status == 200
            wait_for(lambda: look(site.journal, "SELECT 1 FROM push_device") != [])
            told = site.sync("--no-deliver")
    assert "by push" not in told.err
    assert len(journalled(site)) == 1
