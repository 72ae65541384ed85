"""Ids as text, in paths and tokens."""

from __future__ import annotations

from server.protocol.positions import EXACT_MAX

_DIGITS_MAX = len(str(EXACT_MAX))


def parse_id(text: str) -> int | None:
    """The id in a text; None: the text is not a number from 1 to EXACT_MAX in plain digits.

    The digits are checked and counted before int(), which would also take signs, spaces and other scripts' digits, and
    any number of leading zeros.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        return None
    number = int(text)
    return number if 0 < number <= EXACT_MAX else None
