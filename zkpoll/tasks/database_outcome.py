"""The result of a database's part of a run. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Damaged, OverLimit
from zkpoll.model.report import BUG, Notice, Trouble
from zkpoll.model.sums import BridgeTally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.model.bridged import AsideReason
    from zkpoll.model.punch import Event

DATABASE: Final = "database "
"""What the subjects of databases begin with."""
Asides = Mapping["tuple[AsideReason, str]", int]
"""How many rows are set aside newly, by reason and detail."""
_COUNTED: Final = frozenset((Damaged.kind, OverLimit.kind))
"""Kinds whose sentences count pages and buckets, which change while the trouble stays the same."""
_MANY: Final = 0.2
"""The share of its rows that a table does not lose by hand: then it was cleared, or is another one."""


@dataclass(frozen=True, slots=True)
class DatabaseOutcome:
    """The result of a database's part of a run."""

    name: str
    kind_of_database: str
    """`att2000` ..."""
    address: str
    tally: BridgeTally = field(default_factory=BridgeTally)
    """The sum over the rows read, also of a visit that broke off."""
    complete: bool = False
    """Whether all that differed was read."""
    rows: int | None = None
    """Rows of it that the journal knows and that are there, after the visit."""
    buckets: int = 0
    """Buckets it has."""
    buckets_read: int = 0
    in_motion: int = 0
    """Buckets that changed while they were read, left for the next run."""
    problem: str | None = None
    """One sentence; None when all is well."""
    kind: str | None = None
    """The kind of the failure, or None."""
    seconds: float = 0.0
    renumbered: int = 0
    """Badges that another number of the program has now."""
    asides: Asides = field(default_factory=dict)
    """The rows set aside newly, by reason and detail."""
    would_send: tuple[Event, ...] = ()
    """New punches that a dry run would have journalled, and sent."""

    @property
    def subject(self) -> str:
        """The subject of its trouble and its notices."""
        return f"{DATABASE}{self.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble that needs a person's attention for as long as it lasts, or None."""
        if self.problem:
            return Trouble(self.kind if self.kind in _COUNTED and self.kind else self.problem, self.problem)
        if self.tally.difference:
            text = f"{self.tally.difference} rows read are nowhere; this is a bug, please report it"
            return Trouble(BUG, text)
        return None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The events of this visit that a person should know of."""
        return tuple(notices_of_rows(self.name, self.tally, self.asides, self.renumbered, self.rows))


def notices_of_rows(
    name: str, tally: BridgeTally, asides: Asides, renumbered: int, rows: int | None
) -> Iterator[Notice]:
    """Yield the notices of what became of a database's rows.

    `asides` are those set aside newly, `renumbered` the badges that have another number; `rows` are those
    that are there still, None where that is not known.
    """
    if renumbered:
        who = _number(renumbered, "person has", "people have")
        yield Notice(
            f"{who} another number there than before: it was rebuilt or replaced; rows are known by badge and"
            " second in this visit"
        )
    if tally.sudden:
        punches = _number(tally.sudden, "new punch is", "new punches are")
        yield Notice(
            f"{punches} held, as most of their seconds are known under other user ids: other badges were put"
            " in place there; see `zkpoll outbox list --held`"
        )
    changes = f"see `zkpoll databases changes {name}`"
    if tally.gone:
        few = rows is None or tally.gone <= _MANY * (tally.gone + rows)
        why = "" if few else ": it was cleared or replaced"
        gone = _number(tally.gone, "row is", "rows are")
        yield Notice(f"{gone} gone{why}; what was sent stays as it is; {changes}")
    if tally.changed:
        edited = (
            "1 row was edited after it was"
            if tally.changed == 1
            else f"{tally.changed:,} rows were edited after they were"
        )
        yield Notice(f"{edited} read; what was sent first stays; {changes}")
    if tally.other_state:
        punches = _number(tally.other_state, "punch has", "punches have")
        yield Notice(f"{punches} another state there than at the terminal; the one that came first stays")
    reasons = Counter[str]()
    for (reason, detail), number in sorted(asides.items()):
        reasons[why_aside(reason, detail)] += number
    for why, number in reasons.items():
        text = f"{_number(number, 'row is', 'rows are')} set aside: {why}"
        yield Notice(f"{text}; see `zkpoll quarantine list`")
    if tally.held_manual:
        text = _number(tally.held_manual, "row that a person typed in is", "rows that a person typed in are")
        yield Notice(f"{text} held, not sent", harmless=True)
    if tally.held_since:
        text = _number(tally.held_since, "row older than since: is", "rows older than since: are")
        yield Notice(f"{text} held, not sent", harmless=True)


def why_aside(reason: AsideReason, detail: str) -> str:
    """Return why rows are set aside, and what to do."""
    match reason:
        case "no serial":
            return f"machine {detail} has no serial number here; name it in machines:"
        case "ambiguous serial":
            return f"machine {detail} has several serial numbers here; name the right one in machines:"
        case "no person":
            return "nobody there has the number they name; they are tried again when people change"
        case "no user id":
            return "they have no user id that could be sent"
        case "absurd time":
            return "they have no date from 2000 to 2199"


def _number(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many}"
