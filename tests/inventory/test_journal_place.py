"""Where the journal is: a file, or a database on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import GOOD, read, wrong
from zkpoll.inventory import journal_of, load
from zkpoll.model.journal_home import FileAndState, JournalServer

if TYPE_CHECKING:
    from pathlib import Path

URL = "postgresql://zkpoll@db.example.com/zkpoll"
SECRET = "hunter2"
NO_PASSWORD = "expected no password behind the ?; that goes into password_file:"
ANY = "expected a path, a URL (postgresql://...), or a mapping with url: and password_file:"
NEEDS_STATE = (
    "is a database, and needs state_dir: beside it, the folder of this machine for raw copies and unknown"
    " logs, such as state_dir: /var/lib/zkpoll"
)
EXPECTED = f"expected the URL of a PostgreSQL database, such as {URL}"


def at(journal: str, state: str = "state_dir: /var/lib/zkpoll\n") -> str:
    """Given the value of `journal`, on line 4, return an inventory with it."""
    return GOOD.replace("journal: journal.db\n", f"journal: {journal}\n{state}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a password in a file."""
    (tmp_path / "password").write_text(f"{SECRET}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("written", "url", "password"),
    [
        (URL, URL, None),
        ("postgres://zkpoll@db/zkpoll", "postgres://zkpoll@db/zkpoll", None),
        (
            f"postgresql://zkpoll:{SECRET}@db:5433/z?sslmode=require",
            "postgresql://zkpoll@db:5433/z?sslmode=require",
            SECRET,
        ),
        ("postgresql://zkpoll:${PW}@db/zkpoll", "postgresql://zkpoll@db/zkpoll", "p@ss/w:rd"),
        ("postgresql://zkpoll:a%20b%40@db/zkpoll", "postgresql://zkpoll@db/zkpoll", "a b@"),
        ("postgresql://:pw@db/zkpoll", "postgresql://@db/zkpoll", "pw"),
        ("postgresql://db/zkpoll", "postgresql://db/zkpoll", None),
        ("'postgresql://zkpoll@[::1]:5433,b/zkpoll'", "postgresql://zkpoll@[::1]:5433,b/zkpoll", None),
        ("'postgresql:///zkpoll?host=/run/pg'", "postgresql:///zkpoll?host=/run/pg", None),
        ("postgresql://%2Frun%2Fpg/zkpoll", "postgresql://%2Frun%2Fpg/zkpoll", None),
        (f"{{url: '{URL}', password_file: password}}", URL, SECRET),
        (f"{{url: '{URL}'}}", URL, None),
    ],
)
def test_a_database_is_named_by_its_url(folder: Path, written: str, url: str, password: str | None) -> None:
    """A URL, or a mapping with one, is the database; a password stands apart from it."""
    home = read(folder, at(written), {"PW": "p@ss/w:rd"}).home
    assert isinstance(home, JournalServer)
    assert (home.url, home.password, str(home.state)) == (url, password, "/var/lib/zkpoll")


def test_a_file_may_have_its_state_elsewhere(folder: Path) -> None:
    """A journal's file has the rest beside it, or in a folder of its own, from the inventory's folder on."""
    assert read(folder, GOOD).home == folder / "journal.db"
    assert read(folder, at("a.db", "state_dir: state\n")).home == FileAndState(
        folder / "a.db", folder / "state"
    )


@pytest.mark.parametrize(
    "written",
    [
        f"postgresql://zkpoll:{SECRET}@db/zkpoll?sslmode=require",
        "postgresql://zkpoll:${PW}@db/zkpoll",
        "{url: 'postgresql://zkpoll@db/zkpoll', password_file: password}",
        f"{{url: 'postgresql://zkpoll:{SECRET}@db/zkpoll'}}",
    ],
)
def test_the_password_is_never_shown(folder: Path, written: str) -> None:
    """It is in no representation, and masked where the settings are shown."""
    inventory = read(folder, at(written), {"PW": SECRET})
    home = inventory.home
    assert isinstance(home, JournalServer)
    assert home.password == SECRET
    shown = (repr(inventory), repr(home), str(home), str(inventory.masked()), repr(inventory.journal))
    assert not [text for text in shown if SECRET in text]
    assert str(home) == "postgresql://zkpoll@db/zkpoll"


