"""A request's head, as terminals and everybody else send it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.push.terminals import SERIAL, call_of, head
from zkpoll.push.calls import parse
from zkpoll.push.contract import Head

SERIALS = st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True)


@pytest.mark.parametrize(
    ("path", "secret", "name"),
    [
        ("/iclock/cdata", None, "cdata"),
        ("/iclock/cdata.aspx", None, "cdata"),
        ("/iclock/CData.ASPX", None, "cdata"),
        ("//iclock//cdata//", None, "cdata"),
        ("/iclock/cdata/", None, "cdata"),
        ("/s3cret/iclock/getrequest", "s3cret", "getrequest"),
        ("//s3cret///iclock/getrequest.aspx/", "s3cret", "getrequest"),
        ("/iclock/nobody-knows-it", None, "nobody-knows-it"),
        ("/iclock/", None, ""),
        ("/iclock", None, ""),
        ("/s3cret/iclock/", "s3cret", ""),
        ("/iclock/iclock/cdata", "iclock", "cdata"),
    ],
)
def test_a_route_is_found_however_it_is_written(path: str, secret: str | None, name: str) -> None:
    """Slashes, case, `.aspx` and a prefix that was typed in with the address."""
    call = call_of(f"{path}?SN={SERIAL}")
    assert (call.secret, call.name, call.serial) == (secret, name, SERIAL)


@pytest.mark.parametrize("path", ["", "/", "/health", "/UserServer/user", "/ICLOCK/cdata"])
def test_other_paths_are_no_calls(path: str) -> None:
    """What is no `[/SECRET]/iclock/NAME` is nobody's."""
    assert parse(head(path)) is None


def test_a_path_below_a_route_is_no_call() -> None:
    """It gets no answer that looks like success."""
    assert parse(head(f"/iclock/cdata/more?SN={SERIAL}")) is None


@pytest.mark.parametrize("before", ["a/b", "iclock/cdata", "iclock/s3cret"])
def test_all_that_was_typed_in_is_the_secret(before: str) -> None:
    """It is nobody's, but refused by that name, and not as a path that no terminal asks for."""
    call = call_of(f"/{before}/iclock/cdata?SN={SERIAL}")
    assert (call.secret, call.name, call.serial) == (before, "cdata", SERIAL)
    assert call_of("/a/b/iclock/").secret == "a/b"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_has_the_method_of_its_head(method: str) -> None:
    """A terminal asks with GET, and brings with POST."""
    call = parse(replace(head("/iclock/cdata"), method=method))
    assert call is not None
    assert call.method == method


@pytest.mark.parametrize(
    "query", ["SN=A1", "sn=A1", "Sn=A1", "options=all&SN=A1&pushver=2.4.1", "&&SN=A1&", "SN=%41%31"]
)
def test_a_serial_is_found_wherever_it_stands(query: str) -> None:
    """The order of parameters, the case of this key and escapes mean nothing."""
    assert call_of(f"/iclock/cdata?{query}").serial == "A1"


@pytest.mark.parametrize(
    "query",
    [
        *(
            "",
            "SN",
            "SN=",
            "SN=A+1",
            "SN=A%201",
            "SN=A.1",
            "SN=%00",
            "SN=A%0A",
            "SN=é",
            "SN=%C3%A9",
            "SN=" + "A" * 33,
        ),
        *("SN=A1&SN=A1", "SN=A1&sn=A2", "sn=A1&SN=", "xSN=A1", " SN=A1", "table=SN=A1", "SN=A1;SN=A2"),
    ],
)
def test_a_serial_that_is_missing_ill_formed_or_there_twice_is_none(query: str) -> None:
    """Whoever is not clearly one device is none; only 1-32 letters, digits, `_` and `-` are a serial."""
    assert call_of(f"/iclock/cdata?{query}").serial is None


@pytest.mark.parametrize("key", ["table", "Table", "TABLE"])
def test_the_table_is_found_in_any_case(key: str) -> None:
    """It stands under one key, whatever its case."""
    assert dict(call_of(f"/iclock/cdata?SN=A1&{key}=ATTLOG&Stamp=9999").query) == {
        "table": "ATTLOG",
        "Stamp": "9999",
    }


def test_other_keys_are_exact_and_the_first_one_counts() -> None:
    """`stamp` is no `Stamp`; what is there twice counts once; a table that is there twice is none."""
    query = call_of("/iclock/cdata?table=A&stamp=1&Stamp=2&Stamp=3&Table=B&SN=A1&INFO=a=b,c:d&x").query
    assert dict(query) == {"stamp": "1", "Stamp": "2", "INFO": "a=b,c:d", "x": ""}


def test_spaces_are_escaped_in_two_ways() -> None:
    """`%20` and `+` are spaces; commas and colons travel as they are; what is no escape stays."""
    query = call_of("/iclock/getrequest?SN=A1&INFO=Ver%206.60+Oct,5,3&odd=100%&worse=%ZZ%4").query
    assert dict(query) == {"INFO": "Ver 6.60 Oct,5,3", "odd": "100%", "worse": "%ZZ%4"}


@given(st.text(), st.text(), st.sampled_from(["", "/", "/iclock/", "/iclock/cdata", "/s/iclock/cdata"]))
def test_any_head_is_read(path: str, query: str, before: str) -> None:
    """Whatever is sent is a call or none; a serial is well-formed or None; nothing is raised."""
    call = parse(Head("GET", before + path, query, ""))
    if call is not None:
        assert call.serial is None or (call.serial.isascii() and 1 <= len(call.serial) <= 32)
        assert "SN" not in call.query
        assert "/" not in call.name


@given(SERIALS, st.dictionaries(st.text("abcXYZ09", min_size=3), st.text(), max_size=5), st.randoms())
def test_parameters_come_back_in_any_order(serial: str, others: dict[str, str], random: object) -> None:
    """What was escaped and put in any order is read as it was meant."""
    parts = [f"{key}={quote(value)}" for key, value in others.items()] + [f"SN={serial}"]
    random.shuffle(parts)  # type: ignore[attr-defined]
    call = call_of("/iclock/cdata?" + "&".join(parts))
    assert (call.serial, dict(call.query)) == (serial, others)


def test_a_secret_does_not_show() -> None:
    """A call that is printed says nothing of what stands before `/iclock/`."""
    assert "s3cret" not in repr(call_of("/s3cret/iclock/cdata?SN=A1"))
