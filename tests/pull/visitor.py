"""One visit as a process of its own, whose memory can be measured: `python -m tests.pull.visitor`.

Given host, port, transport and what to read (`log` or `users`), writes as JSON how it ended and the most
memory it held. Where it asks for far more than it may have, it gets none.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zkpoll.errors import ZkpollError
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.reader import Target, read_log, read_users
from zkpoll.pull.session import Session

if TYPE_CHECKING:
    from zkpoll.model.log import Slice

ADDRESS_SPACE: Final = 1 << 30
"""Bytes; far more than any visit needs, and less than would harm the machine."""
LIMIT: Final = 20.0
"""Seconds of a visit."""


class Forgetful:
    """A sink that counts the records it is handed."""

    def __init__(self) -> None:
        self.records = 0

    def take(self, piece: Slice) -> None:
        """Count the records of `piece`."""
        self.records += piece.records


def peak() -> int:
    """Return the most bytes of memory that this process held; unlike `ru_maxrss`, not its parent's."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def main(host: str, port: str, transport: str, what: str) -> None:
    """Visit, and write what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    address, sink, error = Address(host, int(port), transport), Forgetful(), ""
    try:
        with Session(address, limits=Limits(3, LIMIT)) as session:
            if what == "log":
                session.serial_number()
                read_log(session, Target(address, UTC, timeout=3, visit_limit=LIMIT), None, sink)
            else:
                sink.records = len(read_users(session))
    except (ZkpollError, MemoryError) as failure:
        error = f"{type(failure).__name__}: {failure}"
    json.dump({"peak": peak(), "error": error, "records": sink.records}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
