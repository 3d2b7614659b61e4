"""`shifts:` of a Frappe site: its attendance is processed exactly as far as all punches are there."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest

from tests.delivery.frappe_site import TOKEN, FrappeSite
from tests.delivery.troubled import CUT
from tests.peers import closed_port
from tests.site import Site, at_a_terminal, entry
from zkpoll.simulator import Model, Terminal, serve
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.simulator import Listening

DHAKA: Final = ZoneInfo("Asia/Dhaka")
MARGIN: Final = timedelta(seconds=3)
"""What rounding the clocks may cost."""
AN_HOUR_AGO: Final = datetime.now().replace(microsecond=0) - timedelta(hours=1)
"""By the terminals' wall clocks, which show UTC in tests."""
LONG_AGO: Final = "2026-01-01 00:00:00"


class Company:
    """Two terminals and a site with one shift at both."""

    def __init__(self, site: Site, erp: FrappeSite, stack: ExitStack) -> None:
        self.site = site
        self.erp = erp
        self.front, self.back = Terminal(Model(serial="F1")), Terminal(Model(serial="B1"))
        self.addresses: dict[str, Listening | tuple[str, int]] = {
            "front": stack.enter_context(serve(self.front)),
            "back": stack.enter_context(serve(self.back)),
        }
        self.day = erp.shift("Day", LONG_AGO)
        self.more = ""
        """Settings of the site besides the usual ones."""

    def sync(self, *arguments: str, **back: object) -> dict[str, Any]:
        """Run `zkpoll sync`, with settings of the terminal at the back, and return its document."""
        self.write(**back)
        return self.site.report(*arguments)

    def write(self, **back: object) -> None:
        """Write the inventory."""
        self.site.write_for(
            f"name: erp, url: '{self.erp.url}', token: '{TOKEN}', format: frappe, attempts: 1, timeout: 5,"
            " frappe: {timezone: Asia/Dhaka, shifts: [{name: Day, devices: [front, back]}]}" + self.more,
            entry("front", self.addresses["front"]),
            entry("back", self.addresses["back"], **back),
        )

    @property
    def stands(self) -> datetime:
        """The moment up to which the site may process attendance."""
        return datetime.fromisoformat(self.day["last_sync_of_checkin"]).replace(tzinfo=DHAKA)


@pytest.fixture
def company(site: Site) -> Iterator[Company]:
    """Give a company whose employees are 1 and 2."""
    with FrappeSite() as erp, ExitStack() as stack:
        erp.employ("1", "2")
        yield Company(site, erp, stack)


def punch_the_impossible(terminal: Terminal) -> None:
    """Have a log of enough punches, and one record in it of 30 February."""
    for minute in range(30):
        terminal.punch("1", AN_HOUR_AGO + timedelta(minutes=minute))
    second = pack_time(datetime(2026, 2, 28, 8)) + 2 * 86_400
    terminal.append(terminal.log[0][:27] + second.to_bytes(4, "little") + terminal.log[0][31:])


