"""Text as manual pages have it: man(7), which man-db, mandoc and groff read."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SIGNS: Final = {
    "\\": r"\e",
    "-": r"\-",  # else a hyphen, which nobody can search for or copy
    "'": r"\(aq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
    '"': r"\(dq",
}
_CODE: Final = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")


@dataclass(frozen=True, slots=True)
class Title:
    """What stands at the head and foot of each page."""

    version: str
    date: str
    """YYYY-MM-DD."""

    def line(self, name: str, section: int) -> str:
        """Return the line a page begins with."""
        return f'.TH {escaped(name.upper())} {section} {self.date} "zkpoll {self.version}" "zkpoll manual"'


def escaped(text: str) -> str:
    """Return text that stands for itself, within a line."""
    shown = "".join(_SIGNS.get(sign, sign) if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in text)
    return f"\\&{shown}" if shown.startswith((".", r"\(aq")) else shown


def bold(text: str) -> str:
    """Return text as what is typed."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """Return text as what something is put in the place of."""
    return f"\\fI{escaped(text)}\\fR"


def prose(text: str) -> str:
    """Return a paragraph; what stands in backticks is bold. A sentence is never at the mercy of a line."""
    parts = _CODE.split(" ".join(text.split()))
    shown = "".join(bold(part) if place % 2 else escaped(part) for place, part in enumerate(parts))
    return shown if not shown.startswith((".", "'")) else f"\\&{shown}"


def paragraphs(text: str) -> Iterator[str]:
    """Yield lines for the paragraphs of a help text. One that begins with click's own mark stays as it is."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first.strip() == "\b":
            yield from verbatim(rest.splitlines())
        else:
            yield from (".PP", prose(paragraph))


def verbatim(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines that are shown as they are."""
    shown = [escaped(line) for line in inspect.cleandoc("\n".join(lines)).splitlines()]
    yield from (".PP", ".nf", *(line or "\\&" for line in shown), ".fi")


def item(head: str, body: Iterable[str]) -> Iterator[str]:
    """Yield lines of something that is explained: what it is, and below it, indented, what it does."""
    yield from (".TP", head, *body)


def document(lines: Iterable[str]) -> str:
    """Return the text of a page. A paragraph that begins a section needs no mark, and linters want none."""
    kept: list[str] = [".\\\" Made of zkpoll's help texts and schema: make share"]
    for line in lines:
        if not (line == ".PP" and kept[-1].startswith(".SH ")):
            kept.append(line)
    return "\n".join((*kept, ""))
