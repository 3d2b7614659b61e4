"""The kind of a virtual terminal: real ones differ in these without anything being wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from zkpoll.simulator.wire import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPACITY: Final = 100_000
"""Records; many units are sold with this."""


@dataclass(frozen=True, slots=True)
class Model:
    """The kind of a terminal."""

    layout: int = 40
    """Width in bytes of a log record: 8, 16, 22, 40 or 49."""
    short_records: bool = False
    """Whether a record of 8 bytes is one of 4 where it is within 17 minutes of the last one of 8."""
    user_width: int | None = None
    """Width in bytes of a user record: 16, 28 or 72; None goes by the layout."""
    second_ids: bool = True
    """Whether a user record of 28 bytes has an id besides its slot; else the slot is the id."""
    serial: str | None = "CQZ7224760045"
    """None for a unit that does not tell one."""
    comm_key: int = 0
    """0 for none."""
    capacity: int = CAPACITY
    """Records."""
    when_full: Literal["stop", "drop", "overwrite"] = "stop"
    """A full log takes no more punches, drops its oldest records, or overwrites them in place."""
    drop_count: int = 1
    """How many oldest records `drop` takes away at once (1 to 999 on a TA500)."""
    user_capacity: int = 10_000
    finger_capacity: int = 3_000
    operations: int = 7
    """Entries of the operation log, as GET_FREE_SIZES tells them."""
    sizes: int | None = 92
    """Width in bytes of that answer: 92, 80, 112 or 4; None refuses it."""
    seats: int = 1
    """TCP clients at a time."""
    when_taken: Literal["silent", "reset"] = "silent"
    """The answer to a further client's CONNECT: none, or a connection reset."""
    inline_limit: int = 1008
    """Bytes: a table that fits comes at once in answer to 1503."""
    block_size: int | None = None
    """Bytes in a DATA frame over TCP (1008 and 1024 were seen); None for one frame a slice."""
    gap: float = 0.0
    """Seconds between frames over TCP. Some clients look at one frame a read (zkteco-js, node-zklib)."""
    event_width: int | None = None
    """Bytes of a realtime event: 10, 12, 14, 32, 36, 37 or 52; None goes by the layout."""
    final_ack_field: Literal["block", "bytes"] = "bytes"
    """The session field of a stream's last ACK_OK: number of the last block, or bytes sent."""
    empty_log: Literal["error", "table"] = "error"
    unknown_option: int = Command.ACK_ERROR
    """2001, or 0xffff as on a D2."""
    firmware: str = "Ver 6.60 Nov 22 2019"
    options: Mapping[str, str] = field(default_factory=dict)
    """Options besides the usual ones, or in their place."""

    @property
    def bytes_a_user(self) -> int:
        """Width of a user record."""
        return self.user_width or (28 if self.layout in {8, 16} else 72)

    @property
    def bytes_an_event(self) -> int:
        """Width of a realtime event: 12 where ids are numbers."""
        return self.event_width or (12 if self.layout in {8, 16} else 32)

    def option(self, name: str) -> str | None:
        """Return the value of option `name`, None if this terminal has none."""
        usual = {
            "~SerialNumber": self.serial,
            "~Platform": "ZMM220_TFT",
            "~DeviceName": "Simulator",
            "~OS": "1",
            "~PIN2Width": "9",
            "~ExtendFmt": "0",
            "~UserExtFmt": "1",
            "~ZKFPVersion": "10",
            "MAC": "00:17:61:00:00:01",
            "IPAddress": "127.0.0.1",
            "WorkCode": "0",
        }
        return {**usual, **self.options}.get(name)
