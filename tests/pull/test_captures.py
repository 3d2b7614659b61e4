"""Published bytes of real terminals decode to what their publishers, or the devices' screens, say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.pull.captures import Capture, captures
from tests.pull.three_ways import read_three_ways
from zkpoll.errors import UnknownLayout, WireError
from zkpoll.model import packed_time
from zkpoll.model.punch import punch_state
from zkpoll.model.user import User
from zkpoll.pull import sizes, user_table
from zkpoll.pull.framing import Frame, FrameReader, checksum, decode, encode, encode_tcp
from zkpoll.pull.layouts import ANY_SLOT, LAYOUTS, detect
from zkpoll.pull.session import scramble_key

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = {
    "USER_WRQ": 8,
    "OPTIONS_RRQ": 11,
    "ATTLOG_RRQ": 13,
    "GET_FREE_SIZES": 50,
    "REG_EVENT": 500,
    "CONNECT": 1000,
    "EXIT": 1001,
    "AUTH": 1102,
    "PREPARE_DATA": 1500,
    "DATA": 1501,
    "ACK_OK": 2000,
    "ACK_ERROR": 2001,
    "ACK_UNAUTH": 2005,
    "ACK_UNKNOWN": 0xFFFF,
    "0xffff": 0xFFFF,
}
FOREIGN = {"c3-connect-req", "c3-reply", "c3-ack"}
"""Frames of another protocol on the same port."""
DECODED_FURTHER = {
    "pyzk-auth-key12",
    "pyzk-sizes-80-k20",
    "tad-sizes-92",
    "d2-sizes-rep-4",
    "pyzk-users-inline-7x72",
    "zkp-user-72",
    "zkp-user-wrq",
    "zkp-att-40",
    "k40-data-junk",
    "v5l-49-makiesse",
    "minita-49",
    "time-js",
    "time-tad",
    "time-zero",
    "time-pyzatt-year",
    *(f"jsspec-att40-{number}" for number in range(3)),
    *(f"ma300-56-att8-{number}" for number in range(7)),
}
"""Captures whose content has a test of its own below."""
NOT_DECODED = {
    "pyzk-event-12": "realtime events are put aside",
    "zkp-event-fpftr": "realtime events are put aside",
    "zkp-event-attlog-32": "realtime events are put aside",
    "zkp-oplog-16": "the log of operations is never asked for",
    "zkp-tz-rep": "access control",
    "zkp-unlock-rep": "access control",
    "zkp-group-rep": "access control",
    "zkp-state-rep": "the device state is never asked for; its number stands in the session field",
    "pyzk-prepare-buffer-ack-13": "a size that the session reads",
    "pyzk-prepare-buffer-ack-13b": "a size that the session reads",
    "pyzk-prepare-data-64k": "a size that the session reads",
    "pyzk-template-prepare": "a size that the session reads",
    "k40-prepare": "a size that the session reads",
    "js7-users-prepare": "a size that the session reads",
    "jsspec-ack-error-empty-udp": "what an error means is the reader's to judge",
    "jsspec-ack-error-empty-tcp": "what an error means is the reader's to judge",
}
"""Captures of which the frame is checked, and why their content is not."""


def number(text: int | str) -> int:
    """Return a number that the file gives as such or as hex."""
    return text if isinstance(text, int) else int(text, 16)


def is_frame(capture: Capture) -> bool:
    """Say whether a capture is a frame of this protocol."""
    return capture.scope in ("tcp-frame", "payload") and capture.name not in FOREIGN


FRAMES = [capture for capture in captures().values() if is_frame(capture)]


def named(*names: str) -> list[Capture]:
    """Return captures by id."""
    return [captures()[name] for name in names]


def frame_of(capture: Capture) -> Frame:
    """Return the frame of a capture, read in every way its bytes can come."""
    return read_three_ways(capture.data) if capture.scope == "tcp-frame" else decode(capture.data)


FRAME_CHECKS: dict[str, Callable[[Frame, Any], bool]] = {
    "cmd": lambda frame, said: frame.command == COMMANDS[said.split()[0]],
    "session_id": lambda frame, said: frame.session == number(said),
    "session_field": lambda frame, said: frame.session == number(said),
    "event_field": lambda frame, said: frame.session == number(said),
    "reply_id": lambda frame, said: frame.reply_id == said,
    "data_hex": lambda frame, said: frame.data.hex() == said,
    "key_bytes": lambda frame, said: frame.data.hex() == said,
    "checksum": lambda frame, said: encode(frame)[2:4] == number(said).to_bytes(2, "little"),
    "text": lambda frame, said: (
        frame.data == said.replace("\\0", "\0").encode() if said else not frame.data.strip(b"\t")
    ),
}
"""By key of `expected`: whether a frame is as said. One frame said to hold no text holds the number 9."""


@pytest.mark.parametrize("capture", FRAMES, ids=lambda capture: capture.name)
def test_every_frame_is_as_published(capture: Capture) -> None:
    """Command, session field, reply id and text are as said; encoded again, a frame is the same bytes."""
    frame = frame_of(capture)
    for key, said in capture.expected.items():
        if check := FRAME_CHECKS.get(key):
            assert check(frame, said), key
    assert (encode_tcp if capture.scope == "tcp-frame" else encode)(frame) == capture.data


@pytest.mark.parametrize("capture", captures().values(), ids=lambda capture: capture.name)
def test_every_capture_is_checked_or_named(capture: Capture) -> None:
    """Nothing published is passed over in silence."""
    checked = set(FRAME_CHECKS) if is_frame(capture) else set()
    unchecked = capture.expected.keys() - checked
    accounted = FOREIGN | DECODED_FURTHER | NOT_DECODED.keys()
    assert not unchecked or capture.name in accounted


def test_every_name_here_is_a_capture() -> None:
    """The tables above name nothing that is not there."""
    assert captures().keys() >= FOREIGN | DECODED_FURTHER | NOT_DECODED.keys()
    assert not DECODED_FURTHER & NOT_DECODED.keys()


@pytest.mark.parametrize("capture", named(*sorted(FOREIGN)), ids=lambda capture: capture.name)
def test_frames_of_access_panels_are_garbage_at_once(capture: Capture) -> None:
    """C3 panels answer on the same port; their first byte tells."""
    reader = FrameReader()
    reader.feed(capture.data[:1])
    with pytest.raises(WireError, match="not with aa"):
        reader.next_frame()


def test_a_frame_that_was_edited_by_hand_is_refused() -> None:
    """A fixture whose size was changed without its checksum (js_zklib, `zkattendance.spec.js`)."""
    with pytest.raises(WireError, match="checksum"):
        decode(bytes.fromhex("dc05ab13526702007c00000000040000"))


def test_a_damaged_capture_is_refused() -> None:
    """Each single bit of a published frame, flipped, is noticed."""
    payload = captures()["pyzk-prepare-buffer-ack-13"].data[8:]
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError):
            decode(bytes(damaged))


def test_the_comm_key_is_scrambled_as_in_a_published_login() -> None:
    """Key 12 in session 0x45cf gives the bytes that pyzk's test recorded."""
    capture = captures()["pyzk-auth-key12"]
    key = scramble_key(capture.expected["comm_key"], number(capture.expected["session_id"]))
    assert key == frame_of(capture).data == bytes.fromhex(capture.expected["key_bytes"])


