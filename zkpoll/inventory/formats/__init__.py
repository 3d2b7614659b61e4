"""The settings of formats: one module a format, the twin of `zkpoll/delivery/formats/`.

`facts` has a row of each. This module has the parts that several formats share. Nothing else in the
inventory knows a format by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zkpoll.inventory.kinds import Matching
from zkpoll.inventory.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.inventory.problems import Place

FIELD: Final = Matching("[a-z0-9_]+", "the name of a field: a-z, 0-9 and _")


@dataclass(frozen=True, slots=True)
class Names:
    """Names in the settings of a format. Each may stand there once."""

    texts: tuple[tuple[str, Place], ...]
    """Each with its place within these settings."""
    once: str
    """The word for such a name: "the name"."""
    of_devices: bool = False
    """Whether each must be the name of a device of the inventory."""
    no_callers: str = ""
    """Why a device that is not called cannot be among them, in words; empty if it may."""
    no_databases: str = "expected the name of a device"
    """Why a database cannot be among them, in words."""


class FormatSettings(Settings):
    """The settings of a format, and the questions that all of them answer."""

    @property
    def has_shifts(self) -> bool:
        """Whether its dashboard is told how far shifts are complete."""
        return False

    def secrets_in_bodies(self) -> tuple[str, ...]:
        """Return the texts from variables and files that stand in the bodies of its requests."""
        return ()

    def names(self) -> Iterator[Names]:
        """Yield the names that are compared with one another, or with those of the devices."""
        yield from ()
