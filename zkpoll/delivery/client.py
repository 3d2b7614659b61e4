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
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, Self
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
from zkpoll.delivery.strangers import MARKS
from zkpoll.delivery.transport import LEASH, NotHttp, NoTunnel, OnlyTls, WatchedAdapter
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
_NO_TLS: Final = re.compile("WRONG_VERSION_NUMBER|HTTP_REQUEST|UNKNOWN_PROTOCOL|PACKET_LENGTH|RECORD_LAYER")
"""The names in OpenSSL for an answer that is no TLS: plain HTTP, mostly."""
_OLD_TLS: Final = re.compile("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|WRONG_SSL_VERSION")
"""The names for there being no version in common; TLS 1.0 and 1.1 are refused on our side (RFC 8996)."""
_WEAK_TLS: Final = re.compile(
    "TOO_SMALL|TOO_WEAK|LEGACY_RENEGOTIATION|NO_SHARED_CIPHER|INSUFFICIENT_SECURITY"
)
"""The names for keys and ciphers that are not safe any more."""
_EXPIRED, _NOT_YET, _OF_ITSELF, _OF_ITS_OWN, _OF_NOBODY, _UNPROVEN = 10, 9, 18, 19, 20, 21
_OTHER_NAMES: Final = frozenset({62, 64})
"""X509_V_ERR_* of OpenSSL (openssl/x509_vfy.h), as are the numbers above."""
_CUT: Final = (ConnectionResetError, BrokenPipeError, IncompleteRead, ssl.SSLEOFError)
_UNCONNECTED: Final = (
    NoTunnel,
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
        self._watchdog = Watchdog(stopped)
        self._flaw = _flaw(access)
        self._session = DashboardSession(access.headers)
        self._settings: dict[str, Any] | None = None
        """Proxies and certificates, as the environment had them at the first request; None before it."""
        self._last: requests.PreparedRequest | None = None
        """The last request, without what is its own; None before there is one."""
        self._last_url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._watchdog.close()
        self._session.close()

    def send(self, request: Request) -> Answer:
        """Given a request, send it once and return the answer, or the reason for there being none."""
        if self._flaw:
            return Failure(self._flaw, lasting=True, unsent=True)
        headers = headers_of(request, self._access, int(time.time()))
        body = request.body
        if "Content-Encoding" in headers:
            body = gzip.compress(body or b"", mtime=0)  # without the time, the same body gives the same bytes
        with self._watchdog.watching(self._access.timeout) as leash:
            LEASH.set(leash)
            answer = self._exchange(request, headers, body)
        if not leash.fired:
            return answer
        return replace(self._overdue(), unsent=isinstance(answer, Failure) and answer.unsent)

    def _exchange(self, request: Request, headers: Mapping[str, str | None], body: bytes | None) -> Answer:
        access = self._access
        try:
            if self._settings is None:
                self._settings = self._of_environment()
            prepared = self._prepared(request.method, access.url_of(request))
            for name, value in headers.items():
                if value is None:
                    prepared.headers.pop(name, None)
                else:
                    prepared.headers[name] = value
            prepared.prepare_body(body, None)
            with self._session.send(
                prepared, allow_redirects=False, timeout=access.timeout, **self._settings
            ) as response:
                return _reply(response)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            unsent = any(isinstance(cause, _UNCONNECTED) for cause in _causes(error))
            return replace(self._explain(error), unsent=unsent)
        except MemoryError:
            return Failure(f"the answer of {_place(access.url)} takes more memory than there is")

    def _prepared(self, method: str, url: str) -> requests.PreparedRequest:
        """Return a request without a body. One that goes where the last one went is a copy of it."""
        if self._last is None or (self._last.method, self._last_url) != (method, url):
            self._last = self._session.prepare_request(requests.Request(method, url, auth=self._authorize))
            self._last_url = url
        return self._last.copy()

    def _of_environment(self) -> dict[str, Any]:
        """Return proxies and certificates; requests looks through the whole environment for each request."""
        access = self._access
        cert = str(access.client_cert) if access.client_cert else None
        found = self._session.merge_environment_settings(
            access.url,
            {},
            True,
            # Given here, because requests lets the environment's bundle win over its session's.
            str(access.ca_file) if access.ca_file else None,
            (cert, str(access.client_key)) if cert and access.client_key else cert,
        )
        self._session.trust_env = False
        return dict(found)

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
            return _without_tunnel(None, self._access)
        for cause in _causes(error):
            if isinstance(cause, NoTunnel):
                return _without_tunnel(cause.status, self._access)
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
        marks={name: headers[name] for name in MARKS if name in headers},
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
        case OnlyTls():
            return Failure(f"{place} speaks TLS, and url: begins with http://; write https://", lasting=True)
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


def _without_tunnel(status: int | None, access: Access) -> Failure:
    """Given a proxy's answer to the question for a tunnel, None without one, return it in words."""
    place = _place(access.url)
    match status:
        case HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return Failure(
                "the proxy from the environment wants another user and password than those in HTTPS_PROXY"
                " (407); write them there: http://USER:PASSWORD@HOST:PORT",
                lasting=True,
            )
        case int() if status // 100 == 5:
            return Failure(
                f"the proxy from the environment cannot reach {place} ({status}); it is tried again"
            )
        case int():
            return Failure(
                f"the proxy from the environment lets nobody through to {place} ({status}); let it allow"
                " that, or name the host in NO_PROXY",
                lasting=True,
            )
        case None:
            return Failure(
                f"the proxy from the environment does not lead to {place};"
                " check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
            )


def _how_far(cause: BaseException) -> str:
    """Given the end of a connection, return how far the answer came, as the end of a sentence, if known."""
    partial, expected = getattr(cause, "partial", None), getattr(cause, "expected", None)
    if isinstance(partial, int) and isinstance(expected, int):
        return f": {partial:,} of {partial + expected:,} bytes of its body came"
    if partial == b"" and expected is None:
        return ": its head broke off"
    return "" if isinstance(cause, RemoteDisconnected) else ": its body broke off"


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
        return f"the certificate of {place} is not accepted: {_distrust(error, access)}"
    reason = error.reason or "unknown reason"
    told = reason.replace("_", " ").lower()
    remedy = "check https:// and the port in url:"
    if _NO_TLS.search(reason):
        told = "what answers there does not speak it"
        remedy = "check the port in url:, which may be that of plain http"
    elif _OLD_TLS.search(reason):
        told, remedy = "it has only old versions", "let it speak TLS 1.2 or newer"
    elif _WEAK_TLS.search(reason):
        told, remedy = (
            f"it offers only what is not safe any more ({told})",
            "let it renew its keys and ciphers",
        )
    elif _ABOUT_US.search(reason):
        told = f"it refuses us ({told})"
        remedy = "does it accept the certificate in client_cert:?"
        if not access.client_cert:
            remedy = "if it asks for a certificate of ours, name one in client_cert:"
    return f"no TLS with {place}: {told}; {remedy}"


def _distrust(error: ssl.SSLCertVerificationError, access: Access) -> str:
    """Given an error of a certificate, return what is wrong with it, and what to do."""
    remedy = "put its authority into ca_file:" if access.ca_file else "name its authority in ca_file:"
    match error.verify_code:
        case code if code == _EXPIRED:
            return "it has expired; renew it there, or mend this machine's clock if that is wrong"
        case code if code == _NOT_YET:
            return "it is not valid yet; is this machine's clock right?"
        case code if code in _OTHER_NAMES:
            host = urlsplit(access.url).hostname
            return f"it is for another name than {host}; write the name that it is for in url:"
        case code if code == _OF_ITSELF:
            return f"it is a self-signed certificate; {remedy}"
        case code if code == _OF_ITS_OWN:
            return f"its authority is one of somebody's own, which is not known here; {remedy}"
        case code if code in (_OF_NOBODY, _UNPROVEN):
            return (
                "its authority is not known here, or it does not send the certificates in between; let it"
                f" send its whole chain, or {remedy}"
            )
        case _:
            return f"{error.verify_message}; renew it, or {remedy}"


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
