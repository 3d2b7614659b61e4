"""Records into punches: ours, pyzk's and a bare pass over the same bytes."""

from __future__ import annotations

from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from zk import ZK

from tests.benchmarks.measure import Row, in_turns
from zkpoll.pull.layouts import LAYOUTS
from zkpoll.simulator import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Scale

_FIELDS: Final = Struct("<H24sBIB8s")


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


def rows(scale: Scale) -> Iterator[Row]:
    """Measure decoding."""
    count = scale.records
    log = b"".join(Terminal.with_samples(2 * count, users=300).log)
    once, twice = log[: 40 * count], log
    decode = LAYOUTS[40].decode
    took = in_turns(
        2 * scale.turns + 1,
        ours=partial(decode, once, {}),
        bare=partial(_bare_pass, once),
        double=partial(decode, twice, {}),
    )
    if not scale.short:
        pyzk = in_turns(1, pyzk=_Fed(once).get_attendance)["pyzk"]
        yield Row(f"decoding {count:,} records: pyzk", took["ours"], peer=pyzk, target=0.025)
    yield Row(f"decoding {count:,} records: a bare iter_unpack", took["ours"], floor=took["bare"], target=15)
    yield Row(f"decoding {2 * count:,} records: half as many", took["double"], peer=took["ours"], target=2.3)


def _bare_pass(log: bytes) -> None:
    for _fields in _FIELDS.iter_unpack(log):
        pass
