"""Ids as text, as they stand in paths and tokens."""

from __future__ import annotations

from server.protocol.positions import EXACT_MAX

_DIGITS_MAX = len(str(EXACT_MAX))


def parse_id(text: str) -> int | None:
    """The id that a text is; None: it is none, 1 to EXACT_MAX in plain digits.

    Counted before it is converted: leading zeros could hide a number that nothing behind here can take, and int()
    would also take signs, spaces and other scripts' digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        return None
    number = int(text)
    return number if 0 < number <= EXACT_MAX else None
