"""The settlement on real engines: what a node learns that has heard no notification of a commit."""

from __future__ import annotations

from typing import Any

import redis.asyncio

from server.cache.keys import log_key, meta_key
from server.clock import SystemClock
from server.protocol.outcomes import Picked
from server.telemetry import VOTES_LOST
from server.voting.settlement import Settlement
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import Outcome, VotePath


async def test_what_a_commit_refused_is_not_confirmed(vote_path: VotePath, factory: RowFactory) -> None:
    """Votes and picks that the database refused get their refusal, and those beside them in the same commit are confirmed."""
    show, open_show = await factory.show(7), await factory.show(23)
    early, late = await factory.users(2)
    pick = Outcome()
    vote_path.intake.submit_pick(7, late, Picked([show.first]), pick)
    vote = vote_path.submit(7, late, (show.first, "up"))
    beside = vote_path.submit(23, late, (open_show.first, "up"))
    other = vote_path.submit(23, early, (open_show.first, "down"))
    pending_acks = vote_path.intake.pending_acks

    async def are_logged() -> bool:
        return pending_acks.cast_count == 4

    async def are_answered() -> bool:
        return pending_acks.is_empty

    await until(are_logged)
    # Past Valkey's back, as if it had come back older than these changes.
    await factory.sql.execute(
        "update shows set starts_at = now() - interval '1 minute', closes_at = now() - interval '1 minute' where id = 7"
    )
    settlement = Settlement(pending_acks, vote_path.database, vote_path.intake._connection, SystemClock())
    async with vote_path.writer():
        await until(vote_path.is_drained)
        await settlement._settle(float("inf"))
        await until(are_answered)
    assert [outcome.code for outcome in (vote, pick, beside, other)] == ["closed", "locked", "ok", "ok"]
    assert [row["show_id"] for row in await factory.sql.fetch("select show_id from votes")] == [23, 23]


async def test_counts_with_a_lost_entry_are_read_again_after_later_commits(
    vote_path: VotePath, factory: RowFactory, redis_url: str
) -> None:
    """Valkey lost an uncommitted vote that was shown, and later casts hide the gap: the shard goes on past all that was shown."""
    show = await factory.show(7)
    early, late = await factory.users(2)
    reset_at = "select reset_position from log_positions where shard = 7"
    settlement = Settlement(
        vote_path.intake.pending_acks, vote_path.database, vote_path.intake._connection, SystemClock()
    )
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        async with vote_path.writer():
            assert (await vote_path.cast(7, early, (show.first, "up"))).code == "ok"
            await until(vote_path.is_drained)
        await settlement._settle(float("inf"))
        end: Any = await valkey.hget(meta_key(7), "last")
        lost = await vote_path.cast(7, late, (show.first, "up"))
        await valkey.xtrim(log_key(7), maxlen=0, approximate=False)
        await valkey.hset(meta_key(7), "last", end)
        await valkey.delete("{7}:show:7", "{7}:tally:7", "{7}:ballots:7", "{7}:tickets:7", "{7}:shows")
    async with vote_path.writer():
        later = await vote_path.cast(7, early, (show.songs[1], "up"))
        await until(vote_path.is_drained)
        before = VOTES_LOST._value.get()
        await settlement._settle(float("inf"))
    assert lost.taken is not None
    assert later.taken is not None
    assert VOTES_LOST._value.get() == before + 1
    assert await factory.sql.fetchval(reset_at) > later.taken[0] > lost.taken[0]
