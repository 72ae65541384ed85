"""The audit of the fault tests finds every kind of damage."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
import redis.asyncio

from server.cache.keys import SPENT_KEY, ballots_key, meta_key, tally_key
from tests.faults.conftest import Place
from tests.support.audit import SHARD_COUNT, differences, differences_seen, until_drained
from tests.support.recording_crowd import Ledger, Mark, request_of
from tests.support.stepped_client import SteppedClient

pytestmark = pytest.mark.timeout(60)


# A damage: the statement that makes it, and the kinds of lines that must report it. The counting triggers stay on, so the
# counts follow a row that a statement adds or deletes.
CORRUPTIONS = {
    "a tally": ("update setlist_songs set up_count = up_count + 1 where id = {first}", {"tally"}),
    "a vote lost": ("delete from votes where setlist_song_id = {first}", {"promise", "history", "hot ballot"}),
    "a vote changed": ("update votes set choice = 'up' where setlist_song_id = {first}", {"promise", "history"}),
    "a vote that was never cast": (
        "insert into votes select {third}, user_id, show_id, 'up', now() from votes limit 1",
        {"promise", "history"},
    ),
    "a show's total too high": ("update shows set vote_count = vote_count + 1 where id = {show}", {"total"}),
    "a setlist's total too low": ("update setlists set vote_count = vote_count - 1 where show_id = {show}", {"total"}),
    "a change that is twice in the history": (
        (
            "insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)"
            " select show_id, setlist_song_id, user_id, previous, choice, cast_at from vote_analytics limit 1"
        ),
        {"history", "rollup"},
    ),
    "an hour": ("update vote_rollups set up_count = up_count + 1", {"rollup"}),
    "a day's budget": ("update user_vote_limits set spent = 1", {"limit", "hot limit"}),
    "a mark lost": ("delete from user_show_attendance", {"promise"}),
    "a mark that was never made": (
        "insert into user_follows_artists select u.id, a.id from users u, artists a on conflict do nothing",
        {"promise"},
    ),
    "an attendance count too high": ("update shows set attendance_count = attendance_count + 1", {"total"}),
    "a follower count too high": ("update artist_stats set follower_count = follower_count + 1", {"total"}),
    "an entry lost": ("delete from log_commits", {"promise"}),
    "an entry committed twice": (
        "insert into log_commits (shard, position, entries) select shard, position, entries from log_commits",
        {"promise"},
    ),
    "a position": ("update log_positions set position = position + 1 where shard = {shard}", {"log"}),
}


async def test_the_audit_finds_damage(place: Place) -> None:
    """After a fan's votes and marks the audit finds nothing, and then it finds each damage to a row or a value in Valkey."""
    node = await place.start_node()
    show, user, ledger = place.shows[0], place.users[0], Ledger()
    async with SteppedClient.connected(node.url, user) as client:
        for votes in ({show.songs[0]: "up", show.songs[1]: "up"}, {show.songs[0]: "down"}):
            cast = ledger.sent(user.id, show.id, votes)
            ok = await client.cast(show.id, votes)
            cast.outcome, cast.at = ok["durability"], ok["at"]
        marks: list[Mark] = [("attend", show.id), ("follow", show.artist)]
        for mark in marks:
            cast = ledger.sent(user.id, mark[1], {mark: "yes"})
            ok = (await client.ask(**request_of(mark[1], {mark: "yes"})))["ok"]
            cast.outcome, cast.at = ok["durability"], ok["at"]
    await until_drained(place.database_url, place.redis_url)
    await node.end()
    assert await differences(place.database_url, place.redis_url, ledger) == []
    connection = await asyncpg.connect(place.database_url)
    for damage, (statement, kinds) in CORRUPTIONS.items():
        values = {"first": show.songs[0], "third": show.songs[2], "show": show.id, "shard": show.id % SHARD_COUNT}
        damaging = connection.transaction()
        await damaging.start()
        await connection.execute(statement.format(**values))
        found = await differences_seen(connection, place.redis_url, ledger)
        await damaging.rollback()
        assert {line.partition(":")[0] for line in found} >= kinds, f"{damage}: {found}"
    await connection.close()
    shard = show.id % SHARD_COUNT
    async with redis.asyncio.Redis.from_url(place.redis_url) as valkey:
        await valkey.hset(tally_key(shard, show.id), str(show.songs[0]), "7 0")
        await valkey.hset(ballots_key(shard, show.id), str(user.id), f"{show.songs[0]}u")
        packed: Any = await valkey.hget(SPENT_KEY, str(user.id))
        generation, day, spent = packed.decode().split()
        await valkey.hset(SPENT_KEY, str(user.id), f"{generation} {day} {int(spent) + 1}")
        await valkey.hincrby(meta_key(shard), "last", 1)
    found = await differences(place.database_url, place.redis_url, ledger)
    assert sorted({line.partition(":")[0] for line in found}) == ["hot ballot", "hot limit", "hot tally", "log"]


def test_promises() -> None:
    """The newest acknowledged choice is a promise; only a newer cast that was not refused may replace it."""
    ledger = Ledger()
    outcomes = [("up", "committed"), ("none", "refused"), ("down", "accepted"), ("none", "refused")]
    for choice, outcome in outcomes:
        ledger.sent(1, 7, {101: choice}).outcome = outcome  # type: ignore[assignment]
    assert ledger.allowed((1, 101), may_lose_accepted=False) == {"down"}
    assert ledger.allowed((1, 101), may_lose_accepted=True) == {"down", "up"}
    ledger.sent(1, 7, {101: "none"}).outcome = "unknown"
    assert ledger.allowed((1, 101), may_lose_accepted=False) == {"down", "none"}
    assert ledger.doubtful(1) == [(7, 101, "none")]
    ledger.sent(1, 7, {101: "up"}).outcome = "committed"
    assert ledger.allowed((1, 101), may_lose_accepted=True) == {"up"}
    ledger.sent(2, 7, {101: "up"}).outcome = "unknown"
    assert ledger.allowed((2, 101), may_lose_accepted=False) == {"up", "none"}
