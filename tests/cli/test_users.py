"""`zkpoll users`: who may use which terminal, and what has changed."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.look import inside
from tests.peers import closed_port
from tests.site import TOKEN, at_a_terminal, entry
from zkpoll.journal.clearance import Clearance, intended
from zkpoll.journal.devices import Devices
from zkpoll.journal.exports import last_users
from zkpoll.journal.opening import open_journal
from zkpoll.simulator import Model, Terminal, serve
from zkpoll.simulator.records import EnrolledUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.site import Result, Site

URL = "http://127.0.0.1:9"
HEADER = "device,serial_number,uid,user_id,name,privilege,privilege_name,enabled,group,card,has_password"
PIN = "48151623"
PEAK = 150_000
"""kB."""


class Chinese(str):
    """A name that a terminal keeps in the encoding it was sold with, which it does not declare."""

    __slots__ = ()

    def encode(self, _encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Return it is on the wire."""
        return super().encode("gb18030", errors)


@pytest.fixture
def front() -> Terminal:
    """Give a terminal with three users: one ordinary, one who may do everything, one disabled."""
    return Terminal(
        users=[
            EnrolledUser(1, "0042", "Ada", card=4_000_000_000, group=2),
            EnrolledUser(2, "NB7", "=cmd|' /C calc'!A0", 14, PIN),
            EnrolledUser(3, "7", "Ned", 1),
        ]
    )


@pytest.fixture
def back() -> Terminal:
    """Give an older terminal with a user whose name is in Chinese."""
    users = [EnrolledUser(9, "42", Chinese("王小明"), 6, "12345")]
    return Terminal(Model(serial="B", layout=8), users=users)


@pytest.fixture
def two(site: Site, front: Terminal, back: Terminal) -> Iterator[Site]:
    """Give a site with both terminals."""
    with serve(front) as one, serve(back) as other:
        site.write(URL, entry("front", one), entry("back", other, encoding="gb18030"))
        yield site


def kept(site: Site, key: str) -> list[str] | None:
    """Return the ids of the users last exported of a device, None if none ever were."""
    with open_journal(site.journal, writable=False) as journal:
        last = last_users(journal, key)
        return [user.user_id for user in last.users] if last else None


def found(result: Result, code: int = 0) -> list[tuple[str, str | None, str | None]]:
    """Return what `users diff --json` told, in short."""
    assert result.code == code, result
    changes: list[dict[str, Any]] = json.loads(result.out)
    return [(one["kind"], one["device"], one["user_id"]) for one in changes]


# --- export ---


def test_a_name_that_the_terminal_cut(site: Site) -> None:
    """A name that was cut inside a letter, Bengali or Chinese, ends before it; its bytes are kept."""
    wide = Terminal(users=[EnrolledUser(1, "1", "জামিলা খাতুন বেগম")])
    old = Terminal(Model(serial="B", layout=8), users=[EnrolledUser(1, "2", Chinese("A王小明李"))])
    with serve(wide) as one, serve(old) as other:
        site.write(URL, entry("front", one), entry("back", other, encoding="gb18030"))
        told = site.run("users", "export", "--json")
    assert [one["name"] for one in json.loads(told.out)] == ["জামিলা খ", "A王小明"]
    with open_journal(site.journal, writable=False) as journal:
        last = last_users(journal, "B")
    assert last
    assert [user.name for user in last.users] == ["A王小明李".encode("gb18030")[:8]]


def test_users_are_exported(two: Site) -> None:
    """In a pipe it is CSV: every user of every device, names readable, formulas harmless."""
    told = two.run("users", "export")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        HEADER,
        "front,CQZ7224760045,1,0042,Ada,0,user,true,2,4000000000,false",
        "front,CQZ7224760045,2,NB7,'=cmd|' /C calc'!A0,14,administrator,true,1,0,true",
        "front,CQZ7224760045,3,7,Ned,1,user,false,1,0,false",
        "back,B,9,42,王小明,6,manager,true,1,0,true",
    ]


@pytest.mark.parametrize(
    "arguments", [("--json",), ("--format", "json"), ("--format", "ndjson")], ids=" ".join
)
def test_for_programs(two: Site, arguments: tuple[str, ...]) -> None:
    """As JSON a row is an object, its values typed, the name as it is."""
    told = two.run("users", "export", "--device", "front", *arguments)
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    rows = [json.loads(line) for line in lines] if "ndjson" in arguments else json.loads(told.out)
    assert len(rows) == 3
    assert ",".join(rows[1]) == HEADER
    assert list(rows[1].values()) == [
        *("front", "CQZ7224760045", 2, "NB7", "=cmd|' /C calc'!A0", 14, "administrator", True, 1, 0, True)
    ]


