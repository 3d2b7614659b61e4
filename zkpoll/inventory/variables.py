"""`${NAME}`, `${NAME:-default}` and `${file:PATH}` in a value, filled from the environment and from files.

A file in `$CREDENTIALS_DIRECTORY`, which only a service of systemd has, is found where the unit has it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from zkpoll.inventory.files import content, expanded
from zkpoll.inventory.problems import Sentence
from zkpoll.inventory.units import VARIABLE as CREDENTIALS
from zkpoll.inventory.units import credential

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)\}|\$\{")
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_INSIDE = re.compile(rf"(?P<name>{_NAME})(?P<default>:-.*)?", re.DOTALL)
_FILE = re.compile(r"file:(?!-)(?P<path>.+)", re.DOTALL)
_IN_PATH = re.compile(rf"\$(?P<name>{_NAME})")
_CREDENTIAL = re.compile(rf"\$\{{{CREDENTIALS}\}}/(?P<name>[^/$]+)")
"""The path of a credential as a setting's value."""
_CREDENTIAL_OR_ELSE = re.compile(rf"\$\{{{CREDENTIALS}(:-[^}}]*)?\}}/(?P<name>[^/$]+)")
"""The same, perhaps with the folder for a command that systemd did not start."""
_CREDENTIAL_IN_PATH = re.compile(rf"\${CREDENTIALS}/(?P<name>[^/$]+)")
"""The same in `${file:PATH}`."""


def fill(text: str, env: Mapping[str, str], folder: Path) -> tuple[str, tuple[str, ...]]:
    """Given a value as written and the inventory's folder, return it filled in, and the texts put in.

    As in a shell, the default counts when the variable is unset or empty. `$${` is a literal `${`,
    and the text of a variable or a file is never filled again. A file's path may hold `$NAME`. Raise
    ValueError naming every variable that is not set, or a file that cannot be used, or when a `${` is
    not well formed (without its text, which may be a secret).
    """
    if not env.get(CREDENTIALS) and (whole := _CREDENTIAL.fullmatch(text)):
        path = str(credential(whole["name"]))
        return path, (path,)
    filling = _Filling(env, folder)
    filled = _MARK.sub(filling.replace, text)
    if filling.missing:
        listed = list(dict.fromkeys(filling.missing))
        if len(listed) == 1:
            raise ValueError(f"environment variable {listed[0]} is not set")
        raise ValueError(f"environment variables {', '.join(listed)} are not set")
    return filled, tuple(filling.used)


def credentials_of(text: str) -> list[str]:
    """Given a value as written, return the names of the files in `$CREDENTIALS_DIRECTORY` that it takes."""
    insides = (_FILE.fullmatch(mark["inside"] or "") for mark in _MARK.finditer(text))
    paths = (_CREDENTIAL_IN_PATH.fullmatch(one["path"]) for one in insides if one)
    return [one["name"] for one in (_CREDENTIAL_OR_ELSE.fullmatch(text), *paths) if one]


class _Filling:
    """The filling of one value."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self._env = env
        self._folder = folder
        self.missing: list[str] = []
        self.used: list[str] = []

    def replace(self, mark: re.Match[str]) -> str:
        """Given a mark, return its text. A name that is not set is noted and gives the empty text."""
        inside = mark["inside"] or ""
        if mark[0] == "$${":
            return "${"
        if file := _FILE.fullmatch(inside):
            text = self._content(file["path"])
        elif (parts := _INSIDE.fullmatch(inside)) and parts["default"] is not None:
            text = self._env.get(parts["name"]) or parts["default"].removeprefix(":-")
        elif parts:
            text = self._set(parts["name"])
        else:
            raise ValueError(
                "expected ${NAME}, ${NAME:-default} or ${file:PATH}; a literal ${ is written $${"
            )
        self.used.append(text)
        return text

    def _content(self, written: str) -> str:
        whole = None if self._env.get(CREDENTIALS) else _CREDENTIAL_IN_PATH.fullmatch(written)
        if whole:
            return self._text_of(credential(whole["name"]), written)
        path = _IN_PATH.sub(lambda mark: self._set(mark["name"]), written)
        if self.missing:
            return ""
        if not path.isprintable():
            raise ValueError("expected a path in ${file:PATH}, found a control character in it")
        return self._text_of(self._folder / expanded(Path(path)), written)

    def _text_of(self, path: Path, written: str) -> str:
        try:
            return content(path)
        except Sentence as error:
            raise ValueError(error.told(written if _IN_PATH.search(written) else None)) from None

    def _set(self, name: str) -> str:
        if name not in self._env:
            self.missing.append(name)
        return self._env.get(name, "")
