"""docs/json.md is the schema of `status --json` and `sync --json`: its tables say what they print."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.crash.office import Office
from tests.delivery.frappe_site import TOKEN as FRAPPE_TOKEN
from tests.delivery.frappe_site import FrappeSite
from tests.look import inside
from tests.peers import closed_port
from tests.site import Site, entry
from zkpoll.journal import conditions
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.devices import Devices
from zkpoll.journal.errands import claim, take
from zkpoll.journal.opening import open_journal
from zkpoll.journal.pushed import Contact, Pushed, contacts
from zkpoll.model.errand import Errand
from zkpoll.simulator import HttpAnswer, Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE: Final = (Path(__file__).parents[1] / "docs" / "json.md").read_text("utf-8")
UNSEEN: Final[Mapping[str, str]] = {
    "would_send[].manual": "only of a database that marks what a person typed in",
    "first_requests[].problem": "only of formats that cannot say every punch",
    "troubles.*.told_by": "only where terminals are swapped",
}
"""Keys that no situation here has, with the reason."""


def schema(command: str) -> dict[str, str]:
    """Return the types of a command's keys by their paths, as the page has them."""
    (section,) = re.findall(rf"^## `zkpoll {command} --json`\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z ]+) \|", section, re.MULTILINE)
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def is_moment(value: object) -> bool:
    """Say whether a value is a moment, with its offset."""
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


def is_date(value: object) -> bool:
    """Say whether a value is a day."""
    return isinstance(value, str) and str(date.fromisoformat(value)) == value


FITS: Final = {
    "text": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in {int, float},
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "moment": is_moment,
    "date": is_date,
}


