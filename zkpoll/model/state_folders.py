"""The folders and the mark that are kept beside a journal, and names of files in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateFolders:
    """Where raw copies and logs of unknown layout lie, and the file that tells of a journal."""

    raw_copies: Path
    unknown_logs: Path
    begun: Path
    """Is there once a journal was begun, and stays where that one is lost."""

    @classmethod
    def beside(cls, file: Path) -> Self:
        """Given a journal's file, return what has its name and an ending."""
        return cls(*(file.with_name(file.name + ending) for ending in (".raw", ".unknown", ".begun")))


def part_of_name(text: str, longest: int) -> str:
    """Return a text as a part of a file's name: quoted, of `longest` bytes at most; no two texts share one.

    A name of 64 letters may be 768 bytes when quoted, and file systems take 255. A long one is cut, and its
    digest stands behind a +, which no quoted text has.
    """
    quoted = quote(text, safe="")
    if len(quoted) <= longest:
        return quoted
    digest = sha256(text.encode()).hexdigest()[:16]
    cut = quoted[: longest - len(digest) - 1]
    return re.sub(r"%.?$", "", cut) + "+" + digest
