"""The settings of formats that need some: what a dashboard's own interface is called there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, PlainSerializer, model_serializer, model_validator

from zkpoll.inventory.documents import EVENTS, NAMES, Document, JsonDocument, JsonValue
from zkpoll.inventory.jsonpath import JsonPath, written
from zkpoll.inventory.kinds import (
    Choice,
    Kind,
    Label,
    Listed,
    Matching,
    Section,
    Shape,
    Status,
    YesNo,
    Zone,
)
from zkpoll.inventory.problems import Sentence, found_shape, hint
from zkpoll.inventory.settings import Settings

if TYPE_CHECKING:
    from pydantic import SerializerFunctionWrapHandler

_FIELD: Final = Matching("[a-z0-9_]+", "the name of a field: a-z, 0-9 and _")
_MODEL: Final = Matching(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*", "the name of a model, such as zkpoll.punch")

_path_written = PlainSerializer(written, return_type=str)
_document_shown = PlainSerializer(lambda document: document.shown, return_type=Any)


class Shift(Settings):
    """A shift of Frappe, and where its people punch."""

    name: Annotated[str, Label()] = Field(description="The name of the Shift Type there")
    devices: Annotated[tuple[Annotated[str, Label()], ...], Listed(Label(), "[front-door]", least=1)] = Field(
        description="The devices at which its people punch, by our names for them"
    )


class Frappe(Settings):
    """A site of Frappe HR or ERPNext."""

    timezone: Annotated[str, Zone()] = Field(
        description="The time zone of the site, as its System Settings have it, such as Asia/Dhaka"
    )
    app: Annotated[Literal["hrms", "erpnext"], Choice("hrms", "erpnext")] = Field(
        default="hrms", description="The app that holds its checkins: hrms; erpnext for version 13 and before"
    )
    employee_field: Annotated[str, _FIELD] = Field(
        default="attendance_device_id", description="The field of its Employees that holds the user id"
    )
    skip_auto_attendance: Annotated[bool, YesNo()] = Field(
        default=False, description="true keeps the site from making attendance of the checkins"
    )
    shifts: Annotated[
        tuple[Annotated[Shift, Section()], ...], Listed(Section(), "[{name: Day, devices: [front-door]}]")
    ] = Field(
        default=(),
        description="Shifts that are told how far all of their devices were read, so that attendance is made"
        " no earlier",
    )


_ODOOS_OWN: Final = frozenset(
    {"id", "create_uid", "create_date", "write_uid", "write_date", "parent_path", "display_name"}
)
"""Fields that each model of Odoo has, and that `create` ignores."""


class FieldName(Kind):
    """A name of ours, of what can be told of a punch."""

    def parse(self, value: object) -> object:
        """Given a name, return it."""
        if value in NAMES:
            return value
        raise Sentence(f"unknown name, {hint(str(value), NAMES)}")


class Fields(Kind):
    """The fields of a model, by what of a punch they hold."""

    def parse(self, value: object) -> object:
        """Given a mapping, return it; its names and values have kinds of their own."""
        if not isinstance(value, dict) or not value:
            raise Sentence(f"found {found_shape(value or None)}, expected a mapping of fields (id: event_id)")
        if "id" not in value:
            raise Sentence("found no id; the field for it tells whether a punch is there already")
        theirs = [field for field in value.values() if isinstance(field, str)]
        if own := sorted(_ODOOS_OWN.intersection(theirs)):
            # With id: id no look would ever find a punch, since Odoo drops what it is told of its own.
            raise Sentence(f"found {own[0]}, which Odoo fills in by itself; expected another field")
        if len(set(theirs)) < len(theirs):
            raise Sentence("found one field for two names; each needs a field of its own")
        return value

    def shape(self) -> Shape:
        """Return: a mapping from our names to fields."""
        properties = {name: _FIELD.shape() for name in NAMES}
        return {"type": "object", "additionalProperties": False, "properties": properties, "required": ["id"]}


class Odoo(Settings):
    """A database of Odoo 19 or newer."""

    database: Annotated[str, Label()] | None = Field(
        default=None, description="Its database, where the server has several; sent as X-Odoo-Database"
    )
    model: Annotated[str, _MODEL] = Field(
        default="zkpoll.punch", description="The model that holds punches there"
    )
    fields: Annotated[dict[Annotated[str, FieldName()], Annotated[str, _FIELD]], Fields()] = Field(
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


class Success(Settings):
    """What an answer must be to say that the punches are there, where 2xx alone does not."""

    model_config = ConfigDict(
        json_schema_extra={"minProperties": 1, "dependentRequired": {"value": ["path"]}}
    )

    status: Annotated[tuple[Annotated[int, Status()], ...], Listed(Status(), "[200, 201]", least=1)] = Field(
        default=(), description="The statuses that say so: of 200 to 299, and 409 for: has it already"
    )
    path: Annotated[tuple[str | int, ...], JsonPath(), _path_written] | None = Field(
        default=None, description="The place in the answer that must hold something, such as $.result.ok"
    )
    value: Annotated[Any, JsonValue()] = Field(
        default=None, description="What must stand in that place; else anything but null"
    )

    @property
    def has_value(self) -> bool:
        """Whether a value is asked for; it may be null."""
        return "value" in self.model_fields_set

    @model_validator(mode="after")
    def _check_asked(self) -> Success:
        if not self.model_fields_set:
            raise Sentence("found nothing that is asked for, expected status or path")
        if self.status and not any(status // 100 == 2 for status in self.status):
            raise Sentence("found no 2xx, so that nothing new would ever be taken", key="status")
        if self.has_value and self.path is None:
            raise Sentence("needs the place where it must stand, in path", key="value")
        return self

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A value of null is one, and nothing else here is written where it was left out.
        settings: dict[str, Any] = handler(self)
        return {key: settings.get(key) for key in type(self).model_fields if key in self.model_fields_set}


class Template(Settings):
    """A request of one's own."""

    method: Annotated[Literal["POST", "PUT", "PATCH"], Choice("POST", "PUT", "PATCH")] = Field(
        default="POST", description="The method of the request"
    )
    body: Annotated[Document, JsonDocument(), _document_shown] = Field(
        description="The body of a request: JSON with placeholders such as {{ user_id }} in its texts; where"
        " there is each, {{ events }} stands for the list"
    )
    each: Annotated[Document, JsonDocument(), _document_shown] | None = Field(
        default=None,
        description="What one punch looks like in the list; without it a request holds one punch",
    )
    success: Annotated[Success, Section()] | None = Field(
        default=None, description="What an answer must be to say that the punches are there; else any 2xx"
    )

    @model_validator(mode="after")
    def _check_places(self) -> Template:
        if self.each is None:
            _check_one(self.body, "body")
        else:
            _check_frame(self.body)
            _check_one(self.each, "each")
        return self


def _check_one(document: Document, key: str) -> None:
    """Given what tells of one punch, raise Sentence if it cannot."""
    if EVENTS in document.names:
        why = "which is the list of these" if key == "each" else "but no each, which says what one looks like"
        raise Sentence(f"found {{{{ events }}}}, {why}", key=key)
    if "id" not in document.names:
        raise Sentence("found no {{ id }}; without it a repeat cannot be told from a second punch", key=key)


def _check_frame(document: Document) -> None:
    """Given what stands around the list, raise Sentence if the list is not in it once, and nothing else."""
    others = sorted(document.names - {EVENTS})
    if others:
        raise Sentence(
            f"found {{{{ {others[0]} }}}}, which is of one punch; it belongs into each", key="body"
        )
    if (count := document.count(EVENTS)) != 1:
        times = "no" if count == 0 else "more than one"
        raise Sentence(
            f"found {times} {{{{ events }}}}, expected one, where the list of each goes", key="body"
        )
