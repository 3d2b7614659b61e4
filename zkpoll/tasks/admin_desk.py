"""The desk of the live status page: who may see it, and one page at a time.

    head ──▶ may it in? host, token, method, path      at once; it asks no disk
         ──▶ a page that was made just now             as it is
         ──▶ one page in the making, few that wait     each reads the journal by a session of its own
         ──▶ all others                                503: look again in a second

It has a socket and a listener of its own, and changes nothing: pages are for people, and terminals, whose
punches the same process takes, are not to wait for them. A page that hangs with its journal keeps its thread;
whoever asks meanwhile is told so.
"""

from __future__ import annotations

import binascii
import hmac
import logging
import re
import threading
import time
from base64 import b64decode
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from zkpoll.errors import JournalError
from zkpoll.inventory.hosts import check_host, is_loopback
from zkpoll.push.contract import Answer
from zkpoll.push.listener import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.push.contract import Head

_log = logging.getLogger(__name__)

LIMITS: Final = Limits(
    whole=10, finish=2, waiting=4, threads=1, quick_threads=4, connections=64, linger=1, memory=0
)
"""How much of the page's listener its callers may take: a few people, and no bodies."""
LONGEST: Final = 10.0
"""Seconds for a page. That of 2,000 terminals takes less than one."""
_FRESH: Final = 1.0
"""Seconds for which a page is given again."""
_PATIENCE: Final = 2.0
"""Seconds to wait for another page to be made."""
_REST: Final = 1.0
"""Seconds at most between two pages: as long as one took, so that they take half of a processor."""
_AT_THE_DESK: Final = 3
"""One whose page is made, and those that wait for it. A thread is left to send all others away."""
_TOLD_AGAIN: Final = 60.0
"""Seconds between two warnings of wrong tokens."""
_FIELDS: Final = 20
"""Parameters of a question; the form has two."""
_HTML: Final = "text/html; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_METHODS: Final = ("GET", "HEAD")
_HOST: Final = re.compile(r"(?:\[(?P<inner>[^\[\]]+)\]|(?P<outer>[^\[\]:]+))(?::[0-9]{1,5})?")
_BUSY: Final = "Other pages are being made at this moment. Look again in a second."
_SILENT: Final = "The journal does not answer. Look again later, or ask `zkpoll status` on the server."


