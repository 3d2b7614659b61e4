"""Settings of the format odoo."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from zkpoll.inventory.documents import NAMES
from zkpoll.inventory.formats import FIELD, FormatSettings
from zkpoll.inventory.kinds import Kind, Label, Matching, Shape
from zkpoll.inventory.problems import Sentence, found_shape, hint
from zkpoll.inventory.scalars import as_written

_MODEL: Final = Matching(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*", "the name of a model, such as zkpoll.punch")
_ODOOS_OWN: Final = frozenset(
    {"id", "create_uid", "create_date", "write_uid", "write_date", "parent_path", "display_name"}
)
"""Fields that each model of Odoo has, and that `create` ignores."""


class FieldName(Kind):
    """Our name for a value of a punch."""

    def parse(self, value: object) -> object:
        """Given a name, return it."""
        if value in NAMES:
            return value
        raise Sentence(f"unknown name, {hint(str(value), NAMES)}")


class Fields(Kind):
    """The fields of a model, by our names for their values."""

    def parse(self, value: object) -> object:
        """Given a mapping, return it. Its names and values have kinds of their own."""
        if not isinstance(value, dict) or not value:
            raise Sentence(f"found {found_shape(value or None)}, expected a mapping of fields (id: event_id)")
        if "id" not in value:
            raise Sentence("found no id; the field for it tells whether a punch is there already")
        theirs = [field for field in value.values() if isinstance(field, str)]
        if own := [field for field in theirs if field in _ODOOS_OWN]:
            # With id: id no look would ever find a punch, since Odoo drops what it is told of its own.
            shown = as_written(own[0]) or own[0]
            raise Sentence(f"found {shown}, which Odoo fills in by itself; expected another field")
        if len(set(theirs)) < len(theirs):
            raise Sentence("found one field for two names; each needs a field of its own")
        return value

    def shape(self) -> Shape:
        """Return: a mapping from our names to fields."""
        properties = {name: FIELD.shape() for name in NAMES}
        return {"type": "object", "additionalProperties": False, "properties": properties, "required": ["id"]}


class Odoo(FormatSettings):
    """A database of Odoo 19 or newer."""

    database: Annotated[str, Label()] | None = Field(
        default=None, description="Its database, where the server has several; sent as X-Odoo-Database"
    )
    model: Annotated[str, _MODEL] = Field(
        default="zkpoll.punch", description="The model that holds punches there"
    )
    fields: Annotated[dict[Annotated[str, FieldName()], Annotated[str, FIELD]], Fields()] = Field(
        default={
            "id": "event_id",
            "user_id": "badge",
            "utc": "punched_at",
            "device": "device",
            "serial_number": "serial_number",
            "direction": "direction",
            "type": "state",
            "status": "verify",
        },
        description="The fields of the model, by what of a punch they hold (id: event_id)",
    )

    @model_validator(mode="after")
    def _check_model(self) -> Odoo:
        if self.model == "hr.attendance":
            why = "holds pairs of a check-in and a check-out, and what a terminal tells is no pair"
            raise Sentence(f"{why}; expected a model for punches", key="model")
        return self
