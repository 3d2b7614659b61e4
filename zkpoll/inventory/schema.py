"""The JSON Schema of the inventory's file, for editors."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from zkpoll.inventory.check import ONE_DEVICE_ONLY
from zkpoll.inventory.dashboards import AUTHORIZATIONS, Dashboard
from zkpoll.inventory.formats.facts import FACTS, WITH_SETTINGS
from zkpoll.inventory.kinds import Choice, Shape
from zkpoll.inventory.models import CALLING, SECTIONS, Device, Inventory

if TYPE_CHECKING:
    from pydantic import BaseModel


DIALECT = "https://json-schema.org/draft/2020-12/schema"
_YES: Shape = {"anyOf": [{"enum": [True]}, {"type": "object"}]}
"""The shape of a switch with settings of its own that is surely on."""


def schema() -> Shape:
    """Return the JSON Schema (draft 2020-12) of an inventory as it is written."""
    top = _settings(Inventory)
    return {
        "$schema": DIALECT,
        "title": "zkpoll inventory",
        **_object(
            {
                "dashboard": _dashboards(top["dashboards"]["description"]),
                "journal": top["journal"],
                "parallel": top["parallel"],
                "keep_raw": top["keep_raw"],
                "alert_after": top["alert_after"],
                "metrics": top["metrics"],
                "health": top["health"],
                "listen": top["listen"],
                "defaults": _defaults(),
                "devices": {
                    "description": top["devices"]["description"],
                    "type": "array",
                    "minItems": 1,
                    "items": {"$ref": "#/$defs/device"},
                },
            },
            required=["dashboard", "journal", "devices"],
        ),
        # Where all devices push by default, one may have neither setting itself.
        **_if({"not": _having("defaults", {"type": "object", "required": ["push"]})}, _each_has_a_door()),
        "$defs": {
            "dashboard": {
                **_object(_settings(Dashboard), required=["url"]),
                "not": {"anyOf": [{"required": list(pair)} for pair in combinations(AUTHORIZATIONS, 2)]},
                "dependentRequired": {"client_key": ["client_cert"]},
                "allOf": [
                    *(_if(_required(name), _with_format(Choice(name).shape())) for name in WITH_SETTINGS),
                    *(
                        _if(_with_format({"enum": [name]}), _required(name))
                        for name, row in FACTS.items()
                        if row.needed
                    ),
                ],
            },
            "device": {
                **_object(_settings(Device), required=["name"]),
                **_if(_having("push", _YES), _required("serial")),
                "dependentRequired": {key: ["host"] for key in CALLING},
            },
        },
    }


def _object(properties: dict[str, Shape], required: list[str]) -> Shape:
    shape: Shape = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**shape, "required": required} if required else shape


def _if(condition: Shape, result: Shape) -> Shape:
    return {"if": condition, "then": result}


def _required(key: str) -> Shape:
    return {"required": [key]}


def _having(key: str, shape: Shape) -> Shape:
    """Given a setting and its shape, return the shape of all that has it so."""
    return {**_required(key), "properties": {key: shape}}


def _each_has_a_door() -> Shape:
    """Return the shape of an inventory whose devices are called, or push."""
    each = {"items": {"anyOf": [_required("host"), _required("push")]}}
    return {"properties": {"devices": each}}


def _with_format(shape: Shape) -> Shape:
    """Given the shape of a format's name, return that of a dashboard with that format."""
    return _having("format", shape)


def _dashboards(description: str) -> Shape:
    one: Shape = {"$ref": "#/$defs/dashboard"}
    named = {"allOf": [one], "required": ["name"]}
    many = {"type": "array", "minItems": 1, "items": named}
    return {"description": description, "anyOf": [one, many]}


def _defaults() -> Shape:
    """Return the shape of `defaults`. It may be left empty, as when all of it is commented out."""
    settings = _settings(Device)
    shared = {key: settings[key] for key in settings if key not in ONE_DEVICE_ONLY}
    description = "Settings of every device that does not set them itself"
    return {"description": description, "anyOf": [_object(shared, required=[]), {"type": "null"}]}


def _settings(model: type[BaseModel]) -> dict[str, Shape]:
    """Given a model, return the shape of each of its settings."""
    properties: dict[str, Shape] = model.model_json_schema()["properties"]
    return {key: _filled(key, _written(shape)) for key, shape in properties.items()}


def _filled(key: str, shape: Shape) -> Shape:
    """Given a setting and its shape, return it with the settings within it, if there may be any."""
    if key not in SECTIONS:
        return shape
    if "anyOf" in shape:
        return {**shape, "anyOf": [_filled(key, option) for option in shape["anyOf"]]}
    if "items" in shape:
        return {**shape, "items": _filled(key, shape["items"])}
    if shape.get("type") != "object":
        return shape
    model = SECTIONS[key]
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    extra: Any = model.model_config.get("json_schema_extra", {})
    return {**shape, **_object(_settings(model), required), **extra}


def _written(shape: Shape) -> Shape:
    """Given pydantic's shape of a setting, return it as in a file: unset is left out, not null."""
    rest: dict[str, Any] = {
        key: value
        for key, value in shape.items()
        if key != "title" and not (key == "default" and value is None)
    }
    options = [option for option in rest.pop("anyOf", []) if option != {"type": "null"}]
    return rest | (options[0] if len(options) == 1 else {"anyOf": options} if options else {})
