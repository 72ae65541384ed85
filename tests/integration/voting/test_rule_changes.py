"""A change of rules holds its shows: no cast is decided meanwhile, and afterwards by the new rules, whatever fails."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from unittest.mock import AsyncMock

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from server.cache.cluster import connection_to
from server.cache.connection import Command, Connection
from server.errors import CacheError, CacheUnavailable, Refused, StoreUnavailable, WritesRefused
from server.protocol.positions import SEQ_BITS
from server.telemetry import VOTES_REFUSED
from server.voting import held, intake, rule_changes
from server.voting.log import HOLD_SCRIPT
from server.voting.queries import voting as queries
from server.voting.rule_changes import RuleChanges
from tests.support import one_node
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until
from tests.support.vote_path import SHARD_COUNT, Outcome, VotePath

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, vote_path = one_node.emptied_database, one_node.vote_path


@pytest_asyncio.fixture(loop_scope="module")
async def valkey(redis_url: str) -> AsyncIterator[Connection]:
    """A connection of the test's own."""
    connection = connection_to(redis_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="module")
async def changes(valkey: Connection) -> RuleChanges:
    """Changes of rules on the engines of the vote path."""
    return RuleChanges(valkey.ask, AsyncMock(), shard_count=SHARD_COUNT)


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory, vote_path: VotePath) -> Show:
    """A warm show with one vote."""
    made = await factory.show(7, budget=2)
    (user,) = await factory.users(1)
    assert (await vote_path.cast(7, user, (made.first, "up"))).code == "ok"
    return made


async def hold(valkey: Connection, token: str, lasts_ms: int, shows: Sequence[int] = (7,)) -> int:
    """Holds shows of shard 7 as a node does."""
    packed = msgspec.msgpack.encode((token, lasts_ms, shows))
    (at,) = await valkey.ask([("EVAL", HOLD_SCRIPT, 1, "{7}:", packed)])
    return int(at)


async def held_shows(valkey: Connection) -> int:
    """The number of shows that are held in shard 7."""
    (count,) = await valkey.ask([("HLEN", "{7}:holds")])
    return int(count)


async def settled(outcomes: Sequence[Outcome], path: VotePath) -> list[str]:
    """The codes of casts, once all are decided."""
    await path._until_decided(outcomes)
    return [outcome.code for outcome in outcomes]


async def test_casts_wait_for_the_change_in_their_order(
    vote_path: VotePath, factory: RowFactory, changes: RuleChanges, show: Show
) -> None:
    """They are decided after it, by the new rules and in the order of their arrival; other shows go on meanwhile."""
    other = await factory.show(23)
    fan, second = await factory.users(2)
    async with changes(vote_path.database.transaction()) as change:
        await change.hold([7])
        waiting = [vote_path.submit(7, fan, (show.first, choice)) for choice in ("up", "down")]
        waiting.append(vote_path.submit(7, second, (show.songs[1], "up"), (show.songs[2], "up")))
        assert (await vote_path.cast(23, fan, (other.first, "up"))).code == "ok"
        assert all(one.taken is None and one.refusal is None for one in waiting)
        await change.connection.execute("update shows set votes_per_user_max = 1 where id = 7")
    assert await settled(waiting, vote_path) == ["ok", "ok", "budget"]
    assert (await vote_path.cast(7, fan)).ballot == {show.first: "down"}


