"""`mysetlist reconcile` finds differences, and repairs them from the rows."""

from __future__ import annotations

from redis.asyncio import Redis

from server.cache.keys import tally_key
from server.voting.reconcile import run
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import VotePath


async def test_no_difference_is_reported_when_all_agree(
    database_url: str, vote_path: VotePath, factory: RowFactory
) -> None:
    """After a vote and its commit, rows, tallies and Valkey agree."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    await vote_path.cast(7, user, (show.first, "up"))
    async with vote_path.writer():
        await until(vote_path.is_drained)
    assert await run(database_url, vote_path.redis_url) == []


async def test_wrong_counts_are_found_and_repaired(database_url: str, vote_path: VotePath, factory: RowFactory) -> None:
    """Counts of votes, attendance, follows and reviews, each in one line; a repair makes them right."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    await vote_path.cast(7, user, (show.first, "up"))
    async with vote_path.writer():
        await until(vote_path.is_drained)
    await factory.sql.execute(
        f"update setlist_songs set up_count = 5 where id = {show.first};"
        "update shows set attendance_count = 3 where id = 7;"
        "update artist_stats set follower_count = 2;"
        "update venues set review_count = 1, rating_sum = 4"
    )
    differences = await run(database_url, vote_path.redis_url, repair=True)
    assert [str(difference) for difference in differences] == [
        "artist 1: followers is 2, the rows say 0",
        "show 7: attendance is 3, the rows say 0",
        f"song {show.first} of show 7: up is 5, the rows say 1",
        "venue 1: ratings is 4, the rows say 0",
        "venue 1: reviews is 1, the rows say 0",
        f"song {show.first} of show 7: Valkey has 1 0 (up down), the tally is 5 0",
    ]
    assert await run(database_url, vote_path.redis_url) == []


async def test_a_wrong_hot_copy_is_thrown_away(database_url: str, vote_path: VotePath, factory: RowFactory) -> None:
    """A repair takes the rows as right and throws Valkey's copy away; the next cast finds the right one."""
    show = await factory.show(7)
    first, second = await factory.users(2)
    await vote_path.cast(7, first, (show.first, "up"))
    async with vote_path.writer():
        await until(vote_path.is_drained)
        async with Redis.from_url(vote_path.redis_url) as valkey:
            await valkey.hset(tally_key(7, 7), str(show.first), "9 9")
        (difference,) = await run(database_url, vote_path.redis_url, repair=True)
        assert str(difference) == f"song {show.first} of show 7: Valkey has 9 9 (up down), the tally is 1 0"
        assert (await vote_path.cast(7, second, (show.first, "down"))).code == "ok"
        await until(vote_path.is_drained)
    assert await factory.tally(7) == await factory.counted(7)
    assert await run(database_url, vote_path.redis_url) == []
