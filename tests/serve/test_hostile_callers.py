"""Callers that mean no good, at the whole `zkpoll serve`: nothing of theirs is kept, nothing betrayed."""

from __future__ import annotations

import random
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import pytest

from tests.look import look
from tests.serve.serving import SERIAL, Heard, journalled, line, serving, write
from tests.waiting import wait_for
from zkpoll.simulator import PushModel, PushTerminal
from zkpoll.simulator.push_lines import PRIVATE, biodata_line, finger_line, photo, user_line, user_row
from zkpoll.simulator.terminal import Terminal

if TYPE_CHECKING:
    from tests.serve.serving import Serving
    from tests.site import Site


MB4: Final = 4 * 1024 * 1024
FORBIDDEN: Final = Heard(403, "Forbidden")
SECRET: Final = "q7Zp2Lw9Xk4Vb8Nm"
LOCKED: Final = f"name: gate, serial: '{SERIAL}', push: {{secret: {SECRET}}}"
PUNCH: Final = line("1001", "2026-11-22 08:59:58")


def still_takes(door: Serving, time_of_day: str = "23:59:59", before: str = "") -> None:
    """See that a terminal that behaves is served, whatever the others do."""
    body = line("1001", f"2026-11-22 {time_of_day}").encode()
    assert door.ask(f"{before}/iclock/cdata?SN={SERIAL}&table=ATTLOG", body) == Heard(200, "OK: 1")


