"""The meaning of a database's rows: punches, rows set aside, and events that are none. Pure.

    a row
    |  event       of a door, of a type that is no punch, or of nobody     ──▶ None
    |  time        a date from 2000-01-01 to 2199, rounded to the second   ──▶ "absurd time"
    |  person      a badge; or the program's number of one whom it knows   ──▶ "no person", "no user id"
    |  terminal    the row's serial number, or that of its machine; rows   ──▶ "no serial", or
    |              that no terminal made have the database's own key           "ambiguous serial"
    v
    SettledRow

Nothing is guessed: a device made up here would double what is read from the real one. A row set aside keeps
its key, so that it is found again once the inventory or the database tells more.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from zkpoll.bridge.values import NO_NUMBER, bare, second_text, to_second
from zkpoll.model.bridged import AsideRow, SettledRow
from zkpoll.model.printable import shown
from zkpoll.model.punch import BRIDGED, Punch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

    from zkpoll.bridge.contract import Cell, Lookups, PunchRow
    from zkpoll.model.bridged import AsideReason

LONGEST: Final = 64
"""Characters of a user id and of a serial number. The longest columns of badges have 50 (zkbio), and a serial
number in the inventory may have 64."""
NO_STATE: Final = 255
"""None was chosen."""
_BYTE: Final = 255
_U32: Final = 0xFFFF_FFFF
_FIRST: Final = datetime(2000, 1, 1)
_LAST: Final = datetime(2199, 12, 31, 23, 59, 59)
_NEAR: Final = range(_FIRST.year - 1, _LAST.year + 2)
"""Years of times that may be within bounds once they are rounded, in some zone."""
_KEPT: Final = 50_000
"""Combinations that are remembered. A table has some hundreds; one whose work codes all differ has no end."""
_UNREAD: Final = "\ufffd"
"""What stands in a text for bytes that are no text."""
_DIGITS: Final = len(str(_U32))


@dataclass(frozen=True, slots=True)
class RowRules:
    """What the inventory and the schema say of a database's rows."""

    own_key: str
    """The device key of rows that no terminal made."""
    user_is: Literal["badge", "number"] = "badge"
    """What the rows know a person by."""
    states: Mapping[str, int] = field(default_factory=dict)
    """What a state's text means."""
    machines: Mapping[str, str] = field(default_factory=dict)
    """The serial numbers that the inventory gives the machines, by their numbers."""
    events: frozenset[int] | None = None
    """The types of events that are punches; None where all rows are punches."""
    door_states: bool = False
    """Whether states are those of doors, which know 0 (in) and 1 (out) alone."""

    def digest(self, lookups: Lookups) -> bytes:
        """Return 16 bytes that differ where a row that is set aside may be settled otherwise."""
        told = json.dumps([self.own_key, self.user_is, *map(_in_order, (self.machines, self.states))])
        return hashlib.blake2b(told.encode() + lookups.digest(), digest_size=16).digest()


class Aside(NamedTuple):
    """Why a row is set aside."""

    reason: AsideReason
    detail: str = ""


class Whose(NamedTuple):
    """The terminal of a row, and who told it."""

    device: str | Aside
    """The device key, or why nobody can tell it."""
    teller: Literal["row", "inventory", "machines", "nobody"]
    """The row itself, `machines:` of the inventory, or the table of machines."""


class _Traits(NamedTuple):
    """What follows from all of a row but its number, its person and its time."""

    is_punch: bool
    state: int
    verify: int
    work_code: int
    device: str | Aside
    typed_device: str | Aside
    """The device key where a person typed the row in."""
    by_operator: bool
    place: str
    """What stands in its key behind the time, where a row has no number of its own."""
    raw: str
    """The end of the row as text."""


class _Person(NamedTuple):
    """What follows from what a row knows a person by."""

    number: str
    user_id: str | Aside
    canonical: bytes
    """The canonical bytes up to the time."""
    raw: str


