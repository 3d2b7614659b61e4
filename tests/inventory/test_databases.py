"""`databases:` of the inventory: whose they are, where they are, and what of them is read."""

from __future__ import annotations

import re
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from tests.inventory.helpers import GOOD, read, wrong
from zkpoll.errors import InventoryError
from zkpoll.inventory import Database, Machine, UserIds, load

TOP = GOOD[: GOOD.index("devices:")]
"""An inventory without its devices; `databases:` is on line 7."""
FILE = "name: hq, kind: att2000, file: att2000.mdb"
URL = "postgresql://zkpoll@10.0.0.5:7496/biotime"
SERVER = f"name: hq, kind: biotime, url: '{URL}'"
CUSTOM = "name: hq, kind: custom, url: 'mssql://reader@10.0.0.7/HR'"
COLUMNS = "columns: {user_id: EmpNo, time: PunchAt}"


def storing(*entries: str, above: str = TOP) -> str:
    """Given databases in flow style, return an inventory that has them from line 8, and no devices."""
    return f"{above}databases:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


def database(folder: Path, entry: str, env: dict[str, str] | None = None) -> Database:
    """Given a database in flow style, return it as it is loaded."""
    return read(folder, storing(entry), env).databases[0]


def one_wrong(folder: Path, entry: str) -> str:
    """Given a wrong database in flow style, return the only line of the error, from its setting on."""
    (line,) = wrong(folder, storing(entry))
    return re.sub(r"^devices.yaml:8: databases\[0\]( \(\w+\))?\.", "", line)


def test_the_smallest_databases_get_every_default(tmp_path: Path) -> None:
    """A file or a server is enough; all else has the documented default, and no device is needed."""
    made = read(tmp_path, storing(FILE, f"{SERVER.replace('hq', 'b')}"))
    file, server = made.databases
    assert made.devices == ()
    assert made.sources == (file, server)
    assert file == Database(
        name="hq", kind="att2000", file=tmp_path / "att2000.mdb", url=None, password=None, password_file=None,
        timezone="Asia/Dhaka", machines={}, manual="send", take="attendance", states={}, events=None,
        serial=None, table=None, query=None, columns=None, timeout=10, visit_limit=900, quiet_hours=None,
        since=None, repeat_within=None, direction="state", in_states=(0, 4), out_states=(1, 5),
        latitude=None, longitude=None, user_id=None, enabled=True,
    )  # fmt: skip
    assert (file.address, file.target_columns) == (str(tmp_path / "att2000.mdb"), {})
    assert server.address == "postgresql://zkpoll@10.0.0.5:7496/biotime"
    assert server.password_text() is None


def test_every_setting_of_a_vendors_database(tmp_path: Path) -> None:
    """What may be said of a database is kept typed: machines, states, events, and what devices have, too."""
    text = """\
  - name: doors
    kind: zkaccess
    file: //server/share/access.mdb
    timezone: Europe/London
    machines:
      1: 0012
      3: {serial: CQ3, timezone: Asia/Dhaka}
    take: events
    events: [0, 1, 14-19, '27']
    states: {i: 4, I: 0, 0: 2}
    serial: HQ
    timeout: 3s
    visit_limit: 1m
    quiet_hours: 22:00-05:00
    since: 2026-11-01
    repeat_within: 30s
    direction: in
    latitude: 1
    longitude: 2
    user_id: {prefix: A-}
    enabled: no
"""
    made = read(tmp_path, f"{TOP}databases:\n{text}").databases[0]
    assert made == Database(
        name="doors", kind="zkaccess", file=Path("//server/share/access.mdb"), timezone="Europe/London",
        machines={"1": Machine(serial="0012"), "3": Machine(serial="CQ3", timezone="Asia/Dhaka")},
        take="events", events=frozenset({0, 1, *range(14, 20), 27}), states={"i": 4, "I": 0, "0": 2},
        serial="HQ", timeout=3, visit_limit=60, quiet_hours=(time(22), time(5)),
        since=datetime(2026, 11, 1), repeat_within=30, direction="in", latitude=1, longitude=2,
        user_id=UserIds(prefix="A-"), enabled=False,
    )  # fmt: skip
    assert made.address == "//server/share/access.mdb"
    assert [made.zone_of(serial) for serial in ("0012", "CQ3", "X")] == [
        *("Europe/London", "Asia/Dhaka", "Europe/London"),
    ]


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    """Its columns are told by what they hold, in the words of the bridge."""
    columns = "{user_id: EmpNo, time: 'Punch At', serial: SN, state: InOut, verify: M, work_code: J,"
    columns += " id: R, machine: N}"
    made = database(tmp_path, f"{CUSTOM}, table: dbo.AttLog, columns: {columns}")
    assert made.table == "dbo.AttLog"
    assert made.target_columns == {
        "user": "EmpNo", "time": "Punch At", "serial": "SN", "state": "InOut", "verify": "M",
        "work_code": "J", "id": "R", "machine": "N",
    }  # fmt: skip
    assert database(tmp_path, f"{CUSTOM}, table: a, {COLUMNS}, machines: {{GATE-A: X}}").machines


