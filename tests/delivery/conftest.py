"""What the delivery tests share: a dashboard, an outbox, events, a certificate."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.certificates import Authority
from tests.delivery.dashboard import Dashboard, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def serve() -> Iterator[Callable[..., Dashboard]]:
    """Start dashboards with the scripts given, and close them after the test."""
    with ExitStack() as stack:

        def start(
            *scripts: Script, certificate: Path | None = None, clients: Path | None = None
        ) -> Dashboard:
            return stack.enter_context(Dashboard(*scripts, certificate=certificate, clients=clients))

        yield start


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for 127.0.0.1 with its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl program, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    arguments = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *arguments, *extra], check=True, capture_output=True)
    both.write_text(key.read_text() + cert.read_text())
    return both


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority of our own."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts without proxies, and ends with the threads it began with."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    before = set(threading.enumerate())
    yield
    watchdogs = [t for t in threading.enumerate() if t.name == "zkpoll-watchdog"]
    assert [t for t in watchdogs if t not in before] == []
