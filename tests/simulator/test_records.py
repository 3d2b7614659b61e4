"""The simulator's records and samples against published bytes."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from tests.simulator.client import capture
from zkpoll.simulator import LAYOUTS, EnrolledUser, Record
from zkpoll.simulator.records import (
    FreeSizes,
    encode_record,
    encode_sizes,
    encode_user,
    table,
    with_old_memory,
)
from zkpoll.simulator.samples import sample_records, sample_users
from zkpoll.simulator.wire import decode

NED = Record(13, 0, "999111333", datetime(2018, 6, 25, 17, 50, 35))


def test_a_40_byte_record_is_as_an_f19_packs_it() -> None:
    """The record of the F19 comes out byte for byte, but for its tail, which means nothing."""
    assert encode_record(NED, 40)[:32] == capture("zkp-att-40")[:32]


@pytest.mark.parametrize(
    ("name", "number", "moment"),
    [
        ("jsspec-att40-0", 518, datetime(2018, 5, 11, 18, 22, 58)),
        ("jsspec-att40-1", 519, datetime(2018, 5, 11, 20, 16, 1)),
    ],
)
def test_record_numbers_rise(name: str, number: int, moment: datetime) -> None:
    """The first u16 of a 40-byte record is its own number, as published records prove."""
    packed = encode_record(Record(number, 0, "22", moment, verify=15), 40)
    assert packed[:38] == capture(name)[2:]


@pytest.mark.parametrize(
    ("name", "clock"), [("ma300-56-att8-0", (11, 1, 51)), ("ma300-56-att8-6", (11, 24, 20))]
)
def test_an_8_byte_record_is_as_an_ma300_packs_it(name: str, clock: tuple[int, int, int]) -> None:
    """Records of an MA300 come out byte for byte."""
    record = Record(1, 5, "5", datetime(2019, 9, 30, *clock))
    assert encode_record(record, 8) == capture(name)


def test_a_16_byte_record_has_state_before_verify() -> None:
    """State stands at byte 8 and verify at 9, as the vendor says."""
    record = Record(1, 1, "70000", datetime(2000, 1, 1), verify=4, state=1, work_code=9)
    assert encode_record(record, 16) == bytes.fromhex("70110100 00000000 0104 0000 09000000")


def test_a_22_byte_record_has_its_time_at_13() -> None:
    """A WL10 record: uid, six characters, a one at 12, the time at 13, the state at 17."""
    packed = encode_record(Record(1, 2, "NB0007", datetime(2000, 1, 1, 0, 0, 9), state=1), 22)
    assert packed == b"\x02\0NB0007\0\0\0\0\x01\x09\0\0\0\x01\0\0\0\0"


def test_a_49_byte_record_is_a_40_byte_one_with_a_trailer() -> None:
    """The trailer is `ff 32 35 35` and zeros, as on a SpeedFace-V5L."""
    packed = encode_record(NED, 49)
    assert packed[:40] == encode_record(NED, 40)
    assert packed[40:] == bytes.fromhex("ff3235350000000000")


def test_record_numbers_wrap_at_65536() -> None:
    """Record 65537 carries the number 1."""
    assert encode_record(NED._replace(number=65537), 40)[:2] == b"\x01\0"


def test_the_seven_published_users_make_the_published_table() -> None:
    """The answer with seven users is reproduced byte for byte."""
    ids = {1: "808", 2: "821", 3: "835", 4: "831", 5: "832", 6: "86", 12: "842"}
    users = [
        EnrolledUser(uid, user_id, privilege=14 if uid == 1 else 0, group=0) for uid, user_id in ids.items()
    ]
    published = decode(capture("pyzk-users-inline-7x72"))
    assert published is not None
    assert table(encode_user(user, 72) for user in users) == published.data


def test_a_28_byte_user_ends_in_its_number() -> None:
    """The user id of an old unit is the u32 at 24."""
    packed = encode_user(EnrolledUser(3, "70000", "Ned", password="12345", card=7), 28)
    assert packed == b"\x03\0\x0012345Ned\0\0\0\0\0\x07\0\0\0\0\x01\0\0" + b"\x70\x11\x01\0"


def test_a_k20_tells_its_sizes_in_80_bytes() -> None:
    """The sizes a K20 told are reproduced byte for byte."""
    counts = FreeSizes(users=2, operations=7, finger_capacity=500, user_capacity=500, record_capacity=50000)
    published = decode(capture("pyzk-sizes-80-k20"))
    assert published is not None
    assert encode_sizes(counts, 80) == published.data


def test_the_published_sizes_of_92_bytes() -> None:
    """The sizes of a unit with 546 users are reproduced byte for byte."""
    counts = FreeSizes(546, 1090, 67, 2634, 2, 2, 10000, 10000, 200000)
    published = bytearray(capture("tad-sizes-92"))
    told = encode_sizes(counts, 92)
    assert told[16:84] == published[16:84]
    assert len(told) == 92


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sample_records_fit_their_layout(layout: int) -> None:
    """Sample users and punches can be packed in every layout, all to its width."""
    users = sample_users(30, layout)
    packed = [encode_record(record, layout) for record in sample_records(users, 500)]
    assert {len(row) for row in packed} == {layout}
    width = 28 if layout in {8, 16} else 72
    assert {len(encode_user(user, width)) for user in users} == {width}


@pytest.mark.parametrize(("users", "count"), [(50, 200_000), (1, 20_000), (3, 7), (5, 0)])
def test_samples_are_plausible(users: int, count: int) -> None:
    """As many as asked for, in time order, before the given day, no two of one user in a second."""
    records = sample_records(sample_users(users), count, before=date(2026, 1, 1))
    times = [record.time for record in records]
    assert len(records) == count
    assert times == sorted(times)
    assert all(datetime(2010, 1, 1) < moment < datetime(2026, 1, 1) for moment in times)
    assert len({(record.user_id, record.time) for record in records}) == count


def test_samples_are_the_same_every_time() -> None:
    """The same arguments give the same log; another seed another."""
    users = sample_users(10)
    assert sample_records(users, 100) == sample_records(users, 100)
    assert sample_records(users, 100) != sample_records(users, 100, seed=2)


def test_sample_users_have_ids_that_are_no_numbers() -> None:
    """Some text ids are not numeric; all differ."""
    ids = [user.user_id for user in sample_users(1000)]
    assert "NB2401007" in ids
    assert len(set(ids)) == 1000


@pytest.mark.parametrize("layout", [22, 40, 49])
def test_old_memory_leaves_the_record_alone(layout: int) -> None:
    """Rubbish stands behind the id's NUL and in the tail, nowhere else."""
    packed = encode_record(NED._replace(user_id="12"), layout)
    dirty = with_old_memory(packed, layout, lambda size: b"\xaa" * size)
    end = 8 if layout == 22 else 26
    assert dirty != packed
    assert dirty[:5] == packed[:5]
    assert dirty[end : end + 6] == packed[end : end + 6]
    assert dirty[40:] == packed[40:]
