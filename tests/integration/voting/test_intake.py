"""Intake and script on a real Valkey: limits, order, the log's chain, and who is told what."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from server.errors import Refused
from server.protocol.positions import from_stream_id, position_of
from server.voting import intake as intake_module
from server.voting.leases import Leases
from tests.support.booth import SHARD_COUNT, Booth
from tests.support.theatre import Theatre, until


async def log_of(booth: Booth, shard: int) -> list[tuple[int, int, list[list[int]]]]:
    """(position, previous, casts) of every entry of a shard's log."""
    async with Redis.from_url(booth.redis_url) as valkey:
        entries: Any = await valkey.xrange(f"{{{shard}}}:log")
    return [
        (from_stream_id(entry_id), int(fields[b"p"]), msgspec.msgpack.decode(fields[b"e"]))
        for entry_id, fields in entries
    ]


async def test_every_entry_names_the_one_before(booth: Booth, theatre: Theatre) -> None:
    """Positions grow, each entry follows its predecessor, and each accepted cast is in exactly one of them."""
    show, neighbour = await theatre.show(7), await theatre.show(23)
    users = await theatre.users(5)
    for user in users:
        await booth.decided([(7, user, [(show.first, "up")]), (23, user, [(neighbour.first, "down")])])
    entries = await log_of(booth, 7)
    positions = [position for position, _, _ in entries]
    assert positions == sorted(set(positions))
    assert [previous for _, previous, _ in entries[1:]] == positions[:-1]
    logged = sorted((cast[0], cast[1]) for _, _, casts in entries for cast in casts)
    assert logged == sorted((show_id, user) for show_id in (7, 23) for user in users)


async def test_a_cast_that_changes_nothing_is_logged_again(booth: Booth, theatre: Theatre) -> None:
    """Its first copy may have been lost, so a retry must reach PostgreSQL by itself; it costs nothing."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    outcomes = [await booth.cast(7, user, (show.first, "up")) for _ in range(3)]
    assert [outcome.code for outcome in outcomes] == ["ok"] * 3
    casts = [cast for _, _, casts in await log_of(booth, 7) for cast in casts]
    assert [cast[2:4] for cast in casts] == [[show.first, 1]] * 3
    assert [cast[-1] for cast in casts] == [1, 1, 1]


async def test_what_is_refused_leaves_no_trace(booth: Booth, theatre: Theatre) -> None:
    """No log entry, no count, no ballot."""
    show = await theatre.show(7, is_locked=True)
    (user,) = await theatre.users(1)
    assert (await booth.cast(7, user, (show.first, "up"))).code == "locked"
    assert (await booth.cast(7, user)).code == "ok"
    assert await log_of(booth, 7) == []


@pytest.mark.parametrize("seq", [5, 1023])
async def test_positions_grow_although_the_clock_went_back(booth: Booth, theatre: Theatre, seq: int) -> None:
    """The log ends in the future, or has used up its millisecond: the next position still is the next."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    await booth.cast(7, user)
    end = position_of(4_000_000_000_000, seq)
    async with Redis.from_url(booth.redis_url) as valkey:
        await valkey.hset("{7}:meta", "last", str(end))
    outcome = await booth.cast(7, user, (show.first, "up"))
    assert outcome.taken is not None
    assert outcome.taken[0] == end + 1
    assert [entry[:2] for entry in await log_of(booth, 7)] == [(end + 1, end)]


