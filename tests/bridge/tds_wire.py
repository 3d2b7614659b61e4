"""TDS on the wire, the server's side: packets, the login, and the tokens of an answer.

Source: Microsoft's open specification MS-TDS; the sections are named beside what they say.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tests.bridge.tsql_values import COLLATIONS, MAX, ServerError, SqlType, Stored, read_time, text_bytes

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from tests.bridge.tsql import OutColumn

PACKET: Final = 4_096
"""Bytes of a packet, its head included."""
BATCH, RPC, ANSWER, ATTENTION, LOGIN, PRELOGIN = 0x01, 0x03, 0x04, 0x06, 0x10, 0x12
"""Types of packets (2.2.3.1.1)."""
NOT_SUPPORTED, REQUIRED = 0x02, 0x03
"""What a server says of encryption (2.2.6.5)."""
MORE, FAILED, COUNTED, ATTENDED = 0x01, 0x02, 0x10, 0x20
"""What a DONE says (2.2.7.6)."""
V71, V72, V73, V74 = 0x71000001, 0x72090002, 0x730B0003, 0x74000004
_COMMANDS: Final = {
    "SELECT": 0xC1, "INSERT": 0xC3, "DELETE": 0xC4, "UPDATE": 0xC5, "BEGIN": 0xD4, "COMMIT": 0xD5,
    "ROLLBACK": 0xD2,
}  # fmt: skip


class HungUp(Exception):
    """The client is gone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a login asks for (2.2.6.4)."""

    version: int
    user: str
    password: str
    program: str
    language: str
    database: str


def receive(connection: socket.socket) -> tuple[int, bytes]:
    """Read a message: its type, and what its packets hold together. Raise `HungUp`."""
    body = b""
    while True:
        head = _exactly(connection, 8)
        sort, status, length = struct.unpack(">BBH", head[:4])
        body += _exactly(connection, length - 8)
        if status & 0x01:
            return sort, body


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            piece = connection.recv(size - len(data))
        except OSError:
            piece = b""
        if not piece:
            raise HungUp
        data += piece
    return data


def packets(body: bytes, number: int) -> list[bytes]:
    """Given an answer and the session's number, return its packets."""
    room = PACKET - 8
    parts = [body[at : at + room] for at in range(0, len(body), room)] or [b""]
    return [
        struct.pack(">BBHHBB", ANSWER, 0x01 if n == len(parts) else 0, len(part) + 8, number, n % 256, 0)
        + part
        for n, part in enumerate(parts, 1)
    ]


def prelogin(version: tuple[int, int, int], encryption: int) -> bytes:
    """Return the answer to a prelogin (2.2.6.5)."""
    options = [
        (0x00, struct.pack(">BBHH", *version, 0)),
        (0x01, bytes([encryption])),
        (0x02, b"\0"),
        (0x03, b""),
        (0x04, b"\0"),
    ]
    head, data = b"", b""
    begin = len(options) * 5 + 1
    for token, value in options:
        head += struct.pack(">BHH", token, begin + len(data), len(value))
        data += value
    return head + b"\xff" + data


def read_login(body: bytes) -> Asked:
    """Read a login (2.2.6.4): a head of 36 bytes, then places and lengths of texts in UTF-16."""
    (version,) = struct.unpack_from("<I", body, 4)

    def text(place: int) -> bytes:
        at, letters = struct.unpack_from("<HH", body, place)
        return body[at : at + 2 * letters]

    secret = bytes(((one ^ 0xA5) >> 4 | (one ^ 0xA5) << 4) & 0xFF for one in text(44))
    return Asked(
        version,
        text(40).decode("utf-16-le"),
        secret.decode("utf-16-le"),
        text(48).decode("utf-16-le"),
        text(64).decode("utf-16-le"),
        text(68).decode("utf-16-le"),
    )


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("utf-16-le")


