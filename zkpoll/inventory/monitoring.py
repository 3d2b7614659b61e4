"""Settings of the services that watch runs from outside."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, PlainSerializer, SecretStr

from zkpoll.inventory.credentials import Secret
from zkpoll.inventory.hosts import check_url
from zkpoll.inventory.kinds import File, Shape, Url
from zkpoll.inventory.settings import MASK, Settings


class PingUrl(Secret):
    """A URL that takes pings from whoever knows it, so that its path is as good as a password."""

    expected = "an http:// or https:// URL without user, password and fragment"

    def fits(self, text: str) -> bool:
        """Given the text of a URL, say whether it can be one."""
        try:
            return check_url(text) == text
        except ValueError:
            return False

    def shape(self) -> Shape:
        """Return: http or https, then anything but space, quotes and a fragment."""
        return Url().shape()


def _masked(url: SecretStr) -> str:
    """Given a ping URL, return it without its path."""
    parts = urlsplit(url.get_secret_value())
    return f"{parts.scheme}://{parts.netloc}/{MASK}"


class Metrics(Settings):
    """Figures of every run and of `zkpoll serve`, for Prometheus."""

    textfile: Annotated[Path, File()] = Field(
        description="The file that is written after each run, and twice a minute by `zkpoll serve`, in the"
        " folder of node_exporter's textfile collector; its name ends in .prom"
    )


class StatusPage(Settings):
    """A page of how everything stands, for people."""

    file: Annotated[Path, File()] = Field(
        description="The file that is written after each run, each minute by `zkpoll dispatch` and twice a"
        " minute by `zkpoll serve`, for a web server to show; it holds user ids, and its mode is 0640"
    )


class HealthChecks(Settings):
    """A service that raises an alarm when runs fail or stay away."""

    ping_url: Annotated[SecretStr, PingUrl(), PlainSerializer(_masked, return_type=str)] = Field(
        description="Where runs are told, as healthchecks.io takes them: URL/start, URL when all is well,"
        " else URL/<exit code>"
    )
