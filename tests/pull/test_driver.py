"""The driver (pyzk 0.9): what of it is replaced is still there, and what is kept runs over our transport."""

from __future__ import annotations

import ast
import gc
import json
import socket
import subprocess
import sys
import warnings
from datetime import timedelta
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Final

import pytest
import zk
from zk import ZK, const
from zk.user import User

import zkpoll
from tests.pull.devices import (
    TIMEOUT,
    attempt,
    black_hole,
    check_whole,
    closed_port,
    read,
    session,
    tcp_peer,
    terminal_of,
)
from zkpoll.errors import HungUp
from zkpoll.pull import codes
from zkpoll.pull.device_tables import LOG, USERS
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.session import Session
from zkpoll.simulator import Command, Faults, Terminal, WireFrame, never, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.simulator import Transport

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
OVERRIDDEN: Final = {
    "_ZK__create_socket": ["self"],
    "_ZK__send_command": ["self", "command", "command_string", "response_size"],
    "_ZK__recieve_chunk": ["self"],
    "_ZK__read_chunk": ["self", "start", "size"],
    "connect": ["self"],
    "disconnect": ["self"],
    "set_time": ["self", "timestamp"],
}
"""Methods of the driver that ours replace, with their parameters."""
SET_AT_ONCE: Final = (
    "_ZK__sock",
    "_ZK__session_id",
    "_ZK__reply_id",
    "_ZK__data",
    "_ZK__data_recv",
    "helper",
    "is_connect",
    "tcp",
)
"""Attributes that the driver has from its first moment, and that we read, set or close."""
SET_BY_AN_ANSWER: Final = (
    "_ZK__response",
    "_ZK__header",
    "_ZK__data",
    "_ZK__data_recv",
    "_ZK__tcp_length",
    "_ZK__reply_id",
)
"""Attributes that the driver sets with each answer, and its commands read; so do we."""
PACKAGE: Final = Path(zkpoll.__file__).parent


def names(code: CodeType) -> set[str]:
    """Return every name that a function uses, and those within it."""
    inner = (names(const_) for const_ in code.co_consts if isinstance(const_, CodeType))
    return set(code.co_names).union(*inner)


def used_by(method: str) -> set[str]:
    """Return the names that a method of the driver uses."""
    function = vars(ZK)[method]
    assert isinstance(function, FunctionType)
    return names(function.__code__)


# --- what is replaced is there ---


@pytest.mark.parametrize("name", sorted(name for name in vars(codes) if name.isupper()))
def test_the_codes_are_the_drivers(name: str) -> None:
    """Each command and reply code that the driver has a name for is the same here."""
    theirs = name if name == "FCT_USER" else f"CMD_{name}"
    unnamed = {"PREPARE_BUFFER": 1503, "READ_BUFFER": 1504, "CONNECT_REFUSED": 6001}
    assert vars(codes)[name] == (unnamed.get(name) or getattr(const, theirs))


def test_the_driver_is_the_one_that_was_read() -> None:
    """The driver is pyzk 0.9: any other version must be read anew before its private names are replaced."""
    assert version("pyzk") == "0.9"
    assert zk.VERSION == (0, 9)


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_is_overridden_exists(name: str) -> None:
    """Every method that we replace is the driver's own, with the parameters that its callers give."""
    assert list(signature(vars(ZK)[name]).parameters) == OVERRIDDEN[name]
    assert name in vars(Session)


def test_nothing_else_of_the_driver_is_overridden_unawares() -> None:
    """No method of ours hides one of the driver's by chance."""
    ours = {name for name in vars(Session) if not (name.startswith("__") and name.endswith("__"))}
    assert ours & set(vars(ZK)) == set(OVERRIDDEN)


@pytest.mark.parametrize("name", SET_AT_ONCE)
def test_what_is_set_exists(name: str) -> None:
    """Every attribute that we set is one that the driver has."""
    driver = ZK("127.0.0.1", ommit_ping=True)
    driver._ZK__sock.close()
    assert name in vars(driver)


@pytest.mark.parametrize("name", SET_BY_AN_ANSWER)
def test_what_an_answer_leaves_is_what_commands_read(name: str) -> None:
    """The driver's own send sets what ours sets, under the same names."""
    assert name in used_by("_ZK__send_command")


