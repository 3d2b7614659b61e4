"""Runs `zkpoll` on a host whose clock is wrong, or right, as far as that process can tell.

    python -m tests.host_clock SECONDS VOUCHED sync --config devices.yaml

runs the real command with the time of day so many seconds ahead. VOUCHED is what the kernel says of it,
as a Python literal: True where NTP vouches for it, False, or None where it cannot be asked. The time that
waits are measured by is not touched.
"""

from __future__ import annotations

import ast
import datetime as dt
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from tests.site import Site

ROOT: Final = Path(__file__).parents[1]
YEARS: Final = timedelta(days=2 * 365)
"""By how much the clock is wrong in most tests."""


@contextmanager
def on_a_host(site: Site, *, ahead: timedelta = timedelta(0), vouched: bool | None = True) -> Iterator[None]:
    """Let the commands of a site run on a host whose clock is so far ahead, while inside."""
    before = site.zkpoll, site.popen, site.environment
    site.zkpoll = [sys.executable, "-m", "tests.host_clock", str(ahead.total_seconds()), str(vouched)]
    site.popen = subprocess.Popen
    site.environment = site.environment | {"PYTHONPATH": str(ROOT)}
    try:
        yield
    finally:
        site.zkpoll, site.popen, site.environment = before


class _Kind(type):
    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, datetime)


def _become_ahead(seconds: float) -> None:
    """Let this process's time of day be ahead."""
    off, true_time = timedelta(seconds=seconds), time.time

    class Ahead(datetime, metaclass=_Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + off

    for name, module in list(sys.modules.items()):
        if name.startswith("zkpoll") and getattr(module, "datetime", None) is datetime:
            vars(module)["datetime"] = Ahead
    dt.datetime = Ahead  # type: ignore[misc]  # for what is imported when it is needed
    time.time = lambda: true_time() + seconds


if __name__ == "__main__":
    from tests.forks import load_everything
    from zkpoll.cli import main
    from zkpoll.pull import host_clock

    ahead, vouched = float(sys.argv[1]), ast.literal_eval(sys.argv[2])
    load_everything()
    for one in list(sys.modules.values()):
        if getattr(one, "synchronised", None) is host_clock.synchronised and one is not host_clock:
            vars(one)["synchronised"] = lambda: vouched
    host_clock.synchronised = lambda: vouched
    _become_ahead(ahead)
    sys.argv = ["zkpoll", *sys.argv[3:]]
    main()
