"""The contract of the push door: a call, what is known of its terminal, what is to be done. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

from zkpoll.model.log import Records

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo
    from ipaddress import IPv4Network, IPv6Network

Dialect = Literal["attendance", "access"]
"""2.x (T&A PUSH, ADMS), or 3.x (A&C PUSH)."""
Reason = Literal["unknown serial", "wrong secret", "outside its networks", "disabled"]
"""Why a caller with a well-formed serial number is refused."""
_SECRET_LENGTH: Final = 16
"""Letters of the shortest secret."""
_LONG_NAME: Final = "(a long name)"
FORBIDDEN: Final = "Forbidden"
"""The one answer to all who may not call (403)."""
UNAVAILABLE: Final = "Unavailable"
"""The answer in any doubt (503): the terminal keeps its records and sends them again."""


# --- HTTP, as the listener hands it over ---


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head."""

    method: str
    path: str
    """Decoded, and without the query: `/iclock/cdata`."""
    query: str
    """As it was sent."""
    address: str
    """The IP address it comes from: that of the connection, or what a trusted proxy says."""
    host: str = ""
    """What it calls us: its Host header."""
    authorization: str = field(default="", repr=False)
    """Its Authorization header, which holds a secret."""
    waited: float = field(default=0.0, compare=False)
    """Seconds for which its whole request has waited for a thread, when it is to be answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. The listener adds what HTTP needs, and what all of its answers have."""

    status: int
    text: str = ""
    content_type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()
    """Further ones, name and value. Terminals get none."""


class Desk(Protocol):
    """Whoever answers. Called by several threads at once."""

    def turn_away(self, head: Head) -> Answer | None:
        """Given a head, before its body is looked at, return the answer to one that may not in, or None.

        All connections wait meanwhile: it asks no disk.
        """

    def too_large(self, head: Head) -> None:
        """Note that one that may in has sent a body over 4 MiB, which is not read. It hears 413."""

    def answer(self, head: Head, body: bytes) -> Answer:
        """Given a whole request of one that may in, return the answer. What it promises is on disk."""


# --- a call, and what it leads to ---


@dataclass(frozen=True, slots=True)
class Call:
    """One request under `/iclock/`, without its body."""

    method: str
    """GET, POST, or whatever was sent."""
    name: str
    """The route in lower case and without `.aspx`: `cdata`, `getrequest`, `devicecmd`, ..."""
    secret: str | None = field(repr=False)
    """What stands before `/iclock/` in the path. It never reaches a log."""
    serial: str | None
    """The serial number, `[A-Za-z0-9_-]{1,32}`; None where it is missing, ill-formed or there twice."""
    query: Mapping[str, str]
    """The other parameters, each decoded; `table` by that key also where it was sent as `Table`. A table that
    is there twice is left out, of other parameters the first counts."""

    @property
    def told_name(self) -> str:
        """The route as it may be told. A long one is none that is known, and may be a secret: 16 letters."""
        return self.name if len(self.name) < _SECRET_LENGTH else _LONG_NAME


@dataclass(frozen=True, slots=True)
class Admission:
    """What the inventory says of a device that pushes."""

    name: str
    serial: str
    enabled: bool = True
    secret: str | None = field(default=None, repr=False)
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where it may call from; anywhere if empty."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A caller with a well-formed serial number that may not in."""

    serial: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Order:
    """A command that waits for a terminal to fetch it."""

    id: str
    """12 letters and digits."""
    text: str
    """`CHECK`, `INFO`, `DATA QUERY ATTLOG StartTime=...`"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a terminal that calls."""

    serial: str
    """As the inventory has it."""
    zone: tzinfo
    poll_every: int
    """Seconds between two calls of an idle terminal (its Delay)."""
    stamps: Mapping[str, str] = field(default_factory=dict)
    """The stamp of the last committed batch by table, in upper case; handed back as it came."""
    registry_code: str = ""
    """The code of the access dialect: stored, or made just now."""
    registered: bool = False
    """Whether it has got that code before."""
    order: Order | None = None
    """The one to offer now."""
    came_before: int = 0
    """How often in a row this very body came before."""
    last_punch: datetime | None = None
    """The wall clock time of its last punch, its `fold` included; None before the first."""


@dataclass(frozen=True, slots=True)
class Batch(Records):
    """The punches of one request: to be committed whole, or refused whole."""

    table: str
    """The table they came for: `ATTLOG` (also where none was named), `RTLOG`, `TRANSACTION`."""
    stamp: str | None
    """The stamp that came with them, to be handed back; None where there was none."""
    lines: int
    """Its lines that are not empty, events of doors included."""
    digest: bytes
    """SHA-256 of the body."""
    rests: tuple[bytes, ...] = ()
    """For each punch what else stands on its line, as it came but for secrets; 1 kB at most."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a call leads to: once what it names is on disk, `text` is the answer (200)."""

    text: str
    batch: Batch | None = None
    """Punches that must be on disk before the answer."""
    counted: Counter[str] = field(default_factory=Counter)
    """Lines that are counted and not kept, by kind: OPLOG, USER, FP, `door event`, ..."""
    told: Mapping[str, str] = field(default_factory=dict)
    """What the terminal tells of itself: DeviceName, FWVersion, Platform, PushVersion, UserCount,
    TransactionCount."""
    returned: Mapping[str, int] = field(default_factory=dict)
    """The return codes of commands, by their ids."""
    dialect: Dialect | None = None
    """The one it speaks, where this call shows it."""
    zone_told: str | None = None
    """The TimeZone in this answer; None where it holds none."""
    registers: bool = False
    """Whether the answer hands out the registry code."""
    offered: str | None = None
    """The id of the command in this answer."""
    unknown: str | None = None
    """The route, where it is none that is known."""
