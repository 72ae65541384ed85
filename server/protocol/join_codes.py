"""Join codes: a show's id as six letters that people read from a wall and type.

The code follows from the id, so nothing stores it and it never changes. It is no secret. Without vowels it forms no word.
"""

from __future__ import annotations

# No I, O, U, Y or L, and no digit: nothing looks like another letter.
_LETTERS = "BCDFGHJKMNPQRSTVWXZ"
_CHARS_MIN = 6
# Consecutive ids get codes that look unlike. A prime that is not the number of letters has an inverse for every length.
_FACTOR = 15_485_863
_CODE_CHARS_MAX = 16  # more than any id has


def join_code_of(show_id: int) -> str:
    """The join code of a show."""
    length = _CHARS_MIN
    while show_id >= len(_LETTERS) ** length:
        length += 1
    number = show_id * _FACTOR % len(_LETTERS) ** length
    code = ""
    for _ in range(length):
        number, place = divmod(number, len(_LETTERS))
        code += _LETTERS[place]
    return code


def show_of_join_code(text: str) -> int | None:
    """The id of the show with this code, in small or capital letters, with spaces or hyphens; None: it is no code."""
    code = text.upper().replace(" ", "").replace("-", "")
    if not _CHARS_MIN <= len(code) <= _CODE_CHARS_MAX or not set(code) <= set(_LETTERS):
        return None
    number = 0
    for letter in reversed(code):
        number = number * len(_LETTERS) + _LETTERS.index(letter)
    size = len(_LETTERS) ** len(code)
    show_id = number * pow(_FACTOR, -1, size) % size
    return show_id if join_code_of(show_id) == code else None