def memory(door: Serving) -> int:
    """Return how many bytes of memory it had at most by now."""
    status = Path(f"/proc/{door.process.pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


# --- strangers ---


def test_bodies_of_strangers(site: Site) -> None:
    """What a stranger sends behind its head is kept nowhere, however much it is: not in memory either."""
    write(site)
    body = random.randbytes(MB4)
    with serving(site) as door:
        before = memory(door)
        for _ in range(4):
            assert door.ask("/iclock/cdata?SN=OTHER&table=ATTLOG", body) == FORBIDDEN
        assert memory(door) - before < MB4
        still_takes(door)
    assert len(journalled(site)) == 1


def test_a_flood_of_serial_numbers(site: Site) -> None:
    """Thousands of strange serial numbers leave 256 rows, one of them written at most once a minute."""
    write(site)
    with serving(site) as door:
        before = memory(door)
        for number in range(700):
            assert door.ask(f"/iclock/cdata?SN=X{number}&options=all") == FORBIDDEN
        for _ in range(40):
            assert door.ask("/iclock/cdata?SN=LOUD") == FORBIDDEN
            assert door.ask("/iclock/cdata?SN=" + "y" * 33) == FORBIDDEN
        still_takes(door)
        wait_for(lambda: look(site.journal, ROWS)[0][0] == 256)
        assert memory(door) - before < MB4
    ((rows, requests, nameless),) = look(site.journal, ROWS)
    assert (rows, nameless >= 40) == (256, True)
    assert requests <= 780


@pytest.mark.long
def test_one_write_a_minute(site: Site) -> None:
    """A stranger that calls all the time is written down once, and not again within the minute."""
    write(site)
    with serving(site) as door:
        door.ask("/iclock/cdata?SN=LOUD")
        wait_for(lambda: look(site.journal, "SELECT requests FROM refused_caller") == [(1,)])
        for _ in range(50):
            door.ask("/iclock/cdata?SN=LOUD")
        time.sleep(1.5)
        assert look(site.journal, "SELECT requests FROM refused_caller") == [(1,)]
    assert look(site.journal, "SELECT requests FROM refused_caller") == [(51,)]  # the last of it at the end


@pytest.mark.long
def test_two_thousand_connections(site: Site) -> None:
    """Beside two thousand connections that say nothing, or half a head, a terminal is served in time."""
    write(site)
    with serving(site) as door, ExitStack() as stack:
        for number in range(2100):
            there = stack.enter_context(socket.create_connection(door.address, timeout=10))
            if number % 2:
                there.sendall(b"POST /iclock/cdata?SN=")
        began = time.monotonic()
        still_takes(door)
        assert time.monotonic() - began < 30
    assert len(journalled(site)) == 1


def test_secrets_are_not_told_by_degrees(site: Site) -> None:
    """A wrong secret hears the same words as a strange serial number, and in no other time."""
    write(site, devices=[LOCKED])
    targets = {
        "right but for the last letter": f"/{SECRET[:-1]}x/iclock/cdata?SN={SERIAL}",
        "all wrong": f"/{'x' * 16}/iclock/cdata?SN={SERIAL}",
        "none": f"/iclock/cdata?SN={SERIAL}",
        "strange": f"/{SECRET}/iclock/cdata?SN=OTHER",
        "twice": f"/{SECRET}/iclock/cdata?SN={SERIAL}&SN={SERIAL}",
    }
    took: dict[str, list[float]] = {name: [] for name in targets}
    with serving(site) as door:
        for _ in range(60):
            for name, target in targets.items():
                began = time.perf_counter()
                assert door.ask(target) == FORBIDDEN
                took[name].append(time.perf_counter() - began)
        still_takes(door, before=f"/{SECRET}")
    medians = [median(times) for times in took.values()]
    assert max(medians) - min(medians) < 0.005


def test_an_address_is_not_taken_from_strangers(site: Site) -> None:
    """X-Forwarded-For of a caller that is no trusted proxy lets nobody in."""
    write(site, devices=[f"name: gate, serial: '{SERIAL}', push: {{networks: [203.0.113.0/24]}}"])
    with serving(site) as door:
        for name in ("X-Forwarded-For", "x-forwarded-for", "Forwarded", "X-Real-IP", "X_Forwarded_For"):
            for value in ("203.0.113.7", "203.0.113.7, 203.0.113.8", "for=203.0.113.7"):
                head = f"GET /iclock/cdata?SN={SERIAL} HTTP/1.1\r\n{name}: {value}\r\n\r\n"
                assert raw(door, head.encode()).startswith(b"HTTP/1.1 403 ")
    assert look(site.journal, "SELECT DISTINCT reason, address FROM refused_caller") == [
        ("outside its networks", "127.0.0.1")
    ]


SMUGGLED: Final = (
    "Content-Length: 5\r\nContent-Length: 90",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Transfer-Encoding: xchunked",
    "Content-Length: -1",
    "Content-Length: +5",
    "Content-Length: 5_0",
    "Content-Length : 5",
)


def test_a_request_in_a_request(site: Site) -> None:
    """A request whose length can be read in two ways is refused, and what is hidden in it is nobody's."""
    write(site)
    hidden = f"{PUNCH}\n"
    inner = f"POST /iclock/cdata?SN={SERIAL}&table=ATTLOG HTTP/1.1\r\nContent-Length: {len(hidden)}\r\n\r\n"
    with serving(site) as door:
        for lengths in SMUGGLED:
            outer = f"POST /iclock/cdata?SN={SERIAL}&table=OPERLOG HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\n"
            answer = raw(door, f"{outer}0\r\n\r\n{inner}{hidden}".encode())
            assert answer.count(b"HTTP/1.1 ") <= 1
            assert b"200 OK" not in answer
        still_takes(door)
    assert len(journalled(site)) == 1


def test_half_a_body_is_no_body(site: Site) -> None:
    """A body that breaks off leaves nothing behind, not even the lines that were whole."""
    write(site)
    with serving(site) as door:
        head = f"POST /iclock/cdata?SN={SERIAL}&table=ATTLOG HTTP/1.1\r\nContent-Length: 4000\r\n\r\n"
        assert raw(door, f"{head}{PUNCH}\n{PUNCH}\n".encode()) == b""
        still_takes(door)
    assert len(journalled(site)) == 1


def raw(door: Serving, data: bytes) -> bytes:
    """Send bytes, say that there are no more, and return all that is answered."""
    with socket.create_connection(door.address, timeout=20) as there:
        there.sendall(data)
        there.shutdown(socket.SHUT_WR)
        try:
            return b"".join(iter(lambda: there.recv(65536), b""))
        except ConnectionResetError:
            return b""


# --- a device that lies ---

PUNCHES: Final = ("ATTLOG", "transaction", "rtlog")
"""Tables of which all that is no punch is kept in quarantine."""
LIES: Final = {
    "lines of nothing": b"a\n" * 10_001,
    "a line of 4 MB": b"1001\t2026-11-22 08:59:58\t0\t1\t" + b"0" * (MB4 - 40),
    "keys of 4 MB": b"time=2026-11-22 08:59:58\tpin=1\t" + b"k=v\t" * (MB4 // 4 - 10),
    "TABs": b"\t" * MB4,
    "NULs": b"\0" * MB4,
    "rubbish": random.Random(1).randbytes(MB4),
    "settings": b"~DeviceName=" + b"9" * 100_000 + b",UserCount=" + b"9" * 5000,
    "results": b"ID=abc&Return=99999999999999999999&" * 1000,
}
QUICK: Final = ("lines of nothing", "rubbish", "results")
TARGETS: Final = (
    "cdata?SN={}&table=ATTLOG", "cdata?SN={}", "cdata?SN={}&table=OPERLOG", "cdata?SN={}&table=options",
    "cdata?SN={}&table=tabledata&tablename=transaction&count=1", "cdata?SN={}&table=rtlog",
    "cdata?SN={}&table=nothing", "devicecmd?SN={}", "registry?SN={}", "fdata?SN={}", "nowhere?SN={}",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one in QUICK else pytest.mark.long) for one in LIES]
)
def test_a_device_that_sends_rubbish(site: Site, name: str) -> None:
    """Whatever a known device sends to whatever route is answered in time, and nothing breaks."""
    write(site)
    with serving(site, "-v") as door:
        for target in TARGETS:
            began = time.monotonic()
            assert door.ask("/iclock/" + target.format(SERIAL), LIES[name]).status in {200, 413}
            assert time.monotonic() - began < 10
        still_takes(door)
        assert door.stop() == 0
    assert not [one for one in door.lines if "failed" in one or "Traceback" in one]
    assert journalled(site)[-1] == ("1001", "2026-11-22T23:59:59")


