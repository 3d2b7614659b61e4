"""Places within JSON, by the grammar of RFC 9535."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.inventory.jsonpath import JsonPath, written


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$", ()),
        ("$.a", ("a",)),
        ("$.result.ok", ("result", "ok")),
        ("$.rows[0]['odd name']", ("rows", 0, "odd name")),
        ("$[-1].a", (-1, "a")),
        ("$ .a [0]", ("a", 0)),
        ('$["a"]', ("a",)),
        ("$._a1", ("_a1",)),
        ("$.\u00fcber.\u09a8\u09be\u09ae", ("\u00fcber", "\u09a8\u09be\u09ae")),
        (r"""$['it\'s "so"']""", ("""it's "so\"""",)),
        (r"""$["it's \"so\""]""", ("""it's "so\"""",)),
        (r"$['\\'][0]", ("\\", 0)),
        (r"$['\\\'']", ("\\'",)),
        (r"$['\u00e9\n\/']", ("\u00e9\n/",)),
        (r"$['\ud83d\ude00']", ("\U0001f600",)),
        ("$['']", ("",)),
    ],
)
def test_a_path_leads_to_one_place(text: str, steps: tuple[str | int, ...]) -> None:
    """Names are written with a dot or in brackets and quotes, positions in brackets."""
    assert JsonPath().parse(text) == steps
    assert JsonPath().parse(written(steps)) == steps


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", ".a", "$a", "$.", "$..a", "$.*", "$[*]", "$[0:2]", "$[0,1]", "$[?@.a]", "$.1a", "$.a-b"),
        *("$[ 0]", "$[01]", "$[-0]", "$[1.0]", "$[a]", "$['a'", "$['a\"]", "$['a''b']", r"$['\x41']", "$.a "),
        *(r"$['\ud800']", r"$['\"']", "$['\n']", "$[9999999999999999]", "@.a", "$.result.ok.length()"),
    ],
)
def test_what_may_lead_to_many_places_or_none_is_refused(text: str) -> None:
    """Wildcards, slices, filters and anything that the grammar does not have are no path."""
    with pytest.raises(ValueError, match="expected the path of one value, such as"):
        JsonPath().parse(text)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(steps=st.lists(TEXT | st.integers(-(10**15) + 1, 10**15 - 1)).map(tuple))
def test_a_path_can_be_written_and_read_again(steps: tuple[str | int, ...]) -> None:
    """Whatever the names are, the path that is printed leads to the same place."""
    assert JsonPath().parse(written(steps)) == steps
    assert JsonPath().parse(steps) == steps
