"""Records of all layouts, and which layout a log has."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from struct import pack
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.pull.records import (
    EPOCH,
    MONDAY,
    RECORDS,
    Made,
    Site,
    damage,
    log,
    packed,
    packed_date,
    record_4,
    record_40,
    record_49,
)
from zkpoll.errors import UnknownLayout
from zkpoll.pull.layouts import ANY_SLOT, LAYOUTS, detect, fits, identity, too_many
from zkpoll.pull.short_form import any_short

if TYPE_CHECKING:
    from zkpoll.model.punch import Punch
    from zkpoll.pull.layouts import Decoded

SLOTS = {7: "0042"}
FEBRUARY_30 = packed_date(2026, 2, 30)
WIDTHS = [8, 16, 22, 40, 49]
IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=6)


def decode(width: int, *records: bytes, keep: int = 0) -> Decoded:
    """Decode records of one layout with a user table of one user, in slot 7."""
    return LAYOUTS[width].decode(b"".join(records), SLOTS, keep)


def punch_of(width: int, record: bytes) -> Punch:
    """Return the punch of a record that must be one."""
    decoded = decode(width, record)
    assert decoded.quarantined == ()
    (punch,) = decoded.punches
    return punch


def reason_of(width: int, record: bytes) -> str:
    """Return why a record that must be impossible is; a sound one on each side must be untouched."""
    sound = RECORDS[width](Made())
    decoded = decode(width, sound, record, sound, keep=3)
    assert len(decoded.punches) == 2
    (impossible,) = decoded.quarantined
    assert impossible.raw == record
    canonical = decoded.punches[0].canonical
    assert decoded.tail == (canonical, record, canonical)
    return impossible.reason


# --- what a record says ---


@pytest.mark.parametrize(
    ("width", "record", "said"),
    [
        (8, pack("<HBBI", 7, 0x28, 0, packed(MONDAY)), ("0042", 1, 1, 0)),
        (8, pack("<HBBI", 7, 0b101_11_000, 0, packed(MONDAY)), ("0042", 3, 5, 0)),
        (8, pack("<HBBI", 7, 0b111_00_000, 0, packed(MONDAY)), ("0042", 0, 7, 0)),
        (16, pack("<IIBBHI", 4_000_000_000, packed(MONDAY), 1, 15, 0, 77), ("4000000000", 15, 1, 77)),
        (22, pack("<H6sIBIBI", 0, b"000042", 0, 1, packed(MONDAY), 4, 0), ("000042", 0, 4, 0)),
        (40, pack("<H24sBIB8s", 65535, b"NB2401004", 4, packed(MONDAY), 255, b""), ("NB2401004", 4, 255, 0)),
        (40, pack("<H24sBIB8s", 1, b"9" * 24, 15, packed(MONDAY), 2, b""), ("9" * 24, 15, 2, 0)),
        (49, record_40(Made("166", verify=16)) + b"\xff255\0\0\0\0\0", ("166", 16, 0, 0)),
        (49, record_40(Made("166", state=255)) + b"\xff" + bytes(8), ("166", 1, 255, 0)),
        (40, record_40(Made("200", work_code=53)), ("200", 1, 0, 53)),
        (49, record_49(Made("200", work_code=4_000_000_000), b"36.5", mask=1), ("200", 1, 0, 4_000_000_000)),
    ],
)
def test_a_record_says_who_when_and_how(width: int, record: bytes, said: tuple[object, ...]) -> None:
    """Id, time, verify, state and work code come from their published places."""
    punch = punch_of(width, record)
    assert (punch.user_id, punch.verify, punch.state, punch.work_code) == said
    assert punch.time == MONDAY


@pytest.mark.parametrize("width", WIDTHS)
@given(time=st.integers(0, 2**32 - 1))
@example(time=0)
@example(time=packed(datetime(2133, 8, 18)))
@example(time=2**32 - 1)
def test_any_time_is_a_punch_or_no_such_date(width: int, time: int) -> None:
    """Every u32 decodes: to a date of 2000 to 2133, or to a record set aside for its date."""
    decoded = decode(width, RECORDS[width](Made(time=time)))
    for punch in decoded.punches:
        assert packed(punch.time) == time
    for impossible in decoded.quarantined:
        assert impossible.reason == "no such date"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_second_of_2000_is_a_punch(width: int) -> None:
    """A clock that restarted shows 2000-01-01 00:00:00, and somebody stood there."""
    assert punch_of(width, RECORDS[width](Made(time=0))).time == datetime(2000, 1, 1)


@pytest.mark.parametrize(
    "user_id", ["0", "007", "NB2401004", "100001lp", "a b", " 12", "12 ", "-", "~!@#$%^&*()"]
)
@pytest.mark.parametrize("width", [40, 49])
def test_ids_are_text(width: int, user_id: str) -> None:
    """Leading zeros, letters and spaces are part of an id."""
    assert punch_of(width, RECORDS[width](Made(user_id))).user_id == user_id


@pytest.mark.parametrize("width", [40, 49])
@given(
    user_id=IDS, time=st.integers(0, 2**29), verify=st.integers(0, 255), state=st.sampled_from((0, 1, 5, 255))
)
def test_a_text_record_survives(width: int, user_id: str, time: int, verify: int, state: int) -> None:
    """What was packed is what is read, for any printable id."""
    decoded = decode(width, RECORDS[width](Made(user_id, time, verify=verify, state=state)))
    for punch in decoded.punches:
        assert (punch.user_id, packed(punch.time), punch.verify, punch.state) == (
            user_id,
            time,
            verify,
            state,
        )


# --- by what a record is recognised ---


def with_old_memory(width: int, made: Made, memory: bytes) -> bytes:
    """Return a record whose meaningless bytes are `memory` instead of zeros."""
    record = bytearray(RECORDS[width](made))
    length = len(made.user)
    spans = {
        16: [(10, 12)],
        22: [(0, 2), (2 + length + 1, 8)],
        40: [(2 + length + 1, 26), (36, 40)],
        49: [(2 + length + 1, 26), (36, 40), (45, 49)],
    }
    for start, end in spans[width]:
        for place in range(start, end):
            record[place] = memory[place % len(memory)]
    return bytes(record)


@pytest.mark.parametrize("width", [16, 22, 40, 49])
@given(
    memory=st.tuples(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8)),
    number=st.integers(1, 9999),
)
def test_old_memory_does_not_change_what_a_record_is(
    width: int, memory: tuple[bytes, bytes], number: int
) -> None:
    """Two readings with other bytes after a NUL, in a tail or in a reserved place are the same record."""
    made = Made(str(number))
    one, other = (punch_of(width, with_old_memory(width, made, part)) for part in memory)
    assert one == other == punch_of(width, RECORDS[width](made))
    assert len(one.canonical) == width


@pytest.mark.parametrize("width", WIDTHS)
def test_each_field_changes_what_a_record_is(width: int) -> None:
    """Another person, second, state or way of recognition is another record."""
    variants = {
        8: [Made(), Made(time=packed(MONDAY) + 1), Made(flags=0x09), Made(flags=0x10)],
        22: [Made(), Made("1002"), Made(time=packed(MONDAY) + 1), Made(state=1)],
    }
    others = [
        Made(),
        Made("1002"),
        Made(time=packed(MONDAY) + 1),
        Made(state=1),
        Made(verify=2),
    ]
    others += [Made(work_code=1)] if width == 16 else [Made(number=2)]
    made = variants.get(width, others)
    canonical = {punch_of(width, RECORDS[width](each)).canonical for each in made}
    assert len(canonical) == len(made)


def test_a_record_of_a_deleted_user_is_still_itself() -> None:
    """A WL10 zeroes the slot in the records of a user who is deleted; the record stays the same."""
    before, after = Made("138", slot=9), Made("138", slot=0)
    assert punch_of(22, RECORDS[22](before)).canonical == punch_of(22, RECORDS[22](after)).canonical


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("keep", [0, 1, 3, 8, 20])
def test_the_tail_is_the_last_records_in_order(width: int, keep: int) -> None:
    """The last records are remembered oldest first, impossible ones by their raw bytes."""
    records = [RECORDS[width](Made(time=packed(MONDAY) + place, number=place)) for place in range(10)]
    for place in (0, 4, 9):
        records[place] = damage(width, records[place])
    decoded = decode(width, *records, keep=keep)
    bare = [
        _without_slot(record) if width == 22 and place not in (0, 4, 9) else record
        for place, record in enumerate(records)
    ]
    assert decoded.tail == tuple(bare[-keep:] if keep else ())
    assert [*map(identity, decoded.quarantined)] == [records[place] for place in (0, 4, 9)]
    assert [packed(punch.time) - packed(MONDAY) for punch in decoded.punches] == [1, 2, 3, 5, 6, 7, 8]


def _without_slot(record: bytes) -> bytes:
    return b"\0\0" + record[2:]


# --- what is no record ---


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("date", [(2, 30), (2, 31), (4, 31), (6, 31), (9, 31), (11, 31)])
def test_a_date_that_no_calendar_has_is_set_aside(width: int, date: tuple[int, int]) -> None:
    """Months of 31 slots can say 30 February; it is kept raw and disturbs nobody."""
    assert reason_of(width, RECORDS[width](Made(time=packed_date(2026, *date) + 3661))) == "no such date"


@pytest.mark.parametrize("width", [22, 40, 49])
@pytest.mark.parametrize("text", [b"", b"   ", b"\x0012", b"1\t2", b"1\x7f", b"\xd1and", b"\xff255"])
def test_an_id_that_is_no_printable_text_is_set_aside(width: int, text: bytes) -> None:
    """No id, blanks, control characters and letters beyond ASCII are no person."""
    record = RECORDS[width](Made())
    record = record[:2] + text.ljust(6, b"\0") + record[8:]
    assert reason_of(width, record) == "user id is not printable text"


def test_the_id_0_of_a_number_is_no_person() -> None:
    """In 16-byte records, whose id is a number, 0 is none."""
    assert reason_of(16, RECORDS[16](Made("0"))) == "user id is not printable text"


@pytest.mark.parametrize("width", [16, 22, 40, 49])
@pytest.mark.parametrize("state", range(256))
def test_any_state_is_delivered(width: int, state: int) -> None:
    """A key may be set to any number: it is told as it is, and has a name from 0 to 5."""
    assert punch_of(width, RECORDS[width](Made(state=state))).state == state


@pytest.mark.parametrize("flags", [flags for flags in range(256) if not flags & 4])
def test_the_flags_of_an_8_byte_record(flags: int) -> None:
    """State in the first three bits from the top, verify in the next two."""
    punch = punch_of(8, RECORDS[8](Made(flags=flags)))
    assert (punch.state, punch.verify) == (flags // 32, flags // 8 % 4)
    assert punch.canonical == RECORDS[8](Made(flags=flags))


@pytest.mark.parametrize("width", [40, 49])
def test_a_work_code_is_told_and_is_no_part_of_a_record(width: int) -> None:
    """A record that is read again with another one is the same."""
    one, other = (punch_of(width, RECORDS[width](Made(work_code=code))) for code in (0, 53))
    assert (one.work_code, other.work_code) == (0, 53)
    assert one.canonical == other.canonical


@pytest.mark.parametrize("text", [b"", b"255", b"36.5", b"9", b"36.50000", b"100.4"])
@pytest.mark.parametrize("mask", [0, 1, 2, 0xFE, 0xFF])
def test_a_mask_and_a_temperature_are_part_of_a_record(mask: int, text: bytes) -> None:
    """Whatever stands behind the text's NUL is not; records without the sensors are known as ever."""
    record = record_49(Made(), text, mask)
    old = record_49(Made(), text + b"\0junk"[: 8 - len(text)], mask)
    assert punch_of(49, record).canonical == punch_of(49, old).canonical == record


