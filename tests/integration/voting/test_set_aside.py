"""Groups of ballots are set aside, restored and voided while a crowd votes: counts equal rows at every commit."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from server.abuse import decisions
from server.voting import reconcile
from server.voting.results_access import ResultsAccess
from server.voting.tallies import Tallies
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import SHARD_COUNT, VotePath

# At the end of each transaction that moved a shard, as a superuser, who sees everything.
CHECK_EVERY_COMMIT = """
create table found (what text);
create function check_commit() returns trigger language plpgsql security definer as $$
begin
    insert into found select m::text from miscounts() m;
    return null;
end $$;
create constraint trigger check_commit after update on log_positions deferrable initially deferred
    for each row execute function check_commit();
"""


class Watcher:
    """What a client of `votes:7` knows: the counts at each position, from notifications that follow each other."""

    def __init__(self, counts: dict[int, list[int]]) -> None:
        self.at = 0
        self.counts = counts
        self.states: dict[int, dict[int, list[int]]] = {}

    async def has_heard(self, count: int) -> bool:
        """Whether so many commits changed the show."""
        return len(self.states) >= count

    def heard(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        """A notification of a commit."""
        change = json.loads(payload)
        if change["show"] != 7:
            return
        assert change["after"] <= self.at or self.at == 0, "a change is missing"
        self.counts = self.counts | {song: [up, down] for song, up, down in change["tally"]}
        assert change["total"] == sum(map(sum, self.counts.values()))
        self.at = change["at"]
        self.states[self.at] = self.counts


@pytest.mark.parametrize("rows_max", [10_000, 6])
async def test_counts_equal_rows_at_every_commit_of_a_running_crowd(
    vote_path: VotePath, factory: RowFactory, redis_url: str, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    """The counts of rows, notifications and Valkey agree, at each position, while groups leave, come back and go for good.

    A commit applies a decision to so many rows: at once, or in slices.
    """
    monkeypatch.setattr(decisions, "SLICE_PAUSE_S", 0.02)
    await factory.set_decision_rows_max(rows_max)
    show, neighbour = await factory.show(7, song_count=5), await factory.show(23)
    users = await factory.users(24)
    groups = [await factory.vote_group(7, users[start : start + 6]) for start in (0, 6, 12)]
    await factory.sql.execute(CHECK_EVERY_COMMIT)
    watcher = Watcher({song: [0, 0] for song in show.songs})
    await factory.sql.add_listener("votes", watcher.heard)
    tallies = Tallies(redis_url, vote_path.database, shard_count=SHARD_COUNT)
    is_over = asyncio.Event()
    random = Random(7)

    async def vote(user: int) -> None:
        while not is_over.is_set():
            choice = random.choice(["up", "down", "none"])
            songs = random.sample(show.songs, 2)
            await vote_path.decided(
                [(7, user, [(song, choice) for song in songs]), (23, user, [(neighbour.first, choice)])]
            )

    async def look() -> None:
        while not is_over.is_set():
            for seen in (await tallies.read(7), await tallies.read_committed(7)):
                assert seen is not None
                looks.append((seen.at, {song: [up, down] for song, up, down in seen.counts}))
            await asyncio.sleep(0.002)

    looks: list[tuple[int, dict[int, list[int]]]] = []
    wanted = ["set_aside", "restored", "set_aside", "void"]
    async with vote_path.writer() as writer:
        slices = decisions.Decisions(
            vote_path.database, vote_path.intake.submit_decision, writer.held_shards, shard_count=SHARD_COUNT
        )
        writer.decided = slices.committed
        handing_in = asyncio.create_task(slices.run())
        async with asyncio.TaskGroup() as crowd:
            for user in users:
                crowd.create_task(vote(user))
            crowd.create_task(look())
            for number in range(12):
                group = groups[number % 3]
                assert await factory.decide(group, wanted[number // 3])
                outcome = await vote_path.decided_on(group, 7)
                assert outcome.taken is not None
                assert outcome.taken[0] > 0
                await until(partial(is_applied, factory, group))
                # The crowd votes on before the next decision.
                seen = len(watcher.states)
                await until(partial(watcher.has_heard, seen + 2))
            is_over.set()
        await until(vote_path.is_drained)
        handing_in.cancel()
    assert await factory.sql.fetch("select * from found") == []
    compared = 0
    for at, counts in looks:
        if at in watcher.states:
            compared += 1
            assert counts == watcher.states[at]
    assert compared > 0
    assert any(map(any, watcher.counts.values()))
    # Voided groups cast on, and still do not count.
    assert sum(map(sum, watcher.counts.values())) == await factory.sql.fetchval(
        "select count(*) from votes where show_id = 7 and user_id > $1", users[17]
    )
    assert await reconcile.run(vote_path.database.url, redis_url) == []
    assert await factory.sql.fetch("select * from integrity_check()") == []
    await factory.sql.remove_listener("votes", watcher.heard)
    await tallies.close()


async def is_applied(factory: RowFactory, group: int) -> bool:
    """Whether the decision on a group is in the counts."""
    applied: bool = await factory.sql.fetchval("select state = decision from vote_groups where id = $1", group)
    return applied


async def test_a_set_aside_fan_votes_on_as_before(vote_path: VotePath, factory: RowFactory, redis_url: str) -> None:
    """The fan's own ballot, budget and order, and the right to see counts, are what they were; reconcile sees a lost mark."""
    show = await factory.show(7, budget=2)
    fan, other = await factory.users(2)
    group = await factory.vote_group(7, [fan])
    access = ResultsAccess(redis_url, vote_path.database, shard_count=SHARD_COUNT)
    async with vote_path.writer(), Redis.from_url(redis_url) as valkey:
        await vote_path.cast(7, fan, (show.first, "up"), order=4)
        await vote_path.cast(7, other, (show.first, "up"))
        await factory.decide(group, "set_aside")
        await vote_path.decided_on(group, 7)
        late = await vote_path.cast(7, fan, (show.first, "none"), order=3)
        assert late.code == "conflict"
        cast = await vote_path.cast(7, fan, (show.songs[1], "down"), order=5)
        assert cast.taken is not None
        assert cast.taken[2:] == ({show.first: "up", show.songs[1]: "down"}, 0)
        assert (await vote_path.cast(7, fan, (show.songs[2], "up"))).code == "budget"
        await until(vote_path.is_drained)
        assert await factory.tally(7) == [[show.first, 1, 0], [show.songs[1], 0, 0], [show.songs[2], 0, 0]]
        assert await factory.aside_tally(7) == [[show.first, 1, 0], [show.songs[1], 0, 1], [show.songs[2], 0, 0]]
        assert await access.has_voted(7, fan)
        await vote_path.cast(7, fan, (show.first, "none"), (show.songs[1], "none"))
        assert not await access.has_voted(7, fan)
        await until(vote_path.is_drained)
        assert await reconcile.run(vote_path.database.url, redis_url) == []
        await valkey.hset("{7}:ballots:7", fan, "5:")
        (difference,) = await reconcile.run(vote_path.database.url, redis_url)
        assert "only one of Valkey and the rows sets it aside" in str(difference)
    await access.close()
