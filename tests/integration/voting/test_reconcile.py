"""`mysetlist reconcile`: what differs is found, and mended where the rows say how."""

from __future__ import annotations

from redis.asyncio import Redis

from server.cache.keys import tally_key
from server.voting.reconcile import run
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import VotePath


async def test_what_agrees_is_left_alone(database_url: str, vote_path: VotePath, factory: RowFactory) -> None:
    """Rows, tallies and Valkey after a vote and its commit: nothing to tell."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    await vote_path.cast(7, user, (show.first, "up"))
    async with vote_path.writer():
        await until(vote_path.is_drained)
    assert await run(database_url, vote_path.redis_url) == []


async def test_wrong_counts_are_found_and_mended(database_url: str, vote_path: VotePath, factory: RowFactory) -> None:
    """Counts of votes, attendance, follows and reviews, each told in one line; once repaired they are right."""
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


async def test_valkey_that_counts_otherwise_is_read_anew(
    database_url: str, vote_path: VotePath, factory: RowFactory
) -> None:
    """The rows are right: with a repair Valkey's copy is thrown away, and the next cast finds the right one."""
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
