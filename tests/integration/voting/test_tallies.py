"""Counts as they are read, from Valkey or from PostgreSQL, and the positions they stand at."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from server.voting.tallies import Tallies
from tests.support.booth import SHARD_COUNT, Booth
from tests.support.theatre import Theatre, until


@pytest.fixture
async def tallies(booth: Booth) -> AsyncIterator[Tallies]:
    """The reader of counts, on the booth's engines."""
    opened = Tallies(booth.redis_url, booth.database, shard_count=SHARD_COUNT)
    yield opened
    await opened.close()


async def test_what_is_read_is_never_older_than_what_was_pushed(
    booth: Booth, theatre: Theatre, tallies: Tallies
) -> None:
    """A show is pushed at the end of its shard's batch; whoever joins afterwards must not be put back before that."""
    show, neighbour = await theatre.show(7), await theatre.show(23)
    (user,) = await theatre.users(1)
    await booth.cast(7, user, (show.first, "up"))
    await booth.cast(23, user, (neighbour.first, "up"))
    async with booth.writer():
        await until(booth.is_drained)
    pushed_at = await theatre.sql.fetchval("select position from shows where id = 7")
    hot = await tallies.read(7)
    cold = await tallies.read_committed(7)
    assert hot is not None
    assert cold is not None
    assert hot.at >= pushed_at
    assert hot.at >= cold.at
    assert (hot.total, hot.counts) == (cold.total, cold.counts)


async def test_a_cast_that_changes_nothing_leads_nowhere_back(booth: Booth, theatre: Theatre, tallies: Tallies) -> None:
    """It is logged and moves the show's position, so the hot counts stand there too."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    for _ in range(3):
        assert (await booth.cast(7, user, (show.first, "up"))).code == "ok"
    async with booth.writer():
        await until(booth.is_drained)
    hot = await tallies.read(7)
    assert hot is not None
    assert hot.at >= await theatre.sql.fetchval("select position from shows where id = 7")
    assert hot.counts[0] == (show.first, 1, 0)


async def test_counts_are_hot_before_they_are_committed(booth: Booth, theatre: Theatre, tallies: Tallies) -> None:
    """With the show warm the newest counts are read, without a writer and at the position of their entry."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    before = await tallies.read(7)
    outcome = await booth.cast(7, user, (show.first, "down"))
    after = await tallies.read(7)
    assert before is not None
    assert after is not None
    assert outcome.taken is not None
    assert before.at <= outcome.taken[0] <= after.at
    assert (after.total, after.counts[0]) == (1, (show.first, 0, 1))


async def test_a_show_that_is_not_there(booth: Booth, theatre: Theatre, tallies: Tallies) -> None:
    """Nothing is read of it, and asking leaves nothing behind."""
    assert await tallies.read(999) is None
    async with Redis.from_url(booth.redis_url) as valkey:
        assert [key async for key in valkey.scan_iter("*999*")] == []


async def test_without_valkey_counts_come_from_postgres(database_url: str, booth: Booth, theatre: Theatre) -> None:
    """Pages still load: counts freeze at what is committed."""
    show = await theatre.show(7)
    deaf = Tallies("unix:///nowhere/valkey.sock", booth.database, shard_count=SHARD_COUNT)
    tally = await deaf.read(7)
    assert tally is not None
    assert tally.counts == [(song, 0, 0) for song in show.songs]
    await deaf.close()


async def test_a_lock_that_overtakes_a_seed_holds(booth: Booth, theatre: Theatre, tallies: Tallies) -> None:
    """A cold show's rules are read, then it is locked, then what was read arrives: the lock must stand."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    read_seeds = booth.intake._seeds._read

    async def locked_meanwhile(casts: list[object]) -> object:
        gone = await read_seeds(casts)  # type: ignore[arg-type]
        await theatre.sql.execute("update shows set is_locked = true where id = 7 and not is_locked")
        await tallies.revise([7])
        return gone

    booth.intake._seeds._read = locked_meanwhile  # type: ignore[method-assign,assignment]
    assert (await booth.cast(7, user, (show.first, "up"))).code == "locked"


async def test_a_show_that_is_gone_takes_no_votes(booth: Booth, theatre: Theatre, tallies: Tallies) -> None:
    """A warm show that was deleted is not there for voters either, as soon as a node hears of it."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    assert (await booth.cast(7, user)).code == "ok"
    await theatre.sql.execute("delete from shows where id = 7")
    await tallies.revise([7])
    assert (await booth.cast(7, user, (show.first, "up"))).code == "not_found"


async def test_a_seed_nobody_takes_does_not_lie_in_wait(booth: Booth, theatre: Theatre) -> None:
    """A user who is gone asks for a cold show; what was read for them is not put in later, when it is out of date."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    assert (await booth.cast(7, 10**9, (show.first, "up"))).code == "unauthenticated"
    # Nobody watches and the show is cold, so nobody has anything to revise.
    await theatre.sql.execute("update shows set is_locked = true where id = 7")
    assert (await booth.cast(7, user, (show.first, "up"))).code == "locked"


async def test_a_later_cast_does_not_overtake_one_that_waits_for_its_seed(booth: Booth, theatre: Theatre) -> None:
    """The first vote meets a cold show and waits; the second comes just when it may go on, and still is second."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    read_seeds = booth.intake._seeds._read
    outcomes = []

    async def second_vote_meanwhile(casts: list[object]) -> object:
        gone = await read_seeds(casts)  # type: ignore[arg-type]
        if len(outcomes) == 1:
            outcomes.append(booth.submit(7, user, (show.first, "none")))
        return gone

    booth.intake._seeds._read = second_vote_meanwhile  # type: ignore[method-assign,assignment]
    outcomes.append(booth.submit(7, user, (show.first, "up")))

    async def are_decided() -> bool:
        booth.intake.receipts.accept_older(float("inf"))
        return len(outcomes) == 2 and all(outcome.taken for outcome in outcomes)

    await until(are_decided)
    ballot = await booth.cast(7, user)
    assert ballot.taken is not None
    assert ballot.taken[2] == {}
