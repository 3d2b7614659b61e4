"""Published bytes of real terminals (`tests/captures/4370.yaml`, whose header explains its fields)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).parents[1] / "captures" / "4370.yaml"


@dataclass(frozen=True)
class Capture:
    """One published piece of a conversation."""

    name: str
    what: str
    layout: str
    scope: str
    """What `data` begins with: `tcp-frame`, `payload`, `data`, `record` or `buffer ...`."""
    data: bytes
    """Its bytes; where only some are known, none."""
    pattern: str
    """Its bytes in hex with ?? for the unknown ones; empty where all are known."""
    expected: dict[str, Any]

    def filled(self, guesses: dict[int, bytes]) -> bytes:
        """Return the bytes with the unknown ones 0, except those that `guesses` gives by offset.

        Raise `AssertionError` if a guess contradicts a known byte.
        """
        known = [self.pattern[at : at + 2] for at in range(0, len(self.pattern), 2)]
        filled = bytearray(0 if byte == "??" else int(byte, 16) for byte in known)
        for at, guess in guesses.items():
            for place, byte in enumerate(guess, at):
                assert known[place] in ("??", f"{byte:02x}"), f"byte {place} of {self.name} is known"
                filled[place] = byte
        return bytes(filled)


@cache
def captures() -> dict[str, Capture]:
    """Return all of them by id."""
    entries = yaml.safe_load(_FILE.read_text())["captures"]
    return {
        entry["id"]: Capture(
            name=entry["id"],
            what=entry["what"],
            layout=entry["layout"],
            scope=entry["hex_scope"],
            data=bytes.fromhex(entry["hex"] or ""),
            pattern=entry.get("hex_pattern", ""),
            expected=entry["expected"],
        )
        for entry in entries
    }
