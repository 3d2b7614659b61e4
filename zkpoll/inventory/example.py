"""The commented example of an inventory, which the wheel brings along."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_NAME: Final = "devices.example.yaml"


def example() -> str:
    """Return its text, as it is shipped; a checkout has it at its top."""
    in_wheel = Path(__file__).with_name(_NAME)
    return (in_wheel if in_wheel.is_file() else Path(__file__).parents[2] / _NAME).read_text("utf-8")