@dataclass(frozen=True, slots=True)
class LivePage:
    """The page, as those who make it hand it over."""

    policy: str
    """Its Content-Security-Policy."""
    look: Callable[[str | None, str], str]
    """Given a user and a day as they were typed in, return the page with that story; without a user, the page
    alone. Raise `JournalError` where the journal cannot be read. Called by one thread at a time."""

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of every answer: nothing is kept, framed, guessed, or told to other sites."""
        return (
            ("Content-Security-Policy", f"{self.policy}; frame-ancestors 'none'"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        )


class AdminDesk:
    """Answers GET / and GET /explain, and nothing else. Called by several threads at once."""

    def __init__(
        self, page: LivePage, token: str | None, *, longest: float = LONGEST, fresh: float = _FRESH
    ) -> None:
        """Given the page, and the token that opens it or None, be ready. Times are in seconds."""
        self._page = page
        self._token = None if token is None else token.encode()
        self._longest = longest
        self._fresh = fresh
        self._room = threading.BoundedSemaphore(_AT_THE_DESK)
        self._making = threading.Lock()
        """Held while a page is made, also by one that nobody waits for any more."""
        self._began = time.monotonic()
        """When the page in the making was begun."""
        self._last: tuple[float, Answer] | None = None
        """The page alone that was made last, and until when it is given again, by the monotonic clock."""
        self._told_at = -_TOLD_AGAIN

    def turn_away(self, head: Head) -> Answer | None:
        """Given a head, return the answer to one that gets no page, or None."""
        if self._token is None:
            if not _is_of_this_machine(head.host):
                told = "Call this page by an address of this machine itself: http://127.0.0.1 and its port."
                return _plain(HTTPStatus.FORBIDDEN, told)
        elif not self._knows_token(head):
            told = "The status page asks for its token: type any user name, and the token as the password."
            ways = ("WWW-Authenticate", 'Basic realm="zkpoll status page", charset="UTF-8"')
            return _plain(HTTPStatus.UNAUTHORIZED, told, ways)
        if head.path not in ("/", "/explain"):
            return _plain(HTTPStatus.NOT_FOUND, "There is no such page here. The status page is at /")
        if head.method not in _METHODS:
            told = "This page can only be looked at (GET); nothing is changed by it."
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, told, ("Allow", ", ".join(_METHODS)))
        return None

    def too_large(self, head: Head) -> None:
        """No body means anything here."""

    def answer(self, head: Head, body: bytes) -> Answer:  # noqa: ARG002  # as the listener asks
        """Given a request that may in, return its page, or 503 and why there is none now."""
        user, day = None, ""
        if head.path == "/explain":
            try:
                asked = dict(
                    parse_qsl(head.query, keep_blank_values=True, errors="replace", max_num_fields=_FIELDS)
                )
            except ValueError:
                return _plain(HTTPStatus.BAD_REQUEST, "Ask for one user and one day.")
            user, day = asked.get("user", ""), asked.get("day", "")
        if not self._room.acquire(blocking=False):
            return _later(_BUSY, 1)
        try:
            return self._look(user, day)
        finally:
            self._room.release()

    def _look(self, user: str | None, day: str) -> Answer:
        if user is None and (kept := self._kept()):
            return kept
        if not self._making.acquire(timeout=_PATIENCE):
            hangs = time.monotonic() - self._began > self._longest
            return _later(_SILENT, 5) if hangs else _later(_BUSY, 1)
        if user is None and (kept := self._kept()):  # it was made while this one waited
            self._making.release()
            return kept
        self._began = time.monotonic()
        made: Future[Answer] = Future()
        worker = threading.Thread(target=self._make, args=(made, user, day), name="page", daemon=True)
        try:
            worker.start()
        except RuntimeError:  # this process may have no further thread
            self._making.release()
            raise
        try:
            return made.result(timeout=self._longest)
        except TimeoutError:
            return _later(_SILENT, 5)

    def _make(self, made: Future[Answer], user: str | None, day: str) -> None:
        """Make a page, in a thread of its own: whoever asks is not to hang with the journal."""
        try:
            answer = Answer(HTTPStatus.OK, self._page.look(user, day), _HTML)
        except JournalError as error:
            made.set_result(_later(f"The status page cannot be made: {error}.", 5))
        except BaseException as error:  # noqa: BLE001  # the one who asks raises it
            made.set_exception(error)
        else:
            if user is None:
                self._last = time.monotonic() + self._fresh, answer
            made.set_result(answer)
            time.sleep(min(time.monotonic() - self._began, _REST))
        finally:
            self._making.release()

    def _kept(self) -> Answer | None:
        last = self._last
        return last[1] if last and time.monotonic() < last[0] else None

    def _knows_token(self, head: Head) -> bool:
        """Say whether a caller has the token. A wrong one is told in the log, without what it was."""
        scheme, _, credentials = head.authorization.partition(" ")
        told = credentials.strip(" ").encode("latin-1", "replace")
        if scheme.lower() == "basic":
            told = _password(told)
        elif scheme.lower() != "bearer":
            told = b""
        right = hmac.compare_digest(told, self._token or b"")
        if told and not right and time.monotonic() - self._told_at >= _TOLD_AGAIN:
            self._told_at = time.monotonic()
            _log.warning("%s asked for the status page with a wrong token (401)", head.address)
        return right


def _password(credentials: bytes) -> bytes:
    """Given what stands behind `Basic`, return the password in it; none where it is ill-formed."""
    try:
        return b64decode(credentials, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _is_of_this_machine(host: str) -> bool:
    """Say whether a Host header names this machine: `localhost:8083`, `127.0.0.1`, `[::1]:8083`.

    A page of another site can give its own name our address (DNS rebinding), and read by it what a browser on
    this machine may see; its Host header then is that name.
    """
    parts = _HOST.fullmatch(host)
    try:
        return parts is not None and is_loopback(check_host(parts["inner"] or parts["outer"]))
    except ValueError:
        return False


def _later(told: str, seconds: int) -> Answer:
    return _plain(HTTPStatus.SERVICE_UNAVAILABLE, told, ("Retry-After", str(seconds)))


def _plain(status: HTTPStatus, told: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, f"{told}\n", _TEXT, headers)