def test_sizes_of_80_and_92_bytes() -> None:
    """A K20 without a face reader answers 80 bytes, other terminals 92; users, records and capacity agree."""
    for capture in named("pyzk-sizes-80-k20", "tad-sizes-92"):
        data = frame_of(capture).data if is_frame(capture) else capture.data
        said = capture.expected
        assert sizes.parse(data) == sizes.Sizes(
            said["users"], said["records"], said["records_cap"], said["users_cap"]
        )


def test_sizes_of_one_zero_are_unknown() -> None:
    """A D2 answers one zero though it holds users and records: that is no answer."""
    assert sizes.parse(frame_of(captures()["d2-sizes-rep-4"]).data) is None


def test_sizes_of_which_only_the_beginning_was_published_say_nothing() -> None:
    """Of a SpeedFace-H5L's 112 bytes 18 are known, all of them 0 (https://github.com/fananimi/pyzk/issues/170)."""
    assert sizes.parse(bytes(18)) is None


def test_a_table_of_seven_users() -> None:
    """504 bytes in one frame: seven users of 72 bytes, not eighteen of 28."""
    capture = captures()["pyzk-users-inline-7x72"]
    data = frame_of(capture).data
    assert int.from_bytes(data[:4], "little") == capture.expected["total_size"] == len(data) - 4
    table = user_table.decode(data[4:])
    assert [user.slot for user in table] == capture.expected["uids"]
    assert [user.user_id for user in table] == capture.expected["user_ids"]
    assert [user.privilege for user in table] == capture.expected["privileges"]
    assert table[3] == User(4, "831", b"", 0, 0, 0, has_password=False)


@pytest.mark.parametrize("capture", named("zkp-user-72", "zkp-user-wrq"), ids=lambda capture: capture.name)
def test_a_user_with_a_password(capture: Capture) -> None:
    """Id, name, card and group are as published; of the PIN nothing is kept but that there is one."""
    said = capture.expected
    (user,) = user_table.decode(frame_of(capture).data if is_frame(capture) else capture.data)
    assert user == User(
        said["uid"],
        said["user_id"],
        said["name"].encode(),
        said["privilege"],
        said["card"],
        said["group"],
        has_password=True,
    )
    assert said["password"] not in repr(user)


