"""`zkpoll devices pending`: who called and was not let in, and what lets it in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import yaml

from tests.site import at_a_terminal
from zkpoll.journal import callers, pushed
from zkpoll.journal.callers import Caller
from zkpoll.journal.opening import open_journal
from zkpoll.journal.pushed import Contact

if TYPE_CHECKING:
    from tests.site import Site

SERIAL: Final = "CQZ7224760045"
GATE: Final = f"name: gate, serial: {SERIAL}, push: {{secret: '${{GATE_PATH}}', networks: [198.51.100.0/24]}}"
OFF: Final = "name: terminal-1, serial: OFF1, push: true, enabled: false"
NOWHERE: Final = "http://127.0.0.1:9/x"
NOON: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER: Final = NOON + timedelta(minutes=10)


def caller(serial: str, reason: str, **more: str) -> Caller:
    """Return a caller that was turned away twelve times in ten minutes."""
    return Caller(serial, reason, NOON, LATER, 12, "203.0.113.7", "/iclock/cdata", **more)


def refused(site: Site, *rows: Caller, nameless: int = 0) -> None:
    """Have these turned away, the first one last."""
    site.write(NOWHERE, GATE, OFF)
    with open_journal(site.journal) as journal:
        callers.note(journal, reversed(rows), nameless)


UNKNOWN: Final = caller("0123", "unknown serial", push_version="2.4.1", device_type="att")
EVERYBODY: Final = (
    UNKNOWN,
    caller(SERIAL, "wrong secret"),
    caller("OFF1", "disabled"),
    caller("X-9", "unknown serial"),
)


def test_lines(site: Site) -> None:
    """In a pipe there is a line for each caller, one for the nameless, and last the lines to paste."""
    refused(site, *EVERYBODY, nameless=3)
    told = site.run("devices", "pending")
    assert (told.code, told.err) == (0, "")
    hint = (
        "type http://HOST:PORT/SECRET into its menu; some firmware drops what stands behind the address, and"
        " needs networks: in place of secret:"
    )
    calls = "12 requests from 203.0.113.7, 2026-11-22 12:00Z to 2026-11-22 12:10Z"
    assert told.out.splitlines() == [
        f"0123  unknown serial  {calls}  /iclock/cdata, pushver 2.4.1, DeviceType att",
        f"{SERIAL}  wrong secret (gate)  {calls}  /iclock/cdata  {hint}",
        f"OFF1  disabled (terminal-1)  {calls}  /iclock/cdata  it is taken out: enabled: false",
        f"X-9  unknown serial  {calls}  /iclock/cdata",
        "3 requests without a serial number",
        "- {name: terminal-2, serial: '0123', push: true}",
        "- {name: terminal-3, serial: 'X-9', push: true}",
    ]


def test_what_is_pasted_is_a_device(site: Site) -> None:
    """The lines are entries of an inventory as they stand, also of a serial number of digits."""
    refused(site, *EVERYBODY)
    lines = [line for line in site.run("devices", "pending").out.splitlines() if line.startswith("- ")]
    assert [one["serial"] for one in yaml.safe_load("\n".join(lines))] == ["0123", "X-9"]
    site.inventory.write_text(site.inventory.read_text() + "".join(f"  {line}\n" for line in lines))
    site.environment["GATE_PATH"] = "0123456789abcdef"
    checked = site.run("config", "check", "--json").document()
    assert [one["serial"] for one in checked["devices"]] == [SERIAL, "OFF1", "0123", "X-9"]
    assert "it is in the inventory by now; restart `zkpoll serve`" in site.run("devices", "pending").out


def test_a_document(site: Site) -> None:
    """JSON has every field of every caller, with its device, the hint and the entry."""
    refused(site, caller(SERIAL, "outside its networks"), UNKNOWN, nameless=1)
    told = site.run("devices", "pending", "--json").document()
    assert (told["serving"], told["nameless_requests"]) == (False, 1)
    outside, unknown = told["callers"]
    assert (outside["device"], outside["hint"], outside["entry"]) == (
        "gate",
        "add 203.0.113.7 to networks: if it is the terminal",
        None,
    )
    assert unknown == {
        "serial": "0123",
        "reason": "unknown serial",
        "first_at": "2026-11-22T12:00:00.000+00:00",
        "last_at": "2026-11-22T12:10:00.000+00:00",
        "requests": 12,
        "address": "203.0.113.7",
        "path": "/iclock/cdata",
        "push_version": "2.4.1",
        "device_type": "att",
        "device": None,
        "hint": None,
        "entry": "- {name: terminal-2, serial: '0123', push: true}",
    }


def test_a_window(site: Site) -> None:
    """At a terminal each has some short lines, and it says where the entries belong."""
    refused(site, *EVERYBODY, nameless=3)
    code, screen = at_a_terminal(site, "devices", "pending")
    assert code == 0
    assert max(map(len, screen.splitlines())) <= 80
    assert "OFF1  disabled (terminal-1)\n    12 requests from 203.0.113.7, 2026-11-22 12:00Z to" in screen
    assert "put its line under devices: in the inventory" in " ".join(screen.split())
    assert "\n  - {name: terminal-2, serial: '0123', push: true}\n" in screen


def test_nobody(site: Site) -> None:
    """Where nobody was refused, a person is told where else to look, and a pipe nothing."""
    site.write(NOWHERE, GATE)
    told = site.run("devices", "pending", "--forget")
    assert (told.code, told.out) == (0, "")
    assert json.loads(site.run("devices", "pending", "--json").out)["callers"] == []
    _, screen = at_a_terminal(site, "devices", "pending")
    words = " ".join(screen.split())
    assert words.startswith("Nobody was refused; no `zkpoll serve` runs.")
    assert "look at the server address and port in its menu" in words


def test_those_that_were_let_in_since(site: Site) -> None:
    """A caller that has called since, and was let in, is no news."""
    refused(site, caller(SERIAL, "wrong secret"))
    with open_journal(site.journal) as journal:
        pushed.contacts(journal, [Contact("gate", SERIAL, LATER, LATER, "198.51.100.7")])
    assert "wrong secret" in site.run("devices", "pending").out
    after = LATER + timedelta(seconds=1)
    with open_journal(site.journal) as journal:
        pushed.contacts(journal, [Contact("gate", SERIAL, after, after, "198.51.100.7")])
    assert site.run("devices", "pending").out == ""


def test_forgetting(site: Site) -> None:
    """They are shown once more, and are gone then."""
    refused(site, *EVERYBODY, nameless=3)
    told = site.run("devices", "pending", "--forget")
    assert (told.code, len(told.out.splitlines()), told.err) == (0, 7, "zkpoll: 4 callers are forgotten\n")
    assert site.run("devices", "pending").out == ""
