"""A log that grows: its new entries, their hashes, and the checkpoint over them. No I/O."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.ledger.entries import BLANK, ENTRY, ENTRY_BYTES, FAN_BYTES, NO_FAN, SALT_BYTES, Choice, Kind, entries_in
from server.ledger.notes import Checkpoint, sign
from server.ledger.tree import Frontier, leaf_hashes

# The entries of a row. More of them are hashed between two turns of the event loop.
ROW_ENTRIES_MAX = 1024
ROW_BYTES_MAX = ROW_ENTRIES_MAX * ENTRY_BYTES
TIME_MS_MAX = (1 << 63) - 1

# A vote as the queries give it: song * 4 + choice, user, time [µs since 2000, as PostgreSQL sends it].
VOTE = struct.Struct(">qqq")
SONG_CHOICES = 4
YEAR_2000_MS = 946_684_800_000

# An entry as ENTRY has it. numpy writes a column at a time: half of the time of a call for each entry.
_COLUMNS = np.dtype(
    [
        ("salt", f"V{SALT_BYTES}"),
        ("kind", "u1"),
        ("choice", "u1"),
        ("show", ">u8"),
        ("song", ">u8"),
        ("fan", f"V{FAN_BYTES}"),
        ("time_ms", ">u8"),
    ]
)

assert _COLUMNS.itemsize == ENTRY_BYTES


class Votes(NamedTuple):
    """What some entries of one kind say that tell of fans.

    Takes: packed, of each the song (0: the whole ballot) and the choice, the id of the user and the time, as VOTE has them; first_ms,
           last_ms, between which the times are
    """

    kind: int
    packed: bytes
    first_ms: int
    last_ms: int

    @classmethod
    def one(cls, kind: int, song: int, user: int, time_ms: int, choice: int) -> Votes:
        """A single entry."""
        time_us = (time_ms - YEAR_2000_MS) * 1000
        return cls(kind, VOTE.pack(song * SONG_CHOICES + choice, user, time_us), time_ms, time_ms)

    @property
    def entry_count(self) -> int:
        """The number of entries."""
        return len(self.packed) // VOTE.size

    def fans(self) -> list[int]:
        """The user of each."""
        users: list[int] = np.frombuffer(self.packed, ">i8")[1::3].tolist()
        return users

    def entries(self, show: int, names: Sequence[bytes | None]) -> bytes:
        """The entries, with salts. Takes: names, of the fan of each; None: it is left out."""
        votes = np.frombuffer(self.packed, ">i8").astype("i8").reshape(-1, 3)
        kept = [name for name in names if name is not None]
        if len(kept) < len(votes):
            votes = votes[[name is not None for name in names]]
        songs, _, times_us = votes.T
        entries = np.empty(len(votes), _COLUMNS)
        entries["salt"] = np.frombuffer(secrets.token_bytes(SALT_BYTES * len(votes)), f"V{SALT_BYTES}")
        entries["kind"] = self.kind
        entries["choice"] = songs % SONG_CHOICES
        entries["show"] = show
        entries["song"] = songs // SONG_CHOICES
        entries["fan"] = np.frombuffer(b"".join(kept), f"V{FAN_BYTES}")
        entries["time_ms"] = (times_us + 500) // 1000 + YEAR_2000_MS
        return entries.tobytes()


@dataclass(frozen=True, slots=True)
class Row:
    """Consecutive entries, as the table has them. Takes: leaves, None: they follow from the entries, none of which is blank."""

    show_id: int
    first: int
    count: int
    first_ms: int
    last_ms: int
    leaves: bytes | None
    entries: bytes


class GrowingLog:
    """The log of a show in one transaction.

    Takes: epoch, in which it is signed; row, of ledger_logs, None: the show has no log yet; now_ms
    """

    def __init__(self, show_id: int, epoch: Mapping[str, Any], row: Mapping[str, Any] | None, *, now_ms: int) -> None:
        self.show_id = show_id
        self.epoch_id: int = epoch["id"]
        self.old_size: int = 0 if row is None else row["size"]
        self.frontier = Frontier() if row is None else Frontier.parse(row["size"], row["frontier"])
        self.was_opened: bool = row is not None and row["was_opened"]
        self.rows: list[Row] = []
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.checkpoint = ""
        # One or more each, without hashes yet; and how many they are.
        self._entries: list[bytes] = []
        self._entry_count = 0
        self._blank: set[bytes] = set()
        # Of all new entries: rows of one transaction have them together.
        self._first_ms, self._last_ms = TIME_MS_MAX, 0
        self._origin = f"{epoch['origin']}/shows/{show_id}"
        if row is not None and row["epoch_id"] != self.epoch_id:
            self.add(Kind.CONTINUED, song=self.size, fan=self.frontier.root()[:FAN_BYTES], time_ms=now_ms)

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.frontier.size

    def add_voting(self, *, is_open: bool, time_ms: int) -> None:
        """Voting opens, again perhaps, or closes."""
        kind = Kind.CLOSED if not is_open else Kind.REOPENED if self.was_opened else Kind.OPENED
        self.was_opened |= is_open
        self.add(kind, time_ms=time_ms)

    def add(self, kind: int, *, song: int = 0, fan: bytes = NO_FAN, time_ms: int) -> None:
        """Adds an entry that tells of no choice."""
        salt = secrets.token_bytes(SALT_BYTES)
        self._add(ENTRY.pack(salt, kind, Choice.NONE, self.show_id, song, fan, time_ms), 1)
        self._note_times(time_ms, time_ms)

    def add_votes(self, votes: Votes, names: Sequence[bytes | None]) -> int:
        """Adds entries.

        Takes: names, of the fan of each vote; None: the fan is erased, and the vote gets no entry here
        Gives: how many entries there are
        Cost:  with `grow`, what a vote costs
        """
        if not any(names):
            return 0
        entries = votes.entries(self.show_id, names)
        count = len(entries) // ENTRY_BYTES
        self._add(entries, count)
        self._note_times(votes.first_ms, votes.last_ms)
        return count

    def _add(self, entries: bytes, count: int) -> None:
        self._entries.append(entries)
        self._entry_count += count

    def _note_times(self, first_ms: int, last_ms: int) -> None:
        self._first_ms, self._last_ms = min(self._first_ms, first_ms), max(self._last_ms, last_ms)

    def add_erased(self, count: int, *, time_ms: int) -> None:
        """Adds entries of erased fans that are blank from the start, and one that tells of them."""
        unknown = secrets.token_bytes(ENTRY_BYTES * count)
        self._blank.update(entries_in(unknown))
        self._add(unknown, count)
        self.add(Kind.ERASED, song=count, time_ms=time_ms)

    async def hash_full_rows(self) -> None:
        """Hashes what fills rows, and lets others have the event loop after each."""
        if self._entry_count < ROW_ENTRIES_MAX:
            return
        waiting = b"".join(self._entries)
        rest = self._entry_count % ROW_ENTRIES_MAX
        self._entries, self._entry_count = [waiting[len(waiting) - rest * ENTRY_BYTES :]], rest
        for start in range(0, len(waiting) - rest * ENTRY_BYTES, ROW_BYTES_MAX):
            self._append(waiting[start : start + ROW_BYTES_MAX])
            await asyncio.sleep(0)

    async def grow(self, key: Ed25519PrivateKey) -> bool:
        """Hashes the rest of the new entries and signs. Gives: whether there are any."""
        await self.hash_full_rows()
        # Many small logs take as long as a large one.
        await asyncio.sleep(0)
        if self._entry_count:
            self._append(b"".join(self._entries))
            self._entries, self._entry_count = [], 0
        if self.size == self.old_size:
            return False
        self.checkpoint = sign(Checkpoint(self._origin, self.size, self.frontier.root()), key)
        return True

    def _append(self, entries: bytes) -> None:
        count = len(entries) // ENTRY_BYTES
        first, hashes = self.size, leaf_hashes(entries, ENTRY_BYTES)
        self.nodes |= self.frontier.append(hashes)
        leaves = None
        if self._blank:
            leaves = b"".join(hashes)
            entries = b"".join(BLANK if entry in self._blank else entry for entry in entries_in(entries))
        self.rows.append(Row(self.show_id, first, count, self._first_ms, self._last_ms, leaves, entries))
