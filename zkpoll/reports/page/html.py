r"""The page as HTML: one text that a browser shows without asking anybody for more. Pure.

No script, no outside address. What terminals, dashboards, databases and the inventory say stays text: Jinja
escapes all of it, and controls of screens and of the writing direction are shown as `\x1b`.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zkpoll.model.printable import shown

if TYPE_CHECKING:
    from zkpoll.reports.page.search import Search
    from zkpoll.reports.page.view import PageView


def page(view: PageView, search: Search | None = None) -> str:
    """Return the page of a view. With `search`, as the live page has it, it can be asked where a punch is."""
    return _environment().get_template("page.html").render(view=view, search=search, policy=policy())


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
    made.globals["style"] = Markup(_style_of(made))  # noqa: S704  (a file of ours)
    return made


def _finalize(value: object) -> object:
    """Show letters that would steer a screen; what is markup was made here."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _style_of(environment: Environment) -> str:
    source, _, _ = environment.loader.get_source(environment, "style.css")  # type: ignore[union-attr]
    return source


def _style() -> str:
    return str(_environment().globals["style"])
