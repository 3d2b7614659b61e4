"""A written model of a vendor's database and what the journal must have of it, over real visits.

    a visit comes to its end, with nothing in motion:
      every row that was there when it began  is one punch, that which it was before if it was known; or it is
                                              set aside, for what is so now
      every row that was there once           is still the punch it was
      every punch                             is what some row said at some time; no two are of one person's
                                              second at one device; each is in the outbox once
      a row that is there no more             is gone, and was counted when it went
    a visit is killed, stopped, refused       nothing of that is lost; the next one makes it so
    any visit                                 leaves the database as it was, byte for byte

Whose a row is, is told by its key, until people are renumbered. A row that no visit settled for certain may
be any of those punches that it would have been in a visit that was cut off.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from contextlib import ExitStack, closing, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bridge.offices import BUCKET, START
from tests.look import inside, look
from zkpoll.errors import StopRun
from zkpoll.inventory import Database
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.tasks.contact import Contacts
from zkpoll.tasks.read_database import Bridge, read_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.bridge.offices import Entry, Office
    from zkpoll.journal.database import Journal
    from zkpoll.tasks.database_outcome import DatabaseOutcome

OWN = "HQ"
Shown = tuple[str, str, int]
"""Device key, user id, second since `START`: what makes a punch one."""


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """A journal whose caller does not survive one of its calls."""

    def __init__(self, journal: Journal, calls: int, error: BaseException) -> None:
        self._journal, self._left, self._error = journal, calls, error

    def __getattr__(self, name: str) -> Any:
        told = getattr(self._journal, name)
        if not callable(told):
            return told

        def call(*arguments: Any, **parameters: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                raise self._error
            return told(*arguments, **parameters)

        return call


class Kept(NamedTuple):
    """A row, as the ledger has it."""

    punch: Shown | None
    reason: str | None
    content: bytes
    is_gone: bool
    raw: str | None


class World:
    """A database, a journal, and what is known for certain."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._exit = ExitStack()
        self.folder = Path(self._exit.enter_context(TemporaryDirectory()))
        self.path = self.folder / "journal.db"
        self.journal = open_journal(self.path)
        JournalOutbox(self.journal, "main")
        self.settings: dict[str, Any] = {
            "name": "head-office", "kind": office.kind, "timezone": "UTC", "serial": OWN, "machines": {},
            **office.inventory(),
        }  # fmt: skip
        self.known: dict[str, Shown] = {}
        """By their keys, the punches that rows are."""
        self.certain: set[Shown] = set()
        """Punches that no visit may lose again."""
        self.ever: set[Shown] = set()
        """What rows said when visits began."""
        self._versions: defaultdict[str, set[Entry]] = defaultdict(set)
        self._possible: defaultdict[str, set[Shown]] = defaultdict(set)
        self._prints: defaultdict[int, set[object]] = defaultdict(set)
        """The fingerprints that may be kept, by bucket; None where there may be none."""
        self._late: set[str] = set()
        """Known rows that were read while nobody knew whose they are: what else they say is seen with all."""
        self.is_certain = True
        """Whether the last visit came to its end."""

    def close(self) -> None:
        """Leave nothing behind."""
        self.journal.__exit__(None, None, None)
        self._exit.close()

    # --- the model ---

    def settled(self, row: Entry) -> Shown | str:
        """Return which punch a row is, or why it is none, by what is known now."""
        truth = self.office.truth
        badge = truth.people.get(row.user) if self.office.has_people else row.user
        if badge is None:
            return "no person"
        return told if (told := self._device(row)) in {"no serial", "ambiguous serial"} else (
            told, badge, row.second
        )  # fmt: skip

    def _device(self, row: Entry) -> str:
        if row.serial:
            return row.serial
        if named := self.settings["machines"].get(str(row.machine)):
            return str(named)
        serials = {serial for number, serial in self.office.truth.machines if number == row.machine}
        if len(serials - {""}) > 1:
            return "ambiguous serial"
        if found := serials - {""}:
            return found.pop()
        return OWN if row.manual or not row.machine else "no serial"

    def _fingers(self) -> dict[int, tuple[int, ...]]:
        """Return what a server tells of its buckets: nothing but what numbers they have."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for row in self.office.truth.rows.values():
            found[row.number // BUCKET].append(row.number)
        return {
            bucket: (len(some), sum(some), min(some), max(some)) for bucket, some in sorted(found.items())
        }

    # --- the journal ---

    def rows(self) -> dict[str, Kept]:
        """Return what the ledger has, by key."""
        query = (
            "SELECT r.key, device.key, user_id, timestamp, r.reason, r.content, r.gone_at, r.raw"
            " FROM database_row r LEFT JOIN punch ON punch.seq = r.punch"
            " LEFT JOIN device ON device.id = punch.device"
        )
        return {
            key: Kept(_shown(device, user, time) if device else None, reason, content, gone is not None, raw)
            for key, device, user, time, reason, content, gone, raw in look(self.path, query)
        }

    def punches(self) -> dict[str, Shown]:
        """Return all punches, by id. No two are one."""
        query = "SELECT punch.id, key, user_id, timestamp FROM punch JOIN device ON device.id = punch.device"
        found = {id_: _shown(*told) for id_, *told in look(self.path, query)}
        assert len(set(found.values())) == len(found)
        return found

    def _numbering(self) -> int:
        return sum(number for (number,) in look(self.path, "SELECT numbering FROM database"))

    def _renumbered(self) -> bool:
        """Say whether a badge that a number had is another one's now."""
        if not self.office.has_people:
            return False
        people = self.office.truth.people
        rows = look(self.path, "SELECT number, badge, current FROM database_person")
        current = {number: badge for number, badge, is_current in rows if is_current}
        return any(
            one == badge and one_number != number and people.get(one_number) != badge
            for number, badge in people.items()
            if current.get(number) != badge
            for one_number, one, _ in rows
        )

    def a_day_goes_by(self) -> None:
        """Let all of it be read in the next visit."""
        past = (datetime.now(UTC) - timedelta(hours=25)).isoformat(timespec="milliseconds")
        with inside(self.path) as db:
            db.execute("UPDATE database SET whole_at = ? WHERE whole_at IS NOT NULL", [past])

    # --- visits ---

    def visit(
        self,
        *,
        full: bool = False,
        writes: bool = True,
        dies: tuple[int, BaseException] | None = None,
        stopped: Callable[[], bool] = lambda: False,
        meanwhile: AbstractContextManager[None] | None = None,
        **settings: Any,
    ) -> DatabaseOutcome | None:
        """Read the database, and see that all is as it must be; None where the visit was cut off."""
        state, before, numbering = self.office.state(), self.rows(), self._numbering()
        renumbered = self._renumbered()
        journal: Any = Mortal(self.journal, *dies) if dies else self.journal
        now = self._note_versions(renumbered=renumbered)
        database = Database.model_validate(self.settings | settings)
        outcome: DatabaseOutcome | None = None
        try:
            with meanwhile or nullcontext():
                outcome = read_database(
                    database, Bridge(Contacts(journal, stopped, writes), self.office.opens, full=full)
                )
        except (Killed, StopRun):
            self.journal.__exit__(None, None, None)
            self.journal = open_journal(self.path)
        assert self.office.state() == state, "the database was written to"
        if not writes:
            return outcome
        if self._numbering() != numbering:
            assert (renumbered, self._numbering()) == (True, numbering + 1)
            self.known.clear()
            self._possible.clear()
            self._versions.clear()
            now = self._note_versions(renumbered=False)
        after = self.rows()
        self._check_always(outcome)
        if outcome is not None and outcome.complete:
            assert renumbered == (self._numbering() != numbering)
            self._check_complete(outcome, before, after, now)
        else:
            self.is_certain = False
            self._late |= {key for key, row in now.items() if isinstance(self.settled(row), str)}
            for bucket, finger in self._fingers().items():
                self._prints[bucket] |= {finger} if self._prints[bucket] else {None, finger}
        return outcome

    def _note_versions(self, *, renumbered: bool) -> dict[str, Entry]:
        """Note what rows say as a visit begins; return them by key."""
        now = dict(self.office.truth.rows)
        if renumbered:
            said = {self.settled(row) for row in now.values()}
            self.ever |= {one for one in said if isinstance(one, tuple)}
        for key, row in now.items():
            self._versions[key].add(row)
        for key, versions in self._versions.items():
            if key not in self.known:
                said = {self.settled(row) for row in versions}
                self._possible[key] |= {one for one in said if isinstance(one, tuple)}
                self.ever |= self._possible[key]
        return now

    def _check_always(self, outcome: DatabaseOutcome | None) -> None:
        punches = set(self.punches().values())
        assert self.certain <= punches, "punches are lost"
        assert punches <= self.ever, "punches that no row ever was"
        found = look(
            self.path, "SELECT count(*), count(DISTINCT punch), (SELECT count(*) FROM punch) FROM outbox"
        )
        assert found == [(len(punches),) * 3]
        assert JournalOutbox(self.journal, "main").counts().difference == 0
        assert outcome is None or outcome.tally.difference == 0

    def _check_complete(
        self,
        outcome: DatabaseOutcome,
        before: dict[str, Kept],
        after: dict[str, Kept],
        now: dict[str, Entry],
    ) -> None:
        """See that a visit that came to its end found all that it could see."""
        all_read = self.office.sees_all or outcome.buckets_read >= outcome.buckets
        fingers = self._fingers()
        unread, unsure = set[int](), set[int]()
        if not all_read:
            for bucket in fingers:
                if fingers[bucket] in self._prints[bucket]:
                    (unread if len(self._prints[bucket]) == 1 else unsure).add(bucket)

        def of(key: str, buckets: set[int]) -> bool:
            return bool(buckets) and int(key.split()[0]) // BUCKET in buckets

        there = {key for key in now if not of(key, unread)}
        there |= {key for key, kept in before.items() if not kept.is_gone and of(key, unread)}
        self._prints.clear()
        for bucket, finger in fingers.items():
            self._prints[bucket] = {finger}
        if unsure:
            self.is_certain = False
            return
        present = {key for key, kept in after.items() if not kept.is_gone}
        assert present == there
        assert outcome.rows == len(there)
        went = {key for key, kept in before.items() if not kept.is_gone} - there
        replaced = {key for key in went if key not in after}
        # Of the keys that are nowhere, those of renumbered people are the same punches under other keys.
        assert {before[key].punch for key in replaced} <= {after[key].punch for key in there}
        assert all(after[key].is_gone for key in went - replaced)
        assert outcome.tally.gone == sum(after[key].reason is None for key in went - replaced)
        for key in there - {key for key in now if of(key, unread)} & now.keys():
            self._check_row(key, now[key], after[key])
        self._check_changed(outcome, before, after, now, there)
        self._possible.clear()
        self.is_certain = True

    def _check_row(self, key: str, row: Entry, kept: Kept) -> None:
        told = self.settled(row)
        if key in self.known:
            assert kept.punch == self.known[key], "a row became another punch"
        elif kept.punch is None:
            assert kept.reason == told
        else:
            assert kept.punch in self._possible[key] | {told}
            assert not self.is_certain or kept.punch == told or len(self._versions[key]) > 1
            self.known[key] = kept.punch
            self.certain.add(kept.punch)

    def _check_changed(
        self,
        outcome: DatabaseOutcome,
        before: dict[str, Kept],
        after: dict[str, Kept],
        now: dict[str, Entry],
        there: set[str],
    ) -> None:
        """See that what a row says beside whose it is and when is known, and counted when it changed."""
        changed = sum(
            before[key].punch is not None
            and before[key].punch == after[key].punch
            and before[key].content != after[key].content
            for key in there & before.keys()
        )
        # One that was set aside is, when it is tried again, what it said when it was read.
        tried = sum(
            before[key].reason is not None and after[key].punch is not None for key in there & before.keys()
        )
        assert changed <= outcome.tally.changed <= changed + tried
        all_read = outcome.buckets_read >= outcome.buckets
        if all_read:
            self._late.clear()
        for key in there & now.keys():
            row, kept = now[key], after[key]
            if isinstance(self.settled(row), str):
                self._late.add(key)
            if kept.punch is None or key in self._late or not self.office.sees_all:
                continue
            state, verify, work_code, manual = map(int, kept.content.split())
            assert (state, verify, work_code) == (row.state, row.verify, row.work_code)
            if all_read:
                assert manual == row.manual

    def dry_run(self) -> None:
        """See that a dry run changes nothing, and tells what the next visit does."""
        before = _dump(self.path)
        told = self.visit(writes=False)
        assert told is not None
        assert _dump(self.path) == before
        known = self.punches().keys()
        done = self.visit()
        if told.complete and done is not None and done.complete:
            held = look(self.path, "SELECT id FROM punch WHERE hold IS NOT NULL")
            new = self.punches().keys() - known - {id_ for (id_,) in held}
            assert {event.id for event in told.would_send} == new


def _shown(device: str, user: str, time: str) -> Shown:
    return device, user, int((datetime.fromisoformat(time[:19]) - START).total_seconds())


def _dump(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        return hashlib.sha256("\n".join(db.iterdump()).encode()).hexdigest()
