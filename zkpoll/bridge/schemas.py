"""The tables of each vendor's program: names, and the columns by what they mean. Pure.

Names are compared without case; what is not named here is not read, above all no templates, photos or
passwords. Sources: the vendors' create scripts, dumps of live databases, and real files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.bridge.contract import DatabaseKind, Take, Target


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table, and its columns by meaning: the names that each may have, the likeliest first."""

    name: str
    columns: Mapping[str, tuple[str, ...]]
    needed: frozenset[str] = frozenset()
    """The meanings without which it is another table; the other columns may lack.

    Of punches, what tells the terminal is one of them: rows of a login that may not read it would seem to be
    of none.
    """


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one program, as far as they are read."""

    punches: TableFacts | None
    """None where a query takes its place."""
    bucket: Literal["number", "day", "all"]
    """A bucket: a thousand of the rows' own numbers, a day of their time, or all rows. Access files have
    pages instead."""
    people: TableFacts | None = None
    machines: TableFacts | None = None
    typed: TableFacts | None = None
    """The table of rows that a person typed in."""
    user_is: Literal["badge", "number"] = "badge"
    """What the rows know a person by."""
    states: Mapping[str, int] = field(default_factory=dict)
    """What a state's text means, where it is no number."""
    instants: bool = False
    """Whether times are instants where the server has such a type."""


def _table(table: str, needed: str, /, **columns: str) -> TableFacts:
    """Given the columns by meaning, several names of one with blanks between, return a table."""
    parts = {meaning: tuple(names.split()) for meaning, names in columns.items()}
    return TableFacts(table, MappingProxyType(parts), frozenset(needed.split()))


_LETTERS: Final = MappingProxyType({"I": 0, "O": 1, "0": 2, "1": 3, "i": 4, "o": 5})
"""I and O are from the vendor's comment, the rest is the field's reading."""
_USERINFO: Final = _table(
    "USERINFO", "number badge",
    number="USERID", badge="Badgenumber", name="Name", card="CardNo", privilege="privilege",
    has_pin="PASSWORD",
)  # fmt: skip
_MACHINES: Final = _table("Machines", "number", number="MachineNumber", serial="sn")
_CHECKEXACT: Final = _table(
    "CHECKEXACT", "number time added", number="USERID", time="CHECKTIME", added="ISADD"
)

_ATT2000: Final = Schema(
    _table(
        "CHECKINOUT", "user time machine",
        user="USERID", time="CHECKTIME", state="CHECKTYPE", verify="VERIFYCODE", machine="SENSORID",
        serial="sn", work_code="WorkCode",
    ),
    "day", _USERINFO, _MACHINES, _CHECKEXACT, user_is="number", states=_LETTERS,
)  # fmt: skip
_ZKACCESS: Final = Schema(
    _table(
        "CHECKINOUT", "id user time machine",
        id="LOGID", user="USERID", time="CHECKTIME", state="CHECKTYPE", verify="VERIFYCODE",
        machine="MachineId SENSORID", serial="sn", work_code="WorkCode",
    ),
    "number", _USERINFO, _MACHINES, _CHECKEXACT, user_is="number", states=_LETTERS,
)  # fmt: skip
_ZKACCESS_EVENTS: Final = Schema(
    _table(
        "acc_monitor_log", "id user time event serial",
        id="id", user="pin", time="time", machine="device_id", serial="device_sn", state="state",
        verify="verified", event="event_type",
    ),
    "number", _USERINFO, _MACHINES,
)  # fmt: skip
_BIOTIME: Final = Schema(
    _table(
        "iclock_transaction", "id user time serial",
        id="id", user="emp_code", time="punch_time", state="punch_state", verify="verify_type",
        work_code="work_code", serial="terminal_sn",
    ),
    "number",
    _table(
        "personnel_employee", "badge",
        number="id", badge="emp_code", name="first_name", last_name="last_name", card="card_no",
    ),
    instants=True,
)  # fmt: skip
_ZKTIME_NET: Final = Schema(
    _table(
        "att_punches", "id user time machine",
        id="id", user="employee_id emp_id", time="punch_time", state="workstate", verify="verifycode",
        work_code="workcode", machine="terminal_id", operator="operator",
    ),
    "number",
    _table(
        "hr_employee", "number badge",
        number="id", badge="emp_pin", name="emp_firstname", last_name="emp_lastname",
    ),
    _table("att_terminal", "number", number="id", serial="terminal_sns terminal_sn"),
    user_is="number",
)  # fmt: skip
_PERS_PERSON: Final = _table(
    "pers_person", "badge", number="id", badge="pin", name="name", last_name="last_name"
)
_ZKBIO: Final = Schema(
    _table(
        "att_transaction", "id user time serial",
        id="id", user="pers_person_pin", time="att_datetime", serial="device_sn", state="att_state",
        verify="att_verify",
    ),
    "day", _PERS_PERSON,
)  # fmt: skip
_ZKBIO_EVENTS: Final = Schema(
    _table(
        "acc_transaction", "id user time event serial",
        id="id", user="pin", time="event_time", serial="dev_sn", state="reader_state",
        verify="verify_mode_no", event="event_no",
    ),
    "day", _PERS_PERSON,
)  # fmt: skip

_SCHEMAS: Final[Mapping[tuple[DatabaseKind, Take], Schema]] = MappingProxyType({
    ("att2000", "attendance"): _ATT2000,
    ("zkaccess", "attendance"): _ZKACCESS,
    ("zkaccess", "events"): _ZKACCESS_EVENTS,
    ("biotime", "attendance"): _BIOTIME,
    ("zktime-net", "attendance"): _ZKTIME_NET,
    ("zkbio", "attendance"): _ZKBIO,
    ("zkbio", "events"): _ZKBIO_EVENTS,
})  # fmt: skip

HAS_EVENTS: Final = frozenset(kind for kind, take in _SCHEMAS if take == "events")
"""The kinds that may be read as events instead."""
PUNCH_EVENTS: Final[Mapping[DatabaseKind, frozenset[int]]] = MappingProxyType(
    {
        "zkaccess": frozenset({*range(4), *range(14, 20)}),
        "zkbio": frozenset({*range(4), *range(14, 20), *range(4000, 5000)}),
    }
)
"""The types of events that are punches, where a person is told: opened by a card, several cards, a finger; of
new firmware 4000 to 4999."""


def schema_of(target: Target) -> Schema:
    """Return the tables that are read of a database."""
    if target.kind != "custom":
        return _SCHEMAS[target.kind, target.take]
    if target.query is not None:
        return Schema(None, "all")
    columns = MappingProxyType({meaning: (name,) for meaning, name in target.columns.items()})
    bucket: Literal["number", "day"] = "number" if "id" in columns else "day"
    return Schema(TableFacts(target.table or "", columns, frozenset(columns)), bucket)