async def test_casts_of_one_user_count_in_their_order(
    booth: Booth, theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a shard's votes do not fit into one round of the script."""
    monkeypatch.setattr(intake_module, "SCRIPT_VOTES_MAX", 2)
    shows = [await theatre.show(show_id) for show_id in (7, 23, 8)]
    (user,) = await theatre.users(1)
    choices = ["up", "down", "none", "down", "up", "none", "up", "down"]
    casts = [(show.id, user, [(show.first, choice)]) for choice in choices for show in shows]
    outcomes = await booth.decided(casts)
    for (show_id, _, votes), outcome in zip(casts, outcomes, strict=True):
        assert outcome.taken is not None
        assert outcome.taken[2] == ({votes[0][0]: votes[0][1]} if votes[0][1] != "none" else {}), show_id


async def test_too_many_casts_at_once(booth: Booth, theatre: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit they are refused with a hint when to come back; the ones before are decided."""
    show = await theatre.show(7)
    users = await theatre.users(8)
    monkeypatch.setattr(intake_module, "PENDING_CASTS_MAX", 5)
    outcomes = await booth.decided([(7, user, [(show.first, "up")]) for user in users])
    assert [outcome.code for outcome in outcomes] == ["ok"] * 5 + ["overloaded"] * 3
    assert all(outcome.refusal.retry_after_ms for outcome in outcomes[5:] if outcome.refusal)
    assert (await booth.cast(7, users[-1], (show.first, "up"))).code == "ok"


async def test_accepted_first_and_durable_later(booth: Booth, theatre: Theatre) -> None:
    """Without a writer a vote is accepted after a second; nobody told it was committed, so it is found out by asking."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    outcome = await booth.submit(7, user, (show.first, "up")).known()
    assert outcome.taken is not None
    assert outcome.taken[1] == "accepted"
    async with booth.writer():

        async def is_durable() -> bool:
            return outcome.durable_at is not None

        await until(is_durable)
    assert outcome.durable_at == outcome.taken[0]
    assert (await theatre.tally(7))[0] == [show.first, 1, 0]


async def test_stopping_answers_what_is_under_way(booth: Booth, theatre: Theatre) -> None:
    """New casts are refused as unavailable, earlier ones are still decided and committed."""
    show = await theatre.show(7)
    (user,) = await theatre.users(1)
    outcome = booth.submit(7, user, (show.first, "up"))
    booth.intake.refuse_new()
    with pytest.raises(Refused) as refusal:
        booth.submit(7, user, (show.first, "down"))
    assert refusal.value.code == "unavailable"
    assert refusal.value.retry_after_ms
    async with booth.writer(), asyncio.timeout(20):
        await booth.intake.drained()
    assert outcome.code == "ok"
    assert (await theatre.tally(7))[0] == [show.first, 1, 0]


async def test_two_intakes_are_one(database_url: str, booth: Booth, theatre: Theatre) -> None:
    """Two nodes on one Valkey decide as one: a user's budget is shared, and so are ballot and log."""
    show = await theatre.show(7, budget=2)
    users = await theatre.users(6)
    async with Booth.open(database_url, booth.redis_url) as other, booth.writer(), other.writer():
        for user in users:
            one, two = await asyncio.gather(
                booth.decided([(7, user, [(song, "up")]) for song in show.songs]),
                other.decided([(7, user, [(song, "up")]) for song in reversed(show.songs)]),
            )
            codes = {outcome.code for outcome in (*one, *two)}
            assert codes <= {"ok", "budget"}
            ballot = await booth.cast(7, user)
            assert ballot.taken is not None
            assert len(ballot.taken[2]) == 2
            assert ballot.taken[3] == 0
        await until(booth.is_drained)
    assert await theatre.counted(7) == await theatre.tally(7)
    assert sum(up for _, up, _ in await theatre.tally(7)) == 2 * len(users)


async def test_leases_are_shared_and_inherited(database_url: str, theatre: Theatre) -> None:
    """Two nodes share all shards without overlap; when one hangs up the other has them all."""
    one, two = Leases(database_url, SHARD_COUNT), Leases(database_url, SHARD_COUNT)
    try:
        assert await one.refresh() == set(range(SHARD_COUNT))
        await two.refresh()
        await one.refresh()
        await two.refresh()
        assert one.held | two.held == set(range(SHARD_COUNT))
        assert one.held & two.held == set()
        await two.close()
        assert two.held == set()

        async def has_all() -> bool:
            return await one.refresh() == set(range(SHARD_COUNT))

        await until(has_all)
    finally:
        await one.close()
        await two.close()
