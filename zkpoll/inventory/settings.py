"""What all models of settings have in common."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel, ConfigDict, PlainSerializer

MASK: Final = "********"
"""What is shown in place of a secret."""


def without_query(url: str) -> str:
    """Given a valid URL, return it with the mask in place of its query, which may hold a key."""
    return re.sub(r"\?.+", f"?{MASK}", url)


masked = PlainSerializer(lambda _: MASK, return_type=str)


class Settings(BaseModel):
    """Settings that are what the file said until the end of the run."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
