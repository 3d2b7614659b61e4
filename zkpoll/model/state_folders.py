"""The folders for what is kept beside a journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateFolders:
    """Where raw copies, logs of unknown layout and lock files lie."""

    raw_copies: Path
    unknown_logs: Path
    locks: Path

    @classmethod
    def beside(cls, file: Path) -> Self:
        """Given a journal's file, return the folders that have its name and an ending."""
        return cls(*(file.with_name(file.name + ending) for ending in (".raw", ".unknown", ".locks")))
