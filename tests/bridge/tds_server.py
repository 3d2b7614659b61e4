"""A stand-in for SQL Server that speaks its protocol and takes its language seriously. No SQL Server.

The real client library (FreeTDS, in pymssql) connects to it over TCP and logs in. Packets, types and errors
are those of the published protocol. A batch that is no T-SQL is answered as SQL Server answers it: each is
parsed, each expression has a type, names are compared as the database's collation does, whole numbers
overflow.

What it shows: that the driver is used rightly, that statements are T-SQL and keep the rules known to us, and
what becomes of a server's refusals, locks and silences. What it cannot show: that a real server agrees in
everything. No SQL Server has been asked. Its rules are written from the vendor's documentation, and it knows
nothing of how long a statement takes there, of plans, snapshots and deadlocks, or of encryption.

    client ──▶ login ──▶ batch ──▶ tsql_words ──▶ tsql_database.Session ──▶ tsql ──▶ SQLite
                           │
                           └──▶ `sent`: every batch, and who sent it
"""

from __future__ import annotations

import re
import select
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from tests.bridge import tds_wire as wire
from tests.bridge.tds_wire import Asked, HungUp, Tokens
from tests.bridge.tsql_database import VERSIONS, Answer, Database, Interrupted, Login, Session
from tests.bridge.tsql_values import COLLATIONS, ServerError
from tests.bridge.tsql_words import statements

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

READS = frozenset({"SELECT", "SET", "USE", "BEGIN", "COMMIT", "ROLLBACK"})
"""The statements that write nothing. The last three and USE are the driver's own."""


@dataclass(slots=True)
class Sent:
    """A batch that a client sent."""

    login: str
    text: str
    words: tuple[str, ...] = ()
    """What its statements are, by their first word; empty where it is no T-SQL."""
    errors: list[int] = field(default_factory=list)
    """The numbers of the errors it was answered with."""


@dataclass(slots=True)
class Faults:
    """What goes wrong. Patterns are searched in a batch."""

    silent_at: str | None = None
    """A batch that is never answered; the server does what it is told of being called off."""
    deaf: bool = False
    """Whether it does not even do that."""
    cut_at: str | None = None
    """A batch in the middle of whose result the connection ends."""
    cut_after: int = 6_000
    """How many bytes of that result are sent."""
    errors: dict[str, ServerError] = field(default_factory=dict)
    """The errors that batches are answered with."""
    silent_login: bool = False
    """Whether nothing at all is answered."""
    demands_encryption: bool = False
    """Whether only encrypted logins are taken; as there is no encryption here, none is."""


class TdsServer:
    """A server with one database, on loopback."""

    def __init__(self, database: Database | None = None, *logins: Login) -> None:
        self.database = database or Database()
        self.logins = {one.name: one for one in logins or (Login(),)}
        self.faults = Faults()
        self.sent: list[Sent] = []
        self.asked: list[Asked] = []
        """The logins that were tried."""
        self.versions: list[int] = []
        """The versions of the protocol that were agreed on, a login each."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._connections: set[socket.socket] = set()
        self._numbers = 50

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def url(self, user: str = "reader", query: str = "") -> str:
        """Return its address, as the inventory has it: without a password."""
        return f"mssql+pymssql://{user}@127.0.0.1:{self.port}/{self.database.name}{query and '?' + query}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def words(self) -> set[str]:
        """Return what was sent by all but the administrator, by the statements' first words."""
        return {word for one in self.sent if one.login != "sa" for word in one.words}

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the listener
        for one in list(self._connections):
            _shut(one)
        for thread in self._threads:
            thread.join(20)
        self._listener.close()
        self.database.close()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            self._connections.add(connection)
            self._numbers += 1
            self._start(self._serve, connection, self._numbers)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(HungUp, OSError):  # the client's right
            _Connection(self, connection, number, self._closing).serve()
        self._connections.discard(connection)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be shut
        connection.shutdown(socket.SHUT_RDWR)


