"""The live page of `zkpoll serve`: on a door of its own, for people, and in no terminal's way."""

from __future__ import annotations

import html
import re
import signal
import socket
import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import pytest

from tests.look import inside
from tests.peers import free_ports
from tests.serve.quick import quick
from tests.serve.serving import GATE, SERIAL, line, serving, write
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.serving import Serving
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

SECRET: Final = "hunter2-hunter2-hunter2"
DAY: Final = "2026-11-22"
ALWAYS: Final = (
    *("Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer"),
    *("X-Frame-Options: DENY", "Content-Security-Policy: default-src 'none'; "),
)


class Answer:
    """An answer of the page's door."""

    def __init__(self, raw: bytes) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1")
        self.status = int(self.head.split()[1]) if head else 0
        self.body = body.decode()
        self.shown = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.body)).split())
        """Its text, as a browser would show it."""


def send(port: int, raw: bytes) -> Answer:
    """Send bytes, and return what comes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=40) as caller:
        caller.sendall(raw)
        return Answer(b"".join(iter(lambda: caller.recv(65536), b"")))


def see(port: int, what: str = "/", *headers: str, method: str = "GET", host: str = "localhost") -> Answer:
    """Ask as a browser does."""
    lines = [f"{method} {what} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return send(port, "\r\n".join([*lines, "", ""]).encode("latin-1"))


def with_token(token: str) -> str:
    """Return the header of a browser in which somebody has typed it as the password."""
    return f"Authorization: Basic {b64encode(f'me:{token}'.encode()).decode()}"


@pytest.fixture
def port(site: Site, dashboard: SampleDashboard) -> int:
    """Give the port of the page, in the inventory."""
    (port,) = free_ports(1)
    write(site, dashboard.url, [GATE], more=f"admin: {{address: '127.0.0.1:{port}'}}\n")
    return port


@pytest.fixture
def guarded(site: Site, dashboard: SampleDashboard) -> int:
    """Give the port of a page with a token."""
    (port,) = free_ports(1)
    (site.folder / "token").write_text(f"{SECRET}\n")
    write(
        site,
        dashboard.url,
        [GATE],
        more=f"admin: {{address: '0.0.0.0:{port}', token_file: token}}\n",
    )
    return port


def test_the_page(site: Site, port: int) -> None:
    """It says what `zkpoll status` says, with headers that keep it to whoever asked."""
    with serving(site) as door:
        assert door.push(line("1001", f"{DAY} 08:59:58"), line("1002", f"{DAY} 09:00:00")).status == 200
        wait_for(lambda: "2 of 2" in see(port).shown)
        page = see(port)
        assert page.status == 200
        assert "Content-Type: text/html; charset=utf-8\r\n" in page.head
        assert all(one in page.head for one in ALWAYS)
        said = site.run("status", "--json").document()
        (one,) = said["dashboards"]
        counts = ("confirmed", "pending", "parked", "held")
        sums = ", ".join(f"{one[key]:,} {key.replace('pending', 'waiting')}" for key in counts)
        assert sums in page.shown
        assert said["verdict"].partition(";")[0] in page.shown
        seen = see(port, method="HEAD")
        assert (seen.status, seen.body) == (200, "")


def test_where_a_punch_is(site: Site, port: int) -> None:
    """The search has all that `zkpoll explain` says, and a sentence for whatever is not found."""
    with serving(site) as door:
        assert door.push(line("1001", f"{DAY} 08:59:58")).status == 200
        wait_for(lambda: "1 of 1" in see(port).shown)
        found = see(port, f"/explain?user=1001&day={DAY}").shown
        told = site.run("explain", "1001", DAY).out.splitlines()
        assert told[0] in found
        words = [word for one in told[1:] for word in one.split("  ") if word != "gate"]
        assert words
        assert [word for word in words if word not in found] == []
        assert (
            "Nobody has the id 1002; the nearest is 1001." in see(port, f"/explain?user=1002&day={DAY}").shown
        )
        nothing = see(port, "/explain?user=1001&day=2026-11-23").shown
        assert "No device has shown a punch of user 1001 on 2026-11-23." in nothing
        assert "is no day" in see(port, "/explain?user=1001&day=tomorrow").shown
        assert "Expected a user id or a name." in see(port, f"/explain?user=+&day={DAY}").shown
        assert "too long" in see(port, f"/explain?user={'x' * 5000}&day={DAY}").shown
        assert see(port, f"/explain?user={'x' * 20_000}").status == 400


def test_what_is_typed_stays_text(site: Site, port: int) -> None:
    """Markup and controls in what is asked, and in what a terminal sent, are shown and do nothing."""
    sent = "7&quot;%22%3E%3Cscript%3Ealert(1)%3C/script%3E%0d%0aX-A:%20b%E2%80%AE"
    with serving(site) as door:
        assert door.push("9\t2026-11-22 08:59:58\t0\t1\t<img src=x onerror=alert(1)>\t0").status == 200
        for what in (
            f"/explain?user={sent}&day={DAY}",
            f"/explain?user=9&day={sent}",
            f"/explain?user=9&day={DAY}",
        ):
            answer = see(port, what)
            assert answer.status == 200
            assert "<script" not in answer.body
            assert "<img" not in answer.body
            assert "\u202e" not in answer.body
            assert "X-A" not in answer.head


def test_each_door_has_its_own(site: Site, port: int) -> None:
    """The page is never where terminals call, and nothing of theirs is where the page is."""
    with serving(site) as door:
        assert {door.ask(what).status for what in ("/", "/explain", "/explain?user=1001")} == {404}
        theirs = (f"/iclock/cdata?SN={SERIAL}&options=all", "/iclock/getrequest", "/health", "/favicon.ico")
        for what in theirs:
            answer = see(port, what)
            assert answer.status == 404
            assert all(one in answer.head for one in ALWAYS)
        pushed = f"POST /iclock/cdata?SN={SERIAL}&table=ATTLOG HTTP/1.1\r\nHost: localhost\r\n"
        assert send(port, f"{pushed}Content-Length: 3\r\n\r\n1\t2".encode()).status == 404
        assert see(port, "/", method="POST").status == 405
        assert "Allow: GET, HEAD" in see(port, "/", method="DELETE").head


def test_it_is_called_by_the_name_of_this_machine(site: Site, port: int) -> None:
    """Without a token, a site whose name was led to this address (DNS rebinding) sees nothing."""
    with serving(site):
        assert see(port, host=f"127.0.0.1:{port}").status == 200
        assert see(port, host=f"evil.example:{port}").status == 403
        assert send(port, b"GET / HTTP/1.0\r\n\r\n").status == 403


def test_a_token(site: Site, guarded: int) -> None:
    """It is asked for, and taken as a password or as a bearer's; it is in no log, no answer and no screen."""
    with serving(site, "--verbose") as door:
        first = see(guarded, host="zk.example.com")
        assert first.status == 401
        assert 'Www-Authenticate: Basic realm="' in first.head
        assert all(one in first.head for one in ALWAYS)
        assert see(guarded, "/", with_token("hunter3-hunter3-hunter3")).status == 401
        assert see(guarded, "/nowhere", "Authorization: Bearer hunter3").status == 401
        assert see(guarded, "/", with_token(SECRET), host="zk.example.com").status == 200
        assert see(guarded, f"/explain?user=1&day={DAY}", f"Authorization: Bearer {SECRET}").status == 200
        assert see(guarded, f"/?token={SECRET}").status == 401
        answers = [see(guarded, "/", with_token(SECRET)), first]
    told = door.before + "".join(door.lines) + "".join(one.head + one.body for one in answers)
    assert "127.0.0.1 asked for the status page with a wrong token (401)" in told
    assert "hunter" not in told
    shown = site.run("config", "check", "--show")
    assert shown.code == 0
    assert "hunter" not in shown.out + shown.err
    assert "admin: " in shown.err


