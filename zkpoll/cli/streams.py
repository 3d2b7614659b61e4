"""The standard streams: what cannot be written there, and the letters that they lack.

    stdout  has what a command is asked for: where it cannot be written, `OutputLost` ends the command, and
            where its reader has gone, as `head` does, `ReaderGone` ends it well
    stderr  ends nothing, and keeps nothing waiting for long, as a terminal may be disabled meanwhile: what
            nobody can be told is dropped

Letters that a stream's encoding lacks are written as \\u09a6. ASCII counts as UTF-8: it is the locale that
nobody has chosen. Data does not depend on it: JSON is ASCII in any case, and an export UTF-8.
"""  # noqa: D301  # a backslash as it is shown

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from zkpoll.errors import ExitCode, ZkpollError, reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PATIENCE: Final = 5.0
"""Seconds to wait for a reader of stderr that does not read, such as a pager. A terminal may be disabled
meanwhile."""


class OutputLost(ZkpollError):
    """What is asked for cannot be written to stdout, or news not to stderr."""

    kind = "output"

    @classmethod
    def by(cls, error: OSError) -> OutputLost:
        """Given why stdout cannot be written, return the error to raise."""
        if error.errno == errno.EPIPE:
            return ReaderGone("")
        return cls(f"the output cannot be written: {reason(error)}")


class ReaderGone(OutputLost):
    """Who read stdout has read enough, as `head -1` has."""

    kind = "reader_gone"
    exit_code = ExitCode.OK


class _Standard(io.FileIO):
    """The file of a standard stream. Nothing more is written to it once it has failed."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream.fileno(), "w", closefd=False)
        self.name = stream.name
        self.failure: OSError | None = None
        self._stream = stream  # one that is thrown away would close the file

    def write(self, data: Any, /) -> int:
        """Write all of `data`, or drop it after a failure."""
        rest = memoryview(data).cast("B")
        while rest and not self.failure:
            try:
                rest = rest[self._write_some(rest) :]
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes

    def _write_some(self, data: memoryview) -> int:
        """Write some of `data` and return how many bytes are done with."""
        count = super().write(data)
        if count is None:  # it is full; and who shares it has made it one that does not wait
            select.select([], [self], [])
        return count or 0


class _Stdout(_Standard):
    """The file of stdout."""

    def write(self, data: Any, /) -> int:
        """Write all of `data`. Raise `OutputLost` the first time that it fails."""
        before = self.failure
        done = super().write(data)
        if self.failure and not before:
            raise OutputLost.by(self.failure)
        return done


class _Stderr(_Standard):
    """The file of stderr."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.has_dropped = False
        self._patience = PATIENCE

    def _write_some(self, data: memoryview) -> int:
        _, has_room, _ = select.select([], [self], [], self._patience)
        self._patience = PATIENCE if has_room else 0.0  # who does not read is waited for once
        if not has_room:
            self.has_dropped = True
            return len(data)
        return super()._write_some(data[: select.PIPE_BUF])  # so much fits where there is room


def prepare_streams() -> None:
    """Let every standard stream be one, and each that fails do what it is to do."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who has started us (`>&-`)
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # open to the end
    sys.stdout = _guarded(sys.stdout, _Stdout)
    sys.stderr = _guarded(sys.stderr, _Stderr)


@contextmanager
def going_on() -> Iterator[None]:
    """Print something before a command does its work. A reader that has gone does not keep it from that."""
    with suppress(ReaderGone):
        yield


def news_are_lost() -> bool:
    """Say whether something that was for stderr is lost."""
    raw = _raw(sys.stderr)
    return isinstance(raw, _Stderr) and (raw.has_dropped or raw.failure is not None)


def forget_lost_news() -> None:
    """Let `news_are_lost` say what becomes of the news from here on. A stream that has failed stays lost."""
    raw = _raw(sys.stderr)
    if isinstance(raw, _Stderr):
        raw.has_dropped = False


def speak_utf8(stream: TextIO) -> None:
    """Let a stream that carries data have UTF-8, whatever the locale."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _guarded(stream: TextIO, kind: type[_Standard]) -> TextIO:
    """Return a stream over a file of this kind; what is no file of the operating system stays as it is."""
    if not isinstance(stream, io.TextIOWrapper) or _raw(stream) is None:
        return stream
    stream.flush()
    raw = kind(stream)
    # PYTHONUNBUFFERED leaves the buffer out.
    buffer = io.BufferedWriter(raw) if isinstance(stream.buffer, io.BufferedWriter) else raw
    return io.TextIOWrapper(
        buffer,
        "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding,
        "backslashreplace",
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _raw(stream: TextIO) -> io.FileIO | None:
    """Return the file of the operating system that a stream writes to, or None where there is none."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw if isinstance(raw, io.FileIO) else None
