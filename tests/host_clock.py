"""Runs `zkpoll` on a host whose clock is wrong, or right, as far as that process can tell.

    python -m tests.host_clock SECONDS VOUCHED sync --config devices.yaml

runs the real command with the time of day so many seconds ahead. VOUCHED is what the kernel says of it,
as a Python literal: True where NTP vouches for it, False, or None where it cannot be asked. The time that
waits are measured by is not touched.
"""

from __future__ import annotations

import ast
import datetime as dt
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.forks import load_everything
from zkpoll.cli import main
from zkpoll.inventory.settings import Settings
from zkpoll.pull import host_clock

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
    before = site.zkpoll, site.environment
    site.zkpoll = [sys.executable, "-m", "tests.host_clock", str(ahead.total_seconds()), str(vouched)]
    site.environment = site.environment | {"PYTHONPATH": str(ROOT)}
    try:
        yield
    finally:
        site.zkpoll, site.environment = before


_ENDLESS: Final = ExitStack()


class _Kind(type):
    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, datetime)


def be_on_a_host(seconds: float, vouched: bool | None) -> None:
    """Let this process, which has loaded all of zkpoll, be to its end on a host so many seconds ahead."""
    off, true_time = timedelta(seconds=seconds), time.time
    _build_models(Settings)
    _ENDLESS.enter_context(clock_here(off, vouched))
    dt.datetime = _ahead(off)  # type: ignore[misc]  # for what is imported late
    time.time = lambda: true_time() + seconds


def _build_models(model: type[Settings]) -> None:
    """Build what is built at first use: older pydantic looks for `datetime` where it is replaced here."""
    for kind in model.__subclasses__():
        kind.model_rebuild()
        _build_models(kind)


def _ahead(off: timedelta) -> type[datetime]:
    """Return what stands for `datetime` where the clock is ahead."""

    class Ahead(datetime, metaclass=_Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + off

    return Ahead


@contextmanager
def clock_here(ahead: timedelta, vouched: bool | None) -> Iterator[None]:
    """Let what is loaded of zkpoll, but virtual terminals, see a clock that is so far ahead, while inside."""
    real = host_clock.synchronised
    stand_ins: dict[str, tuple[object, object]] = {
        "datetime": (datetime, _ahead(ahead)),
        "synchronised": (real, lambda: vouched),
    }
    ours = [name for name in sys.modules if name.startswith("zkpoll.")]
    loaded = [vars(sys.modules[name]) for name in ours if not name.startswith("zkpoll.simulator")]
    changed = [
        (names, name) for names in loaded for name, (true, _) in stand_ins.items() if names.get(name) is true
    ]
    for names, name in changed:
        names[name] = stand_ins[name][1]
    try:
        yield
    finally:
        for names, name in changed:
            names[name] = stand_ins[name][0]


if __name__ == "__main__":
    load_everything()
    be_on_a_host(float(sys.argv[1]), ast.literal_eval(sys.argv[2]))
    sys.argv = ["zkpoll", *sys.argv[3:]]
    main()
