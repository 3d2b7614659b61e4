"""URL, credentials and TLS settings of one dashboard."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zkpoll.delivery.contract import Request
    from zkpoll.inventory import Dashboard

_SHORTEST: Final = 4
"""Characters of a header's value that is taken for a secret; less is a switch or a number."""


@dataclass(frozen=True, slots=True)
class Access:
    """A dashboard's address and credentials."""

    url: str
    timeout: float
    """Total limit for one request, in seconds."""
    token: str | None = field(default=None, repr=False)
    """Sent as `Authorization: Bearer ...`, or by another `scheme`."""
    basic: tuple[str, str] | None = field(default=None, repr=False)
    """A user and a password, sent as `Authorization: Basic ...` where there is no token."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request."""
    signing: tuple[str, ...] = field(default=(), repr=False)
    """The secrets that requests are signed with, as Standard Webhooks writes them, the newest first."""
    ca_file: Path | None = None
    """The authorities that may vouch for the dashboard, in place of the usual ones."""
    client_cert: Path | None = None
    client_key: Path | None = None
    """The key of `client_cert`, where that file does not hold it."""
    gzip: bool = False
    """Whether large requests are packed."""
    scheme: str = "Bearer"
    """The word before the token."""
    in_bodies: tuple[str, ...] = field(default=(), repr=False)
    """Secrets that requests hold in their bodies."""

    @classmethod
    def to(cls, dashboard: Dashboard) -> Access:
        """Given the settings of a dashboard, return the access to it."""
        return cls(
            url=dashboard.url,
            timeout=dashboard.timeout,
            token=dashboard.bearer(),
            basic=dashboard.basic.pair() if dashboard.basic else None,
            headers=dashboard.extra_headers(),
            signing=dashboard.signing.secrets() if dashboard.signing else (),
            ca_file=dashboard.ca_file,
            client_cert=dashboard.client_cert,
            client_key=dashboard.client_key,
            gzip=dashboard.gzip,
            scheme=dashboard.facts.scheme,
            in_bodies=dashboard.secrets_in_bodies(),
        )

    def url_of(self, request: Request) -> str:
        """Return the URL of a request."""
        return self.url.rstrip("/") + request.path if request.path else self.url

    @property
    def authorization(self) -> str | None:
        """The header `Authorization`, or None. There may still be one among `headers`."""
        if self.token is not None:
            return f"{self.scheme} {self.token}"
        return f"Basic {self._user_and_password()}" if self.basic else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that no message may hold, even where the dashboard echoes them."""
        whole = [self.token or "", *(secret.removeprefix("whsec_") for secret in self.signing)]
        parts = list(self.in_bodies)
        if self.token and ":" in self.token:
            whole.append(base64.b64encode(self.token.encode()).decode())
            parts += self.token.split(":")
        if self.basic:
            whole += (self._user_and_password(), self.basic[1])
        for value in self.headers.values():
            # Of `Authorization: Bearer abcd` a dashboard may echo the last word alone.
            parts += (value, value.split(" ")[-1])
        return tuple(text for text in whole if text) + tuple(text for text in parts if len(text) >= _SHORTEST)

    def _user_and_password(self) -> str:
        return base64.b64encode(":".join(self.basic or ()).encode()).decode()
