"""From the journal to dashboards, beside what other tools do: one request a punch, without a journal."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.benchmarks.measure import Cost, Row, median_cost, run
from tests.benchmarks.serving import served
from tests.delivery.frappe_site import TOKEN as FRAPPE_TOKEN
from tests.site import TOKEN, Site, entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Scale

_TOOL: Final = """
import json, sys
import requests
url, token, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
method = "hrms.hr.doctype.employee_checkin.employee_checkin.add_log_based_on_employee_field"
headers = {"Authorization": "token " + token, "Accept": "application/json"}
for number in range(count):
    at = f"2020-01-01 {number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
    data = {"employee_field_value": "1001", "timestamp": at, "device_id": "front", "log_type": "IN"}
    answer = requests.request("POST", f"{url}/api/method/{method}", headers=headers, json=data)
    if answer.status_code != 200 or "name" not in answer.json()["message"]:
        raise SystemExit(answer.text)
"""
"""What the tool for Frappe that is known best does for each punch."""
_POSTS: Final = """
import json, sys
import requests
url, count = sys.argv[1], int(sys.argv[2])
punch = {"id": "224c9c2b-8130-5e29-a627-3b68fe8961e9", "user_id": "1001", "status": 1, "type": 0}
for number in range(count):
    requests.post(url, json.dumps(punch), headers={"Content-Type": "application/json"}).raise_for_status()
"""
_LANES: Final = 4
_ANSWER: Final = 0.05
"""Seconds that a busy site takes for an answer."""
_TERMINALS: Final = 8
_EACH: Final = 40
"""Terminals, and punches of each, that are sent in lanes."""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure what leaves the journal, for dashboards of both sorts."""
    yield from _events(scale)
    yield from _frappe(scale)
    yield from _lanes()


def _events(scale: Scale) -> Iterator[Row]:
    """100,000 punches, 500 a request, beside one POST each."""
    count, some = scale.records, scale.one_by_one
    with TemporaryDirectory() as name, served("counting") as counter:
        full = _journalled(Path(name), [count])
        dashboard = f"url: '{counter.said}', token: '${{TOKEN}}'"
        ours, peer = [], []
        for _ in range(scale.turns):
            ours.append(_delivered(full, dashboard))
            peer.append(run([sys.executable, "-c", _POSTS, counter.said, str(some)]))
    cost, each = median_cost(ours), median_cost(peer).seconds / some
    what = f"{count:,} punches from the journal"
    yield Row(f"{what}: one POST each", cost.seconds, peer=each * count, target=0.03)
    yield Row(f"{what}: peak memory", cost.megabytes, "MB", target=120)


def _frappe(scale: Scale) -> Iterator[Row]:
    """Some thousand punches to a Frappe site that answers at once, beside the tool that has no journal."""
    count = scale.one_by_one
    with TemporaryDirectory() as name:
        full = _journalled(Path(name), [count])
        ours, peer = [], []
        for _ in range(scale.turns):
            with served("frappe", 0.0, expected=count) as site:
                ours.append(_delivered(full, _to(site.said)))
            with served("frappe", 0.0, expected=count) as site:
                peer.append(run([sys.executable, "-c", _TOOL, site.said, FRAPPE_TOKEN, str(count)]))
    one, other = median_cost(ours), median_cost(peer)
    what = f"{count:,} punches to Frappe"
    yield Row(f"{what}: the tool without a journal", one.seconds, peer=other.seconds, target=1)
    yield Row(f"{what}: its CPU", one.cpu, peer=other.cpu, target=1.1)


def _lanes() -> Iterator[Row]:
    """Eight terminals' punches to a site that takes 50 ms for an answer: one sender, and several."""
    count = _EACH * _TERMINALS
    took = {}
    with TemporaryDirectory() as name:
        full = _journalled(Path(name), [_EACH] * _TERMINALS)
        for lanes in (1, _LANES):
            with served("frappe", _ANSWER, expected=count) as site:
                took[lanes] = _delivered(full, f"{_to(site.said)}, lanes: {lanes}").seconds
    what = f"{count} punches, 50 ms an answer, lanes: {_LANES}: 1 lane"
    yield Row(what, took[_LANES], peer=took[1], target=0.4)


def _to(url: str) -> str:
    zone = "frappe: {timezone: Asia/Dhaka}"
    return f"url: '{url}', token: '{FRAPPE_TOKEN}', format: frappe, {zone}"


def _journalled(folder: Path, logs: list[int]) -> Site:
    """Return a site whose journal has the punches of terminals with so long logs, none delivered."""
    site = Site(folder)
    with served("logs", *logs) as terminals:
        devices = [entry(f"d{at}", where) for at, where in enumerate(terminals.places)]
        site.write("http://127.0.0.1:9/", *devices)
        run([*_command(site), "--no-deliver"], {"TOKEN": TOKEN})
    return site


def _command(site: Site) -> list[str]:
    return [sys.executable, "-m", "zkpoll", "sync", "--config", str(site.inventory)]


def _delivered(full: Site, dashboard: str) -> Cost:
    """Deliver a copy of a journal, whose terminals are gone by now, and return what that cost."""
    with TemporaryDirectory(dir=full.folder) as name:
        site = Site(Path(name))
        shutil.copy(full.journal, site.journal)
        site.write_for(dashboard, "name: gone, host: 127.0.0.1, port: 9, enabled: false")
        return run(_command(site), {"TOKEN": TOKEN})
