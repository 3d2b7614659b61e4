"""The problems of an inventory, each with its line and its place, all told at once."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from zkpoll.errors import InventoryError
from zkpoll.inventory.scalars import as_written
from zkpoll.inventory.wrong_names import meant_by, no_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Place: TypeAlias = "tuple[str | int, ...]"
"""Where a value stands: `("devices", 1, "port")`."""

_NAME = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}|<<")
"""What may be the name of a setting; a key with digits may be a comm key or a token in a wrong place."""
_ODD_SPACES = frozenset("\u00a0\u2000\u2002\u2003\u2009\u200b\u202f\u3000\ufeff")
"""Spaces that a page or a document holds, and that YAML takes for letters."""
_LONGEST_FOUND = 60  # characters of a wrong value that are shown
_SECRET: Final = re.compile(
    r"[\s,;{]*\b(?:comm_?key|token|password|passwd|secret|basic|authorization|api[_-]?key)\b[\"']?[\s:=].*",
    re.DOTALL | re.IGNORECASE,
)
"""What a value has of a secret setting, and all behind it, where somebody wrote two settings on one line."""
_ANOTHER: Final = re.compile(r"[\s,;{]*\b[A-Za-z_][\w-]*:\s.*", re.DOTALL)
"""The same for any setting."""


class Sentence(ValueError):
    """A complaint that says everything itself. The value found is not put in front of it.

    Raised if the value is secret, or if the fault is not in the value alone. `key` names the
    setting it belongs to, among those that were checked, when its own check is not the one that raised it, or
    is the place of a part of that setting. Where the message says {it}, the value stands, as `show` shows it.
    """

    def __init__(
        self,
        message: str,
        key: str | Place | None = None,
        value: object = "",
        show: Callable[[str], str] = str,
    ) -> None:
        super().__init__(message.replace("{it}", show(str(value))))
        self.place: Place = (key,) if isinstance(key, str) else key or ()
        self._message = message
        self._show = show

    def of(self, key: str) -> Sentence:
        """Given the key of the setting it belongs to, return it as one of that setting."""
        self.place = (key,)
        return self

    def told(self, written: str | None) -> str:
        """Given the text that the value has in the file, if a variable is in it, return the sentence."""
        return str(self) if written is None else self._message.replace("{it}", self._show(written))


def found(value: object) -> str:
    """Given a wrong value, return its name in a sentence, never more than a line.

    Of a value with a variable in it this is what the file has, and not what the variable holds.
    """
    if value and (text := as_written(value)):
        value = text
    match value:
        case "" | None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str() if (alone := without_others(value[:_LONGEST_FOUND])) != value:
            return repr(alone) + " ..." if alone else "(hidden)"
        case _:
            return repr(value)


def without_others(text: str) -> str:
    """Given a value, return it without the settings that somebody wrote behind it, which may be secrets."""
    return _ANOTHER.sub("", _SECRET.sub("", text))


def found_shape(value: object) -> str:
    """Given a value in the place of a mapping, return its name in a sentence.

    A text is not shown: in `token hunter2` half of it is a secret.
    """
    return "text" if value and isinstance(value, str) else found(value)


def nearest(word: str, known: Collection[str], alike: float = 0.6) -> str | None:
    """Given a word, return the known one it was most likely meant to be, in any case of letters.

    `alike` is how much of both must be the same; 1 is all.
    """
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=alike)
    return folded[close[0]] if close else None


class Hidden(str):
    """A key that may be a secret, and is not shown in a place."""

    __slots__ = ()


SLIP: Final = Hidden("slip")
"""The first step of a place that is a line, and nothing in the tree."""


def shown(place: Place, names: Mapping[Place, str] = MappingProxyType({})) -> str:
    """Given a place and the names of entries by theirs, return it as `devices[1] (front).port`.

    Keys that do not look like a setting's name are left out: in `{token:hunter2}` the key is the secret.
    """
    text = ""
    if place[:1] == (SLIP,):
        return text
    for i, step in enumerate(place, 1):
        name = _SECRET.sub("...", names.get(place[:i], ""))
        if isinstance(step, int):
            text += f"[{step}]" + (f" ({name})" if name else "")
        elif name or (_NAME.fullmatch(step) and not isinstance(step, Hidden)):
            text += f".{name or step}"
    return text.removeprefix(".")


@dataclass(frozen=True, slots=True)
class Problem:
    """One flaw, and its place."""

    line: int
    place: Place
    sentence: str


class Problems:
    """The lines of one file's values, and their problems."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: dict[Place, int] = {}
        self.values: dict[Place, int] = {}
        """The lines of values."""
        self.names: dict[Place, str] = {}
        """The names that entries have, by their places."""
        self._problems: dict[Place, Problem] = {}
        self._instead: set[Place] = set()
        """Places of settings that stand under a wrong name or in a wrong place, which is told."""

    def __bool__(self) -> bool:
        """Say whether anything is wrong."""
        return bool(self._problems)

    def line(self, place: Place) -> int:
        """Given a place, return its line, or that of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def value_line(self, place: Place) -> int:
        """Given a place, return the line where its value begins, which may be below its name."""
        return self.values.get(place) or self.line(place)

    def within(self, place: Place) -> bool:
        """Given a place, say whether there is a problem within it."""
        return any(len(wrong) > len(place) and wrong[: len(place)] == place for wrong in self._problems)

    def add(self, place: Place, sentence: str, line: int | None = None) -> None:
        """Note a problem. A place has one: the first is nearest the cause."""
        if any(place[:i] in self._instead for i in range(1, len(place) + 1)):
            return
        line = line or self.line(place)
        self._problems.setdefault(place, Problem(line, place, sentence))

    def add_slip(self, line: int, sentence: str) -> None:
        """Note a problem of the text itself, which is in no place of the tree."""
        place = (SLIP, line, "")
        self._problems.setdefault(place, Problem(line, place, sentence))

    def told_of(self, place: Place) -> None:
        """Tell nothing of a setting: that it has a wrong name, or stands in a wrong place, is told."""
        self._instead.add(place)

    def known(
        self,
        settings: Mapping[str, object],
        names: Collection[str],
        place: Place,
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, object]:
        """Given a mapping and the names it may hold, return the known ones. Note the rest.

        What is meant by a wrong name counts as given, so that it is not missed as well. `elsewhere` has what
        to say of names that belong into another place.
        """
        given = {key: value for key, value in settings.items() if key in names}
        for key, value in settings.items():
            if key in elsewhere:
                self.add((*place, key), elsewhere[key])
                if place:  # it is not missed at the top
                    self.told_of((key,))
            elif key not in names:
                step, sentence, meant = unknown(key, value, names)
                self.add((*place, step), sentence)
                if meant is not None and meant not in given:
                    self.told_of((*place, meant))
                    given[meant] = value
        return given

    def error(self) -> InventoryError:
        """Return all problems as one error, a line each, in the order of the file."""
        ordered = sorted(_folded(self._problems.values()), key=lambda problem: problem.line)
        parts = [(f"{self.file}:{one.line}", shown(one.place, self.names), one.sentence) for one in ordered]
        return InventoryError("\n".join(": ".join(filter(None, line)) for line in parts))


_ALIKE: Final = 3
"""Entries of a list whose same mistake is told for each; of more it is told once, with the lines."""


def _folded(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Given problems, yield them; the same one of many entries, or of one alias, is one problem."""
    groups: dict[tuple[object, ...], list[Problem]] = {}
    for one in problems:
        of_entry = len(one.place) > 2 and isinstance(one.place[1], int)
        inner = (one.place[0], one.place[2:]) if of_entry else (one.place,)
        groups.setdefault((*inner, one.sentence), []).append(one)
    for group in groups.values():
        first = min(group, key=lambda problem: problem.line)
        lines = sorted({one.line for one in group})
        if len(lines) == 1:
            yield first
        elif len(lines) <= _ALIKE:
            yield from {one.line: one for one in reversed(group)}.values()
        else:
            yield replace(first, sentence=f"{first.sentence}; the same on {_lines(lines[1:])}")


