"""The inventory's schema as a manual page, zkpoll.yaml(5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tests.share.roff import Title, bold, document, escaped, italic, item, paragraphs, prose, verbatim
from zkpoll.inventory.schema import schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema: TypeAlias = "Mapping[str, Any]"

_PLACES: Final = ("./devices.yaml", "~/.config/zkpoll/devices.yaml", "/etc/zkpoll/devices.yaml")
_ORDER: Final = "The first there is, unless `--config` or the variable ZKPOLL_CONFIG names another."
_WORDS: Final = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a number",
    "number": "a number",
    "object": "settings",
    "string": "text",
}
"""What may stand for a setting, by the names that JSON Schema has for it."""
_EXAMPLE: Final = """\
dashboard:
  url: https://dashboard.example.com/v1/attendance
  token_file: zkpoll.token
journal: journal.db
defaults: {timezone: Asia/Dhaka}
devices:
  - name: front-door
    host: 192.168.1.201
"""
_ABOUT: Final = """\
The inventory tells zkpoll which terminals and databases there are, where punches go, and how. It is one
YAML file, which a person writes; zkpoll never changes it. `zkpoll init` writes a first one, `zkpoll config
example` shows every setting, and `zkpoll config check` names all mistakes at once.

A setting that does not stand here is a mistake. `${NAME}` is filled in from the environment,
`${NAME:-text}` too, with a text for where it is not set, and `${file:PATH}` from a file, without the end of
its line. Durations are seconds, or a number and a unit: 500ms, 30s, 5m, 2h, 400d.

What stands under `defaults` counts for every device and database that does not say otherwise, what stands
under a site for those at that site.
"""
_SECTIONS: Final = (
    ("dashboard", "A DASHBOARD", "Settings of `dashboard`, or of each in its list."),
    ("device", "A DEVICE", "Settings of each terminal under `devices`."),
    ("database", "A DATABASE", "Settings of each database of vendor software under `databases`."),
)
_NEVER_NESTED: Final = ("dashboard", "devices", "databases", "defaults", "sites")
"""Settings whose own settings have a section, not a list below them."""


def page(title: Title) -> str:
    """Return the text of the page."""
    return document(_lines(title, schema()))


def _lines(title: Title, whole: Schema) -> Iterator[str]:
    yield title.line("zkpoll.yaml", 5)
    yield from (".SH NAME", r"zkpoll.yaml \- the inventory of zkpoll: terminals, databases, dashboards")
    yield from (".SH SYNOPSIS", ", ".join(italic(name) for name in _PLACES))
    yield from (".SH DESCRIPTION", *paragraphs(_ABOUT))
    yield from (".SH EXAMPLE", *verbatim(_EXAMPLE.splitlines()))
    yield from (".SH THE FILE", ".PP", prose("Settings at the top of the file."))
    yield from _settings(whole, _NEVER_NESTED)
    for name, heading, about in _SECTIONS:
        yield from (f".SH {heading}", ".PP", prose(about), *_settings(whole["$defs"][name], ()))
    shared = ", ".join(f"`{name}`" for name in whole["$defs"]["shared"]["properties"])
    yield from (".SH DEFAULTS AND SITES", ".PP", prose(f"These may stand there: {shared}."))
    yield from (".SH FILES", *item(", ".join(italic(name) for name in _PLACES), [prose(_ORDER)]))
    names = ("zkpoll", "zkpoll-init", "zkpoll-config-check", "zkpoll-config-example")
    yield from (".SH SEE ALSO", ", ".join(f"{bold(name)}(1)" for name in names))


def _settings(parent: Schema, apart: tuple[str, ...]) -> Iterator[str]:
    """Yield lines for the settings of a mapping, those that are needed marked so."""
    needed = parent.get("required", ())
    for name, one in parent["properties"].items():
        kind = _kind(one)
        facts = [kind] if kind else []
        facts += ["needed"] if name in needed else []
        if one.get("default") not in (None, [], {}):
            facts += [f"default {_shown(one['default'])}"]
        about = one.get("description", "")
        sentence = about if about.endswith((".", "!")) or not about else f"{about}."
        yield from item(
            f"{bold(name)}  ({escaped('; '.join(facts))})" if facts else bold(name), [prose(sentence)]
        )
        nested = _mapping(one)
        if nested is not None and name not in apart:
            yield from (".RS", *_settings(nested, ()), ".RE")


def _shown(default: object) -> str:
    return default if isinstance(default, str) else json.dumps(default)


def _choices(one: Schema) -> list[Schema]:
    """Return the kinds a setting may have; not that of a text with a variable in it, which all may be."""
    found: list[Schema] = []
    for choice in one.get("anyOf", [one]):
        found += _choices(choice) if "anyOf" in choice else [choice]
    plain = [choice for choice in found if "${" not in choice.get("pattern", "").replace("\\", "")]
    return plain or found


def _mapping(one: Schema) -> Schema | None:
    """Return the mapping that a setting may be, if its keys are known."""
    return next((choice for choice in _choices(one) if "properties" in choice), None)


def _kind(one: Schema) -> str:
    """Return what may stand there, in words."""
    words = [_word(choice) for choice in _choices(one)]
    return " or ".join(dict.fromkeys(filter(None, words)))


def _word(choice: Schema) -> str:
    kinds = choice.get("type", ())
    kind = kinds if isinstance(kinds, str) else next(iter(kinds), "")
    if "enum" in choice:
        return ", ".join(map(str, choice["enum"]))
    if kind == "integer" and {"minimum", "maximum"} <= choice.keys():
        return f"{choice['minimum']} to {choice['maximum']}"
    return _WORDS.get(kind, "settings" if "$ref" in choice else "")