def test_all_that_sends_goes_through_what_is_replaced() -> None:
    """The driver's commands reach the network by the replaced methods; those that do not are known."""
    past_us = {
        name
        for name, member in vars(ZK).items()
        if isinstance(member, FunctionType) and "_ZK__sock" in names(member.__code__)
    }
    assert past_us == {
        "__init__",
        "_ZK__create_socket",
        "_ZK__send_command",
        "disconnect",
        # Below what is replaced, and no longer called.
        "_ZK__recieve_raw_data",
        "_ZK__recieve_tcp_data",
        "_ZK__recieve_chunk",
        # Live events and enrolment, which zkpoll does not use.
        "_ZK__ack_ok",
        "enroll_user",
        "live_capture",
    }
    assert {"_ZK__send_command", "_ZK__read_chunk"} <= used_by("read_with_buffer")
    assert {"_ZK__send_command", "_ZK__recieve_chunk"} <= used_by("_ZK__read_chunk")


def test_the_driver_probes_only_through_its_helper() -> None:
    """Pings and second connections are the helper's, which is replaced."""
    assert {"helper", "test_ping", "test_tcp"} <= used_by("connect")
    with session(terminal_of()) as open_session:
        assert open_session.helper.test_ping() is True
        assert open_session.helper.test_tcp() == 0


def test_the_codes_are_the_ones_that_were_read() -> None:
    """The command codes that we take from the driver are those of the published protocol."""
    assert (LOG, USERS) == (13, (9, 5))
    codes = {
        "CMD_CONNECT": 1000,
        "CMD_EXIT": 1001,
        "CMD_AUTH": 1102,
        "CMD_OPTIONS_RRQ": 11,
        "CMD_GET_FREE_SIZES": 50,
        "CMD_GET_TIME": 201,
        "CMD_REG_EVENT": 500,
        "CMD_PREPARE_DATA": 1500,
        "CMD_DATA": 1501,
        "CMD_FREE_DATA": 1502,
        "CMD_ACK_OK": 2000,
        "CMD_ACK_ERROR": 2001,
        "CMD_ACK_UNAUTH": 2005,
        "CMD_DB_RRQ": 7,
        "CMD_CLEAR_DATA": 14,
        "CMD_CLEAR_ATTLOG": 15,
        "CMD_ENABLEDEVICE": 1002,
        "CMD_DISABLEDEVICE": 1003,
        "CMD_REFRESHDATA": 1013,
        "USHRT_MAX": 65535,
    }
    assert {name: getattr(const, name) for name in codes} == codes


def imports(path: Path) -> Iterator[str]:
    """Yield the top-level package of everything that a source file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_one_module_knows_the_driver() -> None:
    """Only the session imports the driver."""
    importers = [path for path in PACKAGE.rglob("*.py") if "zk" in imports(path)]
    assert importers == [PACKAGE / "pull" / "session.py"]


# --- what is kept runs over our transport ---


@BOTH
def test_the_drivers_commands_run(transport: Transport) -> None:
    """The driver's own commands ask and understand over our transport."""
    terminal = terminal_of(records=41)
    with session(terminal, transport) as driver:
        assert driver.is_connect
        assert driver.get_firmware_version() == terminal.model.firmware
        assert driver.get_device_name() == "Simulator"
        assert driver.get_serialnumber() == terminal.model.serial
        assert driver.get_platform() == "ZMM220_TFT"
        assert driver.get_pin_width() == 9
        assert abs(driver.get_time() - terminal.now()) < timedelta(seconds=5)
        assert driver.read_sizes()
        assert (driver.users, driver.records, driver.rec_cap) == (50, 41, terminal.model.capacity)
        assert "users[" in str(driver)
        disabled = []
        for change in (driver.disable_device, driver.enable_device):
            assert change()
            disabled.append(terminal.disabled)
        assert disabled == [True, False]
        assert driver.free_data()
    assert terminal.commands[-1] == Command.EXIT


@BOTH
@pytest.mark.parametrize("users", [0, 1, 7, 2000])
@pytest.mark.parametrize("layout", [8, 40])
def test_the_drivers_users(layout: int, users: int, transport: Transport) -> None:
    """The driver's own user list, of 28 or 72 bytes each, comes whole, at once or in slices."""
    terminal = Terminal.with_samples(0, users, terminal_of(layout).model)
    with session(terminal, transport, timeout=2) as driver:
        found = driver.get_users()
    assert [(one.uid, one.user_id) for one in found] == [(one.uid, one.user_id) for one in terminal.users]


