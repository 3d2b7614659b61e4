"""Proxies of the environment between here and a dashboard; over real sockets and real TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.delivery.dashboard import Dashboard, Script
from tests.delivery.forms import request
from tests.delivery.outbox import EXAMPLE
from tests.delivery.proxy import ESTABLISHED, Proxy
from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Answer, Failure, Reply
from zkpoll.delivery.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.certificates import Authority

    Serve = Callable[..., Dashboard]

REQUEST = request("events", [EXAMPLE])
PASSWORD = "proxy-pa55word"


@pytest.fixture
def secure(serve: Serve, authority: Authority) -> Access:
    """Give the access to a dashboard that speaks TLS."""
    server = serve(certificate=authority.in_one_file("dashboard"))
    return Access(server.url, 5.0, "token", ca_file=authority.file)


def send_by(proxy: Proxy, access: Access, monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """Return the answers to two requests that go by way of a proxy."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:{PASSWORD}@{proxy.place}")
    with Client(access) as client:
        return [client.send(REQUEST) for _ in range(2)]


@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"])
def test_a_tunnel(secure: Access, monkeypatch: pytest.MonkeyPatch, interim: bytes) -> None:
    """A dashboard with TLS is reached by way of a proxy, which gets its password and none of ours."""
    with Proxy(interim + ESTABLISHED) as proxy:
        answers = send_by(proxy, secure, monkeypatch)
    assert answers == [Reply(200, body=b'{"ok":true}')] * 2
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {secure.url.split('/')[2]} HTTP/1.")
    assert "Proxy-Authorization: Basic " in head
    assert "token" not in head


@pytest.mark.parametrize(
    ("answer", "lasting", "told"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
            True,
            "wants another user and password than those in HTTPS_PROXY (407);",
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n<html>", True, "lets nobody through to {place} (403);"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "cannot reach {place} (503);"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", False, "does not lead to {place};"),
        (b"", False, "does not lead to {place};"),
    ],
    ids=["407", "403", "503", "no HTTP", "nothing"],
)
def test_no_tunnel(
    secure: Access, monkeypatch: pytest.MonkeyPatch, answer: bytes, lasting: bool, told: str
) -> None:
    """A proxy that leads nowhere is named, with what to do; nothing of the request went out."""
    with Proxy(answer, leads=False) as proxy:
        failures = send_by(proxy, secure, monkeypatch)
    for failure in failures:
        assert isinstance(failure, Failure)
        assert (failure.lasting, failure.unsent) == (lasting, True)
        place = secure.url.split("/")[2]
        assert failure.reason.startswith("the proxy from the environment " + told.format(place=place))
        assert PASSWORD not in failure.reason


def test_a_proxy_wants_a_password(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy for plain http that wants a password is named, and the dashboard is not blamed."""
    page = b"<html><title>Cache Access Denied</title></html>"
    proxy = serve(Script(407, {"Proxy-Authenticate": "Basic", "Content-Type": "text/html"}, page))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with Client(Access("http://dashboard.invalid/v1", 5.0)) as client:
        decision = judge(client.send(REQUEST))
    assert decision.message.startswith("the dashboard answered 407 because the proxy on the way wants")
    assert "HTTP_PROXY" in decision.message


def test_trust_through_a_tunnel(secure: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy, too, a certificate that is not accepted is named, and is not the proxy's fault."""
    with Proxy() as proxy:
        (failure, _) = send_by(proxy, Access(secure.url, 5.0), monkeypatch)
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("the certificate of ")
