"""Whether a user holds a vote in a show, as counts that only voters may see ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from server.cache.connection import Command
from server.errors import Refused
from server.node.node import Node
from server.store.database import Database
from server.voting import results_access
from server.voting.log import open_shard
from server.voting.results_access import ResultsAccess
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import SHARD_COUNT, VotePath

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, vote_path = one_node.node_of_test, one_node.emptied_database, one_node.people, one_node.vote_path


@pytest_asyncio.fixture(loop_scope="module")
async def access(vote_path: VotePath) -> AsyncIterator[ResultsAccess]:
    """The decision about results, on the engines of the vote path."""
    opened = ResultsAccess(vote_path.redis_url, vote_path.database, shard_count=SHARD_COUNT)
    yield opened
    await opened.close()


def count_commands(access: ResultsAccess) -> list[int]:
    """The number of commands of each question to Valkey from now on."""
    counts: list[int] = []
    ask = access._connection.ask_shards

    async def counting(commands: Sequence[Command]) -> list[Any]:
        counts.append(len(commands))
        return await ask(commands)

    access._connection.ask_shards = counting  # type: ignore[method-assign]
    return counts


async def test_a_vote_counts_before_its_commit(vote_path: VotePath, factory: RowFactory, access: ResultsAccess) -> None:
    """Without a writer the hot ballot alone knows the vote; taken back, it counts no more."""
    show = await factory.show(7)
    fan, other = await factory.users(2)
    await vote_path.cast(7, fan, (show.first, "up"))
    assert await access.has_voted(7, fan)
    assert not await access.has_voted(7, other)
    await vote_path.cast(7, fan, (show.first, "none"))
    assert not await access.has_voted(7, fan)


async def test_a_cold_ballot_is_read_from_the_rows_and_stays_cold(
    vote_path: VotePath, factory: RowFactory, access: ResultsAccess
) -> None:
    """A committed vote is found after Valkey has thrown its copy away, and the read makes nothing warm."""
    show = await factory.show(7)
    fan, other = await factory.users(2)
    async with vote_path.writer():
        await vote_path.cast(7, fan, (show.first, "up"))
        await until(vote_path.is_drained)
    await open_shard(vote_path.database, vote_path.intake._connection.ask, 7, is_forked=True)
    assert await access.has_voted(7, fan)
    assert not await access.has_voted(7, other)
    async with Redis.from_url(vote_path.redis_url) as valkey:
        assert await valkey.keys("{7}:ballots:*") == []


async def test_a_vote_in_the_log_alone_is_waited_for(
    vote_path: VotePath, factory: RowFactory, access: ResultsAccess
) -> None:
    """After a reset only the log knows the vote: the answer comes with its commit, and is never a wrong no."""
    show = await factory.show(7)
    (fan,) = await factory.users(1)
    await vote_path.cast(7, fan, (show.first, "up"))
    await open_shard(vote_path.database, vote_path.intake._connection.ask, 7, is_forked=True)
    counts = count_commands(access)
    asked = asyncio.create_task(access.has_voted(7, fan))

    async def has_tried() -> bool:
        return len(counts) >= 2

    await until(has_tried)
    assert not asked.done()
    async with vote_path.writer():
        assert await asked


async def test_a_commit_that_does_not_come_is_unavailable(
    vote_path: VotePath, factory: RowFactory, access: ResultsAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is bounded; then the client is asked to try again."""
    monkeypatch.setattr(results_access, "TRIES_MAX", 2)
    show = await factory.show(7)
    (fan,) = await factory.users(1)
    await vote_path.cast(7, fan, (show.first, "up"))
    await open_shard(vote_path.database, vote_path.intake._connection.ask, 7, is_forked=True)
    with pytest.raises(Refused) as refusal:
        await access.has_voted(7, fan)
    assert (refusal.value.code, refusal.value.retry_after_ms) == ("unavailable", 1_000)


async def test_questions_at_the_same_time_share_a_read(
    vote_path: VotePath, factory: RowFactory, access: ResultsAccess
) -> None:
    """Fans of two shows, some with a hot ballot, some with a cold one, cost one question to Valkey."""
    shows = [await factory.show(show_id) for show_id in (7, 8)]
    fans = await factory.users(6)
    for fan in fans[:2]:
        await vote_path.decided([(show.id, fan, [(show.first, "up")]) for show in shows])
    await access.has_voted(7, fans[0])
    counts = count_commands(access)
    answers = await asyncio.gather(*(access.has_voted(show.id, fan) for show in shows for fan in fans))
    assert answers == [True, True, False, False, False, False] * 2
    assert counts == [4]


async def test_a_cancelled_question_does_not_cancel_others(
    vote_path: VotePath, factory: RowFactory, access: ResultsAccess
) -> None:
    """A read goes on when the task that began it is cancelled."""
    show = await factory.show(7)
    (fan,) = await factory.users(1)
    await vote_path.cast(7, fan, (show.first, "up"))
    first, second = (asyncio.create_task(access.has_voted(7, fan)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert first.cancelled()


async def test_without_valkey_committed_votes_are_known(vote_path: VotePath, factory: RowFactory) -> None:
    """Pages still load: the rows answer."""
    show = await factory.show(7)
    fan, other = await factory.users(2)
    async with vote_path.writer():
        await vote_path.cast(7, fan, (show.first, "up"))
        await until(vote_path.is_drained)
    deaf = ResultsAccess("unix:///nowhere/valkey.sock", vote_path.database, shard_count=SHARD_COUNT)
    assert await deaf.has_voted(7, fan)
    assert not await deaf.has_voted(7, other)
    await deaf.close()


async def test_without_postgres_only_hot_ballots_are_known(
    database_url: str, vote_path: VotePath, factory: RowFactory
) -> None:
    """A hot ballot answers; for a cold one the client is asked to try again."""
    show = await factory.show(7)
    fan, other = await factory.users(2)
    await vote_path.cast(7, fan, (show.first, "up"))
    database = await Database.open(database_url, pool_size=1)
    access = ResultsAccess(vote_path.redis_url, database, shard_count=SHARD_COUNT)
    try:
        assert await access.has_voted(7, fan)
        await database.close()
        assert await access.has_voted(7, fan)
        with pytest.raises(Refused) as refusal:
            await access.has_voted(7, other)
        assert refusal.value.code == "unavailable"
    finally:
        await access.close()


async def test_results_are_read_past_the_intake(node: Node, factory: RowFactory, people: People) -> None:
    """A node whose intake takes no more casts still shows a voter the counts."""
    show = await factory.show(7)
    await factory.sql.execute("update shows set results = 'after_vote' where id = 7")
    fan, other = await people.person(), await people.person()
    await fan.ok("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    node.rooms.intake.refuse_new()
    assert (await fan.ok("GET", "/api/shows/7/results"))["songs"][0]["up"] == 1
    assert (await fan.ok("GET", "/api/shows/7"))["setlists"][0]["songs"][0]["up"] == 1
    assert (await fan.ok("GET", "/api/analytics/vote-stats?show=7"))["songs"][0]["up"] == 1
    assert await other.refused("GET", "/api/shows/7/results") == "forbidden"
