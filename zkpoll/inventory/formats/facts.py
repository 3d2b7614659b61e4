"""The formats, a row of facts each.

A new format is a module beside this one, if it has settings, and a row here. It has a
twin in `zkpoll/delivery/formats/`, with a row in `registry`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, create_model

from zkpoll.inventory.formats.frappe import Frappe, Shift
from zkpoll.inventory.formats.odoo import Odoo
from zkpoll.inventory.formats.template import Success, Template
from zkpoll.inventory.kinds import Choice, Matching, Section
from zkpoll.inventory.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.inventory.formats import FormatSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts that the inventory has of one format."""

    name: str
    """The value of `format:`. Its settings stand under the same name."""
    about: str
    """The requests of it, in the description of `format:`."""
    settings: type[FormatSettings] | None = None
    """The model of its settings. None if it has none."""
    subject: str = ""
    """The subject of its settings, in their description."""
    needed: str = ""
    """The part of its settings that it cannot do without. Empty if all may be left out."""
    sections: Mapping[str, type[Settings]] = field(default_factory=dict)
    """The models within its settings, by the name of the setting that holds one, or a list of them."""
    blocks: tuple[str, ...] = ()
    """Those of its settings that may be JSON as text, which takes several lines to be read by people."""
    scheme: str = "Bearer"
    """The word before the token."""
    token: Matching | None = None
    """The form of its token. None for any."""
    needs_user: bool = False
    """Whether no request is answered without the key of a user."""
    own_paths: frozenset[str] = frozenset()
    """First parts of paths that its URL may not have. Empty if its requests have no paths of their own."""
    sends_events: bool = False
    """Whether its requests hold events as the JSON contract has them, which may have more fields."""
    side_by_side: bool = False
    """Whether several requests may be under way at once: it takes one event in each, or creates records."""
    unpacks: bool = True
    """Whether the servers unpack what is sent packed."""


_OF_SITES: Final = frozenset({"api", "json", "app", "desk", "odoo", "web"})
"""First parts of paths on a site: of its interfaces, and of what a person's browser shows."""

FACTS: Final[Mapping[str, Facts]] = {
    row.name: row
    for row in (
        Facts(name="events", about="a list of punches a request", sends_events=True),
        Facts(name="event", about="one punch a request", sends_events=True, side_by_side=True),
        Facts(
            name="frappe",
            about="checkins of Frappe HR or ERPNext",
            settings=Frappe,
            subject="The site of Frappe HR or ERPNext",
            needed="the time zone of the site",
            sections={"shifts": Shift},
            scheme="token",
            token=Matching("[^:]+:[^:]+", "the API key and secret as key:secret"),
            needs_user=True,
            own_paths=_OF_SITES,
            side_by_side=True,
            unpacks=False,
        ),
        Facts(
            name="odoo",
            about="records of Odoo",
            settings=Odoo,
            subject="The database and model of Odoo",
            scheme="bearer",
            needs_user=True,
            own_paths=_OF_SITES,
            side_by_side=True,
            unpacks=False,
        ),
        Facts(
            name="template",
            about="a request of one's own",
            settings=Template,
            subject="The request",
            needed="the body of a request",
            sections={"success": Success},
            blocks=("body", "each"),
            side_by_side=True,
        ),
    )
}
"""By name. The first is the default."""

WITH_SETTINGS: Final[Mapping[str, type[FormatSettings]]] = {
    name: row.settings for name, row in FACTS.items() if row.settings
}
"""The models of the formats that have settings, by name."""
SECTIONS: Final[Mapping[str, type[Settings]]] = {
    **WITH_SETTINGS,
    **{key: model for row in FACTS.values() for key, model in row.sections.items()},
}
"""All models of settings of formats, by the name of the setting that holds one."""


def _chosen() -> tuple[Any, Any]:
    """Return the type and the field of the setting that chooses a format."""
    about = "; ".join(f"{name}: {row.about}" for name, row in FACTS.items())
    return Annotated[str, Choice(*FACTS)], Field(default=next(iter(FACTS)), description=about)


if TYPE_CHECKING:

    class FormatChoice(Settings):
        """The format that a dashboard takes, and a setting under the name of each format that has some."""

        format: str = ""
else:
    FormatChoice = create_model(
        "FormatChoice",
        __base__=Settings,
        format=_chosen(),
        **{
            name: (
                Annotated[model, Section()] | None,
                Field(default=None, description=f"{FACTS[name].subject}, for format: {name}"),
            )
            for name, model in WITH_SETTINGS.items()
        },
    )
