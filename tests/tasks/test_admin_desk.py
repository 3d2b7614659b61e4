"""The desk of the live page: who gets a page, and that no page holds up another for long."""

from __future__ import annotations

import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from tests.waiting import wait_for
from zkpoll.errors import JournalError
from zkpoll.push.contract import Answer, Head
from zkpoll.tasks.admin_desk import AdminDesk, LivePage

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN: Final = "correct-horse-battery:staple"
HERE: Final = "127.0.0.1:8083"


def desk(
    look: Callable[[str | None, str], str] = lambda user, day: f"{user}|{day}",
    token: str | None = None,
    *,
    longest: float = 20,
    fresh: float = 0,
) -> AdminDesk:
    """Return a desk with a page that is made so."""
    return AdminDesk(LivePage("default-src 'none'", look), token, longest=longest, fresh=fresh)


def head(path: str = "/", query: str = "", *, host: str = HERE, auth: str = "", method: str = "GET") -> Head:
    """Return the head of a request."""
    return Head(method, path, query, "192.0.2.7", host, auth)


def basic(password: str, user: str = "anybody") -> str:
    """Return an Authorization as browsers write it."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def look(at: AdminDesk, asked: Head) -> Answer:
    """Ask as the listener does."""
    return at.turn_away(asked) or at.answer(asked, b"")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8083", "127.0.0.1", "127.0.0.1:9000", "127.9.9.9:1", "[::1]:8083", "[::1]"],
)
def test_names_of_this_machine(host: str) -> None:
    """Without a token it is called by a name or an address of this machine, whatever port a tunnel has."""
    assert desk().turn_away(head(host=host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "evil.example",
            "evil.example:8083",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.1",
        ),
        *(
            "10.0.0.5:8083",
            "0.0.0.0",
            "[::]:8083",
            "::1",
            "localhost, evil.example",
            "localhost@evil.example",
        ),
        *("2130706433", "0x7f.1", "localhost:", "localhost:8083:8083", "localhost:x", "\xff"),
    ],
)
def test_a_name_that_somebody_else_gave_us(host: str) -> None:
    """A page elsewhere that has our address by its own name (DNS rebinding) is told nothing."""
    refused = desk().turn_away(head(host=host))
    assert refused is not None
    assert refused.status == 403


def test_any_name_with_a_token() -> None:
    """Behind a proxy it is called by the proxy's name: there the token says who may in."""
    assert desk(token=TOKEN).turn_away(head(host="zk.example.com", auth=basic(TOKEN))) is None


@pytest.mark.parametrize(
    "auth", [basic(TOKEN), basic(TOKEN, ""), basic(TOKEN, "a b"), f"Bearer {TOKEN}", f"bearer  {TOKEN}"]
)
def test_the_token(auth: str) -> None:
    """It is the password of any user, or a bearer's."""
    assert desk(token=TOKEN).turn_away(head(auth=auth)) is None


@pytest.mark.parametrize(
    "auth",
    [
        *(
            "",
            "Basic",
            "Bearer",
            "Basic ",
            "Bearer ",
            TOKEN,
            f"Digest {TOKEN}",
            f"Basic {TOKEN}",
            "Basic \xff==",
        ),
        *(basic(""), basic("wrong"), basic(TOKEN[:-1]), basic(f"{TOKEN}x"), f"Bearer {TOKEN}x", "Basic Zg="),
        *(f"Basic {b64encode(TOKEN.encode()).decode()}", f"Bearer {TOKEN}, Bearer {TOKEN}", "Basic YQ==\x00"),
    ],
)
def test_no_token_or_another(auth: str, caplog: pytest.LogCaptureFixture) -> None:
    """All else is asked for it, in a way that a browser understands; what was told is in no log."""
    refused = desk(token=TOKEN).turn_away(head("/nothing", auth=auth, method="POST"))
    assert refused is not None
    assert refused.status == 401
    assert dict(refused.headers)["WWW-Authenticate"].startswith('Basic realm="')
    assert TOKEN not in refused.text + caplog.text
    assert "correct" not in caplog.text


