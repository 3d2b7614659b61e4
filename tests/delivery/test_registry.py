"""A format is two modules and two rows, and nothing else knows it by its name."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.delivery.outbox import EXAMPLE
from zkpoll.delivery.access import Access
from zkpoll.delivery.contract import Decision
from zkpoll.delivery.formats.registry import FORMATS, format_of
from zkpoll.delivery.origins import Origins
from zkpoll.delivery.user_ids import Outward
from zkpoll.inventory import Dashboard, Device
from zkpoll.inventory.formats.facts import FACTS

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = Path(__file__).parents[2] / "zkpoll"
HOMES: Final = ("delivery/formats", "inventory/formats", "simulator")
SETTINGS: Final[dict[str, Any]] = {
    "frappe": {"token": "key:secret", "frappe": {"timezone": "UTC"}},
    "odoo": {"token": "key"},
    "template": {"template": {"body": {"key": "{{ id }}"}}},
}
"""The least that a dashboard of each format needs."""
PLAIN_WORDS: Final = frozenset({"event", "events"})
"""Names of formats that are words for punches as well: they count only as a text of their own."""
MAY_SAY: Final = {
    "inventory/documents.py": {"events"},  # the placeholder for a list of punches, in a document
    "cli/completion.py": {"source_template"},  # click's own word for the script of a shell
    "pull/user_table.py": {"_TEMPLATE"},  # a finger's, as terminals keep it
    "cli/simulate_push.py": {"template"},  # of a finger, too
    "reports/page/html.py": {"get_template", "template"},  # of the page
    "push/reaction.py": {"event"},  # a route of the push protocol
    # of a database: its table of door events
    "bridge/contract.py": {"events"},
    "bridge/schemas.py": {"events"},
    "inventory/databases.py": {"events"},
    "inventory/schema.py": {"events"},
    "tasks/database_contact.py": {"events"},
}
"""What may name a format elsewhere, or seems to, and why."""


def dashboard(name: str, **more: Any) -> Dashboard:
    """Return a dashboard that takes a format."""
    settings = {"url": "https://a.example", "format": name} | SETTINGS.get(name, {}) | more
    return Dashboard.model_validate(settings)


def terminals(**settings: Any) -> Origins:
    """Return the terminals of an inventory that has one."""
    front = {"name": "front-door", "host": "192.0.2.1", "timezone": "UTC"} | settings
    return Origins.of_inventory([Device.model_validate(front)], {})


def test_both_sides_have_the_same_formats() -> None:
    """What an inventory takes for `format:` can be sent, in the same order."""
    assert list(FORMATS) == list(FACTS)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_each_is_made_of_its_settings(name: str) -> None:
    """Each format makes a request of a punch, and asks something where a person wants to know."""
    form = format_of(dashboard(name), terminals(), ())
    request = form.carry([EXAMPLE])
    assert not isinstance(request, Decision)
    assert request.ids == (EXAMPLE.id,)
    assert form.probes()
    assert not form.follow_ups()


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_where_user_ids_are_looked_at(name: str) -> None:
    """A format that says what the journal says looks at no device, unless there is a rule for user ids."""
    whole = {"event", "events"}
    assert isinstance(format_of(dashboard(name), terminals(), ()), Outward) is (name not in whole)
    ruled = {"user_id": {"prefix": "D-"}}
    assert isinstance(format_of(dashboard(name), terminals(**ruled), ()), Outward)
    assert isinstance(format_of(dashboard(name, **ruled), terminals(), ()), Outward)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_word_before_the_token(name: str) -> None:
    """Each format sends its token as its server wants it."""
    words = {"frappe": "token", "odoo": "bearer"}
    access = Access.to(dashboard(name, token="key:secret"))
    assert access.authorization == f"{words.get(name, 'Bearer')} key:secret"


def test_a_module_is_imported_where_its_format_is_taken() -> None:
    """What starts a run loads no module of a format; a dashboard brings that of its own."""
    program = (
        "import sys, zkpoll.sync\n"
        "from zkpoll.delivery.formats.registry import FORMATS, format_of\n"
        "from tests.delivery.test_registry import dashboard, terminals\n"
        "def there(): return {row.module for row in FORMATS.values()"
        " if f'zkpoll.delivery.formats.{row.module}' in sys.modules}\n"
        "before = there()\n"
        "format_of(dashboard('template'), terminals(), ())\n"
        "print(sorted(before), sorted(there()))"
    )
    made = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert made.stdout == "[] ['events', 'template']\n"


def named(source: str) -> Iterator[str]:
    """Yield what names a format in a module: identifiers, and texts that are not docstrings."""
    tree = ast.parse(source)
    plain = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    names = frozenset(FORMATS) - PLAIN_WORDS
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in PLAIN_WORDS:
                yield node.value
            elif id(node) not in plain:
                yield from (name for name in names if name in node.value.lower())
        for word in (
            getattr(node, field, None) for field in ("id", "attr", "arg", "name", "module", "asname")
        ):
            if isinstance(word, str) and any(name in word.lower() for name in names):
                yield word


def test_nothing_else_names_a_format() -> None:
    """Outside of the two folders of formats no format is known by its name, but for what is listed above."""
    found: dict[str, set[str]] = {}
    for module in sorted(PACKAGE.rglob("*.py")):
        path = str(module.relative_to(PACKAGE))
        if not path.startswith(HOMES) and (names := set(named(module.read_text("utf-8")))):
            found[path] = names
    assert found == MAY_SAY
