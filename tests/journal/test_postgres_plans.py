"""What PostgreSQL does for the statements that run all day: none walks what is long done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from tests.journal.helpers import KEY, batch, line, piece, punches, push, visit
from tests.journal.on_postgres import journal_url
from zkpoll.journal import conditions
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.postgres import PostgresJournal, _named, _Session, _with_incoming, queries
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.report import News

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

HISTORY = 50_000
WALKED = 2_000
"""Rows that are looked at in vain, of a long table, by a statement about a few."""
PAST = """
INSERT INTO punch (id, device, device_name, user_id, timestamp, verify, state, work_code, clock_suspect,
                   source, journalled_at, kinds)
SELECT md5(n::text), (SELECT id FROM device WHERE name = 'front-door'), 'front-door', (1000 + n % 300)::text,
       to_char(timestamp '1980-01-01' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'), 1, n % 2,
       0, 0, 'pull', '2020-01-01T00:00:00.000+00:00', 8
FROM generate_series(1, HISTORY) AS n;
INSERT INTO form SELECT device, decode(md5(id), 'hex'), 1, seq FROM punch;
INSERT INTO outbox (destination, punch, state, changed_at)
SELECT (SELECT id FROM destination), seq, 'confirmed', '2020-01-01T00:00:01.000+00:00' FROM punch;
UPDATE destination SET due = HISTORY, confirmed = HISTORY;
ANALYZE;
"""
LONG = {"punch", "form", "outbox"}
Asked = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def old() -> Iterator[PostgresJournal]:
    """Return a journal in which nearly everything was confirmed years ago."""
    with journal_url() as url, PostgresJournal(url) as journal:
        JournalOutbox(journal, "main")
        visit(journal)
        journal._db.execute(PAST.replace("HISTORY", str(HISTORY)).encode())
        yield journal


@pytest.fixture(scope="module")
def asked(old: PostgresJournal) -> Asked:
    """Return every statement of a visit, a push, a delivery and what a run looks at, with its last values."""
    found: Asked = {}
    execute = _Session.execute

    def note(session: _Session, query: Any, params: Any = None, **more: Any) -> psycopg.Cursor[Any]:
        if isinstance(params, dict):
            found[query] = params
        return execute(session, query, params, **more)

    put = PostgresJournal._put
    run_many = PostgresJournal.run_many

    def note_many(journal: PostgresJournal, query: str, rows: Sequence[Any]) -> int:
        found.update({_named(query): row for row in rows})
        return run_many(journal, query, rows)

    def note_put_off(journal: PostgresJournal, where: Any, query: str, rows: Sequence[Any]) -> None:
        found.update({_named(query): row for row in rows})
        put(journal, where, query, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Session, "execute", note)
        patch.setattr(PostgresJournal, "run_many", note_many)
        patch.setattr(PostgresJournal, "_put", note_put_off)
        outbox = JournalOutbox(old, "main")
        for _ in range(2):  # what is known by then is asked for, too
            visit(old).take(piece(*punches(20)))
            push(old, line("A", 1), line("B", 2))
        ids = tuple(event.id for event in outbox.next(10).events)
        outbox.send(SentRequest(ids))
        outbox.settle(Settled(ids[1:], parked={ids[0]: "no"}), ids)
        outbox.counts()
        (number,) = old._db.execute("SELECT id FROM destination").fetchall()[0]
        old.one("oldest_pending", destination=number)
        old.one("first_pending", name="main")
        Clearance(old, KEY).unsettled(batch(*punches(20)))
        conditions.tell(old, lambda before: News((), dict(before)))
    named = {name for name, text in queries().items() if form_of(name, text) in found}
    assert named >= {
        "known_bytes",
        "add_to_outbox",
        "pending",
        "oldest_pending",
        "unsettled",
        "confirm",
        "counts",
    }
    return found


def test_none_walks(old: PostgresJournal, asked: Asked) -> None:
    """By plans made for the values, and by those that the server keeps for all values."""
    walks = [
        (mode, query.split("\n")[0], node)
        for query, values in asked.items()
        for mode in ("force_custom_plan", "force_generic_plan")
        for node in nodes(plan_of(old, query, values, mode))
        if node.get("Relation Name") in LONG and is_walk(node)
    ]
    assert not walks


def form_of(name: str, text: str) -> str:
    """Return a named statement as it is sent."""
    return _with_incoming(name) if re.search(r"\bincoming\b", text) else _named(name)


def is_walk(node: dict[str, Any]) -> bool:
    """Say whether a node of a plan looks at far more than it finds."""
    rows: float = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
    return bool(node["Node Type"] == "Seq Scan" or rows * node.get("Actual Loops", 1) > WALKED)


def plan_of(journal: PostgresJournal, query: str, values: dict[str, Any], mode: str) -> dict[str, Any]:
    """Return the plan of a statement; one that only looks is run."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", query)))
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", query).replace("%%", "%")
    db = journal._db
    only_looks = not re.search(r"\b(INSERT|UPDATE|DELETE)\b", query)
    given = sql.SQL(", ").join(sql.Literal(values[name]) for name in names)
    execute = sql.SQL("EXECUTE x ({})").format(given) if names else sql.SQL("EXECUTE x")
    how = sql.SQL("EXPLAIN (FORMAT JSON, ANALYZE) " if only_looks else "EXPLAIN (FORMAT JSON) ")
    db.execute(f"SET plan_cache_mode = {mode}".encode())
    db.execute(f"PREPARE x AS {numbered.rstrip(';')}".encode())
    try:
        row = db.execute(how + execute).fetchone()
    finally:
        db.execute("DEALLOCATE x")
        db.execute("RESET plan_cache_mode")
    assert row
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all nodes of a plan."""
    yield {key: value for key, value in plan.items() if key != "Plans"}
    for one in plan.get("Plans", ()):
        yield from nodes(one)


def test_what_a_delivery_leaves_is_swept_out_soon(old: PostgresJournal) -> None:
    """Each row of an outbox changes: there is room beside it, and dead ones do not pile up."""
    row = old._db.execute("SELECT reloptions FROM pg_class WHERE relname = 'outbox'").fetchone()
    assert row
    assert {"fillfactor=80", "autovacuum_vacuum_scale_factor=0.02"} <= set(row[0])
