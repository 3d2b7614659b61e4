"""Tables as the vendors' programs make them, with people that there are not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, SmallInteger, String, Table, Text

from zkpoll.bridge.contract import PunchRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkpoll.bridge.contract import DatabaseKind, Take

START = datetime(2026, 11, 20, 7, 58, 3)
SERIAL = "CQZ7224760045"
BADGES = {17: "1001", 18: "1002", 19: "1003", 20: "A-77"}
"""By the programs' own numbers of people."""


@dataclass
class Vendor:
    """One program's tables, and what was put into them."""

    kind: DatabaseKind
    take: Take
    metadata: MetaData
    punches: Table
    rows: Mapping[str, list[dict[str, Any]]]
    """By the names of tables."""
    expected: list[PunchRow] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    """What `Target` needs besides."""

    def row(self, number: int) -> dict[str, Any]:
        """Return the values of a further row of the table of punches, the same for a number."""
        return self.make(number)

    make: Callable[[int], dict[str, Any]] = field(default=lambda _: {})


class Makes:
    """Makes tables for one engine."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.metadata = MetaData()

    def name(self, name: str) -> str:
        """PostgreSQL folds the names of the vendors' scripts."""
        return name.lower() if self.engine == "postgresql" else name

    def table(self, name: str, /, **columns: Any) -> Table:
        """Make a table. A column whose name ends with `_pk` is its key."""
        return Table(
            self.name(name),
            self.metadata,
            *(
                Column(self.name(one.removesuffix("_pk")), kind, primary_key=one.endswith("_pk"))
                for one, kind in columns.items()
            ),
        )

    def time(self, *, instant: bool = False) -> Any:
        """Return the type of times; SQLite has none."""
        return Text() if self.engine == "sqlite" else DateTime(timezone=instant)

    def at(self, time: datetime) -> Any:
        """Return a time as the program writes it."""
        return str(time) if self.engine == "sqlite" else time

    def values(self, **values: Any) -> dict[str, Any]:
        """Return a row by the names of its columns."""
        return {self.name(name): value for name, value in values.items()}


def moment(number: int) -> datetime:
    """Return the time of the punch of a number: some a day, over many days."""
    return START + timedelta(hours=5 * number, seconds=7 * number % 60)


def _person(number: int) -> int:
    return 17 + number % len(BADGES)


def _userinfo(makes: Makes) -> tuple[Table, list[dict[str, Any]]]:
    table = makes.table(
        "USERINFO", USERID_pk=Integer(), Badgenumber=String(24), Name=String(40), CardNo=String(20),
        privilege=Integer(), PASSWORD=String(20), PHOTO=String(200),
    )  # fmt: skip
    rows = [
        makes.values(
            USERID=number, Badgenumber=f" {badge} ", Name=f"Person {number}", CardNo="77", privilege=14,
            PASSWORD="9876" if number == 17 else "", PHOTO="never read",
        )
        for number, badge in BADGES.items()
    ]  # fmt: skip
    return table, rows


def _machines(makes: Makes) -> tuple[Table, list[dict[str, Any]]]:
    table = makes.table("Machines", ID_pk=Integer(), MachineNumber=Integer(), sn=String(20), IP=String(20))
    rows = [
        makes.values(ID=1, MachineNumber=1, sn=SERIAL, IP="10.0.0.1"),
        makes.values(ID=2, MachineNumber=3, sn="0", IP="10.0.0.2"),
    ]
    return table, rows


def _checkinout(makes: Makes, kind: DatabaseKind, number: int) -> Vendor:
    users, people = _userinfo(makes)
    machines, terminals = _machines(makes)
    exact = makes.table(
        "CHECKEXACT", EXACTID_pk=Integer(), USERID=Integer(), CHECKTIME=makes.time(), ISADD=SmallInteger()
    )
    columns: dict[str, Any] = {"LOGID_pk": BigInteger(), "MachineId": Integer()} if kind == "zkaccess" else {}
    key = "" if kind == "zkaccess" else "_pk"
    columns |= {
        f"USERID{key}": Integer(), f"CHECKTIME{key}": makes.time(), "CHECKTYPE": String(1),
        "VERIFYCODE": Integer(), "SENSORID": String(5), "sn": String(20), "WorkCode": String(24),
        "Memoinfo": String(30),
    }  # fmt: skip
    punches = makes.table("CHECKINOUT", **columns)

    def make(number: int) -> dict[str, Any]:
        own = {"LOGID": number, "MachineId": 1} if kind == "zkaccess" else {}
        return makes.values(
            USERID=_person(number), CHECKTIME=makes.at(moment(number)), CHECKTYPE="IOio"[number % 4],
            VERIFYCODE=1, SENSORID="1", sn=SERIAL if number % 2 else None, WorkCode="0",
            Memoinfo="never read", **own,
        )  # fmt: skip

    expected = [
        PunchRow(
            moment(one), _person(one), one if kind == "zkaccess" else None, "IOio"[one % 4], 1, "0",
            SERIAL if one % 2 else None, 1 if kind == "zkaccess" else "1",
        )
        for one in range(1, number + 1)
    ]  # fmt: skip
    typed = [makes.values(EXACTID=1, USERID=18, CHECKTIME=makes.at(moment(1)), ISADD=1)]
    typed.append(makes.values(EXACTID=2, USERID=19, CHECKTIME=makes.at(moment(2)), ISADD=0))
    rows = {users.name: people, machines.name: terminals, exact.name: typed}
    return Vendor(kind, "attendance", makes.metadata, punches, rows, expected, make=make)


