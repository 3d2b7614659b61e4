"""A process that opens new journals at the very moments at which others do.

    python -m tests.journal.opener FOLDER START

From `START` (seconds since the epoch) on, it opens `ROUNDS` journals in `FOLDER`, one each `PAUSE` seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox

ROUNDS = 20
PAUSE = 0.05


def main(folder: Path, start: float) -> None:
    """Open all journals and leave a dashboard in each."""
    for number in range(ROUNDS):
        while time.time() < start + number * PAUSE:
            pass
        with open_journal(folder / f"{number}.db") as journal:
            JournalOutbox(journal, "main")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