def test_too_many_lines(site: Site) -> None:
    """Of a body with one line too many nothing is kept; of one with just as many as may be, all is."""
    write(site)
    lines = [line(str(number), "2026-11-22 08:59:58") for number in range(10_001)]
    with serving(site) as door:
        assert door.push(*lines).status == 413
        assert journalled(site) == []
        assert door.push(*lines[1:]) == Heard(200, "OK: 10000")
    assert len(journalled(site)) == 10_000


STEERING: Final = "\x1b]0;owned\x07\x1b[2J\x9b\u202e"


def test_what_steers_a_screen(site: Site) -> None:
    """ESC and the like, in any field of a line or a query, come out on no screen and in no log."""
    fields = ["1001", "2026-11-22 08:59:58", "0", "1", "0", "0", "0"]
    spoilt = [
        "\t".join([*fields[:n], f"{fields[n]}{STEERING}", *fields[n + 1 :]]) for n in range(len(fields))
    ]
    keyed = f"time=2026-11-22 08:59:58\tpin=7{STEERING}\tevent=0{STEERING}\tverifytype=1"
    query = "".join(f"%{byte:02X}" for byte in STEERING.encode())
    write(site)
    with serving(site, "-v") as door:
        assert door.push(*spoilt, keyed) == Heard(200, f"OK: {len(spoilt) + 1}")
        door.ask(f"/iclock/cdata?SN={SERIAL}&options=all&pushver={query}&DeviceType={query}")
        door.ask(f"/iclock/getrequest?SN={SERIAL}&INFO={query},1,1,1,{query},1")
        door.ask(f"/iclock/{query}?SN={SERIAL}")
        door.ask(f"/iclock/cdata?SN={SERIAL}&table={query}&Stamp={query}", b"x")
        door.ask(
            f"/iclock/cdata?SN={SERIAL}&table=options",
            f"~DeviceName={STEERING},FWVersion={STEERING}".encode(),
        )
        door.ask(f"/{query}/iclock/{query}?SN=OTHER&pushver={query}&DeviceType={query}")
        door.ask(f"/iclock/cdata?SN={query}")
        time.sleep(1.5)
        assert door.stop() == 0
    shown = "".join(door.lines) + "".join(screens(site))
    assert not [one for one in shown.splitlines() if any(letter in one for letter in "\x1b\x07\x9b\u202e")]


