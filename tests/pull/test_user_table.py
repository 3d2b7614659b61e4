"""User tables: which of the two layouts, and what they say."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.errors import WireError
from zkpoll.model.user import User
from zkpoll.pull.user_table import decode

if TYPE_CHECKING:
    from collections.abc import Callable


def user_72(
    slot: int = 1,
    user_id: bytes = b"1001",
    name: bytes = b"Ada",
    *,
    privilege: int = 0,
    password: bytes = b"",
    card: int = 0,
    group: int = 1,
) -> bytes:
    """Return u16 slot, u8 privilege, 8 PIN, 24 name, u32 card, u8 group, 8 zones, 24 id."""
    return pack("<HB8s24sIB8x24s", slot, privilege, password, name, card, group, user_id)


def user_28(
    slot: int = 1, user_id: int = 1001, name: bytes = b"ADA", *, password: bytes = b"", card: int = 0
) -> bytes:
    """Return u16 slot, u8 privilege, 5 PIN, 8 name, 5 card, u8 group, u16 zones, u32 id."""
    return pack("<HB5s8sIxBHI", slot, 0, password, name, card, 1, 0, user_id)


def test_a_72_byte_user_says_everything() -> None:
    """Slot, id, name, privilege, card, group, and whether there is a PIN, from their published places."""
    record = user_72(13, b"0555", b"Ned", privilege=14, password=b"4711", card=222, group=2)
    assert decode(record) == (User(13, "0555", b"Ned", 14, 222, 2, has_password=True),)


def test_a_28_byte_user_says_everything() -> None:
    """The same of the older layout, whose id is a number."""
    record = user_28(0x4D6C, 19820, b"ALVAREZ,", password=b"12345", card=222)
    assert decode(record) == (User(0x4D6C, "19820", b"ALVAREZ,", 0, 222, 1, has_password=True),)


def test_old_memory_after_a_nul_means_nothing() -> None:
    """Terminals do not clear what they overwrite: bytes after a NUL are neither name, id nor PIN."""
    record = user_72(1, b"7\x009999", b"Ned\x00Old name", password=b"\x00\xe6\x19\x00\xfa")
    assert decode(record) == (User(1, "7", b"Ned", 0, 0, 1, has_password=False),)
    assert decode(user_28(1, 7, b"NED\0OLDS", password=b"\x00\xff\xff\xff\x3a"))[0].has_password is False


@pytest.mark.parametrize("record", [user_72(password=b"48151623"), user_28(password=b"48151")])
def test_the_pin_is_nowhere_in_a_user(record: bytes) -> None:
    """Of a PIN only that there is one is kept."""
    (user,) = decode(record)
    assert user.has_password
    assert "4815" not in repr(user)


def test_a_refused_table_does_not_show_its_pins() -> None:
    """The error for a table that fits nothing tells its size, not its bytes."""
    with pytest.raises(WireError, match="of 71 bytes") as failure:
        decode(user_72(password=b"48151623")[:-1])
    assert "4815" not in str(failure.value)


def test_a_name_is_bytes_and_may_end_inside_a_letter() -> None:
    """Names are cut at 24 or 8 bytes, and in no declared encoding: the bytes are kept."""
    name = ("é" * 13).encode()[1:25]
    assert decode(user_72(name=name))[0].name == name
    assert decode(user_28(name="ÑANDÚ".encode("cp1252")))[0].name == b"\xd1AND\xda"


def test_an_empty_table_has_no_users() -> None:
    """No bytes are no users, not an error."""
    assert decode(b"") == ()


@pytest.mark.parametrize("count", [7, 14])
@pytest.mark.parametrize("long_names", [False, True])
def test_504_bytes_are_read_as_what_they_are(count: int, *, long_names: bool) -> None:
    """A size that both layouts divide is told apart by the records themselves."""
    name = b"Maximiliana Featherstone" if long_names else b"Ned"
    new = [user_72(slot, b"%d" % (100_000 + slot), name, card=slot) for slot in range(1, count + 1)]
    old = [
        user_28(slot, 0x30303030 + slot, name[:8], password=b"12345", card=0x31313131)
        for slot in range(1, 18 * count // 7 + 1)
    ]
    assert len(b"".join(new)) == len(b"".join(old)) == 72 * count
    assert [user.slot for user in decode(b"".join(new))] == [*range(1, count + 1)]
    assert [user.slot for user in decode(b"".join(old))] == [*range(1, 18 * count // 7 + 1)]


@pytest.mark.parametrize(
    "odd",
    [
        bytes(72),  # a slot never used
        user_72(3, b"", b"Nobody"),
        user_72(3, b"   ", b"Blank"),
        user_72(3, b"\x8812", b"Old memory"),
        pack("<HB69s", 3, 0x31, b"\x12\x34" * 10 + b"77777777777777777777" * 3),  # templates (WL10)
    ],
)
@pytest.mark.parametrize("place", [0, 3, 6])
def test_one_odd_record_does_not_hide_everybody_else(odd: bytes, place: int) -> None:
    """A deleted, nameless or template slot is left out; the others are known by their slots as before."""
    records = [user_72(slot, b"%d" % (1000 + slot)) for slot in range(1, 8)]
    records[place] = odd
    users = {user.slot: user.user_id for user in decode(b"".join(records))}
    assert users == {slot: str(1000 + slot) for slot in range(1, 8) if slot != place + 1}


@pytest.mark.parametrize("odd", [bytes(28), user_28(0, 5), user_28(5, 0)])
def test_one_odd_record_of_the_older_layout_neither(odd: bytes) -> None:
    """The same for 28 bytes, where 18 of them also divide by 72."""
    records = [user_28(slot, 1000 + slot) for slot in range(1, 19)]
    records[4] = odd
    assert [user.slot for user in decode(b"".join(records))] == [*range(1, 5), *range(6, 19)]


# --- slots that are ids, and tables of other widths ---


def user_16(slot: int, name: bytes = b"ANN", password: bytes = b"") -> bytes:
    """Return u16 slot, u8 privilege, 5 PIN, 8 name: firmware before 5.04."""
    return pack("<HB5s8s", slot, 0, password, name)


def user_36(slot: int, user_id: int = 0) -> bytes:
    """Return what 36-byte tables are thought to be: 28 bytes as usual, and eight more."""
    return user_28(slot, user_id, b"ANN") + pack("<II", 1, 0)


def test_without_ids_of_their_own_users_have_their_slots() -> None:
    """Where the second id of all is 0, the slot is the id."""
    ann = bytes.fromhex("0100000000000000416e6e0000000000000000000001000000000000")
    assert decode(ann) == (User(1, "1", b"Ann", 0, 0, 1, has_password=False),)
    records = b"".join(user_28(slot, 0) for slot in range(1, 19))
    assert [user.user_id for user in decode(records, 18)] == [str(slot) for slot in range(1, 19)]


@pytest.mark.parametrize("counted", [None, 18, 17])
def test_a_slot_is_no_id_beside_ids(counted: int | None) -> None:
    """Where others have ids of their own, one without is left out: its slot may be another one's id."""
    records = [user_28(slot, 1000 + slot) for slot in range(1, 19)]
    records[4] = user_28(5, 0)
    assert [user.slot for user in decode(b"".join(records), counted)] == [*range(1, 5), *range(6, 19)]


