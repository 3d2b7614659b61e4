"""The problems of an inventory, each with its line and its place, all told at once."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from zkpoll.errors import InventoryError
from zkpoll.inventory.scalars import as_written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

Place: TypeAlias = "tuple[str | int, ...]"
"""Where a value stands: `("devices", 1, "port")`."""

_NAME = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}|<<")
"""What may be the name of a setting; a key with digits may be a comm key or a token in a wrong place."""
_LONGEST_FOUND = 60  # characters of a wrong value that are shown


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
        case str() if len(value) > _LONGEST_FOUND:
            return repr(value[:_LONGEST_FOUND]) + " ..."
        case _:
            return repr(value)


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


def shown(place: Place) -> str:
    """Given a place, return it as `devices[1].port`.

    Keys that do not look like a setting's name are left out: in `{token:hunter2}` the key is the secret.
    """
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _NAME.fullmatch(step) and not isinstance(step, Hidden):
            text += f".{step}"
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
        self._problems: dict[Place, Problem] = {}

    def __bool__(self) -> bool:
        """Say whether anything is wrong."""
        return bool(self._problems)

    def line(self, place: Place) -> int:
        """Given a place, return its line, or that of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def within(self, place: Place) -> bool:
        """Given a place, say whether there is a problem within it."""
        return any(len(wrong) > len(place) and wrong[: len(place)] == place for wrong in self._problems)

    def add(self, place: Place, sentence: str, line: int | None = None) -> None:
        """Note a problem. A place has one: the first is nearest the cause."""
        line = line or self.line(place)
        self._problems.setdefault(place, Problem(line, place, sentence))

    def known(
        self, settings: Mapping[str, object], names: Collection[str], place: Place
    ) -> dict[str, object]:
        """Given a mapping and the names it may hold, return the known ones. Note the rest."""
        for key, value in settings.items():
            if key not in names:
                step, sentence = unknown(key, value, names)
                self.add((*place, step), sentence)
        return {key: value for key, value in settings.items() if key in names}

    def error(self) -> InventoryError:
        """Return all problems as one error, a line each, in the order of the file."""
        ordered = sorted(self._problems.values(), key=lambda problem: problem.line)
        parts = [(f"{self.file}:{one.line}", shown(one.place), one.sentence) for one in ordered]
        return InventoryError("\n".join(": ".join(filter(None, line)) for line in parts))


def hint(word: str, names: Collection[str]) -> str:
    """Given a word that is none of these names, return a hint: the one that was meant, or all of them."""
    begun = re.split(r"[^A-Za-z0-9_]", word, maxsplit=1)[0]  # of `token:abc`, which lacks a space
    meant = nearest(word, names) or (begun if begun in names else None)
    return f"did you mean {meant}?" if meant else f"known here: {', '.join(names)}"


def unknown(key: str, value: object, names: Collection[str]) -> tuple[str, str]:
    """Given a key that is no setting, and its value, return it for its place, and a sentence that helps.

    It is shown if it looks like a name, and has a value or is very near to a known name. What stands alone
    (`{host: a, hunter}`) was meant as a value, which may be a secret.
    """
    if _NAME.fullmatch(key) and (value or as_written(value) or nearest(key, names, alike=0.8)):
        return key, f"unknown setting, {hint(key, names)}"
    gap = "; no space after its colon?" if ":" in key else ""
    return Hidden(key), f"unknown setting (hidden, as it may be a secret{gap}), {hint(key, names)}"
