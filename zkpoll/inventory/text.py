"""YAML text -> a tree of plain text, with the line of every value.

Scalars stay the text they were written as, and the models type them. So `0123`, `no` and a serial with
leading zeros are what they look like, unlike in YAML's own typing.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import yaml

from zkpoll.errors import InventoryError
from zkpoll.inventory.formats.facts import FACTS
from zkpoll.inventory.scalars import Scalar
from zkpoll.inventory.slips import Guess, Noticed, guesses
from zkpoll.inventory.variables import fill

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
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
_NO_SETTING = "x-"
"""How names at the top begin that are no settings: what stands there has an anchor, for aliases elsewhere."""
_BLOCKS = {(name, key) for name, row in FACTS.items() for key in row.blocks}
"""Settings that may be several lines of text, each with the section that it stands in."""
_MOST_SLIPS = 20
"""Slips that are told at once."""
_MOST_TRIES = 100
_TRIED = 2_000_000
"""Characters that are read, all in all, to see what was meant: some seconds."""
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Where lines end in YAML."""
_NEEDED = ("journal",)
"""The section whose secrets are needed for a look into the journal: none of it is left out."""
_FIRST = "the rest is checked once this is mended"
_SOURCES = ("databases", "query")
"""The list of sources and the setting of one of them that may be several lines of text as well."""


class _TooLarge(Exception):
    """The values, aliases followed, are more than anybody's inventory."""


def read(
    text: str,
    env: Mapping[str, str],
    problems: Problems,
    left_out: Collection[str] = frozenset(),
    tops: Collection[str] = frozenset(),
) -> Tree:
    """Given the text of a file, return its tree; lines and flaws are noted in `problems`.

    Entries whose name is among those `left_out` are as good as not written; `tops` are the names that may
    stand at the top. What is no YAML is read as it was meant, where that can be told, and noted. Values
    are `Scalar`s. An empty one (`token:`, `~`, `null` or '') is the empty text, and so is a value with a
    problem.
    Raise InventoryError when there is no tree to speak of.
    """
    try:
        node = _meant(text, problems, tops)
        if node is None:
            raise InventoryError(f"{problems.file}: the file is empty, expected an inventory")
        return _Walk(env, problems, left_out).tree(node, ())
    except RecursionError:
        raise InventoryError(f"{problems.file}: nested too deeply for an inventory") from None
    except _TooLarge:
        raise InventoryError(f"{problems.file}: its aliases make it too large") from None


def written_values(text: str) -> Iterator[str]:
    """Given the text of a file that `read` takes, yield each scalar as it is written, in order."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent):
            yield event.value


def _compose(text: str, file: Path) -> yaml.Node | None:
    """Given a text, return its root node, or None if it holds nothing. Raise InventoryError."""
    try:
        # Composing makes nodes only; no Python object is ever built from a tag.
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line, column = _position(text, error.position)
        raise InventoryError(f"{file}:{line}:{column}: not YAML: a control character") from None
    except (ValueError, OverflowError):
        # The parser lets these through: "\UFFFFFFFF", a version number of 5,000 digits.
        raise InventoryError(f"{file}: not YAML: a character or number out of range") from None


def _meant(text: str, problems: Problems, tops: Collection[str]) -> yaml.Node | None:
    """Given a text, return its root node as it was meant, or None if it holds nothing. Note each slip.

    Raise InventoryError with all that was found where it cannot be told what was meant.
    """
    lines = _BREAKS.split(text)
    tries = min(_MOST_TRIES, _TRIED // len(text)) if text else 0
    for _ in range(_MOST_SLIPS):
        try:
            return _compose("\n".join(lines), problems.file)
        except yaml.MarkedYAMLError as caught:
            error, noticed = caught, _noticed(caught)
        except InventoryError:
            if problems:
                break
            raise
        found = list(islice(guesses(lines, noticed, tops), max(tries, 1)))
        tried, tries = found[:tries], tries - len(found)
        better = next((one for one in tried if _gets_further(one, lines, noticed, problems.file)), None)
        if better is None:
            problems.add_slip(*_told(error, found))
            break
        problems.add_slip(better.line + 1, better.sentence)
        lines = better.mended(lines) or lines
    raise problems.error()


def _noticed(error: yaml.MarkedYAMLError) -> Noticed:
    mark = error.problem_mark or error.context_mark
    begun = error.context_mark or mark
    said = " ".join(filter(None, (error.context, error.problem)))
    if error.problem and error.problem.startswith("expected"):
        said = error.problem
    if error.context and error.context.startswith("while parsing a block"):
        begun = mark  # what it is in began long before
    return Noticed(said, mark.line if mark else 0, mark.column if mark else 0, begun.line if begun else 0)


def _gets_further(guess: Guess, lines: Sequence[str], noticed: Noticed, file: Path) -> bool:
    """Say whether the parser gets further, or to the end, with the line that a guess takes for meant."""
    mended = guess.mended(lines)
    if mended is None:
        return False
    try:
        _compose("\n".join(mended), file)
    except InventoryError:  # told when it is come to
        return True
    except yaml.MarkedYAMLError as error:
        now = _noticed(error)
        return now.line > noticed.line and now.begun > guess.line
    return True


def _told(error: yaml.MarkedYAMLError, found: Sequence[Guess]) -> tuple[int, str]:
    """Return the line and the sentence for a slip of which it cannot be told what was meant."""
    if found:
        return found[0].line + 1, f"{found[0].sentence}; {_FIRST}"
    said = _QUOTED.sub("(hidden)", error.problem or error.context or "cannot be parsed")
    return _noticed(error).line + 1, f"not YAML: {said}; {_FIRST}"


def _position(text: str, index: int) -> tuple[int, int]:
    """Given a character's index, return its line and column, both from 1."""
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _may_be_a_block(place: Place) -> bool:
    """Given the place of a text, say whether it may have several lines."""
    return place[-2:] in _BLOCKS or (len(place) == 3 and (place[0], place[-1]) == _SOURCES)


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
        self._problems.values[place] = _line(node)
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
        block = node.style in {"|", ">"} and _may_be_a_block(place)
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
            if (name in self._left_out and place != _NEEDED) or (not place and name.startswith(_NO_SETTING)):
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
                if key.value == "name" and place:
                    sentence += "; if it is another entry, it begins with -"
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
