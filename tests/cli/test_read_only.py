"""Commands where the journal lies on a read-only file system, or is another user's."""

from __future__ import annotations

import getpass  # noqa: F401  (a command imports it, as whoever it runs)
import importlib
import io
import json
import pkgutil
import re
import sys
from contextlib import ExitStack, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

import zkpoll
from tests.cli.every_command import NO_JSON, ROWS, Prepared, prepare
from tests.cli.test_quarantine import with_an_impossible_record
from tests.look import look
from tests.places import FileSystem, ordinary_user, public_folder
from tests.site import TOKEN, Result
from zkpoll import cli
from zkpoll.simulator import SampleDashboard, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

WRITES: Final = {
    "sync": "",
    "users export": "",
    "users diff": "{folder}/users.csv",
    "backfill": "--to dashboard --from {day} --until {day}",
    "outbox retry": "--user {user}",
    "outbox discard": "--user {user} --reason x --yes",
    "quarantine accept": "--device front-door --yes",
    "devices accept": "front-door",
    "devices clear": "front-door --yes",
    "dashboards resume": "dashboard",
}
"""Commands that change the journal."""
LOCKS: Final = {"devices ping", "devices info", "devices clock", "databases ping"}
"""Commands that have to lock a terminal or a database, beside the journal."""
LOOKS: Final = {
    name: "--older-than 30d --dry-run" if name == "journal prune" else arguments
    for name, arguments in ROWS.items()
    if name not in {"sync", "users export", "users diff", "journal backup", "devices discover"} | LOCKS
}
MOMENTS: Final = re.compile(r"\d+(\.\d+)? m?s\b|\d\d:\d\d UTC|\"(seconds|as_of|before)\": [^,\n]*")
"""What two runs of a command say differently."""


@dataclass(frozen=True)
class Frozen:
    """A site where nothing can be written any more."""

    site: Prepared
    user: Callable[[], AbstractContextManager[None]]
    """Who runs commands there."""
    before: dict[tuple[str, ...], Result]
    """What commands said when all could be written."""


def run(site: Prepared, *words: str) -> Result:
    """Run `zkpoll` in this process: another user may not even read the program where it is."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in site.environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["zkpoll", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    code = ended.value.code
    assert isinstance(code, int)
    return Result(code, *(MOMENTS.sub("", stream.getvalue()) for stream in (out, err)))


def import_everything() -> None:
    """Import all of zkpoll, as commands do when they need it: another user may not read it by then."""
    for module in pkgutil.walk_packages(zkpoll.__path__, "zkpoll."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def words_of(site: Prepared, name: str, arguments: str, *more: str) -> tuple[str, ...]:
    """Return the words of a command."""
    return (*f"{name} {arguments.format(**site.words)}".split(), *more)


@pytest.fixture(scope="module", params=["mounted read-only", "another user's"])
def frozen(request: pytest.FixtureRequest) -> Iterator[Frozen]:
    """Give such a site, its terminal and its dashboard still up."""
    terminal, _ = with_an_impossible_record()
    with ExitStack() as stack:
        folder = stack.enter_context(public_folder())
        if mounted := request.param == "mounted read-only":
            try:
                file_system = stack.enter_context(FileSystem(folder, kilobytes=8192))
            except OSError as error:
                pytest.skip(f"nothing can be mounted here: {error}")
        import_everything()
        dashboard = stack.enter_context(SampleDashboard(TOKEN))
        site = Prepared(folder, terminal, stack.enter_context(serve(terminal)).port)
        prepare(site, dashboard, terminal)
        before = {}
        for name, arguments in LOOKS.items():
            for more in [()] if name in NO_JSON else [(), ("--json",)]:
                words = words_of(site, name, arguments, *more)
                before[words] = run(site, *words)
        if mounted:
            file_system.make_read_only()
            yield Frozen(site, nullcontext, before)
        else:
            for file in folder.rglob("*"):
                file.chmod(0o555 if file.is_dir() else 0o444)
            folder.chmod(0o555)
            yield Frozen(site, ordinary_user, before)


@pytest.mark.parametrize("name", LOOKS)
def test_what_looks_sees_all(frozen: Frozen, name: str) -> None:
    """A command that only looks says what it says where all can be written."""
    for more in [()] if name in NO_JSON else [(), ("--json",)]:
        words = words_of(frozen.site, name, LOOKS[name], *more)
        with frozen.user():
            found = run(frozen.site, *words)
        assert found == frozen.before[words]
        assert found.code in {0, 1}
        assert found.out


def test_a_backup(frozen: Frozen) -> None:
    """A backup of it goes elsewhere; where it lies, it cannot, and that is said in one sentence."""
    with public_folder() as elsewhere:
        elsewhere.chmod(0o777)
        for file in (elsewhere / "copy.db", frozen.site.folder / "copy.db"):
            with frozen.user():
                made = run(frozen.site, "journal", "backup", str(file), "--json")
            if file.parent == elsewhere:
                assert (made.code, made.document()["punches"]) == (0, 41)
                assert look(file, "SELECT count(*) FROM punch") == [(41,)]
            else:
                assert (made.code, made.out) == (1, "")
                assert re.fullmatch(r"zkpoll: the backup .* cannot be written: .*\n", made.err)


@pytest.mark.parametrize("name", WRITES)
def test_what_writes_says_that_it_cannot(frozen: Frozen, name: str) -> None:
    """A command that changes the journal says in one sentence that it may only be read, and ends with 74."""
    with frozen.user():
        told = run(frozen.site, *words_of(frozen.site, name, WRITES[name]))
    assert told.code == 74
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert re.search("may only be read|may not be written", told.err)


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_what_has_to_lock(frozen: Frozen, name: str) -> None:
    """A command that has to be alone at a terminal or a database cannot be, and says why."""
    with frozen.user():
        told = run(frozen.site, *words_of(frozen.site, name, ROWS[name]))
    assert told.code == 1
    assert re.search(
        "its lock .* cannot be taken: (read-only file system|permission denied)", told.out + told.err
    )


def test_json_is_whole(frozen: Frozen) -> None:
    """What a program reads there is one document, with all that waits."""
    with frozen.user():
        waiting = json.loads(run(frozen.site, "outbox", "list", "--json").out)
    user = frozen.site.words["user"]
    assert waiting
    assert {one["user_id"] for one in waiting} == {user}
