"""An export's way out: to stdout, or whole into a file."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager, nullcontext
from typing import IO, TYPE_CHECKING, TypeVar

from zkpoll.durable import new_file
from zkpoll.errors import Stopped, TryLater, reason
from zkpoll.ordinary_files import NotOrdinary

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import TextIO

T = TypeVar("T")


class OutputFailed(TryLater):
    """The export cannot be written."""

    kind = "output"


def write(pieces: Iterable[str], path: Path | None, stop: threading.Event, *, replace: bool = True) -> None:
    """Write `pieces` in UTF-8 to the file at `path`, or to stdout where that is None.

    The file is for its owner alone, as it holds personal data. It is there whole, on disk, when this returns.
    Until then, and after any failure, the file that was there before stays; unless it may be `replace`d, that
    is a failure, too. Raise `OutputFailed`, or `Stopped` once `stop` is set.
    """
    target: AbstractContextManager[TextIO] = nullcontext(_stdout()) if path is None else _text(path, replace)
    with target as file:
        for piece in unless_stopped(pieces, stop):
            file.write(piece)
        file.flush()


def unless_stopped(items: Iterable[T], stop: threading.Event) -> Iterator[T]:
    """Yield items as they come. Raise `Stopped` once `stop` is set."""
    for item in items:
        if stop.is_set():
            raise Stopped(Stopped.__doc__)
        yield item


def _stdout() -> TextIO:
    """Return stdout, from now on in UTF-8 in any locale: an export is the same everywhere."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    return sys.stdout


@contextmanager
def _text(path: Path, replace: bool) -> Iterator[TextIO]:
    with new_export(path, replace=replace) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="\n")
        yield text
        text.detach()


@contextmanager
def new_export(path: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """Give a new file that is at `path` when all went well, as `write` does."""
    try:
        with new_file(path, replace=replace) as file:
            yield file
    except NotOrdinary as error:
        instead = "leave --output out and redirect stdout"
        raise OutputFailed(f"{path} cannot be written: {reason(error)}; {instead}") from error
    except FileExistsError as error:
        raise OutputFailed(f"{path} is there already; --force overwrites it") from error
    except OSError as error:
        raise OutputFailed(f"{path} cannot be written: {reason(error)}") from error
