"""The settings of formats that need some: one module a format, the twin of `zkpoll/delivery/formats/`."""

from __future__ import annotations

from typing import Final

from zkpoll.inventory.kinds import Matching

FIELD: Final = Matching("[a-z0-9_]+", "the name of a field: a-z, 0-9 and _")
