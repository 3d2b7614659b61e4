"""The settings of a database of vendor software."""

from __future__ import annotations

import os.path
from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, PlainSerializer, PrivateAttr, SecretStr, model_validator

from zkpoll.inventory.credentials import Password, secret_in
from zkpoll.inventory.database_kinds import ColumnName, DatabaseUrl, EventTypes, Selection, SerialOrMore
from zkpoll.inventory.kinds import Choice, File, Label, Mapped, Section, Whole, Zone
from zkpoll.inventory.problems import Sentence, found
from zkpoll.inventory.settings import Settings, in_order, masked, without_query
from zkpoll.inventory.sources import Source, SourceKey, Visited

Program = Literal["att2000", "zkaccess", "biotime", "zktime-net", "zkbio", "custom"]
"""Whose tables they are, as `kind:` has it."""
_WITHOUT_FILES: Final = frozenset({"biotime", "zkbio"})
"""The programs that keep their data on a server only."""
_WITH_EVENTS: Final = frozenset({"zkaccess", "zkbio"})
"""The programs that have a table of door events beside that of attendance."""
_TELLS_TYPED: Final = frozenset({"att2000", "zkaccess", "zktime-net"})
"""The programs whose tables tell which rows a person typed in."""


class Machine(Settings):
    """A terminal that the database knows by a number."""

    serial: Annotated[str, Label()] = Field(description="Its serial number")
    timezone: Annotated[str, Zone()] | None = Field(
        default=None, description="The time zone of its wall clock, where it is not that of the database"
    )

    def written(self) -> str | dict[str, str]:
        """Return it as it is written in an inventory."""
        return {"serial": self.serial, "timezone": self.timezone} if self.timezone else self.serial


_machine_as_written = PlainSerializer(Machine.written)


_Column = Annotated[str, ColumnName("the name of a column")]


class Columns(Settings):
    """The columns of a table that is no vendor's, by what they hold."""

    user_id: _Column = Field(description="The column of the user id, as terminals know it: the badge")
    time: _Column = Field(description="The column of the wall clock of a punch")
    serial: _Column | None = Field(default=None, description="That of the terminal's serial number")
    state: _Column | None = Field(default=None, description="That of the state: in, out ...")
    verify: _Column | None = Field(default=None, description="That of how the person was known, a number")
    work_code: _Column | None = Field(default=None, description="That of the work code, a number")
    id: _Column | None = Field(default=None, description="That of the row's own number, which never changes")
    machine: _Column | None = Field(default=None, description="That of the number that machines: knows")

    def by_meaning(self) -> dict[str, str]:
        """Return the names of the columns by what a row of punches calls their meaning."""
        named: dict[str, str] = self.model_dump(exclude_none=True)
        return {"user": named.pop("user_id"), **named}


class Store(SourceKey):
    """A program's database, and the way to it."""

    kind: Annotated[Program, Choice(*get_args(Program))] = Field(
        description="Whose tables they are: those of a vendor's program, or custom: a table of your own"
    )
    file: Annotated[Path, File()] | None = Field(
        default=None,
        description="Its file, of Access or SQLite; a relative path starts at the inventory's folder",
    )
    url: Annotated[str, DatabaseUrl(), PlainSerializer(without_query, return_type=str)] | None = Field(
        default=None,
        description="The server that has it, with the login and the database's name, without a password:"
        " postgresql://zkpoll@10.0.0.5:7496/biotime, mysql://..., mssql://...",
    )
    password: Annotated[SecretStr, Password(), masked] | None = Field(
        default=None, description="The password of the login in url; best from the environment: ${NAME}"
    )
    password_file: Annotated[Path, File()] | None = Field(
        default=None, description="A file that holds the password, such as a systemd credential"
    )
    _password_from_file: SecretStr | None = PrivateAttr(None)

    @property
    def address(self) -> str:
        """What a person is shown, and what tells it from others: its absolute path, or its URL.

        There is neither a password nor a query in it.
        """
        if self.file is not None:
            return os.path.normpath(self.file)  # by its letters alone: a share may be away
        return (self.url or "").partition("?")[0]

    def password_text(self) -> str | None:
        """Return the password's text, or None if there is none. That of a file is as it was at load time."""
        secret = self.password or self._password_from_file
        return secret.get_secret_value() if secret else None

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.file is None and self.url is None:
            raise Sentence(
                "missing, and url: as well (file: of Access or SQLite, or url: of a server)", "file"
            )
        if self.file is not None and self.url is not None:
            raise Sentence("file and url exclude each other; keep one of them", "url")
        if self.kind in _WITHOUT_FILES and (self.file or (self.url or "").startswith("sqlite")):
            key = "file" if self.file else "url"
            raise Sentence(
                f"kind: {self.kind} keeps nothing in a file; it has a server, which goes into url:", key
            )
        return self

    @model_validator(mode="after")
    def _read_password(self) -> Self:
        given = [key for key in ("password", "password_file") if getattr(self, key) is not None]
        if len(given) > 1:
            raise Sentence("password and password_file exclude each other; keep one of them", given[1])
        if given and self.file is not None:
            raise Sentence("is for url: only; a file is read without one", given[0])
        if self.password_file is not None:
            self._password_from_file = secret_in(self.password_file, Password(), "password_file")
        return self