def test_a_user_of_an_older_terminal_with_old_memory_in_its_password() -> None:
    """28 bytes as in https://github.com/bulentv/js_zklib/issues/7, with an invented name."""
    record = bytes.fromhex("193e 00 00ffffff3a 5355524e414d452c 0000000000 01 0000 193e0000")
    assert user_table.decode(record) == (User(15897, "15897", b"SURNAME,", 0, 0, 1, has_password=False),)


def assert_is(punch: Any, said: dict[str, Any], verify: str, state: str) -> None:
    """Check a punch against a capture's words, of which verify and state go by various names."""
    assert punch.user_id == said["user_id"]
    assert punch.time == datetime.fromisoformat(said["time"])
    assert punch.verify == said[verify]
    assert punch.state == said[state]


def test_40_byte_records_of_an_f19() -> None:
    """Id, verify, time and state of a record whose bytes and fields were both published."""
    capture = captures()["zkp-att-40"]
    assert detect(capture.data, 40).width == 40
    (punch,) = LAYOUTS[40].decode(capture.data, {}).punches
    assert_is(punch, capture.expected, "verify", "state")
    assert punch.canonical[:2] == capture.expected["serial"].to_bytes(2, "little")


def test_40_byte_records_in_a_row() -> None:
    """Three windows that begin two bytes early are three consecutive records: number, person, moment."""
    windows = named(*(f"jsspec-att40-{number}" for number in range(3)))
    log = b"".join(capture.data[2:] + b"\0\0" for capture in windows)
    assert detect(log, 120).width == 40
    punches = LAYOUTS[40].decode(log, {}).punches
    for punch, capture in zip(punches, windows, strict=True):
        assert_is(punch, capture.expected, "verify", "state")
        assert punch.canonical[:2] == capture.expected["serial"].to_bytes(2, "little")


def test_8_byte_records_of_an_ma300() -> None:
    """Seven punches of slot 5 on one morning; pyzk read them as 2110."""
    published = named(*(f"ma300-56-att8-{number}" for number in range(7)))
    log = b"".join(capture.data for capture in published)
    assert detect(log, 56).width == 8
    punches = LAYOUTS[8].decode(log, {5: "0500"}).punches
    for punch, capture in zip(punches, published, strict=True):
        assert (punch.user_id, punch.verify, punch.state) == ("0500", 1, 0)
        assert punch.time == datetime.fromisoformat(capture.expected["time"])


def test_8_byte_records_of_a_zem500() -> None:
    """Slots and local times of three records (https://github.com/fananimi/pyzk/issues/99); two make no 16.

    They went in the evening: the state stands at the top of the flags.
    """
    log = bytes.fromhex("07002800a8eba71e 7b0028004beca71e 7b0028004eeca71e")
    for count in (1, 2, 3):
        assert detect(log[: 8 * count], 8 * count).width == 8
    punches = LAYOUTS[8].decode(log, {7: "7", 123: "123"}).punches
    assert [(punch.user_id, str(punch.time), punch.verify, punch.state) for punch in punches] == [
        ("7", "2016-01-01 19:02:00", 1, 1),
        ("123", "2016-01-01 19:04:43", 1, 1),
        ("123", "2016-01-01 19:04:46", 1, 1),
    ]


JS50 = bytes.fromhex(
    "15000000ec154f230000000000000000 1000000095164f230000000000000000"
    "0b000000c1194f230000000000000000 0d000000521b4f230000000000000000"
    "0d000000521b4f230000000000000000 0c0000005c1b4f230000000000000000"
    "1600000085824f230100000000000000 1600000086824f230100000000000000"
    "0b0000007c844f230100000000000000 1e00000049924f230100000000000000"
)
"""The first and the last records of block 123 of a log (https://github.com/bulentv/js_zklib/issues/50)."""


def test_16_byte_records_with_an_exact_repeat() -> None:
    """State 0 in the morning and 1 in the afternoon; user 13 stands there twice, all 16 bytes alike."""
    for count in range(1, 11):
        assert detect(JS50[: 16 * count], 16 * count).width == 16
    punches = LAYOUTS[16].decode(JS50, {}).punches
    said = [(punch.user_id, f"{punch.time:%H:%M:%S}", punch.state) for punch in punches]
    assert said[:5] == [
        ("21", "07:31:56", 0),
        ("16", "07:34:45", 0),
        ("11", "07:48:17", 0),
        ("13", "07:54:58", 0),
        ("13", "07:54:58", 0),
    ]
    assert [state for _, _, state in said[6:]] == [1] * 4
    assert {(punch.time.date().isoformat(), punch.verify, punch.work_code) for punch in punches} == {
        ("2018-06-06", 0, 0)
    }


