"""One POST to a dashboard, one answer.

Whatever happens between here and there becomes a `Reply` or a `Failure`; no exception of the HTTP libraries
passes this border.
"""

from __future__ import annotations

import re
import socket
import ssl
from http.client import IncompleteRead
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from zkpoll import __version__
from zkpoll.delivery.policy import Answer, Failure, Reply
from zkpoll.delivery.transport import WATCHDOG, WatchedAdapter
from zkpoll.delivery.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.delivery.access import Access
    from zkpoll.delivery.formats import Request

_ENOUGH: Final = 64 * 1024
"""Bytes of an answer that are read; a page's beginning and an error's text are far smaller."""
_PIECE: Final = 4096
_HEADER_TEXT: Final = re.compile(r"[!-~]+")
"""What a bearer token may be made of: printable ASCII without spaces."""
_CUT: Final = (ConnectionResetError, BrokenPipeError, IncompleteRead, ssl.SSLEOFError)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Return None: no redirect is followed, and its body is not read whole to prepare for one."""
        return None


class Client:
    """A way to a dashboard, and the connection that is kept alive between two requests.

    The timeout is the total limit for one request: connecting, upload, headers and body together. `stopped`
    says whether the run is being stopped; a request in flight then ends within moments. Proxies from the
    environment are used. The token is sent as it is given, never one from `~/.netrc`.
    """

    def __init__(self, access: Access, stopped: Callable[[], bool] = lambda: False) -> None:
        self._access = access
        self._stopped = stopped
        self._flaw = _flaw_of_url(access.url) or _flaw_of_token(access.token)
        self._session = _session()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def post(self, request: Request) -> Answer:
        """Given a request, send it once and return the dashboard's answer, or why there is none."""
        if self._flaw:
            return Failure(self._flaw, lasting=True)
        with Watchdog(self._access.timeout, self._stopped) as watchdog:
            WATCHDOG.set(watchdog)
            answer = self._exchange(request)
        return self._overdue() if watchdog.fired else answer

    def _exchange(self, request: Request) -> Answer:
        try:
            with self._session.post(
                self._access.url,
                data=request.body,
                headers={"Idempotency-Key": request.key},
                auth=self._authorize,
                allow_redirects=False,
                stream=True,
                timeout=self._access.timeout,
            ) as response:
                return _reply(response)
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
            return self._explain(error)

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        # Passed even without a token: it is what keeps requests from looking into ~/.netrc.
        if self._access.token is not None:
            prepared.headers["Authorization"] = f"Bearer {self._access.token}"
        return prepared

    def _overdue(self) -> Failure:
        if self._stopped():
            return Failure("the run was stopped before the dashboard's answer was complete")
        return Failure(
            f"no complete answer from {_place(self._access.url)} within {self._access.timeout:g} s"
        )

    def _explain(self, error: Exception) -> Failure:
        """Given what was raised, return the failure in words: the first of its causes that has a name."""
        if isinstance(error, requests.exceptions.ProxyError):
            return Failure(
                f"the proxy from the environment does not lead to {_place(self._access.url)};"
                " check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
            )
        for cause in _causes(error):
            if isinstance(cause, TimeoutError | requests.Timeout):
                return self._overdue()
            if failure := _named(cause, _place(self._access.url)):
                return failure
        return Failure(f"the exchange with {_place(self._access.url)} failed ({type(error).__name__})")


def _session() -> requests.Session:
    session = _Session()
    adapter = WatchedAdapter()
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    # Each request stands for itself: a session cookie would bring some frameworks to ask for a CSRF token.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update(
        {
            "User-Agent": f"zkpoll/{__version__}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a small answer needs no packing, and cannot unpack to a big one
            "Connection": "keep-alive",
        }
    )
    return session


def _reply(response: requests.Response) -> Reply:
    headers = response.headers
    return Reply(
        status=response.status_code,
        content_type=headers.get("Content-Type", ""),
        body=_beginning(response),
        location=headers.get("Location", ""),
        retry_after=headers.get("Retry-After", ""),
    )


def _beginning(response: requests.Response) -> bytes:
    """Return the body, or its first `_ENOUGH` bytes; then the connection is closed with the response."""
    body = bytearray()
    for piece in response.iter_content(_PIECE):
        body += piece
        if len(body) >= _ENOUGH:
            break
    return bytes(body[:_ENOUGH])


def _named(cause: BaseException, place: str) -> Failure | None:
    """Given one cause of a failed exchange, return it in words, or None if another one says more."""
    match cause:
        case ssl.SSLCertVerificationError():
            return Failure(
                f"the certificate of {place} is not accepted: {cause.verify_message};"
                " renew it, or name its authority in REQUESTS_CA_BUNDLE",
                lasting=True,
            )
        case _ if isinstance(cause, _CUT):
            return Failure(f"{place} closed the connection before its answer was complete")
        case ssl.SSLError():
            return Failure(
                f"no TLS with {place}: {_tls_reason(cause)}; check https:// and the port in url:",
                lasting=True,
            )
        case socket.gaierror():
            return Failure(f"the name in {place} does not resolve; check url: or the name server")
        case ConnectionRefusedError():
            return Failure(f"{place} refuses the connection; is the dashboard running there?")
        case requests.exceptions.InvalidProxyURL():
            return Failure("the proxy in the environment is not a URL", lasting=True)
        case requests.exceptions.InvalidURL() | requests.exceptions.InvalidSchema() | UnicodeError():
            return Failure(f"no request can be made to {place}; check url: and proxies", lasting=True)
        case OSError() if not isinstance(cause, requests.RequestException):
            return Failure(f"{place} cannot be reached: {cause.strerror or cause}")
        case _:
            return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Given an error of the HTTP libraries, yield it and what it wraps, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__]


def _tls_reason(error: ssl.SSLError) -> str:
    return (error.reason or "unknown reason").replace("_", " ").lower()


def _flaw_of_url(url: str) -> str:
    """Given a destination's URL, return what is wrong with it, or nothing. Never shows a password in it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable:
        return "url: is not an http:// or https:// address with a host"
    if parts.username is not None:
        return "url: holds a user name; put the dashboard's token in token: or token_file:"
    return ""


def _flaw_of_token(token: str | None) -> str:
    if token is None or _HEADER_TEXT.fullmatch(token):
        return ""
    return "the token is empty or holds a space, a line break or a letter that no header can carry"


def _place(url: str) -> str:
    """Return a usable URL's host, with the port if it names one."""
    return urlsplit(url).netloc