def _monitor_log(makes: Makes, number: int) -> Vendor:
    punches = makes.table(
        "acc_monitor_log", id_pk=Integer(), status=Integer(), time=makes.time(), pin=String(50),
        card_no=String(50), device_id=Integer(), device_sn=String(50), verified=Integer(), state=Integer(),
        event_type=Integer(), description=String(200),
    )  # fmt: skip

    def make(number: int) -> dict[str, Any]:
        return {
            "id": number, "time": makes.at(moment(number)), "pin": BADGES[_person(number)], "device_id": 1,
            "device_sn": SERIAL, "verified": 1, "state": number % 3, "event_type": number % 30,
            "description": "never read",
        }  # fmt: skip

    expected = [
        PunchRow(
            moment(one), BADGES[_person(one)], one, one % 3, 1, None, SERIAL, 1, None, one % 30
        )
        for one in range(1, number + 1)
    ]  # fmt: skip
    return Vendor("zkaccess", "events", makes.metadata, punches, {}, expected, make=make)


def _biotime(makes: Makes, number: int) -> Vendor:
    punches = makes.table(
        "iclock_transaction", id_pk=Integer(), emp_code=String(20), punch_time=makes.time(instant=True),
        punch_state=String(5), verify_type=Integer(), work_code=String(20), terminal_sn=String(50),
        terminal_alias=String(50), upload_time=makes.time(instant=True),
    )  # fmt: skip
    people = makes.table(
        "personnel_employee", id_pk=Integer(), emp_code=String(20), first_name=String(50),
        last_name=String(50), card_no=String(20),
    )  # fmt: skip
    unknown = makes.table("iclock_unregister", id_pk=Integer(), emp_code=String(20))
    zone = UTC if makes.engine == "postgresql" else None

    def make(number: int) -> dict[str, Any]:
        return {
            "id": number, "emp_code": BADGES[_person(number)],
            "punch_time": makes.at(moment(number).replace(tzinfo=zone)), "punch_state": str(number % 2),
            "verify_type": 15, "work_code": "", "terminal_sn": SERIAL, "terminal_alias": "never read",
        }  # fmt: skip

    expected = [
        PunchRow(
            moment(one).replace(tzinfo=zone), BADGES[_person(one)], one, str(one % 2), 15, "", SERIAL
        )
        for one in range(1, number + 1)
    ]  # fmt: skip
    rows = {
        people.name: [
            {"id": one, "emp_code": badge, "first_name": "Person", "last_name": str(one), "card_no": ""}
            for one, badge in BADGES.items()
        ],
        unknown.name: [{"id": 1, "emp_code": "9"}],
    }
    return Vendor("biotime", "attendance", makes.metadata, punches, rows, expected, make=make)


def _zktime_net(makes: Makes, number: int) -> Vendor:
    punches = makes.table(
        "att_punches", id_pk=Integer(), employee_id=Integer(), punch_time=makes.time(), workcode=Integer(),
        workstate=Integer(), verifycode=String(10), terminal_id=Integer(), operator=String(20),
    )  # fmt: skip
    people = makes.table(
        "hr_employee", id_pk=Integer(), emp_pin=String(20), emp_firstname=String(20), emp_lastname=String(20)
    )
    terminals = makes.table(
        "att_terminal", id_pk=Integer(), terminal_no=Integer(), terminal_sn=BigInteger(),
        terminal_sns=String(30),
    )  # fmt: skip

    def make(number: int) -> dict[str, Any]:
        return {
            "id": number, "employee_id": _person(number), "punch_time": makes.at(moment(number)),
            "workcode": 0, "workstate": number % 6, "verifycode": "1", "terminal_id": 1,
            "operator": "admin" if number % 5 == 0 else None,
        }  # fmt: skip

    expected = [
        PunchRow(
            moment(one), _person(one), one, one % 6, "1", 0, None, 1, "admin" if one % 5 == 0 else None
        )
        for one in range(1, number + 1)
    ]  # fmt: skip
    rows = {
        people.name: [
            {"id": one, "emp_pin": badge, "emp_firstname": "Person", "emp_lastname": str(one)}
            for one, badge in BADGES.items()
        ],
        terminals.name: [{"id": 1, "terminal_no": 1, "terminal_sn": 0, "terminal_sns": SERIAL}],
    }
    return Vendor("zktime-net", "attendance", makes.metadata, punches, rows, expected, make=make)


