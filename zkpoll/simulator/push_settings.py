"""What a server has told a terminal that pushes, as the terminal understands it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.simulator.wire import unpack_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FLAGS: Final = (
    "AttLog",
    "OpLog",
    "AttPhoto",
    "EnrollFP",
    "EnrollUser",
    "FPImag",
    "ChgUser",
    "ChgFP",
    "FACE",
    "UserPic",
    "WORKCODE",
    "BioPhoto",
)
"""What the digits of TransFlag stand for."""
_USUAL_ZONE: Final = timedelta(hours=8)
"""A terminal that is told no TimeZone takes itself for one in China (reported by many)."""
_USUAL: Final = {"Delay": 10, "RequestDelay": 10, "ErrorDelay": 30}
"""Seconds, as the documents print them."""


def pairs(lines: Iterable[str]) -> dict[str, str]:
    """Given lines, return what is set in those of the form `Key=Value`; keys keep their case."""
    split = (line.partition("=") for line in lines)
    return {key.strip(): value.strip() for key, equals, value in split if equals}


def atoi(text: str) -> int:
    """Return what C's atoi reads: `None` is 0, `5.5` is 5, `Asia/Dhaka` is 0."""
    number = re.match(r"\s*[+-]?\d+", text, re.ASCII)
    return int(number[0]) if number else 0


@dataclass(frozen=True, slots=True)
class PushSettings:
    """The settings of the last handshake, by key. Keys are looked up with their case."""

    told: Mapping[str, str] = field(default_factory=dict)

    def number(self, key: str, usual: int = 0) -> int:
        """Return the number told under `key`, `usual` if there is none."""
        return atoi(self.told[key]) if key in self.told else usual

    def seconds(self, key: str) -> int:
        """Return a delay in seconds; 0 and less are none, and the usual one is kept."""
        return max(0, self.number(key)) or _USUAL[key]

    def stamp(self, *keys: str) -> str:
        """Return the stamp to send with a table: the one that was handed out, else 9999."""
        key = next((key for key in keys if key in self.told), "")
        return str(self.number(key) or 9999)

    @property
    def names_version(self) -> bool:
        """Whether the server named its version; to one that does not, operations go with `OpStamp`."""
        return "ServerVer" in self.told

    @property
    def realtime(self) -> bool:
        """Whether a punch is sent at once."""
        return self.number("Realtime", 1) == 1

    @property
    def zone(self) -> timedelta | None:
        """The offset from UTC that TimeZone says; None where what it says is defined nowhere."""
        value = self.number("TimeZone")
        if "TimeZone" not in self.told:
            return _USUAL_ZONE
        if abs(value) < 12:
            return timedelta(hours=value)
        return timedelta(minutes=value) if 60 < abs(value) < 24 * 60 else None

    def sends(self, *kinds: str) -> bool:
        """Say whether TransFlag lets any of these kinds be uploaded. Without it, all are."""
        flag = self.told.get("TransFlag")
        if flag is None:
            return True
        if flag.isdigit():
            return any(kind in kinds for kind, digit in zip(_FLAGS, flag, strict=False) if digit == "1")
        return any(kind in flag.split() for kind in kinds)

    def time_to_look(self, last: datetime, now: datetime) -> bool:
        """Given when it last looked for new records (its own clock), say whether TransTimes bid it look."""
        for time in re.findall(r"(\d\d?):(\d\d)", self.told.get("TransTimes", "")):
            hour, minute = map(int, time)
            if hour < 24 and minute < 60 and last < now.replace(hour=hour, minute=minute, second=0) <= now:
                return True
        return False


def access_time(text: str) -> datetime | None:
    """Given the answer to `rtdata?type=time`, return the wall clock it sets, None if it tells none.

    `DateTime=<seconds, every month has 31 days>,ServerTZ=+0530`: UTC, and the zone to add.
    """
    told = pairs(text.replace(",", "\n").splitlines())
    zone = re.fullmatch(r"([+-])(\d\d):?(\d\d)", told.get("ServerTZ", ""))
    if "DateTime" not in told or zone is None:
        return None
    offset = timedelta(hours=int(zone[2]), minutes=int(zone[3])) * (-1 if zone[1] == "-" else 1)
    try:
        return unpack_time(atoi(told["DateTime"])) + offset
    except (ValueError, OverflowError):
        return None
