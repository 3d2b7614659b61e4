"""One user as an export tells of it: everything but the PIN, and a name that can be read."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.helpers import row, user
from zkpoll.inventory import Device
from zkpoll.model.user import User
from zkpoll.reports.user_rows import (
    ADMINISTRATOR,
    COLUMNS,
    UserRow,
    as_dict,
    level,
    privilege_name,
    rank,
    readable,
    rows,
)


def test_the_columns() -> None:
    """They are the ones that were promised, in their order."""
    promised = (
        "device serial_number uid user_id name privilege privilege_name enabled group card has_password"
    )
    assert " ".join(COLUMNS) == promised


def test_a_row_says_everything() -> None:
    """Of a password only that there is one."""
    found = row(user("0555", b"Ned", slot=13, privilege=15, card=222, group=2, has_password=True))
    assert found == UserRow(
        device="front",
        serial_number="S-front",
        uid=13,
        user_id="0555",
        name="Ned",
        privilege=15,
        privilege_name="administrator",
        enabled=False,
        group=2,
        card=222,
        has_password=True,
    )
    assert tuple(as_dict(found)) == COLUMNS


@pytest.mark.parametrize(
    ("privilege", "name"),
    [
        *((0, "user"), (1, "user"), (2, "enroller"), (6, "manager"), (12, "manager")),
        *((14, "administrator"), (15, "administrator"), (4, "other"), (10, "other")),
    ],
)
def test_privileges_have_names(privilege: int, name: str) -> None:
    """Bit 0 disables and bits 1-3 are the level; where sources know no word, none is made up."""
    assert privilege_name(privilege) == name


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "জামিলা"),
        ("gb18030", "王小明"),
        ("cp1252", "Ñandú"),
        ("cp1256", "محمد"),
        ("cp874", "สมชาย"),
    ],
)
def test_names_are_decoded(encoding: str, name: str) -> None:
    """A name is shown in the letters that its device meant."""
    assert row(user(name=name.encode(encoding)), encoding=encoding).name == name


@pytest.mark.parametrize(
    ("name", "encoding", "shown"),
    [
        ("éé".encode()[:3], "utf-8", r"é\xc3"),
        (b"A\xd1B", "utf-8", r"A\xd1B"),
        (b"A\x81B", "cp1252", r"A\x81B"),
        ("王".encode("gb18030")[:1], "gb18030", r"\xcd"),
        (b"A\nB\x1b[2J", "utf-8", r"A\nB\x1b[2J"),
        ("A\u2028B".encode(), "utf-8", r"A\u2028B"),
        ("نی\u200cمی".encode(), "utf-8", "نی\u200cمی"),
        ("A\u202eB".encode(), "utf-8", r"A\u202eB"),
    ],
)
def test_what_cannot_be_decoded_is_shown(name: bytes, encoding: str, shown: str) -> None:
    """Half a letter, another encoding and control characters are shown as bytes, and nothing is dropped."""
    assert readable(name, encoding) == shown


@pytest.mark.parametrize(
    ("name", "width", "encoding", "shown"),
    [
        ("জামিলা খাতুন বেগম", 24, "utf-8", "জামিলা খ"),  # 22 bytes, and two of the next letter
        ("Mélanie Côté-Ångström Øy", 24, "utf-8", "Mélanie Côté-Ångstr"),
        ("Zoé-Anaé", 8, "utf-8", "Zoé-Ana"),
        ("A王小明李", 8, "gb18030", "A王小明"),
        ("王小明李四", 8, "gb18030", "王小明李"),
        ("ABCDE😀", 8, "gb18030", "ABCDE"),
        ("ABCDEFGÑ", 8, "cp1252", "ABCDEFGÑ"),
    ],
)
def test_a_name_that_was_cut_ends_before_the_broken_letter(
    name: str, width: int, encoding: str, shown: str
) -> None:
    """A terminal cuts names by bytes: what is left of a letter at the end of a full field is not shown."""
    assert readable(name.encode(encoding)[:width], encoding) == shown


def test_only_the_end_of_a_full_field_is_cut() -> None:
    """Elsewhere odd bytes are shown, as the encoding may be wrong; a short name was not cut."""
    assert readable(b"Jos\xe9", "utf-8") == r"Jos\xe9"
    assert readable(b"\xe9ABCDEF\xc3", "utf-8") == r"\xe9ABCDEF"


@given(
    st.binary(max_size=24),
    st.sampled_from(
        ["utf-8", "gb18030", "big5", "cp874", "cp932", "cp949", *(f"cp{page}" for page in range(1250, 1259))]
    ),
)
def test_any_bytes_are_a_name(name: bytes, encoding: str) -> None:
    """Whatever a name is, in every encoding that a device may have, it is one line of text."""
    Device(name="a", host="h", timezone="UTC", encoding=encoding)  # type: ignore[arg-type]
    shown = readable(name, encoding)
    assert bool(shown) == bool(name)
    assert len(f"a{shown}b".splitlines()) == 1
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cs"}


def test_a_person_of_a_database() -> None:
    """Programs have scales of privileges of their own: no word is made up, and nobody counts as disabled."""
    person = User(
        slot="ab-7", user_id="1001", name=b"Ada", privilege=3, card="00AB", group=0, has_password=True
    )
    (found,) = rows([person], device="hq", serial_number="hq", encoding="utf-8", of_database=True)
    assert (found.uid, found.card, found.privilege) == ("ab-7", "00AB", 3)
    assert (found.privilege_name, found.enabled) == ("privilege 3", True)
    (plain,) = rows([user()], device="hq", serial_number="hq", encoding="utf-8", of_database=True)
    assert plain.privilege_name == "user"


@pytest.mark.parametrize("privilege", range(256))
def test_the_rank_of_a_device_is_its_level(privilege: int) -> None:
    """A person may do nothing but punch, something, or everything, whatever words there are for it."""
    found = row(user(privilege=privilege))
    assert bool(rank(found)) == bool(level(privilege))
    assert (rank(found) == ADMINISTRATOR) == (level(privilege) == ADMINISTRATOR)
