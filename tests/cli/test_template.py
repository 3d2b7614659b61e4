"""`zkpoll sync` and APIs in the style of many, with `format: template`."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.delivery.template_server import API_KEY, EACH, WAYS, JsonApi, Manners
from tests.site import TOKEN, Site, entry
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from zkpoll.simulator import Listening

RUNS: Final = 12
"""More than it takes until all is settled, whatever is drawn."""


def write(site: Site, api: JsonApi, template: dict[str, Any], address: Listening) -> None:
    """Write the inventory that sends one terminal's punches to an API by a template."""
    dashboard = (
        f"url: '{api.url}', token: '${{TOKEN}}', format: template, template: {json.dumps(template)},"
        " attempts: 6, retry_wait: 0, timeout: 2, batch_size: 16"
    )
    site.write_for(dashboard, entry("front-door", address))


def settle(site: Site) -> None:
    """Run `zkpoll sync` until nothing is pending."""
    for _ in range(RUNS):
        if site.report()["deliveries"][0]["pending"] == 0:
            return
    pytest.fail(f"something is pending after {RUNS} runs")


def check_books(site: Site, api: JsonApi, terminal: Terminal) -> None:
    """Check that the API has exactly what the journal has as confirmed, once each, and all else is parked."""
    punches = json.loads(site.run("punches", "export", "--json").out)
    states = {punch["id"]: punch["dashboards"]["dashboard"] for punch in punches}
    assert len(states) == len(punches) == len(terminal.history)
    confirmed = [punch for punch in punches if states[punch["id"]] == "confirmed"]
    assert sorted(api.refs) == sorted(punch["id"] for punch in confirmed)
    ways = {0: "in", 1: "out"}
    assert {record["ref"]: record for record in api.records} == {
        punch["id"]: {
            "ref": punch["id"],
            "employee": punch["user_id"],
            "at": punch["timestamp"],
            "way": ways.get(punch["type"]),
            "text": f"front-door: {punch['type']}",
        }
        for punch in confirmed
    }
    parked = {punch["user_id"] for punch in punches if states[punch["id"]] == "parked"}
    assert parked == api.strangers & {record.user_id for record in terminal.history}
    assert set(states.values()) <= {"confirmed", "parked"}


@pytest.mark.parametrize(("way", "seed"), [*zip(WAYS, (2, 3, 1, 4), strict=True)])
def test_books_agree_whatever_goes_wrong(site: Site, way: str, seed: int) -> None:
    """After lost answers, restarts and limits the API has each punch once, and strangers' are parked."""
    manners, template = WAYS[way]
    terminal = Terminal.with_samples(48, users=9)
    strangers = {user.user_id for user in terminal.users[2:4]}
    with serve(terminal) as address, JsonApi(manners, strangers, seed) as api:
        write(site, api, template, address)
        site.sync()
        for user in terminal.users:
            terminal.punch(user.user_id)
        settle(site)
    assert api.troubles
    check_books(site, api, terminal)


@pytest.mark.parametrize("way", ["one document", "a list", "a list as a whole"])
def test_killed_before_the_answer(site: Site, way: str) -> None:
    """A run that is killed when the API has stored a request, and not answered, is made good by the next."""
    manners, template = WAYS[way]
    terminal = Terminal.with_samples(40, users=9)
    with serve(terminal) as address, JsonApi(manners) as api:
        write(site, api, template, address)
        process = site.start("sync")

        def kill() -> None:
            if api.when_stored is kill and len(api.records) > 16:
                api.when_stored = lambda: None
                os.kill(process.pid, signal.SIGKILL)

        api.when_stored = kill
        assert site.finish(process).code == -signal.SIGKILL
        stored = len(api.records)
        settle(site)
    assert 16 < stored < 40
    check_books(site, api, terminal)


def test_the_parked_ones_have_words(site: Site) -> None:
    """A person reads which rule failed, and what the API said; cron is told once, and the others went."""
    manners, template = WAYS["a list as a whole"]
    terminal = Terminal.with_samples(40, users=9)
    stranger = terminal.users[0].user_id
    with serve(terminal) as address, JsonApi(manners, {stranger}) as api:
        write(site, api, template, address)
        first, second = site.sync(), site.sync()
        listed = json.loads(site.run("outbox", "list", "--json").out)
    assert (first.code, second.code, second.err) == (1, 1, "")
    assert "punches are parked" in first.err
    assert {punch["user_id"] for punch in listed} == {stranger}
    said = f'{{"result": {{"ok": false, "error": "unknown employee {stranger}"}}}}'
    rule = "the dashboard answered 200 and success: wants true at $.result.ok"
    assert {punch["reason"] for punch in listed} == {f'{rule}; it says: "{said}"'}


def test_no_secret_is_shown(site: Site) -> None:
    """Nothing that is shown or kept holds the token or the key in the body, even where the API echoes it."""
    manners = Manners(says="body", key_in_body=True)
    template = {"body": {"api_key": "${API_KEY}", **EACH}, "success": {"path": "$.result.ok", "value": True}}
    terminal = Terminal.with_samples(12, users=3)
    with serve(terminal) as address, JsonApi(manners, {terminal.users[0].user_id}) as api:
        write(site, api, template, address)
        site.environment["API_KEY"] = "wr0ng-b0dy/k3y"
        shown = [site.sync("-v")]
        assert "unknown api_key in" in shown[0].err
        assert api.records == []
        site.environment["API_KEY"] = API_KEY
        commands = ("config check", "sync --dry-run", "sync -v", "outbox list", "dashboards ping")
        shown += [site.run(*command.split()) for command in commands]
    assert api.records
    text = "".join(result.out + result.err for result in shown)
    kept = b"".join(path.read_bytes() for path in site.folder.glob("journal.db*") if path.is_file())
    assert "in what was sent with ***" in text
    assert '"api_key":"***"' in text
    for secret in (TOKEN, API_KEY, "wr0ng-b0dy/k3y"):
        assert secret not in text
        assert secret.encode() not in kept


def test_the_first_request_is_shown_before_it_is_sent(site: Site) -> None:
    """What a dry run shows is what goes out, byte for byte, but for the secrets."""
    manners, template = WAYS["one document"]
    terminal = Terminal.with_samples(3)
    with serve(terminal) as address, JsonApi(manners) as api:
        write(site, api, template, address)
        (shown,) = site.report("--dry-run")["first_requests"]
        assert api.requests == []
        assert site.sync().code == 0
    first = api.requests[0]
    assert (shown["method"], shown["url"]) == (first.method, api.url)
    assert shown["body"].encode() == first.body
    assert shown["headers"]["Idempotency-Key"] == first.idempotency_key
