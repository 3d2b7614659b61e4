"""A process to be killed: it takes slice after slice of an endless log, and delivers.

    python -m tests.journal.writer JOURNAL

After every slice and every confirmation it says what is on disk: `punches confirmed`.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from tests.journal.helpers import piece, punches, visit
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import SentRequest, Settled


def main(path: Path) -> None:
    """Journal and deliver until killed."""
    with open_journal(path) as journal:
        outboxes = [JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")]
        ledger = visit(journal)
        watermark = ledger.watermark()
        end, confirmed = watermark.count if watermark else 0, outboxes[0].counts().confirmed
        while True:
            count = random.randint(1, 400)
            ledger.take(piece(*punches(count, first=end), end=end + count))
            end += count
            print(end, confirmed, flush=True)  # noqa: T201  # for the one who kills us
            ids = tuple(event.id for event in outboxes[0].next(300).events)
            outboxes[0].send(SentRequest(ids))
            outboxes[0].settle(Settled(ids))
            confirmed += len(ids)
            print(end, confirmed, flush=True)  # noqa: T201  # for the one who kills us


if __name__ == "__main__":
    main(Path(sys.argv[1]))