class Settler:
    """Settles the rows of one visit. It remembers what it has met, and is of one thread."""

    def __init__(
        self,
        rules: RowRules,
        lookups: Lookups,
        zone_of: Callable[[str], tzinfo],
        key_of: Callable[[str], str] = str,
    ) -> None:
        """`zone_of` gives the zone of a device key, `key_of` the device key of a serial number."""
        self._rules = rules
        self._lookups = lookups
        self._typed = lookups.typed
        self._events = rules.events
        self._zone_of = zone_of
        self._key_of = key_of
        self._zones: dict[str, tzinfo] = {}
        self._traits: dict[tuple[Cell, ...], _Traits] = {}
        self._people: dict[Cell, _Person] = {}

    def settle(self, row: PunchRow) -> SettledRow | AsideRow | None:
        """Return what a row is; None for an event that is no punch."""
        # What repeats is looked up, and no text is made twice: a first visit meets a million rows.
        time, who, id_ = row[:3]
        traits = self._traits.get(row[3:]) or self._new_traits(row)
        person = self._people.get(who) or self._new_person(who)
        if not traits.is_punch or (self._events is not None and person.number in NO_NUMBER):
            return None
        number = person.number if id_ is None else id_ if type(id_) is int else _name(id_)
        place = traits.place if id_ is None else ""
        wall = _wall_of(time)
        if wall is None:
            at = time.isoformat() if isinstance(time, datetime) else shown(bare(time))
            return AsideRow(f"{number} {at}{place}", _raw(row, None, person, traits), "absurd time")
        second = second_text(wall)
        raw = _raw(row, second if wall is time and wall.tzinfo is None else None, person, traits)
        key = f"{number} {second}{place}"
        manual = traits.by_operator or ((person.number, second) in self._typed)
        device = traits.typed_device if manual else traits.device
        user_id = person.user_id
        if isinstance(user_id, Aside):
            return AsideRow(key, raw, *user_id)
        if isinstance(device, Aside):
            return AsideRow(key, raw, *device)
        if wall.tzinfo is not None:
            wall = wall.astimezone(self._zone(device)).replace(tzinfo=None)
            second = wall.isoformat()
        if not _FIRST <= wall <= _LAST:
            return AsideRow(key, raw, "absurd time")
        punch = Punch(
            user_id, wall, traits.verify, traits.state, traits.work_code, person.canonical + second.encode()
        )
        return SettledRow(key, device, punch, raw, manual)

    def settle_all(self, rows: Iterable[PunchRow]) -> list[SettledRow | AsideRow]:
        """Return what rows are, without the events that are no punches."""
        return [found for found in map(self.settle, rows) if found is not None]

    def whose(self, serial_cell: Cell, machine_cell: Cell, *, typed: bool = False) -> Whose:
        """Given a row's serial number and that of its machine, return whose it is.

        `typed` says that a person typed it in.
        """
        serial, machine = bare(serial_cell), bare(machine_cell)
        if serial not in NO_NUMBER:
            return Whose(self._known(serial), "row")
        if machine and (named := self._rules.machines.get(machine)):
            return Whose(self._known(named), "inventory")
        serials = {one for one in self._lookups.machines.get(machine, ()) if one not in NO_NUMBER}
        if len(serials) > 1:
            return Whose(Aside("ambiguous serial", shown(machine)), "machines")
        if serials:
            return Whose(self._known(*serials), "machines")
        own = typed or not machine
        return Whose(self._rules.own_key if own else Aside("no serial", shown(machine)), "nobody")

    def _zone(self, device: str) -> tzinfo:
        zone = self._zones.get(device)
        if zone is None:
            zone = self._zones[device] = self._zone_of(device)
        return zone

    # --- what repeats ---

    def _new_person(self, cell: Cell) -> _Person:
        number = bare(cell)
        user_id = self._user_id(number)
        canonical = b"" if isinstance(user_id, Aside) else BRIDGED + user_id.encode() + b"\t"
        found = _Person(_name(cell), user_id, canonical, _json(cell))
        _remember(self._people, cell, found)
        return found

    def _user_id(self, number: str) -> str | Aside:
        """Given what a row knows a person by, return the badge."""
        badge = number
        if self._rules.user_is == "number":
            known = (self._lookups.people or {}).get(number)
            if known is None:
                return Aside("no person", shown(number))
            badge = known
        return badge if _is_fit(badge) else Aside("no user id")

    def _new_traits(self, row: PunchRow) -> _Traits:
        found = _Traits(
            is_punch=self._is_punch(row.event),
            state=self._state(row.state),
            verify=(_whole(row.verify) or 0) % (_BYTE + 1),
            work_code=_within(_whole(row.work_code), _U32, 0),
            device=self.whose(row.serial, row.machine).device,
            typed_device=self.whose(row.serial, row.machine, typed=True).device,
            by_operator=bare(row.operator) not in NO_NUMBER,
            place=self._place(row),
            raw="".join(
                f', "{meaning}": {_json(cell)}'
                for meaning, cell in zip(row._fields[3:], row[3:], strict=True)
                if cell is not None
            ),
        )
        _remember(self._traits, row[3:], found)
        return found

    def _place(self, row: PunchRow) -> str:
        """Return what tells two rows of a person and second apart: where they are of two terminals.

        The programs that know people by numbers have one row for both (CHECKINOUT's key).
        """
        told = (row.serial, row.machine) if self._rules.user_is == "badge" else ()
        return next((f" {_name(one)}" for one in told if bare(one) not in NO_NUMBER), "")

    def _is_punch(self, event: Cell) -> bool:
        return self._rules.events is None or _whole(event) in self._rules.events

    def _state(self, cell: Cell) -> int:
        text = bare(cell)
        if (told := self._rules.states.get(text)) is not None:
            return told
        number = _whole(cell)
        if self._rules.door_states:
            return _within(number, 1, NO_STATE)
        return _within(number, _BYTE, NO_STATE)

    def _known(self, serial: str) -> str | Aside:
        return self._key_of(serial) if _is_fit(serial) else Aside("no serial", shown(serial[:LONGEST]))


