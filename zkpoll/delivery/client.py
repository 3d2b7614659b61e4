"""One request to a dashboard, one answer.

Everything that happens on the way becomes a `Reply` or a `Failure`. No exception of the HTTP libraries passes
this border.
"""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import time
from dataclasses import replace
from http.client import HTTPException, IncompleteRead
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import (
    DecodeError,
    HTTPError,
    InvalidChunkLength,
    InvalidHeader,
    NewConnectionError,
    ProtocolError,
)

from zkpoll import __version__
from zkpoll.delivery.contract import Answer, Failure, Reply
from zkpoll.delivery.excerpts import excerpt
from zkpoll.delivery.signing import signed
from zkpoll.delivery.transport import WATCHDOG, NotHttp, WatchedAdapter
from zkpoll.delivery.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zkpoll.delivery.access import Access
    from zkpoll.delivery.contract import Request

_ENOUGH: Final = 4 * 1024 * 1024
"""Bytes of an answer that are read: enough to name 10,000 records and say what is wrong with each."""
_PIECE: Final = 64 * 1024
_WORTH_PACKING: Final = 8 * 1024
"""Bytes of a body; a smaller one takes hardly fewer packets when it is packed."""
_HEADER_TEXT: Final = re.compile(r"[!-~]+")
"""The characters of a bearer token: printable ASCII without spaces."""
_ABOUT_US: Final = re.compile("ALERT.*(CERTIFICATE|HANDSHAKE_FAILURE|UNKNOWN_CA|ACCESS_DENIED)")
"""The names in TLS for a server's refusal of our certificate, or of there being none."""
_CUT: Final = (ConnectionResetError, BrokenPipeError, IncompleteRead, ssl.SSLEOFError)
_UNCONNECTED: Final = (
    NewConnectionError,  # as the transport has it: also for a name without address, and for silence
    ssl.SSLCertVerificationError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
)
"""The errors before anything of a request goes out."""


class DashboardSession(requests.Session):
    """A session with watched connections that keeps no cookie and follows no redirect."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        adapter = WatchedAdapter()
        self.mount("http://", adapter)
        self.mount("https://", adapter)
        # Each request stands for itself: with a session cookie some frameworks ask for a CSRF token.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.clear()
        self.headers.update(headers)
        self.headers.update(
            {
                "User-Agent": f"zkpoll/{__version__}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # a small answer that cannot unpack to a big one
                "Connection": "keep-alive",
            }
        )

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Return None: no redirect is followed, and its body is not read whole to prepare for one."""
        return None


