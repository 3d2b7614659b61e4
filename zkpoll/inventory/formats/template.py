"""Settings of the format template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainSerializer, model_serializer, model_validator

from zkpoll.inventory.documents import EVENTS, Document, JsonDocument, JsonValue
from zkpoll.inventory.formats import FormatSettings
from zkpoll.inventory.jsonpath import JsonPath, written
from zkpoll.inventory.kinds import Choice, Listed, Section, Status
from zkpoll.inventory.problems import Sentence
from zkpoll.inventory.settings import Settings

if TYPE_CHECKING:
    from pydantic import SerializerFunctionWrapHandler

_path_written = PlainSerializer(written, return_type=str)
_document_shown = PlainSerializer(lambda document: document.shown, return_type=Any)


class Success(Settings):
    """The rule for an answer that confirms punches, for APIs whose 2xx alone does not."""

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
        """Whether a value is asked for. It may be null."""
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


class Template(FormatSettings):
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

    def secrets_in_bodies(self) -> tuple[str, ...]:
        """Return the texts from variables and files that stand in the documents."""
        return tuple(text for document in (self.body, self.each) if document for text in document.secrets)


def _check_one(document: Document, key: str) -> None:
    """Given the document of one punch, raise Sentence if it cannot tell of one."""
    if EVENTS in document.names:
        why = "which is the list of these" if key == "each" else "but no each, which says what one looks like"
        raise Sentence(f"found {{{{ events }}}}, {why}", key=key)
    if "id" not in document.names:
        raise Sentence("found no {{ id }}; without it a repeat cannot be told from a second punch", key=key)


def _check_frame(document: Document) -> None:
    """Given the document around the list, raise Sentence if the list is not in it once, and nothing else."""
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
