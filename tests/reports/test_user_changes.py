"""What changed between two exports: everything, once, and nothing that did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.helpers import row, user
from zkpoll.reports.user_changes import Finding, compare, on_some_devices, roll_of

if TYPE_CHECKING:
    from zkpoll.model.user import User
    from zkpoll.reports.user_changes import Roll, Value


def roll(**devices: list[User]) -> Roll:
    """Return an export of these devices."""
    return {device: [row(one, device) for one in found] for device, found in devices.items()}


def told(before: Roll, after: Roll) -> list[tuple[str, str | None, str | None, Value, Value]]:
    """Return what changed, in short."""
    return [(one.kind, one.device, one.user_id, one.before, one.after) for one in compare(before, after)]


def test_added_and_removed() -> None:
    """Who is new on a device, and who is gone."""
    before, after = roll(front=[user("1"), user("2")]), roll(front=[user("2"), user("3", b"Cy")])
    assert compare(before, after) == (
        Finding("removed", "front", "S-front", "1", "Ada", "Ada", None),
        Finding("added", "front", "S-front", "3", "Cy", None, "Cy"),
    )


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (user(), user(name=b"Eve"), [("renamed", "Ada", "Eve")]),
        (user(), user(card=7), [("card_changed", 0, 7)]),
        (user(), user(group=2), [("group_changed", 1, 2)]),
        (user(), user(privilege=1), [("enabled_changed", True, False)]),
        (user(has_password=True), user(), [("password_changed", True, False)]),
        (user(), user(privilege=14), [("became_administrator", "user", "administrator")]),
        (user(), user(privilege=2), [("became_administrator", "user", "enroller")]),
        (user(privilege=6), user(privilege=14), [("became_administrator", "manager", "administrator")]),
        (user(privilege=14), user(privilege=6), [("privilege_changed", "administrator", "manager")]),
        (user(privilege=14), user(privilege=0), [("privilege_changed", "administrator", "user")]),
        (
            user(),
            user(name=b"Eve", privilege=15),
            [
                ("became_administrator", "user", "administrator"),
                ("renamed", "Ada", "Eve"),
                ("enabled_changed", True, False),
            ],
        ),
        (user(slot=1), user(slot=2), []),
    ],
)
def test_a_user_that_changed(old: User, new: User, found: list[tuple[str, Value, Value]]) -> None:
    """Each thing that changed of a user is told by itself; the slot is the device's own affair."""
    changes = told(roll(front=[old]), roll(front=[new]))
    assert changes == [(kind, "front", "1001", was, now) for kind, was, now in found]


def test_a_new_administrator_is_told_as_one() -> None:
    """Who comes with rights at once is not lost among those who were added."""
    changes = told(roll(front=[]), roll(front=[user(privilege=14)]))
    assert [kind for kind, *_ in changes] == ["added", "became_administrator"]


def test_some_devices_and_not_others() -> None:
    """Who is on some devices only is told with them, and whether that is new."""
    before = roll(front=[user("1"), user("2")], back=[user("1"), user("2")], gate=[user("1")])
    after = roll(front=[user("1"), user("2")], back=[user("2")], gate=[user("1")])
    scattered = on_some_devices(before, after)
    assert list(scattered) == [
        Finding("on_some_devices", None, None, "1", "Ada", ("front", "back", "gate"), ("front", "gate")),
        Finding("on_some_devices", None, None, "2", "Ada", ("front", "back"), ("front", "back")),
    ]
    assert [one.cells()[2] for one in scattered] == [
        "only on front, gate, before on front, back, gate",
        "only on front, back",
    ]


def test_a_device_in_one_export_only() -> None:
    """A device that was not exported is told once, and its users are nobody's loss."""
    before = roll(front=[user("1")], back=[user("1"), user("2")])
    after = roll(front=[user("1")], gate=[user("1")])
    assert told(before, after) == [
        ("device_removed", "back", None, 2, None),
        ("device_added", "gate", None, None, 1),
    ]


def test_a_device_that_was_emptied() -> None:
    """A device that answered and has nobody any more has lost everybody."""
    assert told(roll(front=[user("1")]), {"front": ()}) == [("removed", "front", "1", "Ada", None)]


def test_two_slots_of_one_user() -> None:
    """Where firmware lets two slots share an id, each counts."""
    twice = roll(front=[user("1", slot=1), user("1", slot=2)])
    assert told(twice, twice) == []
    assert told(twice, roll(front=[user("1")])) == [("removed", "front", "1", "Ada", None)]


_users = st.builds(
    user,
    st.sampled_from("123"),
    st.sampled_from([b"Ada", b"Eve"]),
    privilege=st.sampled_from([0, 1, 2, 14]),
    card=st.integers(0, 1),
)
_rolls = st.dictionaries(st.sampled_from(["front", "back", "gate"]), st.lists(_users, max_size=4)).map(
    lambda devices: roll(**devices)
)


@given(_rolls, _rolls)
def test_nothing_changes_where_nothing_changed(before: Roll, after: Roll) -> None:
    """An export is no change to itself; two that differ in what a user may do or is, differ."""
    assert told(before, before) == []
    facts = [
        {
            device: sorted((one.user_id, one.name, one.privilege, one.card) for one in found)
            for device, found in each.items()
        }
        for each in (before, after)
    ]
    if not told(before, after):
        assert facts[0] == facts[1]


def test_rows_by_device() -> None:
    """The rows of a file come in any order."""
    one, two, three = row(user("1"), "front"), row(user("1"), "back"), row(user("2"), "front")
    assert roll_of([one, two, three]) == {"front": [one, three], "back": [two]}
