"""Names of time zones."""

from __future__ import annotations

from importlib import resources
from zoneinfo import ZoneInfo

from zkpoll.inventory.problems import nearest
from zkpoll.inventory.scalars import as_written

# Files beside the zones that are not zones: this machine's own setting, and clocks that count
# leap seconds, which no terminal does.
_NOT_ZONES = ("localtime", "posixrules", "Factory", "posix/", "right/")


def check_zone(text: str) -> str:
    """Given the name of a time zone, return it. Raise ValueError with the nearest known name."""
    if _is_zone(text):
        return text
    meant = _nearest(text) if text and not as_written(text) else None
    hint = f", did you mean {meant}?" if meant else " such as Asia/Dhaka"
    raise ValueError(f"expected a time zone{hint}")


def _is_zone(text: str) -> bool:
    if not text or text.startswith(_NOT_ZONES):
        return False
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # not there; outside the database; a folder of it
        return False
    return True


def _nearest(text: str) -> str | None:
    """Given a wrong name, return the zone it resembles as a whole, or by its city."""
    names = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    cities = {name.rpartition("/")[2]: name for name in names}
    whole = nearest(text, names)
    if whole and "/" in text:
        return whole
    city = nearest(text.rpartition("/")[2].replace(" ", "_"), cities)
    return cities[city] if city else whole
