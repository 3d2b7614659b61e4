"""The settings and times that terminals are told."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from tests.push.terminals import KNOWN, NOW
from zkpoll.push import options

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def as_a_terminal_reads(value: str) -> timedelta:
    """Return the offset that a terminal takes from a TimeZone: hours below 12, minutes above 60."""
    number = int(value)
    assert value == str(number)
    if -12 < number < 12:
        return number * HOUR
    assert abs(number) > 60, "what this means is not defined"
    return number * MINUTE


def test_the_settings_of_the_attendance_dialect() -> None:
    """Every line in its place, ended by LF; stamps are handed back as they came."""
    known = replace(KNOWN, stamps={"ATTLOG": "9999", "OPERLOG": "82983982"}, poll_every=10)
    assert options.attendance(known, NOW) == (
        "GET OPTION FROM: CQZ7224760045\n"
        "ATTLOGStamp=9999\n"
        "OPERLOGStamp=82983982\n"
        "ATTPHOTOStamp=None\n"
        "Stamp=9999\n"
        "OpStamp=82983982\n"
        "PhotoStamp=None\n"
        "ErrorDelay=30\n"
        "Delay=10\n"
        "TransTimes=00:00;14:05\n"
        "TransInterval=1\n"
        "TransFlag=100000000000\n"
        "TimeZone=6\n"
        "Realtime=1\n"
        "Encrypt=None\n"
        "ServerVer=2.2.14\n"
        "PushProtVer=2.2.14\n"
        "PushOptionsFlag=1\n"
    )


def test_a_stamp_of_photos_is_handed_back_as_well() -> None:
    """Where a terminal brought one, it is not told to begin anew."""
    known = replace(KNOWN, stamps={"ATTPHOTO": "7"})
    assert "ATTPHOTOStamp=7\n" in options.attendance(known, NOW)


def test_the_settings_of_the_access_dialect() -> None:
    """What a controller is told, and the same with its code once it has that."""
    block = (
        "ServerVersion=3.1.2\n"
        "ServerName=zkpoll\n"
        "PushVersion=3.1.2\n"
        "ErrorDelay=30\n"
        "RequestDelay=30\n"
        "TransTimes=00:00;14:05\n"
        "TransInterval=1\n"
        "TransTables=User Transaction\n"
        "Realtime=1\n"
        "SessionID=c0de0123456789ab\n"
        "TimeoutSec=10\n"
    )
    assert options.access(KNOWN) == block
    assert options.access_registered(KNOWN) == "registry=ok\nRegistryCode=c0de0123456789ab\n" + block
    assert options.registry(KNOWN) == "RegistryCode=c0de0123456789ab"


@pytest.mark.parametrize(
    ("hours", "value"),
    [
        *((0, "0"), (6, "6"), (-3, "-3"), (11, "11"), (-11, "-11"), (12, "720"), (-12, "-720"), (14, "840")),
        *((5.5, "330"), (-3.5, "-210"), (5.75, "345"), (12.75, "765"), (-9.5, "-570")),
    ],
)
def test_whole_hours_up_to_eleven_are_hours_and_everything_else_is_minutes(hours: float, value: str) -> None:
    """From twelve on, a number of hours would be read as no hours."""
    assert options.time_zone(hours * HOUR) == value


@pytest.mark.parametrize("day", [datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)])
def test_a_terminal_reads_the_offset_of_every_zone(day: datetime) -> None:
    """In winter and in summer, the value stands for the offset of that day."""
    for name in available_timezones():
        zone = ZoneInfo(name)
        told = options.zone_told(replace(KNOWN, zone=zone), day)
        assert as_a_terminal_reads(told) == day.astimezone(zone).utcoffset()


def test_a_terminal_reads_every_offset_beyond_an_hour() -> None:
    """Any whole minute from UTC-15 to UTC+15 comes out as it is."""
    for minutes in range(61, 15 * 60):
        for offset in (minutes * MINUTE, -minutes * MINUTE):
            assert as_a_terminal_reads(options.time_zone(offset)) == offset


def test_the_time_zone_is_that_of_now() -> None:
    """In summer London is told 1, in winter 0, also on the day of the change."""
    london = replace(KNOWN, zone=ZoneInfo("Europe/London"))
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert options.zone_told(london, change - timedelta(seconds=1)) == "1"
    assert "TimeZone=0\n" in options.attendance(london, change)


@pytest.mark.parametrize(
    ("zone", "told"), [("Asia/Dhaka", "+0600"), ("America/St_Johns", "-0330"), ("UTC", "+0000")]
)
def test_the_time_of_the_access_dialect(zone: str, told: str) -> None:
    """Seconds in months of 31 days, in UTC, with the offset beside them."""
    now = datetime(2026, 11, 22, 3, 0, 5, tzinfo=UTC)
    seconds = (((26 * 12 + 10) * 31) + 21) * 86400 + 3 * 3600 + 5
    assert (
        options.server_time(replace(KNOWN, zone=ZoneInfo(zone)), now) == f"DateTime={seconds},ServerTZ={told}"
    )


def test_the_time_of_the_access_dialect_is_utc_wherever_this_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone of this machine is nobody's concern."""
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    at_home = options.server_time(KNOWN, now)
    monkeypatch.setenv("TZ", "Asia/Dhaka")
    time.tzset()
    try:
        assert options.server_time(KNOWN, now) == at_home
        assert at_home.startswith(f"DateTime={(((26 * 12 + 10) * 31) + 21) * 86400 + 3 * 3600},")
    finally:
        monkeypatch.undo()
        time.tzset()
