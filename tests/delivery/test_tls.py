"""What is wrong with TLS is named for what it is; over real sockets and real TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import pytest

from tests.delivery.dashboard import Dashboard, Script
from tests.delivery.forms import request
from tests.delivery.outbox import EXAMPLE
from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Answer, Failure, Reply, Verdict
from zkpoll.delivery.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.certificates import Authority

    Serve = Callable[..., Dashboard]

REQUEST = request("events", [EXAMPLE])
OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]


def send(url: str, ca_file: Path | None = None) -> Answer:
    """Return the answer to one request."""
    with Client(Access(url, 5.0, "token", ca_file=ca_file)) as client:
        return client.send(REQUEST)


def refusal(url: str, ca_file: Path | None = None) -> str:
    """Return the words on a dashboard that no further attempt would reach."""
    answer = send(url, ca_file)
    assert isinstance(answer, Failure), answer
    assert judge(answer).verdict is Verdict.CONFIGURATION
    return answer.reason.replace(url.split("/")[2], "PLACE")


class Handshakes:
    """A server that goes no further than the handshake of its settings, or says `raw` in its place."""

    def __init__(self, context: ssl.SSLContext | None = None, raw: bytes = b"") -> None:
        self._context, self._raw = context, raw
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                with caller, suppress(OSError):
                    if self._context:
                        self._context.wrap_socket(caller, server_side=True).close()
                    else:
                        caller.sendall(self._raw)
                        caller.shutdown(socket.SHUT_WR)
                        while caller.recv(65536):  # closed with bytes unread, the answer would be lost
                            pass


def context_of(certificate: Path) -> ssl.SSLContext:
    """Return the settings of a server that shows a certificate, and takes what is not safe any more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.filterwarnings("ignore:.*TLSv1:DeprecationWarning")
@pytest.mark.parametrize("version", OLD, ids=lambda version: version.name)
def test_an_old_version(authority: Authority, version: ssl.TLSVersion) -> None:
    """A dashboard that speaks nothing newer than TLS 1.1 is told to."""
    context = context_of(authority.in_one_file("dashboard"))
    context.minimum_version = context.maximum_version = version
    with Handshakes(context) as server:
        said = refusal(f"https://{server.place}/", authority.file)
    assert said == "no TLS with PLACE: it has only old versions; let it speak TLS 1.2 or newer"


def test_no_cipher_in_common(authority: Authority) -> None:
    """A dashboard that encrypts nothing refuses the handshake, and no riddle of OpenSSL stands alone."""
    context = context_of(authority.in_one_file("dashboard"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("NULL:@SECLEVEL=0")
    with Handshakes(context) as server:
        said = refusal(f"https://{server.place}/", authority.file)
    assert said.startswith("no TLS with PLACE: it refuses us (")


def test_https_where_http_is_spoken(serve: Serve) -> None:
    """https:// to a port of plain HTTP says that, and not a number of a version."""
    server = serve()
    assert refusal(server.url.replace("http:", "https:")) == (
        "no TLS with PLACE: what answers there does not speak it; check the port in url:, which may be"
        " that of plain http"
    )
    assert server.received == []


@pytest.mark.parametrize("raw", [b"\x15\x03\x01\x00\x02\x02\x46", b"\x15\x03\x03\x00\x02\x02\x0a"])
def test_an_alert_to_plain_http(raw: bytes) -> None:
    """http:// to a port that answers with an alert of TLS says so."""
    with Handshakes(raw=raw) as server:
        said = refusal(f"http://{server.place}/")
    assert said == "PLACE speaks TLS, and url: begins with http://; write https://"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (  # nginx, src/http/ngx_http_special_response.c
            "text/html",
            "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n",
        ),
        (  # Apache, server/protocol.c
            "text/html; charset=iso-8859-1",
            "<p>Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n",
        ),
        # Go, net/http/server.go
        ("text/plain", "Client sent an HTTP request to an HTTPS server.\n"),
        # Tomcat, NioEndpoint
        ("text/plain;charset=UTF-8", "Bad Request\r\nThis combination of host and port requires TLS.\r\n"),
    ],
    ids=["nginx", "Apache", "Go", "Tomcat"],
)
def test_a_page_to_plain_http(serve: Serve, content_type: str, body: str) -> None:
    """A server that says 400 because its port wants TLS blames no punch, and shows what to write."""
    answer = send(serve(Script(400, {"Content-Type": content_type}, body.encode())).url)
    decision = judge(answer, (), REQUEST.ids)
    assert decision.verdict is Verdict.CONFIGURATION
    assert decision.message.startswith(
        "the dashboard answered 400 because this port speaks TLS, and url: begins with http://; write https://"
    )


def test_certificates(serve: Serve, authority: Authority) -> None:
    """What is wrong with a certificate is told, each by its own words; no punch gets there."""
    expired = serve(certificate=authority.in_one_file("expired", days=-1))
    elsewhere = serve(certificate=authority.in_one_file("elsewhere", place="DNS:hr.example.com"))
    unknown = serve(certificate=authority.in_one_file("unknown"))
    chain = authority.in_one_file("chain")
    chain.write_text(chain.read_text() + authority.file.read_text())
    whole = serve(certificate=chain)
    partial = (
        "its authority is not known here, or it does not send the certificates in between; let it send its"
        " whole chain, or name its authority in ca_file:"
    )
    own = "its authority is one of somebody's own, which is not known here; name its authority in ca_file:"
    wrong = "it is for another name than {}; write the name that it is for in url:"
    for url, ca_file, told in (
        (
            expired.url,
            authority.file,
            "it has expired; renew it there, or mend this machine's clock if that is wrong",
        ),
        (elsewhere.url, authority.file, wrong.format("127.0.0.1")),
        (elsewhere.url.replace("127.0.0.1", "localhost"), authority.file, wrong.format("localhost")),
        (unknown.url, None, partial),
        (whole.url, None, own),
    ):
        assert refusal(url, ca_file) == f"the certificate of PLACE is not accepted: {told}"
    assert [server.received for server in (expired, elsewhere, unknown, whole)] == [[], [], [], []]


def test_a_self_signed_certificate(serve: Serve, certificate: Path) -> None:
    """A certificate that vouches for itself is called that."""
    said = refusal(serve(certificate=certificate).url)
    assert said == (
        "the certificate of PLACE is not accepted: it is a self-signed certificate; name its authority in"
        " ca_file:"
    )


@pytest.mark.parametrize("early", [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"])
def test_interim_answers_over_tls(serve: Serve, authority: Authority, early: bytes) -> None:
    """Interim answers are skipped in TLS as well, and the connection is good for the next request."""
    server = serve(Script(early=early * 100), certificate=authority.in_one_file("dashboard"))
    with Client(Access(server.url, 5.0, ca_file=authority.file)) as client:
        assert [client.send(REQUEST) for _ in range(3)] == [Reply(200, body=b'{"ok":true}')] * 3
    assert len({got.peer for got in server.received}) == 1