@pytest.mark.parametrize(
    ("written", "query"),
    [
        ("SELECT a, b FROM c", "SELECT a, b FROM c"),
        ("select a from b;", "select a from b"),
        ("WITH x AS (SELECT 1) SELECT * FROM x ;", "WITH x AS (SELECT 1) SELECT * FROM x"),
        ("|\n      SELECT a,\n        b\n      FROM c;\n", "SELECT a,\n  b\nFROM c"),
        (">\n      SELECT update_time\n      FROM c\n", "SELECT update_time FROM c"),
    ],
)
def test_a_query_is_one_select(tmp_path: Path, written: str, query: str) -> None:
    """It may have several lines, and a semicolon at its end, which is taken off."""
    entry = f"{CUSTOM}, {COLUMNS}".replace(", ", "\n    ", 3)
    text = f"{TOP}databases:\n  - {entry}\n    query: {written}\n"
    assert read(tmp_path, text).databases[0].query == query


def test_the_password_is_beside_the_url(tmp_path: Path) -> None:
    """It comes from the environment, a file or a systemd credential, and is printed nowhere."""
    (tmp_path / "password").write_text("hunter2 x\n", encoding="utf-8")
    for how in ("password: '${PW}'", "password_file: password", "password_file: '${DIR}/password'"):
        text = storing(f"{SERVER}, {how}")
        made = read(tmp_path, text, {"PW": "hunter2 x", "DIR": str(tmp_path)})
        assert made.databases[0].password_text() == "hunter2 x"
        for shown in (repr(made), str(made), str(made.masked()), made.databases[0].address):
            assert "hunter2" not in shown
    (tmp_path / "password").unlink()
    assert made.databases[0].password_text() == "hunter2 x"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty, expected a password"),
        ("hunter2\thunter3", "is not a password, expected a password without control characters"),
    ],
)
def test_a_file_without_a_password(tmp_path: Path, content: str, told: str) -> None:
    """A file that holds none is told by its name, without what it holds."""
    (tmp_path / "password").write_text(content, encoding="utf-8")
    line = one_wrong(tmp_path, f"{SERVER}, password_file: password")
    assert line == f"password_file: {tmp_path}/password {told}"


def test_what_the_check_prints_loads_again(tmp_path: Path) -> None:
    """Settings are shown in the inventory's own words: ranges, serials, nothing that is unset."""
    entry = f"{FILE}, machines: {{1: A, 2: {{serial: B, timezone: UTC}}}}, states: {{I: 0}}"
    doors = "name: d, kind: zkbio, url: 'mysql://u@h/d', take: events, events: [0, 2, 3, 14-19]"
    made = read(tmp_path, storing(entry, doors))
    shown = made.masked()
    assert shown["databases"][0]["machines"] == {"1": "A", "2": {"serial": "B", "timezone": "UTC"}}
    assert shown["databases"][1]["events"] == [0, "2-3", "14-19"]
    assert not shown["databases"][0].keys() & {"url", "password", "table", "query", "columns", "events"}
    assert read(tmp_path, yaml.safe_dump(shown)).databases == made.databases
    assert "databases" not in read(tmp_path, GOOD).masked()


def test_what_a_query_of_the_url_holds_is_not_shown(tmp_path: Path) -> None:
    """Options of a driver may be keys: neither the address nor the check shows them."""
    made = database(tmp_path, f"{CUSTOM[:-1]}?tds_version=7.1&encryption=off', table: a, {COLUMNS}")
    assert made.url == "mssql://reader@10.0.0.7/HR?tds_version=7.1&encryption=off"
    assert made.address == "mssql://reader@10.0.0.7/HR"
    assert made.model_dump()["url"] == "mssql://reader@10.0.0.7/HR?********"


