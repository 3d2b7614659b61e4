"""Places within JSON, written as the singular queries of RFC 9535. Pure."""

from __future__ import annotations

import json
import re
from typing import Final

from zkpoll.inventory.kinds import Kind, Shape, pattern
from zkpoll.inventory.problems import Sentence, found

_FIRST: Final = r"A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff"
_CODE: Final = (
    "(?:[0-9A-CEFa-cef][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2}"
    r"|[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2})"
)
_ESCAPE: Final = rf"\\(?:[bfnrt/\\]|u{_CODE})"
_OTHER: Final = r"[^\\\x00-\x1f\ud800-\udfff"
_SEGMENT: Final = (
    rf"[ \t\n\r]*(?:\.(?P<name>[{_FIRST}][{_FIRST}0-9]*)"
    # 15 digits: more are not exact in every program that reads JSON.
    r"|\[(?:(?P<index>0|-?[1-9][0-9]{0,14})"
    rf"|'(?P<single>(?:{_OTHER}']|\\'|{_ESCAPE})*)'"
    rf"|\"(?P<double>(?:{_OTHER}\"]|\\\"|{_ESCAPE})*)\")\])"
)
"""One step."""
_SHORT: Final = f"[{_FIRST}][{_FIRST}0-9]*"
"""A name that needs no quotes. Both are compiled where a path is read or written: with all of Unicode in them
that takes a while, and few inventories have a path."""


class JsonPath(Kind):
    """The place of one value, such as `$.result.rows[0]['odd name']`. `$` is all of it."""

    def parse(self, value: object) -> tuple[str | int, ...]:
        """Given a path or its steps, return the steps: names, and positions in lists (-1 is the last)."""
        if isinstance(value, tuple):
            return value
        steps = _steps(value) if isinstance(value, str) else None
        if steps is None:
            raise Sentence(
                f"found {found(value)}, expected the path of one value, such as $.result.rows[0].ok"
            )
        return steps

    def shape(self) -> Shape:
        """Return: a text that begins with $."""
        return pattern(r"^\$([ .\[].*)?$")


def _steps(text: str) -> tuple[str | int, ...] | None:
    """Given the text of a path, return its steps, or None if it is none."""
    steps, at = [], 1
    expression = re.compile(_SEGMENT)
    while segment := expression.match(text, at):
        steps.append(_step(segment))
        at = segment.end()
    return tuple(steps) if text.startswith("$") and at == len(text) else None


def _step(segment: re.Match[str]) -> str | int:
    if segment["index"] is not None:
        return int(segment["index"])
    if segment["name"] is not None:
        return segment["name"]
    quoted = segment["double"]
    if (single := segment["single"]) is not None:
        quoted = re.sub(r"""\\'|\"""", lambda mark: "'" if mark[0] == r"\'" else r"\"", single)
    step: str = json.loads(f'"{quoted}"')
    return step


def written(steps: tuple[str | int, ...]) -> str:
    """Given steps, return their path as `JsonPath` reads it."""
    plain = [isinstance(step, str) and re.fullmatch(_SHORT, step) is not None for step in steps]
    return "$" + "".join(
        f".{step}" if short else f"[{json.dumps(step)}]" for step, short in zip(steps, plain, strict=True)
    )
