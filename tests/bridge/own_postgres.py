"""A PostgreSQL of the tests' own, from the wheel that carries one, where the machine runs none."""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from tests.peers import free_ports

PATIENCE: Final = 60.0
"""Seconds until it must answer."""
_OTHER: Final = "nobody"
"""PostgreSQL refuses to run as root; then it runs as this user, from a copy of the wheel's programs that the
user may read wherever the checkout is."""

_WHO: Final = """\
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
"""Who needs a password: all but the owner."""


def why_not() -> str | None:
    """Say why there can be none; None where there can."""
    if importlib.util.find_spec("pgserver") is None:
        return "the wheel pgserver is not installed (there is none for this Python)"
    return None


@cache
def own_postgres() -> URL:
    """Start a server, once in this process, and return its address. It ends with the process."""
    server = OwnPostgres("-F")
    server.start()
    atexit.register(server.end)
    return server.url


class OwnPostgres:
    """A server of the tests' own, in a folder of its own."""

    def __init__(self, *options: str) -> None:
        """Make its files. `options` are those of the program `postgres`."""
        self._folder = folder = Path(tempfile.mkdtemp(prefix="zkpoll-postgres-"))
        spec = importlib.util.find_spec("pgserver")
        assert spec
        assert spec.origin
        package, self._user = Path(spec.origin).parent, None
        if os.geteuid() == 0:
            self._user = _OTHER
            for one in ("pgserver/pginstall", "pgserver.libs"):
                shutil.copytree(package.parent / one, folder / one)
            package = folder / "pgserver"
            os.chown(folder, pwd.getpwnam(_OTHER).pw_uid, -1)
        programs, data, self._log = package / "pginstall" / "bin", folder / "data", folder / "log"
        make: list[str | Path] = [
            programs / "initdb",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-sync",
            data,
        ]
        subprocess.run(make, user=self._user, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
        (data / "pg_hba.conf").write_text(_WHO)
        (port,) = free_ports(1)
        self.url = URL.create(
            "postgresql+psycopg", "postgres", host="127.0.0.1", port=port, database="postgres"
        )
        where: list[str | Path] = ["-D", data, "-k", folder, "-h", "127.0.0.1", "-p", str(port)]
        self._words = [programs / "postgres", *where, *options]
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("wb") as said:
            self._server = server = subprocess.Popen(
                self._words, user=self._user, cwd=self._folder, stdout=said, stderr=said
            )
        end = time.monotonic() + PATIENCE
        while b"ready to accept connections" not in self._log.read_bytes():
            assert server.poll() is None, self._log.read_text()
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.02)

    def crash(self) -> None:
        """Stop it at once, with nothing written down: the next start recovers what was committed."""
        self._stop(signal.SIGQUIT)

    def end(self) -> None:
        """Stop it, and remove its files."""
        try:
            self._stop(signal.SIGINT)  # which closes all connections
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _stop(self, how: signal.Signals) -> None:
        if self._server:
            self._server.send_signal(how)
            self._server.wait(PATIENCE)
            self._server = None