def test_an_address_has_one_spelling(tmp_path: Path) -> None:
    """A detour in a path makes no other database of it."""
    assert database(tmp_path, FILE.replace("att2000.mdb", "x/../att2000.mdb")).address == str(
        tmp_path / "att2000.mdb"
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://zkpoll@10.0.0.5:7496/biotime", "postgresql+psycopg://u@[::1]:5432/a",
        "mysql://u@db.example.com/zkbiotime", "mysql+pymysql://u@h/d?charset=utf8mb4",
        "mssql://reader@10.0.0.7/HR", r"mssql://sa@HOST\SQLEXPRESS/att2000",
        "mssql://DOMAIN%5Creader@10.0.0.7:1433/HR", "mssql+pyodbc://reader@my_dsn",
        "mssql+pyodbc:///?odbc_connect=DSN%3Dmine", "sqlite:////var/lib/ZKTimeNet.db",
        "sqlite:///C:/ZKTimeNet/ZKTimeNet.db",
    ],
)  # fmt: skip
def test_urls_are_those_of_sqlalchemy(tmp_path: Path, url: str) -> None:
    """A dialect, perhaps with a driver of one's own; a named SQL Server; a file by its whole path."""
    assert database(tmp_path, f"name: a, kind: zktime-net, url: '{url}'").url == url


NO_PASSWORD = "expected no password in it; that goes into password: or password_file:"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:hunter2@h/d", f"found '(hidden)@h/d', {NO_PASSWORD}"),
        ("mysql://u:@h/d", f"found '(hidden)@h/d', {NO_PASSWORD}"),
        ("mssql://u@h/d?password=hunter2", f"found '(hidden)@h/d?(hidden)', {NO_PASSWORD}"),
        (
            "mssql+pyodbc:///?odbc_connect=DSN%3Da%3BPWD%3Dhunter2",
            f"found 'mssql+pyodbc:///?(hidden)', {NO_PASSWORD}",
        ),
        ("postgres://u@h/d", "did you mean postgresql://?"),
        ("mariadb://u@h/d", "did you mean mysql://?"),
        ("sqlserver://u@h/d", "did you mean mssql://?"),
        ("Postgresql://u@h/d", "did you mean postgresql://?"),
        ("oracle://u@h/d", "expected postgresql:// or mysql:// or mssql:// or sqlite://"),
        ("10.0.0.5/biotime", "expected postgresql:// or mysql:// or mssql:// or sqlite://"),
        (
            "mysql://u@h",
            "expected the name of a database at its end, such as mysql://zkpoll@10.0.0.5/attendance",
        ),
        (
            "mysql://u@h/",
            "expected the name of a database at its end, such as mysql://zkpoll@10.0.0.5/attendance",
        ),
        ("mysql://u@h/a/b", "such as mysql://zkpoll@10.0.0.5/attendance"),
        ("mysql://u@h:0/a", "expected a host, or a host and a port, such as 10.0.0.5:5432"),
        ("mysql://u@h:70000/a", "expected a host, or a host and a port, such as 10.0.0.5:5432"),
        ("mysql://u@/a", "or a DNS name of letters, digits, '-', '_' and '.'"),
        (r"mysql://u@h\X/a", "or a DNS name of letters, digits, '-', '_' and '.'"),
        ("sqlite:///ZKTimeNet.db", "expected sqlite:/// and an absolute path; or write the path into file:"),
        ("sqlite://", "expected sqlite:/// and an absolute path; or write the path into file:"),
        ("mysql://u@h/a b", "expected a URL without spaces, quotes, # or control characters"),
        ("mysql://u:hunter2#@h/a", "expected a URL without spaces, quotes, # or control characters"),
    ],
)
def test_a_wrong_url_is_told_without_its_password(tmp_path: Path, url: str, told: str) -> None:
    """The sentence says what is wrong with a URL, and where a password goes."""
    line = one_wrong(tmp_path, f"name: a, kind: zktime-net, url: '{url}'")
    assert line.startswith("url: found ")
    assert line.endswith(told)
    assert "hunter2" not in line


