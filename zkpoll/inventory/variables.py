"""`${NAME}` and `${NAME:-default}` in a value, filled from the environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)\}|\$\{")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)


def fill(text: str, env: Mapping[str, str]) -> str:
    """Given a value as written, return it with its variables filled in.

    As in a shell, the default counts when the variable is unset or empty. `$${` is a literal `${`,
    and what a variable holds is never filled again. Raise ValueError naming every variable that is
    not set, or when a `${` is not well formed (without its text, which may be a secret).
    """
    missing: list[str] = []

    def replace(mark: re.Match[str]) -> str:
        if mark[0] == "$${":
            return "${"
        value = _value(mark["inside"], env)
        if isinstance(value, KeyError):
            missing.append(value.args[0])
            return ""
        return value

    filled = _MARK.sub(replace, text)
    if missing:
        raise ValueError(_unset(missing))
    return filled


def _value(inside: str | None, env: Mapping[str, str]) -> str | KeyError:
    """Given what stands in the braces, return its value, or a KeyError with the name not set."""
    parts = _INSIDE.fullmatch(inside or "")
    if parts is None:
        raise ValueError("expected ${NAME} or ${NAME:-default}; a literal ${ is written $${")
    name, default = parts["name"], parts["default"]
    if default is None:
        return env[name] if name in env else KeyError(name)
    return env.get(name) or default.removeprefix(":-")


def _unset(names: list[str]) -> str:
    listed = list(dict.fromkeys(names))
    if len(listed) == 1:
        return f"environment variable {listed[0]} is not set"
    return f"environment variables {', '.join(listed)} are not set"
