"""Whose a key is, where several devices turn out to have it: the whole table."""

from __future__ import annotations

from itertools import permutations

import pytest

from zkpoll.tasks.claims import Claim, Standing, Verdict, judge

ORDER = ("a", "b", "c")
MINE, STRANGER, OTHER = Claim("S"), Claim("S", stranger=True), Claim("X")
NOBODY: frozenset[str] = frozenset()


def standing(holder: str | None = None, seen_as: str | None = None, *met: str) -> Standing:
    """Return what is known of the key S; `met` are devices that have keys of their own."""
    return Standing(ORDER, holder, seen_as, frozenset(ORDER) - {holder, *met})


@pytest.mark.parametrize(
    ("name", "claims", "known", "unheard", "owner", "awaits"),
    [
        # Who is known by it keeps it, and nobody is waited for.
        ("b", {"b": MINE}, standing("b"), "ac", "b", ""),
        ("b", {"b": STRANGER}, standing("b"), "ac", "b", ""),
        # Whoever else tells it has it not, also while the holder is away; one not heard yet may have moved.
        ("a", {"a": MINE}, standing("b"), "", "b", ""),
        ("a", {"a": MINE}, standing("b"), "bc", "b", "b"),
        ("a", {"a": STRANGER}, standing("b"), "", "b", ""),
        ("a", {"a": MINE, "b": MINE}, standing("b"), "c", "b", ""),
        # One that told another number has moved: to a new name, or to the place of another one.
        ("a", {"a": MINE, "b": OTHER}, standing("b"), "", "a", ""),
        ("a", {"a": STRANGER, "b": OTHER}, standing("b"), "", "a", ""),
        # But not one that keeps its number until a person accepts the other.
        ("a", {"a": MINE, "b": Claim("X", stranger=True, keeps="S")}, standing("b"), "", "b", ""),
        # What was seen before, while the holder is away, is believed again, unless the holder is back.
        ("a", {"a": STRANGER}, standing("b", "a", "a"), "", "a", ""),
        ("a", {"a": STRANGER}, standing("b", "a", "a"), "b", "a", "b"),
        ("a", {"a": STRANGER, "b": MINE}, standing("b", "a", "a"), "", "b", ""),
        # Of newcomers it is the first, so those in front are waited for.
        ("a", {"a": MINE}, standing(), "bc", "a", ""),
        ("c", {"c": MINE}, standing(), "ab", "c", "ab"),
        ("c", {"c": MINE}, standing(None, None, "a"), "ab", "c", "b"),
        ("c", {"a": OTHER, "c": MINE}, standing(), "b", "c", "b"),
        ("c", {"b": MINE, "c": MINE}, standing(), "a", "b", "a"),
        # A newcomer that tells its own number comes before one that is a stranger where it answers.
        ("a", {"a": STRANGER, "c": MINE}, standing(None, "a", "a"), "b", "c", "b"),
        ("c", {"a": STRANGER, "c": MINE}, standing(None, "a", "a"), "", "c", ""),
        # Of strangers it is the one that was seen before, else the first.
        ("b", {"a": STRANGER, "b": STRANGER}, standing(None, "b", "a", "b"), "c", "b", "c"),
        ("a", {"a": STRANGER, "b": STRANGER}, standing(None, "b", "a", "b"), "c", "b", ""),
        ("a", {"a": STRANGER, "b": STRANGER}, standing(None, None, *ORDER), "c", "a", "c"),
    ],
)
def test_whose_it_is(
    name: str, claims: dict[str, Claim], known: Standing, unheard: str, owner: str, awaits: str
) -> None:
    """The key is the holder's, else the first newcomer's, else a stranger's; who may change it is named."""
    assert judge(name, claims, known, frozenset(unheard)) == Verdict(owner, frozenset(awaits))


STANDINGS = [
    standing(holder, seen_as, *met)
    for holder in (None, *ORDER)
    for seen_as in (None, *ORDER)
    for met in ((), ("a",), ("b",), ("a", "b"), ORDER)
    if holder is None or seen_as != holder
]


def claims_of(known: Standing, told: tuple[str, ...]) -> dict[str, Claim]:
    """Return what devices told: one that has another key of its own is a stranger where it tells S."""
    kinds = {name: STRANGER if name not in known.unmet and name != known.holder else MINE for name in ORDER}
    return {name: OTHER if one == "X" else kinds[name] for name, one in zip(ORDER, told, strict=True) if one}


@pytest.mark.parametrize(
    "told", [(x, y, z) for x in ("S", "X", "") for y in ("S", "X", "") for z in ("S", "X", "")]
)
def test_the_order_of_hearing_decides_nothing(told: tuple[str, ...]) -> None:
    """What is settled while others are unheard is what is said when all are heard; one has the key."""
    for known in STANDINGS:
        everything = claims_of(known, told)
        tell = [name for name in ORDER if name in everything and everything[name].key == "S"]
        last = {name: judge(name, everything, known, NOBODY).owner for name in tell}
        assert len({owner for name, owner in last.items() if owner == name}) <= 1
        for order in permutations(ORDER):
            for heard in range(1, len(ORDER) + 1):
                claims = {name: everything[name] for name in order[:heard] if name in everything}
                for name in claims.keys() & set(tell):
                    found = judge(name, claims, known, frozenset(order[heard:]))
                    if not found.awaits:
                        assert (found.owner == name) == (last[name] == name)
