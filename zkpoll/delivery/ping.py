"""A ping of a dashboard: its answers to questions that send no punch.

The exchange with the dashboard is the one that deliveries make, and alone decides. The steps on the way to it
are taken by themselves as well. They show how far one comes, and how long each part takes.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Failure, Reply
from zkpoll.delivery.verdicts import NO_RIGHT, by_stranger, judge
from zkpoll.model.step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.delivery.access import Access
    from zkpoll.delivery.contract import Answer, Format, Probe

_PATIENCE: Final = 5.0
"""Seconds for a step on the way, at most; the exchange itself has the dashboard's own limit."""
WAY: Final = ("name", "connection", "TLS")
"""The steps on the way."""


@dataclass(frozen=True, slots=True)
class Ping:
    """The result of a ping."""

    steps: tuple[Step, ...]
    """As far as it came."""
    answered: bool
    """Whether the dashboard answered at all."""

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return all(step.ok is not False for step in self.steps)


def ping(access: Access, form: Format) -> Ping:
    """Given the access to a dashboard and its format, ask whether it would take punches.

    The format's probes are asked one after the other, until an answer shows a flaw.
    """
    way = _way(access)
    found: list[Step] = []
    answered = False
    with Client(access) as client:
        for probe in form.probes():
            began = time.monotonic()
            answer = client.send(probe.request)
            answered = answered or isinstance(answer, Reply)
            found += _found(probe, answer, time.monotonic() - began, access.secrets, first=not found)
            if found[-1].ok is False:
                break
    return judged(way, found, answered=answered)


# --- what it comes to; pure ---


def judged(way: Sequence[Step], found: Sequence[Step], *, answered: bool) -> Ping:
    """Given the steps on the way and those of the exchange, return the two as one.

    The exchange knows best: once it was answered, no step before it has failed. If it was not, its words are
    those of the step that failed.
    """
    if answered:
        return Ping((*(step for step in way if step.ok), *found), answered)
    if way and not way[-1].ok:
        return Ping((*way[:-1], replace(way[-1], text=found[0].text)), answered)
    return Ping((*way, *found), answered)


def _found(
    probe: Probe, answer: Answer, seconds: float, secrets: Sequence[str], *, first: bool
) -> tuple[Step, ...]:
    """Return the steps of an answer to a probe. That to the first one also shows that somebody answers."""
    decision = judge(answer, secrets, ())
    meaning = None if isinstance(answer, Failure) or by_stranger(answer) else probe.meaning(answer)
    if isinstance(answer, Failure) or (meaning is None and answer.status not in NO_RIGHT):
        return (Step("answer" if first else probe.step, False, seconds, decision.message),)
    ok, text = meaning or (False, decision.message)
    if not first:
        return (Step(probe.step, ok, seconds, text),)
    heard = Step("answer", True, seconds, f"{answer.status} to {probe.asked}")
    return heard, Step(probe.step, ok, None, text)


# --- the way ---


def _way(access: Access) -> list[Step]:
    """Go the way to the dashboard, and return each step. The last one may have failed, without words."""
    if proxy := select_proxy(access.url, get_environ_proxies(access.url)):
        return [Step("proxy", True, None, f"by way of {urlsplit(proxy).hostname}, from the environment")]
    steps: list[Step] = []
    began = time.monotonic()
    try:
        _go(access, steps)
    except (OSError, UnicodeError):  # of TLS, too; the exchange will have words for it
        past = sum(step.seconds or 0.0 for step in steps)
        steps.append(Step(WAY[len(steps)], False, time.monotonic() - began - past, ""))
    return steps


def _go(access: Access, steps: list[Step]) -> None:
    """Add each step that is done to `steps`. Raise `OSError` or `UnicodeError` at the one that fails."""
    url = urlsplit(access.url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    began = time.monotonic()

    def done(text: str) -> None:
        nonlocal began
        steps.append(Step(WAY[len(steps)], True, time.monotonic() - began, text))
        began = time.monotonic()

    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    done(", ".join(dict.fromkeys(str(address[0]) for *_, address in found)))
    with socket.create_connection((host, port), min(access.timeout, _PATIENCE)) as sock:
        done("{} port {}".format(*sock.getpeername()))
        if url.scheme == "https":
            with _context(access).wrap_socket(sock, server_hostname=host) as tls:
                certificate: Any = tls.getpeercert()
                issuer = dict(pair for part in certificate["issuer"] for pair in part)
                by = issuer.get("organizationName") or issuer.get("commonName") or "an unnamed issuer"
                end = time.gmtime(ssl.cert_time_to_seconds(certificate["notAfter"]))
                done(f"{tls.version()}, certificate by {by}, valid until {time.strftime('%Y-%m-%d', end)}")


def _context(access: Access) -> ssl.SSLContext:
    """Return the authorities that deliveries trust, as requests understands the environment."""
    env = os.environ
    bundle = (
        access.ca_file or env.get("REQUESTS_CA_BUNDLE") or env.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    )
    folder = Path(bundle).is_dir()
    context = (
        ssl.create_default_context(capath=bundle) if folder else ssl.create_default_context(cafile=bundle)
    )
    if access.client_cert:
        context.load_cert_chain(access.client_cert, access.client_key)
    return context
