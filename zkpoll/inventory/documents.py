"""Bodies of requests as the inventory has them: JSON with placeholders in its texts. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic_core import core_schema

from zkpoll.inventory.kinds import Kind, Shape
from zkpoll.inventory.problems import Sentence, found_shape, hint
from zkpoll.inventory.scalars import Scalar
from zkpoll.inventory.settings import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import GetCoreSchemaHandler

Json: TypeAlias = Any
"""A value of JSON: dict, list, str, int, float, bool or None."""

NAMES: Final[tuple[str, ...]] = (
    *("id", "user_id", "timestamp", "status", "type", "device", "serial_number", "punch_state", "work_code"),
    *("source", "manual", "clock_suspect", "local", "date", "time", "utc", "epoch", "direction"),
    *("host", "port", "transport", "timezone", "latitude", "longitude"),
)
"""What can be told of a punch: the fields of an event, as the format `events` has them; forms of its time;
what it means; settings of its device.

`local` is the wall clock, "YYYY-MM-DD HH:MM:SS", and `date` and `time` are the halves of it; `utc` is the
same form in UTC, and `epoch` whole seconds since 1970. `direction` is in or out, where that can be told.
"""
EVENTS: Final = "events"
"""The list of all punches of a request."""
_KNOWN: Final = (*NAMES, EVENTS)
PLACEHOLDER: Final = re.compile(r"\{\{ *(?P<name>[A-Za-z_][A-Za-z0-9_]*) *\}\}")
"""`{{ name }}`, within a text or all of it."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: Final = {"true": True, "false": False, "null": None, "": None}
_DEEPEST: Final = 64
"""Levels of objects and lists; more is nobody's body, and near what programs can read."""
_TOO_DEEP: Final = f"found more than {_DEEPEST} levels of objects and lists"


@dataclass(frozen=True)
class Document:
    """JSON with placeholders in its texts."""

    tree: Json = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """What came from variables and files, as it stands in the tree; a switch or nothing is no secret."""
    names: frozenset[str]
    """Of its placeholders."""
    shown: Json = field(repr=False)
    """The tree, with masks for what came from variables and files."""

    def count(self, name: str) -> int:
        """Given a name, return how many of its placeholders stand in it."""
        return sum(list(_names(leaf)).count(name) for leaf in _leaves(self.tree))


class JsonValue(Kind):
    """Any value of JSON: text if it stands in quotes, and else as JSON takes it."""

    def parse(self, value: object) -> Json:
        """Given a value as YAML has it, return it as JSON has it."""
        if any(isinstance(leaf, str) and PLACEHOLDER.search(leaf) for leaf in _leaves(value)):
            raise Sentence("found {{ }}, expected a value that is the same for all punches")
        return _mapped(value, _typed)

    def shape(self) -> Shape:
        """Return: anything."""
        return {}


