"""What a cast, a ballot and a shard are; no I/O.

The rules themselves (window, lock, songs, budgets) are decided in one place only, cast.lua.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.outcomes import Marked

CHOICE_CODES = {"none": 0, "up": 1, "down": 2}
CHOICES = (None, "up", "down")  # by code, as the database has them

# What begins a mark in a log entry, where a cast has its show; then the kind, the fan, the subject, and 1 or 0.
MARK = 0
MARK_CODES: dict[Marked, int] = {"show": 1, "artist": 2}  # a show they go to, an artist they follow

_LETTER_CHOICES = {"u": "up", "d": "down"}
_BALLOT_ENTRY = re.compile(r"(\d+)([ud])")


def shard_of(show_id: int, shard_count: int) -> int:
    """The shard that holds everything of a show."""
    return show_id % shard_count


def pack_cast(show_id: int, user_id: int, votes: Sequence[tuple[int, str]]) -> list[int]:
    """A cast as the script takes it: show, user, and song and choice of each vote.

    Raises: Refused: bad_request, the same song twice in one cast
    """
    packed = [show_id, user_id]
    for song, choice in votes:
        packed.append(song)
        packed.append(CHOICE_CODES[choice])
    if len(set(packed[2::2])) != len(votes):
        raise Refused(Code.BAD_REQUEST, "One cast names the same song twice.")
    return packed


def pack_mark(marked: Marked, subject_id: int, user_id: int, *, wanted: bool) -> list[int]:
    """A mark as the log keeps it: a fan goes, or follows, or not."""
    return [MARK, MARK_CODES[marked], user_id, subject_id, int(wanted)]


def ballot_json(packed: str) -> bytes:
    """A ballot "101u102d" as the JSON clients get: `{"101":"up","102":"down"}`."""
    if not packed:
        return b"{}"
    # Two replacements instead of a loop: this runs for every acknowledged cast.
    entries = packed.replace("u", '":"up","').replace("d", '":"down","')
    return f'{{"{entries[:-2]}}}'.encode()


def ballot_of(packed: str) -> dict[int, str]:
    """A ballot "101u102d" as song -> choice."""
    return {int(song): _LETTER_CHOICES[letter] for song, letter in _BALLOT_ENTRY.findall(packed)}
