"""docs/developing.md shows the rooms that there are, and its borders hold."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "zkpoll"
PAGE = (ROOT / "docs" / "developing.md").read_text("utf-8")
NAMED = re.compile(r"`([^`]+)`")


def table(head: str) -> dict[str, list[str]]:
    """Given the first column's head, return what a table of the page names, by its first column."""
    (found,) = re.findall(rf"^\| {head} \|.*\n\|.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = (row.strip("| ").split(" | ", 1) for row in found.splitlines())
    return {NAMED.findall(first)[0]: NAMED.findall(rest) for first, rest in rows}


def rules() -> dict[str, list[str]]:
    """Return what each room may import, by its row; "all of these" are the rows above it, "anything" all."""
    found: dict[str, list[str]] = {}
    for room, named in table("who").items():
        rest = re.findall(rf"^\| `{room}` \| (.*) \|$", PAGE, re.MULTILINE)[-1]
        if rest.startswith("all of these but"):
            found[room] = [one for one in found if one not in named]
        elif rest.startswith("`tasks`, and what it starts them with"):
            found[room] = [*found, "tasks"]
        elif rest == "anything":
            found[room] = [*found, "simulator"]
        else:
            assert rest == "nothing" or named
            found[room] = named
    return found


def imported(source: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it: what is imported from, and what."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def modules() -> dict[Path, list[str]]:
    """Return what each module of zkpoll imports, by its path."""
    return {
        file.relative_to(ROOT): list(imported(file.read_text("utf-8")))
        for file in sorted(PACKAGE.rglob("*.py"))
    }


def room_of(module: Path) -> str:
    """Given a module's path, return its folder in zkpoll, or its own name where it stands at the top."""
    return module.with_suffix("").parts[1]


def dotted(module: Path) -> str:
    """Given a module's path, return the name it is imported by."""
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


def module_of(name: str, modules: Container[str]) -> str | None:
    """Given a dotted name that is imported, return the module that it is, or that it is of."""
    return next((one for one in (name, name.rpartition(".")[0]) if one in modules), None)


def is_in(name: str, place: str) -> bool:
    """Say whether a dotted name or a path is `place`, or in it."""
    return name == place or name.startswith((f"{place}.", f"{place.rstrip('/')}/"))


def borders() -> dict[str, set[str]]:
    """Return the names in zkpoll that each room imports from others: `pull.users.User`."""
    found: dict[str, set[str]] = {}
    for module, names in modules().items():
        own = room_of(module)
        inner = {name.removeprefix("zkpoll.") for name in names if name.startswith("zkpoll.")}
        found.setdefault(own, set()).update(name for name in inner - {"__version__"} if not is_in(name, own))
    return found


RULES: Final = rules()
PACKAGES: Final = table("package")


def test_the_map_is_complete() -> None:
    """Every folder and every module at the top of zkpoll has a line, and no line is left of what is gone."""
    folders = {f"zkpoll/{one.name}/" for one in PACKAGE.iterdir() if (one / "__init__.py").is_file()}
    top = {f"zkpoll/{one.name}" for one in PACKAGE.glob("*.py")}
    assert set(table("where")) == folders | top


def test_every_room_has_its_borders() -> None:
    """Each room has a row of what it may import."""
    assert RULES.keys() == borders().keys() - {"__init__", "__main__"}


@pytest.mark.parametrize("room", sorted(RULES))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    """A room keeps to its row."""
    assert {name for name in borders()[room] if not any(is_in(name, one) for one in RULES[room])} == set()


@pytest.mark.parametrize(("guest", "hosts"), [("cli", {"__main__"}), ("simulator", {"cli"})])
def test_few_import_the_skin_and_the_simulator(guest: str, hosts: set[str]) -> None:
    """The command line is started and not used; nothing that runs in earnest knows the virtual terminal."""
    assert {room for room, names in borders().items() if any(is_in(one, guest) for one in names)} == hosts


def test_no_room_imports_itself_by_a_detour() -> None:
    """The rooms have an order, the lowest first."""
    graph = {room: {name.split(".")[0] for name in names} for room, names in borders().items()}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("errors") < order.index("pull") < order.index("tasks") < order.index("sync")


def test_no_two_modules_import_each_other() -> None:
    """No circle of modules, over any number of steps, imports for types and inside of functions included."""
    names = {dotted(module): module for module in modules()}
    graph = {
        name: {owner for one in modules()[module] if (owner := module_of(one, names)) and owner != name}
        for name, module in names.items()
    }
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_stays_where_it_is_needed(package: str) -> None:
    """A package is imported in the places of its row, and somewhere in each of them."""
    users = [
        str(module) for module, names in modules().items() if any(is_in(name, package) for name in names)
    ]
    places = PACKAGES[package]
    assert [user for user in users if not any(is_in(user, place.rstrip("/")) for place in places)] == []
    assert all(any(is_in(user, place.rstrip("/")) for user in users) for place in places)


@pytest.mark.parametrize("package", ["celery", "kombu", "billiard", "vine", "amqp", "redis"])
def test_one_module_knows_the_engine_of_workers(package: str) -> None:
    """Celery, and what it is made of, are imported there alone: another engine would be another file."""
    users = {str(module) for module, names in modules().items() if any(is_in(one, package) for one in names)}
    assert users <= {"zkpoll/fleet/celery.py"}


def test_a_rule_that_is_broken_is_found() -> None:
    """Imports of whole modules, of names, for types and inside of functions all count."""
    source = "import zkpoll.a\nif X:\n    from zkpoll import b\ndef f():\n    from zkpoll.c.d import E\n"
    assert set(imported(source)) == {"zkpoll.a", "zkpoll.b", "zkpoll.c.d.E"}
    assert is_in("pull.users.User", "pull.users")
    assert not is_in("pull.userspace", "pull.users")


def test_every_file_named_is_there() -> None:
    """Whoever follows the page finds each file and folder of the project that it names."""
    named = set(re.findall(r"`((?:zkpoll|tests|docs)/[\w./]*)`", PAGE))
    assert len(named) > 40
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    inner = set(re.findall(r"`((?:pull|journal|delivery)/\w+\.py)`", PAGE))
    assert all((PACKAGE / path).is_file() for path in inner)


def test_every_target_named_is_made() -> None:
    """Each `make …` on the page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = set(
        re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)", "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)))
    )
    assert asked
    assert asked <= targets