_REPORTS = Path(__file__).parents[1] / "captures" / "reports.yaml"
REPORTED = yaml.safe_load(_REPORTS.read_text("utf-8"))["records"]


@pytest.mark.parametrize(
    "reported", [one for one in REPORTED if "hex" in one], ids=lambda one: str(one["id"])
)
def test_records_that_were_reported(reported: dict[str, Any]) -> None:
    """States at the top of the flags, short records, any state, temperatures, work codes are as meant."""
    log = bytes.fromhex(reported["hex"])
    layout = detect(log, len(log))
    punches = layout.decode(layout.whole(log), ANY_SLOT).punches
    expected = reported["expected"]
    for punch, said in zip(punches, expected if isinstance(expected, list) else [expected], strict=True):
        told = {
            "slot": int(punch.user_id) if layout.needs_users else None,
            "user_id": punch.user_id,
            "time": str(punch.time),
            "verify": punch.verify,
            "state": punch.state,
            "punch_state": punch_state(punch.state),
            "work_code": punch.work_code,
        }
        assert told | said == told


def v5l() -> bytes:
    """Return a V5L's four records of 49 bytes.

    Where its bytes are unknown: numbers and user 3 as another V5L's log shows them, later times the first
    one with another last byte, trailers that end as the known ones do.
    """
    capture = captures()["v5l-49-makiesse"]
    text = b"\xff255"
    guesses = {49: b"\x02\x003", 76: b"\xb0\x90\xef\x30", 89: b"\xff\0\0\0"}
    guesses |= {98: b"\x03\x003", 125: b"\xb1\x90\xef\x30", 138: text, 174: b"\xb2\x90\xef\x30"}
    return capture.filled(guesses).ljust(4 * 49, b"\0")


def test_49_byte_records_of_a_speedface_v5l() -> None:
    """What is known of four records decodes as published; their log is never read at 40 bytes."""
    capture = captures()["v5l-49-makiesse"]
    log = v5l()
    assert detect(log, 196).width == 49
    decoded = LAYOUTS[49].decode(log, {})
    assert decoded.quarantined == ()
    first, second, _, fourth = decoded.punches
    said = capture.expected["records"]
    assert (first.user_id, str(first.time)) == (said[0]["user_id"], said[0]["time"])
    assert second.state == said[1]["punch"]
    assert fourth.user_id == said[2]["user_id"]
    assert fourth.canonical[:2] == said[2]["serial"].to_bytes(2, "little")


def test_49_byte_records_of_a_mini_ta() -> None:
    """Verify 16 and state 255 (no key configured), whatever the unknown bytes are."""
    capture = captures()["minita-49"]
    record = capture.filled({})
    assert detect(record, 49).width == 49
    (punch,) = LAYOUTS[49].decode(record, {}).punches
    assert_is(punch, capture.expected, "status", "punch")


@pytest.mark.parametrize(
    "log",
    [
        captures()["k40-data-junk"].data[20:],
        # As a Z40 answered: a kernel address, then what is no log (https://github.com/bulentv/js_zklib/issues/50).
        bytes.fromhex("b8b93580") + bytes(place * 73 % 251 for place in range(1156)),
    ],
    ids=["k40", "z40"],
)
def test_rubbish_of_the_right_length_is_refused(log: bytes) -> None:
    """Some terminals answer the old command with memory, well framed: it fits no layout."""
    with pytest.raises(UnknownLayout, match=f"of {len(log)} bytes fits no known") as failure:
        detect(log, len(log))
    assert failure.value.log == log


def test_the_rubbish_of_a_k40_is_as_long_as_its_log() -> None:
    """120 bytes were announced and came: only their content tells."""
    capture = captures()["k40-data-junk"]
    data = frame_of(capture).data
    assert int.from_bytes(data[:4], "little") == capture.expected["total_size"] == len(data) - 4
    assert data[4:] == capture.data[20:]


@pytest.mark.parametrize(
    "capture", named("time-js", "time-tad", "time-zero", "time-pyzatt-year"), ids=lambda capture: capture.name
)
def test_times_are_what_the_screen_showed(capture: Capture) -> None:
    """Packed times decode to the published ones, and back."""
    moment = packed_time.unpack(int.from_bytes(capture.data, "little"))
    assert str(moment) == capture.expected["time"]
    assert (
        packed_time.pack(datetime.fromisoformat(capture.expected["time"])).to_bytes(4, "little")
        == capture.data
    )


def test_the_checksum_of_a_connect_is_fc17() -> None:
    """Every published CONNECT with reply id 0 says so; a much copied routine gives fc16."""
    assert checksum(bytes.fromhex("e803000000000000")) == 0xFC17
