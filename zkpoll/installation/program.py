"""How this zkpoll is called: the command of this installation, with its whole path."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import zkpoll

COMMAND: Final = "zkpoll"


@dataclass(frozen=True, slots=True)
class Program:
    """A command that a service is to run, and what of this machine it needs."""

    words: tuple[str, ...]
    """The absolute path of a program, and its first arguments if it needs some."""
    parts: tuple[Path, ...]
    """The files and folders that it cannot do without: Python's, and the package's."""
    is_this: bool
    """Whether it is the one that runs now, so that what it can import is known."""

    def __str__(self) -> str:
        """Return the words as they are typed."""
        return " ".join(self.words)


def this_program() -> Program:
    """Return the command of this installation; where there is none, Python and the package's name."""
    beside = Path(sys.executable).with_name(COMMAND)
    places = (beside, Path(sysconfig.get_path("scripts"), COMMAND))
    command = next((one for one in places if one.is_file()), None)
    words = (str(command),) if command else (sys.executable, "-m", "zkpoll")
    parts = (Path(words[0]), Path(sys.executable), Path(sys.base_prefix), Path(zkpoll.__file__).parent)
    return Program(words, tuple(dict.fromkeys(parts)), is_this=True)


def program_at(path: Path) -> Program:
    """Given the absolute path of a command, as a service sees it, return it."""
    return Program((str(path),), (path,), is_this=False)