EVENTS = "expected a number from 0 to 65535, or a range such as 14-19"
SELECT = "expected one SELECT, or WITH ... SELECT"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("name: a", "kind: missing (Whose tables they are: those of a vendor's program, or custom: "),
        (
            "name: a, kind: att2000",
            "file: missing, and url: as well (file: of Access or SQLite, or url: of a server)",
        ),
        (f"{FILE}, url: 'mysql://u@h/d'", "url: file and url exclude each other; keep one of them"),
        (f"{FILE}, pasword: a", "pasword: unknown setting, did you mean password?"),
        (f"{FILE}, host: 10.0.0.1", "host: unknown setting, known here: "),
        (
            "name: a, kind: att200, file: a",
            "kind: found 'att200', expected att2000 or zkaccess or biotime or ",
        ),
        (
            "name: a, kind: biotime, file: a.mdb",
            "file: kind: biotime keeps nothing in a file; it has a server, which goes into url:",
        ),
        (
            "name: a, kind: zkbio, url: 'sqlite:////a'",
            "url: kind: zkbio keeps nothing in a file; it has a server, which goes into url:",
        ),
        (
            f"{SERVER}, password: a, password_file: b",
            "password_file: password and password_file exclude each other; keep one of them",
        ),
        (f"{SERVER}, password: ", "password: found nothing, expected a password without control characters"),
        (f"{FILE}, password: hunter2", "password: is for url: only; a file is read without one"),
        (f"{SERVER}, password_file: gone", "password_file: cannot read "),
        (
            f"{FILE}, timezone: Dhaka",
            "timezone: found 'Dhaka', expected a time zone, did you mean Asia/Dhaka?",
        ),
        (f"{FILE}, machines: CQZ1", "machines: found text, expected a mapping, such as {1: CQZ7224760045}"),
        (
            f"{FILE}, machines: {{front: CQZ1}}",
            "machines.front: found 'front', expected the number of a machine, such as 3",
        ),
        (
            f"{FILE}, machines: {{01: CQZ1}}",
            "machines: found '01', expected the number of a machine, such as 3",
        ),
        (
            f"{FILE}, machines: {{1: }}",
            "machines: found nothing, expected 1 to 64 printable characters, no space around them",
        ),
        (f"{FILE}, machines: {{1: {{timezone: UTC}}}}", "machines.serial: missing (Its serial number)"),
        (
            f"{FILE}, machines: {{1: {{serial: a, zone: UTC}}}}",
            "machines.zone: unknown setting, did you mean timezone?",
        ),
        (
            f"{FILE}, machines: {{1: {{serial: a, timezone: Nowhere}}}}",
            "machines.timezone: found 'Nowhere', expected a time zone",
        ),
        (
            f"{FILE}, machines: {{1: A, 2: {{serial: A, timezone: UTC}}}}",
            "machines: serial A is that of another number, in another time zone; ",
        ),
        (f"{FILE}, manual: drop", "manual: found 'drop', expected send or hold"),
        (
            f"{SERVER}, manual: hold",
            "manual: found 'hold', but nothing tells here which rows a person typed in; att2000, ",
        ),
        (f"{FILE}, take: events", "take: found 'events', which only zkaccess and zkbio have"),
        ("name: a, kind: zkaccess, file: a, events: [0]", "events: means something with take: events only"),
        *(
            (f"name: a, kind: zkaccess, file: a, take: events, events: {events}", f"events{told}")
            for events, told in {
                "[]": ": found nothing, expected a list, such as [0, 1, 14-19]",
                "14-19": ": found text, expected a list, such as [0, 1, 14-19]",
                "[0, 19-14]": f"[1]: found '19-14', {EVENTS}",
                "[0, 70000]": f"[1]: found '70000', {EVENTS}",
                "[0, {a: b}]": f"[1]: found a mapping, {EVENTS}",
                "[0, '']": f"[1]: found nothing, {EVENTS}",
            }.items()
        ),
        (f"{FILE}, states: {{i: 256}}", "states.i: found '256', expected a whole number from 0 to 255"),
        (f"{FILE}, states: [4]", "states: found a list, expected a mapping, such as {I: 0, O: 1}"),
        (f"{FILE}, table: a", "table: means something with kind: custom only"),
        (f"{FILE}, {COLUMNS}", "columns: means something with kind: custom only"),
        (f"{CUSTOM}, {COLUMNS}", "table: missing, and query: as well (kind: custom needs one of them)"),
        (
            f"{CUSTOM}, {COLUMNS}, table: a, query: SELECT 1",
            "query: table and query exclude each other; keep one of them",
        ),
        (f"{CUSTOM}, table: a", "columns: missing (kind: custom needs the names of the columns)"),
        (
            f"{CUSTOM}, table: a, columns: {{user_id: a}}",
            "columns.time: missing (The column of the wall clock of a punch)",
        ),
        (f"{CUSTOM}, table: a, columns: {{user_id: a, time: b, sn: c}}", "columns.sn: unknown setting, "),
        (
            f"{CUSTOM}, table: a, columns: {{user_id: '[a]', time: b}}",
            "columns.user_id: found '[a]', expected the name of a column, without quotes and brackets",
        ),
        (
            f"{CUSTOM}, {COLUMNS}, table: 'a; b'",
            "table: found 'a; b', expected the name of a table or view, such as dbo.AttLog, ",
        ),
        *(
            (f"{CUSTOM}, {COLUMNS}, query: '{query}'", f"query: found {told}")
            for query, told in {
                "": f"nothing, {SELECT}",
                "DROP TABLE a": f"'DROP TABLE a', {SELECT}",
                "SELECTED": f"'SELECTED', {SELECT}",
                "SELECT 1; DROP TABLE a": "a ; within it, expected one SELECT; what needs more can be a ",
                "WITH a AS (b)": "a WITH without a SELECT, expected WITH ... SELECT",
                "SELECT a into b FROM c": "the word INTO, expected a SELECT that only reads; ",
                "WITH a AS (DELETE FROM b RETURNING c) SELECT c FROM a": "the word DELETE, expected a ",
                "SELECT a FROM b FOR UPDATE": "the word UPDATE, expected a SELECT that only reads; ",
            }.items()
        ),
        (f"{FILE}, timeout: soon", "timeout: found 'soon', expected a duration from 10ms to 1h"),
        (
            f"{FILE}, in_states: [1]",
            "in_states[0]: state 1 is among out_states as well (1, 5); it means one of both",
        ),
        (f"{FILE}, latitude: 1", "latitude: needs longitude beside it"),
    ],
)
def test_a_wrong_database_is_one_exact_line(tmp_path: Path, entry: str, told: str) -> None:
    """A mistake is told once, with its line and place, what was found and what is expected."""
    line = one_wrong(tmp_path, entry)
    assert line.startswith(told)
    assert "hunter2" not in line


