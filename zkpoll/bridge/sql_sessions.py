"""Sessions that cannot write: one connection, no commit, every wait bounded."""

from __future__ import annotations

import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import create_engine, event, exc, make_url, text
from sqlalchemy.pool import NullPool, StaticPool

from zkpoll.bridge.sql_errors import SERVERS, missing_driver, told
from zkpoll.bridge.sqlite_copy import copied
from zkpoll.errors import MissingDriver, Refused, ZkpollError
from zkpoll.silence import unless_silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from sqlalchemy import URL, Connection, Engine

    from zkpoll.bridge.contract import Target

_LOCK: Final = 5.0
"""Seconds that a statement of ours waits for a lock at most: others queue behind one that waits."""
_STATEMENT: Final = 6
"""A statement may take so many times the timeout: counting a table of millions is silence."""
_DRIVERS: Final[Mapping[str, str]] = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mssql": "mssql+pymssql",
    "sqlserver": "mssql+pymssql",
}
_NO_SUCH_STATEMENT: Final = frozenset({1064, 1193})
"""What MySQL before 5.6 answers to a session that is read-only, and others to the name of a limit."""


class SqlSession(NamedTuple):
    """An open session."""

    connection: Connection
    engine: str
    """`PostgreSQL 15.4`."""
    read_only: bool


class Speaking:
    """The rule for all that is said to a server: what its driver raises becomes an error of ours."""

    def __init__(self, target: Target) -> None:
        self._password = target.password

    @contextmanager
    def __call__(self, *, connecting: bool = False) -> Iterator[None]:
        """Raise as `Source` does. The driver's own error would quote statements and values."""
        try:
            yield
        except exc.DBAPIError as error:
            raise told(error.orig or error, connecting=connecting, password=self._password) from None
        except (OSError, RuntimeError) as error:
            raise told(error, connecting=connecting, password=self._password) from None
        except Exception as error:
            if not type(error).__module__.startswith("pymssql"):
                raise
            # A connection that ends behind the login is raised as it is below the driver's own errors.
            raise told(error, connecting=connecting, password=self._password) from None


@contextmanager
def connected(target: Target) -> Iterator[SqlSession]:
    """Open a database for one visit, for reading alone; at the end everything is rolled back.

    Raise as `Opens` does.
    """
    with _engine(target) as engine:
        speaking = Speaking(target)
        with speaking(connecting=True):
            connection = engine.connect()
        try:
            with speaking():
                session = _told(connection)
            yield session
        except ZkpollError:
            connection.invalidate()  # to a server that is silent even a rollback would be waited for
            raise
        finally:
            connection.close()


@contextmanager
def _engine(target: Target) -> Iterator[Engine]:
    file = file_of(target)
    if file is not None:
        with copied(file, target.timeout) as copy:
            copy.text_factory = _decoded
            # Without a file there is nothing else to connect to than the copy.
            engine = create_engine("sqlite://", creator=lambda: copy, poolclass=StaticPool)
            try:
                yield engine
            finally:
                engine.dispose()
        return
    engine = _server_engine(target)
    try:
        yield engine
    finally:
        engine.dispose()


def file_of(target: Target) -> Path | None:
    """Return the SQLite file of a target, by whatever way it is named; None of one on a server."""
    if target.file is not None:
        return target.file
    url = url_of(target)
    # A driver would make the file, or those of its log, where there are none.
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _decoded(raw: bytes) -> str:
    """Return text of SQLite, which does not mind what its bytes are."""
    return raw.decode("utf-8", "replace")


def _server_engine(target: Target) -> Engine:
    url = url_of(target)
    dialect = url.get_backend_name()
    if dialect not in SERVERS:
        raise MissingDriver(f"databases of {dialect} cannot be read")
    arguments = _ARGUMENTS.get(url.drivername, _no_arguments)(url, target.timeout)
    # What the inventory says goes before what we would; our options of PostgreSQL have its own in them.
    arguments = {name: one for name, one in arguments.items() if name == "options" or name not in url.query}
    url = url.difference_update_query(["options"])
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments, **_OPTIONS.get(dialect, {}))
    except (ImportError, exc.NoSuchModuleError):
        raise missing_driver(target) from None
    if url.drivername == "postgresql+psycopg":
        event.listen(engine, "do_connect", _patient(target.timeout * (_STATEMENT + 1)))
    event.listen(engine, "connect", _make_read_only(dialect, target))
    return engine


def url_of(target: Target) -> URL:
    """Return the address as SQLAlchemy takes it, with a driver and the password."""
    try:
        url = make_url(target.url or "")
    except (exc.ArgumentError, ValueError):
        raise Refused(f"{target.address} is no address of a database") from None
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername), password=target.password)


# --- arguments of the drivers ---


