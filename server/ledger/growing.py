"""A log that grows: its new entries, their hashes, and the checkpoint over them. No I/O."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.ledger.entries import BLANK, ENTRY, ENTRY_BYTES, FAN_BYTES, NO_FAN, SALT_BYTES, Choice, Kind
from server.ledger.notes import Checkpoint, sign
from server.ledger.tree import Frontier, leaf_hashes

# The entries of a row. More of them are hashed between two turns of the event loop.
ROW_ENTRIES_MAX = 1024
TIME_MS_MAX = (1 << 63) - 1

# A vote as the queries give it: song, user, time [ms], choice.
VOTE = struct.Struct(">qqqB")
_FAN = struct.Struct(">8xq9x")
_SALT = struct.Struct(f"{SALT_BYTES}s")


class Votes(NamedTuple):
    """What some entries of one kind say that tell of fans.

    Takes: packed, of each the song (0: the whole ballot), the id of the user, the time [ms] and the choice, as VOTE has them; first_ms,
           last_ms, between which the times are
    """

    kind: int
    packed: bytes
    first_ms: int
    last_ms: int

    @classmethod
    def one(cls, kind: int, song: int, user: int, time_ms: int, choice: int) -> Votes:
        """A single entry."""
        return cls(kind, VOTE.pack(song, user, time_ms, choice), time_ms, time_ms)

    @property
    def entry_count(self) -> int:
        """The number of entries."""
        return len(self.packed) // VOTE.size

    def fans(self) -> set[int]:
        """The users."""
        return {user for (user,) in _FAN.iter_unpack(self.packed)}

    def without(self, users: set[int]) -> Votes:
        """Those that tell of other fans."""
        kept = [VOTE.pack(*vote) for vote in VOTE.iter_unpack(self.packed) if vote[1] not in users]
        return self._replace(packed=b"".join(kept))


@dataclass(frozen=True, slots=True)
class Row:
    """Consecutive entries, as the table has them."""

    show_id: int
    first: int
    count: int
    first_ms: int
    last_ms: int
    leaves: bytes
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
        self._entries: list[bytes] = []
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
        self._entries.append(ENTRY.pack(salt, kind, Choice.NONE, self.show_id, song, fan, time_ms))
        self._note_times(time_ms, time_ms)

    def add_votes(self, votes: Votes, names: Mapping[int, bytes]) -> None:
        """Adds entries. Takes: names, of all their fans. Cost: with `grow`, what a vote costs."""
        pack, show_id, kind = ENTRY.pack, self.show_id, votes.kind
        salts = _SALT.iter_unpack(secrets.token_bytes(SALT_BYTES * votes.entry_count))
        self._entries += [
            pack(salt, kind, choice, show_id, song, names[user], time_ms)
            for (salt,), (song, user, time_ms, choice) in zip(salts, VOTE.iter_unpack(votes.packed), strict=True)
        ]
        self._note_times(votes.first_ms, votes.last_ms)

    def _note_times(self, first_ms: int, last_ms: int) -> None:
        self._first_ms, self._last_ms = min(self._first_ms, first_ms), max(self._last_ms, last_ms)

    def add_erased(self, count: int, *, time_ms: int) -> None:
        """Adds entries of erased fans that are blank from the start, and one that tells of them."""
        unknown = [secrets.token_bytes(ENTRY_BYTES) for _ in range(count)]
        self._entries += unknown
        self._blank.update(unknown)
        self.add(Kind.ERASED, song=count, time_ms=time_ms)

    async def hash_full_rows(self) -> None:
        """Hashes what fills rows, and lets others have the event loop after each."""
        while len(self._entries) >= ROW_ENTRIES_MAX:
            self._append(self._entries[:ROW_ENTRIES_MAX])
            del self._entries[:ROW_ENTRIES_MAX]
            await asyncio.sleep(0)

    async def grow(self, key: Ed25519PrivateKey) -> bool:
        """Hashes the rest of the new entries and signs. Gives: whether there are any."""
        await self.hash_full_rows()
        # Many small logs take as long as a large one.
        await asyncio.sleep(0)
        if self._entries:
            self._append(self._entries)
            self._entries = []
        if self.size == self.old_size:
            return False
        self.checkpoint = sign(Checkpoint(self._origin, self.size, self.frontier.root()), key)
        return True

    def _append(self, entries: list[bytes]) -> None:
        first, leaves = self.size, leaf_hashes(entries)
        self.nodes |= self.frontier.append(leaves)
        if self._blank:
            entries = [BLANK if entry in self._blank else entry for entry in entries]
        self.rows.append(
            Row(self.show_id, first, len(entries), self._first_ms, self._last_ms, b"".join(leaves), b"".join(entries))
        )
