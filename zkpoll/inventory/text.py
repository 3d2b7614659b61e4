"""YAML text -> a tree of plain text, with the line of every value.

Scalars stay the text they were written as, and the models type them. So `0123`, `no` and a serial with
leading zeros are what they look like, unlike in YAML's own typing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, TypeAlias

import yaml

from zkpoll.errors import InventoryError
from zkpoll.inventory.formats.facts import FACTS
from zkpoll.inventory.scalars import Scalar
from zkpoll.inventory.variables import fill

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from zkpoll.inventory.problems import Place, Problems

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree]"
Entry: TypeAlias = "tuple[yaml.Node, yaml.Node]"

# A hundred times a large fleet; aliases of aliases reach it in a few lines ("billion laughs").
_MOST_VALUES = 250_000
_YAML = "tag:yaml.org,2002:"
_NULL = f"{_YAML}null"
_TAGS = {
    f"{_YAML}{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
}
# Names in the parser's own messages (of aliases, of tags) may be a secret that began with * or !.
_QUOTED = re.compile(r"'[\w!-]{2,}'")
_BLOCKS = {(name, key) for name, row in FACTS.items() for key in row.blocks}
"""Settings that may be several lines of text, each with the section that it stands in."""


class _TooLarge(Exception):
    """The values, aliases followed, are more than anybody's inventory."""


def read(
    text: str, env: Mapping[str, str], problems: Problems, left_out: Collection[str] = frozenset()
) -> Tree:
    """Given the text of a file, return its tree; lines and flaws are noted in `problems`.

    Entries whose name is among those `left_out` are as good as not written. Values are `Scalar`s. An empty
    one (`token:`, `~`, `null` or '') is the empty text, and so is a value with a problem.
    Raise InventoryError when there is no tree to speak of.
    """
    try:
        node = _compose(text, problems.file)
        if node is None:
            raise InventoryError(f"{problems.file}: the file is empty, expected an inventory")
        return _Walk(env, problems, left_out).tree(node, ())
    except RecursionError:
        raise InventoryError(f"{problems.file}: nested too deeply for an inventory") from None
    except _TooLarge:
        raise InventoryError(f"{problems.file}: its aliases make it too large") from None


def _compose(text: str, file: Path) -> yaml.Node | None:
    """Given a text, return its root node, or None if it holds nothing. Raise InventoryError."""
    try:
        # Composing makes nodes only; no Python object is ever built from a tag.
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise InventoryError(_syntax(error, file)) from None
    except yaml.reader.ReaderError as error:
        line, column = _position(text, error.position)
        raise InventoryError(f"{file}:{line}:{column}: not YAML: a control character") from None
    except (ValueError, OverflowError):
        # The parser lets these through: "\UFFFFFFFF", a version number of 5,000 digits.
        raise InventoryError(f"{file}: not YAML: a character or number out of range") from None


def _syntax(error: yaml.MarkedYAMLError, file: Path) -> str:
    mark = error.problem_mark or error.context_mark
    at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    said = _QUOTED.sub("(hidden)", error.problem or error.context or "cannot be parsed")
    return f"{file}{at}: not YAML: {said}"


def _position(text: str, index: int) -> tuple[int, int]:
    """Given a character's index, return its line and column, both from 1."""
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _no_name(key: yaml.Node) -> str:
    """Given a key that is no text, return the sentence that helps: `{{ id }}` is a mapping within one."""
    if (
        isinstance(key, yaml.MappingNode)
        and key.flow_style
        and [value.tag for _, value in key.value] == [_NULL]
    ):
        return 'found {{ }} without quotes, which is no text in YAML; expected "{{ name }}"'
    return "found a list or mapping as a key, expected a name"


class _Walk:
    """One walk over the nodes of one file."""

    def __init__(self, env: Mapping[str, str], problems: Problems, left_out: Collection[str]) -> None:
        self._env = env
        self._problems = problems
        self._folder = problems.file.parent.absolute()
        self._left_out = left_out
        self._open: set[int] = set()
        self._seen = 0

    def tree(self, node: yaml.Node, place: Place) -> Tree:
        """Given a node and its place, return its tree."""
        self._problems.lines.setdefault(place, _line(node))
        if not self._admit(node, place):
            return ""
        self._open.add(id(node))
        try:
            return self._content(node, place)
        finally:
            self._open.discard(id(node))

    def _admit(self, node: yaml.Node, place: Place) -> bool:
        """Given a node about to be read, say whether it can be. Note the reason if not."""
        self._seen += 1
        if self._seen > _MOST_VALUES:
            raise _TooLarge
        if id(node) in self._open:
            self._problems.add(place, "found an alias of something that holds the alias itself")
            return False
        if node.tag not in _TAGS:
            # The tag is not shown: a token that begins with ! looks like one.
            self._problems.add(place, "found a YAML tag (!), expected a plain value; quote it")
            return False
        return True

    def _content(self, node: yaml.Node, place: Place) -> Tree:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.tree(item, (*place, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag != _NULL:
            return self._scalar(node, place)
        return Scalar("", plain=True)

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> str:
        try:
            text, filled = fill(node.value, self._env, self._folder)
        except ValueError as error:
            self._problems.add(place, str(error))
            return ""
        block = node.style in {"|", ">"} and place[-2:] in _BLOCKS
        if not self._printable(text, place, "\n\t" if block else ""):
            return ""
        return Scalar(text, plain=node.style is None, filled=filled, written=node.value)

    def _printable(self, text: str, place: Place, also: str) -> bool:
        """Given a value, say whether it is one line of text and `also`. Note the character if not."""
        for character in text:
            if character not in also and unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
                code = f"U+{ord(character):04X}"
                sentence = f"found a control character or line break ({code}), expected one line"
                self._problems.add(place, sentence)
                return False
        return True

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Tree]:
        tree = {}
        for name, (key, value) in self._entries(node, place).items():
            if name in self._left_out:
                continue
            self._problems.lines[(*place, name)] = _line(key)
            tree[name] = self.tree(value, (*place, name))
        return tree

    def _entries(self, node: yaml.MappingNode, place: Place) -> dict[str, Entry]:
        """Given a mapping, return its entries by name: its own, then those of `<<`."""
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problems.add(place, _no_name(key))
            elif key.value in own:
                first = _line(own[key.value][0])
                sentence = f"written twice, first on line {first}"
                self._problems.add((*place, key.value), sentence, _line(key))
            else:
                own[key.value] = (key, value)
        if "<<" in own and own["<<"][0].tag == f"{_YAML}merge":
            for source in self._sources(own.pop("<<")[1], place):
                merged = self._entries(source, place) | merged
        return merged | own

    def _sources(self, node: yaml.Node, place: Place) -> Iterator[yaml.MappingNode]:
        """Given the value of `<<`, yield the mappings to merge, the strongest first."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                self._problems.add((*place, "<<"), "expected an alias of a mapping", _line(node))
            elif self._admit(source, (*place, "<<")):
                # Open while it is merged, so that one that merges itself is seen.
                self._open.add(id(source))
                yield source
                self._open.discard(id(source))
