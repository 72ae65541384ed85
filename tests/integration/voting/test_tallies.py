"""Counts read from Valkey or PostgreSQL, and their positions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from server.voting.tallies import Tallies
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import SHARD_COUNT, Outcome, VotePath

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, vote_path = one_node.emptied_database, one_node.vote_path


@pytest_asyncio.fixture(loop_scope="module")
async def tallies(vote_path: VotePath) -> AsyncIterator[Tallies]:
    """The reader of counts, on the engines of the vote path."""
    opened = Tallies(vote_path.redis_url, vote_path.database, shard_count=SHARD_COUNT)
    yield opened
    await opened.close()


async def test_a_read_is_never_older_than_a_push(vote_path: VotePath, factory: RowFactory, tallies: Tallies) -> None:
    """A show is pushed with the position of its shard's batch; a client that joins later must not get an earlier one."""
    show, neighbour = await factory.show(7), await factory.show(23)
    (user,) = await factory.users(1)
    await vote_path.cast(7, user, (show.first, "up"))
    await vote_path.cast(23, user, (neighbour.first, "up"))
    async with vote_path.writer():
        await until(vote_path.is_drained)
    pushed_at = await factory.sql.fetchval("select position from shows where id = 7")
    hot = await tallies.read(7)
    cold = await tallies.read_committed(7)
    assert hot is not None
    assert cold is not None
    assert hot.at >= pushed_at
    assert hot.at >= cold.at
    assert (hot.total, hot.counts) == (cold.total, cold.counts)


async def test_a_cast_that_changes_nothing_moves_the_position(
    vote_path: VotePath, factory: RowFactory, tallies: Tallies
) -> None:
    """It is logged and moves the show's position, so the hot counts have that position too."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    for _ in range(3):
        assert (await vote_path.cast(7, user, (show.first, "up"))).code == "ok"
    async with vote_path.writer():
        await until(vote_path.is_drained)
    hot = await tallies.read(7)
    assert hot is not None
    assert hot.at >= await factory.sql.fetchval("select position from shows where id = 7")
    assert hot.counts[0] == (show.first, 1, 0)


async def test_counts_are_hot_before_they_are_committed(
    vote_path: VotePath, factory: RowFactory, tallies: Tallies
) -> None:
    """The newest counts of a warm show are read without a writer, at the position of their entry."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    before = await tallies.read(7)
    outcome = await vote_path.cast(7, user, (show.first, "down"))
    after = await tallies.read(7)
    assert before is not None
    assert after is not None
    assert outcome.taken is not None
    assert before.at <= outcome.taken[0] <= after.at
    assert (after.total, after.counts[0]) == (1, (show.first, 0, 1))


async def test_an_unknown_show(vote_path: VotePath, factory: RowFactory, tallies: Tallies) -> None:
    """It has no tally, and the read leaves no key behind."""
    assert await tallies.read(999) is None
    async with Redis.from_url(vote_path.redis_url) as valkey:
        assert [key async for key in valkey.scan_iter("*999*")] == []


async def test_without_valkey_counts_come_from_postgres(
    database_url: str, vote_path: VotePath, factory: RowFactory
) -> None:
    """Pages still load, with the committed counts."""
    show = await factory.show(7)
    deaf = Tallies("unix:///nowhere/valkey.sock", vote_path.database, shard_count=SHARD_COUNT)
    tally = await deaf.read(7)
    assert tally is not None
    assert tally.counts == [(song, 0, 0) for song in show.songs]
    await deaf.close()


async def test_a_lock_that_overtakes_a_warm_up_holds(
    vote_path: VotePath, factory: RowFactory, tallies: Tallies
) -> None:
    """A cold show's rules are read, then it is locked, then the rows arrive: the lock must hold."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    read_cold = vote_path.intake._warm_up._read

    async def locked_meanwhile(casts: list[object]) -> object:
        gone = await read_cold(casts)  # type: ignore[arg-type]
        await factory.sql.execute("update shows set is_locked = true where id = 7 and not is_locked")
        await tallies.revise([7])
        return gone

    vote_path.intake._warm_up._read = locked_meanwhile  # type: ignore[method-assign,assignment]
    assert (await vote_path.cast(7, user, (show.first, "up"))).code == "locked"


async def test_a_deleted_show_takes_no_votes(vote_path: VotePath, factory: RowFactory, tallies: Tallies) -> None:
    """Voters cannot vote in a deleted warm show, as soon as a node learns of it."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    assert (await vote_path.cast(7, user)).code == "ok"
    await factory.sql.execute("delete from shows where id = 7")
    await tallies.revise([7])
    assert (await vote_path.cast(7, user, (show.first, "up"))).code == "not_found"


async def test_rows_that_no_cast_needs_are_not_kept(vote_path: VotePath, factory: RowFactory) -> None:
    """An erased user asks for a cold show; its rows are not sent later, when they are out of date."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    assert (await vote_path.cast(7, 10**9, (show.first, "up"))).code == "unauthenticated"
    # The show is cold and has no watchers, so nothing is revised.
    await factory.sql.execute("update shows set is_locked = true where id = 7")
    assert (await vote_path.cast(7, user, (show.first, "up"))).code == "locked"


async def test_a_later_cast_does_not_overtake_one_in_warm_up(vote_path: VotePath, factory: RowFactory) -> None:
    """The first vote meets a cold show and waits; the second comes when the first may go on, and still is second."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    read_cold = vote_path.intake._warm_up._read
    outcomes: list[Outcome] = []

    async def second_vote_meanwhile(casts: list[object]) -> object:
        gone = await read_cold(casts)  # type: ignore[arg-type]
        if len(outcomes) == 1:
            outcomes.append(vote_path.submit(7, user, (show.first, "none")))
        return gone

    vote_path.intake._warm_up._read = second_vote_meanwhile  # type: ignore[method-assign,assignment]
    outcomes.append(vote_path.submit(7, user, (show.first, "up")))

    async def are_decided() -> bool:
        vote_path.intake.pending_acks.accept_older(float("inf"))
        return len(outcomes) == 2 and all(outcome.taken for outcome in outcomes)

    await until(are_decided)
    ballot = await vote_path.cast(7, user)
    assert ballot.taken is not None
    assert ballot.taken[2] == {}
