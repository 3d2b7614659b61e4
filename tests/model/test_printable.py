"""Text of devices and dashboards: what may reach a screen, a log, a table and a mail."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.model.printable import shown


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("K40\x1b[31m", r"K40\x1b[31m"),
        ("6.60\r\nfront  ok", r"6.60\r\nfront  ok"),
        ("a\x7fb\x9b2Jc", r"a\x7fb\x9b2Jc"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("42\u202e15\u2066x", r"42\u202e15\u2066x"),
        ("\ud83d", r"\ud83d"),
        ("জামিলা", "জামিলা"),
        ("نی\u200cمی", "نی\u200cمی"),
        ("Ñandú\u00a0王", "Ñandú\u00a0王"),
        ("", ""),
    ],
)
def test_what_is_shown(text: str, fit: str) -> None:
    """Controls of the screen, the line and the direction are shown as escapes; letters stay as they are."""
    assert shown(text) == fit


@given(st.text(st.characters()))
def test_any_text_is_one_line(text: str) -> None:
    """Whatever is said, it is one line of letters that UTF-8 has, and showing it again changes nothing."""
    fit = shown(text)
    assert len(f"a{fit}b".splitlines()) == 1
    assert not {unicodedata.category(letter) for letter in fit} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(letter) for letter in fit} & {"LRO", "RLO", "LRE", "RLE", "PDF"}
    assert not {unicodedata.bidirectional(letter) for letter in fit} & {"LRI", "RLI", "FSI", "PDI"}
    assert fit.encode().decode() == fit
    assert shown(fit) == fit
