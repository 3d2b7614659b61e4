"""One value of the file, and how it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Scalar(str):
    """The text of a value, its variables filled in. It is like any other text, but knows of its quotes."""

    __slots__ = ("filled", "plain", "written")

    plain: bool
    """Whether it was written without quotes."""
    filled: tuple[str, ...]
    """What stands in it for variables and files, in its order."""
    written: str
    """Its text in the file, with the names of variables and files."""

    def __new__(
        cls, text: str, *, plain: bool = False, filled: tuple[str, ...] = (), written: str = ""
    ) -> Self:
        """Given a text and how it was written, return both."""
        made = super().__new__(cls, text)
        made.plain = plain
        made.filled = filled
        made.written = written
        return made


def as_written(value: object) -> str | None:
    """Given a value, return its text in the file if a variable or a file is in it, or None.

    What a variable holds may be a secret, whatever the setting; so a complaint shows this in its place.
    """
    return value.written if isinstance(value, Scalar) and value.filled else None
