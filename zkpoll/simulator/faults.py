"""The faults of a virtual terminal, and how often each happens.

`Faults` is a frozen list of wishes, all off. `FaultInjector` carries them out and counts. Faults last for
as long as they are set, across connections, unless they say how many times they happen: a client that
tries again must meet them again. Counting starts anew whenever a terminal is given other faults.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal

from zkpoll.simulator.wire import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Instead:
    """The answer in place of the usual one to a command: another code, or none."""

    command: int
    code: int | None = None
    """The reply code; None for no answer at all."""
    first: int = 1
    """From the n-th time this command comes."""
    times: int | None = None
    """For how many times; None for ever."""
    carried_out: bool = False
    """Whether the command is carried out all the same: its answer alone is lost."""
    cut: bool = False
    """Whether the client is cut off, without an answer: TCP closes, over UDP its session is forgotten."""

    def hits(self, command: int, turn: int) -> bool:
        """Return whether the `turn`-th `command` is met."""
        end = None if self.times is None else self.first + self.times
        return command == self.command and self.first <= turn and (end is None or turn < end)


def never(command: int, *, first: int = 1, times: int | None = None, carried_out: bool = False) -> Instead:
    """Return the fault of never answering `command`."""
    return Instead(command, None, first, times, carried_out)


def cut(command: int, *, first: int = 1, times: int | None = None, carried_out: bool = False) -> Instead:
    """Return the fault of cutting the client off when `command` comes."""
    return Instead(command, None, first, times, carried_out, cut=True)


def refuse(
    command: int, code: int = Command.ACK_ERROR, *, first: int = 1, times: int | None = None
) -> Instead:
    """Return the fault of answering `command` with `code`, without carrying it out."""
    return Instead(command, code, first, times)


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a terminal. Shares are between 0 and 1; frames and datagrams are numbered from 1."""

    seed: int = 1
    """The seed of everything random here."""

    # Commands
    instead: tuple[Instead, ...] = ()
    mute: bool = False
    """Accepts connections, never answers."""
    final_ack: Literal["sent", "missing", "late", "early"] = "sent"
    """The ACK_OK behind streamed data: `late` comes in front of the next answer (K40), `early` in
    front of the last DATA (seen over UDP)."""
    legacy_rubbish: bool = False
    """Command 13 streams the right number of bytes, which are not the log (K40, Z40)."""
    events: tuple[int, ...] = ()
    """Commands whose answers are preceded by a realtime event (command 500)."""
    event_reply_id: int = 0
    session_rubbish: bool = False
    """The session field holds anything, except in the answer to CONNECT."""
    wants_key_late: bool = False
    """CONNECT is accepted although a comm key is due; what comes then is answered with 2005."""
    session_zero: bool = False
    """Every session has the number 0."""
    lays_out_nothing: bool = False
    """1503 lays out a log of no records, whatever it holds (SCR100, WL20)."""
    hands_out_once: bool = False
    """The log is read out from the first record on that was not read out before."""
    repeats_last: bool = False
    """The last frame that was sent comes again, in front of each answer."""
    ignores_disable: bool = False
    """People go on punching after DISABLEDEVICE."""
    ignores_clear: bool = False
    """CLEAR_ATTLOG is acknowledged and does nothing (Granding 5000T-C)."""
    keeps_seat: bool = False
    """A connection closed without EXIT leaves its seat taken, until `Terminal.restart`."""
    sizes_records: int | None = None
    """The number of records told by GET_FREE_SIZES (0: SpeedFace); None tells the truth."""
    sizes_stale: int = 0
    """By how many records that number is behind."""
    old_memory: bool = False
    """Bytes that mean nothing hold old memory, which differs from one read to the next."""

    # Bells: realtime events of punches. `refuse(Command.REG_EVENT)` is a terminal that knows none, `events`
    # one that rings during a read.
    rings_no_bell: bool = False
    """Whoever registers is told yes, and of no punch ever."""
    loses_every_bell: int | None = None
    """Every n-th event is not sent; 1 is all of them."""
    rings_twice: bool = False
    """Each event is sent two times."""
    cuts_every_bell: int | None = None
    """Instead of every n-th event the client is cut off: TCP closes, over UDP its session is forgotten."""
    mute_after_restart: bool = False
    """A session from before `Terminal.restart` gets no answer any more, and no word (pyzk issue 42)."""

    # Any transport
    delay: float = 0.0
    """Seconds before each answer."""
    bandwidth: int | None = None
    """Bytes a second."""
    damage: frozenset[int] = frozenset()
    """Frames with one byte inverted behind the checksum's back."""
    damage_share: float = 0.0
    wrong_checksums: bool = False
    """Every frame is whole, and its checksum is another one."""

    # TCP
    cut: int | None = None
    """Bytes in each write."""
    random_cuts: bool = False
    """Writes of 1 to 256 bytes."""
    gap: float = 0.0
    """Seconds between writes, without which the network may join them again."""
    drip_after: int | None = None
    """A command that is answered a byte at a time, as is all that comes behind it in its connection."""
    drip: float = 0.9
    """Seconds between those bytes."""
    join: bool = False
    """All frames of an answer in one write."""
    hang_up_after: int | None = None
    """Bytes after which the terminal closes the connection."""
    hang_up_times: int | None = None
    """How many connections that happens to; None for all."""

    # UDP
    drop: frozenset[int] = frozenset()
    drop_share: float = 0.0
    duplicate: frozenset[int] = frozenset()
    duplicate_share: float = 0.0
    swap: frozenset[int] = frozenset()
    """Datagrams that change places with the next one of the same answer."""
    swap_share: float = 0.0


