"""Where a journal is kept: in a file, or on a server; and where lies what does not fit into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class FileAndState:
    """A journal's file, and another folder for what else lies beside it."""

    file: Path
    state: Path

    def __str__(self) -> str:
        """Return the file's path."""
        return str(self.file)


@dataclass(frozen=True, slots=True)
class JournalServer:
    """The PostgreSQL database that a journal is in, and a folder of this machine for the rest."""

    url: str
    """`postgresql://zkpoll@db.example.com/zkpoll?sslmode=require`, without a password."""
    state: Path
    password: str | None = field(default=None, repr=False)
    """None where libpq finds it (PGPASSWORD, .pgpass), or none is needed."""

    def __str__(self) -> str:
        """Return the URL as it is shown: without its query."""
        return self.url.partition("?")[0]


FileHome: TypeAlias = Path | FileAndState
"""A file alone has the rest beside it."""
JournalHome: TypeAlias = FileHome | JournalServer


def file_of(home: FileHome) -> Path:
    """Return the journal's file."""
    return home.file if isinstance(home, FileAndState) else home


def beside(home: JournalHome) -> Path:
    """Return the path beside which lies what does not go into the journal, under its name and an ending."""
    match home:
        case JournalServer():
            return home.state / "journal.db"
        case FileAndState():
            return home.state / home.file.name
        case _:
            return home
