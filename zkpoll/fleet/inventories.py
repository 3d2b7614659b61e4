"""The inventory of a worker: as its file has it by now."""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Final

from zkpoll.errors import InventoryError
from zkpoll.fleet.errands import Plan
from zkpoll.inventory.named_files import named_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zkpoll.inventory import Inventory

_log = logging.getLogger(__name__)

_READ_AGAIN: Final = 60.0
"""Seconds until an inventory that cannot be used is read again, though it is as it was."""
_INVENTORY: Final = "inventory"


class Inventories:
    """The inventory as its file has it by now, and the files that it names.

    One that cannot be used is told, and the former one stays.
    """

    def __init__(
        self,
        first: Inventory,
        path: Path,
        load: Callable[[Path], Inventory],
        queues: Callable[[Inventory], object],
        trouble: Callable[[str, str | None], None],
    ) -> None:
        """`load` reads the file at `path`, `first` is how it was read first.

        `queues` returns what a worker takes errands from, which is settled when it begins.
        """
        self._path = path
        self._queues = queues
        self._settled = queues(first)
        self._load = load
        self._trouble = trouble
        self._lock = threading.Lock()
        self._plan = Plan(first)
        self._files = named_files(first)
        self._again_at = math.inf
        """When it is read again, by the monotonic clock: a file may come that it names for the first time."""
        self._read_at = self._written_at()

    def plan(self) -> Plan:
        """Return the errands of the inventory. Raises nothing."""
        with self._lock:
            written_at = self._written_at()
            if written_at != self._read_at or time.monotonic() >= self._again_at:
                self._read_at = written_at
                self._read()
            return self._plan

    def _read(self) -> None:
        self._again_at = math.inf
        try:
            new = self._load(self._path)
        except InventoryError as error:
            self._again_at = time.monotonic() + _READ_AGAIN
            self._trouble(_INVENTORY, f"it cannot be used, and goes on as it was before: {error}")
            return
        if new.home != self._plan.inventory.home:
            self._trouble(_INVENTORY, "it names another journal now; start this worker anew")
            return
        self._plan = Plan(new)
        if (files := named_files(new)) != self._files:
            self._files = files
            self._read_at = self._written_at()
        other = (
            "it has other sites or another broker now; start this worker anew, which goes on with the former"
        )
        self._trouble(_INVENTORY, None if self._queues(new) == self._settled else other)
        _log.info("%s has changed, and was read", self._path)

    def _written_at(self) -> Mapping[Path, tuple[int, int] | None]:
        """Return when the inventory was written, and what is read with it; None for what is not there."""
        return {path: _mark(path) for path in (self._path, *self._files)}


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
