"""Orders, their results, and what a terminal tells of itself."""

from __future__ import annotations

import string
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.push.commands import (
    CHECK,
    INFO,
    new_id,
    order_lines,
    query_attlog,
    returned,
    told_info,
    told_settings,
)
from zkpoll.push.contract import Order


def test_orders_are_lines_that_end() -> None:
    """Each is `C:id:text` and an LF; none is no text."""
    orders = [Order("a1", CHECK), Order("b2", INFO)]
    assert order_lines(orders) == "C:a1:CHECK\nC:b2:INFO\n"
    assert order_lines([]) == ""


def test_punches_are_asked_for_by_wall_clock() -> None:
    """From and until, to the second, with a TAB between."""
    text = query_attlog(datetime(2026, 11, 1), datetime(2026, 11, 22, 8, 59, 58, 999))
    assert text == "DATA QUERY ATTLOG StartTime=2026-11-01 00:00:00\tEndTime=2026-11-22 08:59:58"


@given(st.binary(min_size=12, max_size=12))
def test_an_id_is_12_letters_and_digits(random: bytes) -> None:
    """The same of the same bytes, and fit for every firmware."""
    assert len(new_id(random)) == 12
    assert set(new_id(random)) <= set(string.ascii_lowercase + string.digits)
    assert new_id(random) == new_id(random) == new_id(random + b"more")


def test_ids_differ() -> None:
    """Each byte counts."""
    assert len({new_id(bytes([byte, *range(11)])) for byte in range(36)}) == 36


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b"ID=1&Return=0&CMD=CHECK", {"1": 0}),
        (b"ID=1&Return=-1002&CMD=DATA\nID=2&Return=0&CMD=INFO\n", {"1": -1002, "2": 0}),
        (b"ID=1&Return=0&CMD=DATA\r\n\r\n", {"1": 0}),
        (b"ID=1&Return=0&CMD=INFO\n~DeviceName=X\nReturn=7\nUserCount=3\n", {"1": 0}),
        (b"ID=66\nSN=A1\nReturn=0\nCMD=Shell\nFILENAME=out.txt\nContent=a&Return=3\n", {"66": 0}),
        (b"ID=1&Return=0\nID=1&Return=-1\n", {"1": 0}),
        (b"Return=0&ID=1&CMD=DATA\nID=2&Return=5", {"2": 5}),
        (b"ID=aZ9&Return=0", {"aZ9": 0}),
        (b"ID=1\nID=a=b\nReturn=0", {}),
        (
            b"ID=1&Return=&CMD=DATA\nID=2&Return=x\nID=&Return=0\nID=a-b&Return=0\nID="
            + b"9" * 17
            + b"&Return=0",
            {},
        ),
        (b"ID=1&Return=99999999999999999999\n", {}),
        (b"", {}),
        (b"OK", {}),
    ],
)
def test_results_are_read(body: bytes, codes: dict[str, int]) -> None:
    """One line a result or one line a field; the first code of an id counts, and none is made up."""
    assert returned(body) == codes


def test_settings_may_hold_commas() -> None:
    """They are split before a key only; `~` is no part of a name."""
    body = b"~OEMVendor=ZKTECO CO., LTD.,FWVersion= Ver 8,0 ,~DeviceName=F22/ID,UserCount=12,~Platform="
    assert told_settings(body) == {"FWVersion": "Ver 8,0", "DeviceName": "F22/ID", "UserCount": "12"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            b"FirmVer=Ver=8,Platform=ZMM220_TFT,TransactionCount=9",
            {"FWVersion": "Ver=8", "Platform": "ZMM220_TFT", "TransactionCount": "9"},
        ),
        ("FWVersion=8,é=1,UserCount=2".encode(), {"FWVersion": "8,é=1", "UserCount": "2"}),
        (b"UserCount=1".rjust(65_536, b"\n") + b"2", {"UserCount": "1"}),
    ],
)
def test_settings_of_both_dialects(body: bytes, told: dict[str, str]) -> None:
    """A key is ASCII and ends at the first sign of equality; 64 KiB are looked at."""
    assert told_settings(body) == told


def test_settings_that_are_not_asked_for_are_not_kept() -> None:
    """Keys of the link, addresses and what is no count are passed over; a word has 64 letters at most."""
    body = b"ComPwd=1234,MAC=00:17:61:00:00:c1,UserCount=-1,TransactionCount=many,PushVersion=" + b"V" * 99
    assert told_settings(body) == {"PushVersion": "V" * 64}


@pytest.mark.parametrize(
    ("info", "told"),
    [
        (
            "Ver 6.60,5,3,71,192.0.2.9,10",
            {"FWVersion": "Ver 6.60", "UserCount": "5", "TransactionCount": "71"},
        ),
        (",5,3,71,192.0.2.9,10,-1", {"UserCount": "5", "TransactionCount": "71"}),
        ("Ver,-1,3,x,192.0.2.9,10", {"FWVersion": "Ver"}),
        ("Ver,5,3,71", {}),
        ("", {}),
    ],
)
def test_the_info_of_a_poll(info: str, told: dict[str, str]) -> None:
    """Firmware, users and punches, as far as they are there; a part of it is not guessed at."""
    assert told_info(info) == told


@given(st.binary(), st.text())
def test_anything_can_be_told(body: bytes, info: str) -> None:
    """Any bytes give results and settings of the known kinds, or none."""
    kinds = {"DeviceName", "FWVersion", "Platform", "PushVersion", "UserCount", "TransactionCount"}
    assert (told_settings(body) | told_info(info)).keys() <= kinds
    assert all(-(10**9) < code < 10**9 for code in returned(body).values())
