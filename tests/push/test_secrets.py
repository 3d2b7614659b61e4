"""Passwords, templates and card numbers are nowhere in what a request leads to."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.push.terminals import SERIAL, batch_of, post

PASSWORD = "80421795"
CARD = "73310586"
TEMPLATE = base64.b64encode(bytes(range(200, 256)) * 20).decode()
PUNCH = "1001\t2026-11-22 08:59:58\t0\t1\t0"
KEYED = "time=2026-11-22 08:59:58\tpin=1001\tverifytype=1"
TORN = f"USER PIN=1\tPasswd=1\t{PASSWORD}\tCard={CARD}"
"""A TAB stands in the password itself."""
SECRET_LINES = [
    f"USER PIN=1160\tName=Usr004\tPri=0\tPasswd={PASSWORD}\tCard={CARD}\tGrp=1\tViceCard={CARD}",
    f"USER PIN=1160 Name=Usr004 Pri=0 Passwd={PASSWORD} Card={CARD} Grp=1",
    TORN,
    f"user uid=1\tcardno={CARD}\tpin=5\tpassword={PASSWORD}\tgroup=0",
    f"FP PIN=2 FID=6 Size=1240 Valid=1 TMP={TEMPLATE}",
    f"FP PIN=1\tFID=0\tSize=440\tValid=1\tTMP={TEMPLATE}",
    f"FACE PIN=1\tFID=0\tSIZE=440\tVALID=1\tTMP={TEMPLATE}",
    f"BIODATA Pin=9001\tNo=0\tIndex=0\tType=9\tTmp={TEMPLATE}",
    f"BIOPHOTO PIN=9001\tFileName=9001.jpg\tType=9\tSize=59128\tContent={TEMPLATE}",
    f"templatev10 size=1\tuid=1\tpin=1\ttemplate={TEMPLATE}",
    f"Passwd={PASSWORD}",
    f"PASSWD = {PASSWORD}",
    f'{{"passwd": "{PASSWORD}"}}',
    f"\0USER PIN=1\tPasswd={PASSWORD}",
    TEMPLATE,
    TEMPLATE[:76],
    f"x\t{TEMPLATE}",
    f"{KEYED}\tevent=0\tcardno={CARD}",
    f"{KEYED}\tevent=27\tcardno={CARD}",
    f"{KEYED}\tevent=27\tCardNo={CARD}",
    f"time=never\tpin=1001\tcardno={CARD}",
    f"{KEYED}\tevent=0\tpassword={PASSWORD}\ttmp={TEMPLATE}",
    f"transaction cardno={CARD}\tpin=5\tverified=1",
    f"{PUNCH}\t0\tPasswd={PASSWORD}\t{TEMPLATE}",
    f"Passwd={PASSWORD}\t2026-11-22 08:59:58\t0\t1",
    f"USER Passwd={PASSWORD}\t2026-11-22 08:59:58\t0\t1",
    f"time=2026-11-22 08:59:58\tpin=Passwd={PASSWORD}\tverifytype=1",
]
QUERIES = [
    *("", "table=ATTLOG", "table=rtlog", "table=OPERLOG", "table=BIODATA", "table=options", "table=nothing"),
    *("table=tabledata&tablename=user", "table=tabledata&tablename=transaction"),
]


def assert_clean(reaction: object) -> None:
    """Check that no secret, nor a recognisable piece of a template, is in a reaction or in its batch."""
    shown = repr(reaction)
    for secret in (PASSWORD, CARD, *(TEMPLATE[at : at + 16] for at in range(0, 200, 16))):
        assert secret not in shown


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("line", SECRET_LINES)
def test_no_secret_is_kept_of_a_line(line: str, query: str) -> None:
    """Wherever a line stands by mistake, with punches around it or alone, its secret is gone."""
    for body in (line, f"{PUNCH}\n{line}\r\n{KEYED}\n", line.replace("\t", "\t\t")):
        assert_clean(post(f"cdata?SN={SERIAL}&{query}", body.encode()))
    assert_clean(post(f"devicecmd?SN={SERIAL}", line.encode()))
    assert_clean(post(f"registry?SN={SERIAL}", line.encode()))


def test_the_rest_of_such_a_line_is_there_for_a_person() -> None:
    """Of an event that may be a punch only the card is gone; of a user or a template all but the kind is."""
    body = f"{KEYED}\tcardno={CARD}\tevent=27\tindex=40\n{SECRET_LINES[0]}\n"
    batch = batch_of(post(f"cdata?SN={SERIAL}&table=ATTLOG", body.encode()))
    assert [bad.raw for bad in batch.quarantined] == [
        f"push\n{KEYED}\tcardno=*\tevent=27\tindex=40".encode(),
        b"push\nUSER *",
    ]


def test_an_operation_without_secrets_is_kept_as_it_came() -> None:
    """Also where it looks like a line of another table."""
    line = b"ERRORLOG ErrCode=D01E0001\tErrMsg=x\tDataOrigin=cmd"
    batch = batch_of(post(f"cdata?SN={SERIAL}&table=ATTLOG", line))
    assert [bad.raw for bad in batch.quarantined] == [b"push\n" + line]


@given(
    st.sampled_from([line for line in SECRET_LINES if line != TORN]),
    st.sampled_from(QUERIES),
    st.binary(max_size=30),
    st.sampled_from(["\t", "\t\t", " ", ",", "&", "\0", "\r", "\n"]),
)
def test_no_secret_is_kept_of_a_damaged_line(line: str, query: str, front: bytes, between: str) -> None:
    """Rubbish in front, and whatever stands between fields, does not bring it out."""
    body = front + line.replace("\t", between).encode()
    assert_clean(post(f"cdata?SN={SERIAL}&{query}", body))
