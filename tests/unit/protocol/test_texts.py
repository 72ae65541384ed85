"""Texts as they are stored, and the texts of a body before its rules are checked."""

from __future__ import annotations

import unicodedata
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Refused
from server.protocol.http.parameters import parse_body
from server.protocol.texts import clean_line, clean_text


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [
        ("  Harpa\r\n", "Harpa"),
        ("\ufeff\u200bMúm\u00a0\u2060", "Múm"),
        ("Hoppi\u0301polla", "Hoppípolla"),
        ("\u3164", ""),
        ("a\u200bb", "a\u200bb"),
        ("🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"),
        ("I ❤\ufe0f", "I ❤\ufe0f"),
    ],
)  # fmt: skip
def test_a_text_is_composed_and_its_ends_are_visible(given_text: str, stored: str) -> None:
    """Spaces and invisible characters go; what makes an emoji stays."""
    assert clean_text(given_text) == stored


@given(st.text())
def test_a_clean_text_is_clean(text: str) -> None:
    """Cleaning twice changes nothing, and every text is composed."""
    clean = clean_text(text)
    assert clean_text(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert clean_line(clean_line(text)) == clean_line(text)


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A body with a name, a list and a choice."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=10)]
    words: list[str] = []
    count: int | None = None


def test_texts_of_a_body_are_cleaned_before_their_rules_are_checked() -> None:
    """A name of ten letters with loose accents is not too long, and a name of invisible characters is empty."""
    body = parse_body('{"name": " e\u0301\u200b", "words": ["o\u0308 "], "count": 3}'.encode(), Body)
    assert body == Body(name="é", words=["ö"], count=3)
    assert parse_body(('{"name": "' + "e\u0301" * 10 + '"}').encode(), Body).name == "é" * 10
    with pytest.raises(Refused, match="Give a text of 1 to 10 characters"):
        parse_body('{"name": " \u200b\u3164 "}'.encode(), Body)
    with pytest.raises(Refused, match="control character"):
        parse_body(b'{"name": "a\\u0000"}', Body)
