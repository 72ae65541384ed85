"""Rules that hold a text for a moderator. They look at plain text only: no I/O, no state."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from pathlib import Path
from typing import Literal

Reason = Literal["links", "shouting", "repetition", "blocked_words", "hidden_characters", "rejected_before"]
Priority = Literal["low", "normal", "high", "urgent"]

SHOUTING_LETTERS_MIN = 12  # a shorter text is a name or a single exclamation
SHOUTING_SHARE = 0.7
SAME_CHARACTERS_MAX = 5
SAME_WORDS_MAX = 3

# The pattern has only the last letter of the word before the dot. With the whole word, the search would read a long word
# again from each of its letters.
_LINK = re.compile(
    r"https?:|www\.|\w-*\.(?:com|net|org|info|biz|io|co|me|ly|gg|tv|xyz|shop|site|online|ru|cn|de|uk)\b",
    re.IGNORECASE,
)
_SAME_CHARACTERS = re.compile(rf"(\S)\1{{{SAME_CHARACTERS_MAX}}}")
_WORD = re.compile(r"\w+")
# Direction overrides, which reverse the text after them, and invisible characters. Joiners and plain direction marks
# (U+200C to U+200F) are allowed: emoji and whole scripts need them.
_HIDDEN = re.compile("[\u00ad\u034f\u115f\u1160\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff]")
_INVISIBLE_CATEGORIES = ("Cf", "Mn", "Me")
# Digits and signs that replace letters, as in "h3ll0".
_LEET = str.maketrans("013457@$", "oieastas")


def _load_blocked_words() -> frozenset[str]:
    lines = Path(__file__).with_name("blocked_words.txt").read_text(encoding="utf-8").split("\n")
    return frozenset(line for line in lines if line and not line.startswith("#"))


BLOCKED_WORDS = _load_blocked_words()


def screen(*texts: str) -> list[Reason]:
    """Finds the reasons to hold these texts. Each text is screened alone.

    Gives: reasons, each once; an empty list: the texts can be shown
    Cost:  O(length)
    """
    rules: tuple[tuple[Reason, bool], ...] = (
        ("blocked_words", any(map(_has_blocked_word, texts))),
        ("hidden_characters", any(map(_HIDDEN.search, texts))),
        ("links", any(map(_LINK.search, texts))),
        ("shouting", any(map(_is_shouting, texts))),
        ("repetition", any(map(_is_repetitive, texts))),
    )
    return [reason for reason, applies in rules if applies]


def priority_of(reasons: list[Reason]) -> Priority:
    """The priority of a held text in the queue: high for blocked words and hidden characters, else normal."""
    return "high" if {"blocked_words", "hidden_characters"}.intersection(reasons) else "normal"


def _has_blocked_word(text: str) -> bool:
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in decomposed if unicodedata.category(char) not in _INVISIBLE_CATEGORIES).casefold()
    return any(not BLOCKED_WORDS.isdisjoint(_WORD.findall(words)) for words in (plain, plain.translate(_LEET)))


def _is_shouting(text: str) -> bool:
    upper_count = sum(map(str.isupper, text))
    letter_count = upper_count + sum(map(str.islower, text))
    return letter_count >= SHOUTING_LETTERS_MIN and upper_count > SHOUTING_SHARE * letter_count


def _is_repetitive(text: str) -> bool:
    if _SAME_CHARACTERS.search(text):
        return True
    words = _WORD.findall(text.casefold())
    return any(sum(1 for _ in same) > SAME_WORDS_MAX for _, same in groupby(words))
