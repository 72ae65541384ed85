"""Chooses the language of an answer: the reader's choice, else one that the browser asks for (RFC 4647, lookup)."""

from __future__ import annotations

import re
from collections.abc import Collection

from server.words.texts import DEFAULT_LANGUAGE

COOKIE = "language"
HEADER_CHARS_MAX = 500
_RANGE = re.compile(r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)(?:\s*;\s*q=([01](?:\.[0-9]{0,3})?))?")


def choose_language(languages: Collection[str], by_hand: Collection[str | None], accept_language: str) -> str:
    """The language of an answer.

    Takes: by_hand, the languages that the reader chose, first choice first; None and any other text count as no choice;
           accept_language, the header
    """
    chosen = next((language for language in by_hand if language in languages), None)
    if chosen is not None:
        return chosen
    known = {language.lower(): language for language in languages}
    found = [_RANGE.fullmatch(one.strip()) for one in accept_language[:HEADER_CHARS_MAX].split(",")]
    wanted = [(float(one[2] or 1), one[1].lower()) for one in found if one]
    for quality, tag in sorted(wanted, key=lambda one: -one[0]):
        parts = tag.split("-")
        # es-MX, then es.
        for length in range(len(parts), 0, -1):
            if quality > 0 and (language := known.get("-".join(parts[:length]))):
                return language
    return DEFAULT_LANGUAGE
