"""Devices that answer at each other's addresses are one mistake, told once."""

from __future__ import annotations

import pytest

from zkpoll.tasks.rings import rings, sentence

WHOSE = {"A": "a", "B": "b", "C": "c", "D": "d"}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"a": "A", "b": "B"}, []),
        ({"a": "B", "b": "A"}, [("a", "b")]),
        ({"b": "A", "a": "B", "c": "D", "d": "C"}, [("b", "a"), ("c", "d")]),
        ({"a": "B", "b": "C", "c": "A"}, [("a", "b", "c")]),
        ({"a": "B", "b": "B"}, []),  # two with one number
        ({"a": "B"}, []),  # nobody knows what answers at b
        ({"a": "B", "b": "C", "c": "X"}, []),  # a chain that ends at a stranger
        ({"d": "A", "a": "B", "b": "A"}, [("a", "b")]),  # one that leads into a ring
    ],
)
def test_rings(told: dict[str, str], found: list[tuple[str, ...]]) -> None:
    """A ring is found whoever is asked first, and nothing else is one."""
    assert rings(told, WHOSE) == found


def test_sentences() -> None:
    """Two of them are told as such; of more it is said who is where."""
    assert sentence(("a", "b")).startswith("a and b answer at each other's address: exchange their cables")
    three = "a answers at the address of c, b answers at the address of a, and c answers at the address of b:"
    assert sentence(("c", "a", "b")).startswith(three)