def test_wrong_tokens_are_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody who guesses is told in the log with the address, and does not fill it."""
    at = desk(token=TOKEN)
    for _ in range(100):
        at.turn_away(head(auth=basic("wrong")))
        at.turn_away(head())
    assert caplog.messages == ["192.0.2.7 asked for the status page with a wrong token (401)"]


def test_what_there_is() -> None:
    """The page and the search are looked at; all else is told in plain words."""
    at = desk()
    assert look(at, head()) == Answer(200, "None|", "text/html; charset=utf-8")
    assert look(at, head(method="HEAD")).status == 200
    assert look(at, head("/explain", "user=1001&day=2026-11-22")).text == "1001|2026-11-22"
    assert look(at, head("/explain", "user=%3Cb%3E+%ff&user=b&day=")).text == "b|"
    assert look(at, head("/explain")).text == "|"
    assert look(at, head("/explain", "&".join(["a=b"] * 21))).status == 400
    assert {look(at, head(path)).status for path in ("/x", "//", "/explain/", "/iclock/cdata", "")} == {404}
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        refused = look(at, head(method=method))
        assert (refused.status, dict(refused.headers)) == (405, {"Allow": "GET, HEAD"})


def test_a_page_is_given_again_for_a_moment() -> None:
    """The page alone is made once a second at most; a search each time."""
    made: list[str | None] = []

    def make(user: str | None, _day: str) -> str:
        made.append(user)
        return "page"

    at = desk(make, fresh=60)
    assert {look(at, head()).text for _ in range(5)} == {"page"}
    for _ in range(2):
        look(at, head("/explain", "user=1001"))
    assert made == [None, "1001", "1001"]


def test_a_journal_that_cannot_be_read() -> None:
    """It is 503 with the reason, and the next one asks again."""
    reasons = ["is locked by another program", "is gone"]

    def fails(_user: str | None, _day: str) -> str:
        raise JournalError(f"the journal j {reasons.pop()}")

    at = desk(fails, fresh=60)
    for reason in list(reversed(reasons)):
        answer = look(at, head())
        assert (answer.status, answer.text) == (
            503,
            f"The status page cannot be made: the journal j {reason}.\n",
        )
        assert "Retry-After" in dict(answer.headers)


def test_a_bug_is_the_listeners() -> None:
    """What nobody foresaw is raised to the listener, which tells it, and the next one gets a page."""
    faults: list[Exception] = [ValueError("a bug")]

    def breaks(_user: str | None, _day: str) -> str:
        if faults:
            raise faults.pop()
        return "page"

    at = desk(breaks)
    with pytest.raises(ValueError, match="a bug"):
        look(at, head())
    assert look(at, head()).text == "page"


def test_a_journal_that_hangs() -> None:
    """Whoever asks is told after a while, all others at once; when it is back, pages are made again."""
    back = threading.Event()

    def hangs(_user: str | None, _day: str) -> str:
        assert back.wait(60)
        return "page"

    at = desk(hangs, longest=0.01)
    silent = look(at, head())
    assert silent.status == 503
    assert "does not answer" in silent.text
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: look(at, head()), range(20)))
    assert {one.status for one in answers} == {503}
    assert all("Retry-After" in dict(one.headers) for one in answers)
    back.set()
    wait_for(lambda: look(at, head()).text == "page")


def test_one_at_a_time_and_few_that_wait() -> None:
    """Of many at once one page is made, a few wait for it and get the same, and the others look again."""
    begun, go_on = threading.Event(), threading.Event()
    at_once: list[int] = []

    def slow(_user: str | None, _day: str) -> str:
        at_once.append(1)
        begun.set()
        assert go_on.wait(60)
        return "page"

    at = desk(slow, fresh=60)
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(look, at, head()) for _ in range(10)]
        assert begun.wait(60)
        wait_for(lambda: sum(one.done() for one in asked) >= 7)  # all but those who may wait
        go_on.set()
        statuses = sorted(one.result().status for one in asked)
    assert statuses.count(503) >= 7
    assert statuses[0] == 200
    assert len(at_once) == 1


def test_nothing_is_kept_framed_or_fetched() -> None:
    """What every answer has says so to browsers."""
    headers = dict(LivePage("default-src 'none'", lambda _u, _d: "").headers())
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
