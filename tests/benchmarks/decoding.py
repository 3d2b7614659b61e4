"""Records into punches: ours, pyzk's and a bare pass over the same bytes."""

from __future__ import annotations

from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any

from zk import ZK

from tests.benchmarks.measure import Figure, best_of
from zkpoll.pull.layouts import LAYOUTS
from zkpoll.simulator import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = 100_000
_FIELDS = Struct("<H24sBIB8s")


class _Fed(ZK):  # type: ignore[misc]  # pyzk has no types
    """pyzk, with the bytes at hand: what is left is its decoding."""

    def __init__(self, log: bytes) -> None:
        super().__init__("127.0.0.1", ommit_ping=True)
        self._ZK__sock.close()
        self._table = len(log).to_bytes(4, "little") + log
        self.records = len(log) // 40

    def read_sizes(self) -> bool:
        return True

    def get_users(self) -> list[Any]:
        return []

    def read_with_buffer(self, *_request: int) -> tuple[bytes, int]:
        return self._table, len(self._table)


def figures() -> Iterator[Figure]:
    """Measure decoding."""
    log = b"".join(Terminal.with_samples(2 * RECORDS, users=300).log)
    once, twice = log[: 40 * RECORDS], log
    decode = LAYOUTS[40].decode
    ours = best_of(9, partial(decode, once, {}))
    bare = best_of(7, partial(_bare_pass, once))
    pyzk = best_of(1, _Fed(once).get_attendance)
    double = best_of(9, partial(decode, twice, {}))
    faster, slower = pyzk / ours, ours / bare
    yield Figure("decoding 100,000 records: faster than pyzk's get_attendance", faster, "x", "at least", 40)
    yield Figure("decoding 100,000 records: slower than a bare iter_unpack", slower, "x", "at most", 15)
    yield Figure("decoding 200,000 records against 100,000", double / ours, "x", "at most", 2.3)


def _bare_pass(log: bytes) -> None:
    for _fields in _FIELDS.iter_unpack(log):
        pass
