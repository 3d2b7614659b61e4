r"""The page as HTML: one text that a browser shows without asking anybody for more. Pure.

No script, no outside address. What terminals, dashboards, databases and the inventory say stays text: Jinja
escapes all of it, and controls of screens and of the writing direction are shown as `\x1b`.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from markupsafe import Markup

from zkpoll.model.printable import shown
from zkpoll.reports.page.drawing import bars_drawn, meter_drawn, share
from zkpoll.reports.page.moments import Moments
from zkpoll.reports.page.view import MOST, MOST_NEEDS
from zkpoll.reports.words import ahead, counted, punches

if TYPE_CHECKING:
    from datetime import datetime

    from jinja2.runtime import Context

    from zkpoll.reports.page.search import Search
    from zkpoll.reports.page.view import PageView

_LONGEST: Final = 600
"""Letters of a text; what terminals and dashboards say has no end of its own."""


def page(view: PageView, search: Search | None = None) -> str:
    """Return the page of a view. With `search`, as the live page has it, it can be asked where a punch is."""
    template = _environment().get_template("page.html")
    moments = Moments(view.now, view.zone)
    anchors = {row.need: f"#need-{number}" for number, row in enumerate(view.needs[:MOST_NEEDS], 1)}
    return template.render(
        view=view,
        search=search,
        policy=policy(),
        moments=moments,
        anchors=anchors,
        most=MOST,
        most_needs=MOST_NEEDS,
    )


@cache
def policy() -> str:
    """Return the Content-Security-Policy of the page: nothing is fetched, and the style is the one it has."""
    digest = b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'"
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("zkpoll.reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters |= {"ago": _ago, "at": _at, "bars": bars_drawn, "meter": meter_drawn}
    made.filters |= {"drift": ahead, "number": "{:,}".format, "share": share}
    made.globals |= {"counted": counted, "punches": punches}
    made.globals["style"] = Markup(_style_of(made))  # noqa: S704  (a file of ours)
    return made


def _finalize(value: object) -> object:
    """Show letters that would steer a screen, and of a text that has no end the beginning.

    What is markup was made here.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    more = len(value) - _LONGEST
    return f"{shown(value[:_LONGEST])}… and {more:,} letters more" if more > 0 else shown(value)


@pass_context
def _ago(context: Context, moment: datetime | str) -> Markup:
    """Return how long ago a moment was; when that was shows where one points at it."""
    moments: Moments = context["moments"]
    return Markup('<span title="{}">{}</span>').format(moments.short(moment), moments.ago(moment))


@pass_context
def _at(context: Context, moment: datetime | str) -> Markup:
    """Return a moment by the page's zone."""
    moments: Moments = context["moments"]
    return Markup('<time datetime="{}">{}</time>').format(moments.iso(moment), moments.short(moment))


def _style_of(environment: Environment) -> str:
    source, _, _ = environment.loader.get_source(environment, "style.css")  # type: ignore[union-attr]
    return source


def _style() -> str:
    return str(_environment().globals["style"])
