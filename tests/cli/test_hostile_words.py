"""A terminal whose words would forge lines: on no screen, in no log, no table and no mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.site import at_a_terminal, entry
from zkpoll.simulator import Command, Model, Terminal, WireFrame, serve
from zkpoll.simulator.records import EnrolledUser

if TYPE_CHECKING:
    from tests.site import Result, Site
    from zkpoll.simulator import ClientSession, SampleDashboard

FORGERY = "\x1b[2K\r\nback: all is well\u202e"
REPORTS = (
    ("devices", "list"),
    ("devices", "ping"),
    ("devices", "info", "front"),
    ("status",),
    ("punches", "export"),
    ("users", "export"),
)


def check_words(told: Result) -> None:
    """Assert that nothing steers a screen or begins a line of its own."""
    for line in (told.out + told.err).split("\n"):
        assert line.isprintable(), line
        assert not line.startswith("back: all is well"), line


def test_a_serial_number_forges_no_line(site: Site, dashboard: SampleDashboard) -> None:
    """Nothing is journalled or sent under such a name; run and reports are lines of ours alone."""
    terminal = Terminal.with_samples(5, model=Model(serial=f"A1{FORGERY}"))
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where))
        told = [site.sync("-v"), site.sync(), *(site.run(*words) for words in REPORTS)]
        screens = [at_a_terminal(site, *words)[1] for words in (("sync",), *REPORTS[:4])]
    for one in told:
        check_words(one)
    assert all("back: all is well" not in screen.splitlines() for screen in screens)
    assert told[1].code == 1
    assert told[1].err.count("\n") == 1
    assert r'tells a serial number that cannot be one ("A1\x1b[2K\r\nback' in told[1].err
    assert not dashboard.events
    assert told[REPORTS.index(("punches", "export")) + 2].out.count("\n") == 1


@pytest.mark.parametrize("answer", [b"\x01", b"~SerialNumber\0", b"~DeviceName=K40\0", b"x" * 60_000])
def test_a_wrong_first_answer_sends_nothing_twice(
    answer: bytes, site: Site, dashboard: SampleDashboard
) -> None:
    """Another thing in place of the serial number ends one visit; the next one sends each punch once."""
    terminal = Terminal.with_samples(5)
    right, asked = terminal.handlers[Command.OPTIONS_RRQ], []

    def first(client: ClientSession, request: WireFrame) -> list[WireFrame]:
        asked.append(request)
        if len(asked) == 1:
            return [WireFrame(Command.ACK_OK, client.id, request.reply_id, answer)]
        return right(client, request)

    terminal.handlers[Command.OPTIONS_RRQ] = first
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where))
        told = [site.sync(), site.sync()]
    assert [one.code for one in told] == [1, 0]
    assert "was asked for its serial number and answers" in told[0].err
    assert told[0].err.count("\n") == 1
    assert len(told[0].err) < 500
    assert {event["serial_number"] for event in dashboard.events.values()} == {"CQZ7224760045"}
    assert len(dashboard.events) == 5


def test_other_words_forge_no_line(site: Site, dashboard: SampleDashboard) -> None:
    """A model, a firmware, a vendor and a user's name are shown as they are, on their own line."""
    model = Model(
        firmware=f"6.60{FORGERY}", options={"~DeviceName": f"K40{FORGERY}", "~OEMVendor": f"ZK{FORGERY}"}
    )
    terminal = Terminal(model, users=[EnrolledUser(1, "1", "Ada\x1b[2K\r\nback")])
    terminal.punch("1")
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where))
        told = [site.sync("-v"), *(site.run(*words) for words in REPORTS)]
        found = site.run("devices", "discover", "127.0.0.1/32", "--port", str(where.port))
    for one in (*told, found):
        assert one.code == 0
        check_words(one)
    assert r"K40\x1b[2K\r\nback: all is well\xe2\x80\xae" in told[3].out
    assert r"Ada\x1b[2K\r\nback" in told[-1].out
    assert r"K40\x1b[2K\r\nback: all is well" in found.out
