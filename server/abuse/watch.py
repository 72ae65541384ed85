"""The watch: takes the casts that this node's writer has committed, and looks for groups in them every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from server.abuse.ballots import Account, Ballot, ShowBallots
from server.abuse.detector import Found, find_groups
from server.abuse.known_groups import KnownGroups
from server.abuse.queries import watch as queries
from server.abuse.signals import BALLOTS_MIN, REST_MIN
from server.errors import StoreError
from server.store.database import Database
from server.telemetry import BALLOTS_WATCHED, VOTE_GROUPS

log = structlog.get_logger()

PASS_EVERY_S = 2.0
# A pass takes at most this part of the time of a core, however many ballots there are.
PASS_SHARE = 0.1
PASS_SLICE = 1_000  # casts, after which others have a turn
WAITING_CASTS_MAX = 200_000
BALLOTS_MAX = 100_000
ACCOUNTS_PER_READ = 2_000


class GroupWatch:
    """Looks for groups among the shows whose votes this node commits.

    A node that takes over a shard knows the groups of its shows, but only the ballots that come from then on.

    Takes: database, with the rights of its owner; hand_in, takes a group that the rule of its show decided on, and the show
    """

    def __init__(self, database: Database, hand_in: Callable[[int, int], None]) -> None:
        self._database = database
        self._hand_in = hand_in
        self._waiting: deque[tuple[int, Sequence[list[int]]]] = deque()
        self._waiting_count = 0
        self._ballots = ShowBallots()
        self._known = KnownGroups()
        self._accounts: dict[int, Account] = {}  # of fans with ballots; read once, not for each of their shows
        self._searched_s = 0.0  # of the last pass, as time of a core

    def take(self, cast_ms: int, casts: Sequence[list[int]]) -> None:
        """Takes the casts of one committed entry. This is all that the writer spends on them."""
        self._waiting.append((cast_ms, casts))
        self._waiting_count += len(casts)
        while self._waiting_count > WAITING_CASTS_MAX:
            self._waiting_count -= len(self._waiting.popleft()[1])

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            self._searched_s = 0.0
            try:
                await self._take_waiting()
                await self._look()
            except StoreError as error:
                log.warning("groups.not_looked", error=str(error))
            await asyncio.sleep(max(PASS_EVERY_S, self._searched_s / PASS_SHARE))

    async def _take_waiting(self) -> None:
        taken = 0
        while self._waiting:
            cast_ms, casts = self._waiting.popleft()
            self._waiting_count -= len(casts)
            self._ballots.take(casts, cast_ms)
            taken += len(casts)
            if taken >= PASS_SLICE:
                taken = 0
                await asyncio.sleep(0)
        if self._ballots.forget_oldest(BALLOTS_MAX):
            self._known.keep(self._ballots.shows)
            self._accounts = {}
        BALLOTS_WATCHED.set(self._ballots.count)

    async def _look(self) -> None:
        for show_id in list(self._ballots.changed):
            if show_id in self._ballots.shows:
                await self._look_at(show_id)
            # Only now: after an error, the next pass looks at the show again.
            self._ballots.changed.discard(show_id)

    async def _look_at(self, show_id: int) -> None:
        ballots = list(self._ballots.shows[show_id].values())
        if len(ballots) < BALLOTS_MIN + REST_MIN:
            return
        await self._read_accounts([ballot for ballot in ballots if ballot.account is None])
        await self._read_groups(show_id)
        newest_ms = max(ballot.last_ms for ballot in ballots)
        # In a thread, so that votes go on; nothing else touches the ballots meanwhile.
        found, searched_s = await asyncio.to_thread(_search, ballots, newest_ms)
        self._searched_s += searched_s
        placed = deque(self._known.place(show_id, found))
        try:
            while placed:
                await self._store(show_id, *placed[0])
                placed.popleft()
        finally:
            # What is not stored is not known, so the next pass finds it again.
            for _, _, users in placed:
                self._known.remove(show_id, users)

    async def _read_accounts(self, ballots: Sequence[Ballot]) -> None:
        users = [ballot.user_id for ballot in ballots if ballot.user_id not in self._accounts]
        for start in range(0, len(users), ACCOUNTS_PER_READ):
            async with self._database.connection() as connection:
                rows = queries.fetch_accounts(connection, user_ids=users[start : start + ACCOUNTS_PER_READ])
                async for row in rows:
                    self._accounts[row["id"]] = Account(
                        row["made_ms"], _token(row["agent_hash"]), _token(row["subnet_hash"])
                    )
        for ballot in ballots:
            ballot.account = self._accounts.get(ballot.user_id)

    async def _read_groups(self, show_id: int) -> None:
        if self._known.knows(show_id):
            return
        async with self._database.connection() as connection:
            rows = [row async for row in queries.fetch_members(connection, show_id=show_id)]
        self._known.add(0, show_id, [])
        for row in rows:
            self._known.add(row["group_id"], show_id, [row["user_id"]])
            if not row["is_open"]:
                self._known.close(row["group_id"])

    async def _store(self, show_id: int, number: int, group: Found, users: list[int]) -> None:
        """Stores a new group, or new members of a known one."""
        fields: dict[str, Any] = {
            "show_id": show_id, "user_ids": users, "score": round(group.score, 2), "reasons": reasons_of(group),
            "ended_ms": group.ended_ms,
        }  # fmt: skip
        async with self._database.transaction() as connection:
            if number > 0:
                if await queries.extend_group(connection, group_id=number, **fields) is None:
                    self._known.close(number)
                    self._known.remove(show_id, users)
                return
            row = await queries.insert_group(connection, began_ms=group.began_ms, **fields)
        if row is None:
            return
        self._known.rename(number, row["id"])
        VOTE_GROUPS.inc()
        log.warning("votes.group", show=show_id, group=row["id"], ballots=row["ballot_count"], score=fields["score"])
        if row["is_decided"]:
            self._known.close(row["id"])
            self._hand_in(row["id"], show_id)


def _search(ballots: Sequence[Ballot], newest_ms: int) -> tuple[list[Found], float]:
    """The groups, and the time of a core that the search took [s]."""
    started_s = time.thread_time()
    return find_groups(ballots, newest_ms), time.thread_time() - started_s


def reasons_of(group: Found) -> str:
    """The reasons of a group as JSON, the heaviest first."""
    reasons = [{"kind": signal.kind, "weight": signal.weight, "words": signal.words} for signal in group.signals]
    reasons.sort(key=lambda reason: -float(str(reason["weight"])))
    target = {"kind": "target", "weight": 0, "song": abs(group.target), "choice": "up" if group.target > 0 else "down"}
    target["words"] = f"All of them vote song {abs(group.target)} {target['choice']}."
    return msgspec.json.encode([*reasons, target]).decode()


def _token(hashed: bytes | None) -> int:
    return int.from_bytes(hashed, "big") or 1 if hashed else 0
