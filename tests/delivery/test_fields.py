"""What can be told of a punch, by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.delivery.outbox import EXAMPLE
from zkpoll.delivery.formats.fields import WALL_CLOCK, values
from zkpoll.delivery.origins import Origins
from zkpoll.inventory import Database, Device, Push, Source
from zkpoll.inventory.documents import NAMES

if TYPE_CHECKING:
    from pathlib import Path

FRONT = Device.model_validate(
    {
        "name": "front-door",
        "host": "192.168.1.201",
        "port": 4371,
        "transport": "udp",
        "timezone": "Asia/Dhaka",
        "latitude": "23.7806",
        "longitude": "-90.4",
    }
)
OF_THE_TERMINAL = ("host", "port", "transport", "timezone", "latitude", "longitude")


def test_all_of_the_example() -> None:
    """Each name holds what the documentation says, in the type that JSON has for it."""
    assert values(EXAMPLE, Origins({"front-door": FRONT})) == {
        "id": "224c9c2b-8130-5e29-a627-3b68fe8961e9",
        "user_id": "1001",
        "timestamp": "2026-11-22T08:59:58+06:00",
        "status": 1,
        "type": 0,
        "device": "front-door",
        "serial_number": "CQZ7224760045",
        "punch_state": "check_in",
        "work_code": 0,
        "source": "pull",
        "manual": False,
        "clock_suspect": False,
        "local": "2026-11-22 08:59:58",
        "date": "2026-11-22",
        "time": "08:59:58",
        "utc": "2026-11-22 02:59:58",
        "epoch": 1795316398,
        "direction": "in",
        "host": "192.168.1.201",
        "port": 4371,
        "transport": "udp",
        "timezone": "Asia/Dhaka",
        "latitude": 23.7806,
        "longitude": -90.4,
    }


def test_a_source_without_an_address() -> None:
    """Where nobody calls the source, its address is unknown, and its place is not."""
    source = Source(name="front-door", timezone="Asia/Dhaka", latitude=23.7806, longitude=-90.4)
    for one in (source, Device(**{**dict(source), "serial": "A", "push": Push()})):
        found = values(EXAMPLE, Origins({"front-door": one}))
        shown = [found[name] for name in OF_THE_TERMINAL]
        assert shown == [None, None, None, "Asia/Dhaka", 23.7806, -90.4]


def test_a_database(tmp_path: Path) -> None:
    """Of a punch that only a database has shown its settings are told, and the zone of the terminal."""
    machines = {"1": EXAMPLE.serial_number, "2": {"serial": "B", "timezone": "Europe/London"}}
    given = {"name": "hq", "kind": "att2000", "file": tmp_path / "a.mdb", "timezone": "Asia/Dhaka"}
    database = Database.model_validate({**given, "machines": machines, "latitude": 1, "longitude": 2})
    typed = EXAMPLE._replace(device="hq", source="bridge", manual=True)
    found = values(typed, Origins({"hq": database}))
    assert [found[name] for name in OF_THE_TERMINAL] == [None, None, None, "Asia/Dhaka", 1, 2]
    assert (found["source"], found["manual"]) == ("bridge", True)
    other = values(typed._replace(serial_number="B"), Origins({"hq": database}))
    assert other["timezone"] == "Europe/London"


def test_there_is_a_value_for_each_name() -> None:
    """The names that an inventory may write are those there are values for."""
    assert sorted(values(EXAMPLE, Origins())) == sorted(NAMES)


def test_a_terminal_that_is_gone() -> None:
    """Settings of a terminal that the inventory has no more are null, also where others are alike."""
    told = values(EXAMPLE, Origins({"back": FRONT.model_copy(update={"name": "back"})}))
    assert [told[name] for name in OF_THE_TERMINAL] == [None] * 6
    assert (told["device"], told["direction"]) == ("front-door", "in")


@given(
    wall=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda at: at.replace(microsecond=0)),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_all_forms_of_a_time_are_one_moment(wall: datetime, offset: int) -> None:
    """Wall clock, UTC and seconds since 1970 tell the same, whatever the offset and the host's own zone."""
    zone = timezone(timedelta(minutes=offset))
    told = values(EXAMPLE._replace(timestamp=wall.replace(tzinfo=zone).isoformat()), Origins())
    assert told["local"] == f"{told['date']} {told['time']}" == wall.strftime(WALL_CLOCK)
    moment = datetime.strptime(str(told["utc"]), WALL_CLOCK).replace(tzinfo=UTC)
    assert moment.timestamp() == told["epoch"]
    assert moment.astimezone(zone).replace(tzinfo=None) == wall
