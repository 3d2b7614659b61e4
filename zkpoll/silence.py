"""Waiting for a server that may fall silent: psycopg's waits, given up when nothing comes. No I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")


def unless_silent(
    waits: Generator[Any, Any, T], limit: float, silent: Callable[[], Exception]
) -> Generator[Any, Any, T]:
    """Pass on what psycopg's generators of I/O wait for, as `Connection.wait` is given them.

    Raise what `silent` returns when nothing has come for `limit` seconds.
    """
    until = time.monotonic() + limit
    try:
        wanted = next(waits)
        while True:
            ready = yield wanted
            if ready:
                until = time.monotonic() + limit
            elif time.monotonic() > until:
                raise silent()
            wanted = waits.send(ready)
    except StopIteration as done:
        found: T = done.value
        return found
