"""docs/bridge.md says what is so: its inventories, its tables, and its logins on real servers."""

from __future__ import annotations

import re
import secrets
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, get_args

import pytest
import sqlglot
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tests.bridge.servers import admin
from tests.serve.pages import DOCS, blocks
from zkpoll.bridge import schemas
from zkpoll.bridge.contract import Target
from zkpoll.inventory import Database, load
from zkpoll.inventory.databases import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL, Connection, CursorResult

    from zkpoll.bridge.contract import DatabaseKind, Take
    from zkpoll.bridge.schemas import Schema

PAGE = (DOCS / "bridge.md").read_text("utf-8")
INVENTORIES = blocks("bridge.md", "yaml")
REST = "dashboard: {url: 'https://dashboard.example.com', token: x}\njournal: journal.db\n"
"""What the page leaves out of an inventory after the first time."""
CHANGED = "change-this"
"""The password that the page has for a login."""


def section(title: str) -> str:
    """Return the text of a section of the page, up to the next title."""
    (text,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def statements(title: str) -> list[str]:
    """Return the statements of a section of the page."""
    (block,) = re.findall(r"^```sql\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    return [line.rstrip(";") for line in block.splitlines()]


def test_its_inventories_are_found() -> None:
    """A change of the page's form does not leave these tests with nothing to do."""
    assert len(INVENTORIES) == 4


@pytest.mark.parametrize("text", INVENTORIES)
def test_its_inventories_are_right(tmp_path: Path, text: str) -> None:
    """Each inventory on the page is one that `config check` takes, whole or beside a dashboard."""
    (tmp_path / "campus").write_text("x\n")
    file = tmp_path / "devices.yaml"
    file.write_text(text if "dashboard:" in text else f"{REST}defaults: {{timezone: UTC}}\n{text}")
    env = {"ZKPOLL_TOKEN": "x", "DOORS_PASSWORD": "x", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(file, env, strict=True).databases


def test_each_kind_is_told() -> None:
    """The page tells of each kind where its data are, and which tables are read of it."""
    told = set(re.findall(r"^ *\| [^|`]+ \| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE))
    assert told == set(get_args(Program))
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", section("A login that only reads"), re.MULTILINE)
    assert {kind for kind, _ in rows} == told - {"custom"}
    for kind, text in rows:
        named = [re.findall("`([A-Za-z_]+)`", part) for part in text.split("`take: events`")]
        takes: tuple[Take, ...] = ("attendance", "events") if kind in schemas.HAS_EVENTS else ("attendance",)
        assert named == [tables(kind, take) for take in takes]


def tables(kind: DatabaseKind, take: Take) -> list[str]:
    """Return the tables that are read of a kind."""
    schema: Schema = schemas.schema_of(Target("", kind, "", take=take))
    all_ = (schema.punches, *((schema.people, schema.machines, schema.typed)))
    found = {one.name: None for one in all_ if one is not None}
    return list(found)


def test_every_setting_is_told() -> None:
    """The page has a row for each setting of a database, or tells of it where tables of one's own are."""
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", section("The entry"), re.MULTILINE)
    named = {name for row in rows for name in re.findall("`([a-z_]+)`", row)}
    assert named | {"table", "query", "columns"} == set(Database.model_fields)


def test_its_links_lead_somewhere() -> None:
    """Each page, file and section that the page points to is there, and each of its own that others name."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, title = target.partition("#")
        text = (DOCS / file).resolve().read_text("utf-8") if file else PAGE
        assert not title or title in sections(text), target
    others = "".join(one.read_text("utf-8") for one in (*DOCS.glob("*.md"), DOCS.parent / "README.md"))
    named = set(re.findall(r"bridge\.md#([a-z0-9-]+)", others))
    assert named
    assert named <= sections(PAGE)


def sections(text: str) -> set[str]:
    """Return the sections of a page as links name them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


# --- logins ---


def address(engine: str) -> URL:
    """Return the address of a server of an engine. Skip where there is none."""
    found = admin(engine)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """Give a connection to a server, whose statements count at once."""
    with closing(create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()) as found:
        yield found


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """Run a statement as it stands."""
    return connection.exec_driver_sql(statement)


def reads_and_no_more(reader: Connection) -> None:
    """See that a login reads the tables of BioTime, writes none, and reads no other one."""
    for table in tables("biotime", "attendance"):
        assert run(reader, f"SELECT count(*) FROM {table}").scalar() == 0  # noqa: S608
        with pytest.raises(DBAPIError, match=r"denied|read-only"):
            run(reader, f"INSERT INTO {table} VALUES (1)")  # noqa: S608
    with pytest.raises(DBAPIError, match="denied"):
        run(reader, "SELECT count(*) FROM auth_user")


def test_its_login_of_postgresql_reads_and_no_more() -> None:
    """What the page has for PostgreSQL makes a login that only reads, whatever it sets in its session."""
    name = f"zkpoll_{secrets.token_hex(6)}"
    url = address("postgresql")
    with connected(url) as owner:
        run(owner, f"CREATE DATABASE {name}")
        try:
            with connected(url.set(database=name)) as inside:
                for table in (*tables("biotime", "attendance"), "auth_user"):
                    run(inside, f"CREATE TABLE {table} (id int)")
                for one in statements("PostgreSQL"):
                    run(inside, re.sub(r"\bbiotime\b|\bzkpoll\b", name, one))
            with connected(url.set(database=name, username=name, password=CHANGED)) as reader:
                reads_and_no_more(reader)
                run(reader, "SET default_transaction_read_only = off")
                with pytest.raises(DBAPIError, match="denied"):
                    run(reader, "DELETE FROM iclock_transaction")
        finally:
            run(owner, f"DROP DATABASE {name} WITH (FORCE)")
            run(owner, f"DROP ROLE IF EXISTS {name}")


def test_its_login_of_mysql_reads_and_no_more() -> None:
    """What the page has for MySQL and MariaDB makes a login that only reads."""
    name = f"zkpoll_{secrets.token_hex(6)}"
    url = address("mysql")
    with connected(url) as owner:
        here = run(owner, "SELECT SUBSTRING_INDEX(USER(), '@', -1)").scalar()
        run(owner, f"CREATE DATABASE {name}")
        try:
            for table in (*tables("biotime", "attendance"), "auth_user"):
                run(owner, f"CREATE TABLE {name}.{table} (id int)")
            for one in statements("MySQL and MariaDB"):
                run(owner, re.sub(r"\bbiotime\b|\bzkpoll\b", name, one).replace("10.0.0.9", str(here)))
            with connected(url.set(database=name, username=name, password=CHANGED)) as reader:
                reads_and_no_more(reader)
        finally:
            run(owner, f"DROP DATABASE {name}")
            run(owner, f"DROP USER IF EXISTS '{name}'@'{here}'")


def test_its_login_of_sql_server_is_written_as_it_reads() -> None:
    """What the page has for SQL Server grants SELECT alone, on the tables of ZKTime 5; no server is here."""
    told = statements("Microsoft SQL Server")
    granted = [match[1] for one in told if (match := re.fullmatch(r"GRANT SELECT ON (\w+) TO zkpoll", one))]
    assert granted == tables("att2000", "attendance")
    assert [one.split()[0] for one in told] == ["CREATE", "USE", "CREATE", *["GRANT"] * len(granted)]


def test_its_query_is_one_that_reads() -> None:
    """The query of the page is a SELECT in the words of SQL Server."""
    (text,) = re.findall(r"^    query: (.*)$", PAGE, re.MULTILINE)
    (select,) = sqlglot.parse(text, dialect="tsql")
    assert isinstance(select, sqlglot.exp.Select)
    assert select.named_selects == ["emp_no", "punched_at"]
