"""Cuts medleys such as `A / B`, `A > B` and `A, B medley` into their songs. The only place that does so."""

from __future__ import annotations

import re
from collections.abc import Callable

# A word that says that a title is a medley: at its end, in brackets, or before a colon.
_MEDLEY = re.compile(
    r"^(?:[^:]*\b)?(?:medley|potpourri|mash-?up)\s*:\s*|\s*[(\[](?:[^)\]]*\s)?(?:medley|potpourri|mash-?up)[)\]]\s*$|"
    r"(?:\s*[-–])?\s+(?:medley|potpourri|mash-?up)\s*$",
    re.IGNORECASE,
)
# Signs between songs that are played as one. A title may hold a slash, a comma or a plus itself.
_SEGUE = re.compile(r"\s+(?:-|=)?[>→»]+\s*|\s*(?:->|→)\s*")
_SLASH = re.compile(r"\s*/\s*")
_OTHER = re.compile(r"\s*[,;+]\s*")
_AND = re.compile(r"\s+(?:&|and)\s+", re.IGNORECASE)
# The song goes over into the next one, which stands in a title of its own.
_OPEN_END = re.compile(r"\s*(?:-|=)?[>→]+\s*$")


def may_be_medley(title: str) -> bool:
    """Whether a title has a sign or a word of a medley."""
    return any(sign.search(title) for sign in (_MEDLEY, _SEGUE, _SLASH, _OTHER))


def cut_medley(title: str, is_known: Callable[[str], bool]) -> list[str]:
    """Cuts a title into the songs of a medley.

    A title that is known stays whole. The word `medley` and the sign `>` say that it is one. A slash, a comma or a plus
    alone cut a title only into known ones, because `AC/DC Bag` and `Hello, Goodbye` are songs.

    Takes: is_known, whether a title is that of a song
    Gives: the songs in order; the title alone when it is no medley
    """
    title = _OPEN_END.sub("", " ".join(title.split())) or title
    if is_known(title):
        return [title]
    inner = " ".join(_MEDLEY.sub("", title).split())
    is_said = inner != title
    parts = _parts(_SEGUE, inner, is_known)
    if len(parts) > 1:
        # Each part may be a medley of its own: `A > B / C`.
        return [one for part in parts for one in cut_medley(part, is_known)]
    for sign in (_SLASH, _OTHER, _AND):
        parts = _parts(sign, inner, is_known)
        if len(parts) > 1 and all(map(is_known, parts)):
            return parts
        if len(parts) > 1 and is_said and sign is not _AND:
            return [one for part in parts for one in cut_medley(part, is_known)]
    return [title]


def _parts(sign: re.Pattern[str], title: str, is_known: Callable[[str], bool]) -> list[str]:
    """The parts between the signs; neighbours that are a known title together stay together: `Hello, Goodbye`."""
    cuts = [(match.start(), match.end()) for match in sign.finditer(title)]
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(title)]
    parts, first = [], 0
    while first < len(starts):
        last = next(
            (last for last in range(len(ends) - 1, first, -1) if is_known(title[starts[first] : ends[last]])), first
        )
        part = title[starts[first] : ends[last]].strip()
        if part:
            parts.append(part)
        first = last + 1
    return parts
