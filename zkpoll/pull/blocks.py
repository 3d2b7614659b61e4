"""The numbered blocks of one UDP stream, put into place. Pure.

A device answers a read with DATA datagrams whose session field counts 0, 1, 2 ... All but the last have one
length, known to the device alone. Source: published captures of two UDP terminals (blocks of 1024 bytes,
counters 0-5 and up to 123). Others put something else there: a constant, or a byte count.
"""

from __future__ import annotations


class Blocks:
    """Collects the blocks of a stream of `size` bytes and puts them into place."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._received: dict[int, bytes] = {}
        self._length = 0
        self._contradicted = False  # two blocks claim one place: what this device counts is not blocks

    def add(self, number: int, data: bytes) -> None:
        """Take one block. The same block twice is one block."""
        if number not in self._received:
            self._received[number] = data
            self._length += len(data)
        elif self._received[number] != data:
            self._contradicted = True

    @property
    def full(self) -> bool:
        """Whether waiting for more is of no use: all bytes are here, or the counting is no counting."""
        return self._length >= self._size or self._contradicted

    @property
    def longest(self) -> int:
        """Length of the longest block received, in bytes; 0 when there is none."""
        return max(map(len, self._received.values()), default=0)

    def whole(self) -> bytes | None:
        """Return the stream if every byte of it is proved to be in its place, else None."""
        if self._length != self._size or self._contradicted:
            return None
        if len(self._received) > 1 and not self.placed():
            return None
        return b"".join(data for _, data in sorted(self._received.items()))

    def placed(self) -> list[tuple[int, bytes]]:
        """Return (offset, bytes) of the blocks whose place is certain, in order.

        The numbers are believed once they prove two things. They count by ones: two neighbours came. They
        count from 0: block 0 came, or a last block that is shorter than the others and so has one place only.
        """
        if self._contradicted or not any(number + 1 in self._received for number in self._received):
            return []
        first, last = min(self._received), max(self._received)
        length = len(self._received[first])
        if first != 0 and len(self._received[last]) == length:
            return []
        blocks = [(number * length, data) for number, data in sorted(self._received.items())]
        fits = all(0 < len(data) == min(length, self._size - offset) for offset, data in blocks)
        return blocks if fits else []


def gaps(placed: list[tuple[int, bytes]], size: int) -> list[tuple[int, int]]:
    """Given blocks in order of offset, return the (offset, size) runs of 0..`size` they leave open."""
    missing = []
    at = 0
    for offset, data in placed:
        if offset > at:
            missing.append((at, offset - at))
        at = offset + len(data)
    if at < size:
        missing.append((at, size - at))
    return missing