def shift(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a run says of the shift."""
    ((found,),) = (delivery["shifts"] for delivery in document["deliveries"])
    return dict(found)


def test_it_moves_to_the_last_reading(company: Company) -> None:
    """With everything read and confirmed the shift stands where the first of the readings began."""
    company.front.punch("1")
    company.back.punch("2", state=1)
    before = datetime.now(UTC)
    document = company.sync()
    after = datetime.now(UTC)
    assert document["exit_code"] == 0
    assert {checkin["log_type"] for checkin in company.erp.checkins} == {"IN", "OUT"}
    assert before - MARGIN <= company.stands <= after
    assert [name for name, _ in company.erp.moves] == ["Day"]
    found = shift(document)
    assert (found["name"], found["moved"], found["late"], found["problem"]) == ("Day", True, False, None)
    assert datetime.fromisoformat(found["until"]) - company.stands < timedelta(seconds=1)


def test_it_moves_only_after_the_checkins(company: Company) -> None:
    """The site hears of the shift when it has every punch from before that time."""
    order: list[str] = []
    company.erp.stored = lambda: order.append("checkin")
    company.front.punch("1")
    company.sync()
    paths = [(request.method, request.path.split("?")[0]) for request in company.erp.requests]
    assert paths[-1] == ("PUT", "/api/resource/Shift%20Type/Day")
    assert order == ["checkin"]


def test_a_device_that_is_away_holds_it(company: Company) -> None:
    """While one of its terminals cannot be read, nobody is marked absent for what that one may hold."""
    company.sync()
    stood = company.stands
    address = company.addresses["back"]
    with closed_port() as nobody:
        company.addresses["back"] = nobody
        company.front.punch("1")
        document = company.sync()
    assert document["exit_code"] == 1
    assert company.stands == stood
    assert shift(document)["held_by"] == "back, last read then"
    company.addresses["back"] = address
    assert shift(company.sync())["moved"]
    assert company.stands > stood


def test_a_device_that_is_taken_out_holds_it(company: Company) -> None:
    """A terminal with `enabled: false` is read by nobody, so its shift does not move either."""
    company.sync()
    stood = company.stands
    assert not shift(company.sync(enabled="false"))["moved"]
    assert company.stands == stood


def test_a_device_that_was_never_read(company: Company) -> None:
    """Before all of its terminals were read once, a shift is not moved at all, and a person is told."""
    with closed_port() as nobody:
        company.addresses["back"] = nobody
        document = company.sync()
    assert company.day["last_sync_of_checkin"] == LONG_AGO
    assert company.erp.moves == []
    assert shift(document)["until"] is None
    told = document["troubles"]["shift Day of erp"]["text"]
    assert "back was not read to its end yet" in told


def test_a_parked_punch_holds_it(company: Company) -> None:
    """A punch of somebody whom the site does not know holds its shift until somebody sees to it."""
    made = AN_HOUR_AGO + timedelta(minutes=5)
    company.front.punch("1", AN_HOUR_AGO)
    company.front.punch("77", made)
    company.back.punch("2")
    document = company.sync()
    assert document["deliveries"][0]["parked_now"] == 1
    assert shift(document)["held_by"] == "front, with 1 punches parked"
    assert company.stands == made.replace(tzinfo=UTC)
    assert shift(company.sync())["moved"] is False
    assert company.stands == made.replace(tzinfo=UTC)
    company.erp.employ("77")
    assert company.site.run("outbox", "retry", "--user", "77").code == 0
    assert shift(company.sync())["moved"]
    assert len(company.erp.checkins) == 3
    assert company.stands > made.replace(tzinfo=UTC) + timedelta(minutes=30)


def test_a_punch_that_was_discarded_does_not(company: Company) -> None:
    """What a person gave up holds nothing any more."""
    company.front.punch("77", AN_HOUR_AGO)
    assert company.sync()["exit_code"] == 1
    stood = company.stands
    company.site.run("outbox", "discard", "--user", "77", "--reason", "a visitor", "--yes")
    assert shift(company.sync())["moved"]
    assert company.stands > stood


@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_a_clock_that_is_off(company: Company, off: timedelta) -> None:
    """By as much as a terminal's clock is off, either way, the shift stays behind."""
    company.back.set_clock(datetime.now() + off)
    before = datetime.now(UTC)
    document = company.sync()
    assert document["exit_code"] == 1
    assert document["troubles"]["device back"]["kind"] == "clock"
    assert abs(company.stands - (before - abs(off))) <= MARGIN
    assert shift(document)["held_by"] == "back, last read then"


def test_a_clock_that_is_put_right(company: Company) -> None:
    """When this run sets a clock back, the punches that follow have times behind the shift's."""
    company.back.set_clock(datetime.now() + timedelta(minutes=10))
    if not shift(company.sync(clock="{set_when_off_by: 30s}"))["moved"]:
        pytest.fail("the shift was not moved")
    company.back.set_clock(datetime.now())
    company.back.punch("2")
    assert company.stands < company.back.history[-1].time.replace(tzinfo=UTC)


def test_never_backwards(company: Company) -> None:
    """A person who set the shift further than that finds it where it was put."""
    company.day["last_sync_of_checkin"] = "2030-01-01 00:00:00"
    document = company.sync()
    assert document["exit_code"] == 0
    assert company.day["last_sync_of_checkin"] == "2030-01-01 00:00:00"
    assert company.erp.moves == []


def test_a_pending_punch_holds_it(company: Company) -> None:
    """What was not sent yet, because a run sends no more, is not there."""
    for minute in range(3):
        company.front.punch("1", AN_HOUR_AGO + timedelta(minutes=minute))
    company.more = ", max_per_run: 1"
    document = company.sync()
    assert shift(document)["held_by"] == "front, with 2 punches pending"
    assert company.stands == (AN_HOUR_AGO + timedelta(minutes=1)).replace(tzinfo=UTC)


def test_a_site_without_that_shift(company: Company) -> None:
    """A name that the site does not have is told, and fails no delivery."""
    company.erp.shift_types.clear()
    company.front.punch("1")
    document = company.sync()
    assert document["exit_code"] == 1
    assert len(company.erp.checkins) == 1
    assert "no Shift Type of that name" in document["troubles"]["shift Day of erp"]["text"]
    assert document["deliveries"][0]["ok"]


def test_rights_that_are_missing(company: Company) -> None:
    """A user who may not write Shift Types is told so, by cron once and not again at the next run."""
    company.erp.denied.add(("Shift Type", "write"))
    company.write()
    first, second = company.site.sync(), company.site.sync()
    assert (first.code, second.code) == (1, 1)
    (line,) = first.err.splitlines()
    assert line.startswith("zkpoll: shift Day of erp: its last_sync_of_checkin was not moved: ")
    assert "read and write Shift Type" in line
    assert second.err == ""
    company.erp.denied.clear()
    third = company.site.sync()
    assert third.code == 0
    assert "shift Day of erp" in third.err


@pytest.mark.parametrize("arguments", [("--no-deliver",), ("--dry-run",)])
def test_what_delivers_nothing_moves_nothing(company: Company, arguments: tuple[str, ...]) -> None:
    """A run that is not to deliver tells the site nothing."""
    company.front.punch("1")
    company.sync(*arguments)
    assert company.erp.requests == []


def test_addresses_that_were_exchanged(company: Company) -> None:
    """Punches that are held because another terminal answers there hold the shift, until they are sent."""
    company.front.punch("1", AN_HOUR_AGO)
    company.back.punch("2", AN_HOUR_AGO)
    company.sync("--no-deliver")
    made = AN_HOUR_AGO + timedelta(minutes=1)
    company.front.punch("1", made)
    company.back.punch("2", made)
    front, back = company.addresses["front"], company.addresses["back"]
    company.addresses |= {"front": back, "back": front}
    document = company.sync()
    assert document["exit_code"] == 1
    assert "punches held, from where another terminal belongs" in shift(document)["held_by"]
    assert company.stands == made.replace(tzinfo=UTC)
    company.addresses |= {"front": front, "back": back}
    company.sync()
    assert len(company.erp.checkins) == 4
    assert company.stands > made.replace(tzinfo=UTC)


def test_a_site_that_stops_answering(company: Company) -> None:
    """When the site answers no more after the punches, that is told as the dashboard's trouble, once."""
    company.front.punch("1")
    company.erp.requests_left = 2  # the question for the zone, and the punch
    document = company.sync()
    (delivery,) = document["deliveries"]
    assert (delivery["confirmed_now"], delivery["failure"]) == (1, "unreachable")
    assert delivery["problem"].startswith("shift Day: its last_sync_of_checkin was not moved: ")
    assert delivery["shifts"] == []
    assert list(document["troubles"]) == ["dashboard erp"]


def test_a_site_that_is_away(company: Company) -> None:
    """When the delivery failed, nothing is said of shifts."""
    company.front.punch("1")
    company.erp.requests_left = 0
    document = company.sync()
    assert document["deliveries"][0]["failure"] == "unreachable"
    assert document["deliveries"][0]["shifts"] == []


def test_at_a_terminal(company: Company) -> None:
    """A person sees which shift is held, and by what; one that is well takes no line."""
    company.front.punch("1")
    company.write()
    _, screen = at_a_terminal(company.site, "sync")
    assert "shift" not in screen
    with closed_port() as nobody:
        company.addresses["back"] = nobody
        company.site.journal.unlink()
        company.write()
        code, screen = at_a_terminal(company.site, "sync")
    assert code == 1
    assert "shift Day of erp  look" in " ".join(screen.split("\n"))


def test_the_log_of_a_run(company: Company) -> None:
    """`-v` says how far each shift is, in the site's time, and what holds it."""
    company.write()
    told = company.site.sync("-v")
    assert told.code == 0
    stands = company.stands.strftime("%Y-%m-%d %H:%M:%S")
    assert f"erp: shift Day is complete until {stands} (Asia/Dhaka): " in told.err


def test_a_record_in_quarantine_holds_it(company: Company) -> None:
    """A record of which nobody knows the time keeps the shift where it stands, until a person accepts it."""
    company.sync()
    stood = company.stands
    punch_the_impossible(company.back)
    document = company.sync()
    assert (document["exit_code"], len(company.erp.checkins)) == (1, 30)
    told = document["troubles"]["shift Day of erp"]["text"]
    assert (
        "back, with 1 record in quarantine, of a time that nobody knows: see zkpoll quarantine list" in told
    )
    assert told.endswith("then zkpoll quarantine accept --device back")
    held = shift(document)
    assert (datetime.fromisoformat(held["until"]), held["moved"], held["late"]) == (stood, False, True)
    assert not shift(company.sync("--full"))["moved"]
    assert "shift Day of erp: its punches are complete until" in company.site.sync().err
    assert "shift Day of erp" in company.site.run("status").out
    assert company.stands == stood
    assert company.site.run("quarantine", "accept", "--device", "back", "--yes").code == 0
    assert company.site.sync().code == 0
    assert company.stands > stood
    assert "shift" not in company.site.run("status").out


def test_a_record_in_quarantine_before_the_shift_was_ever_moved(company: Company) -> None:
    """The first run does not move it, either."""
    punch_the_impossible(company.front)
    company.erp.shift_types[0]["last_sync_of_checkin"] = None
    document = company.sync()
    assert (document["exit_code"], company.erp.moves, shift(document)["until"]) == (1, [], None)


def test_no_shift_is_moved_before_the_zone_is_known(company: Company) -> None:
    """A shift's time is told in the site's zone: where that was never heard, and is wrong, none is told."""
    company.erp.answers.append(CUT)
    (delivery,) = company.sync()["deliveries"]
    assert (delivery["failure"], delivery["shifts"], company.erp.moves) == ("unreachable", [], [])
    company.erp.zone = "Asia/Kolkata"
    (delivery,) = company.sync()["deliveries"]
    assert (delivery["failure"], delivery["shifts"], company.erp.moves) == ("configuration", [], [])
    company.erp.zone = "Asia/Dhaka"
    assert shift(company.sync())["moved"]
