"""Chooses the language of an answer: the reader's choice, else one that the browser asks for (RFC 4647, lookup)."""

from __future__ import annotations

import re
from collections.abc import Collection

from server.protocol.http.weights import weights_of
from server.words.texts import DEFAULT_LANGUAGE

COOKIE = "language"
HEADER_CHARS_MAX = 500
_RANGE = re.compile(r"[a-z]{1,8}(?:-[a-z0-9]{1,8})*")


def choose_language(languages: Collection[str], by_hand: Collection[str | None], accept_language: str) -> str:
    """The language of an answer.

    Takes: by_hand, the languages that the reader chose, first choice first; None and any other text count as no choice;
           accept_language, the header
    """
    chosen = next((language for language in by_hand if language in languages), None)
    if chosen is not None:
        return chosen
    known = {language.lower(): language for language in languages}
    weights = weights_of(accept_language[:HEADER_CHARS_MAX])
    wanted = [tag for tag, weight in weights.items() if weight and _RANGE.fullmatch(tag)]
    for tag in sorted(wanted, key=lambda tag: -weights[tag]):
        parts = tag.split("-")
        # es-MX, then es.
        for length in range(len(parts), 0, -1):
            if language := known.get("-".join(parts[:length])):
                return language
    return DEFAULT_LANGUAGE