def test_no_password_anywhere(two: Site, tmp_path: Path) -> None:
    """A PIN is in no format, in no log, and in no file that is left."""
    for arguments in (["--json"], ["--format", "csv"], ["--format", "ndjson"]):
        told = two.run("users", "export", "-v", *arguments)
        assert PIN not in told.out + told.err
        assert "12345" not in told.out + told.err
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if PIN.encode() in file.read_bytes()]


@pytest.mark.parametrize(
    ("name", "arguments", "begin"),
    [
        ("users.csv", [], HEADER),
        ("users.JSON", [], "["),
        ("users.ndjson", [], "{"),
        ("users", [], HEADER),
        ("users.txt", ["--format", "csv"], HEADER),
        ("users.csv", ["--format", "json"], "["),
    ],
)
def test_to_a_file(two: Site, tmp_path: Path, name: str, arguments: list[str], begin: str) -> None:
    """The file is its owner's alone, in the format its name says if nothing else does; stdout stays empty."""
    path = tmp_path / name
    told = two.run("users", "export", "--output", str(path), *arguments)
    assert (told.code, told.out, told.err) == (0, "", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text("utf-8").startswith(begin)


def test_on_a_terminal(two: Site) -> None:
    """A person gets a table that fits, without the columns that machines want."""
    code, shown = at_a_terminal(two, "users", "export")
    assert code == 0
    first, *rows = shown.splitlines()
    assert first.split() == ["device", "user", "name", "privilege", "card"]
    assert re.match(r"front +NB7 +=cmd\|' /C calc'!A0 +administrator", rows[1])
    assert re.match(r"front +7 +Ned +user, disabled", rows[2])
    assert max(map(len, shown.splitlines())) <= 80


def test_one_device_that_does_not_answer(two: Site, front: Terminal) -> None:
    """The others are exported, and the one is named: code 1; its last export stays."""
    assert two.run("users", "export").code == 0
    front.users.pop()
    with closed_port() as nobody, serve(front) as one:
        two.write(URL, entry("front", one), entry("back", nobody))
        told = two.run("users", "export")
    assert told.code == 1
    assert [line.split(",")[0] for line in told.out.splitlines()] == ["device", "front", "front"]
    assert re.fullmatch(r"zkpoll: device back: .* refuses the connection; .*\n", told.err)
    assert kept(two, "CQZ7224760045") == ["0042", "NB7"]
    assert kept(two, "B") == ["42"]


def test_no_device_that_answers(site: Site, tmp_path: Path) -> None:
    """With none reached nothing is written, and the file before stays: code 69."""
    path = tmp_path / "users.csv"
    path.write_text("old")
    with closed_port() as nobody:
        site.write(URL, entry("front", nobody))
        told = site.run("users", "export", "--output", str(path), "--force")
    assert (told.code, told.out) == (69, "")
    assert path.read_text() == "old"
    assert list(tmp_path.glob(".users*")) == []


def test_a_device_that_is_busy(two: Site) -> None:
    """A device that another run is at is left to that one: code 75 where that is all."""
    port = re.findall(r"port: (\d+)", two.inventory.read_text())[1]
    with open_journal(two.journal) as journal, journal.lock(f"device 127.0.0.1:{port}"):
        told = two.run("users", "export", "--device", "back")
        both = two.run("users", "export")
    assert (told.code, told.out) == (75, "")
    assert both.code == 0
    assert both.out.count("\n") > 1
    for one in (told, both):
        assert "device back: another run is at it" in one.err


def test_a_stranger(two: Site, site: Site) -> None:
    """Another terminal where a device belongs is nobody's export."""
    with open_journal(two.journal) as journal:
        Devices(journal).meet("back", "C")
    told = site.run("users", "export", "--device", "back")
    assert (told.code, told.out) == (1, "")
    assert "another terminal answers here: serial number B, it was C" in told.err


def test_a_device_that_was_left_disabled(two: Site, back: Terminal) -> None:
    """Whoever connects first lets people punch again, and strikes that out."""
    with open_journal(two.journal) as journal:
        Devices(journal).meet("back", "B")
        Clearance(journal, "B").intend()
    back.disabled = True
    assert two.run("users", "export").code == 0
    assert not back.disabled
    with open_journal(two.journal) as journal:
        assert not intended(journal, "B")


@pytest.mark.parametrize("layout", [8, 40])
@pytest.mark.parametrize("empty", ["error", "table"])
def test_a_device_without_users(site: Site, layout: int, empty: Any) -> None:
    """A device that has none, and says so however firmware does, is exported: a header, and no failure."""
    with serve(Terminal(Model(layout=layout, empty_log=empty))) as address:
        site.write(URL, entry("front", address))
        told = site.run("users", "export")
    assert (told.code, told.out, told.err) == (0, HEADER + "\n", "")
    assert kept(site, "CQZ7224760045") == []


def test_a_device_that_will_not_say(site: Site) -> None:
    """Where the device's count is not known, an error is no proof that nobody is there."""
    with serve(Terminal(Model(sizes=None))) as address:
        site.write(URL, entry("front", address))
        told = site.run("users", "export")
    assert (told.code, told.out) == (1, "")
    assert kept(site, "CQZ7224760045") is None


def test_a_reader_that_goes_away(two: Site) -> None:
    """`| head -1` is no traceback, and what nobody got is not the last export."""
    command = [sys.executable, "-m", "zkpoll", "users", "export", "-c", str(two.inventory)]
    ours, theirs = os.pipe()
    os.close(ours)
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, text=True, env=env()) as process:
        os.close(theirs)
        assert process.stderr
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert kept(two, "B") is None


