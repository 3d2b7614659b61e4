"""The common base of all models of settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer

if TYPE_CHECKING:
    from collections.abc import Callable

MASK: Final = "********"
"""Shown in place of a secret."""


def without_query(url: str) -> str:
    """Given a valid URL, return it with the mask in place of its query: that may hold a key."""
    return re.sub(r"\?.+", f"?{MASK}", url)


masked = PlainSerializer(lambda _: MASK, return_type=str)
as_text = PlainSerializer(lambda value: str(value), return_type=str)  # older pydantic cannot look into `str`


class Settings(BaseModel):
    """Settings that stay as the file said until the end of the run."""

    # Built at first use: models that are only extended are never built, and `in_order` comes before.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


M = TypeVar("M", bound=Settings)


def in_order(*names: str) -> Callable[[type[M]], type[M]]:
    """Given the names of all settings of a model, return the decorator that puts them in this order.

    pydantic puts inherited ones first. Files, the schema and messages show them as a person looks for them.
    Raise KeyError where one is missing.
    """

    def ordered(model: type[M]) -> type[M]:
        fields = model.model_fields
        places = {name: fields.pop(name) for name in names}
        if fields:
            raise KeyError(*fields)
        fields.update(places)
        return model

    return ordered
