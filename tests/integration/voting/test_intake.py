"""Intake and script on a real Valkey: limits, order, the chain of the log, and the answers."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from server.clock import SystemClock
from server.errors import Refused
from server.node.readings import value_of
from server.protocol.positions import from_stream_id, position_of
from server.telemetry import CASTS
from server.voting import intake as intake_module
from server.voting.leases import Leases
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import SHARD_COUNT, VotePath

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, vote_path = one_node.emptied_database, one_node.vote_path


async def log_of(vote_path: VotePath, shard: int) -> list[tuple[int, int, list[list[int]]]]:
    """(position, previous, casts) of every entry of a shard's log."""
    async with Redis.from_url(vote_path.redis_url) as valkey:
        entries: Any = await valkey.xrange(f"{{{shard}}}:log")
    return [
        (from_stream_id(entry_id), int(fields[b"p"]), msgspec.msgpack.decode(fields[b"e"]))
        for entry_id, fields in entries
    ]


async def test_every_entry_names_the_one_before(vote_path: VotePath, factory: RowFactory) -> None:
    """Positions grow, each entry follows its predecessor, and each accepted cast is in exactly one of them."""
    show, neighbour = await factory.show(7), await factory.show(23)
    users = await factory.users(5)
    for user in users:
        await vote_path.decided([(7, user, [(show.first, "up")]), (23, user, [(neighbour.first, "down")])])
    entries = await log_of(vote_path, 7)
    positions = [position for position, _, _ in entries]
    assert positions == sorted(set(positions))
    assert [previous for _, previous, _ in entries[1:]] == positions[:-1]
    logged = sorted((cast[0], cast[1]) for _, _, casts in entries for cast in casts)
    assert logged == sorted((show_id, user) for show_id in (7, 23) for user in users)


async def test_a_cast_that_changes_nothing_is_logged_again(vote_path: VotePath, factory: RowFactory) -> None:
    """Its first copy may have been lost, so a retry must reach PostgreSQL by itself; it costs nothing."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    outcomes = [await vote_path.cast(7, user, (show.first, "up")) for _ in range(3)]
    assert [outcome.code for outcome in outcomes] == ["ok"] * 3
    casts = [cast for _, _, casts in await log_of(vote_path, 7) for cast in casts]
    assert [cast[2:4] for cast in casts] == [[show.first, 1]] * 3
    assert [cast[-1] for cast in casts] == [1, 1, 1]


async def test_a_refused_cast_leaves_no_trace(vote_path: VotePath, factory: RowFactory) -> None:
    """No log entry, no count, no ballot."""
    show = await factory.show(7, is_locked=True)
    (user,) = await factory.users(1)
    assert (await vote_path.cast(7, user, (show.first, "up"))).code == "locked"
    assert (await vote_path.cast(7, user)).code == "ok"
    assert await log_of(vote_path, 7) == []


@pytest.mark.parametrize("seq", [5, 1023])
async def test_positions_grow_although_the_clock_went_back(vote_path: VotePath, factory: RowFactory, seq: int) -> None:
    """The log ends in the future, or has used all numbers of a millisecond: the next position still is one more."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    await vote_path.cast(7, user)
    end = position_of(SystemClock().now_ms() + 60_000, seq)
    async with Redis.from_url(vote_path.redis_url) as valkey:
        await valkey.hset("{7}:meta", "last", str(end))
    outcome = await vote_path.cast(7, user, (show.first, "up"))
    assert outcome.taken is not None
    assert outcome.taken[0] == end + 1
    assert [entry[:2] for entry in await log_of(vote_path, 7)] == [(end + 1, end)]


