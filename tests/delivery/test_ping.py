"""A ping: how far one comes, what to fix, and no punch sent; against a real server."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.delivery.dashboard import DROP, Dashboard, MuteServer, Script
from tests.delivery.forms import FORMS
from zkpoll.delivery.access import Access
from zkpoll.delivery.ping import Ping, judged, ping
from zkpoll.model.step import Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Serve = Callable[..., Dashboard]

TOKEN = "s3cret-t0ken-9f8e7d6c"
HTML = {"Content-Type": "text/html; charset=utf-8"}


def asked(url: str, form: str = "events", timeout: float = 5.0) -> Ping:
    """Ping that address."""
    return ping(Access(url, timeout, TOKEN), FORMS[form])


def outcomes(found: Ping) -> dict[str, bool | None]:
    """Return how each step went, in their order."""
    return {step.name: step.ok for step in found.steps}


def test_all_is_well(serve: Serve) -> None:
    """An empty batch that is taken shows that all is well; every step on the way is told with its time."""
    server = serve()
    found = asked(server.url)
    assert (found.ok, found.answered) == (True, True)
    assert outcomes(found) == {"name": True, "connection": True, "answer": True, "credentials": True}
    name, connection, answer, credentials = found.steps
    assert name.text == "127.0.0.1"
    assert connection.text == f"127.0.0.1 port {server.server_port}"
    assert answer.text == "200 to an empty batch"
    assert credentials == Step("credentials", True, None, "accepted")
    assert all(step.seconds is not None and 0 <= step.seconds < 5 for step in found.steps[:3])


def test_no_punch_is_sent(serve: Serve) -> None:
    """What goes out is one POST of no events, as deliveries are made."""
    server = serve()
    asked(server.url)
    (got,) = server.received
    assert (got.method, json.loads(got.body)) == ("POST", {"events": []})
    assert got.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [400, 415, 422])
def test_a_dashboard_that_takes_no_empty_batch(serve: Serve, status: int) -> None:
    """One that refuses the empty batch, but not who sends it, is well."""
    found = asked(serve(Script(status)).url)
    assert found.ok
    assert found.steps[-1].text == "seem accepted; that it takes no empty batch is fine"


@pytest.mark.parametrize("form", ["events", "event"])
@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_refused(serve: Serve, status: int, form: str) -> None:
    """The dashboard was reached, and it is said that its token is what to look at."""
    found = asked(serve(Script(status, body=f"who is {TOKEN}?".encode())).url, form)
    assert not found.ok
    assert outcomes(found) == {"name": True, "connection": True, "answer": True, "credentials": False}
    assert "token" in found.steps[-1].text
    assert TOKEN not in repr(found)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (Script(404), "check url:"),
        (Script(405), "check url:"),
        (Script(302, {"Location": "/login"}), "points to /login"),
        (Script(200, HTML, b"<html>Log in</html>"), "a web page"),
        (Script(422, HTML, b"<html>Log in</html>"), "a web page"),
        (Script(410), "gone for good"),
        (Script(503), "cannot take punches now"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Script) else "",
)
def test_answers_to_do_something_about(serve: Serve, script: Script, told: str) -> None:
    """An answer that no delivery could live with fails, with the words that a delivery has for it."""
    found = asked(serve(script).url)
    assert (found.ok, found.answered) == (False, True)
    assert outcomes(found) == {"name": True, "connection": True, "answer": False}
    assert told in found.steps[-1].text


@pytest.mark.parametrize(
    "script",
    [Script(204, body=b""), Script(200, HTML, b""), Script(405), Script(501, HTML, b"<html>No</html>")],
    ids=lambda script: str(script.status),
)
def test_a_format_without_an_empty_batch(serve: Serve, script: Script) -> None:
    """Then OPTIONS asks; no body goes out, a refusal of OPTIONS is fine, and the credentials are unknown."""
    server = serve(script)
    found = asked(server.url, "event")
    assert found.ok
    assert outcomes(found)["credentials"] is None
    assert found.steps[-2].text == f"{script.status} to OPTIONS"
    (got,) = server.received
    assert (got.method, got.body) == ("OPTIONS", b"")


@pytest.mark.parametrize("script", [Script(404), Script(302), Script(200, HTML, b"<html>Log in</html>")])
def test_a_wrong_address_is_told_by_options(serve: Serve, script: Script) -> None:
    """Where OPTIONS asks, a wrong address is found as well."""
    assert outcomes(asked(serve(script).url, "event"))["answer"] is False


def test_a_name_that_does_not_resolve() -> None:
    """No step after the name is shown, and the name is what to look at."""
    found = asked("https://nowhere.invalid/x")
    assert (found.ok, found.answered, outcomes(found)) == (False, False, {"name": False})
    assert "does not resolve" in found.steps[0].text


def test_nobody_there(serve: Serve) -> None:
    """A connection that is refused is told as such."""
    server = serve()
    url = server.url
    server.close()
    found = asked(url)
    assert outcomes(found) == {"name": True, "connection": False}
    assert "refuses the connection" in found.steps[-1].text


def test_tls(serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is trusted is told with its issuer and its end, whoever says that it is trusted."""
    server = serve(certificate=certificate)
    found = ping(Access(server.url, 5, ca_file=certificate), FORMS["events"])
    (tls,) = (step for step in found.steps if step.name == "TLS")
    assert tls.ok
    assert tls.text.startswith("TLSv1.")
    assert "certificate by 127.0.0.1, valid until 20" in tls.text
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert asked(server.url).ok