class FaultInjector:
    """Carries out `Faults`: counts frames and commands, and spoils those whose turn it is."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._random = Random(faults.seed)
        self._turns: Counter[int] = Counter()
        self._frames = 0
        self._datagrams = 0
        self._bells = 0
        self._hung_up = 0

    def instead(self, command: int) -> Instead | None:
        """Count `command`, and return the answer in place of its own, if there is one."""
        self._turns[command] += 1
        turn = self._turns[command]
        return next((one for one in self.faults.instead if one.hits(command, turn)), None)

    def bells(self) -> int | None:
        """Count an event, and return how often it is sent; None where its client is cut off instead."""
        self._bells += 1
        faults = self.faults
        if faults.cuts_every_bell and self._bells % faults.cuts_every_bell == 0:
            return None
        lost = faults.loses_every_bell and self._bells % faults.loses_every_bell == 0
        return 0 if faults.rings_no_bell or lost else 1 + faults.rings_twice

    def rubbish(self, size: int) -> bytes:
        """Return `size` random bytes."""
        return self._random.randbytes(size)

    def damaged(self, payload: bytes) -> bytes:
        """Count a frame, and return its payload with the last byte inverted if it is its turn."""
        self._frames += 1
        if self.faults.wrong_checksums:
            payload = payload[:2] + bytes([payload[2] ^ 0xFF]) + payload[3:]
        if not self._hit(self._frames, self.faults.damage, self.faults.damage_share):
            return payload
        return payload[:-1] + bytes([payload[-1] ^ 0xFF])

    def writes(self, frames: Sequence[bytes], *, dripping: bool = False) -> Iterator[bytes]:
        """Yield the bytes of `frames` in the writes that carry them over TCP; single ones where it drips."""
        whole = [b"".join(frames)] if self.faults.join else frames
        for data in whole:
            position = 0
            while position < len(data):
                size = 1 if dripping else self._write_size()
                yield data[position : position + size]
                position += size

    def _write_size(self) -> int:
        if self.faults.random_cuts:
            return self._random.randint(1, 256)
        if self.faults.cut:
            return self.faults.cut
        # A tenth of a second's worth at a time makes a slow line, not a burst and a silence.
        return max(1, self.faults.bandwidth // 10) if self.faults.bandwidth else 1 << 30

    def datagrams(self, payloads: Sequence[bytes]) -> list[bytes]:
        """Return the datagrams of an answer as the network delivers them."""
        order = list(payloads)
        numbers = range(self._datagrams, self._datagrams + len(order))
        self._datagrams += len(order)
        faults = self.faults
        for place, number in enumerate(numbers[:-1], 1):
            if self._hit(number + 1, faults.swap, faults.swap_share):
                order[place - 1 : place + 1] = order[place], order[place - 1]
        arrived: list[bytes] = []
        for number, payload in zip(numbers, order, strict=True):
            if not self._hit(number + 1, faults.drop, faults.drop_share):
                copies = 1 + self._hit(number + 1, faults.duplicate, faults.duplicate_share)
                arrived += [payload] * copies
        return arrived

    def may_send(self, sent: int) -> int | None:
        """Given the bytes a connection has sent, return how many more it may; None for any."""
        limit, times = self.faults.hang_up_after, self.faults.hang_up_times
        if limit is None or (times is not None and self._hung_up >= times):
            return None
        return max(0, limit - sent)

    def hung_up(self) -> None:
        """Count a connection that was cut off."""
        self._hung_up += 1

    def _hit(self, number: int, chosen: frozenset[int], share: float) -> bool:
        return number in chosen or (share > 0 and self._random.random() < share)
