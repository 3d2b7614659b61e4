"""An export that was written before, back as rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.helpers import row, user
from zkpoll.errors import ExitCode
from zkpoll.reports import user_file
from zkpoll.reports.tables import FORMATS
from zkpoll.reports.user_file import BadExport, load
from zkpoll.reports.user_rows import COLUMNS, UserRow, as_dict

if TYPE_CHECKING:
    from collections.abc import Iterable


def text(rows: Iterable[UserRow], name: str = "csv") -> str:
    """Return an export."""
    return "".join(FORMATS[name](COLUMNS, map(as_dict, rows)))


_rows = st.lists(
    st.builds(
        replace,
        st.just(row(user())),
        device=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        name=st.text(st.characters(exclude_categories=["Cs", "Cc"])),
        user_id=st.sampled_from(["1", "007", "-1", "NB 7"]),
        uid=st.integers(0, 65535),
        enabled=st.booleans(),
        card=st.integers(0, 2**32 - 1),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("name", FORMATS)
@given(rows=_rows)
def test_every_format_comes_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, rows: list[UserRow]
) -> None:
    """What was exported in any format is read as it was, leading zeros and formulas too."""
    path = tmp_path_factory.mktemp("export") / "users"
    path.write_text(text(rows, name), "utf-8")
    assert load(path) == tuple(rows)


def test_what_spreadsheets_add(tmp_path: Path) -> None:
    """A mark in front and other line ends, as spreadsheets save them, change nothing."""
    path = tmp_path / "users.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text([row(user())]).replace("\n", "\r\n").encode())
    assert load(path) == (row(user()),)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "its first line does not name the columns"),
        (b"\0\1\2", "its first line does not name the columns"),
        (b"device;serial_number\nfront;A\n", "row 1|its first line"),
        (b"\xff\xfe", "is not in UTF-8"),
        (b"[{", "is damaged"),
        (b"[[[", "is damaged"),
        (b"[1]", "row 1: "),
        (b'{"device": "front"}\n', "row 1: serial_number: field required"),
        (b"{\n", "is damaged"),
        ((",".join(COLUMNS) + "\nfront\n").encode(), "row 1: serial_number: "),
        ((",".join(COLUMNS) + "\n" + ",".join("x" * 20)).encode(), "row 1: privilege: "),
        (text([row(user())]).replace("Ada", '"Ada').encode(), "is damaged|row 1"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    """A file that is none is named in one sentence, with the row."""
    path = tmp_path / "users"
    path.write_bytes(content)
    with pytest.raises(BadExport, match=why) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """That is said in the words of the operating system."""
    with pytest.raises(BadExport, match="no such file"):
        load(tmp_path / "users.csv")


def test_no_users_is_an_export_too(tmp_path: Path) -> None:
    """A header alone, or an empty array, has no rows."""
    path = tmp_path / "users"
    for empty in (text([]), "[]\n"):
        path.write_text(empty)
        assert load(path) == ()


def test_an_endless_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe may be read, but no more of it than an export can have."""
    monkeypatch.setattr(user_file, "_LONGEST", 1000)
    with pytest.raises(BadExport, match="/dev/zero is larger than 1000 bytes; is it an export of users"):
        load(Path("/dev/zero"))
