"""Text of devices and dashboards, fit for a screen, a log, a table and a mail. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

_UNFIT: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that steer a terminal, break a line, or cannot be written at all."""
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Controls of the writing direction: they show a line in another order than it has. The joiners that scripts
of India and Persia need are no such controls."""


def shown(text: str) -> str:
    r"""Return text in which no letter steers a screen or breaks a line: such a one is shown as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if unicodedata.category(letter) in _UNFIT or letter in _TURNING:
        return letter.encode("unicode_escape").decode("ascii")
    return letter