def screens(site: Site) -> list[str]:
    """Return what the commands show that show something of devices that push."""
    commands = (
        ("status",), ("status", "--json"), ("quarantine", "list"), ("quarantine", "list", "--json"),
        ("devices", "list"), ("devices", "pending"), ("devices", "pending", "--json"),
        ("devices", "info", "gate"), ("explain", "1001"), ("punches", "export"), ("sync", "--dry-run", "-v"),
    )  # fmt: skip
    results = [site.run(*words) for words in commands]
    assert not [one.err for one in results if "Traceback" in one.err]
    return [one.out + one.err for one in results]


# --- nothing is betrayed ---


def test_what_is_private_stays_so(site: Site) -> None:
    """Passwords, templates, photos, card numbers and the secret are in no file, no log and on no screen."""
    write(site, devices=[LOCKED])
    model = PushModel(operlog=True, biodata=True, photos=True, obeys_transflag=False)
    terminal = Terminal.with_samples(20)
    user = terminal.users[0]
    words = [word.encode() for word in (*PRIVATE, SECRET)] + [b"made-up picture"]
    bodies = [
        "\n".join([user_line(user), finger_line(user), biodata_line(user), user_row(user)]).encode(),
        f"{PUNCH}\t{PRIVATE[2]}\tPasswd={PRIVATE[0]}\tCard={PRIVATE[1]}\n".encode(),
        f"time=2026-11-22 08:00:00\tpin=5\tcardno={PRIVATE[1]}\tevent=99\tverifytype=1\n".encode(),
        f"time=2026-11-22 08:00:01\tpin=5\tcardno={PRIVATE[1]}\tevent=0\tverifytype=1\n".encode(),
    ]
    picture = photo(user, SERIAL, "20261122085958")
    with serving(site, "-v") as door:
        real = PushTerminal(f"{door.url}/{SECRET}", terminal, model)
        for _ in range(3):
            real.round()
        for target in TARGETS:
            for body in bodies if any(name in target for name in PUNCHES) else [*bodies, picture]:
                door.ask(f"/{SECRET}/iclock/{target.format(real.serial)}", body)
                door.ask(f"/{SECRET}/iclock/{target.format('OTHER')}", body)
        door.ask(f"/iclock/cdata?SN={SERIAL}&pushver={SECRET[:8]}", bodies[0])
        wait_for(lambda: look(site.journal, ROWS)[0][0] > 0)
        found = _inside(site, words)
        assert door.stop() == 0
    said = ("".join(door.lines) + "".join(screens(site))).encode()
    assert found | _inside(site, words) == set()
    assert [word for word in words if word in said] == []
    assert len(journalled(site)) > 20


def _inside(site: Site, words: list[bytes]) -> set[bytes]:
    """Return which words stand in any file of the site but its inventory."""
    files = [one for one in site.folder.rglob("*") if one.is_file() and one != site.inventory]
    assert any(one.name.startswith("journal.db") for one in files)
    return {word for one in files for word in words if word in one.read_bytes()}


ROWS: Final = """
SELECT count(*) FILTER (WHERE serial <> ''), coalesce(sum(requests), 0),
       coalesce(sum(requests) FILTER (WHERE serial = ''), 0)
FROM refused_caller
"""
