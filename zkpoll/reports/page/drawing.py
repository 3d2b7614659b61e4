"""Bars and meters as paths of SVG, as short as they can be: a page may have thousands. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zkpoll.reports.page.bars import Bars

STEP: Final = 5
"""Units from one bar to the next; the style sheet leaves a gap in each."""
HEIGHT: Final = 24
"""Units of the highest bar."""


def heights(bars: Bars) -> str:
    """Return the outline of bars, without the last one, which has a colour of its own: `M0 24V3h5V4h5V24z`.

    A day that brought anything is seen; so is, as a line, one that brought nothing.
    """
    steps = [_top(count, bars.most) for count in bars.counts]
    found, width = [f"M0 {HEIGHT}"], 0
    for top, following in zip(steps[:-1], [*steps[1:-1], None], strict=True):
        width += STEP
        if top != following:
            found.append(f"V{top}h{width}")
            width = 0
    return f"{''.join(found)}V{HEIGHT}z"


def last(bars: Bars) -> str:
    """Return the outline of the last bar."""
    left = STEP * (len(bars.counts) - 1)
    return f"M{left} {HEIGHT}V{_top(bars.last, bars.most)}h{STEP}V{HEIGHT}z"


def _top(count: int, most: int) -> int:
    """Return how far below the top the bar of a number ends."""
    if not count:
        return HEIGHT - 1
    return min(HEIGHT - 2, HEIGHT - round(HEIGHT * count / most))


def share(part: float, whole: float) -> int:
    """Return a share in percent, from 0 to 100."""
    return max(0, min(100, int(100 * part // whole))) if whole else 0
