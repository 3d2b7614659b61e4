"""`${NAME}`, `${NAME:-default}` and `${file:PATH}` in a value, filled from the environment and from files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from zkpoll.inventory.files import content, expanded

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)\}|\$\{")
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_INSIDE = re.compile(rf"(?P<name>{_NAME})(?P<default>:-.*)?", re.DOTALL)
_FILE = re.compile(r"file:(?!-)(?P<path>.+)", re.DOTALL)
_IN_PATH = re.compile(rf"\$(?P<name>{_NAME})")


def fill(text: str, env: Mapping[str, str], folder: Path) -> tuple[str, tuple[str, ...]]:
    """Given a value as written and the inventory's folder, return it filled in, and what that was done with.

    As in a shell, the default counts when the variable is unset or empty. `$${` is a literal `${`,
    and what a variable or a file holds is never filled again. A file's path may hold `$NAME`. Raise
    ValueError naming every variable that is not set, or a file that cannot be used, or when a `${` is
    not well formed (without its text, which may be a secret).
    """
    filling = _Filling(env, folder)
    filled = _MARK.sub(filling.replace, text)
    if filling.missing:
        raise ValueError(_unset(filling.missing))
    return filled, tuple(filling.used)


class _Filling:
    """The filling of one value."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self._env = env
        self._folder = folder
        self.missing: list[str] = []
        self.used: list[str] = []

    def replace(self, mark: re.Match[str]) -> str:
        """Given a mark, return what it stands for; a name that is not set is noted and stands for nothing."""
        inside = mark["inside"] or ""
        if mark[0] == "$${":
            return "${"
        if file := _FILE.fullmatch(inside):
            return self._noted(self._content(file["path"]))
        if parts := _INSIDE.fullmatch(inside):
            return self._noted(self._variable(parts["name"], parts["default"]))
        raise ValueError("expected ${NAME}, ${NAME:-default} or ${file:PATH}; a literal ${ is written $${")

    def _noted(self, text: str) -> str:
        self.used.append(text)
        return text

    def _variable(self, name: str, default: str | None) -> str:
        if default is None:
            return self._set(name)
        return self._env.get(name) or default.removeprefix(":-")

    def _content(self, written: str) -> str:
        path = _IN_PATH.sub(lambda mark: self._set(mark["name"]), written)
        if self.missing:
            return ""
        if not path.isprintable():
            raise ValueError("expected a path in ${file:PATH}, found a control character in it")
        return content(self._folder / expanded(Path(path)))

    def _set(self, name: str) -> str:
        if name not in self._env:
            self.missing.append(name)
        return self._env.get(name, "")


def _unset(names: list[str]) -> str:
    listed = list(dict.fromkeys(names))
    if len(listed) == 1:
        return f"environment variable {listed[0]} is not set"
    return f"environment variables {', '.join(listed)} are not set"