def test_a_certificate_that_is_not_trusted(serve: Serve, certificate: Path) -> None:
    """It is TLS that fails, and it is said what to do about the certificate."""
    found = asked(serve(certificate=certificate).url)
    assert (found.answered, outcomes(found)) == (False, {"name": True, "connection": True, "TLS": False})
    assert "is not accepted" in found.steps[-1].text
    assert "ca_file:" in found.steps[-1].text


def test_a_port_without_tls(serve: Serve) -> None:
    """An https:// that should be http:// is told."""
    found = asked(serve().url.replace("http:", "https:"))
    assert outcomes(found) == {"name": True, "connection": True, "TLS": False}
    assert "no TLS" in found.steps[-1].text


def test_one_that_hangs_up(serve: Serve) -> None:
    """A dashboard that closes the connection has not answered."""
    found = asked(serve(DROP).url)
    assert (found.answered, outcomes(found)["answer"]) == (False, False)
    assert "closed the connection" in found.steps[-1].text


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_that_says_nothing(scheme: str) -> None:
    """A silent one is waited for no longer than its timeout, once for TLS and once for the answer."""
    with MuteServer() as mute:
        began = time.monotonic()
        found = asked(f"{scheme}://{mute.place}/x", timeout=0.3)
        assert time.monotonic() - began < 3
    assert found.steps[-1].ok is False
    assert found.steps[-1].name == {"http": "answer", "https": "TLS"}[scheme]
    assert "no complete answer" in found.steps[-1].text


def test_by_way_of_a_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment has a proxy, the way to it is the way, and its password is not shown."""
    proxy = serve()
    host = proxy.url.removeprefix("http://").partition("/")[0]
    monkeypatch.setenv("HTTP_PROXY", f"http://eve:hunter2@{host}")
    found = asked("http://dashboard.invalid/x")
    assert outcomes(found) == {"proxy": True, "answer": True, "credentials": True}
    assert found.steps[0].text == "by way of 127.0.0.1, from the environment"


def test_the_exchange_knows_best() -> None:
    """A step that failed by itself has not failed where the dashboard was answering."""
    good, bad = Step("name", True, 0.1, "x"), Step("connection", False, 5.0, "")
    answer = Step("answer", True, 0.1, "200")
    assert judged([good, bad], [answer], answered=True) == Ping((good, answer), answered=True)
