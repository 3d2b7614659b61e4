"""Pings: what is sent, how long it may take, and that nothing of it is told."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from tests.delivery.dashboard import DROP, Dashboard, MuteServer, Script
from tests.peers import closed_port
from tests.site import Site, entry
from zkpoll.errors import ExitCode
from zkpoll.reports.health import Health, beneath
from zkpoll.simulator import SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2"


@pytest.fixture
def service() -> Iterator[Dashboard]:
    """Give a service that takes pings."""
    with Dashboard() as running:
        yield running


def secret(url: str) -> SecretStr:
    """Return a ping URL with a secret in its path."""
    return SecretStr(url.replace("/v1/attendance", f"/{SECRET}"))


def test_a_good_run(service: Dashboard) -> None:
    """A run's start and its end are POSTed, in this order, the summary as the body."""
    pings = Health(secret(service.url))
    pings.started()
    assert pings.ended(ExitCode.OK, "1 of 1 devices read, ü") is None
    start, end = service.received
    assert (start.method, start.path, start.body) == ("POST", f"/{SECRET}/start", b"")
    assert (end.method, end.path, end.body.decode()) == ("POST", f"/{SECRET}", "1 of 1 devices read, ü")


@pytest.mark.parametrize("code", [ExitCode.ATTENTION, ExitCode.UNREACHABLE, ExitCode.BUG])
def test_a_run_that_failed(service: Dashboard, code: ExitCode) -> None:
    """The exit code of a run that is not well stands at the end of the path."""
    assert Health(secret(service.url)).ended(code, "x") is None
    assert [ping.path for ping in service.received] == [f"/{SECRET}/{int(code)}"]


def test_a_run_that_left_all_to_another_one(service: Dashboard) -> None:
    """Code 75 is neither success nor failure: the run that holds the locks tells how it ends."""
    assert Health(secret(service.url)).ended(ExitCode.LOCKED, "x") is None
    assert service.received == []


def test_a_long_summary_is_cut(service: Dashboard) -> None:
    """A summary of a thousand devices is cut, not refused for its size."""
    Health(secret(service.url)).ended(1, "ü" * 100_000)
    assert len(service.received[0].body) == 10_000


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (Script(status=404), "HTTP status 404"),
        (Script(status=302, headers={"Location": "http://127.0.0.1:9/"}), "HTTP status 302"),
        (DROP, "ConnectionError"),
    ],
)
def test_a_service_that_does_not_take_it(script: Script, told: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it answers is told in a word, without the URL, and goes nowhere else."""
    with Dashboard(script) as service, caplog.at_level(logging.DEBUG, "zkpoll"):
        found = Health(secret(service.url)).ended(0, "x")
        assert len(service.received) == 1
    assert found == f"127.0.0.1:{service.server_port} was not told how the run ended: {told}"
    assert found in caplog.text
    assert SECRET not in caplog.text


def test_a_service_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """A port that nobody listens on fails no run, and the secret is in no word of it."""
    with closed_port() as (host, port):
        pings = Health(SecretStr(f"http://{host}:{port}/{SECRET}"))
        pings.started()
        found = pings.ended(0, "x")
    assert found == f"{host}:{port} was not told how the run ended: ConnectionError"
    assert SECRET not in caplog.text


def test_a_service_that_never_answers() -> None:
    """A service that says nothing, or says it byte by byte, costs a run the limit and no more."""
    with MuteServer() as mute:
        began = time.monotonic()
        told = Health(SecretStr(f"http://{mute.place}/{SECRET}"), timeout=0.3).ended(0, "x")
        assert time.monotonic() - began < 5
    assert told is not None
    with Dashboard(Script(trickle="head")) as slow:
        began = time.monotonic()
        told = Health(secret(slow.url), timeout=0.3).ended(0, "x")
        assert time.monotonic() - began < 5
        assert told is not None
        assert told.endswith("no answer within 0.3 s")


@pytest.mark.parametrize(
    ("url", "path", "found"),
    [
        ("https://a/b", "start", "https://a/b/start"),
        ("https://a/b/", "1", "https://a/b/1"),
        ("https://a/b", "", "https://a/b"),
        ("https://a/b/", "", "https://a/b/"),
        ("https://a/b?create=1", "start", "https://a/b/start?create=1"),
        ("https://a", "start", "https://a/start"),
    ],
)
def test_what_is_added_to_the_path(url: str, path: str, found: str) -> None:
    """What is added stands at the end of the path, in front of a query."""
    assert beneath(url, path) == found


# --- the real command ---


def watch(service: Dashboard) -> str:
    """Return the setting that lets `service` be told."""
    return f"health: {{ping_url: '{service.url}'}}\n"


def test_a_run_is_told(site: Site, dashboard: SampleDashboard, service: Dashboard) -> None:
    """A sync tells its start and its end, a dry run nothing."""
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address), more=watch(service))
        assert site.sync("--dry-run").code == 0
        assert service.received == []
        assert site.sync().code == 0
    start, end = service.received
    assert start.path == "/v1/attendance/start"
    assert end.path == "/v1/attendance"
    assert end.body.startswith(b"1 of 1 devices read, 3 new punches, 3 delivered to dashboard; ")


def test_a_run_that_breaks_off_is_told(site: Site, dashboard: SampleDashboard, service: Dashboard) -> None:
    """A device that fails is told with its sentence, and a run that comes to nothing with why."""
    with closed_port() as nobody:
        site.write(dashboard.url, entry("front", nobody), more=watch(service))
        assert site.sync().code == 69
    assert service.received[-1].path == "/v1/attendance/69"
    assert b"\ndevice front: 127.0.0.1:" in service.received[-1].body
    site.journal.write_bytes(b"no journal at all" * 100)
    assert site.sync().code == 74
    assert service.received[-1].path == "/v1/attendance/74"
    assert b"is not a journal" in service.received[-1].body


def test_a_service_that_is_away_fails_no_run(site: Site, dashboard: SampleDashboard) -> None:
    """Code 0 stays code 0; cron hears of it once, and when it is over."""
    with serve(Terminal.with_samples(3)) as address, Dashboard(Script(status=500)) as service:
        site.write(dashboard.url, entry("front", address), more=watch(service))
        first, second = site.sync(), site.sync()
        document = site.report()
        service.scripts = (Script(),)
        well = site.sync()
    assert (first.code, second.code, well.code) == (0, 0, 0)
    told = f"127.0.0.1:{service.server_port} was not told how the run ended: HTTP status 500"
    assert first.err == f"zkpoll: health check: {told}\n"
    assert second.err == ""
    assert document["exit_code"] == 0
    assert document["watchers"] == {"health check": told}
    assert well.err.startswith("zkpoll: health check: well again, after ")