@pytest.mark.parametrize(
    ("record", "count"),
    [(user_16, 7), (user_16, 9), (user_16, 63), (user_36, 2), (user_36, 7), (user_36, 14), (user_36, 126)],
)
def test_users_of_another_width_are_not_believed(record: Callable[[int], bytes], count: int) -> None:
    """Tables of 16 and 36 bytes a user, whose sizes divide by 28 or 72, name nobody."""
    table = b"".join(record(slot) for slot in range(1, count + 1))
    assert len(table) % 28 == 0 or len(table) % 72 == 0
    with pytest.raises(WireError, match=r"no known layout|two|twice|none of it"):
        decode(table, count)


@pytest.mark.parametrize("counted", [6, 8, 70, 200])
@pytest.mark.parametrize("record", [user_28, user_72])
def test_a_table_that_is_not_as_long_as_counted_is_not_believed(
    record: Callable[[int], bytes], counted: int
) -> None:
    """A table of other people than are counted is refused, and both numbers are told."""
    with pytest.raises(WireError, match=f"counts {counted} users, and in no known layout"):
        decode(b"".join(map(record, range(1, 8))), counted)


@pytest.mark.parametrize("record", [user_28, user_72])
def test_two_users_in_one_slot_are_not_believed(record: Callable[[int], bytes]) -> None:
    """A slot that is named twice does not tell whose punches it has."""
    with pytest.raises(WireError, match="names one slot twice"):
        decode(b"".join(map(record, [1, 2, 3, 2])), 4)


def test_the_count_tells_layouts_apart() -> None:
    """Of two layouts that fit, the one with as many users as are counted is believed."""
    old = b"".join(user_28(slot, 0x30303030 + slot, b"", card=0x31313131) for slot in range(1, 19))
    assert len(decode(old, 18)) == 18


def test_a_table_of_many_template_slots_is_a_table_of_its_users() -> None:
    """Terminals that keep templates between the users may have more of those than of these."""
    template = pack("<HB69s", 3, 0x31, b"\x12\x34" * 30)
    users = [user_72(slot, b"%d" % slot) for slot in (1, 2)]
    assert [user.user_id for user in decode(b"".join([template] * 5 + users))] == ["1", "2"]


@pytest.mark.parametrize("size", [1, 27, 29, 71, 73, 100])
def test_a_table_of_no_whole_records_is_refused(size: int) -> None:
    """A remainder means that part of the table is missing."""
    with pytest.raises(WireError, match=f"of {size} bytes"):
        decode(bytes(size))


def test_a_table_of_rubbish_is_refused() -> None:
    """Where most records have no believable id, nothing of them is."""
    records = [user_72(slot, b"\xff\xfe\xfd") for slot in range(1, 5)] + [user_72(5, b"5")]
    with pytest.raises(WireError, match="no known layout"):
        decode(b"".join(records))


@given(
    st.binary(max_size=600) | st.integers(0, 8).flatmap(lambda n: st.binary(min_size=72 * n, max_size=72 * n))
)
def test_any_bytes_are_users_or_an_error(data: bytes) -> None:
    """Rubbish gives users with a printable id, or `WireError`; never anything else."""
    try:
        users = decode(data)
    except WireError:
        return
    assert all(user.user_id.isprintable() and user.user_id.strip() for user in users)
