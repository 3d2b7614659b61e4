"""docs/watching.md, the alert rules and the board name what there is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from zkpoll.journal.database_overview import DatabaseStanding
from zkpoll.reports import metrics
from zkpoll.reports.errand_status import ErrandStatus
from zkpoll.reports.verdict import LastRun
from zkpoll.tasks.database_outcome import DatabaseOutcome
from zkpoll.tasks.outcome import Outcome
from zkpoll.tasks.push_outcome import ServeFigures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.reports.metrics import Figure

DOCS: Final = Path(__file__).parents[1] / "docs"
PAGE: Final = (DOCS / "watching.md").read_text("utf-8")
RULES: Final = (DOCS / "watching" / "alerts.yml").read_text("utf-8")
BOARD: Final[dict[str, Any]] = json.loads((DOCS / "watching" / "grafana.json").read_text("utf-8"))
OF_OTHERS: Final[dict[str, set[str]]] = {"node_textfile_scrape_error": set()}
"""What node_exporter and Prometheus tell besides, with labels."""
ADDED: Final = {"instance", "job"}
"""Labels that Prometheus adds to all."""
PAUSE: Final = 5
"""Minutes between runs."""


def figures() -> Iterator[Figure]:
    """Yield every figure that can be written."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    standing = metrics.Standings(
        [],
        [],
        refused=0,
        databases=[DatabaseStanding("d", "x", "custom", "k", now, now, now, 1, 0, 0, 0, 0)],
        errands=ErrandStatus(now, 300, LastRun(now, overdue=False, what="dispatch"), (), (), ()),
    )
    outcome = Outcome(devices=(), deliveries=(), databases=(DatabaseOutcome("d", "custom", "x"),), seconds=1)
    found = [
        *metrics.of_run(outcome, standing, now),
        *metrics.of_serve(ServeFigures(None, 0, 0, {}), standing, now),
    ]
    return iter({one.name: one for one in found}.values())


LABELS: Final[dict[str, set[str]]] = {
    f"{one.name}_total" if one.kind == "counter" else one.name: set(one.labels) for one in figures()
}
KINDS: Final = {f"{one.name}_total" if one.kind == "counter" else one.name: one.kind for one in figures()}


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    return [rule for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the panels of the board that ask for something."""
    return [one for one in BOARD["panels"] if one["type"] != "row"]


def targets() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return what the panels ask for, each with its panel."""
    return [(one, target) for one in panels() for target in one["targets"]]


def asked(expression: str) -> dict[str, set[str]]:
    """Return the metrics in an expression of PromQL, each with the labels it is selected by."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    found: dict[str, set[str]] = {}
    for name, selected in re.findall(r"\b((?:zkpoll|node)_\w+|up)\b(?:\{([^}]*)\})?", bare):
        found.setdefault(name, set()).update(re.findall(r"(\w+) *[=!]", selected))
    return found


def test_the_page_has_every_metric() -> None:
    """The tables have exactly what can be written, each with its type and its labels."""
    rows = re.findall(
        r"^\| `(zkpoll_\w+)`(?: by ([a-z, ]+))? \| (\w+) \| \w[^|]* \| \w[^|]* \| \w", PAGE, re.MULTILINE
    )
    assert len({name for name, *_ in rows}) == len(rows)
    assert {name: kind for name, _, kind in rows} == KINDS
    assert {name: set(filter(None, labels.split(", "))) for name, labels, _ in rows} == LABELS


EXPRESSIONS: Final = [
    *((rule["alert"], rule["expr"]) for rule in alerts()),
    *((panel["title"], target["expr"]) for panel, target in targets()),
]


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS)
def test_what_is_asked_for_is_there(name: str, expression: str) -> None:
    """Each expression names metrics that can be written, and labels that these have."""
    found = asked(expression)
    assert found, name
    for metric, labels in found.items():
        assert labels <= (LABELS | OF_OTHERS)[metric] | ADDED
    known = set.union(ADDED, *((LABELS | OF_OTHERS)[metric] for metric in found))
    for grouped in re.findall(r"\b(?:by|on|without|ignoring|group_left) ?\(([^)]*)\)", expression):
        assert set(re.findall(r"\w+", grouped)) <= known
    assert expression.count("(") == expression.count(")")
    assert expression.count('"') % 2 == 0


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """Each rule waits for more than one run, has a weight, and a sentence that names what it is of."""
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    minutes = int(rule["for"][:-1]) * {"m": 1, "h": 60, "d": 1440}[rule["for"][-1]]
    assert minutes > PAUSE
    assert rule["labels"] in ({"severity": "warning"}, {"severity": "critical"})
    assert rule["annotations"].keys() == {"summary", "description"}
    shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    known = set.union(ADDED, *((LABELS | OF_OTHERS)[metric] for metric in asked(rule["expr"])))
    assert shown <= known
    assert f"| `{rule['alert']}` |" in PAGE


def test_the_page_has_every_alert() -> None:
    """No rule is told that is not there."""
    told = re.findall(r"^\| `(Zkpoll\w+)` \|", PAGE, re.MULTILINE)
    assert told == [rule["alert"] for rule in alerts()]


def test_grafana_can_import_the_board() -> None:
    """The board has the form of an export: a source to choose, no overlaps, and all that panels need."""
    assert [one["name"] for one in BOARD["__inputs"]] == ["DS_PROMETHEUS"]
    assert BOARD["schemaVersion"] >= 36
    assert len({one["id"] for one in BOARD["panels"]}) == len(BOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    for panel, target in targets():
        assert panel["datasource"] == target["datasource"] == source
        assert panel["type"] in {one["id"] for one in BOARD["__requires"]}
        assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= set().union(
            ADDED, *(LABELS[metric] for metric in asked(target["expr"]))
        )
