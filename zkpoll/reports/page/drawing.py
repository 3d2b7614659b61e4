"""Bars and meters as SVG, as short as they can be: a page may have thousands. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from zkpoll.reports.page.bars import Bars

STEP: Final = 2
"""Units from one bar to the next; the style sheet leaves a gap in each, and draws the line they stand on."""
HEIGHT: Final = 10
"""Units of the highest bar: one letter a bar. More would be seen by nobody, at 24 pixels."""


def bars_drawn(bars: Bars, label: str) -> Markup:
    """Return bars as a picture: the last one has a colour of its own. `label` says what they show."""
    past, last = _outlines(bars)
    box = f"0 0 {STEP * len(bars.counts)} {HEIGHT}"
    return Markup(  # noqa: S704  # numbers, and what is escaped; Markup.format takes a tenth of a large page
        f'<svg class=bars viewBox="{box}" role=img aria-label="{escape(label)}">'
        f'<path d="{past}"/><path d="{last}"/></svg>'
    )


def meter_drawn(percent: int, hot: bool) -> Markup:
    """Return a share, from 0 to 100 percent, as a picture; a text has to stand beside it."""
    kind = "meter hot" if hot else "meter"
    drawn = f'<svg class="{kind}" viewBox="0 0 100 6"><path d="M0 0h{percent}v6H0"/></svg>'
    return Markup(drawn)  # noqa: S704  # of numbers alone


def _outlines(bars: Bars) -> tuple[str, str]:
    """Return the outline of all bars but the last, and of the last: `M0 10V3h2V4h4V10`.

    What is not zero is seen, however small beside the others.
    """
    most = bars.most or 1
    tops = [HEIGHT - (count and (HEIGHT * count // most or 1)) for count in bars.counts]
    *before, last = tops
    found, width = [f"M0 {HEIGHT}"], 0
    for top, following in zip(before, [*before[1:], None], strict=True):
        width += STEP
        if top != following:
            found.append(f"V{top}h{width}")
            width = 0
    return f"{''.join(found)}V{HEIGHT}", f"M{STEP * len(before)} {HEIGHT}V{last}h{STEP}V{HEIGHT}"


def share(part: float, whole: float) -> int:
    """Return a share in percent, from 0 to 100."""
    return max(0, min(100, int(100 * part // whole))) if whole else 0