def test_a_token_that_is_not_there(site: Site, guarded: int) -> None:
    """The page is not shown to everybody instead: serve does not start. A run that reads devices does."""
    (site.folder / "token").unlink()
    told = site.run("serve")
    assert told.code == 78
    assert "admin.token_file: " in told.err
    assert site.run("status").code != 78
    assert site.run("sync").code != 78
    assert guarded


def test_an_address_that_is_taken(site: Site, port: int) -> None:
    """Where the page cannot be shown, serve does not start: 78, with the address."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        told = site.run("serve")
    assert told.code == 78
    assert f"cannot listen on 127.0.0.1:{port}: " in told.err


def test_where_it_is_said(site: Site, port: int) -> None:
    """The log has the page's address."""
    with serving(site, "--verbose") as door:
        assert f"the status page is at http://127.0.0.1:{port}/" in door.before


def test_beside_a_journal_that_is_written(site: Site, port: int) -> None:
    """A transaction that lasts holds up batches, and not the page."""
    with quick(site) as door:
        assert door.push(line("1001", f"{DAY} 08:59:58")).status == 200
        with inside(site.journal) as db:
            db.execute("BEGIN IMMEDIATE")
            assert door.push(line("1001", f"{DAY} 09:59:58")).status == 503
            assert see(port).status == 200
            assert see(port, f"/explain?user=1001&day={DAY}").status == 200