def values(value: object, path: str, rows: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """Yield all values of a document by their paths; the keys of an object that are names are `*`."""
    if isinstance(value, list):
        for one in value:
            yield from values(one, f"{path}[]", rows)
        return
    if not isinstance(value, dict) or path in rows:
        yield path, value
    if isinstance(value, dict):
        for key, one in value.items():
            whole = f"{path}.{key}".lstrip(".")
            known = any(row == whole or row.startswith((f"{whole}.", f"{whole}[")) for row in rows)
            names = any(row.startswith(f"{path}.*") for row in rows)
            yield from values(one, whole if known or not names else f"{path}.*", rows)


def compare(command: str, documents: list[dict[str, Any]]) -> None:
    """See that every key of some documents is on the page, with its type, and the other way round."""
    rows, seen = schema(command), defaultdict[str, list[object]](list)
    for document in documents:
        for path, value in values(document, "", rows):
            seen[path].append(value)
    assert seen.keys() <= rows.keys(), sorted(seen.keys() - rows.keys())
    for path, found in seen.items():
        kind, _, null = rows[path].partition(" or ")
        wrong = [one for one in found if not (null == "null" if one is None else FITS[kind](one))]
        assert not wrong, (path, rows[path], wrong)
    known = {path for path, found in seen.items() if any(one is not None for one in found)}
    assert rows.keys() - known == {path for path in UNSEEN if path in rows}


def inventory(site: Site, dashboard: str, devices: list[str], more: str) -> None:
    """Write an inventory of everything: doors, databases and watchers."""
    (site.folder / "broken.mdb").write_bytes(b"no database")
    site.write_for(
        f"name: main, url: '{dashboard}', token: '${{TOKEN}}', attempts: 1, timeout: 5",
        *devices,
        "name: gate, serial: GATE1, push: true",
        "name: off, host: 127.0.0.9, enabled: false",
        "name: far, host: 127.0.0.10, site: dhaka",
        more=(
            "sites: {dhaka: {}}\nworkers: {broker: 'redis://127.0.0.1:1'}\n"
            "listen: {address: '127.0.0.1:0'}\nmetrics: {textfile: zkpoll.prom}\n"
            f"health: {{ping_url: 'http://127.0.0.1:9/'}}\ndatabases:\n  - {{{more}}}\n"
            "  - {name: broken, kind: att2000, file: broken.mdb}\n"
        ),
    )


def refuse_one(request: Any) -> HttpAnswer:
    """Answer that one of the people in `request` is unknown."""
    first = json.loads(request.body)["events"][0]["id"]
    return HttpAnswer(body=json.dumps({"rejected": [{"id": first, "error": "unknown"}]}).encode())


def test_the_page_has_every_key(site: Site, dashboard: SampleDashboard, tmp_path: Path) -> None:
    """Whether all is well or little is, both commands print the keys of the page, and nothing else."""
    runs, looks = [], []
    front = Terminal.with_samples(60)
    back = Terminal.with_samples(20, model=Model(serial="B2", capacity=5000))
    for terminal in (front, back):
        terminal.set_clock(datetime.now(UTC).replace(tzinfo=None))
    office = Office(tmp_path / "office.db", Random(1))
    with serve(front) as here, serve(back) as there, closed_port() as nobody:
        inventory(site, dashboard.url, [entry("front", here)], office.entry)
        dashboard.answers.append(HttpAnswer(cut=True, body=b"", keep=True))
        runs.append(site.report("--device", "front", "--device", "office"))
        with open_journal(site.journal) as journal, journal.transaction():
            conditions.owe(journal, "device front", "a visit broke off")
        cleared = entry("front", here, clear="confirmed"), entry("back", there, clear="confirmed")
        inventory(site, dashboard.url, [*cleared, entry("lost", nobody)], office.entry)
        runs.append(site.report("--dry-run"))
        runs.append(site.report("--device", "front"))
        dashboard.answers.append(refuse_one)
        runs.append(site.report("--device", "back"))
        dashboard.answers.append(HttpAnswer(cut=True, body=b"", keep=True))
        office.a_year_ends()
        runs.append(site.report())
        looks.append(site.run("status", "--json").document())
        unusual(site)
        looks.append(site.run("status", "--json").document())
    compare("status", looks)
    runs.append(with_shifts(site))
    compare("sync", runs)


def unusual(site: Site) -> None:
    """Let the journal hold what comes of rare events."""
    now = datetime.now(UTC)
    with open_journal(site.journal) as journal:
        Devices(journal).meet_stranger("front", "OTHER1")
        Clearance(journal, "B2").intend()
        far, then = Errand("visit", "far"), now - timedelta(hours=1)
        claim(journal, {far: "x"}, then, now)
        take(journal, far, now, "host/1", then)
        told: dict[str, Any] = {"dialect": "attendance", "zone_told": "0"}
        contacts(journal, [Contact("gate", "GATE1", now - timedelta(days=2), now, "192.0.2.7", **told)])
        with journal.transaction():
            Pushed(journal, "GATE1").keep_batch(
                "ATTLOG", "1", b"x", last=now.replace(tzinfo=None), skews=[1.5]
            )
    day = timedelta(days=1)
    with inside(site.journal) as db:
        db.execute("UPDATE punch SET journalled_at = ?", [(now - day).isoformat(timespec="milliseconds")])
        db.execute("UPDATE destination SET halted = 'gone'")
        db.execute("UPDATE device SET met_at = '2026-01-01T00:00:00.000+00:00'")


def with_shifts(site: Site) -> dict[str, Any]:
    """Return the document of a run that tells a Frappe site of a shift that it has, and of another one."""
    terminal = Terminal(Model(serial="F1"))
    with FrappeSite() as erp, serve(terminal) as address:
        erp.employ("1")
        erp.shift("Day", "2026-01-01 00:00:00")
        terminal.punch("1")
        shifts = "[{name: Day, devices: [erp-front]}, {name: Nacht, devices: [erp-front]}]"
        site.write_for(
            f"name: erp, url: '{erp.url}', token: '{FRAPPE_TOKEN}', format: frappe, attempts: 1, timeout: 5,"
            f" frappe: {{timezone: Asia/Dhaka, shifts: {shifts}}}",
            entry("erp-front", address),
        )
        return site.report()