@in_order(
    *("name", "was", "kind", "file", "url", "password", "password_file", "site", "timezone", "machines"),
    *("manual", "take", "states", "events", "serial", "table", "query", "columns"),
    *("timeout", "visit_limit", "quiet_hours", "since", "repeat_within"),
    *("direction", "in_states", "out_states", "latitude", "longitude", "user_id", "enabled"),
)
class Database(Store, Visited, Source):
    """A database of vendor software, which is read and never written."""

    name: Annotated[str, Label()] = Field(
        description="Our name for it, used in messages, and sent with punches of terminals not named here"
    )
    timezone: Annotated[str, Zone()] = Field(
        description="The time zone of the wall clocks in it, such as Asia/Dhaka, here, in its site or in"
        " defaults"
    )
    serial: Annotated[str, Label()] | None = Field(
        default=None,
        description="The serial number that stands for rows that no terminal made; else its name when it is"
        " first read",
    )
    machines: Annotated[
        dict[Annotated[str, Label()], Annotated[Machine, SerialOrMore(), _machine_as_written]],
        Mapped(SerialOrMore(), "{1: CQZ7224760045}"),
    ] = Field(
        default={},
        description="The serial numbers of terminals by their numbers there, where the database does not tell"
        " them; {serial: ..., timezone: ...} for one in another zone",
    )
    manual: Annotated[Literal["send", "hold"], Choice("send", "hold")] = Field(
        default="send",
        description="What becomes of rows that a person typed in at the vendor's program: send, or hold",
    )
    take: Annotated[Literal["attendance", "events"], Choice("attendance", "events")] = Field(
        default="attendance",
        description="Which of two tables is read, of zkaccess and zkbio: attendance, or the door events",
    )
    states: Annotated[
        dict[Annotated[str, Label()], Annotated[int, Whole(0, 255)]], Mapped(Whole(0, 255), "{I: 0, O: 1}")
    ] = Field(
        default={},
        description="The numbers of states by their text there, over those that are known; I and i are two",
    )
    events: (
        Annotated[frozenset[int], EventTypes(), PlainSerializer(EventTypes.written, return_type=list)] | None
    ) = Field(
        default=None,
        description="With take: events, the types of those that are punches where they name a person; else"
        " those that open a door by card or finger",
    )
    table: Annotated[str, ColumnName("the name of a table or view, such as dbo.AttLog")] | None = Field(
        default=None, description="With kind: custom, the table or view"
    )
    query: Annotated[str, Selection()] | None = Field(
        default=None,
        description="With kind: custom, one SELECT instead of a table; read whole at every visit",
    )
    columns: Annotated[Columns, Section()] | None = Field(
        default=None, description="With kind: custom, the names of the columns by what they hold"
    )

    @property
    def target_columns(self) -> dict[str, str]:
        """The columns of a table of one's own, by the meanings that a row of punches has; else empty."""
        return self.columns.by_meaning() if self.columns else {}

    def zone_of(self, serial: str) -> str:
        """Given a terminal's serial number, return the time zone of its wall clock."""
        zones = (one.timezone for one in self.machines.values() if one.serial == serial and one.timezone)
        return next(zones, self.timezone)

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        if self.kind != "custom":
            for key in ("table", "query", "columns"):
                if getattr(self, key) is not None:
                    raise Sentence("means something with kind: custom only", key)
        elif self.table is None and self.query is None:
            raise Sentence("missing, and query: as well (kind: custom needs one of them)", "table")
        elif self.table is not None and self.query is not None:
            raise Sentence("table and query exclude each other; keep one of them", "query")
        elif self.columns is None:
            raise Sentence("missing (kind: custom needs the names of the columns)", "columns")
        return self

    @model_validator(mode="after")
    def _check_events(self) -> Self:
        if self.take == "events" and self.kind not in _WITH_EVENTS:
            kinds = " and ".join(sorted(_WITH_EVENTS))
            raise Sentence(f"found 'events', which only {kinds} have", "take")
        if self.events is not None and self.take != "events":
            raise Sentence("means something with take: events only", "events")
        told = self.kind in _TELLS_TYPED and self.take == "attendance"
        if self.manual == "hold" and not told:
            kinds = ", ".join(sorted(_TELLS_TYPED))
            raise Sentence(
                f"found 'hold', but nothing tells here which rows a person typed in; {kinds} do", "manual"
            )
        return self

    @model_validator(mode="after")
    def _check_machines(self) -> Self:
        zones: dict[str, str | None] = {}
        for number, machine in self.machines.items():
            plain = number.isascii() and number.isdigit() and str(int(number)) == number
            if not plain and self.kind != "custom":
                told = f"found {found(number)}, expected the number of a machine, such as 3"
                raise Sentence(told, ("machines", number))
            if zones.setdefault(machine.serial, machine.timezone) != machine.timezone:
                told = "is that of another number, in another time zone; one terminal has one clock"
                raise Sentence(f"serial {machine.serial} {told}", ("machines", number))
        return self
