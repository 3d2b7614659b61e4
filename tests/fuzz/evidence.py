"""Whether a terminal has really said what is in the journal: its records looked for among the bytes it sent.

Written from the published layouts, not by the decoders.
"""

from __future__ import annotations

import re
from itertools import product
from struct import unpack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.look import look
from zkpoll.simulator import Command
from zkpoll.simulator.wire import unpack_time

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zkpoll.simulator import WireFrame

_LONGEST: Final = 49
"""Bytes of a record, at most."""
_ANY_TAIL: Final = b"[\\s\\S]"


class Kept(NamedTuple):
    """A punch in the journal."""

    canonical: bytes
    user_id: str
    timestamp: str
    verify: int
    state: int
    work_code: int
    key: str


def kept(journal: Path) -> list[Kept]:
    """Return every punch in a journal."""
    rows = look(
        journal,
        "SELECT bytes, user_id, timestamp, verify, state, work_code, key"
        " FROM punch JOIN device ON device.id = punch.device JOIN form ON form.punch = punch.seq",
    )
    return [Kept(*row) for row in rows]


def check_punches(journal: Path, said: Iterable[tuple[object, WireFrame]]) -> None:
    """Assert that a terminal sent each punch and each record in quarantine, and told the device's key."""
    said = list(said)
    sent = _Sent(said)
    serials = set(filter(None, (_serial_in(frame) for _, frame in said)))
    for punch in kept(journal):
        assert punch.key in serials, punch
        assert _as_published(punch), punch
        assert sent.has(_pattern(punch.canonical)), punch
    for (raw,) in look(journal, "SELECT raw FROM quarantine"):
        assert sent.has(_pattern(raw) if _is_short(raw) else [re.escape(bytes([one])) for one in raw]), raw


def _serial_in(frame: WireFrame) -> str | None:
    name, _, value = frame.data.partition(b"\0")[0].partition(b"=")
    told = frame.command == Command.ACK_OK and name == b"~SerialNumber"
    return value.decode("latin-1").strip() if told else None


def _as_published(punch: Kept) -> bool:
    """Say whether a punch is what the layouts say of its bytes."""
    data = punch.canonical
    match len(data):
        case 8:  # the user id is the user table's
            _, flags, _, time = unpack("<HBBI", data)
            fields: tuple[Any, ...] = (punch.user_id, flags >> 3 & 3, flags >> 5, 0)
        case 16:
            user, time, state, verify, _, work_code = unpack("<IIBBHI", data)
            fields = str(user), verify, state, work_code
        case 22:
            _, text, _, _, time, state, _ = unpack("<H6s4sBIB4s", data)
            fields = text.rstrip(b"\0").decode(), 0, state, 0
        case _:
            _, text, verify, time, state = unpack("<H24sBIB", data[:32])
            fields = text.rstrip(b"\0").decode(), verify, state, punch.work_code  # which has no part in it
    shown = unpack_time(time).isoformat()
    return fields == (punch.user_id, punch.verify, punch.state, punch.work_code) and (
        punch.timestamp.startswith(shown)
    )


def _pattern(canonical: bytes) -> list[bytes]:
    """Return a pattern of each byte of a record as it may have come: what means nothing may be anything."""
    pattern = [re.escape(bytes([one])) for one in canonical]
    match len(canonical):
        case 22:
            _free(pattern, 0, 2)
            _free_behind_nul(pattern, canonical, 2, 8)
        case 40 | 49:
            _free_behind_nul(pattern, canonical, 2, 26)
            _free(pattern, 32, 40)
            if len(canonical) == 49:
                _free_behind_nul(pattern, canonical, 41, 49)
        case 8 | 16:
            pass
    if len(canonical) == 16:
        _free(pattern, 10, 12)
    if _is_short(canonical):
        del pattern[4:]  # its time is that of another record, and more
    return pattern


def _is_short(canonical: bytes) -> bool:
    """Say whether these bytes are of a record of 4 bytes."""
    return len(canonical) == 8 and bool(canonical[2] & 4) and canonical != b"\xff" * 8


def _free(pattern: list[bytes], start: int, end: int) -> None:
    pattern[start:end] = [_ANY_TAIL] * (end - start)


def _free_behind_nul(pattern: list[bytes], canonical: bytes, start: int, end: int) -> None:
    nul = canonical.find(b"\0", start, end)
    if nul != -1:
        _free(pattern, nul + 1, end)


class _Sent:
    """All the bytes of tables that were sent."""

    def __init__(self, said: list[tuple[object, WireFrame]]) -> None:
        blocks = [(who, frame) for who, frame in said if frame.command == Command.DATA and frame.data]
        answers: dict[tuple[object, int], list[WireFrame]] = {}
        for who, frame in blocks:
            answers.setdefault((who, frame.reply_id), []).append(frame)
        by_answer = [b"".join(frame.data for frame in frames) for frames in answers.values()]
        by_number = [
            b"".join(frame.data for frame in sorted(frames, key=lambda one: one.session))
            for frames in answers.values()
        ]
        self._whole = b"\n".join([*by_answer, b"".join(by_answer), *by_number, b"".join(by_number)])
        self._pieces = list(dict.fromkeys(frame.data for _, frame in blocks))

    def has(self, pattern: list[bytes]) -> bool:
        """Say whether bytes of this pattern were sent, in one piece, or cut between any two."""
        whole = re.compile(b"".join(pattern))
        if whole.search(self._whole):
            return True
        # Datagrams may come in any order, and be placed by their numbers.
        seams = (one[-_LONGEST:] + other[:_LONGEST] for one, other in product(self._pieces, repeat=2))
        return any(whole.search(seam) for seam in seams)