class JsonDocument(Kind):
    """An object or list of JSON, written as a mapping or list, or as a text that holds one."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def parse(self, value: object) -> Document:
        """Given a mapping, a list, a text or a document, return a document."""
        if isinstance(value, Document):
            return value
        raw = _parsed(value) if value and isinstance(value, str) else value
        if not isinstance(raw, dict | list) and not _is_events(raw):
            raise Sentence(f"found {found_shape(value)}, expected an object or a list of JSON")
        tree = _mapped(raw, _typed)
        secrets = tuple(dict.fromkeys(text for leaf in _leaves(raw) for text in _secrets(leaf)))
        names = frozenset(name for leaf in _leaves(raw) for name in _names(leaf))
        return Document(tree, secrets, names, shown=_mapped(raw, _shown))

    def shape(self) -> Shape:
        """Return: an object, a list or a text, with anything in it."""
        return {"type": ["object", "array", "string"], "minLength": 1}


def _parsed(text: str) -> Json:
    """Given a text, return the JSON in it, or the text if it is the placeholder of all events."""
    if _is_events(text):
        return text
    if _is_filled(text):
        # What a variable holds could end the text that it stands in, and begin another one.
        raise Sentence("found a variable in JSON as text; write it as a mapping, whose values may hold some")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_number, parse_float=_number)
    except json.JSONDecodeError as error:
        raise Sentence(
            f"found text that is no JSON ({error}), expected an object or a list of JSON"
        ) from None
    except RecursionError:
        raise Sentence(_TOO_DEEP) from None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise Sentence("found an object in which a name stands twice")
    return made


def _number(text: str) -> int | float:
    """Given a number as JSON writes it, return it. Raise Sentence for one that cannot be sent."""
    if math.isinf(float(text)):
        raise Sentence("found a number that is too large for JSON; put it in quotes")
    number: int | float = json.loads(text)
    return number


def _mapped(tree: object, leaf: Callable[[object], Json], left: int = _DEEPEST) -> Json:
    """Given a tree and a function for its leaves, return another tree."""
    if not isinstance(tree, dict | list | tuple):
        return leaf(tree)
    if not left:
        raise Sentence(_TOO_DEEP)
    if isinstance(tree, dict):
        return {_name(name): _mapped(value, leaf, left - 1) for name, value in tree.items()}
    return [_mapped(value, leaf, left - 1) for value in tree]


def _leaves(tree: object) -> Iterator[object]:
    if isinstance(tree, dict | list | tuple):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _leaves(value)
    else:
        yield tree


def _name(name: str) -> str:
    if "{{" in name:
        raise Sentence("found {{ in a name; names are sent as they stand, and placeholders are for values")
    return _whole(name)


def _typed(leaf: object) -> Json:
    """Given a leaf of YAML or of JSON, return it as JSON has it."""
    if isinstance(leaf, str):
        return _plain(leaf) if isinstance(leaf, Scalar) and leaf.plain and not leaf.filled else _whole(leaf)
    if leaf is None or (isinstance(leaf, bool | int | float) and math.isfinite(leaf)):
        return leaf
    raise Sentence("found what JSON cannot hold")


def _plain(text: str) -> Json:
    """Given a text without quotes, return its value if it is written as in JSON."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if _NUMBER.fullmatch(text) else _whole(text)


def _whole(text: str) -> str:
    """Given a text, return it, and nothing but it. Raise Sentence if it cannot be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Sentence("found half a character in a text (a lone surrogate)") from None
    return str(text)


def _is_filled(leaf: object) -> bool:
    return isinstance(leaf, Scalar) and bool(leaf.filled)


def _shown(leaf: object) -> Json:
    return MASK if _is_filled(leaf) else _typed(leaf)


def _secrets(leaf: object) -> Iterator[str]:
    """Given a leaf as it was written, yield its secrets."""
    filled = leaf.filled if isinstance(leaf, Scalar) else ()
    typed = _typed(leaf) if filled else None
    if isinstance(typed, str):
        yield from filter(None, filled)
    elif isinstance(typed, int | float) and not isinstance(typed, bool):
        yield json.dumps(typed)


def _names(leaf: object) -> Iterator[str]:
    """Given a leaf, yield the names of the placeholders in it. Raise Sentence for one that is wrong."""
    if not isinstance(leaf, str):
        return
    names = PLACEHOLDER.findall(leaf)
    strange = [name for name in names if name not in _KNOWN]
    if "{{" in PLACEHOLDER.sub(" ", leaf) or (strange and _is_filled(leaf)):
        raise Sentence("found {{ that begins no placeholder, expected {{ name }} with one of our names")
    if strange:
        raise Sentence(f"unknown name {{{{ {strange[0]} }}}}, {hint(strange[0], _KNOWN)}")
    if EVENTS in names and not _is_events(leaf):
        raise Sentence("found {{ events }} within a text, expected it alone: a list stands for it")
    yield from names


def _is_events(leaf: object) -> bool:
    mark = PLACEHOLDER.fullmatch(leaf) if isinstance(leaf, str) else None
    return mark is not None and mark["name"] == EVENTS
