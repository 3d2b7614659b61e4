"""One value of the file, and how it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Scalar(str):
    """The text of a value, its variables filled in. It is like any other text, but knows of its quotes."""

    __slots__ = ("filled", "plain")

    plain: bool
    """Whether it was written without quotes."""
    filled: tuple[str, ...]
    """What stands in it for variables and files, in its order."""

    def __new__(cls, text: str, *, plain: bool = False, filled: tuple[str, ...] = ()) -> Self:
        """Given a text and how it was written, return both."""
        made = super().__new__(cls, text)
        made.plain = plain
        made.filled = filled
        return made