def _seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def _psycopg(url: URL, timeout: float) -> dict[str, Any]:
    own = url.query.get("options", "")
    options = [
        *([own] if isinstance(own, str) else own),
        "-c default_transaction_read_only=on",
        "-c TimeZone=UTC",
        f"-c lock_timeout={round(min(_LOCK, timeout) * 1000)}",
        f"-c statement_timeout={round(timeout * _STATEMENT * 1000)}",
    ]
    return {
        "connect_timeout": _seconds(timeout),
        "application_name": "zkpoll",
        "options": " ".join(filter(None, options)),
        # A pooler in between would not know of statements that another of its connections prepared.
        "prepare_threshold": None,
    }


def _pymysql(_: URL, timeout: float) -> dict[str, Any]:
    # The server is to say that a statement took too long, before the silence is too long for us.
    silence = _seconds(timeout * (_STATEMENT + 1))
    return {
        "connect_timeout": _seconds(timeout),
        "read_timeout": silence,
        "write_timeout": silence,
        "program_name": "zkpoll",
        "local_infile": False,
    }


def _pymssql(_: URL, timeout: float) -> dict[str, Any]:
    return {
        "login_timeout": _seconds(timeout),
        "timeout": _seconds(timeout * _STATEMENT),
        "appname": "zkpoll",
    }


def _no_arguments(_: URL, __: float) -> dict[str, Any]:
    return {}


_ARGUMENTS: Final[Mapping[str, Callable[[URL, float], dict[str, Any]]]] = {
    "postgresql+psycopg": _psycopg,
    "mysql+pymysql": _pymysql,
    "mssql+pymssql": _pymssql,
}
_OPTIONS: Final[Mapping[str, dict[str, Any]]] = {"postgresql": {"use_native_hstore": False}}


def _patient(limit: float) -> Callable[..., Any]:
    """Return what connects by psycopg, whose reading ends after `limit` seconds of silence.

    psycopg waits for an answer for ever: a limit of the server's is none where the server is gone.
    """
    import psycopg

    def silent() -> psycopg.OperationalError:
        return psycopg.OperationalError(f"nothing came for {limit:g} s")

    class PatientConnection(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
            return super().wait(unless_silent(gen, limit, silent), *args, **kwargs)

    def connect(_: Any, __: Any, arguments: list[Any], named: dict[str, Any]) -> PatientConnection:
        return PatientConnection.connect(*arguments, **named)

    return connect


# --- the session ---


def _make_read_only(dialect: str, target: Target) -> Callable[[Any, Any], None]:
    """Return what is said on a new connection, before anything else."""

    def say(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        try:
            for statement in _session_statements(dialect, target):
                _try(cursor, statement)
        finally:
            cursor.close()

    return say


def _session_statements(dialect: str, target: Target) -> list[str]:
    lock = min(_LOCK, target.timeout)
    if dialect == "mysql":
        statement = target.timeout * _STATEMENT
        said = ["SET SESSION TRANSACTION READ ONLY", f"SET SESSION lock_wait_timeout = {_seconds(lock)}"]
        if target.query is None:  # what a query gives is kept while it comes, which takes its time
            # MariaDB's, and MySQL's: each server knows one of them.
            said.append(f"SET SESSION max_statement_time = {statement:g}")
            said.append(f"SET SESSION max_execution_time = {round(statement * 1000)}")
        return said
    if dialect == "mssql":
        return [f"SET LOCK_TIMEOUT {round(lock * 1000)}", "SET DEADLOCK_PRIORITY LOW"]
    return []


def _try(cursor: Any, statement: str) -> None:
    """Say it; a server that does not know such a statement goes without."""
    try:
        cursor.execute(statement)
    except Exception as error:
        if not error.args or error.args[0] not in _NO_SUCH_STATEMENT:
            raise


_READ_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql": ("SHOW default_transaction_read_only",),
    "mysql": ("SELECT @@session.tx_read_only", "SELECT @@session.transaction_read_only"),
}


def _told(connection: Connection) -> SqlSession:
    """Ask the server what it is, and whether the session is what it was asked to be."""
    dialect = connection.dialect
    version = ".".join(str(part) for part in dialect.server_version_info or () if isinstance(part, int))
    name = SERVERS[dialect.name]
    if getattr(dialect, "is_mariadb", False):
        name = "MariaDB"
    read_only = dialect.name == "sqlite" or any(
        _says_yes(connection, statement) for statement in _READ_ONLY.get(dialect.name, ())
    )
    connection.rollback()
    return SqlSession(connection, f"{name} {version}".rstrip(), read_only)


def _says_yes(connection: Connection, statement: str) -> bool:
    try:
        return str(connection.execute(text(statement)).scalar()) in {"1", "on", "ON"}
    except exc.DBAPIError as error:
        if error.connection_invalidated or not error.orig or error.orig.args[0] not in _NO_SUCH_STATEMENT:
            raise
        return False
