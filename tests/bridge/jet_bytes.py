"""Changes to the bytes of Access files (Jet 4 and later) that no library makes. From the published facts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = 4096
COLUMN: Final = 25
"""Bytes of a column in a table's definition."""


def move_column(path: Path, *, gone: str, moved: str) -> None:
    """Drop the column `gone` of the table that has both from its definition, and name `moved` in its place.

    This is what the vendor left of CHECKINOUT: WorkCode was dropped and made again behind sn, keeps the
    number and the slot of a late column, and is named before sn. The definition fits into one page.
    """
    data = bytearray(path.read_bytes())
    for start in range(0, len(data), PAGE):
        page = bytes(data[start : start + PAGE])
        if page[0] == 2 and {gone, moved} <= {name for name, _ in _columns(page)}:
            data[start : start + PAGE] = _moved(page, gone, moved)
    path.write_bytes(data)


def _columns(page: bytes) -> list[tuple[str, bytes]]:
    """Return the names and descriptions of the columns of a definition, in its order."""
    count, indexes = struct.unpack_from("<H", page, 45)[0], struct.unpack_from("<I", page, 51)[0]
    at = 63 + 12 * indexes
    described = [bytes(page[at + COLUMN * n : at + COLUMN * (n + 1)]) for n in range(count)]
    at += COLUMN * count
    found = []
    for one in described:
        (length,) = struct.unpack_from("<H", page, at)
        found.append((page[at + 2 : at + 2 + length].decode("utf-16-le"), one))
        at += 2 + length
    return found


def _moved(page: bytes, gone: str, moved: str) -> bytes:
    columns = _columns(page)
    size = sum(len(one) + 2 + 2 * len(name) for name, one in columns)
    names = [name for name, _ in columns]
    (late,) = (one for one in columns if one[0] == moved)
    kept = [one for one in columns if one[0] != moved]
    kept[names.index(gone)] = late
    begins = 63 + 12 * struct.unpack_from("<I", page, 51)[0]
    body = b"".join(one for _, one in kept)
    for name, _ in kept:
        body += struct.pack("<H", 2 * len(name)) + name.encode("utf-16-le")
    rest = page[begins + size :]
    new = bytearray(page[:begins] + body + rest)
    shorter = size - len(body)
    struct.pack_into("<H", new, 45, len(kept))
    struct.pack_into("<I", new, 8, struct.unpack_from("<I", page, 8)[0] - shorter)
    return bytes(new + bytes(PAGE - len(new)))


def page_key_set(header: bytes, key: bytes) -> bytes:
    """Given the first page of a file, return it with the key of the pages' cipher set.

    From 0x18 on, 128 bytes are encrypted by a key that all files share; within, the page key is at 0x3E.
    """
    shared = _keystream(bytes.fromhex("c7da396b"), 128)
    at = 0x3E - 0x18
    masked = bytes(one ^ other for one, other in zip(key, shared[at : at + 4], strict=True))
    return header[:0x3E] + masked + header[0x42:]


def _keystream(key: bytes, length: int) -> bytes:
    """Return so many bytes of RC4's stream."""
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    stream = bytearray()
    i = j = 0
    for _ in range(length):
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        stream.append(state[(state[i] + state[j]) % 256])
    return bytes(stream)
