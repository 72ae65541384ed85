"""What is cold in Valkey is read from PostgreSQL, for many casts at once, and travels with the next round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from server.errors import Refused, StoreError
from server.protocol.codes import Code
from server.store.database import Database
from server.voting.log import queries
from server.voting.rules import shard_of

log = structlog.get_logger()

TRIES_MAX = 40
RETRY_PAUSE_S = 0.05
READ_MAX = 2_000
SONGS_PER_SHOW_MAX = 1_000


@dataclass(frozen=True, slots=True)
class ColdCast:
    """A cast that met a cold show or ballot."""

    show_id: int
    user_id: int
    number: int
    tries: int
    cast: object


ShowRow = tuple[int, int, int, int, int, int, int, list[int], int, int]
BallotRow = tuple[int, int, int, str, int, int, int]


class WarmUp:
    """Reads seeds for cold casts and hands the casts back.

    Takes: resume(cast, error): called once a cast can be sent again, or with what makes it pointless
    """

    def __init__(self, database: Database, shard_count: int, resume: Callable[[object, Refused | None], None]) -> None:
        self._database = database
        self._shard_count = shard_count
        self._resume = resume
        self._wanted: list[ColdCast] = []
        self._reading: list[ColdCast] = []
        self._is_wanted = asyncio.Event()
        self._shows: dict[int, dict[int, ShowRow]] = {}
        self._ballots: dict[int, dict[tuple[int, int], BallotRow]] = {}

    @property
    def waiting_count(self) -> int:
        """Casts that wait for a seed."""
        return len(self._wanted) + len(self._reading)

    def want(self, cold: ColdCast) -> None:
        """Reads what this cast needs; it is resumed later."""
        if cold.tries >= TRIES_MAX:
            self._resume(
                cold.cast, Refused(Code.UNAVAILABLE, "The show is not ready yet. Try again.", retry_after_ms=1_000)
            )
            return
        self._wanted.append(cold)
        self._is_wanted.set()

    def earliest(self) -> dict[tuple[int, int], int]:
        """(show, user) -> the number of the earliest of their casts that waits."""
        earliest: dict[tuple[int, int], int] = {}
        for cold in (*self._reading, *self._wanted):
            key = (cold.show_id, cold.user_id)
            earliest[key] = min(cold.number, earliest.get(key, cold.number))
        return earliest

    def take(self, shard: int) -> tuple[list[ShowRow], list[BallotRow]]:
        """The seeds read for a shard since the last call."""
        return list(self._shows.pop(shard, {}).values()), list(self._ballots.pop(shard, {}).values())

    async def run(self) -> None:
        """Reads until cancelled."""
        while True:
            await self._is_wanted.wait()
            self._reading, self._wanted = self._wanted[:READ_MAX], self._wanted[READ_MAX:]
            if not self._wanted:
                self._is_wanted.clear()
            if max(cold.tries for cold in self._reading) > 1:
                # A seed older than the barrier is refused until the writer has caught up.
                await asyncio.sleep(RETRY_PAUSE_S)
            error: Refused | None = None
            gone: dict[int, Refused] = {}
            try:
                gone = await self._read(self._reading)
            except StoreError as failure:
                log.warning("warm_up.not_read", error=str(failure), casts=len(self._reading))
                error = Refused(
                    Code.UNAVAILABLE, "Voting is unavailable for a moment. Try again.", retry_after_ms=1_000
                )
            read, self._reading = self._reading, []
            for cold in read:
                self._resume(cold.cast, error or gone.get(id(cold)))

    async def _read(self, casts: list[ColdCast]) -> dict[int, Refused]:
        """Reads the seeds of some casts; gives those that are pointless, by identity."""
        show_ids = sorted({cold.show_id for cold in casts})
        pairs = sorted({(cold.show_id, cold.user_id) for cold in casts})
        async with self._database.snapshot() as connection:
            position_rows = [row async for row in queries.fetch_positions(connection)]
            show_rows = [row async for row in queries.fetch_warm_up_shows(connection, show_ids=show_ids)]
            ballot_rows = [
                row
                async for row in queries.fetch_warm_up_ballots(
                    connection, show_ids=[show for show, _ in pairs], user_ids=[user for _, user in pairs]
                )
            ]
        positions = {row["shard"]: row["position"] for row in position_rows}
        known_shows = {row["id"] for row in show_rows}
        known_users = set()
        for row in ballot_rows:
            show_id, user_id = row["show_id"], row["user_id"]
            if not row["is_known"] or show_id not in known_shows:
                continue
            known_users.add(user_id)
            shard = shard_of(show_id, self._shard_count)
            self._ballots.setdefault(shard, {})[show_id, user_id] = (
                show_id, user_id, positions[shard], row["ballot"], row["day"], row["spent"], int(row["has_ticket"]),
            )  # fmt: skip
        gone = {}
        wanted_shows = set()
        for cold in casts:
            if cold.show_id not in known_shows:
                gone[id(cold)] = Refused(Code.NOT_FOUND, "No such show.")
            elif cold.user_id not in known_users:
                gone[id(cold)] = Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
            else:
                wanted_shows.add(cold.show_id)
        for row in show_rows:
            # A seed that no cast takes along would lie here and be put in when its rules are long out of date.
            if row["id"] not in wanted_shows:
                continue
            shard = shard_of(row["id"], self._shard_count)
            tally: list[int] = []
            for counts in zip(row["song_ids"], row["ups"], row["downs"], strict=True):
                tally.extend(counts)
            self._shows.setdefault(shard, {})[row["id"]] = (
                row["id"], positions[shard], row["opens_ms"], row["closes_ms"], int(row["is_locked"]),
                row["budget"], row["revision"], tally, int(row["requires_ticket"]), row["audience"],
            )  # fmt: skip
        return gone
