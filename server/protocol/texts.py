"""Texts that people write, in the form in which they are stored: one spelling of each character, nothing invisible at the ends."""

from __future__ import annotations

import unicodedata
from typing import Any

# Letters, marks and signs that show nothing: fillers, joiners, and the empty Braille cell.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_SPACES = " \t\r\n"
# The end of a flag such as that of Scotland is made of these.
_TAGS = range(0xE0020, 0xE0080)


def clean_text(text: str) -> str:
    """The text in Unicode's composed form (NFC), without spaces and invisible characters at its ends.

    Source: https://unicode.org/reports/tr15/
    """
    if text.isascii():
        return text.strip(_SPACES)
    text = unicodedata.normalize("NFC", text)
    first, last = 0, len(text)
    while first < last and is_invisible(text[first]):
        first += 1
    while last > first and is_invisible(text[last - 1]):
        last -= 1
    return text[first:last]


def clean_line(text: str) -> str:
    """The same for a name or a title: spaces, tabs and line breaks within it become single spaces."""
    return " ".join(clean_text(text).split())


def is_invisible(char: str) -> bool:
    """Whether a character shows nothing at the end of a text."""
    return (
        char in _SPACES
        or char in _BLANK
        or (unicodedata.category(char) in ("Cf", "Zs", "Zl", "Zp") and ord(char) not in _TAGS)
    )


def clean_texts(value: Any) -> Any:
    """A decoded JSON value with each text in it cleaned; the names of its fields stay."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean_texts(item) for item in value]
    if isinstance(value, dict):
        return {key: clean_texts(item) for key, item in value.items()}
    return value
