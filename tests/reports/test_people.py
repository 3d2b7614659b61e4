"""Who is meant by an id or a name."""

from __future__ import annotations

import pytest

from zkpoll.reports.people import Meant, People, Person

PEOPLE = People(
    {
        "1001": {"Rahim": ["A", "B"]},
        "1010": {"Karim": ["A"], "": ["B"]},
        "17": {"Ada": ["A"], "Eve": ["B", "C"]},
        "18": {"": ["A"]},
        "19": {"রহিম": ["A"]},
        "20": {"Renée  O'Neil": ["A"]},
    },
    {"A": "front", "B": "back"},
)


@pytest.mark.parametrize(
    ("key", "user_id", "name"),
    [
        ("A", "1001", "Rahim"),
        ("Z", "1001", "Rahim"),
        ("B", "1010", "Karim"),
        ("A", "17", "Ada"),
        ("C", "17", "Eve"),
        ("Z", "17", None),
        ("A", "18", None),
        ("A", "99", None),
    ],
)
def test_a_name_at_a_device(key: str, user_id: str, name: str | None) -> None:
    """It is the one of that device, or the only one there is; of two elsewhere none is chosen."""
    assert PEOPLE.name_at(key, user_id) == name


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("rahim", ["1001"]),
        ("RIM", ["1010"]),
        ("him", ["1001"]),
        ("renee o'n", ["20"]),
        ("RENÉE", ["20"]),
        ("রহি", ["19"]),
        ("রহী", []),
        ("", []),
        ("  ", []),
        ("\u0301", []),
    ],
)
def test_a_part_of_a_name(text: str, ids: list[str]) -> None:
    """Letters' case and accents do not matter, the vowels of a script do; nothing is part of no name."""
    assert [one.user_id for one in PEOPLE.called(text)] == ids


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("10O1", "nobody has the id 10O1; the nearest are 1001 (Rahim), 1010 (Karim)"),
        ("10020", "nobody has the id 10020; the nearest are 1002, 1001 (Rahim), 1010 (Karim)"),
        ("0009", "nobody has the id 0009; the nearest is 9"),
        ("Krim", "nobody has the id or the name Krim; the nearest are 1010 (Karim), 1001 (Rahim)"),
        ("zz\x1b", "nobody has the id or the name zz\\x1b; none is near it"),
    ],
)
def test_nobody(asked: str, told: str) -> None:
    """It is told who is nearest, by id or by name, and nothing steers the screen."""
    assert Meant(asked, (), tuple(PEOPLE.nearest(asked, ["1002", "9"]))).sentence() == told


def test_a_person() -> None:
    """A person has all names, and the devices that know the id, by their names or keys."""
    assert PEOPLE.person("17") == Person("17", ("Ada", "Eve"), ("front", "back", "C"))
    assert PEOPLE.person("99") == Person("99")
