"""Whose punch a dashboard is told it is, and what becomes of punches nobody can tell that of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.outbox import EXAMPLE, SERIAL, some_events
from zkpoll.delivery.contract import Decision, Failure, Reply, Verdict, carried_out
from zkpoll.delivery.formats.events import OPTIONS, Events, SingleEvent
from zkpoll.delivery.origins import Origins
from zkpoll.delivery.user_ids import Outward, People, Unknown
from zkpoll.inventory import Device, load
from zkpoll.inventory.people import Badges, UserIds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.delivery.contract import Answer, Request
    from zkpoll.model.punch import Event

PAGE = (Path(__file__).parents[2] / "docs" / "dashboards.md").read_text("utf-8")
FILE = Path("/etc/zkpoll/badges.csv")


def ids(**settings: Any) -> UserIds:
    """Return a rule; `map` is what its file says."""
    if (ours := settings.pop("map", None)) is not None:
        settings["map_file"] = Badges(FILE, ours)
    return UserIds.model_validate(settings)


def people(
    device: UserIds | None = None, dashboard: UserIds | None = None, *, name: str = "front-door"
) -> People:
    """Return the rules of one terminal and of a dashboard."""
    settings = {"name": name, "host": "192.0.2.1", "timezone": "UTC", "user_id": device}
    return People(Origins({name: Device.model_validate(settings)}), dashboard)


def outward(user_id: str, device: UserIds | None = None, dashboard: UserIds | None = None) -> str | Unknown:
    """Return the id that a dashboard is told, or why there is none."""
    event = EXAMPLE._replace(user_id=user_id)
    found = people(device, dashboard).outward(event)
    if isinstance(found, Unknown):
        return found
    assert found == event._replace(user_id=found.user_id)  # all else, the id above all, stays
    return found.user_id


# --- the ids ---


@pytest.mark.parametrize(
    ("user_id", "rules", "told"),
    [
        ("0017", (None, None), "0017"),
        ("0017", (ids(strip_zeros=True), None), "17"),
        ("0017", (None, ids(strip_zeros=True)), "17"),
        ("000", (ids(strip_zeros=True), None), "0"),
        ("17", (ids(prefix="D-"), ids(prefix="E-")), "E-D-17"),
        ("0017", (ids(strip_zeros=True, prefix="0"), ids(strip_zeros=True)), "17"),
        ("0017", (ids(strip_zeros=True, prefix="D-", map={"D-17": "E1017"}), None), "E1017"),
        ("0017", (ids(strip_zeros=True), ids(map={"17": "a", "0017": "b"})), "a"),
        ("17", (ids(map={"17": "18"}), ids(map={"18": "17"})), "17"),
        ("17", (ids(map={"18": "x"}, unknown="pass"), ids(prefix="E-")), "E-17"),
    ],
)
def test_rules(user_id: str, rules: tuple[UserIds | None, ...], told: str) -> None:
    """Zeros go, the prefix comes, the file is asked; the device's rule first, then the dashboard's."""
    assert outward(user_id, *rules) == told


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ((ids(map={"1": "x"}), None), "0017"),
        ((None, ids(map={"1": "x"})), "0017"),
        ((ids(strip_zeros=True, prefix="D-", map={"17": "x"}), None), "D-17"),
        ((ids(map={"0017": "x"}), ids(map={"0017": "y"})), "x"),
    ],
)
def test_an_id_that_is_not_in_the_file(rules: tuple[UserIds | None, ...], wanted: str) -> None:
    """The words name the file, the id that was looked for there, and what to do, by the device's id."""
    assert outward("0017", *rules) == Unknown(
        f"{FILE} has no user id {wanted}; once it has, the next run sends this punch"
    )


def test_a_renamed_terminal_keeps_its_rule() -> None:
    """The rule is that of the terminal that the punch came from, whatever it is called now."""
    renamed = people(ids(prefix="D-"), name="entrance")
    there = People(Origins(renamed.origins.sources, {SERIAL: "entrance"}), None)
    assert there.outward(EXAMPLE) == EXAMPLE._replace(user_id="D-1001")


def test_a_terminal_that_is_gone() -> None:
    """Where nobody can tell any more what a terminal's punches mean, the words say how to tell it."""
    gates = {
        way: Device.model_validate({"name": way, "host": "192.0.2.1", "timezone": "UTC", "direction": way})
        for way in ("in", "out")
    }
    found = People(Origins(gates), None).outward(EXAMPLE)
    assert isinstance(found, Unknown)
    assert "front-door is not in the inventory any more" in found.reason
    assert "name it there again (enabled: false will do)" in found.reason


