"""Short waits for the runs of this folder, so that an example takes milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.site import TOKEN
from zkpoll.delivery import loop, verdicts
from zkpoll.pull import clearing, device_tables, discovery, session

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="module")
def short_waits() -> Iterator[None]:
    """Wait moments where zkpoll waits for seconds; a screen is a dumb one, and a token is set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clearing, "ENABLE_LIMIT", 0.3)
        patch.setattr(session, "_EXIT_LIMIT", 0.05)
        patch.setattr(discovery, "TIMEOUT", 0.05)
        for straggling in (device_tables, session):
            patch.setattr(straggling, "STRAGGLERS", 0.02)
        for module in (loop, verdicts):
            patch.setattr(module, "LONGEST_WAIT", 0.02)
        for name, value in {
            "TOKEN": TOKEN,
            "COLUMNS": "80",
            "LINES": "24",
            "NO_COLOR": "1",
            "TERM": "dumb",
        }.items():
            patch.setenv(name, value)
        yield