# --- values ---


def _wall_of(time: Cell) -> datetime | None:
    """Given a time as it stands there, return it rounded to the second, or None where it is none.

    A naive one is of the first pass of an hour that comes twice: rows have no order.
    """
    if not isinstance(time, datetime) or time.year not in _NEAR:
        return None
    time = to_second(time)
    if time.tzinfo is None:
        if not _FIRST <= time <= _LAST:
            return None
        return time.replace(fold=0) if time.fold else time
    return time


def _raw(row: PunchRow, second: str | None, person: _Person, traits: _Traits) -> str:
    """Return a row as text, as `contract.from_raw` takes it. `second` is its time, where that is at hand."""
    id_ = row[2]
    at = _json(row[0]) if second is None else f'{{"at": "{second}"}}'
    if id_ is None:
        return f'{{"time": {at}, "user": {person.raw}{traits.raw}}}'
    return f'{{"time": {at}, "user": {person.raw}, "id": {_json(id_)}{traits.raw}}}'


def _json(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return f'{{"at": "{cell.isoformat()}"}}'
    if type(cell) is int:
        return str(cell)
    if isinstance(cell, bytes):
        return json.dumps({"bytes": cell.hex()})
    # What cannot be seen is escaped: half a surrogate pair could not even be stored.
    return json.dumps(cell, ensure_ascii=isinstance(cell, str) and not cell.isprintable())


def _name(cell: Cell) -> str:
    """Return a value as it stands in a key; bytes that are no text by their digits: they would look alike."""
    text = bare(cell)
    return cell.hex() if isinstance(cell, bytes) and _UNREAD in text else shown(text)


def _whole(cell: Cell) -> int | None:
    """Return a value as a whole number, or None where it is none."""
    if isinstance(cell, float):
        return int(cell) if math.isfinite(cell) else None
    if isinstance(cell, int):
        return int(cell)
    text = bare(cell)
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else None


def _within(number: int | None, most: int, otherwise: int) -> int:
    return number if number is not None and 0 <= number <= most else otherwise


def _is_fit(text: str) -> bool:
    """Say whether text may be a user id or a serial number.

    One with a letter that could not be read may be another's as well.
    """
    return 0 < len(text) <= LONGEST and shown(text) == text and _UNREAD not in text


def _in_order(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(mapping.items())


def _remember(known: dict[Any, Any], key: object, value: object) -> None:
    if len(known) >= _KEPT:
        known.clear()
    known[key] = value