@pytest.mark.parametrize(
    ("width", "record"),
    [
        (8, pack("<HBBI", 7, 0x08, 1, packed(MONDAY))),
        (8, pack("<HBBI", 0, 0x08, 0, packed(MONDAY))),
        (22, pack("<H6sIBIBI", 7, b"1001", 1, 1, packed(MONDAY), 0, 0)),
        (22, pack("<H6sIBIBI", 7, b"1001", 0, 0, packed(MONDAY), 0, 0)),
        (22, pack("<H6sIBIBI", 7, b"1001", 0, 1, packed(MONDAY), 0, 1 << 24)),
        (16, pack("<IIBBHI", 5, packed(MONDAY), 10, 1, 1, 0)),  # a state without a name, and more that is odd
        (16, pack("<IIBBHI", 5, packed(MONDAY), 10, 1, 0, 100_000_000)),
        (49, record_40(Made(), b"tail") + b"\xff25x\0\0\0\0\0"),
        (49, record_40(Made(), b"tail") + b"\xff\xff255\0\0\0\0"),
        (49, record_40(Made(), b"tail") + b"\x0136.\0\0\0\0\0"),
        (49, record_40(Made(), b"tail") + b"\x0136,5\0\0\0\0"),
        (49, record_40(Made(), b"tail") + b"\x01.5\0\0\0\0\0\0"),
    ],
)
def test_constants_that_differ_are_set_aside_raw(width: int, record: bytes) -> None:
    """Bytes that every published record of a layout has alike must be so; if not, all bytes are kept."""
    assert reason_of(width, record) == "bytes that are constant in this layout differ"