def test_it_is_shown_as_it_is_written(folder: Path) -> None:
    """`config check --show` has a URL, or the mapping, with the mask for what may be secret."""
    first = read(folder, at(f"postgresql://zkpoll:{SECRET}@db/zkpoll?sslmode=require")).masked()
    assert first["journal"] == "postgresql://zkpoll:********@db/zkpoll?********"
    assert first["state_dir"] == "/var/lib/zkpoll"
    second = read(folder, at(f"{{url: '{URL}', password_file: password}}")).masked()
    assert second["journal"] == {"url": URL, "password_file": str(folder / "password")}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (f"postgresql://zkpoll:{SECRET}@db", f": found '(hidden)@db', {EXPECTED}"),
        (f"mysql://zkpoll:{SECRET}@db/zkpoll", f": found '(hidden)@db/zkpoll', {EXPECTED}"),
        ("sqlite:///var/lib/zkpoll.db", f": found 'sqlite:///var/lib/zkpoll.db', {EXPECTED}"),
        ("postgresql://zkpoll:${PW}@db/", f": found '(hidden)@db/', {EXPECTED}"),
        (
            f"postgresql://db/zkpoll?password={SECRET}",
            f": found 'postgresql://db/zkpoll?(hidden)', {NO_PASSWORD}",
        ),
        (
            "postgresql://a@b:99999/c",
            ": found '(hidden)@b:99999/c', expected a host, or a host and a port, such as 10.0.0.5:5432",
        ),
        (
            f"{{url: 'postgresql://a:{SECRET}@db/a', password_file: password}}",
            ".password_file: a password in url and password_file exclude each other; keep one of them",
        ),
        (f"{{url: '{URL}', password: {SECRET}}}", ".password: unknown setting, did you mean password_file?"),
        (
            "{password_file: password}",
            f".url: missing (The database's URL, such as {URL})",
        ),
        ("{url: }", f".url: found nothing, {EXPECTED}"),
        (
            "[a]",
            f": found a list, {ANY}",
        ),
        ("", ": found nothing, expected a path"),
        ("postgresql://zkpoll:${NOPE}@db/zkpoll", ": environment variable NOPE is not set"),
    ],
)
def test_a_wrong_one_is_told_without_its_password(folder: Path, written: str, told: str) -> None:
    """What is wrong is said with its line and place, and what may be a password is hidden."""
    assert wrong(folder, at(written), {"PW": SECRET}) == [f"devices.yaml:4: journal{told}"]


def test_a_password_file_that_cannot_be_read_is_told(folder: Path) -> None:
    """The sentence names the file, and never what is in it."""
    text = at(f"{{url: '{URL}', password_file: nope}}")
    (told,) = wrong(folder, text)
    assert told.startswith("devices.yaml:4: journal.password_file: cannot read ")
    (folder / "nope").write_text("\n")
    (told,) = wrong(folder, text)
    assert told.endswith("nope is empty, expected a password")


def test_a_database_needs_a_folder_for_the_rest(folder: Path) -> None:
    """Without `state_dir:` nobody could tell where raw copies lie: it is asked for, with an example."""
    assert wrong(folder, at(URL, "")) == [f"devices.yaml:4: journal: {NEEDS_STATE}"]
    assert wrong(folder, at("a.db", "state_dir:\n")) == [
        "devices.yaml:5: state_dir: found nothing, expected a path"
    ]


def test_a_look_without_secrets_has_the_journals_password(folder: Path) -> None:
    """What only looks into the journal needs no token, and still opens the journal."""
    (folder / "devices.yaml").write_text(
        at(f"{{url: '{URL}', password_file: password}}").replace("secret-token", "${NOPE}")
    )
    home = load(folder / "devices.yaml", {}, secrets=False).home
    assert isinstance(home, JournalServer)
    assert home.password == SECRET


def test_a_wrong_inventory_still_tells_where_its_state_lies(folder: Path) -> None:
    """So the news of a wrong inventory is remembered beside the rest, whatever the journal is."""
    path = folder / "devices.yaml"
    for text, told in (
        (at(URL, "state_dir: s\n"), folder / "s/journal.db"),
        (at("a.db", "state_dir: s\n"), folder / "s/a.db"),
        (at("a.db", ""), folder / "a.db"),
        (at(URL, ""), None),
    ):
        path.write_text(f"nonsense: 1\n{text}")
        assert journal_of(path, {}) == told
