"""A log that grows: its new entries, their hashes, and the checkpoint over them. No I/O."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.ledger.entries import FAN_BYTES, LEAF, NO_FAN, SALT_BYTES, Choice, Kind
from server.ledger.notes import Checkpoint, sign
from server.ledger.tree import Frontier

# The entries of a row. More of them are hashed between two turns of the event loop.
ROW_ENTRIES_MAX = 1024


# What an entry says, without the show and the salt: its kind, choice, song, fan and time [ms].
Item: TypeAlias = tuple[int, int, int, bytes, int]


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
        self.items: list[Item] = []
        self.rows: list[Row] = []
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.checkpoint = ""
        self._origin = f"{epoch['origin']}/shows/{show_id}"
        if row is not None and row["epoch_id"] != self.epoch_id:
            self.items.append((Kind.CONTINUED, Choice.NONE, self.size, self.frontier.root()[:FAN_BYTES], now_ms))

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.frontier.size

    def add_voting(self, *, is_open: bool, time_ms: int) -> None:
        """Voting opens, again perhaps, or closes."""
        kind = Kind.CLOSED if not is_open else Kind.REOPENED if self.was_opened else Kind.OPENED
        self.was_opened |= is_open
        self.items.append((kind, Choice.NONE, 0, NO_FAN, time_ms))

    async def grow(self, key: Ed25519PrivateKey) -> bool:
        """Hashes the new entries and signs. Gives: whether there are any."""
        for start in range(0, len(self.items), ROW_ENTRIES_MAX):
            if start:
                await asyncio.sleep(0)
            self._append(self.items[start : start + ROW_ENTRIES_MAX])
        if self.items:
            self.checkpoint = sign(Checkpoint(self._origin, self.size, self.frontier.root()), key)
        return bool(self.items)

    def _append(self, items: list[Item]) -> None:
        """Appends some entries. This is what a vote costs."""
        pack, show_id, first = LEAF.pack, self.show_id, self.size
        salts = secrets.token_bytes(SALT_BYTES * len(items))
        packed = [
            pack(salts[place : place + SALT_BYTES], kind, choice, show_id, song, fan, time_ms)
            for place, (kind, choice, song, fan, time_ms) in zip(range(0, len(salts), SALT_BYTES), items, strict=True)
        ]
        leaves = [sha256(leaf).digest() for leaf in packed]
        self.nodes |= self.frontier.append(leaves)
        times_ms = [item[4] for item in items]
        self.rows.append(
            Row(
                show_id,
                first,
                len(items),
                min(times_ms),
                max(times_ms),
                b"".join(leaves),
                b"".join([leaf[1:] for leaf in packed]),
            )
        )
