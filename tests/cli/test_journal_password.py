"""The password of a journal's server: every way in which it is found, at a server that asks for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.bridge.own_postgres import OwnPostgres, why_not
from tests.cli.test_on_postgres import OnServer

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
PASSWORD: Final = "s3:cr@t/x"
NOBODY: Final = "name: gate, host: 127.0.0.1, port: 9, enabled: false"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the URL of a database on a server that asks its owner for a password."""
    server = OwnPostgres("-F")
    server.start()
    try:
        admin = server.url.set(drivername="postgresql")
        with psycopg.connect(admin.render_as_string(), autocommit=True) as db:
            db.execute(f"CREATE ROLE zk LOGIN PASSWORD '{PASSWORD}'".encode())
            db.execute("CREATE DATABASE zk OWNER zk")
        yield admin.set(username="zk", database="zk").render_as_string()
    finally:
        server.end()


@pytest.fixture
def server(tmp_path: Path, popen: type[subprocess.Popen[Any]], url: str) -> OnServer:
    """Give a site with the journal there, and files with passwords beside its inventory."""
    for name, text in (("right", f"{PASSWORD}\n"), ("wrong", "hunter2\n")):
        (tmp_path / name).write_text(text)
    port = url.split(":")[-1].partition("/")[0]
    escaped = PASSWORD.replace(":", "\\:")
    (tmp_path / "pgpass").write_text(f"127.0.0.1:{port}:zk:zk:{escaped}\n")
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    site = OnServer(tmp_path, popen, url)
    site.write("http://127.0.0.1:9/", NOBODY)
    return site


def at(server: OnServer, journal: str) -> None:
    """Write an inventory that names the journal so."""
    text = server.inventory.read_text()
    server.inventory.write_text(text.replace(f"journal: '{server.url}'", f"journal: {journal}"))


def test_where_it_is_found(server: OnServer) -> None:
    """In its file, in the URL from the environment, in PGPASSWORD, in .pgpass."""
    plain = server.inventory.read_text()
    with_variable = server.url.replace("zk@", "zk:${JOURNAL_PASSWORD}@")
    ways: tuple[tuple[str, dict[str, str]], ...] = (
        (f"{{url: '{server.url}', password_file: right}}", {}),
        (f"'{with_variable}'", {"JOURNAL_PASSWORD": PASSWORD}),
        (f"'{server.url}'", {"PGPASSWORD": PASSWORD}),
        (f"'{server.url}'", {"PGPASSFILE": str(server.folder / "pgpass")}),
    )
    usual = dict(server.environment)
    for journal, environment in ways:
        server.inventory.write_text(plain)
        at(server, journal)
        server.environment = usual | environment
        run = server.sync("-v")
        assert run.code == 0, (journal, run.err)
        assert PASSWORD not in run.out + run.err
        assert server.run("status").code == 0


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("wrong", 'refuses the login: password authentication failed for user "zk"'),
        (None, "refuses the login: .*no password supplied"),
    ],
)
def test_where_it_is_wrong_or_missing(server: OnServer, file: str | None, words: str) -> None:
    """One sentence, and 74; the password that was tried is not in it."""
    if file:
        at(server, f"{{url: '{server.url}', password_file: {file}}}")
    run = server.sync("-v")
    assert run.code == 74
    (line,) = run.err.splitlines()
    assert "hunter2" not in line
    assert re.search(words, line), line
