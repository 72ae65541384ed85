"""Reads cold shows and ballots from PostgreSQL, for many casts at once; the rows travel to Valkey with the next round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from server.errors import Refused, StoreError
from server.protocol.codes import Code
from server.store.database import Database
from server.voting.casts import Cast
from server.voting.queries import voting as queries
from server.voting.rules import shard_of

log = structlog.get_logger()

TRIES_MAX = 40
RETRY_PAUSE_S = 0.05
READ_MAX = 2_000

ShowRow = tuple[int, int, int, int, int, int, int, list[int], int, int, str, int, int]
BallotRow = tuple[int, int, int, str, int, int, int]


class WarmUp:
    """Reads what cold casts need, and hands the casts back.

    Takes: resume(cast, refusal), called when a cast can be sent again, or with the reason why it never can
    """

    def __init__(self, database: Database, shard_count: int, resume: Callable[[Cast, Refused | None], None]) -> None:
        self._database = database
        self._shard_count = shard_count
        self._resume = resume
        self._waiting: list[Cast] = []
        self._reading: list[Cast] = []
        self._is_wanted = asyncio.Event()
        self._shows: dict[int, dict[int, ShowRow]] = {}  # by shard and show; not yet sent
        self._ballots: dict[int, dict[tuple[int, int], BallotRow]] = {}  # by shard, and show and user; not yet sent
        self._spent: dict[int, tuple[int, int]] | None = None  # by user: day, votes spent; not yet sent

    @property
    def waiting_count(self) -> int:
        """Casts that wait for a warm-up."""
        return len(self._waiting) + len(self._reading)

    def add(self, cast: Cast) -> None:
        """Reads what a cold cast needs; it is resumed later."""
        if cast.tries >= TRIES_MAX:
            self._resume(cast, Refused(Code.UNAVAILABLE, "The show is not ready yet. Try again.", retry_after_ms=1_000))
            return
        self._waiting.append(cast)
        self._is_wanted.set()

    def waiting(self) -> Iterable[Cast]:
        """The casts that wait for a warm-up."""
        return (*self._reading, *self._waiting)

    def earliest(self) -> dict[tuple[int, int], int]:
        """The number of the earliest waiting cast of each (show, user)."""
        earliest: dict[tuple[int, int], int] = {}
        for cast in self.waiting():
            key = cast.ballot_key
            earliest[key] = min(cast.number, earliest.get(key, cast.number))
        return earliest

    def take(self, shard: int) -> tuple[list[ShowRow], list[BallotRow]]:
        """The rows of a shard that were read since the last call, as cast.lua takes them."""
        return list(self._shows.pop(shard, {}).values()), list(self._ballots.pop(shard, {}).values())

    def take_spent(self) -> dict[int, tuple[int, int]]:
        """The votes that fans have spent, read since the last call: user -> day, votes. Without a first call, they are not kept."""
        taken, self._spent = self._spent or {}, {}
        return taken

    async def run(self) -> None:
        """Reads until cancelled."""
        while True:
            await self._is_wanted.wait()
            self._reading, self._waiting = self._waiting[:READ_MAX], self._waiting[READ_MAX:]
            if not self._waiting:
                self._is_wanted.clear()
            if max(cast.tries for cast in self._reading) > 1:
                # Rows read before the barrier are refused until the writer has caught up.
                await asyncio.sleep(RETRY_PAUSE_S)
            try:
                refusals = await self._read(self._reading)
            except StoreError as error:
                log.warning("warm_up.not_read", error=str(error), casts=len(self._reading))
                refusals = {cast: _unavailable() for cast in self._reading}
            read, self._reading = self._reading, []
            for cast in read:
                self._resume(cast, refusals.get(cast))

    async def _read(self, casts: Sequence[Cast]) -> dict[Cast, Refused]:
        """Reads the rows that some casts need, in one snapshot.

        Gives:  the casts that can never be taken, with the reason
        Raises: StoreError
        """
        ballot_keys = sorted({cast.ballot_key for cast in casts})
        show_ids = sorted({cast.ruled_by for cast in casts if cast.needs_show})
        async with self._database.snapshot() as connection:
            position_rows = [row async for row in queries.fetch_positions(connection)]
            show_rows = [row async for row in queries.fetch_warm_up_shows(connection, show_ids=show_ids)]
            ballot_rows = [
                row
                async for row in queries.fetch_warm_up_ballots(
                    connection, show_ids=[show for show, _ in ballot_keys], user_ids=[user for _, user in ballot_keys]
                )
            ]
        positions = {row["shard"]: row["position"] for row in position_rows}
        missing_shows = set(show_ids) - {row["id"] for row in show_rows}
        known_users = {row["user_id"] for row in ballot_rows if row["is_known"]}
        refusals = {}
        needed_shows = set()
        for cast in casts:
            show_id, user_id = cast.ballot_key
            if show_id in missing_shows:
                refusals[cast] = Refused(Code.NOT_FOUND, "No such show.")
            elif user_id not in known_users:
                refusals[cast] = Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
            else:
                needed_shows.add(show_id)
        for ballot in ballot_rows:
            if ballot["is_known"] and ballot["show_id"] not in missing_shows:
                self._keep_ballot(ballot, positions)
        for show in show_rows:
            # Rows that no cast takes along would stay here, and reach Valkey when their rules are long out of date.
            if show["id"] in needed_shows:
                self._keep_show(show, positions)
        return refusals

    def _keep_ballot(self, row: Any, positions: dict[int, int]) -> None:
        show_id, user_id = row["show_id"], row["user_id"]
        shard = shard_of(show_id, self._shard_count)
        self._ballots.setdefault(shard, {})[show_id, user_id] = (
            show_id, user_id, positions[shard], row["ballot"], row["day"], row["spent"], int(row["has_ticket"]),
        )  # fmt: skip
        if self._spent is not None:
            self._spent[user_id] = (row["day"], row["spent"])

    def _keep_show(self, row: Any, positions: dict[int, int]) -> None:
        shard = shard_of(row["id"], self._shard_count)
        tally: list[int] = []
        for counts in zip(row["song_ids"], row["ups"], row["downs"], strict=True):
            tally.extend(counts)
        self._shows.setdefault(shard, {})[row["id"]] = (
            row["id"], positions[shard], row["opens_ms"], row["closes_ms"], int(row["is_locked"]),
            row["budget"], row["revision"], tally, int(row["requires_ticket"]), row["audience"],
            row["played"], row["picks_close_ms"], int(row["is_new"]),
        )  # fmt: skip


def _unavailable() -> Refused:
    return Refused(Code.UNAVAILABLE, "Voting is unavailable for a moment. Try again.", retry_after_ms=1_000)