def test_the_drivers_commands_meet_the_same_limits() -> None:
    """A terminal that falls silent, or a session that has ended, stops the driver's commands as ours."""
    terminal = terminal_of()
    with session(terminal) as driver:
        driver.disconnect()
        with pytest.raises(HungUp, match="the session has ended"):
            driver.get_firmware_version()
        assert not driver.is_connect


@BOTH
def test_reply_ids_begin_anew_before_65535(transport: Transport) -> None:
    """A session goes on past 65,534 commands; 65535, which no client ever sent, is left out."""
    terminal = terminal_of(records=300)
    numbers: list[int] = []

    def note(request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        numbers.append(request.reply_id)
        return answer

    terminal.rewrite = note
    with session(terminal, transport) as driver:
        assert numbers == [0]
        driver._ZK__reply_id = 65_530
        for _ in range(5):
            assert driver.get_firmware_version() == terminal.model.firmware
        table = driver.tables.prepare(LOG)
        assert b"".join(driver.tables.runs(table))[4:] == b"".join(terminal.log)
    assert numbers[1:] == [65_531, 65_532, 65_533, 65_534, 0, *range(1, len(numbers) - 5)]


def test_the_drivers_class_wide_encoding_is_left_alone() -> None:
    """Sessions of several threads share one class-wide encoding of the driver's; it stays what it was."""
    before = User.encoding
    for transport in ("tcp", "udp"):
        Session(Address("127.0.0.1", transport=transport), limits=Limits(1, 1))
    assert User.encoding == before == "UTF-8"


# --- what it must not do ---


def leaked() -> list[str]:
    """Return what is collected as an unclosed socket, by what the interpreter says of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    return [str(one.message) for one in caught]


@BOTH
def test_no_socket_is_left_open(transport: Transport) -> None:
    """No visit leaves a socket, whether it goes well, fails midway, or never connects."""
    assert leaked() == []
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        terminal = terminal_of(records=50)
        check_whole(terminal, *read(terminal, transport))
        for command in (Command.CONNECT, Command.READ_BUFFER, Command.EXIT):
            terminal.faults = Faults(instead=(never(command),))
            with serve(terminal, transport=transport) as address:
                attempt(address, transport, timeout=0.2)
        with closed_port(kind) as address:
            attempt(address, transport)
        with tcp_peer(lambda _: None) as address:
            attempt(address)
        with black_hole() as address:
            attempt(address, timeout=0.1)
        attempt(("door.invalid", 4370), transport)
        Session(Address("127.0.0.1", transport=transport), limits=Limits(TIMEOUT, 1))
        gc.collect()
    assert [str(one.message) for one in caught] == []


_AUDITED: Final = """
import json, sys
from datetime import UTC
from tests.pull.devices import Kept, visit
from zkpoll.pull.link import Address
from zkpoll.pull.reader import Target

seen = []
def audit(event, args):
    if event in ("subprocess.Popen", "os.system", "os.fork", "os.exec", "os.posix_spawn", "os.spawn"):
        seen.append([event])
    elif event == "socket.connect":
        seen.append([event, *args[1][:2]])
    elif event == "socket.bind":
        seen.append([event])

host, port, transport = sys.argv[1], int(sys.argv[2]), sys.argv[3]
target = Target(Address(host, port, transport), UTC, timeout=5, visit_limit=30)
sys.addaudithook(audit)
reading = visit(target, Kept())
print(json.dumps([reading.records, seen]))
"""


@BOTH
def test_a_visit_pings_nobody_and_connects_once(transport: Transport) -> None:
    """A visit starts no process, such as the driver's ping, and connects to its terminal once."""
    with serve(terminal_of(records=50), transport=transport) as (host, port):
        done = subprocess.run(
            [sys.executable, "-c", _AUDITED, host, str(port), transport],
            capture_output=True,
            check=True,
            cwd=PACKAGE.parent,
            timeout=30,
        )
    records, seen = json.loads(done.stdout)
    assert records == 50
    assert seen == [["socket.connect", host, port]]