async def test_casts_of_one_user_count_in_their_order(
    vote_path: VotePath, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a shard's votes do not fit into one round of the script."""
    monkeypatch.setattr(intake_module, "SCRIPT_VOTES_MAX", 2)
    shows = [await factory.show(show_id) for show_id in (7, 23, 8)]
    (user,) = await factory.users(1)
    choices = ["up", "down", "none", "down", "up", "none", "up", "down"]
    casts = [(show.id, user, [(show.first, choice)]) for choice in choices for show in shows]
    outcomes = await vote_path.decided(casts)
    for (show_id, _, votes), outcome in zip(casts, outcomes, strict=True):
        assert outcome.taken is not None
        assert outcome.taken[2] == ({votes[0][0]: votes[0][1]} if votes[0][1] != "none" else {}), show_id


async def test_casts_that_have_gathered_do_not_wait_again(
    vote_path: VotePath, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those without room in a round go with the next one at once, and only theirs was a long wait."""
    show = await factory.show(7)
    users = await factory.users(5)
    await vote_path.decided([(7, user, []) for user in users])  # warm
    monkeypatch.setattr(intake_module, "SCRIPT_VOTES_MAX", 2)
    monkeypatch.setattr(intake_module, "BUSY_ROUND_CASTS", 1)
    monkeypatch.setattr(intake_module, "GATHER_BUSY_S", 3_600.0)
    outcomes = await vote_path.decided([(7, user, [(show.first, "up")]) for user in users])
    assert [outcome.code for outcome in outcomes] == ["ok"] * 5


async def test_too_many_casts_at_once(
    vote_path: VotePath, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the limit casts are refused with the time to try again; earlier ones are decided."""
    show = await factory.show(7)
    users = await factory.users(8)
    monkeypatch.setattr(intake_module, "PENDING_CASTS_MAX", 5)
    before = value_of(CASTS, "overloaded")
    outcomes = await vote_path.decided([(7, user, [(show.first, "up")]) for user in users])
    assert [outcome.code for outcome in outcomes] == ["ok"] * 5 + ["overloaded"] * 3
    assert value_of(CASTS, "overloaded") - before == 3
    assert all(outcome.refusal.retry_after_ms for outcome in outcomes[5:] if outcome.refusal)
    assert (await vote_path.cast(7, users[-1], (show.first, "up"))).code == "ok"


async def test_accepted_first_and_durable_later(vote_path: VotePath, factory: RowFactory) -> None:
    """Without a writer a vote is accepted after a second. No notification tells of its commit, so PostgreSQL is asked."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    outcome = await vote_path.submit(7, user, (show.first, "up")).known()
    assert outcome.taken is not None
    assert outcome.taken[1] == "accepted"
    async with vote_path.writer():

        async def is_durable() -> bool:
            return outcome.durable_at is not None

        await until(is_durable)
    assert outcome.durable_at == outcome.taken[0]
    assert (await factory.tally(7))[0] == [show.first, 1, 0]


async def test_a_stopping_intake_answers_earlier_casts(vote_path: VotePath, factory: RowFactory) -> None:
    """New casts are refused as unavailable, earlier ones are still decided and committed."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    outcome = vote_path.submit(7, user, (show.first, "up"))
    vote_path.intake.refuse_new()
    with pytest.raises(Refused) as refusal:
        vote_path.submit(7, user, (show.first, "down"))
    assert refusal.value.code == "unavailable"
    assert refusal.value.retry_after_ms
    async with vote_path.writer(), asyncio.timeout(20):
        await vote_path.intake.drained()
    assert outcome.code == "ok"
    assert (await factory.tally(7))[0] == [show.first, 1, 0]


async def test_two_intakes_decide_together(database_url: str, vote_path: VotePath, factory: RowFactory) -> None:
    """Two nodes on one Valkey share budgets, ballots and logs."""
    show = await factory.show(7, budget=2)
    users = await factory.users(6)
    async with VotePath.open(database_url, vote_path.redis_url) as other, vote_path.writer(), other.writer():
        for user in users:
            one, two = await asyncio.gather(
                vote_path.decided([(7, user, [(song, "up")]) for song in show.songs]),
                other.decided([(7, user, [(song, "up")]) for song in reversed(show.songs)]),
            )
            codes = {outcome.code for outcome in (*one, *two)}
            assert codes <= {"ok", "budget"}
            ballot = await vote_path.cast(7, user)
            assert ballot.taken is not None
            assert len(ballot.taken[2]) == 2
            assert ballot.taken[3] == 0
        await until(vote_path.is_drained)
    assert await factory.counted(7) == await factory.tally(7)
    assert sum(up for _, up, _ in await factory.tally(7)) == 2 * len(users)


async def test_leases_are_shared_and_inherited(database_url: str, factory: RowFactory) -> None:
    """Two nodes share all shards without overlap; when one disconnects the other takes them all."""
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


async def test_one_account_cannot_fill_the_queue(vote_path: VotePath, factory: RowFactory) -> None:
    """Ten casts of a hundred songs that change nothing wait, more are refused, and a fan who comes after them is decided in
    the first round.
    """
    show = await factory.show(7, song_count=100)
    flood, fan = await factory.users(2)
    songs = [(song, "up") for song in show.songs]
    await vote_path.decided([(7, flood, songs), (7, fan, [])])
    casts = [(7, flood, songs)] * 11 + [(7, fan, [(show.first, "up")])]
    *flooding, refused, honest = await vote_path.decided(casts)
    assert refused.code == "overloaded"
    ats = [outcome.taken[0] for outcome in flooding if outcome.taken is not None]
    assert len(ats) == len(set(ats)) == 10
    assert honest.taken is not None
    assert honest.taken[0] == ats[0]