def _zkbio(makes: Makes, take: Take, number: int) -> Vendor:
    people = makes.table(
        "pers_person", id_pk=String(50), pin=String(30), name=String(50), last_name=String(50)
    )
    if take == "events":
        punches = makes.table(
            "acc_transaction", id_pk=String(50), event_time=makes.time(), pin=String(30), dev_sn=String(30),
            event_no=SmallInteger(), reader_state=SmallInteger(), verify_mode_no=SmallInteger(),
            unique_key=String(250),
        )  # fmt: skip
    else:
        punches = makes.table(
            "att_transaction", id_pk=String(50), att_datetime=makes.time(), att_state=String(20),
            att_verify=String(10), device_sn=String(30), pers_person_pin=String(50), mark=String(50),
        )  # fmt: skip

    def make(number: int) -> dict[str, Any]:
        key, time, badge = f"8a{number:030x}", makes.at(moment(number)), BADGES[_person(number)]
        if take == "events":
            return {
                "id": key, "event_time": time, "pin": badge, "dev_sn": SERIAL, "event_no": number % 30,
                "reader_state": number % 2, "verify_mode_no": 4,
            }  # fmt: skip
        return {
            "id": key, "att_datetime": time, "att_state": str(number % 2), "att_verify": "1",
            "device_sn": SERIAL, "pers_person_pin": badge,
        }  # fmt: skip

    expected = [
        PunchRow(moment(one), BADGES[_person(one)], f"8a{one:030x}", one % 2, 4, None, SERIAL, event=one % 30)
        if take == "events"
        else PunchRow(moment(one), BADGES[_person(one)], f"8a{one:030x}", str(one % 2), "1", None, SERIAL)
        for one in range(1, number + 1)
    ]
    rows = {
        people.name: [
            {"id": f"p{one}", "pin": badge, "name": "Person", "last_name": str(one)}
            for one, badge in BADGES.items()
        ]
    }
    return Vendor("zkbio", take, makes.metadata, punches, rows, expected, make=make)


def _custom(makes: Makes, number: int, *, by_id: bool) -> Vendor:
    own = {"RowId_pk": BigInteger()} if by_id else {}
    punches = makes.table(
        "AttLog", **own, EmpNo=String(20), PunchAt=makes.time(), DeviceSN=String(30), InOut=String(10)
    )

    def make(number: int) -> dict[str, Any]:
        told = {"RowId": number} if by_id else {}
        return makes.values(
            EmpNo=BADGES[_person(number)], PunchAt=makes.at(moment(number)), DeviceSN=SERIAL,
            InOut="in" if number % 2 else "out", **told,
        )  # fmt: skip

    expected = [
        PunchRow(
            moment(one), BADGES[_person(one)], one if by_id else None, "in" if one % 2 else "out",
            serial=SERIAL,
        )
        for one in range(1, number + 1)
    ]  # fmt: skip
    columns = {"user": "empno", "time": "punchat", "serial": "devicesn", "state": "inout"}
    if by_id:
        columns["id"] = "rowid"
    more = {"table": "attlog", "columns": columns}
    return Vendor("custom", "attendance", makes.metadata, punches, {}, expected, more, make=make)


VENDORS: Mapping[str, Callable[[Makes, int], Vendor]] = {
    "att2000": lambda makes, number: _checkinout(makes, "att2000", number),
    "zkaccess": lambda makes, number: _checkinout(makes, "zkaccess", number),
    "zkaccess-events": _monitor_log,
    "biotime": _biotime,
    "zktime-net": _zktime_net,
    "zkbio": lambda makes, number: _zkbio(makes, "attendance", number),
    "zkbio-events": lambda makes, number: _zkbio(makes, "events", number),
    "custom": lambda makes, number: _custom(makes, number, by_id=True),
    "custom-days": lambda makes, number: _custom(makes, number, by_id=False),
}
"""By name; the second argument is the number of punches."""


def vendor(name: str, engine: str, number: int = 60) -> Vendor:
    """Return a program's tables for an engine, with so many punches."""
    made = VENDORS[name](Makes(engine), number)
    made.rows = {**made.rows, made.punches.name: [made.make(one) for one in range(1, number + 1)]}
    return made
