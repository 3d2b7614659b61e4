"""A Redis of a test's own that speaks TLS alone, on loopback."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.certificates import Authority
from tests.peers import free_ports, listens
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REDIS: Final = shutil.which("redis-server")
SECRET: Final = "p@ss/w"
"""Its password."""


@contextmanager
def tls_redis(folder: Path, place: str = "IP:127.0.0.1") -> Iterator[str]:
    """Run it with a certificate for a place, by the authority in `authority.pem`; give its URL."""
    if REDIS is None:
        pytest.skip("no redis-server is installed")
    cert, key = Authority(folder).issue("broker", place=place)
    (port,) = free_ports(1)
    settings = ("--tls-auth-clients", "no", "--requirepass", SECRET, "--save", "", "--dir", str(folder))
    files = ("--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-ca-cert-file", str(cert))
    command = [REDIS, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", *files, *settings]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: listens(port))
            yield f"rediss://127.0.0.1:{port}/1"
        finally:
            server.kill()