def test_a_full_disk(two: Site) -> None:
    """An export that cannot be written is one sentence, and not the last export."""
    told = two.run("users", "export", "--output", "/proc/users.csv")
    assert (told.code, told.out) == (1, "")
    assert re.fullmatch(r"zkpoll: /proc/users.csv cannot be written: .*\n", told.err)
    assert kept(two, "B") is None


def env(**more: str) -> dict[str, str]:
    """Return the environment of a command."""
    return os.environ | {"TOKEN": TOKEN} | more


def test_another_locale(two: Site) -> None:
    """An export is in UTF-8 wherever it is made."""
    command = [sys.executable, "-m", "zkpoll", "users", "export", "-c", str(two.inventory)]
    done = subprocess.run(command, capture_output=True, check=True, env=env(PYTHONIOENCODING="ascii"))
    assert "王小明" in done.stdout.decode("utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--json", "--format", "csv"),
        ("export", "--device", "yard"),
        ("export", "--format", "xml"),
        ("export", "--password"),
        ("diff", "a", "b", "c"),
        ("diff", "missing.csv"),
        ("diff", "missing.csv", "missing.csv"),
        ("diff", "--device", "yard"),
    ],
    ids=" ".join,
)
def test_wrong_usage(two: Site, arguments: tuple[str, ...]) -> None:
    """What cannot be meant is refused before any device is asked."""
    told = two.run("users", *arguments)
    assert (told.code, told.out) == (2, "")


def test_ten_thousand_users(site: Site) -> None:
    """The largest user table there is takes little memory."""
    terminal = Terminal(users=[EnrolledUser(uid, str(uid), f"Employee {uid}") for uid in range(1, 10_001)])
    with serve(terminal) as address:
        site.write(URL, entry("front", address), timeout=10)
        out, peak = measured(site, "users", "export")
    assert out.count("\n") == 10_001
    assert peak < PEAK


