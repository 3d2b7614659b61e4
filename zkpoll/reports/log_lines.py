"""The form of the log's lines: for a person, for a program, for journald."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

Format = Literal["text", "json"]
_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""The least level of each of syslog's priorities (sd-daemon(3))."""
_DEBUG: Final = 7


@dataclass(frozen=True, slots=True)
class Style:
    """How lines on stderr are written."""

    format: Format = "text"
    to_journald: bool = False
    """Whether journald reads them: it takes a priority in front, and knows the time itself."""

    def notice(self, text: str, level: int = logging.WARNING, moment: datetime | None = None) -> str:
        """Given a notice to a person, return its line, or lines."""
        if self.format == "json":
            return self.prefixed(as_json(text, level, "zkpoll", moment or datetime.now(UTC)), level)
        return self.prefixed(f"zkpoll: {text}", level)

    def prefixed(self, text: str, level: int) -> str:
        """Given text, return it with the priority of `level` in front of each line, if journald reads it."""
        if not self.to_journald:
            return text
        mark = f"<{priority(level)}>"
        return "\n".join(mark + line for line in text.splitlines() or [""])


class Formatter(logging.Formatter):
    """Formats the log's records in a style."""

    def __init__(self, style: Style) -> None:
        super().__init__("%(message)s" if style.to_journald else "%(asctime)s %(levelname)-7s %(message)s")
        self._chosen = style

    def format(self, record: logging.LogRecord) -> str:
        """Given a record, return its line, or lines."""
        if self._chosen.format == "json":
            trace = self.formatException(record.exc_info) if record.exc_info else None
            moment = datetime.fromtimestamp(record.created, UTC)
            text = as_json(record.getMessage(), record.levelno, record.name, moment, trace)
        else:
            text = super().format(record)
        return self._chosen.prefixed(text, record.levelno)


def as_json(text: str, level: int, logger: str, moment: datetime, trace: str | None = None) -> str:
    """Given an event of the log, return it as one line of JSON. `moment` is UTC."""
    fields = {
        "time": moment.isoformat(timespec="milliseconds"),
        "level": logging.getLevelName(level).lower(),
        "logger": logger,
        "message": text,
    }
    return json.dumps(fields | ({"exception": trace} if trace else {}), ensure_ascii=False)


def priority(level: int) -> int:
    """Given a level of `logging`, return syslog's priority, 2 (critical) to 7 (debug)."""
    return next((found for least, found in _PRIORITIES if level >= least), _DEBUG)


def style_of(stream: TextIO, env: Mapping[str, str], written: Format = "text") -> Style:
    """Given where the log goes and the environment, return how to write it there."""
    return Style(written, _is_journald(stream, env.get("JOURNAL_STREAM", "")))


def _is_journald(stream: TextIO, named: str) -> bool:
    """Say whether `stream` is the one in JOURNAL_STREAM: another program may have inherited the variable."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return named == f"{found.st_dev}:{found.st_ino}"
