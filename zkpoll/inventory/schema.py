"""The JSON Schema of the inventory's file, for editors."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from zkpoll.inventory.check import ONE_DEVICE_ONLY
from zkpoll.inventory.dashboards import AUTHORIZATIONS, Dashboard
from zkpoll.inventory.databases import Database
from zkpoll.inventory.formats.facts import FACTS, WITH_SETTINGS
from zkpoll.inventory.kinds import Choice, Shape
from zkpoll.inventory.models import CALLING, SECTIONS, Device, Inventory

if TYPE_CHECKING:
    from pydantic import BaseModel


DIALECT = "https://json-schema.org/draft/2020-12/schema"
_YES: Shape = {"anyOf": [{"enum": [True]}, {"type": "object"}]}
"""The shape of a switch with settings of its own that is surely on."""
_PUSHES: Shape = {"type": "object", "required": ["push"]}
_SOME: Shape = {"type": "object"}
_SHARED: list[Shape] = [{"$ref": "#/$defs/shared"}, {"type": "null"}]
"""What devices share. It may be left empty, as when all of it is commented out."""
_LISTS = {"devices": "device", "databases": "database"}
"""The lists of sources, of which an inventory has one or both, and what is in them."""


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
                "state_dir": top["state_dir"],
                "parallel": top["parallel"],
                "keep_raw": top["keep_raw"],
                "alert_after": top["alert_after"],
                "dates": top["dates"],
                "metrics": top["metrics"],
                "page": top["page"],
                "health": top["health"],
                "listen": top["listen"],
                "admin": top["admin"],
                "workers": top["workers"],
                "defaults": {
                    "description": "Settings of every device and database that does not set them itself",
                    "anyOf": _SHARED,
                },
                "sites": {
                    "description": top["sites"]["description"],
                    "anyOf": [
                        {"type": "object", "additionalProperties": {"anyOf": _SHARED}},
                        {"type": "null"},
                    ],
                },
                **{
                    key: {
                        "description": top[key]["description"],
                        "type": ["array", "null"],
                        "items": {"$ref": f"#/$defs/{item}"},
                    }
                    for key, item in _LISTS.items()
                },
            },
            required=["dashboard", "journal"],
        ),
        "patternProperties": {
            "^x-": {"description": "No setting: what has an anchor, for aliases elsewhere"}
        },
        "anyOf": [_having(key, {"type": "array", "minItems": 1}) for key in _LISTS],
        # Where all devices push by default, or all of a site, one may have neither setting itself.
        **_if(
            {"not": {"anyOf": [_having("defaults", _PUSHES), _having("sites", _SOME)]}}, _each_has_a_door()
        ),
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
                "allOf": [
                    _if(_having("push", _YES), _required("serial")),
                    _if(_having("trust", {"enum": ["inventory"]}), _required("serial")),
                ],
                "dependentRequired": {key: ["host"] for key in CALLING},
            },
            "database": _database(),
            "shared": _shared(),
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


def _database() -> Shape:
    """Return the shape of a database: in a file or on a server, and what only some kinds have."""
    custom = {"kind": {"enum": ["custom"]}}
    is_custom = {"required": ["kind"], "properties": custom}
    own = ("table", "query", "columns")
    return {
        **_object(_settings(Database), required=["name", "kind"]),
        "allOf": [
            _one_of("file", "url"),
            {"not": {"required": ["password", "password_file"]}},
            _if(is_custom, {**_one_of("table", "query"), "required": ["columns"]}),
            *(_if(_required(key), {"properties": {"kind": Choice("custom").shape()}}) for key in own),
            _if(_required("events"), {**_required("take"), "properties": {"take": Choice("events").shape()}}),
        ],
        "dependentRequired": {"password": ["url"], "password_file": ["url"]},
    }


def _one_of(key: str, other: str) -> Shape:
    """Return the shape of all that has one of two settings, and not both."""
    return {
        "anyOf": [_required(key), _required(other)],
        "not": {"required": [key, other]},
    }


def _with_format(shape: Shape) -> Shape:
    """Given the shape of a format's name, return that of a dashboard with that format."""
    return _having("format", shape)


def _dashboards(description: str) -> Shape:
    one: Shape = {"$ref": "#/$defs/dashboard"}
    named = {"allOf": [one], "required": ["name"]}
    many = {"type": "array", "minItems": 1, "items": named}
    return {"description": description, "anyOf": [one, many]}


def _shared() -> Shape:
    """Return the shape of what devices share: those settings that do not tell one from another."""
    settings = _settings(Device)
    return _object({key: settings[key] for key in settings if key not in ONE_DEVICE_ONLY}, required=[])


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
    if isinstance(shape.get("additionalProperties"), dict):
        return {**shape, "additionalProperties": _filled(key, shape["additionalProperties"])}
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