def test_a_slot_that_is_nobodys_is_set_aside_but_does_not_speak_against_the_layout() -> None:
    """Punches outlive their user; a log may be full of them and is still a log."""
    gone = RECORDS[8](Made(slot=8))
    assert reason_of(8, gone) == "its slot is not in the user table"
    decoded = decode(8, gone, gone, damage(8, gone))
    assert (len(decoded.quarantined), decoded.impossible) == (3, 1)
    assert fits(LAYOUTS[8], gone * 100)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_bytes_are_no_records(width: int) -> None:
    """An empty run is empty."""
    decoded = decode(width, keep=8)
    assert (decoded.punches, decoded.quarantined, decoded.tail) == ((), (), ())


@pytest.mark.parametrize("width", WIDTHS)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_records_or_set_aside(width: int, data: bytes) -> None:
    """Rubbish is decoded or quarantined, record for record, and never fails."""
    data = data[: len(data) // width * width]
    decoded = decode(width, data, keep=len(data))
    assert len(decoded.punches) + len(decoded.quarantined) == len(decoded.tail) == len(data) // width
    assert {len(kept) for kept in decoded.tail} <= {width}
    assert all(punch.user_id for punch in decoded.punches)


def test_one_impossible_record_is_always_allowed() -> None:
    """Single bad records are real, so the share counts from the second on."""
    assert [too_many(count, 10) for count in range(4)] == [False, False, True, True]
    assert [too_many(count, 100) for count in (5, 6)] == [False, True]


# --- which layout ---

OFFICE = Site(tuple(str(1000 + place) for place in range(40)))
SMALL_SHOP = Site(("1", "2", "3"), states=(0, 1, 2, 3, 4, 5))
LETTERS = Site(("NB0001", "0007", "a b"), verify=(1, 4, 15), states=(255,))
CODED = Site(("5", "100001", "7654321"), verify=(0, 1), work_codes=(0, 12, 99_999_999))
KIOSK = Site(("1", "2"), verify=(0,), states=(0,), flags=(0x28, 0x08), gap=0)
KEYS = Site(("1", "1002", "30003"), states=(10, 15, 250), flags=(0xC8, 0xE8, 0x68))
SITES = {
    "office": OFFICE,
    "small shop": SMALL_SHOP,
    "letters": LETTERS,
    "coded": CODED,
    "kiosk": KIOSK,
    "keys": KEYS,
}
KINDS = [
    (width, name)
    for width in WIDTHS
    for name in SITES
    if not (width == 16 and name == "letters") and not (width == 22 and name in ("coded", "letters"))
]


def found(data: bytes) -> int | None:
    """Return the width of the layout found, or None for none."""
    try:
        return detect(data, len(data)).width
    except UnknownLayout:
        return None


@pytest.mark.parametrize("count", [1, 2, 3, 10, 41, 500, 5000])
@pytest.mark.parametrize(("width", "site"), KINDS)
def test_every_layout_is_found_at_every_length(width: int, site: str, count: int) -> None:
    """From the first record on, whatever other widths divide the log's length."""
    assert found(b"".join(log(width, count, SITES[site], random.Random(count)))) == width


@pytest.mark.parametrize("count", [3, 10, 25, 40, 80, 500, 5000])
@pytest.mark.parametrize(("width", "site"), KINDS)
def test_every_layout_is_found_among_impossible_records(width: int, site: str, count: int) -> None:
    """One impossible record, or four in a hundred, change nothing."""
    chance = random.Random(count)
    records = log(width, count, SITES[site], chance)
    for place in chance.sample(range(count), max(1, count * 4 // 100)):
        records[place] = damage(width, records[place])
    assert found(b"".join(records)) == width


@pytest.mark.parametrize("width", WIDTHS)
def test_the_beginning_of_a_log_is_enough(width: int) -> None:
    """The first bytes of a long log tell, even if they end inside a record."""
    data = b"".join(log(width, 400, OFFICE, random.Random(1)))
    assert detect(data[: 100 * width + 5], len(data)).width == width
    with pytest.raises(UnknownLayout, match="no known"):
        detect(data, len(data) + 1)


@pytest.mark.parametrize("count", [40, 80, 120, 400])
def test_a_49_byte_log_is_never_read_at_40(count: int) -> None:
    """Where 40 divides the length, and a first record reads well at 40, the others tell."""
    data = b"".join(log(49, count, LETTERS, random.Random(count)))
    assert len(data) % 40 == 0
    assert decode(40, data[:40]).punches
    assert not fits(LAYOUTS[40], data)
    assert found(data) == 49


def any_site(width: int, chance: random.Random) -> Site:
    """Return a terminal with a clock that was set: few or many people, all kinds of ids, states and codes."""
    people = chance.choice((1, 2, 3, 4, 5, 8, 20, 300))
    bases = {16: (1, 5, 32, 1000, 70_000, 2_100_000, 5_000_000, 123_456_789, 0x20303030)}
    base = chance.choice(bases.get(width, (1, 5, 32, 1000, 100_000)))
    prefixes = ("",) if width in (8, 16, 22) else ("", "NB24", "00", "abc lp", "X-")
    return Site(
        users=tuple(chance.choice(prefixes) + str(base + place) for place in range(people)),
        start=chance.choice((MONDAY, datetime(2018, 5, 11, 18), datetime(2013, 1, 1), datetime(2007, 1, 1))),
        verify=chance.choice(((1,), (0,), (15,), (1, 3, 4), (0, 1, 2, 15, 16))),
        states=chance.choice(((0,), (1,), (0, 1), (0, 1, 2, 3, 4, 5), (255,), (15,), (0, 10, 40))),
        work_codes=chance.choice(((0,), (0, 1, 2), (7,), (1, 99_999_999))),
        flags=chance.choice(((0x08,), (0x28,), (0x28, 0x88), (0x08, 0x09, 0x10), (0x20,), (0xC8, 0xE8))),
        gap=chance.choice((1, 60, 4000, 50_000)),
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_small_logs_are_found_and_never_mistaken(width: int) -> None:
    """Of 1,000 realistic logs of 1 to 60 records, each is found; none is unknown, none is another's."""
    chance = random.Random(width)
    for _ in range(1000):
        data = b"".join(log(width, chance.randint(1, 60), any_site(width, chance), chance))
        assert found(data) == width, data.hex()


@pytest.mark.parametrize("width", WIDTHS)
def test_small_logs_with_impossible_records_are_never_mistaken(width: int) -> None:
    """With one record in ten impossible, 1,000 logs are found or unknown, never read as something else."""
    chance = random.Random(width)
    for _ in range(1000):
        records = log(width, chance.randint(1, 60), any_site(width, chance), chance)
        damaged = [damage(width, record) if chance.random() < 0.1 else record for record in records]
        assert found(b"".join(damaged)) in (width, None), b"".join(damaged).hex()


@pytest.mark.parametrize("start", [EPOCH, datetime(2000, 1, 1, 5), datetime(2001, 6, 1)])
@pytest.mark.parametrize("width", WIDTHS)
def test_logs_of_a_clock_that_was_never_set_are_never_mistaken(width: int, start: datetime) -> None:
    """With all punches after 2000-01-01, all but 16-byte logs are found, and those not mistaken."""
    chance = random.Random(width)
    for _ in range(300):
        made = any_site(width, chance)
        site = Site(made.users, start, made.verify, made.states, made.work_codes, made.flags, made.gap)
        answer = found(b"".join(log(width, chance.randint(1, 60), site, chance)))
        assert answer == width or (width == 16 and answer is None)


def pair(flags: int, *times: int) -> bytes:
    """Return two 8-byte records of slots 1 and 2, which 16-byte records could have as id and state."""
    return b"".join(RECORDS[8](Made(slot=slot, flags=flags, time=time)) for slot, time in enumerate(times, 1))


@pytest.mark.parametrize("flags", [0x28, 0x08, 0x00])
@pytest.mark.parametrize("second", [0, 1, 3600, 30 * 86_400])
def test_two_8_byte_records_are_no_16_byte_record(flags: int, second: int) -> None:
    """Times in one range, or flags where a 16-byte record has zeros, say 8."""
    assert found(pair(flags, packed(MONDAY), packed(MONDAY) + second)) == 8


@pytest.mark.parametrize("start", [MONDAY, datetime(2013, 1, 1)])
def test_8_byte_logs_without_flags_are_not_mistaken(start: datetime) -> None:
    """No published record is without flags, and memory mistaken for a log is: a longer log is unknown."""
    chance = random.Random(0)
    site = Site(("1", "2", "3"), start, flags=(0, 1, 2))
    for count in range(1, 61):
        assert found(b"".join(log(8, count, site, chance))) == (8 if count < 5 else None)


@pytest.mark.parametrize("work_code", [0, 1, 12_345, 99_999_999])
@pytest.mark.parametrize("count", [1, 2])
def test_a_16_byte_record_is_no_two_8_byte_records(work_code: int, count: int) -> None:
    """A second time in 2000 to 2003 beside a first one that is not, is a work code."""
    assert found(RECORDS[16](Made("5", verify=1, work_code=work_code)) * count) == 16


@pytest.mark.parametrize("flags", [0x28, 0x08])
def test_flags_say_8_even_when_the_clock_was_reset_in_between(flags: int) -> None:
    """The reserved bytes of 16-byte records are zeros in all that were published."""
    assert found(pair(flags, packed(MONDAY), 300)) == 8
    assert found(pair(flags, 300, 600)) == 8


@pytest.mark.parametrize("code", [0, 300])
def test_two_records_of_a_clock_in_2000_are_not_guessed(code: int) -> None:
    """These bytes are two 8-byte records or one with a work code: the log is unknown, and says why."""
    undecidable = pair(0, 300, code)
    assert undecidable == RECORDS[16](Made("1", time=300, state=2, verify=0, work_code=code))
    with pytest.raises(UnknownLayout, match="fits the layouts 8 and 16 alike"):
        detect(undecidable, 16)


def test_three_records_of_a_clock_in_2000_without_work_codes_are_16() -> None:
    """That every second punch falls on 2000-01-01 00:00:00 to the second is no accident."""
    data = b"".join(RECORDS[16](Made("5", time=300 * place, verify=1)) for place in range(1, 4))
    assert found(data) == 16


def test_a_log_of_one_moment_in_2000_is_not_guessed() -> None:
    """A clock that stands still at 2000-01-01 00:00:00 leaves nothing to tell by."""
    assert found(pair(0, 0, 0)) is None
    assert found(pair(0x08, 0, 0)) == 8


@pytest.mark.parametrize("bad", [0, 1])
@pytest.mark.parametrize("flags", [0x28, 0x08, 0x00])
def test_two_8_byte_records_of_which_one_is_impossible_are_not_16(flags: int, bad: int) -> None:
    """One of two proves nothing, and 16 is not what is left: the log is unknown until the next punch."""
    times = [packed(MONDAY), packed(MONDAY) + 60]
    times[bad] = FEBRUARY_30
    assert found(pair(flags, *times)) is None
    more = RECORDS[8](Made(slot=3, flags=flags, time=packed(MONDAY) + 120))
    assert found(pair(flags, *times) + more) == 8


def test_16_byte_records_of_states_without_a_name_are_not_8() -> None:
    """Where their states say nothing, their times and what is constant in them do."""
    data = b"".join(RECORDS[16](Made("5", state=state)) for state in (6, 7, 8, 9))
    for count in range(1, 5):
        assert found(data[: 16 * count]) == 16


@pytest.mark.parametrize("size", [40, 80, 1960, 4000])
def test_a_text_is_no_log(size: int) -> None:
    """It has ids, dates and numbers for states, and nothing of what else is known of a record."""
    words = b"~DeviceName=F18 ~Platform=ZEM600_TFT IPAddress=192.168.1.201 GATEIPAddress=192.168.1.1 "
    assert found((words * 50)[:size]) is None


def test_8_byte_records_of_which_many_are_impossible_are_not_40() -> None:
    """Flags of those who went are printable, and a state may be anything: no reason to believe in ids."""
    chance = random.Random(8)
    for flags in (0x28, 0x48, 0x68):
        site = Site(("1", "2", "3"), flags=(flags,))
        for share in (0.3, 0.5):
            records = log(8, 50, site, chance)
            damaged = [damage(8, record) if chance.random() < share else record for record in records]
            assert found(b"".join(damaged)) is None


# --- long and short records ---


def mixed(
    chance: random.Random, count: int, gap: int = 400, flags: tuple[int, ...] = (0x08, 0x28)
) -> list[Made]:
    """Return what a terminal of 8-byte records was told, of 20 people."""
    moment, made = MONDAY, []
    for _ in range(count):
        moment += timedelta(seconds=chance.randint(0, gap))
        made.append(Made(slot=chance.randint(1, 20), flags=chance.choice(flags), time=packed(moment)))
    return made


def as_written(made: list[Made]) -> bytes:
    """Return a log of `made`, short records wherever one is within 1,023 s of the last long one."""
    data, long = b"", -1
    for one in made:
        if long >= 0 and one.time - long <= 1023:
            data += record_4(one.slot, one.flags, one.time - long)
        else:
            data, long = data + RECORDS[8](one), one.time
    return data


def rows(data: bytes) -> bytes:
    """Return a log's records, each 8 bytes wide."""
    return LAYOUTS[8].whole(data)


@pytest.mark.parametrize("count", [2, 3, 10, 60, 3000])
def test_a_log_of_long_and_short_records_is_found(count: int) -> None:
    """By the bit of its form each record is 8 or 4 bytes wide; those of 4 say when by the last of 8."""
    for seed in range(1 if count > 60 else 100):
        made = mixed(random.Random(seed), count)
        data = as_written(made)
        assert found(data) == 8, data.hex()
        punches = LAYOUTS[8].decode(rows(data), ANY_SLOT).punches
        told = [
            (punch.user_id, packed(punch.time), punch.state << 5 | punch.verify << 3) for punch in punches
        ]
        assert told == [(str(one.slot), one.time, one.flags) for one in made]
        assert LAYOUTS[8].as_sent(rows(data)) == data


def test_a_short_record_is_known_by_its_bytes_and_its_time() -> None:
    """The same four bytes behind another long record are another punch, and never the bytes of a long one."""
    short = record_4(7, 0x08, 50)
    days = [RECORDS[8](Made(time=packed(MONDAY) + day * 86_400)) + short for day in range(3)]
    known = [LAYOUTS[8].decode(rows(day), SLOTS).punches[1].canonical for day in days]
    assert len(set(known)) == 3
    assert all(one[:4] == short and len(one) == 8 for one in known)
    for one in known:
        (punch,) = LAYOUTS[8].decode(one, SLOTS).punches  # as it is read from the journal again
        assert punch.canonical == one


def test_a_short_record_behind_the_last_second_of_a_short_month() -> None:
    """30 April has no 31st behind it, though a packed month has 31 days."""
    eve = datetime(2026, 4, 30, 23, 59, 50)
    data = RECORDS[8](Made(time=packed(eve))) + record_4(7, 0x08, 20)
    assert found(data) == 8
    assert LAYOUTS[8].decode(rows(data), SLOTS).punches[1].time == datetime(2026, 5, 1, 0, 0, 10)


def test_short_records_at_the_end_of_time_are_no_crash() -> None:
    """Memory may read as a short record behind the last second that a packed time can tell."""
    data = RECORDS[8](Made(time=(1 << 32) - 1)) + record_4(7, 0x08, 1023)
    with pytest.raises(UnknownLayout):
        detect(data * 10, len(data) * 10)
    assert len(rows(data)) == 16


@pytest.mark.parametrize("size", [1, 3, 4, 5, 8, 13, 4096])
def test_short_records_may_be_cut_anywhere(size: int) -> None:
    """However the log comes in pieces, its records are the same."""
    data = as_written(mixed(random.Random(1), 500))
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    assert b"".join(LAYOUTS[8].even(pieces)) == rows(data)


def test_a_log_that_begins_with_a_short_record_is_refused() -> None:
    """Nothing says when that was."""
    data = as_written(mixed(random.Random(1), 40))
    with pytest.raises(UnknownLayout, match="fits no known"):
        detect(data[8:], len(data) - 8)
    with pytest.raises(UnknownLayout, match="begins with a short record"):
        rows(data[8:])


def test_a_log_that_ends_inside_a_long_record_is_refused() -> None:
    """Four bytes are left over that are no short record."""
    data = as_written(mixed(random.Random(1), 40)) + RECORDS[8](Made())[:4]
    assert found(data) is None
    with pytest.raises(UnknownLayout, match="ends inside a record"):
        rows(data)


@pytest.mark.parametrize("flags", [0x0C, 0x0D, 0x2C])
@pytest.mark.parametrize("share", [0.1, 1])
def test_long_records_with_the_bit_of_short_ones_are_refused(flags: int, share: float) -> None:
    """Where each eight bytes are a long record of one time, that bit means something else."""
    chance = random.Random(4)
    for _ in range(50):
        moment, data = packed(MONDAY), RECORDS[8](Made())
        for _ in range(29):
            moment += chance.randint(0, 4000)
            data += RECORDS[8](Made(time=moment, flags=flags if chance.random() < share else 0x08))
        assert found(data) is None or not any_short(data)


@pytest.mark.parametrize("place", [1, 7, 20])
def test_a_record_that_was_never_written_is_set_aside(place: int) -> None:
    """Eight bytes of ones, as empty memory has, are one bad record, and not two short ones of nobody."""
    records = log(8, 20, SMALL_SHOP, random.Random(1))
    records.insert(place, b"\xff" * 8)
    data = b"".join(records)
    assert found(data) == 8
    decoded = LAYOUTS[8].decode(rows(data), {1: "1", 2: "2", 3: "3"})
    assert [punch.canonical for punch in decoded.punches] == [one for one in records if one[0] != 0xFF]
    assert [one.raw for one in decoded.quarantined] == [b"\xff" * 8]
    pieces = (data[at : at + 5] for at in range(0, len(data), 5))
    assert b"".join(LAYOUTS[8].even(pieces)) == data


def test_a_short_record_behind_the_last_second_there_is() -> None:
    """Any u32 is a time for as many seconds later as there are; nothing overflows."""
    for flags in (0x04, 0x07):
        data = RECORDS[8](Made(time=2**32 - 1)) + bytes((7, 0, flags, 0xFF))
        assert len(rows(data)) == 16


def test_bits_that_are_counted_from_the_bottom_are_no_mixed_log() -> None:
    """In that reading bit 5 told a long record; nothing of it was published."""
    chance = random.Random(10)
    for count in (3, 10, 60):
        records = [RECORDS[8](Made(flags=0x28, slot=3))]
        for place in range(1, count):
            offset = chance.randint(1, 1023)
            short = pack("<HBB", 3, 0x08 | (offset >> 2 & 0xC0), offset & 0xFF)
            long = RECORDS[8](Made(flags=0x28, slot=3, time=packed(MONDAY) + 60 * place))
            records.append(short if chance.random() < 0.7 else long)
        assert found(b"".join(records)) is None


@pytest.mark.parametrize("size", [40, 80, 88, 120, 160, 400, 4000])
def test_memory_is_no_log_of_short_records(size: int) -> None:
    """Pointers, code and counters fit a stride of four; they are refused."""
    chance = random.Random(size)

    for top, more in ((0x9D35_0000, 1 << 16), (0xE584_0000, 1 << 12), (0, 1 << 32)):
        for _ in range(200):
            words = (top + chance.randrange(more) for _ in range(size // 4))
            data = b"".join(word.to_bytes(4, "little") for word in words)
            assert found(data) is None, data.hex()
    for start in range(1, 1 << 22, 99_991):
        ramp = b"".join((start + step).to_bytes(4, "little") for step in range(size // 4))
        assert found(ramp) != 8 or not any_short(ramp), ramp.hex()


# --- ids that are no ASCII ---


def with_odd_ids(width: int, count: int, share: float, chance: random.Random) -> list[bytes]:
    """Return a log in which one person, who makes a share of the records, has an id of one byte, 0xd2."""
    field = {22: 6}.get(width, 24)
    odd = b"\xd2".ljust(field, b"\0")
    records = log(width, count, OFFICE, chance)
    return [one[:2] + odd + one[2 + field :] if chance.random() < share else one for one in records]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
@pytest.mark.parametrize("width", [22, 40, 49])
def test_an_id_that_is_no_ascii_speaks_not_against_the_others(width: int, share: float) -> None:
    """However many records that one person makes, the others are found, and the odd ones are set aside."""
    records = with_odd_ids(width, 400, share, random.Random(1))
    assert found(b"".join(records)) == width
    decoded = LAYOUTS[width].decode(b"".join(records), {})
    odd = [one for one in records if one[2] == 0xD2]
    assert [(one.raw, one.reason) for one in decoded.quarantined] == [
        (one, "user id is not printable text") for one in odd
    ]
    assert (decoded.impossible, decoded.odd_ids) == (0, len(odd))


@pytest.mark.parametrize("width", [22, 40, 49])
def test_a_log_of_ids_that_are_no_ascii_alone_is_refused(width: int) -> None:
    """Most records must prove the layout."""
    assert found(b"".join(with_odd_ids(width, 100, 1, random.Random(1)))) is None
    assert found(b"".join(with_odd_ids(width, 400, 0.6, random.Random(1)))) is None


@pytest.mark.parametrize("width", [40, 49])
@pytest.mark.parametrize("id_", [b"", b"\xd2\0\x07", b"\xd2" * 24])
def test_an_id_that_is_none_speaks_against_a_layout(width: int, id_: bytes) -> None:
    """Nothing at all, or what is not padded with NULs, is what rubbish shows."""
    records = log(width, 100, OFFICE, random.Random(1))
    for place in range(0, 100, 5):
        records[place] = records[place][:2] + id_.ljust(24, b"\0") + records[place][26:]
    assert found(b"".join(records)) is None


@settings(max_examples=examples(300))
@given(
    st.integers(0, 12).flatmap(
        lambda n: st.sampled_from(WIDTHS).flatmap(lambda w: st.binary(min_size=n * w, max_size=n * w))
    ),
    st.integers(-8, 4000),
)
def test_any_bytes_have_a_layout_or_none(data: bytes, more: int) -> None:
    """Rubbish, of any length and announced as any length, gives a `Layout` that fits or `UnknownLayout`."""
    total = max(0, len(data) + more)
    try:
        layout = detect(data, total)
    except UnknownLayout:
        return
    assert layout.divides(total)
    assert fits(layout, data[:total])


@pytest.mark.parametrize("fill", [0x00, 0xFF, 0x20, 0x31])
@pytest.mark.parametrize("size", [8, 16, 22, 40, 49, 80, 1960, 4000])
def test_memory_of_one_byte_is_no_log(fill: int, size: int) -> None:
    """Zeros, ones, blanks and digits are no log at any length."""
    assert found(bytes([fill]) * size) is None