class Tokens:
    """Writes the tokens of answers, in one version of the protocol."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.wide = version >= V72
        """Whether counts have eight bytes, and so on: since 7.2."""

    # --- what is said of the session ---

    def login_ack(self, program: tuple[int, int, int]) -> bytes:
        """LOGINACK (2.2.7.14)."""
        body = b"\x01" + self.version.to_bytes(4, "big") + _short("Microsoft SQL Server")
        body += struct.pack(">BBH", *program)
        return b"\xad" + struct.pack("<H", len(body)) + body

    @staticmethod
    def changed(sort: int, new: str | bytes, old: str | bytes) -> bytes:
        """ENVCHANGE (2.2.7.9): 1 database, 2 language, 4 packet size, 7 collation, 8 to 10 transactions."""
        body = bytes([sort])
        for one in (new, old):
            body += _short(one) if isinstance(one, str) else bytes([len(one)]) + one
        return b"\xe3" + struct.pack("<H", len(body)) + body

    def transaction(self, word: str, number: int) -> bytes:
        """Tell that a transaction begins or ends; nothing before 7.2."""
        if not self.wide:
            return b""
        told = struct.pack("<Q", number)
        sort = {"BEGIN": 8, "COMMIT": 9, "ROLLBACK": 10}[word]
        return self.changed(sort, told, b"") if sort == 8 else self.changed(sort, b"", told)

    def message(self, number: int, text: str, severity: int, *, server: str = "STANDIN") -> bytes:
        """ERROR, or INFO where it is nothing severe (2.2.7.10, 2.2.7.13)."""
        body = (
            struct.pack("<IBB", number, 1, severity) + struct.pack("<H", len(text)) + text.encode("utf-16-le")
        )
        body += _short(server) + _short("") + (struct.pack("<I", 1) if self.wide else struct.pack("<H", 1))
        return (b"\xaa" if severity > 10 else b"\xab") + struct.pack("<H", len(body)) + body

    def error(self, error: ServerError) -> bytes:
        """Return an error."""
        return self.message(error.number, error.message, error.severity)

    def done(self, status: int, word: str = "", count: int = 0) -> bytes:
        """DONE (2.2.7.6)."""
        head = struct.pack("<HH", status, _COMMANDS.get(word, 0))
        return b"\xfd" + head + (struct.pack("<Q", count) if self.wide else struct.pack("<I", count))

    # --- results ---

    def columns(self, columns: Sequence[OutColumn]) -> bytes:
        """COLMETADATA (2.2.7.4)."""
        body = struct.pack("<H", len(columns))
        for one in columns:
            kind = self._shown(one.kind)
            body += struct.pack("<I", 0) if self.wide else struct.pack("<H", 0)
            body += struct.pack("<H", 0x09 if kind.nullable else 0x08)
            body += self._type_info(kind) + _short(one.name)
        return b"\x81" + body

    def row(self, columns: Sequence[OutColumn], values: Sequence[Stored]) -> bytes:
        """ROW, or NBCROW where nulls are told by bits: since 7.3 B (2.2.7.19, 2.2.7.15)."""
        cells = [(self._shown(one.kind), value) for one, value in zip(columns, values, strict=True)]
        if self.version < V73 or all(value is not None for _, value in cells):
            return b"\xd1" + b"".join(self._cell(kind, value) for kind, value in cells)
        bits = bytearray((len(cells) + 7) // 8)
        for n, (_, value) in enumerate(cells):
            if value is None:
                bits[n // 8] |= 1 << n % 8
        return b"\xd2" + bytes(bits) + b"".join(self._cell(*one) for one in cells if one[1] is not None)

    def _shown(self, kind: SqlType) -> SqlType:
        """Return what a client of this version is given: an older one knows some types only as text."""
        collation = "SQL_Latin1_General_CP1_CI_AS"
        if self.version < V73 and kind.name in {"date", "time", "datetime2"}:
            length = {"date": 10, "time": 16}.get(kind.name, 27)
            return SqlType("nvarchar", length, collation=collation, nullable=kind.nullable)
        return kind

    def _type_info(self, kind: SqlType) -> bytes:
        """TYPE_INFO (2.2.5.6)."""
        name, null = kind.name, kind.nullable
        sizes = {"bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
        fixed = {"bit": 0x32, "tinyint": 0x30, "smallint": 0x34, "int": 0x38, "bigint": 0x7F, "float": 0x3E,
                 "real": 0x3B, "datetime": 0x3D, "smalldatetime": 0x3A}  # fmt: skip
        if not null and name in fixed:
            return bytes([fixed[name]])
        if name in sizes:
            return bytes([0x68 if name == "bit" else 0x26, sizes[name]])
        if name == "null":
            return b"\x26\x04"
        if name in {"float", "real"}:
            return bytes([0x6D, 8 if name == "float" else 4])
        if name == "decimal":
            return bytes([0x6A, _decimal_bytes(kind.precision), kind.precision, kind.scale])
        if name in {"datetime", "smalldatetime"}:
            return bytes([0x6F, 8 if name == "datetime" else 4])
        if name == "date":
            return b"\x28"
        if name in {"time", "datetime2"}:
            return bytes([0x29 if name == "time" else 0x2A, kind.scale])
        return self._long_info(kind)

    def _long_info(self, kind: SqlType) -> bytes:
        token = {
            "char": 0xAF,
            "varchar": 0xA7,
            "nchar": 0xEF,
            "nvarchar": 0xE7,
            "binary": 0xAD,
            "varbinary": 0xA5,
        }
        collation = COLLATIONS[kind.collation].wire() if kind.is_text else b""
        if _is_old_long(kind) or (kind.length == MAX and not self.wide):
            sort = 0x22 if kind.is_binary else 0x63 if kind.name.startswith("n") else 0x23
            table = b"\x00" if self.wide else struct.pack("<H", 0)
            return bytes([sort]) + struct.pack("<I", 0x7FFFFFFF) + collation + table
        if kind.length == MAX:
            return bytes([token[kind.name]]) + b"\xff\xff" + collation
        size = kind.length * (2 if kind.name.startswith("n") else 1)
        return bytes([token[kind.name]]) + struct.pack("<H", max(1, size)) + collation

    def _cell(self, kind: SqlType, value: Stored) -> bytes:
        """Return a value (2.2.5.5)."""
        name = kind.name
        if kind.is_text or kind.is_binary:
            return self._long_cell(kind, value)
        if value is None:
            return b"\0"
        if kind.is_whole:
            size = {"bit": 1, "tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}[name]
            raw = int(value).to_bytes(size, "little", signed=size > 1)
        elif name in {"float", "real"}:
            raw = struct.pack("<d" if name == "float" else "<f", value)
        elif name == "decimal":
            number = int(Decimal(str(value)).scaleb(kind.scale))
            raw = bytes([number >= 0]) + abs(number).to_bytes(_decimal_bytes(kind.precision) - 1, "little")
            return bytes([len(raw)]) + raw
        else:
            raw = _time_bytes(kind, str(value))
            if name in {"date", "time", "datetime2"}:
                return bytes([len(raw)]) + raw
        return raw if not kind.nullable else bytes([len(raw)]) + raw

    def _long_cell(self, kind: SqlType, value: Stored) -> bytes:
        raw = value if isinstance(value, bytes) else None if value is None else text_bytes(str(value), kind)
        if _is_old_long(kind) or (kind.length == MAX and not self.wide):
            if raw is None:
                return b"\0"
            return b"\x10" + b"dummy textptr\0\0\0" + b"dummyts\0" + struct.pack("<I", len(raw)) + raw
        if kind.length == MAX:
            if raw is None:
                return b"\xff" * 8
            chunk = struct.pack("<I", len(raw)) + raw if raw else b""
            return struct.pack("<Q", len(raw)) + chunk + struct.pack("<I", 0)
        return b"\xff\xff" if raw is None else struct.pack("<H", len(raw)) + raw


def _is_old_long(kind: SqlType) -> bool:
    return kind.name in {"text", "ntext", "image"}


def _decimal_bytes(precision: int) -> int:
    return 5 if precision <= 9 else 9 if precision <= 19 else 13 if precision <= 28 else 17


def _time_bytes(kind: SqlType, text: str) -> bytes:
    """Return a time (2.2.5.5.1.8).

    Old types count days since 1900 and 300ths of a second, new ones days since the year 1 and decimal parts.
    """
    name = kind.name
    moment = read_time(f"1900-01-01 {text}" if name == "time" else text)
    days = (moment.date() - date(1900, 1, 1)).days
    midnight = datetime(moment.year, moment.month, moment.day)
    seconds = (moment - midnight).seconds
    if name == "datetime":
        return struct.pack("<iI", days, seconds * 300 + (moment.microsecond * 300 + 500_000) // 1_000_000)
    if name == "smalldatetime":
        return struct.pack("<HH", days, seconds // 60)
    day = (moment.date() - date(1, 1, 1)).days.to_bytes(3, "little")
    if name == "date":
        return day
    part = text.partition(".")[2][: kind.scale].ljust(kind.scale, "0")
    ticks = int(f"{seconds}{part}")
    clock = ticks.to_bytes(3 if kind.scale < 3 else 4 if kind.scale < 5 else 5, "little")
    return clock if name == "time" else clock + day