def _lines(numbers: Sequence[int]) -> str:
    shown = [str(number) for number in numbers[:_ALIKE]]
    rest = len(numbers) - len(shown)
    return f"lines {', '.join(shown)}" + (f" and {rest:,} more" if rest else "")


def hint(word: str, names: Collection[str]) -> str:
    """Given a word that is none of these names, return a hint: the one that was meant, or all of them."""
    meant = _meant(word, names)
    return f"did you mean {meant}?" if meant else f"known here: {', '.join(names)}"


def _meant(word: str, names: Collection[str]) -> str | None:
    begun = re.split(r"[^A-Za-z0-9_]", word, maxsplit=1)[0]  # of `token:abc`, which lacks a space
    return nearest(word, names) or (begun if begun in names else None)


def unknown(key: str, value: object, names: Collection[str]) -> tuple[str, str, str | None]:
    """Given a key that is no setting, and its value, return it for its place, a sentence, and what is meant.

    It is shown if it looks like a name, and has a value or is very near to a known name. What stands alone
    (`{host: a, hunter}`) was meant as a value, which may be a secret.
    """
    if key[:1] in _ODD_SPACES:
        return (
            Hidden(key),
            f"begins with a wide or no-break space (U+{ord(key[0]):04X}), expected plain ones",
            None,
        )
    if sentence := no_setting(key):
        return key, sentence, None
    if meant := meant_by(key, names):
        return key, f"unknown setting, did you mean {meant}?", meant
    meant = _meant(key, names)
    told = f"did you mean {meant}?" if meant else f"known here: {', '.join(names)}"
    if _NAME.fullmatch(key) and (value or as_written(value) or nearest(key, names, alike=0.8)):
        return key, f"unknown setting, {told}", meant
    begun = key.partition(":")[0]
    if ":" in key and begun in names:
        return Hidden(key), f"no space behind the colon of {begun}:, expected {begun}: and its value", begun
    gap = "; no space after its colon?" if ":" in key else ""
    return Hidden(key), f"unknown setting (hidden, as it may be a secret{gap}), {told}", None
