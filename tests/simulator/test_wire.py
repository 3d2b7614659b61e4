"""The simulator's wire against published bytes."""

from __future__ import annotations

import ast
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import zkpoll.simulator
from tests.simulator.client import capture, captures, payload_of
from zkpoll.simulator import WireFrame
from zkpoll.simulator.wire import (
    NoStartMarkError,
    checksum,
    decode,
    encode,
    key_matches,
    pack_time,
    scramble_key,
    take_payloads,
    unpack_time,
    with_top,
)

CHECKED = [
    one for one in captures() if one.get("checks") == "ok" and one["hex_scope"] in {"tcp-frame", "payload"}
]


@pytest.mark.parametrize("found", CHECKED, ids=lambda found: str(found["id"]))
def test_published_frames_encode_to_their_own_bytes(found: dict[str, Any]) -> None:
    """Every published frame, taken apart and put together again, is the same bytes."""
    payload = payload_of(found)
    frame = decode(payload)
    assert frame is not None
    assert encode(frame) == payload


def test_there_are_published_frames() -> None:
    """The test above has something to test."""
    assert len(CHECKED) > 40


def test_the_checksum_pads_an_odd_end_with_zero() -> None:
    """A payload of odd length sums as if a zero byte followed."""
    assert checksum(bytes.fromhex("d0070000f38d0a0009")) == 0x6A29


def test_a_wrong_checksum_is_no_frame() -> None:
    """One wrong byte, and a terminal does not listen."""
    payload = bytearray(capture("pyzk-connect-req"))
    payload[-1] ^= 1
    assert decode(bytes(payload)) is None
    assert decode(b"short") is None


@pytest.mark.parametrize("end", range(1, 33))
def test_a_stream_is_cut_anywhere(end: int) -> None:
    """Frames come out whole wherever the stream is cut, and nothing comes out early."""
    frames = [encode(WireFrame(2000, 1, number)) for number in range(2)]
    whole = b"".join(map(with_top, frames))
    stream = bytearray(whole[:end])
    early = list(take_payloads(stream))
    stream += whole[end:]
    assert early == frames[: end // 16]
    assert early + list(take_payloads(stream)) == frames
    assert not stream


def test_another_protocol_is_refused() -> None:
    """A C3 panel's frame is not taken for one of ours."""
    with pytest.raises(NoStartMarkError):
        list(take_payloads(bytearray.fromhex("aa01760400fefefefe467755")))


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("time-js", datetime(2018, 4, 11, 9, 35, 20)),
        ("time-tad", datetime(2014, 12, 7, 14, 22, 51)),
        ("time-zero", datetime(2000, 1, 1)),
        ("time-pyzatt-year", datetime(2020, 8, 26, 23, 8, 49)),
    ],
)
def test_published_times_pack_to_their_bytes(name: str, moment: datetime) -> None:
    """Published packed times are what their publishers say."""
    packed = int.from_bytes(capture(name), "little")
    assert unpack_time(packed) == moment
    assert pack_time(moment) == packed


def test_the_31st_of_february_is_no_date() -> None:
    """A u32 may stand for a day that does not exist."""
    packed = pack_time(datetime(2026, 2, 28)) + 3 * 86400
    with pytest.raises(ValueError, match="day"):
        unpack_time(packed)


def test_a_published_key_is_accepted() -> None:
    """The key bytes of a published AUTH prove its key, and no other."""
    request = decode(capture("pyzk-auth-key12"))
    assert request is not None
    assert request.data == scramble_key(12, request.session)
    assert key_matches(request.data, 12, request.session)
    assert not key_matches(request.data, 45, request.session)


@pytest.mark.parametrize("tick", [0, 50, 255])
def test_the_tick_is_free(tick: int) -> None:
    """The tick is read from byte 2, whatever the client chose."""
    assert key_matches(scramble_key(987654, 0x45CF, tick), 987654, 0x45CF)


@pytest.mark.parametrize(
    "module", sorted(Path(zkpoll.simulator.__file__).parent.glob("*.py")), ids=lambda module: module.stem
)
def test_the_simulator_shares_nothing_with_the_poller(module: Path) -> None:
    """No module of the simulator imports another room: no encoder is on both sides."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    ours = [name for name in names if name.startswith("zkpoll")]
    assert all(name.startswith("zkpoll.simulator") for name in ours)