def test_a_journal_that_is_away(site: Site, port: int) -> None:
    """It is 503 in plain words, also for a search, and nobody is told the page of before."""
    broken = (
        "import zkpoll.reports.page.live as live; from zkpoll.errors import JournalError\n"
        "def away(*_, **__): raise JournalError('the journal j is locked by another program')\n"
        "live.open_journal = away\n"
    )
    with quick(site, broken=broken) as door:
        for what in ("/", f"/explain?user=1001&day={DAY}"):
            answer = see(port, what)
            assert answer.status == 503
            assert (
                answer.body == "The status page cannot be made: the journal j is locked by another program.\n"
            )
            assert "Retry-After: " in answer.head
            assert all(one in answer.head for one in ALWAYS)
        assert door.push(line("1001", f"{DAY} 08:59:58")).status == 200


def test_a_journal_that_hangs(site: Site, port: int) -> None:
    """Whoever asks is told so, terminals are answered, and SIGTERM ends it all."""
    broken = (
        "import threading, zkpoll.reports.page.live as live, zkpoll.tasks.admin_desk as desk\n"
        "live.open_journal = lambda *_, **__: threading.Event().wait()\n"
        "desk.AdminDesk.__init__.__kwdefaults__['longest'] = 0.2\n"
    )
    with quick(site, broken=broken) as door:
        assert "does not answer" in see(port).body
        assert see(port, f"/explain?user=1001&day={DAY}").status == 503
        assert door.push(line("1001", f"{DAY} 08:59:58")).status == 200


def flood(port: int, stop: threading.Event, heard: list[int]) -> Iterator[threading.Thread]:
    """Yield threads that ask for pages, again and again."""

    def ask() -> None:
        while not stop.is_set():
            heard.append(see(port, f"/explain?user=1001&day={DAY}").status)

    for _ in range(8):
        thread = threading.Thread(target=ask)
        thread.start()
        yield thread


def test_many_who_look_are_in_no_terminals_way(site: Site, port: int) -> None:
    """While pages are asked for all the time, and some callers dawdle, every batch is taken."""
    stop, heard = threading.Event(), list[int]()
    with serving(site) as door:
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
        for one in idle[:15]:
            one.sendall(b"GET / HT")
        threads = list(flood(port, stop, heard))
        try:
            wait_for(lambda: 200 in heard)
            minutes = range(40)
            pushed = [door.push(line("1001", f"{DAY} 09:{minute:02}:00")).status for minute in minutes]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            for one in idle:
                one.close()
        assert set(pushed) == {200}
        assert set(heard) <= {200, 503}
        wait_for(lambda: "40 punches" in see(port, f"/explain?user=1001&day={DAY}").shown)


def test_stopped_while_somebody_looks(site: Site, port: int) -> None:
    """SIGTERM is obeyed at once; whoever asks is answered or hung up on, and hears no half page."""
    stop, heard = threading.Event(), list[int]()

    def ask(door: Serving) -> None:
        while not stop.is_set():
            try:
                answer = see(port)
            except OSError:
                if door.process.poll() is not None:
                    return
                continue
            heard.append(answer.status)
            assert answer.status in (0, 200, 503)
            assert "</html>" in answer.body or answer.status != 200

    with serving(site) as door:
        threads = [threading.Thread(target=ask, args=(door,)) for _ in range(4)]
        for one in threads:
            one.start()
        try:
            wait_for(lambda: 200 in heard)
            door.process.send_signal(signal.SIGTERM)
            assert door.process.wait(timeout=40) == 0
        finally:
            stop.set()
            for one in threads:
                one.join()
