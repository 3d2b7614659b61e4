"""The orders that terminals fetch, their results, and what a terminal tells of itself. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from zkpoll.push.contract import Order

CHECK: Final = "CHECK"
"""A new handshake, and all tables again."""
INFO: Final = "INFO"
"""The terminal's settings and counts. No other words than these and `query_attlog` are ever sent."""
ID_LENGTH: Final = 12
_ID_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID: Final = re.compile(r"[A-Za-z0-9]{1,16}")
"""16 letters and digits came back as they were (a capture)."""
_RETURN: Final = re.compile(r"-?[0-9]{1,9}")

_WORDS: Final = {
    "DeviceName": "DeviceName",
    "FWVersion": "FWVersion",
    "FirmVer": "FWVersion",  # the access dialect's word for it
    "Platform": "Platform",
    "PushVersion": "PushVersion",
}
_COUNTS: Final = ("UserCount", "TransactionCount")
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_LONGEST: Final = 65_536
"""Bytes of settings or results that are looked at; the longest seen have two thousand."""
_WORD_LENGTH: Final = 64
"""Letters that are kept of a word of a terminal; the longest seen has 41."""
_BEFORE_A_KEY: Final = re.compile(r"[\r\n]+|,(?=~?\w+=)", re.ASCII)
"""Where settings are split: values hold commas, too (`~OEMVendor=ZKTECO CO., LTD.`: a capture)."""
_INFO_VALUES: Final = 6
"""Values in the shortest INFO of a poll; 10 and 13 are known as well. The first six mean the same in all."""


def query_attlog(since: datetime, until: datetime) -> str:
    """Given two wall clock times, return the order to send the punches between them again."""
    return f"DATA QUERY ATTLOG StartTime={since:%Y-%m-%d %H:%M:%S}\tEndTime={until:%Y-%m-%d %H:%M:%S}"


def new_id(random: bytes) -> str:
    """Given 12 random bytes, return an order's id: 12 letters and digits, which every firmware takes."""
    return "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in random[:ID_LENGTH])


def order_lines(orders: Iterable[Order]) -> str:
    """Given orders, return them as they are fetched: one that is not ended by LF is not followed."""
    return "".join(f"C:{order.id}:{order.text}\n" for order in orders)


def returned(body: bytes) -> dict[str, int]:
    """Given a body of results, return the return codes by the orders' ids.

    One line a result (`ID=1&Return=0&CMD=DATA`), or, for a shell's, one line a field. What follows an INFO
    is the terminal's settings, a line each. The first code of an id counts.
    """
    found: dict[str, int] = {}
    order = None
    for field in re.split(r"[&\r\n]+", _text(body)):
        key, _, value = field.partition("=")
        if key == "ID":
            order = value if _ID.fullmatch(value) else None
        elif key == "Return" and order is not None and _RETURN.fullmatch(value):
            found.setdefault(order, int(value))
    return found


def told_settings(body: bytes) -> dict[str, str]:
    """Given `k=v,k=v` or a line a setting, return those of the terminal that are kept.

    Some keys begin with `~`. Passwords of the link and the like stand there as well, and are passed over.
    """
    settings = (setting.partition("=") for setting in _BEFORE_A_KEY.split(_text(body)))
    pairs = {key.strip().removeprefix("~"): value.strip() for key, _, value in settings}
    words = {told: pairs[key][:_WORD_LENGTH] for key, told in _WORDS.items() if pairs.get(key)}
    return words | _counts({key: pairs[key] for key in _COUNTS if key in pairs})


def told_info(info: str) -> dict[str, str]:
    """Given the INFO of a poll, return what it tells: the firmware, and how many users and punches it holds.

    `firmware,users,fingers,punches,address,algorithm...`; -1 stands for none.
    """
    values = info.split(",")
    if len(values) < _INFO_VALUES:
        return {}
    firmware = {"FWVersion": values[0].strip()[:_WORD_LENGTH]} if values[0].strip() else {}
    return firmware | _counts({"UserCount": values[1], "TransactionCount": values[3]})


def _counts(pairs: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in pairs.items() if _COUNT.fullmatch(value)}


def _text(body: bytes) -> str:
    return body[:_LONGEST].decode("utf-8", "replace")