class Client:
    """A way to a dashboard, and the connection that is kept alive between two requests.

    The timeout is the total limit for one request: connecting, upload, headers and body together. `stopped`
    turns true when the run is being stopped. A request in flight then ends within moments. Proxies from the
    environment are used. Credentials are sent as they are given, never those of `~/.netrc`.
    """

    def __init__(self, access: Access, stopped: Callable[[], bool] = lambda: False) -> None:
        self._access = access
        self._stopped = stopped
        self._flaw = _flaw(access)
        self._session = DashboardSession(access.headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def send(self, request: Request) -> Answer:
        """Given a request, send it once and return the answer, or the reason for there being none."""
        if self._flaw:
            return Failure(self._flaw, lasting=True, unsent=True)
        headers = headers_of(request, self._access, int(time.time()))
        body = request.body
        if "Content-Encoding" in headers:
            body = gzip.compress(body or b"", mtime=0)  # without the time, the same body gives the same bytes
        with Watchdog(self._access.timeout, self._stopped) as watchdog:
            WATCHDOG.set(watchdog)
            answer = self._exchange(request, headers, body)
        if not watchdog.fired:
            return answer
        return replace(self._overdue(), unsent=isinstance(answer, Failure) and answer.unsent)

    def _exchange(self, request: Request, headers: Mapping[str, str | None], body: bytes | None) -> Answer:
        access = self._access
        cert = str(access.client_cert) if access.client_cert else None
        try:
            with self._session.request(
                request.method,
                access.url_of(request),
                data=body,
                headers=headers,
                auth=self._authorize,
                allow_redirects=False,
                stream=True,
                timeout=access.timeout,
                # Given here, because requests lets the environment's bundle win over its session's.
                verify=str(access.ca_file) if access.ca_file else None,
                cert=(cert, str(access.client_key)) if cert and access.client_key else cert,
            ) as response:
                return _reply(response)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            unsent = any(isinstance(cause, _UNCONNECTED) for cause in _causes(error))
            return replace(self._explain(error), unsent=unsent)
        except MemoryError:
            return Failure(f"the answer of {_place(access.url)} takes more memory than there is")

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        # Passed even without credentials: it is what keeps requests from looking into ~/.netrc.
        if (credentials := self._access.authorization) is not None:
            prepared.headers["Authorization"] = credentials
        return prepared

    def _overdue(self) -> Failure:
        if self._stopped():
            return Failure("the run was stopped before the dashboard's answer was complete")
        return Failure(
            f"no complete answer from {_place(self._access.url)} within {self._access.timeout:g} s"
        )

    def _explain(self, error: Exception) -> Failure:
        """Given an error, return the failure in words: the first of its causes that has a name."""
        if isinstance(error, requests.exceptions.ProxyError):
            return Failure(
                f"the proxy from the environment does not lead to {_place(self._access.url)};"
                " check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
            )
        for cause in _causes(error):
            if isinstance(cause, TimeoutError | requests.Timeout):
                return self._overdue()
            if failure := _named(cause, self._access):
                return failure
            if flaw := _no_http(cause):
                shown = excerpt(flaw, self._access.secrets)
                return Failure(f"what answers at {_place(self._access.url)} is not HTTP: {shown}; check url:")
        return Failure(f"the exchange with {_place(self._access.url)} failed ({type(error).__name__})")


def headers_of(request: Request, access: Access, moment: int) -> dict[str, str | None]:
    """Given a request, the access it is made by and the time of the attempt, return its own headers.

    The time is in whole seconds since 1970, UTC. A None takes away a header that all other requests have.
    """
    headers: dict[str, str | None] = dict(request.headers)
    if request.body is None:
        return headers | {"Content-Type": None}
    if request.key:
        headers["Idempotency-Key"] = request.key
    if request.key and access.signing:
        headers |= signed(access.signing, request.key, moment, request.body)
    if access.gzip and len(request.body) > _WORTH_PACKING:
        headers["Content-Encoding"] = "gzip"
    return headers


def _reply(response: requests.Response) -> Reply:
    headers, body = response.headers, bytearray()
    for piece in response.iter_content(_PIECE):
        body += piece
        if len(body) > _ENOUGH:  # the connection is closed with the response
            break
    return Reply(
        status=response.status_code,
        content_type=headers.get("Content-Type", ""),
        body=bytes(body[:_ENOUGH]),
        location=headers.get("Location", ""),
        retry_after=headers.get("Retry-After", ""),
        date=headers.get("Date", ""),
        whole=len(body) <= _ENOUGH,
    )


def _no_http(cause: BaseException) -> str:
    """Given one cause of a failed exchange, return what in the answer is not HTTP, or nothing."""
    match cause:
        case NotHttp():
            return str(cause)
        case InvalidChunkLength():
            return "its body comes in pieces, one of them without a size"
        case InvalidHeader():
            return "a header says two things"
        case DecodeError():
            return "its body is not packed as its Content-Encoding says"
        case HTTPException():
            return "its head has no end"
        case ProtocolError(args=(str(),)):
            return "a line between the pieces of its body has no end"
        case _:
            return ""


def _named(cause: BaseException, access: Access) -> Failure | None:
    """Given one cause of a failed exchange, return it in words, or None if another one says more."""
    place = _place(access.url)
    match cause:
        case InvalidChunkLength():
            return None  # though it is an IncompleteRead
        case _ if isinstance(cause, _CUT) or cause.args == ("Response ended prematurely",):
            cut = f"{place} closed the connection before its answer was complete"
            return Failure(cut + _how_far(cause))
        case ssl.SSLError():
            return Failure(_without_tls(cause, access), lasting=True)
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


def _how_far(cause: BaseException) -> str:
    """Given the end of a connection, return how far the answer came, as the end of a sentence, if known."""
    partial, expected = getattr(cause, "partial", None), getattr(cause, "expected", None)
    if isinstance(partial, int) and isinstance(expected, int):
        return f": {partial:,} of {partial + expected:,} bytes of its body came"
    return ": its head broke off" if partial == b"" and expected is None else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Given an error of the HTTP libraries, yield it and the errors it wraps, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__]


def _without_tls(error: ssl.SSLError, access: Access) -> str:
    """Given an error of TLS, return it in words, with the setting to change."""
    place = _place(access.url)
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "put its authority into ca_file:" if access.ca_file else "name its authority in ca_file:"
        return f"the certificate of {place} is not accepted: {error.verify_message}; renew it, or {remedy}"
    reason = error.reason or "unknown reason"
    remedy = "check https:// and the port in url:"
    if _ABOUT_US.search(reason):
        remedy = "does it accept the certificate in client_cert:?"
        if not access.client_cert:
            remedy = "if it asks for a certificate of ours, name one in client_cert:"
    return f"no TLS with {place}: {reason.replace('_', ' ').lower()}; {remedy}"


def _flaw(access: Access) -> str:
    """Given the access to a dashboard, return its flaw in words, or nothing. Shows no password, no token."""
    try:
        parts = urlsplit(access.url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable:
        return "url: is not an http:// or https:// address with a host"
    if parts.username is not None:
        return "url: holds a user name; put the dashboard's token in token: or token_file:"
    if access.token is not None and not _HEADER_TEXT.fullmatch(access.token):
        return "the token is empty or holds a space, a line break or a letter that no header can carry"
    return ""


def _place(url: str) -> str:
    """Return a usable URL's host, with the port if it names one."""
    return urlsplit(url).netloc
