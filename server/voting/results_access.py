"""Decides who may see a show's counts, and reads for that whether users hold a vote in the show.

The hot ballot answers, so an acknowledged vote counts at once; a cold ballot is read from the rows. Neither goes through
the intake or its script, and nothing becomes warm. All questions that come while one read is under way share the next
read, so a crowd that comes back costs a few reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from server.cache.cluster import connection_to
from server.cache.connection import Command, Line
from server.cache.keys import ballots_key, meta_key, shard_prefix
from server.errors import CacheError, Refused, StoreError
from server.protocol.codes import Code
from server.protocol.embargo import Audience, sees_all
from server.protocol.identity import Identity
from server.store.database import Database
from server.voting.log import open_shards
from server.voting.queries import voting as queries
from server.voting.rules import shard_of

log = structlog.get_logger()

READ_MAX = 2_000
# A cold ballot waits as long as a cold cast does (voting/warm_up.py).
TRIES_MAX = 40
RETRY_PAUSE_S = 0.05

_WHY_HIDDEN = {
    Audience.VOTERS: "Only fans who have voted see the counts of this show. Cast a vote first.",
    Audience.STAFF: "The counts of this show are hidden until its result is final.",
}

Ballot = tuple[int, int]  # (show, user)


class _Read:
    """Ballots that are read together."""

    def __init__(self) -> None:
        self.wanted: set[Ballot] = set()
        # None: PostgreSQL is away. An error would be raised for everyone who waits, always the same instance.
        self.has_votes: asyncio.Task[dict[Ballot, bool] | None]


class ResultsAccess:
    """Says who may see a show's counts.

    Takes: url, of Valkey; database, in a role that may read all votes; shard_count, as the database has it
    """

    def __init__(self, url: str, database: Database, *, shard_count: int) -> None:
        self._database = database
        self._shard_count = shard_count
        self._connection = connection_to(url, on_connect=self._open_shards)
        self._turn = asyncio.Lock()
        self._next: _Read | None = None  # gathers while the one before is under way

    async def why_hidden(self, audience: Audience, show_id: int, identity: Identity | None) -> Refused | None:
        """The refusal of a show's counts; None: the client may see them.

        Raises: Refused: unavailable
        """
        if audience is Audience.EVERYONE or sees_all(identity):
            return None
        if audience is Audience.VOTERS and identity is not None and await self.has_voted(show_id, identity.user_id):
            return None
        return Refused(Code.FORBIDDEN, _WHY_HIDDEN[audience])

    async def has_voted(self, show_id: int, user_id: int) -> bool:
        """Whether a user holds a vote in a show. While Valkey is away, only committed votes are known.

        Raises: Refused: unavailable, PostgreSQL is away, or after a reset too far behind the log
        Cost:   one round trip to Valkey, shared; one to PostgreSQL for a cold ballot
        """
        ballot = (show_id, user_id)
        for _ in range(TRIES_MAX):
            has_votes = await self._read(ballot)
            if has_votes is None:
                break
            if ballot in has_votes:
                return has_votes[ballot]
            await asyncio.sleep(RETRY_PAUSE_S)
        raise Refused(
            Code.UNAVAILABLE, "Your votes in this show cannot be read for a moment. Try again.", retry_after_ms=1_000
        )

    async def close(self) -> None:
        """Closes the connection to Valkey."""
        await self._connection.close()

    async def _read(self, ballot: Ballot) -> dict[Ballot, bool] | None:
        """Reads a ballot together with all others that are wanted at the time. Gives None while PostgreSQL is away.

        Cancel: the read goes on for the others
        """
        read = self._next
        if read is None or len(read.wanted) >= READ_MAX:
            read = self._next = _Read()
            read.has_votes = asyncio.create_task(self._run(read), name="ballots-read")
        read.wanted.add(ballot)
        return await asyncio.shield(read.has_votes)

    async def _run(self, read: _Read) -> dict[Ballot, bool] | None:
        async with self._turn:
            if self._next is read:
                self._next = None
            try:
                return await self._has_votes(read.wanted)
            except StoreError as error:
                log.warning("ballots.not_read", error=str(error))
                return None

    async def _has_votes(self, ballots: Iterable[Ballot]) -> dict[Ballot, bool]:
        """Whether each ballot holds a vote; ballots that PostgreSQL does not know completely yet are left out.

        Raises: StoreError
        """
        try:
            has_votes, barriers = await self._read_hot(ballots)
        except CacheError as error:
            log.warning("ballots.not_hot", error=str(error))
            has_votes, barriers = {}, dict.fromkeys(ballots, 0)
        if not barriers:
            return has_votes
        async with self._database.connection() as connection:
            async for row in queries.fetch_voters(
                connection,
                show_ids=[show for show, _ in barriers],
                user_ids=[user for _, user in barriers],
                shard_count=self._shard_count,
            ):
                ballot = (row["show_id"], row["user_id"])
                # Until the rows have reached the barrier, a vote of this ballot may be in the log alone.
                if row["position"] >= barriers[ballot]:
                    has_votes[ballot] = row["has_voted"]
        return has_votes

    async def _read_hot(self, ballots: Iterable[Ballot]) -> tuple[dict[Ballot, bool], dict[Ballot, int]]:
        """Reads the hot ballots.

        Gives:  whether each hot ballot holds a vote; the barrier of each cold one
        Raises: CacheError; StoreError, on a fresh connection
        """
        by_show: dict[int, list[int]] = {}
        for show_id, user_id in ballots:
            by_show.setdefault(show_id, []).append(user_id)
        commands: list[Command] = []
        for show_id, user_ids in by_show.items():
            shard = shard_of(show_id, self._shard_count)
            commands.append(("HMGET", meta_key(shard), "barrier", "server"))
            commands.append(("HMGET", ballots_key(shard, show_id), *user_ids))
        answers = await self._connection.ask_shards(commands)
        has_votes: dict[Ballot, bool] = {}
        barriers: dict[Ballot, int] = {}
        for (show_id, user_ids), meta, packed in zip(by_show.items(), answers[::2], answers[1::2], strict=True):
            if isinstance(meta, CacheError) or isinstance(packed, CacheError) or not self._is_open(show_id, meta[1]):
                # Only committed votes are known.
                barriers |= {(show_id, user_id): 0 for user_id in user_ids}
                continue
            barrier = meta[0]
            for user_id, ballot in zip(user_ids, packed, strict=True):
                if ballot is None:
                    barriers[show_id, user_id] = int(barrier or 0)
                else:
                    # A ballot that is set aside, "-", or holds only the order of its last cast, "7:", is empty.
                    has_votes[show_id, user_id] = not ballot.endswith((b":", b"-")) and bool(ballot)
        return has_votes, barriers

    def _is_open(self, show_id: int, opened_on: bytes | None) -> bool:
        """Whether the process that holds the show's shard is the one that it was opened on."""
        server = self._connection.server_of(shard_prefix(shard_of(show_id, self._shard_count)))
        return not server or server.encode() == opened_on

    async def _open_shards(self, line: Line) -> None:
        # A Valkey that came back without its newest data has old ballots.
        await open_shards(self._database, line)
