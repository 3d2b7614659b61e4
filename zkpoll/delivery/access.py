"""How a dashboard is reached, and how it is convinced of who we are."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Access:
    """A dashboard's address and credentials."""

    url: str
    timeout: float
    """Total limit for one request, in seconds."""
    token: str | None = field(default=None, repr=False)
    """Sent as `Authorization: Bearer ...`."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may hold, even where the dashboard echoes it."""
        return (self.token,) if self.token else ()