def test_the_page_tells_of_each_step(tmp_path: Path) -> None:
    """The page's settings are an inventory's, and its table shows what they make of an id."""
    (yaml,) = re.findall(r"^```yaml\n(dashboard:\n[^`]*?map_file.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "badges.csv").write_text("user_id,badge\nD-17,E1017\n")
    path = tmp_path / "devices.yaml"
    path.write_text(f"journal: journal.db\n{yaml}")
    inventory = load(path, {})
    rule, own = inventory.dashboards[0].user_id, inventory.devices[0].user_id
    assert own is not None
    rows = dict(re.findall(r"^\| `([a-z_]+): .*` \| .* \| `(.*)` \|$", PAGE, re.MULTILINE))
    assert rows == {
        "strip_zeros": outward("0017", own.model_copy(update={"prefix": None})),
        "prefix": outward("0017", own),
        "map_file": outward("0017", own, rule),
    }


# --- the format behind ---


def exchanged(
    events: Sequence[Event], who: People, *answers: Answer, single: bool = False
) -> tuple[Decision, list[Request]]:
    """Return what becomes of events when those are the answers, and what was asked."""
    asked: list[Request] = []
    left = list(answers)

    def send(request: Request) -> Answer:
        asked.append(request)
        return left.pop(0)

    form = Outward(SingleEvent() if single else Events(), who)
    return carried_out(form.exchange(events, unsure=False), send), asked


SOME = some_events(3)
KNOWN = people(ids(map={"1": "E1", "3": "E3"}))
FINE = Reply(200, body=b"{}")
NO_2 = {SOME[1].id: f"{FILE} has no user id 2; once it has, the next run sends this punch"}


def test_the_known_go_and_the_unknown_are_rejected() -> None:
    """An unknown id holds up nobody: the others go under their ids, and it is rejected with words."""
    decision, (asked,) = exchanged(SOME, KNOWN, FINE)
    assert (decision.verdict, decision.rejected) == (Verdict.CONFIRMED, NO_2)
    assert asked.ids == (SOME[0].id, SOME[2].id)
    assert asked.body is not None
    sent = json.loads(asked.body)["events"]
    assert [(event["id"], event["user_id"]) for event in sent] == [(SOME[0].id, "E1"), (SOME[2].id, "E3")]


def test_where_nobody_is_known_nobody_is_asked() -> None:
    """Without a request there is no confirmation, and the rejected are named."""
    decision, asked = exchanged(SOME[1:2], KNOWN, single=True)
    assert (decision, asked) == (Decision(Verdict.NAMED, rejected=NO_2, unasked=frozenset(NO_2)), [])


def test_what_the_dashboard_names_is_kept() -> None:
    """Rejections of the dashboard's and of ours stand side by side, and so does what it has."""
    words = json.dumps({"rejected": [{"id": SOME[0].id, "error": "left"}]}).encode()
    decision, _ = exchanged(SOME, KNOWN, Reply(422, body=words))
    assert (decision.verdict, decision.rejected) == (Verdict.NAMED, {SOME[0].id: "left"} | NO_2)
    words = json.dumps({"present": [SOME[0].id]}).encode()
    decision, _ = exchanged(SOME, KNOWN, Reply(409, body=words))
    assert (decision.verdict, decision.rejected) == (Verdict.NAMED, NO_2)
    assert decision.present == {SOME[0].id}


@pytest.mark.parametrize("answer", [Reply(503), Reply(400), Reply(401), Reply(413), Failure("no connection")])
def test_what_settles_nobody_settles_no_unknown(answer: Answer) -> None:
    """Where the answer decides about no punch, all stay as they are."""
    decision, _ = exchanged(SOME, KNOWN, answer)
    assert (decision.rejected, decision.present) == ({}, frozenset())
    assert decision.verdict not in {Verdict.CONFIRMED, Verdict.NAMED}


def test_it_is_else_the_format_behind_it() -> None:
    """How many a request carries, and what a ping asks, is that format's to say."""
    assert (Outward(Events(), KNOWN).most, Outward(SingleEvent(), KNOWN).most) == (None, 1)
    assert Outward(SingleEvent(), KNOWN).probes() == OPTIONS