async def test_a_cast_that_was_warmed_up_meanwhile_stays_before_the_later_ones(
    vote_path: VotePath, factory: RowFactory, changes: RuleChanges, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first held cast finds its ballot cold. It is warm again before the round that sends those behind it, and goes first."""
    (fan,) = await factory.users(1)
    async with changes(vote_path.database.transaction()) as change:
        await change.hold([7])
        waiting = [vote_path.submit(7, fan, (show.first, choice)) for choice in ("up", "down")]
        assert (await vote_path.cast(23, fan, ((await factory.show(23)).first, "up"))).code == "ok"
        # So a warm-up always ends before the next round.
        monkeypatch.setattr(intake, "GATHER_S", 0.2)
    assert await settled(waiting, vote_path) == ["ok", "ok"]
    assert (await vote_path.cast(7, fan)).ballot == {show.first: "down"}


async def test_the_instant_of_a_hold_is_after_every_cast_before_it(
    vote_path: VotePath, valkey: Connection, show: Show
) -> None:
    """Also when the log is ahead of the clock, because the clock went back."""
    at = await hold(valkey, "a", 0)
    (last,) = await valkey.ask([("HGET", "{7}:meta", "last")])
    assert at > int(last) >> SEQ_BITS
    ahead = (at + 60_000) << SEQ_BITS
    await valkey.ask([("HSET", "{7}:meta", "last", ahead)])
    assert await hold(valkey, "b", 0) == at + 60_001


async def test_a_failed_change_leaves_the_old_rules(
    vote_path: VotePath, factory: RowFactory, changes: RuleChanges, valkey: Connection, show: Show
) -> None:
    """Casts that waited are decided by them."""
    (fan,) = await factory.users(1)
    waiting: list[Outcome] = []

    async def fail() -> None:
        async with changes(vote_path.database.transaction()) as change:
            await change.hold([7])
            await change.connection.execute("update shows set is_locked = true where id = 7")
            waiting.append(vote_path.submit(7, fan, (show.first, "up")))
            raise Refused("conflict", "Somebody else was faster.")

    with pytest.raises(Refused):
        await fail()
    assert await settled(waiting, vote_path) == ["ok"]
    assert await held_shows(valkey) == 0


async def test_two_changes_of_one_show_hold_it_until_both_are_over(
    vote_path: VotePath, factory: RowFactory, changes: RuleChanges, valkey: Connection, show: Show
) -> None:
    """The first one that ends does not lift the other's hold."""
    (fan,) = await factory.users(1)
    async with changes(vote_path.database.transaction()) as one:
        await one.hold([7])
        async with changes(vote_path.database.transaction()) as other:
            await other.hold([7])
        assert await held_shows(valkey) == 1
        waiting = vote_path.submit(7, fan, (show.first, "up"))
    assert await settled([waiting], vote_path) == ["ok"]
    assert await held_shows(valkey) == 0


async def test_a_hold_that_a_dead_node_left_makes_the_show_cold(
    vote_path: VotePath, factory: RowFactory, valkey: Connection, show: Show
) -> None:
    """The rules are read from PostgreSQL, where the node may have changed them; Valkey's old ones are never used."""
    (fan,) = await factory.users(1)
    await factory.sql.execute("update shows set is_locked = true where id = 7")
    await hold(valkey, "dead", 0)
    waiting = vote_path.submit(7, fan, (show.first, "up"))
    async with vote_path.writer():
        assert await settled([waiting], vote_path) == ["locked"]
    assert await held_shows(valkey) == 0


async def test_casts_do_not_wait_for_ever(
    vote_path: VotePath, factory: RowFactory, valkey: Connection, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused as unavailable, and may be sent again."""
    monkeypatch.setattr(held, "PATIENCE_S", 0.05)
    (fan,) = await factory.users(1)
    await hold(valkey, "slow", 60_000)
    outcome = await vote_path.cast(7, fan, (show.first, "up"))
    assert outcome.refusal is not None
    assert (outcome.code, outcome.refusal.retry_after_ms) == ("unavailable", held.RETRY_AFTER_MS)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (CacheUnavailable("away"), "Valkey does not answer, so"),
        (WritesRefused("OOM command not allowed"), "Valkey refuses writes (OOM command not allowed), so"),
        (CacheError("NOPERM no permissions"), "Valkey refuses commands (NOPERM no permissions), so"),
    ],
)
async def test_without_valkey_nothing_changes(
    vote_path: VotePath, factory: RowFactory, show: Show, error: CacheError, why: str
) -> None:
    """A change is refused as unavailable before it writes anything, and the answer says what Valkey does."""

    async def ask(_commands: Sequence[Command]) -> list[object]:
        raise error

    async def lock() -> None:
        async with RuleChanges(ask, AsyncMock(), shard_count=SHARD_COUNT)(vote_path.database.transaction()) as change:
            await change.connection.execute("update shows set is_locked = true where id = 7")
            await change.hold([7])

    with pytest.raises(Refused, match="Nothing was changed") as refused:
        await lock()
    assert refused.value.code == "unavailable"
    assert refused.value.message.startswith(why)
    assert not await factory.sql.fetchval("select is_locked from shows where id = 7")


async def test_valkey_goes_away_before_the_end_of_a_change(
    vote_path: VotePath, factory: RowFactory, valkey: Connection, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change succeeds, and its hold keeps the old rules from being used until the new ones are read."""
    monkeypatch.setattr(rule_changes, "HOLD_S", 0.2)
    (fan,) = await factory.users(1)
    is_away = False

    async def ask(commands: Sequence[Command]) -> list[object]:
        if is_away:
            raise CacheUnavailable("away")
        return await valkey.ask(commands)

    async with RuleChanges(ask, AsyncMock(), shard_count=SHARD_COUNT)(vote_path.database.transaction()) as change:
        await change.hold([7])
        await change.connection.execute("update shows set is_locked = true where id = 7")
        is_away = True
    assert await held_shows(valkey) == 1
    async with vote_path.writer():
        assert (await vote_path.cast(7, fan, (show.first, "up"))).code == "locked"


async def test_a_slow_change_is_given_up(
    vote_path: VotePath, factory: RowFactory, changes: RuleChanges, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction ends well before its hold does, with the old rules."""
    monkeypatch.setattr(rule_changes, "TRANSACTION_S", 0.05)

    async def lock() -> None:
        async with changes(vote_path.database.transaction()) as change:
            await change.hold([7])
            await change.connection.execute("update shows set is_locked = true where id = 7")
            await asyncio.Event().wait()

    with pytest.raises(StoreUnavailable, match="took longer"):
        await lock()
    (fan,) = await factory.users(1)
    assert (await vote_path.cast(7, fan, (show.first, "up"))).code == "ok"


async def test_many_shows_are_held_with_one_call_a_shard(vote_path: VotePath, factory: RowFactory) -> None:
    """An import of hundreds of shows asks Valkey as often as one of sixteen."""
    asked: list[int] = []

    async def ask(commands: Sequence[Command]) -> list[int]:
        asked.append(len(commands))
        return [1] * len(commands)

    async with RuleChanges(ask, AsyncMock(), shard_count=SHARD_COUNT)(vote_path.database.transaction()) as change:
        await change.hold(range(1, 321))
    assert asked == [SHARD_COUNT, SHARD_COUNT]


async def test_a_removed_song_gives_its_budget_back_at_once(
    vote_path: VotePath, factory: RowFactory, changes: RuleChanges, show: Show
) -> None:
    """Its votes are out of the ballots before the database has caught up with the log."""
    fan, other = await factory.users(2)
    for one in (fan, other):
        assert (await vote_path.cast(7, one, (show.first, "up"), (show.songs[1], "down"))).code == "ok"
    async with changes(vote_path.database.transaction()) as change:
        await change.hold([7])
        await change.connection.execute("delete from setlist_songs where id = $1", show.first)
    for one in (fan, other):
        outcome = await vote_path.cast(7, one)
        assert outcome.taken is not None
        assert outcome.taken[2:] == ({show.songs[1]: "down"}, 1)
    assert (await vote_path.cast(7, fan, (show.songs[2], "up"))).code == "ok"
    async with vote_path.writer():
        await until(vote_path.is_drained)
    assert await factory.tally(7) == await factory.counted(7) == [[show.songs[1], 0, 2], [show.songs[2], 1, 0]]


async def test_a_played_song_takes_no_more_votes(
    vote_path: VotePath, factory: RowFactory, changes: RuleChanges, show: Show
) -> None:
    """It can be neither voted nor withdrawn; a repeated choice is no change; when the mark is gone, it takes votes again."""
    fan, other = await factory.users(2)
    assert (await vote_path.cast(7, fan, (show.first, "up"))).code == "ok"
    marks = (
        "update setlist_songs set played_at = now() where id = $1",
        "update setlist_songs set played_at = null where id = $1",
    )
    for mark, code in zip(marks, ("closed", "ok"), strict=True):
        async with changes(vote_path.database.transaction()) as change:
            await change.hold([7])
            await change.connection.execute(mark, show.first)
        assert (await vote_path.cast(7, fan, (show.first, "up"))).code == "ok"
        assert (await vote_path.cast(7, fan, (show.first, "none"))).code == code
        refused = await vote_path.cast(7, other, (show.songs[1], "up"), (show.first, "up"))
        assert refused.code == code
    async with Redis.from_url(vote_path.redis_url) as redis:
        await redis.hset("{7}:show:7", "p", f" {show.songs[1]} ")
    assert (await vote_path.cast(7, fan, (show.first, "down"))).code == "ok", "only the song itself"


async def test_a_cold_show_knows_its_played_songs(vote_path: VotePath, factory: RowFactory) -> None:
    """They are read with the show."""
    show = await factory.show(9)
    (fan,) = await factory.users(1)
    await factory.sql.execute("update setlist_songs set played_at = now() where id = any($1)", show.songs[:2])
    codes = [(await vote_path.cast(9, fan, (song, "up"))).code for song in show.songs[:3]]
    assert codes == ["closed", "closed", "ok"]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("update shows set closes_at = now() - interval '1 minute'", "window"),
        ("update shows set opens_at = now() + interval '1 minute'", "window"),
        ("update shows set finalised_at = now()", "final"),
        ("update setlist_songs set played_at = now() - interval '1 minute'", "played"),
    ],
)
async def test_the_database_refuses_votes_that_valkey_should_not_have_taken(
    vote_path: VotePath, factory: RowFactory, rule: str, reason: str
) -> None:
    """A second line: such votes are counted and told, do not stand, and Valkey's copy is discarded; others are written."""
    show, other = await factory.show(7), await factory.show(23)
    (fan,) = await factory.users(1)
    assert (await vote_path.cast(7, fan, (show.first, "up"))).code == "ok"
    assert (await vote_path.cast(23, fan, (other.first, "up"))).code == "ok"
    await factory.sql.execute(f"{rule} where {'show_id' if 'songs' in rule else 'id'} = 7")
    before = VOTES_REFUSED.labels(reason)._value.get()
    async with vote_path.writer():
        await until(vote_path.is_drained)
        await until(lambda: _is_counted(reason, before + 1))
        await until(lambda: _holds_nothing(vote_path, fan))
    assert await factory.tally(7) == await factory.counted(7) == [[song, 0, 0] for song in show.songs]
    assert await factory.tally(23) == [[song, int(song == other.first), 0] for song in other.songs]
    assert await factory.sql.fetchval("select count(*) from vote_analytics where show_id = 7") == 0


async def _holds_nothing(path: VotePath, fan: int) -> bool:
    outcome = await path.cast(7, fan)
    return outcome.taken is not None and outcome.taken[2] == {}


async def _is_counted(reason: str, count: float) -> bool:
    return bool(VOTES_REFUSED.labels(reason)._value.get() == count)


async def test_a_show_is_not_final_before_valkeys_clock_has_passed_its_end(
    vote_path: VotePath, factory: RowFactory, valkey: Connection
) -> None:
    """By that clock casts are decided: votes may come for as long as it is behind PostgreSQL's."""
    await factory.show(7, closes_in_s=-10)
    behind = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=11)
    for hot_now, is_final in ((behind, False), (behind + dt.timedelta(seconds=11), True)):
        async with vote_path.database.connection() as connection:
            await queries.finalise_shows(connection, held=[7], empty=[7], shard_count=SHARD_COUNT, hot_now=hot_now)
        assert await factory.sql.fetchval("select finalised_at is not null from shows where id = 7") is is_final
