"""Pings that say how runs begin and end, as healthchecks.io takes them.

First `URL/start`, then `URL` when all is well, else `URL/<exit code>`. The body is the summary. A service
that sees no ping for too long raises the alarm: no program on a dead machine could.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from pydantic import SecretStr

TIMEOUT: Final = 5.0
"""Seconds that a run waits for one ping."""
_LONGEST: Final = 10_000
"""Bytes of a summary; healthchecks.io keeps the first 100,000, others less."""
_log = logging.getLogger(__name__)


class Health:
    """The pings of one run."""

    def __init__(self, url: SecretStr, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._host = urlsplit(url.get_secret_value()).netloc
        self._start: threading.Thread | None = None

    def started(self) -> None:
        """Tell that a run begins. The run does not wait for the answer."""
        self._start = self._thread("start", "", [])
        self._start.start()

    def ended(self, code: int, summary: str) -> str | None:
        """Tell how the run ended. Return why that could not be told, or None.

        A run that left all to another one says nothing: the other one will.
        """
        if self._start:
            self._start.join(self._timeout)
        if code == ExitCode.LOCKED:
            return None
        failures: list[str] = []
        ping = self._thread("" if code == ExitCode.OK else str(int(code)), summary, failures)
        ping.start()
        ping.join(self._timeout)
        if ping.is_alive():
            failures = [f"no answer within {self._timeout:g} s"]
        for failure in failures:
            _log.warning("%s was not told how the run ended: %s", self._host, failure)
        return f"{self._host} was not told how the run ended: {failures[0]}" if failures else None

    def _thread(self, path: str, body: str, failures: list[str]) -> threading.Thread:
        """Return a thread that pings. It ends with the program, for a name server may take its time."""
        return threading.Thread(target=self._ping, args=(path, body, failures), daemon=True)

    def _ping(self, path: str, body: str, failures: list[str]) -> None:
        try:
            failure = _post(beneath(self._url.get_secret_value(), path), body, self._timeout)
        except Exception as error:  # noqa: BLE001  # whatever it is, it fails no run
            # Its text holds the URL, which is a secret.
            failure = type(error).__name__
        failures.extend([failure] if failure else [])


def beneath(url: str, path: str) -> str:
    """Given a URL and an addition to its path, return the URL. Its query stays behind the path."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}" if path else parts.path))


def _post(url: str, body: str, timeout: float) -> str | None:
    """POST a body to a URL, with a limit in seconds of silence. Return the fault of the answer, or None."""
    import requests

    data = body.encode("utf-8", "replace")[:_LONGEST]
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    # stream: what it answers is not read, however long it is.
    with requests.post(
        url, data, headers=headers, timeout=timeout, allow_redirects=False, stream=True
    ) as answer:
        return None if 200 <= answer.status_code < 300 else f"HTTP status {answer.status_code}"
