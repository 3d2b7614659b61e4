"""The settings that a terminal is told, in both dialects, and the time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.model import packed_time

if TYPE_CHECKING:
    from zkpoll.push.contract import Known

_ERROR_DELAY: Final = 30
"""Seconds a terminal waits after a failure; 30 is the least that the vendor allows."""
_TRANS_TIMES: Final = "00:00;14:05"
_TRANS_INTERVAL: Final = 1
"""When it looks for records that it has not sent: twice a day, and every minute (vendor's example)."""
_TRANS_FLAG: Final = "100000000000"
"""What it sends by itself, a digit a table: punches, and no templates, photos or users. Names of tables in
their place are documented, but a SenseFace 2A sends nothing then."""
_SERVER_VERSION: Final = "2.2.14"
"""The lower version of both sides counts: this one knows neither encryption nor newer tables."""
_ACCESS_VERSION: Final = "3.1.2"
_STAMPED: Final = ("ATTLOG", "OPERLOG", "ATTPHOTO")
_NO_STAMP: Final = "None"
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_MOST_HOURS: Final = 11
"""A value from -11 to 11 is read as hours, one beyond 60 as minutes (vendor's document)."""


def attendance(known: Known, now: datetime) -> str:
    """Given a terminal and now (aware), return the settings in the attendance dialect (2.x).

    Keys are compared with their case, and a line without LF is dropped. Older firmware asks for the second
    three stamps. Without a TimeZone, terminals set their clocks to that of China.
    """
    punches, operations, photos = (known.stamps.get(table, _NO_STAMP) for table in _STAMPED)
    return _lines(
        f"GET OPTION FROM: {known.serial}",
        f"ATTLOGStamp={punches}",
        f"OPERLOGStamp={operations}",
        f"ATTPHOTOStamp={photos}",
        f"Stamp={punches}",
        f"OpStamp={operations}",
        f"PhotoStamp={photos}",
        f"ErrorDelay={_ERROR_DELAY}",
        f"Delay={known.poll_every}",
        f"TransTimes={_TRANS_TIMES}",
        f"TransInterval={_TRANS_INTERVAL}",
        f"TransFlag={_TRANS_FLAG}",
        f"TimeZone={zone_told(known, now)}",
        "Realtime=1",
        "Encrypt=None",
        f"ServerVer={_SERVER_VERSION}",
        f"PushProtVer={_SERVER_VERSION}",
        "PushOptionsFlag=1",
    )


def access(known: Known) -> str:
    """Given a terminal, return the settings in the access dialect (3.x). Source: the vendor's document.

    The session's id goes into tokens that nobody checks; so the registry code does as well.
    """
    return _lines(
        f"ServerVersion={_ACCESS_VERSION}",
        "ServerName=zkpoll",
        f"PushVersion={_ACCESS_VERSION}",
        f"ErrorDelay={_ERROR_DELAY}",
        f"RequestDelay={known.poll_every}",
        f"TransTimes={_TRANS_TIMES}",
        f"TransInterval={_TRANS_INTERVAL}",
        "TransTables=User Transaction",
        "Realtime=1",
        f"SessionID={known.registry_code}",
        "TimeoutSec=10",
    )


def access_registered(known: Known) -> str:
    """Given a terminal that has its registry code, return its settings in the access dialect with that."""
    return _lines("registry=ok", registry(known)) + access(known)


def registry(known: Known) -> str:
    """Return a terminal's registry code, as it is handed out: a line without LF (SenseFace 2A: capture)."""
    return f"RegistryCode={known.registry_code}"


def server_time(known: Known, now: datetime) -> str:
    """Given a terminal and now (aware), return the time that the access dialect asks for.

    In UTC, as seconds of the terminals' own calendar, with the offset of the terminal's zone.
    """
    seconds = packed_time.pack(now.astimezone(UTC))
    return f"DateTime={seconds},ServerTZ={now.astimezone(known.zone):%z}"


def time_zone(offset: timedelta) -> str:
    """Given an offset from UTC, return the TimeZone of a terminal: `6`, `-3`, `330`, `-210`, `720`.

    Whole hours up to 11 are hours, everything else is minutes.
    """
    hours, rest = divmod(offset, _HOUR)
    return str(hours) if not rest and abs(hours) <= _MOST_HOURS else str(round(offset / _MINUTE))


def zone_told(known: Known, now: datetime) -> str:
    """Given a terminal and now (aware), return the TimeZone that it is told now."""
    return time_zone(now.astimezone(known.zone).utcoffset() or timedelta())


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)
