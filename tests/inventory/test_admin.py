"""`admin:`, where the live page is, and who may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.inventory.helpers import GOOD, read, wrong
from zkpoll.errors import InventoryError
from zkpoll.inventory import Admin, Binding, load

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = "hunter2-hunter2-hunter2"
BINDING: Final = 'expected a host and a port, such as 0.0.0.0:8081 or "[::]:8081"'
LETTERS: Final = "expected 16 to 256 ASCII characters without spaces; openssl rand -hex 16 makes some"
OPEN: Final = (
    "admin.address: can be reached from other machines, so the page needs a token: token_file: or token:"
    " beside it (or 127.0.0.1 here, to be seen from this machine alone)"
)


def having(inside: str, more: str = "") -> str:
    """Given the inside of `admin:`, return an inventory that has it on line 5."""
    return GOOD.replace("defaults:", f"admin: {{{inside}}}\n{more}defaults:")


@pytest.mark.parametrize("written", ["127.0.0.1:8083", "'[::1]:8083'", "localhost:8083", "127.9.9.9:0"])
def test_seen_from_this_machine_alone(tmp_path: Path, written: str) -> None:
    """On loopback it needs no token."""
    made = read(tmp_path, having(f"address: {written}")).admin
    assert made is not None
    assert made.is_on_this_machine
    assert made.password() is None


@pytest.mark.parametrize("written", ["0.0.0.0:8083", "'[::]:8083'", "10.0.0.5:8083", "zk.example.com:8083"])
def test_seen_from_elsewhere(tmp_path: Path, written: str) -> None:
    """From other machines it is seen with a token alone; one from a variable or a file will do."""
    assert wrong(tmp_path, having(f"address: {written}")) == [f"devices.yaml:5: {OPEN}"]
    made = read(tmp_path, having(f"address: {written}, token: '${{T}}'"), {"T": SECRET}).admin
    assert made is not None
    assert not made.is_on_this_machine
    assert made.password() == SECRET
    (tmp_path / "token").write_text(f"{SECRET}\n")
    filed = read(tmp_path, having(f"address: {written}, token_file: token")).admin
    assert filed is not None
    assert filed.password() == SECRET


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("token: aaaaaaaaaaaaaaaa", f"address: missing ({Admin.model_fields['address'].description})"),
        ("address: 8083", f"address: found '8083', {BINDING}"),
        ("address: systemd", f"address: found 'systemd', {BINDING}"),
        (f"address: a:1, token: {SECRET[:15]}", f"token: found (hidden), {LETTERS}"),
        (f"address: a:1, token: '{SECRET} {SECRET}'", f"token: found (hidden), {LETTERS}"),
        ("address: a:1, token: ", f"token: found nothing, {LETTERS}"),
        (
            f"address: a:1, token: {SECRET}, token_file: token",
            "token_file: token and token_file exclude each other; keep one of them",
        ),
        ("address: a:1, tokn_file: x", "tokn_file: unknown setting, did you mean token_file?"),
    ],
)
def test_a_wrong_place_is_one_exact_line(tmp_path: Path, inside: str, told: str) -> None:
    """A mistake is told with its line and place, and never with the token."""
    (line,) = wrong(tmp_path, having(inside))
    assert line == f"devices.yaml:5: admin.{told}"
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("listen", "told"),
    [
        ("address: '0.0.0.0:8083'", "has the port of listen.address, where devices call"),
        ("address: systemd, health: '127.0.0.1:8083'", "has the port of listen.health, where health is told"),
    ],
)
def test_a_port_of_its_own(tmp_path: Path, listen: str, told: str) -> None:
    """It never shares the port of devices, nor that of health; port 0 is any that is free."""
    text = having("address: '127.0.0.1:8083'", f"listen: {{{listen}}}\n")
    assert wrong(tmp_path, text) == [f"devices.yaml:5: admin.address: {told}; the page has one of its own"]
    assert read(tmp_path, text.replace("127.0.0.1:8083'}\nl", "127.0.0.1:8084'}\nl")).admin is not None
    assert read(tmp_path, text.replace("8083", "0")).admin is not None


def test_a_file_that_cannot_be_used_stops_no_run(tmp_path: Path) -> None:
    """A run reads devices whether or not it has the page's token; a strict look and the page need it."""
    path = tmp_path / "devices.yaml"
    path.write_text(having("address: 'a:1', token_file: missing"))
    made = load(path, {}).admin
    assert made is not None
    with pytest.raises(InventoryError, match=r"admin\.token_file: .*missing"):
        made.password()
    with pytest.raises(InventoryError, match=r"devices\.yaml:5: admin\.token_file: .*missing"):
        load(path, {}, strict=True)
    (tmp_path / "missing").write_text("hunter2")
    with pytest.raises(InventoryError, match=LETTERS) as short:
        made.password()
    assert "hunter2" not in str(short.value)


def test_looks_that_need_no_secret_need_no_token(tmp_path: Path) -> None:
    """Commands that leave secrets unread miss none, and what is shown has a mask for it."""
    path = tmp_path / "devices.yaml"
    path.write_text(having("address: '0.0.0.0:8083', token: '${NOT_SET}'"))
    made = load(path, {}, secrets=False)
    assert made.admin == Admin(address=Binding("127.0.0.1", 8083)).model_copy(
        update={"address": Binding("0.0.0.0", 8083)}
    )
    whole = read(tmp_path, having(f"address: '0.0.0.0:8083', token: {SECRET}"))
    assert whole.masked()["admin"] == {"address": "0.0.0.0:8083", "token": "********"}
    assert "hunter2" not in repr(whole)