def test_a_wrong_place_is_told_beside_other_mistakes(tmp_path: Path) -> None:
    """Whatever else is wrong, a missing file or url is told in the same check."""
    assert [
        line.split(": ")[1] for line in wrong(tmp_path, storing("name: a, kind: att2000, manual: x"))
    ] == [
        *("databases[0] (a).manual", "databases[0] (a).file"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TOP, "devices.yaml:1: devices: no devices, expected at least one"),
        (
            f"{TOP}databases: []\n",
            "devices.yaml:1: devices: no devices and no databases, expected at least one",
        ),
        (
            f"{TOP}devices: []\ndatabases:\n",
            "devices.yaml:7: devices: no devices and no databases, expected at least one",
        ),
        (
            f"{GOOD}databases: att2000.mdb\n",
            "devices.yaml:10: databases: found text, expected a list of databases (each begins with -)",
        ),
        (
            f"{TOP}databases: {{a: b}}\n",
            "devices.yaml:7: databases: found a mapping, expected a list of databases (each begins with -)",
        ),
        (
            f"{TOP}databases: [a]\n",
            "devices.yaml:7: databases[0]: found text, expected a mapping of settings (name: value)",
        ),
    ],
)
def test_an_inventory_has_a_device_or_a_database(tmp_path: Path, text: str, told: str) -> None:
    """One of the two lists has something in it; what is no list is told as such."""
    assert wrong(tmp_path, text) == [told]


def test_either_list_may_be_empty_beside_the_other(tmp_path: Path) -> None:
    """Entries that are all commented out are no mistake where the other list has some."""
    for text in (storing(FILE, above=f"{TOP}devices:\n"), storing(FILE, above=f"{TOP}devices: []\n")):
        assert len(read(tmp_path, text).sources) == 1
    for text in (f"{GOOD}databases:\n", f"{GOOD}databases: []\n"):
        assert len(read(tmp_path, text).sources) == 1


def test_defaults_hold_for_databases_too(tmp_path: Path) -> None:
    """A database takes from the defaults what it has, and is not troubled by what only devices have."""
    shared = "  timeout: 20\n  clear: confirmed\n  comm_key: 1\n  push: true\n  encoding: cp1252\n  port: 1\n"
    shared += "  direction: in\n  quiet_hours: 22:00-05:00\n"
    made = read(
        tmp_path, storing(FILE, f"{SERVER.replace('hq', 'b')}, timeout: 5, timezone: UTC", above=TOP + shared)
    )
    hq, b = made.databases
    assert (hq.timezone, hq.timeout, hq.direction, hq.quiet_hours) == (
        "Asia/Dhaka",
        20,
        "in",
        (time(22), time(5)),
    )
    assert (b.timezone, b.timeout) == ("UTC", 5)
    (line,) = wrong(tmp_path, storing(FILE, above=TOP.replace("defaults:\n  timezone: Asia/Dhaka\n", "")))
    assert line.startswith("devices.yaml:6: databases[0] (hq).timezone: missing (")


