"""Places in the journal by their spans, and as text: "17-516,520". Pure.

The punches of a request stand nearly all side by side, so that one row holds them, however many they are.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Span = tuple[int, int]
"""The first and the last of places that stand side by side."""


class Places:
    """Places that were added in rising order: as many as there are, in the room of their spans."""

    def __init__(self, some: Iterable[Span] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in some:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Add the places from the first to the last of a span, which stands behind all there are."""
        if self._lasts and first == self._lasts[-1] + 1:
            self._lasts[-1] = last
        else:
            self._firsts.append(first)
            self._lasts.append(last)

    def __contains__(self, place: int) -> bool:
        at = bisect_right(self._firsts, place) - 1
        return at >= 0 and place <= self._lasts[at]

    @property
    def end(self) -> int:
        """The last of them; 0 where there is none."""
        return self._lasts[-1] if self._lasts else 0


def spans(places: Iterable[int]) -> list[Span]:
    """Return places, in whatever order, as spans, the first in front."""
    found: list[Span] = []
    for place in sorted(places):
        if found and place <= found[-1][1] + 1:
            found[-1] = found[-1][0], place
        else:
            found.append((place, place))
    return found


def written(some: Sequence[Span]) -> str:
    """Return spans as text."""
    return ",".join(f"{first}-{last}" if first < last else f"{first}" for first, last in some)


def spans_in(text: str) -> list[Span]:
    """Return the spans that a text names. Raise `ValueError` where it is no such text."""
    pairs = (span.partition("-") for span in text.split(","))
    return [(int(first), int(last if dash else first)) for first, dash, last in pairs]


def count_of(some: Iterable[Span]) -> int:
    """Return how many places there are in spans."""
    return sum(last - first + 1 for first, last in some)


def places_of(some: Iterable[Span]) -> Iterator[int]:
    """Yield the places in spans."""
    return chain.from_iterable(range(first, last + 1) for first, last in some)
