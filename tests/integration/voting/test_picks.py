"""Picks on the vote path: in order behind a hold, refused by the commit when Valkey forgot the rules, written exactly once."""

from __future__ import annotations

from typing import Any

import msgspec

from server.cache.cluster import connection_to
from server.clock import SystemClock
from server.protocol.outcomes import Picked
from server.voting.log import HOLD_SCRIPT, REVISE_SCRIPT
from server.voting.pending_acks import PendingAck, PendingAcks, PendingEntry
from server.voting.rules import pack_pick
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import Outcome, VotePath

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, vote_path = one_node.emptied_database, one_node.vote_path


def submit(path: VotePath, user: int, *songs: int, show: int = 7) -> Outcome:
    """Hands a pick in; the outcome comes later."""
    outcome = Outcome()
    path.intake.submit_pick(show, user, Picked(list(songs)), outcome)
    return outcome


async def picks(factory: RowFactory) -> list[tuple[int, list[int]]]:
    """All picks."""
    rows = await factory.sql.fetch("select user_id, song_ids from picks order by user_id")
    return [(row["user_id"], row["song_ids"]) for row in rows]


async def test_picks_of_a_held_show_keep_their_order(vote_path: VotePath, factory: RowFactory, redis_url: str) -> None:
    """A pick that waits for a change of rules is decided before a later one of its fan, and votes of the show wait as before."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    assert (await vote_path.cast(7, user, (show.first, "up"))).code == "ok"
    valkey = connection_to(redis_url)
    ask: Any = valkey.ask
    await ask([("EVAL", HOLD_SCRIPT, 1, "{7}:", msgspec.msgpack.encode(("token", 5_000, [7])))])
    outcomes = [submit(vote_path, user, number) for number in (1, 2, 3)]
    later = vote_path.submit(7, user, (show.songs[1], "up"))
    async with vote_path.writer():
        await until(vote_path.is_drained)
        assert [outcome.taken for outcome in (*outcomes, later)] == [None] * 4
        await ask([("EVAL", REVISE_SCRIPT, 1, "{7}:", msgspec.msgpack.encode(("token", [(7,)])))])
        await vote_path._until_decided([*outcomes, later])
        await until(vote_path.is_drained)
    await valkey.close()
    assert [outcome.code for outcome in (*outcomes, later)] == ["ok"] * 4
    assert await picks(factory) == [(user, [3])]


async def test_the_commit_refuses_a_late_pick(vote_path: VotePath, factory: RowFactory) -> None:
    """When Valkey has lost the start of a show, the commit has not: the pick is not written, the vote beside it is."""
    show = await factory.show(7)
    late, early = await factory.users(2)
    assert (await vote_path.cast(7, late, (show.first, "up"))).code == "ok"
    outcome = submit(vote_path, late, 1)
    vote = vote_path.submit(7, late, (show.songs[1], "up"))
    await vote_path._until_decided([outcome, vote])
    # Past Valkey's back, as if it had come back older than this change.
    await factory.sql.execute("update shows set starts_at = now() - interval '1 minute' where id = 7")
    await factory.show(23)
    other = submit(vote_path, early, 1, show=23)
    await vote_path._until_decided([other])
    reset_at = "select reset_position from log_positions where shard = 7"
    before = await factory.sql.fetchval(reset_at)

    async def is_reset() -> bool:
        return bool(await factory.sql.fetchval(reset_at) > before)

    async with vote_path.writer():
        await until(is_reset)
        again = submit(vote_path, late, 1)
        await vote_path._until_decided([again])
        assert again.code == "locked", "the rules are read again"
    assert await picks(factory) == [(early, [1])]
    assert await factory.sql.fetchval("select count(*) from votes") == 2


async def test_a_refused_pick_is_not_confirmed_and_a_vote_beside_it_is() -> None:
    """A refusal of a fan's pick is not taken for a refusal of the fan's vote in the same entry."""
    acks, pick, vote = PendingAcks(SystemClock()), Outcome(), Outcome()
    at = 5_000 << 10
    entry = PendingEntry(7, at, 0.0, [
        PendingAck(7, pick, "", None, pack_pick(7, 3, Picked([1]))), PendingAck(7, vote, "1u", None, [7, 3, 1, 1]),
    ])  # fmt: skip
    acks.add(entry)
    acks.refused([(7, 3, 5_000, "pick")])
    acks.committed(7, [at])
    assert (pick.code, vote.code) == ("locked", "ok")


async def test_two_writers_write_a_pick_once(vote_path: VotePath, factory: RowFactory) -> None:
    """The fencing of votes holds for picks: whoever is slower writes nothing, and the last pick stands."""
    await factory.show(7)
    users = await factory.users(3)
    for number in (1, 2):
        outcomes = [submit(vote_path, user, number) for user in users]
        await vote_path._until_decided(outcomes)
    outcome = submit(vote_path, users[0])
    await vote_path._until_decided([outcome])
    async with vote_path.writer(), vote_path.writer():
        await until(vote_path.is_drained)
    assert await picks(factory) == [(users[1], [2]), (users[2], [2])]
    shard_position = await factory.sql.fetchval("select position from log_positions where shard = 7")
    assert await factory.sql.fetchval("select position from picked_shows where show_id = 7") == shard_position
