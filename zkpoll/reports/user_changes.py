"""Changes of users between two exports, or since the last one. Pure but for `last_exports`."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from zkpoll.reports.user_rows import ADMINISTRATOR, rank, rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from zkpoll.journal.database import Journal
    from zkpoll.reports.user_rows import UserRow

    Roll: TypeAlias = Mapping[str, Sequence[UserRow]]
    """The users of each device, by its name; of one without users, none."""

Value: TypeAlias = str | int | tuple[str, ...] | None
_CHANGES: Final = {
    "name": "renamed",
    "card": "card_changed",
    "enabled": "enabled_changed",
    "group": "group_changed",
    "has_password": "password_changed",
}
"""The word for a change, by column."""
_Key: TypeAlias = tuple[str, int]
"""A user id, and which one it is of those that share it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One change, or one oddity, for an audit."""

    kind: str
    """`added`, `removed`, `renamed`, `became_administrator`, `privilege_changed`, `card_changed`,
    `enabled_changed`, `group_changed`, `password_changed`; `on_some_devices`; of a device as a whole
    `device_added`, `device_removed`."""
    device: str | None
    """None for `on_some_devices`."""
    serial_number: str | None
    user_id: str | None
    """None where it is about a device as a whole."""
    name: str | None
    """The user's name now, or before."""
    before: Value
    """The value before: for `on_some_devices` the devices, for a whole device its number of users."""
    after: Value

    def cells(self) -> tuple[str, str, str]:
        """Return its device, its user and the change, in words."""
        user = f"{self.user_id} {self.name}".rstrip() if self.user_id is not None else ""
        before, after = _in_words(self.before), _in_words(self.after)
        text = self.kind
        match self.kind:
            case "added" | "removed":
                pass
            case "device_added":
                text = f"not in the older export; {after} users"
            case "device_removed":
                text = f"not in the newer export; {before} users"
            case "on_some_devices":
                text = f"only on {after}{'' if self.before == self.after else f', before on {before}'}"
            case kind:
                text = f"{kind.replace('_', ' ')}: {before} -> {after}"
        return self.device or "", user, text


def _in_words(value: Value) -> str:
    match value:
        case None | ():
            return "none"
        case True | False:
            return "yes" if value else "no"
        case tuple():
            return ", ".join(value)
        case _:
            return str(value) or "none"


# --- what is compared ---


class Exported(Protocol):
    """A device or a database whose users are exported."""

    @property
    def name(self) -> str:
        """Its name in the inventory."""

    @property
    def key(self) -> str:
        """The device key."""

    @property
    def encoding(self) -> str:
        """That of the names."""

    @property
    def of_database(self) -> bool:
        """Whether it is a database."""


def roll_of(rows: Iterable[UserRow]) -> Roll:
    """Given the rows of an export, return them by device."""
    roll: defaultdict[str, list[UserRow]] = defaultdict(list)
    for row in rows:
        roll[row.device].append(row)
    return dict(roll)


def last_exports(journal: Journal, asked: Iterable[Exported]) -> Roll:
    """Return the users last exported of each of these devices and databases, where any ever were."""
    from zkpoll.journal.exports import last_users  # two files are compared without a journal

    found = ((one, last_users(journal, one.key)) for one in asked)
    return {
        one.name: rows(
            last.users,
            device=one.name,
            serial_number=one.key,
            encoding=one.encoding,
            of_database=one.of_database,
        )
        for one, last in found
        if last is not None
    }


def part_of(roll: Roll, names: Collection[str], silent: Collection[str] = ()) -> Roll:
    """Return an export without all devices but those of `names`, if any are named, and without the silent."""
    return {
        name: users for name, users in roll.items() if name not in silent and (name in names or not names)
    }


# --- the comparison ---


def compare(before: Roll, after: Roll) -> tuple[Finding, ...]:
    """Given two exports, return the changes of each device.

    A device that only one of them has is told as a whole, as its users in the other are not known.
    """
    return (
        *(_whole("device_removed", device, before[device]) for device in before if device not in after),
        *(_whole("device_added", device, after[device]) for device in after if device not in before),
        *(
            finding
            for device in before
            if device in after
            for finding in _of_device(before[device], after[device])
        ),
    )


def on_some_devices(before: Roll, after: Roll) -> tuple[Finding, ...]:
    """Given two exports, return the users that some of the devices that both have know, and others do not.

    Whether it was so before or not: that is told with each.
    """
    devices = [device for device in before if device in after]
    was, now = _places(devices, before), _places(devices, after)
    names = {row.user_id: row.name for device in devices for row in after[device]}
    return tuple(
        Finding(
            "on_some_devices",
            None,
            None,
            user_id,
            names[user_id],
            tuple(was.get(user_id, ())),
            tuple(now[user_id]),
        )
        for user_id in sorted(now)
        if len(now[user_id]) < len(devices)
    )


def _whole(kind: str, device: str, users: Sequence[UserRow]) -> Finding:
    counts = (len(users), None) if kind == "device_removed" else (None, len(users))
    serial_number = users[0].serial_number if users else None
    return Finding(kind, device, serial_number, None, None, *counts)


def _of_device(before: Iterable[UserRow], after: Iterable[UserRow]) -> Iterator[Finding]:
    old, new = _by_id(before), _by_id(after)
    for key in sorted({*old, *new}):
        match old.get(key), new.get(key):
            case None, row if row is not None:
                yield _finding("added", row, None, row.name)
                if rank(row):
                    yield _finding("became_administrator", row, None, row.privilege_name)
            case row, None if row is not None:
                yield _finding("removed", row, row.name, None)
            case was, row if was is not None and row is not None:
                yield from _of_user(was, row)


def _of_user(was: UserRow, row: UserRow) -> Iterator[Finding]:
    if (rank(was), was.privilege_name) != (rank(row), row.privilege_name):
        rose = not rank(was) or rank(row) == ADMINISTRATOR
        kind = "became_administrator" if rose else "privilege_changed"
        yield _finding(kind, row, was.privilege_name, row.privilege_name)
    for column, kind in _CHANGES.items():
        if getattr(was, column) != getattr(row, column):
            yield _finding(kind, row, getattr(was, column), getattr(row, column))


def _finding(kind: str, row: UserRow, before: Value, after: Value) -> Finding:
    return Finding(kind, row.device, row.serial_number, row.user_id, row.name, before, after)


def _by_id(rows: Iterable[UserRow]) -> dict[_Key, UserRow]:
    seen: Counter[str] = Counter()
    found: dict[_Key, UserRow] = {}
    for row in rows:
        found[row.user_id, seen[row.user_id]] = row
        seen[row.user_id] += 1
    return found


def _places(devices: Iterable[str], roll: Roll) -> dict[str, list[str]]:
    """Return the devices of each user, by user id."""
    places: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for device in devices:
        for row in roll[device]:
            places[row.user_id][device] = None
    return {user_id: list(found) for user_id, found in places.items()}