class _Connection:
    """One client."""

    def __init__(
        self, server: TdsServer, connection: socket.socket, number: int, closing: threading.Event
    ) -> None:
        self._server = server
        self._connection = connection
        self._number = number
        self._closing = closing
        self._tokens = Tokens(wire.V71)

    def serve(self) -> None:
        """Serve a client until it goes, or is turned away."""
        session = self._log_in()
        if session is None:
            return
        session.interrupted = self._is_interrupted
        try:
            while True:
                sort, body = wire.receive(self._connection)
                if sort == wire.ATTENTION:
                    self._send(self._tokens.done(wire.ATTENDED))
                elif sort == wire.BATCH:
                    self._batch(session, self._text(body))
                else:
                    self._server.sent.append(Sent(session.login.name, f"packet {sort:#x}", ("PACKET",)))
                    error = ServerError(2812, "Could not find stored procedure.")
                    self._send(self._tokens.error(error) + self._tokens.done(wire.FAILED))
        finally:
            session.database.end_writing(session, "ROLLBACK")

    def _hold(self) -> None:
        """Stay silent until the client goes, whatever it sends."""
        while not self._closing.wait(0.02):
            readable, _, _ = select.select([self._connection], [], [], 0)
            if readable and not self._connection.recv(4096):
                raise HungUp
        raise HungUp

    def _is_interrupted(self) -> bool:
        readable, _, _ = select.select([self._connection], [], [], 0)
        return bool(readable) or self._closing.is_set()

    def _send(self, body: bytes) -> None:
        for one in wire.packets(body, self._number):
            self._connection.sendall(one)

    def _text(self, body: bytes) -> str:
        """Return a batch's text: since 7.2, heads stand before it (2.2.5.3)."""
        begin = struct.unpack_from("<I", body)[0] if self._tokens.wide else 0
        return body[begin:].decode("utf-16-le")

    # --- the login ---

    def _log_in(self) -> Session | None:
        server = self._server
        sort, body = wire.receive(self._connection)
        if server.faults.silent_login:
            self._hold()
        if sort == wire.PRELOGIN:
            wanted = wire.REQUIRED if server.faults.demands_encryption else wire.NOT_SUPPORTED
            self._send(wire.prelogin(VERSIONS[server.database.year][:3], wanted))
            sort, body = wire.receive(self._connection)
        if sort != wire.LOGIN or server.faults.demands_encryption:
            return None
        asked = wire.read_login(body)
        server.asked.append(asked)
        newest = (
            wire.V72 if server.database.year < 2008 else wire.V73 if server.database.year < 2012 else wire.V74
        )
        self._tokens = Tokens(max(wire.V71, min(asked.version, newest)))
        server.versions.append(self._tokens.version)
        try:
            session = self._session(asked)
        except ServerError as error:
            failed = ServerError(18456, f"Login failed for user '{asked.user}'.", 14)
            both = [error, failed] if error.number != failed.number else [failed]
            self._send(b"".join(map(self._tokens.error, both)) + self._tokens.done(wire.FAILED))
            return None
        self._send(self._welcome(session))
        return session

    def _session(self, asked: Asked) -> Session:
        database = self._server.database
        login = self._server.logins.get(asked.user)
        if login is None or login.password != asked.password:
            raise ServerError(18456, f"Login failed for user '{asked.user}'.", 14)
        if asked.database and not database.same(asked.database, database.name):
            raise ServerError(
                4060, f'Cannot open database "{asked.database}" requested by the login. The login failed.', 11
            )
        return Session(database, login, self._number, asked.language)

    def _welcome(self, session: Session) -> bytes:
        tokens, name = self._tokens, session.database.name
        return b"".join(
            [
                tokens.changed(1, name, "master"),
                tokens.message(5701, f"Changed database context to '{name}'.", 0),
                tokens.changed(7, COLLATIONS[session.collation].wire(), b""),
                tokens.changed(2, session.settings["LANGUAGE"], ""),
                tokens.message(5703, f"Changed language setting to {session.settings['LANGUAGE']}.", 0),
                tokens.login_ack(VERSIONS[session.year][:3]),
                tokens.changed(4, str(wire.PACKET), str(wire.PACKET)),
                tokens.done(0),
            ]
        )

    # --- batches ---

    def _batch(self, session: Session, text: str) -> None:
        faults = self._server.faults
        sent = Sent(session.login.name, text)
        self._server.sent.append(sent)
        try:
            body = self._answer(session, sent)
        except Interrupted:
            return  # what called it off is read next
        if faults.silent_at and re.search(faults.silent_at, text):
            if faults.deaf:
                self._hold()
            while not self._is_interrupted():
                self._closing.wait(0.02)
            return
        if faults.cut_at and re.search(faults.cut_at, text):
            self._connection.sendall(b"".join(wire.packets(body, self._number))[: faults.cut_after])
            raise HungUp
        self._send(body)

    def _answer(self, session: Session, sent: Sent) -> bytes:
        """Run a batch and return the answer. What comes behind an error is not run."""
        tokens = self._tokens
        parts: list[bytes] = []
        try:
            for pattern, error in self._server.faults.errors.items():
                if re.search(pattern, sent.text):
                    raise error
            found = statements(sent.text, session.year)
            sent.words = tuple(_word(one) for one in found)
            for n, one in enumerate(found, 1):
                status = wire.MORE if n < len(found) else 0
                parts.append(self._told(session, session.run(one), status))
        except ServerError as error:
            sent.errors.append(error.number)
            parts.append(tokens.error(error) + tokens.done(wire.FAILED))
        return b"".join(parts) or tokens.done(0)

    def _told(self, session: Session, answer: Answer, status: int) -> bytes:
        tokens = self._tokens
        if answer.columns is not None:
            rows = b"".join(tokens.row(answer.columns, one) for one in answer.rows)
            count = len(answer.rows)
            return (
                tokens.columns(answer.columns) + rows + tokens.done(status | wire.COUNTED, answer.word, count)
            )
        if answer.word in {"BEGIN", "COMMIT", "ROLLBACK"}:
            return tokens.transaction(answer.word, self._number) + tokens.done(status, answer.word)
        if answer.word == "USE":
            name = session.database.name
            message = tokens.message(5701, f"Changed database context to '{name}'.", 0)
            return tokens.changed(1, name, name) + message + tokens.done(status)
        if answer.count is not None:
            return tokens.done(status | wire.COUNTED, answer.word, answer.count)
        return tokens.done(status, answer.word)


def _word(node: exp.Expr) -> str:
    """Return what a statement is, by its first word. SELECT … INTO is none that reads."""
    if isinstance(node, exp.Query):
        return "SELECT INTO" if node.find(exp.Into) else "SELECT"
    if isinstance(node, exp.Command):
        return node.name.upper()
    return {"TRANSACTION": "BEGIN"}.get(node.key.upper(), node.key.upper())
