"""Entries: what a leaf of a log says, and how it is written.

An entry has 58 bytes: a salt (16), its kind (1), a choice (1), the show (8), the song (8), the fan (16), a time [ms] (8). Numbers are
big-endian. The salt is random, so a leaf hash tells nothing of its entry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

SALT_BYTES = 16
FAN_BYTES = 16
NO_FAN = bytes(FAN_BYTES)
ENTRY_BYTES = 58
# What an erasure leaves of an entry.
BLANK = bytes(ENTRY_BYTES)
FAN_AT = 34
ENTRY = struct.Struct(">16sBBQQ16sQ")
_LENGTH = struct.Struct(">H")

assert ENTRY.size == ENTRY_BYTES


class Kind(IntEnum):
    """What an entry tells. The numbers are public."""

    CAST = 0  # a fan has cast a vote: the choice is up, down or none
    CHANGED = 1  # something else has set the fan's vote: a song was removed, put back or merged, or the vote was there before the log
    INHERITED = 2  # a vote of an erased fan, under the name of a nobody
    SET_ASIDE = 3  # the fan's votes do not count any more
    COUNTED = 4  # the fan's votes count again
    OPENED = 5
    CLOSED = 6
    REOPENED = 7
    ERASED = 8  # a fan was erased: `song` entries of this log are blank since then
    CONTINUED = (
        9  # the log goes on under another origin: `song` is the size of the tree so far, `fan` how its root begins
    )


class Choice(IntEnum):
    """A choice. The numbers are public."""

    NONE = 0
    UP = 1
    DOWN = 2


class Entry(NamedTuple):
    """One entry."""

    salt: bytes
    kind: int
    choice: int
    show: int
    song: int
    fan: bytes
    time_ms: int

    @classmethod
    def parse(cls, data: bytes) -> Entry | None:
        """Reads an entry; None: it is none."""
        return cls(*ENTRY.unpack(data)) if len(data) == ENTRY_BYTES else None


def entries_in(data: bytes) -> Iterator[bytes]:
    """Takes entries apart that stand one after the other."""
    return (data[start : start + ENTRY_BYTES] for start in range(0, len(data), ENTRY_BYTES))


def bundle_of(data: bytes) -> bytes:
    """A bundle as tlog-tiles says: each entry with its length before it. A blank one has the length 0."""
    full, none = _LENGTH.pack(ENTRY_BYTES), _LENGTH.pack(0)
    return b"".join(none if entry == BLANK else full + entry for entry in entries_in(data))


def entries_of(bundle: bytes) -> list[bytes]:
    """Takes a bundle apart. Raises: ValueError: it ends within an entry."""
    entries, start = [], 0
    while start < len(bundle):
        if start + _LENGTH.size > len(bundle):
            raise ValueError("it ends within a length")
        (length,) = _LENGTH.unpack_from(bundle, start)
        start += _LENGTH.size
        if start + length > len(bundle):
            raise ValueError("it ends within an entry")
        entries.append(bundle[start : start + length])
        start += length
    return entries


def blanked(data: bytes, fans: set[bytes]) -> tuple[bytes, dict[bytes, int]]:
    """Blanks the entries of some fans. Gives: the entries without them; fan -> how many there were."""
    counts: dict[bytes, int] = {}
    kept = []
    for entry in entries_in(data):
        fan = entry[FAN_AT : FAN_AT + FAN_BYTES]
        if fan in fans:
            counts[fan] = counts.get(fan, 0) + 1
        kept.append(BLANK if fan in fans else entry)
    return b"".join(kept), counts
