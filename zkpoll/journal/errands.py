"""Errands of workers: which are due, sent, taken and done. The journal remembers what a broker may forget.

    claim      it was due, and is this dispatcher's to send: each is claimed by one of several at once
    give back  it could not be sent: due again
    take       it is this worker's: a sending is taken once, whatever the broker doubles
    done       its taking has ended; one that was killed never says so, and the next sending is taken anew

A sending is named by `until`, the end of the span in which it was sent. An errand is due where there is no
sending, where the last one is over, and where it lies beyond this span: then a clock was put back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from zkpoll.journal.database import now as present
from zkpoll.model.errand import Errand, ErrandStanding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.journal.database import Journal

T = TypeVar("T")
_AT_ONCE: Final = 1_000
"""Errands in one transaction: others wait some 20 ms for it, and the way to a server."""


def claim(journal: Journal, wanted: Mapping[Errand, str], now: datetime, until: datetime) -> list[Errand]:
    """Claim those of the `wanted` errands that are due, and return them, in order of their subjects.

    Each has the digest of its settings, without spaces at the end. `now` is UTC, and `until` the end of the
    span it lies in. Transactions of its own: what was claimed before one that fails is due in the next span.
    """
    length = max(map(len, wanted.values()), default=0)
    values = sorted((errand.subject, digest.ljust(length)) for errand, digest in wanted.items())
    claimed: list[Errand] = []
    for some in _batched(values):
        incoming = [digest + subject for subject, digest in some]
        with journal.transaction():
            rows = journal.look_up(
                "claim_errands", incoming, length=length, now=_text(now), until=_text(until)
            )
        found = {subject for (subject,) in rows}
        claimed += [Errand.of(subject) for subject, _ in some if subject in found]
    return claimed


def give_back(journal: Journal, errands: Iterable[Errand], until: datetime) -> None:
    """Let errands that were claimed until then, and could not be sent, be due again.

    One that was taken nevertheless was sent. Transactions of its own.
    """
    for some in _batched([one.subject for one in errands]):
        with journal.transaction():
            journal.run_over("give_errands_back", some, until=_text(until))


def sent_with(journal: Journal, errand: Errand, until: datetime) -> str | None:
    """Return the digest of the settings a sending was claimed with.

    None where it was taken, or is not the last one.
    """
    row = journal.one("errand_sent_with", subject=errand.subject, until=_text(until))
    return row[0] if row else None


# A worker's two words are one statement each, which is a transaction by itself: on a server it waits for
# nobody else's, and costs one way. With the lock of all writers, which is held for two ways, a server that is
# 50 ms away would take ten of them a second.


def take(journal: Journal, errand: Errand, until: datetime, by: str, now: datetime) -> bool:
    """Take a sending of an errand; say whether it was the last one, and nobody's.

    No clock takes part. It is on disk when this returns.
    """
    return bool(journal.run("take_errand", subject=errand.subject, until=_text(until), by=by, now=_text(now)))


def done(journal: Journal, errand: Errand, until: datetime, by: str, now: datetime, outcome: str) -> bool:
    """Write down how a taking ended; say whether it was still that one's. It is on disk when this returns."""
    return bool(
        journal.run(
            "end_errand", subject=errand.subject, until=_text(until), by=by, now=_text(now), outcome=outcome
        )
    )


def standings(journal: Journal) -> tuple[ErrandStanding, ...]:
    """Return how all errands stand, in order of their subjects."""
    return tuple(
        ErrandStanding(
            Errand.of(subject),
            datetime.fromisoformat(sent_at),
            _time(until),
            datetime.fromisoformat(waits_since),
            _time(taken),
            _time(taken_at),
            taken_by,
            _time(done_at),
            outcome,
        )
        for subject, sent_at, until, waits_since, taken, taken_at, taken_by, done_at, outcome in sorted(
            journal.all("errands")
        )
    )


def forget_but(journal: Journal, errands: Iterable[Errand]) -> None:
    """Forget all other errands: what they were for has left the inventory. Transactions of its own.

    One that was sent stays until its span is over: while an inventory changes from host to host, one that is
    behind does not make it due again each time.
    """
    kept = {one.subject for one in errands}
    gone = [row[0] for row in journal.all("errands") if row[0] not in kept]
    for some in _batched(gone):
        with journal.transaction():
            journal.run_over("forget_errands", some, now=present())


def _batched(values: list[T]) -> Iterable[list[T]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def _text(time: datetime) -> str:
    """Return a time as all are written here, so that their order is that of the texts."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