def measured(site: Site, *arguments: str) -> tuple[str, int]:
    """Run `zkpoll` and return what it printed, and the most memory it had, in kB."""
    code = (
        "import atexit, pathlib, sys; from zkpoll.cli import main\n"
        "status = pathlib.Path('/proc/self/status')\n"
        "atexit.register(lambda: sys.stderr.write(status.read_text())); main()"
    )
    command = [sys.executable, "-c", code, *arguments, "-c", str(site.inventory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env())
    return done.stdout, int(re.findall(r"VmHWM:\s+(\d+) kB", done.stderr)[0])


# --- diff ---


def test_since_the_last_export(two: Site, front: Terminal) -> None:
    """What changed on the devices is told until the next export, and `--exit-code` is for cron."""
    two.run("users", "export")
    quiet = two.run("users", "diff", "--exit-code")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    front.users[:2] = [EnrolledUser(1, "0042", "Eve", 14, card=7), EnrolledUser(4, "8", "Cy")]
    for _ in range(2):
        told = two.run("users", "diff", "--exit-code")
        assert (told.code, told.err) == (1, "")
        assert told.out.splitlines() == [
            "front  0042 Eve  became administrator: user -> administrator",
            "front  0042 Eve  renamed: Ada -> Eve",
            "front  0042 Eve  card changed: 4000000000 -> 7",
            "front  0042 Eve  group changed: 2 -> 1",
            "front  8 Cy  added",
            "front  NB7 =cmd|' /C calc'!A0  removed",
            "4 users are on some devices only; --everywhere lists them",
        ]
    assert two.run("users", "diff").code == 0
    two.run("users", "export")
    assert two.run("users", "diff", "--exit-code").code == 0


def test_a_corrected_encoding_renames_nobody(two: Site) -> None:
    """The journal has names as devices have them, so that a setting put right is no change."""
    two.run("users", "export")
    two.inventory.write_text(two.inventory.read_text().replace("gb18030", "cp1252"))
    assert found(two.run("users", "diff", "--json", "--exit-code")) == []


def test_never_exported(two: Site) -> None:
    """A device with nothing to compare with is named: code 1; the others are compared."""
    two.run("users", "export", "--device", "front")
    told = two.run("users", "diff")
    assert (told.code, told.out) == (1, "")
    assert told.err == (
        "zkpoll: device back: its users were never exported; `zkpoll users export` begins with it\n"
    )


def test_two_files(two: Site, tmp_path: Path, front: Terminal) -> None:
    """Two exports are compared whatever their formats, without inventory or devices."""
    old, new = tmp_path / "old.csv", tmp_path / "new.json"
    two.run("users", "export", "--output", str(old))
    front.users.pop(0)
    two.run("users", "export", "--output", str(new), "--device", "front")
    two.inventory.unlink()
    told = two.run("users", "diff", str(old), str(new), "--json")
    assert found(told) == [
        ("device_removed", "back", None),
        ("removed", "front", "0042"),
    ]
    assert json.loads(told.out)[0]["before"] == 1
    only = two.run("users", "diff", str(old), str(new), "--json", "--device", "front", "--exit-code")
    assert found(only, code=1) == [("removed", "front", "0042")]
    assert found(two.run("users", "diff", str(new), str(new), "--json", "--exit-code")) == []


def test_a_file_and_the_devices_now(two: Site, tmp_path: Path, front: Terminal) -> None:
    """An older export can be compared with what the devices have; one that does not answer lost nothing."""
    old = tmp_path / "old.ndjson"
    two.run("users", "export", "--output", str(old))
    front.users.clear()
    with closed_port() as nobody, serve(front) as one:
        two.write(URL, entry("front", one), entry("back", nobody))
        told = two.run("users", "diff", str(old), "--json")
    assert found(told, code=1) == [
        *(("removed", "front", "0042"), ("removed", "front", "7"), ("removed", "front", "NB7"))
    ]
    assert "device back: " in told.err


def test_on_some_devices(two: Site, front: Terminal, tmp_path: Path) -> None:
    """Who is on some devices only is one line behind the changes, and listed when that is asked for."""
    front.users.append(EnrolledUser(4, "42", "王小明"))
    file = str(tmp_path / "users.csv")
    two.run("users", "export", "--output", file)
    same = two.run("users", "diff", file, file, "--exit-code")
    assert (same.code, same.out, same.err) == (0, "", "")
    listed = two.run("users", "diff", file, file, "--everywhere", "--exit-code")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out.splitlines()[0] == "0042 Ada  only on front"
    assert len(listed.out.splitlines()) == 3
    front.users.pop(0)
    assert two.run("users", "diff").out.splitlines() == [
        "front  0042 Ada  removed",
        "2 users are on some devices only; --everywhere lists them",
    ]
    told = two.run("users", "diff", "--json", "--everywhere")
    assert [kind for kind, *_ in found(told)] == ["removed", "on_some_devices", "on_some_devices"]
    assert [kind for kind, *_ in found(two.run("users", "diff", "--json"))] == ["removed"]


def test_changes_on_a_terminal(two: Site, front: Terminal) -> None:
    """A person gets a table, or the word that nothing has changed."""
    two.run("users", "export")
    assert at_a_terminal(two, "users", "diff", "--exit-code") == (0, "Nothing has changed.\n")
    front.users.pop(0)
    code, shown = at_a_terminal(two, "users", "diff", "--exit-code")
    assert code == 1
    assert re.search(r"(?m)^front +0042 Ada +removed *$", shown)


def test_the_journal_holds_no_more_than_it_must(two: Site) -> None:
    """Of a password the journal knows only that there is one."""
    two.run("users", "export")
    with inside(two.journal) as db:
        rows = db.execute("SELECT user_id, has_password FROM exported_user ORDER BY user_id").fetchall()
    assert rows == [("0042", 0), ("42", 1), ("7", 0), ("NB7", 1)]
