"""The packed forms of casts, marks and ballots, and the shard of a show; no I/O.

The rules themselves (window, lock, songs, budgets, tickets) are only in cast.lua.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.outcomes import Marked, Picked

CHOICE_CODES = {"none": 0, "up": 1, "down": 2}
CHOICES = (None, "up", "down")  # the database's values, by code

# The first number of a mark in a log entry; a cast has its show there. The other numbers: kind, user, subject, and 1 or 0.
MARK = 0
MARK_CODES: dict[Marked, int] = {"show": 1, "artist": 2}  # a fan goes to a show, or follows an artist
DECISION = 3  # the kind of a mark about a group of votes, which has its place instead of the user's
PICK = 4  # the kind of a pick: user and show, then opener, closer and encore (0: none), then its songs

# A vote or pick that a commit refused: show, user, cast_ms, and "final", "window", "played" or "pick".
RefusedVote = tuple[int, int, int, str]

_LETTER_CHOICES = {"u": "up", "d": "down"}
_BALLOT_ENTRY = re.compile(r"(\d+)([ud])")


def shard_of(show_id: int, shard_count: int) -> int:
    """The shard of a show."""
    return show_id % shard_count


def pack_cast(show_id: int, user_id: int, votes: Sequence[tuple[int, str]], order: int | None = None) -> list[int]:
    """Packs a cast as the script takes it: show, user, then song and choice of each vote, then the order if there is one.

    Raises: Refused: bad_request, the same song twice in one cast
    """
    packed = [show_id, user_id]
    for song, choice in votes:
        packed.append(song)
        packed.append(CHOICE_CODES[choice])
    if len(set(packed[2::2])) != len(votes):
        raise Refused(Code.BAD_REQUEST, "The same song is in this cast twice. Send one choice for each song.")
    if order is not None:
        # In the form of a vote on no song: a writer of the version before leaves it out.
        packed.append(-order)
        packed.append(0)
    return packed


def pack_mark(marked: Marked, subject_id: int, user_id: int, *, wanted: bool) -> list[int]:
    """Packs a mark as the log keeps it."""
    return [MARK, MARK_CODES[marked], user_id, subject_id, int(wanted)]


def pack_decision(group_id: int, show_id: int) -> list[int]:
    """Packs the note that a group of votes was decided on; the writer then reads the decision itself."""
    return [MARK, DECISION, group_id, show_id, 1]


def pack_pick(show_id: int, user_id: int, picked: Picked) -> list[int]:
    """Packs a pick as the log keeps it. One without songs withdraws the fan's pick."""
    places = (picked.opener or 0, picked.closer or 0, picked.encore or 0)
    return [MARK, PICK, user_id, show_id, *places, *picked.songs]


def ballot_json(packed: str) -> bytes:
    """Converts a ballot "101u102d" to the JSON for clients: `{"101":"up","102":"down"}`."""
    if not packed:
        return b"{}"
    # Two replacements are faster than a loop, and every acknowledged cast runs them.
    entries = packed.replace("u", '":"up","').replace("d", '":"down","')
    return f'{{"{entries[:-2]}}}'.encode()


def ballot_of(packed: str) -> dict[int, str]:
    """Converts a ballot "101u102d" to song -> choice."""
    return {int(song): _LETTER_CHOICES[letter] for song, letter in _BALLOT_ENTRY.findall(packed)}
