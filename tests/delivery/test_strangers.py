"""Answers of those in front of a dashboard, who want a browser; over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.delivery.dashboard import Dashboard, Script
from tests.delivery.forms import request
from tests.delivery.outbox import EXAMPLE
from tests.delivery.test_registry import dashboard, terminals
from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Decision, Reply, Verdict, carried_out
from zkpoll.delivery.formats.registry import FORMATS, format_of
from zkpoll.delivery.ping import ping
from zkpoll.delivery.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    Serve = Callable[..., Dashboard]

HTML = {"Content-Type": "text/html; charset=UTF-8"}
WAIT = b'<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title>'
CHALLENGES = {
    "Cloudflare, by its header": Script(403, {**HTML, "CF-Mitigated": "challenge"}, WAIT),
    "without a page": Script(403, {"cf-mitigated": "challenge"}, b""),
    "with a good status": Script(200, {"cf-mitigated": "challenge"}, b""),
    "Cloudflare, by its page": Script(403, {**HTML, "Server": "cloudflare"}, WAIT),
    "Cloudflare under attack": Script(503, {**HTML, "Server": "cloudflare"}, WAIT),
    "Cloudflare's older page": Script(
        403, {**HTML, "Server": "cloudflare-nginx"}, b"<title>Attention Required! | Cloudflare</title>"
    ),
    "Cloudflare to programs": Script(403, {"Server": "cloudflare"}, b"error code: 1010"),
    "AWS WAF": Script(202, {"x-amzn-waf-action": "challenge"}, b""),
    "AWS WAF with a riddle": Script(405, {"x-amzn-waf-action": "captcha"}, b""),
}
OTHERS = {
    "Cloudflare's own trouble": (Script(522, {**HTML, "Server": "cloudflare"}, b"<html>"), Verdict.TRY_AGAIN),
    "behind Cloudflare": (Script(200, {"Server": "cloudflare"}), Verdict.CONFIRMED),
    "refused behind it": (Script(403, {"Server": "cloudflare"}, b"{}"), Verdict.CONFIGURATION),
    "asked too often": (Script(429, {"Server": "cloudflare"}, b"error code: 1015"), Verdict.TRY_AGAIN),
    "a page of its own": (Script(503, HTML, WAIT), Verdict.TRY_AGAIN),
}


def decided(url: str, form: str) -> Decision:
    """Return the decision of a format on one punch."""
    with Client(Access(url, 5.0, "token")) as client:
        return carried_out(
            format_of(dashboard(form), terminals(), ()).exchange([EXAMPLE], unsure=False), client.send
        )


@pytest.mark.parametrize("form", sorted(FORMATS))
@pytest.mark.parametrize("script", CHALLENGES.values(), ids=CHALLENGES)
def test_a_challenge_for_browsers(serve: Serve, script: Script, form: str) -> None:
    """A challenge confirms nothing in any format, and its sentence names who asks, and what to do there."""
    guard = "AWS WAF" if "x-amzn-waf-action" in script.headers else "Cloudflare"
    decision = decided(serve(script).url, form)
    assert decision.verdict is Verdict.CONFIGURATION
    assert decision.message.removesuffix('; it says: "error code: 1010"').endswith(
        f"answered {script.status} with a challenge or block of {guard}, which only browsers pass, so nothing"
        f" is confirmed; let {guard} allow requests from this machine's address to url:"
    )


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_ping_names_it(serve: Serve, form: str) -> None:
    """A ping that meets a challenge says so, and takes it for no answer of the dashboard."""
    found = ping(
        Access(serve(CHALLENGES["AWS WAF"]).url, 5.0, "token"), format_of(dashboard(form), terminals(), ())
    )
    assert not found.ok
    assert "challenge or block of AWS WAF" in found.steps[-1].text


@pytest.mark.parametrize(("script", "verdict"), OTHERS.values(), ids=OTHERS)
def test_what_is_no_challenge(serve: Serve, script: Script, verdict: Verdict) -> None:
    """What only came by way of Cloudflare, or looks a little like it, means what it says."""
    with Client(Access(serve(script).url, 5.0)) as client:
        sent = request("events", [EXAMPLE])
        answer = client.send(sent)
    assert isinstance(answer, Reply)
    decision = judge(answer, (), sent.ids)
    assert decision.verdict is verdict
    assert "challenge" not in decision.message