def test_settings_of_databases_alone_are_no_defaults(tmp_path: Path) -> None:
    """`defaults` has the settings of devices; what only a database has is said at it."""
    (line,) = wrong(tmp_path, storing(FILE, above=f"{TOP}  manual: hold\n"))
    assert line.startswith("devices.yaml:7: defaults.manual: unknown setting, ")


def test_names_are_unique_among_devices_and_databases(tmp_path: Path) -> None:
    """A name stands for one source, whatever door it has."""
    front = FILE.replace("hq", "front")
    assert wrong(tmp_path, storing(front, above=GOOD)) == [
        "devices.yaml:11: databases[0] (front).name: 'front' is already the name on line 8"
    ]
    assert wrong(tmp_path, storing(FILE, SERVER)) == [
        "devices.yaml:9: databases[1] (hq).name: 'hq' is already the name on line 8"
    ]


def test_a_database_is_read_once(tmp_path: Path) -> None:
    """Two enabled entries with one address, or one serial number, are told; one of them may be taken out."""
    again = FILE.replace("hq", "b").replace("att2000.mdb", "./x/../att2000.mdb")
    assert wrong(tmp_path, storing(FILE, again)) == [
        (
            f"devices.yaml:9: databases[1] (b).file: {tmp_path}/att2000.mdb is already an enabled database on"
            " line 8"
        )
    ]
    assert len(read(tmp_path, storing(FILE, f"{again}, enabled: no")).databases) == 2
    other = SERVER.replace("hq", "b")
    assert wrong(tmp_path, storing(SERVER, f"{other[:-1]}?application_name=x'")) == [
        f"devices.yaml:9: databases[1] (b).url: {URL} is already an enabled database on line 8"
    ]
    assert wrong(tmp_path, storing(f"{FILE}, serial: A", above=f"{GOOD}    serial: A\n")) == [
        "devices.yaml:12: databases[0] (hq).serial: serial A is already an enabled device on line 8"
    ]


def test_a_machine_may_be_a_device_of_the_inventory(tmp_path: Path) -> None:
    """Its serial number is that of the same terminal: a punch that comes by both doors is one."""
    made = read(tmp_path, storing(f"{FILE}, machines: {{1: A}}", above=f"{GOOD}    serial: A\n"))
    assert made.databases[0].machines["1"].serial == made.devices[0].serial


def test_without_secrets_no_password_is_needed(tmp_path: Path) -> None:
    """A look into the journal works where neither the variable nor the file of a password is."""
    path = tmp_path / "devices.yaml"
    for how in ("password: '${GONE}'", "password_file: /gone/password"):
        path.write_text(storing(f"{SERVER}, {how}"), encoding="utf-8")
        assert load(path, {}, secrets=False).databases[0].password is None
        with pytest.raises(InventoryError, match=r"GONE|gone"):
            load(path, {})


def test_a_shift_has_no_database(tmp_path: Path) -> None:
    """A database does not tell how far it is complete, so a shift that would wait for it is refused."""
    site = "a:b\n  format: frappe\n  frappe: {timezone: UTC, shifts: [{name: Day, devices: [front, hq]}]}"
    (line,) = wrong(tmp_path, storing(FILE, above=GOOD).replace("secret-token", site))
    place = "devices.yaml:5: dashboard.frappe.shifts[0].devices[1]"
    assert line.startswith(f"{place}: found 'hq', a database: it does not tell up to when its punches are ")


def test_settings_may_come_from_code() -> None:
    """Values of a field's own type are taken as they are."""
    settings: dict[str, Any] = {"name": "a", "kind": "custom", "url": "mysql://u@h/d", "timezone": "UTC"}
    made = Database.model_validate(
        settings | {"password": SecretStr("x"), "query": "SELECT 1", "columns": {"user_id": "a", "time": "b"}}
    )
    assert made.password_text() == "x"
    with pytest.raises(ValueError, match="frozen"):
        made.name = "b"
