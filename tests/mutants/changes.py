"""Source -> the same with one change each: `<` becomes `<=`, a number another one, an argument None."""

from __future__ import annotations

import ast
import codecs
import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import libcst as cst
from mutmut.mutation.file_mutation import create_mutations

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_TYPES: Final = re.compile(r": TypeAlias = ")
_TEXT: Final = (cst.SimpleString, cst.FormattedStringText, cst.ConcatenatedString)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a module."""

    line: int
    """Where it begins, from 1."""
    before: str
    """The changed lines as they were, without the spaces around them."""
    after: str
    source: str
    """The whole module with the change."""

    def __str__(self) -> str:
        """Return it as a person compares it."""
        return f"line {self.line}\n  - {self.before}\n  + {self.after}"


def changes(name: str, source: str) -> Iterator[Change]:
    """Yield the changes of a module, given its file's name for messages and its source.

    Sentences are left as they are: what is said to people is compared by the tests of the pages that quote
    it. So are names of types, which mypy judges. Other names and single words are changed. Changes that come
    to the same text are one.
    """
    module, mutations, _, _ = create_mutations(name, source)
    seen: set[str] = set()
    types = _lines_for_types(source)
    for one in mutations:
        if isinstance(one.original_node, _TEXT) and " " in module.code_for_node(one.original_node):
            continue
        if _codec(one.original_node) and _codec(one.original_node) == _codec(one.mutated_node):
            continue
        changed = module.deep_replace(one.original_node, one.mutated_node)
        text = cst.ensure_type(changed, cst.Module).code
        if text not in seen and text != source and _compiles(text):
            seen.add(text)
            change = _change(source, text)
            if change.line not in types and not _OF_TYPES.search(change.before):
                yield change


def _codec(node: cst.CSTNode) -> str | None:
    """Return the encoding that a word is a name of, if any: Python takes it in any case."""
    if not isinstance(node, cst.SimpleString) or not isinstance(node.evaluated_value, str):
        return None
    try:
        return codecs.lookup(node.evaluated_value).name
    except (LookupError, ValueError):
        return None


def _lines_for_types(source: str) -> set[int]:
    """Return the lines that are never run: those of `if TYPE_CHECKING:`."""
    found = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    return {line for node in found for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def _compiles(text: str) -> bool:
    try:
        compile(text, "<changed>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _change(source: str, text: str) -> Change:
    old, new = source.splitlines(), text.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    parts = [part for part in matcher.get_opcodes() if part[0] != "equal"]
    first, last = parts[0], parts[-1]
    before, after = old[first[1] : last[2]], new[first[3] : last[4]]
    return Change(first[1] + 1, _joined(before), _joined(after), text)


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
