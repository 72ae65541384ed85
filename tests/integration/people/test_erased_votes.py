"""Erasure at each stage of a vote: the counts stay exact, and nothing names the erased user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from server.errors import Refused
from server.people.erasure import Leaver, erase
from server.protocol.identity import Identity
from server.voting import reconcile
from server.voting.casts import Cast
from server.voting.erasure import HotErasure
from server.voting.log import CAST_SCRIPT
from server.voting.rules import shard_of
from server.voting.tallies import Tallies
from server.voting.warm_up import WarmUp
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.traces import traces_in_postgres, traces_in_valkey
from tests.support.vote_path import SHARD_COUNT, Outcome, VotePath

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, vote_path = one_node.emptied_database, one_node.vote_path

# No other number in PostgreSQL or Valkey contains these digits.
LEAVER, OTHER_LEAVER = 700_000_123_457, 700_000_123_458


class Stage:
    """A vote path without a writer, test rows, and the erasure. The two leavers are users who will be erased."""

    def __init__(self, vote_path: VotePath, factory: RowFactory, hot_erasure: HotErasure, tallies: Tallies) -> None:
        self.vote_path = vote_path
        self.factory = factory
        self.hot_erasure = hot_erasure
        self.tallies = tallies

    async def erase(self, user_id: int) -> None:
        """Erases a user as DELETE /api/me does."""
        leaver = Leaver(Identity(user_id, "user"), user_id)
        await erase(self.vote_path.database, self.hot_erasure, [leaver])
        assert await leaver.is_erased

    async def commit_log(self) -> None:
        """Runs a writer until the log is committed to PostgreSQL and trimmed."""
        async with self.vote_path.writer():
            await until(self.vote_path.is_drained)
            await until(self._is_trimmed)

    async def check(self, *, votes: dict[int, tuple[int, int]], gone: Sequence[int] = (LEAVER,)) -> None:
        """Checks that rows, tallies and Valkey have these counts, and that no trace of the erased users remains."""
        sql = self.factory.sql
        assert await reconcile.run(self.vote_path.database.url, self.vote_path.redis_url) == []
        assert await sql.fetch("select * from integrity_check()") == []
        assert await sql.fetch("select * from miscounts()") == []
        rows = await sql.fetch("select id, up_count, down_count from setlist_songs where up_count + down_count > 0")
        assert {row[0]: (row[1], row[2]) for row in rows} == votes
        for (show,) in await sql.fetch("select id from shows"):
            tally = await self.tallies.read(show)
            assert tally is not None
            shown = {song: (up, down) for song, up, down in tally.counts if up + down}
            assert shown.items() <= votes.items()
        assert await traces_in_postgres(sql, *gone) == []
        assert await traces_in_valkey(self.vote_path.redis_url, *gone) == []

    async def _is_trimmed(self) -> bool:
        async with Redis.from_url(self.vote_path.redis_url) as valkey:
            return not any([await valkey.xlen(f"{{{shard}}}:log") for shard in range(SHARD_COUNT)])


@pytest_asyncio.fixture(loop_scope="module")
async def stage(vote_path: VotePath, factory: RowFactory) -> AsyncIterator[Stage]:
    """A stage with two leavers."""
    await factory.sql.execute(
        "insert into users (id) overriding system value select unnest($1::bigint[])", [LEAVER, OTHER_LEAVER]
    )
    hot_erasure = HotErasure(vote_path.redis_url, shard_count=SHARD_COUNT)
    tallies = Tallies(vote_path.redis_url, vote_path.database, shard_count=SHARD_COUNT)
    yield Stage(vote_path, factory, hot_erasure, tallies)
    await hot_erasure.close()
    await tallies.close()


async def test_committed_votes_still_count(stage: Stage) -> None:
    """Nobodies inherit them. The show stays warm, and the ballots of other users do not change."""
    show, neighbour = await stage.factory.show(7), await stage.factory.show(23)
    (fan,) = await stage.factory.users(1)
    # Not in the order of ids, which is the order that the database gives.
    await stage.vote_path.cast(7, LEAVER, (show.songs[2], "down"), (show.songs[0], "up"))
    await stage.vote_path.cast(23, LEAVER, (neighbour.first, "up"))
    await stage.vote_path.cast(7, fan, (show.songs[0], "up"))
    await stage.commit_log()
    await stage.erase(LEAVER)
    async with Redis.from_url(stage.vote_path.redis_url) as valkey:
        assert await valkey.exists("{7}:show:7", "{7}:show:23") == 2
        assert await valkey.hkeys("{7}:ballots:7") == [str(fan).encode()]
    await stage.commit_log()
    await stage.check(votes={show.songs[0]: (2, 0), show.songs[2]: (0, 1), neighbour.first: (1, 0)})
    # A hundred nobodies: by chance, one of them holds the votes of both shows.
    assert await stage.factory.sql.fetchval("select count(distinct user_id) from votes") in (2, 3)
    assert not await stage.factory.sql.fetchval("select exists (select from votes where user_id = $1)", LEAVER)


async def test_votes_that_are_only_in_the_log_are_dropped(stage: Stage) -> None:
    """No writer runs: new, changed and withdrawn votes of the leaver are never committed, votes of others are."""
    show, neighbour, other = [await stage.factory.show(number) for number in (7, 23, 8)]
    (fan,) = await stage.factory.users(1)
    first, second, third = show.songs
    await stage.vote_path.cast(7, LEAVER, (first, "up"), (second, "up"))
    await stage.commit_log()
    await stage.vote_path.cast(7, LEAVER, (first, "down"), (second, "none"), (third, "up"))
    await stage.vote_path.cast(23, LEAVER, (neighbour.first, "up"))
    await stage.vote_path.cast(8, LEAVER, (other.first, "up"), (other.first + 1, "down"))
    await stage.vote_path.cast(7, fan, (first, "up"), (third, "down"))
    await stage.erase(LEAVER)
    async with Redis.from_url(stage.vote_path.redis_url) as valkey:
        # Nothing is read again for the others: the show and their ballots stay warm.
        assert await valkey.exists("{7}:show:7", "{7}:show:23") == 2
        assert await valkey.hkeys("{7}:ballots:7") == [str(fan).encode()]
        counts = await valkey.hgetall("{7}:tally:7")
    # What is committed passes to nobodies; what the others have in the log is counted too.
    assert {int(song): count for song, count in counts.items()} == {first: b"2 0", second: b"1 0", third: b"0 1"}
    assert (await stage.vote_path.submit(7, LEAVER, (second, "down")).known()).code != "ok"
    await stage.commit_log()
    assert (await stage.vote_path.cast(7, fan, (second, "down"))).code == "ok"
    assert (await stage.vote_path.cast(7, LEAVER, (second, "down"))).code == "unauthenticated"
    assert (await stage.vote_path.cast(7, LEAVER)).code == "unauthenticated", "not even the ballot"
    await stage.commit_log()
    await stage.check(votes={first: (2, 0), second: (1, 1), third: (0, 1)})


async def test_a_warm_up_from_before_the_erasure_is_refused(stage: Stage) -> None:
    """It was read before the erasure and is sent after the log is committed: its position is too old."""
    show = await stage.factory.show(7)
    (fan,) = await stage.factory.users(1)
    await stage.vote_path.cast(7, fan, (show.first, "up"))
    await stage.vote_path.cast(23, fan)
    await stage.commit_log()
    await stage.factory.sql.execute(
        "insert into ticket_codes (show_id, code_hash, user_id, redeemed_at) values (7, sha256('c'), $1, now())", LEAVER
    )
    await stage.tallies.grant_ticket(7, LEAVER)
    warm_up = WarmUp(stage.vote_path.database, SHARD_COUNT, lambda _cast, _error: None)
    assert await warm_up._read([Cast(1, 7, [7, LEAVER], Outcome())]) == {}
    shows, ballots = warm_up.take(shard_of(7, SHARD_COUNT))
    await stage.erase(LEAVER)
    await stage.commit_log()
    request = msgspec.msgpack.encode((1_000, shows, ballots, [(7, LEAVER, show.first, 1)]))
    valkey: Any
    async with Redis.from_url(stage.vote_path.redis_url) as valkey:
        reply = await valkey.eval(CAST_SCRIPT, 1, "{7}:", request)
    assert msgspec.msgpack.decode(reply)[2] == [[2]], "the ballot is cold"
    await stage.check(votes={show.first: (1, 0)})


async def test_the_ballots_are_cold_at_the_erasure(stage: Stage) -> None:
    """Valkey has no ballots of the show, but its counts still include the log; a song was removed, too."""
    show = await stage.factory.show(7)
    await stage.vote_path.cast(7, LEAVER, (show.songs[0], "up"))
    await stage.factory.sql.execute("delete from setlist_songs where id = $1", show.songs[2])
    await stage.tallies.revise([7])
    async with Redis.from_url(stage.vote_path.redis_url) as valkey:
        await valkey.unlink("{7}:ballots:7")
    await stage.erase(LEAVER)
    await stage.commit_log()
    await stage.check(votes={})


async def test_a_user_with_only_a_history_is_erased(stage: Stage) -> None:
    """The user withdrew all votes: the history loses the name, and no nobody is needed."""
    show = await stage.factory.show(7)
    await stage.vote_path.cast(7, LEAVER, (show.first, "up"))
    await stage.vote_path.cast(7, LEAVER, (show.first, "none"))
    await stage.commit_log()
    await stage.vote_path.cast(7, LEAVER, (show.first, "down"))
    await stage.commit_log()
    await stage.vote_path.cast(7, LEAVER, (show.first, "none"))
    await stage.commit_log()
    await stage.erase(LEAVER)
    await stage.commit_log()
    await stage.check(votes={})
    sql = stage.factory.sql
    assert await sql.fetchval("select count(*) from vote_analytics where user_id = 0") == 2
    assert await sql.fetchval("select count(*) from users where nobody is not null") == 0


async def test_two_erased_voters_of_the_same_songs(stage: Stage) -> None:
    """Different nobodies inherit them, so the number of voters stays the same."""
    show = await stage.factory.show(7, budget=2)
    (fan,) = await stage.factory.users(1)
    for user in (LEAVER, fan, OTHER_LEAVER):
        await stage.vote_path.cast(7, user, (show.songs[0], "up"), (show.songs[1], "down"))
    await stage.commit_log()
    sql = stage.factory.sql
    assert await sql.fetchval("select count(distinct user_id) from votes where show_id = 7") == 3
    await asyncio.gather(stage.erase(LEAVER), stage.erase(OTHER_LEAVER))
    await stage.commit_log()
    await stage.check(votes={show.songs[0]: (3, 0), show.songs[1]: (0, 3)}, gone=[LEAVER, OTHER_LEAVER])
    assert await sql.fetchval("select count(distinct user_id) from votes where show_id = 7") == 3


async def test_many_erased_voters_of_the_same_song(stage: Stage) -> None:
    """Each has a nobody of their own. Random choice alone would almost certainly give two of them the same nobody."""
    show = await stage.factory.show(7)
    leavers = await stage.factory.users(60)
    await stage.vote_path.decided([(7, user, [(show.first, "up")]) for user in leavers])
    await stage.commit_log()
    for user in leavers:
        await stage.erase(user)
    await stage.commit_log()
    await stage.check(votes={show.first: (60, 0)}, gone=[])
    assert await stage.factory.sql.fetchval("select count(distinct user_id) from votes where show_id = 7") == 60


async def test_the_nobodies_are_chosen_at_random(stage: Stage) -> None:
    """The ballots of one user go to different nobodies."""
    shows = [await stage.factory.show(number) for number in range(1, 31)]
    for show in shows:
        await stage.vote_path.cast(show.id, LEAVER, (show.first, "up"))
    await stage.commit_log()
    await stage.erase(LEAVER)
    await stage.commit_log()
    await stage.check(votes={show.first: (1, 0) for show in shows})
    # Thirty of a hundred nobodies are drawn: fewer than eleven different ones are practically impossible.
    heirs = await stage.factory.sql.fetchval("select count(distinct user_id) from votes")
    assert heirs > 10


async def test_a_commit_during_the_erasure_loses_its_name_too(stage: Stage) -> None:
    """The erasure reads the history while the writer commits. A row that is added between its two reads is found."""
    show = await stage.factory.show(7)
    sql = stage.factory.sql
    await stage.vote_path.cast(7, LEAVER, (show.first, "up"))
    # As if the log had waited for three days. The window was open then, and the account is older.
    await sql.execute("update users set created_at = now() - interval '9 days' where id = $1", LEAVER)
    await sql.execute("update shows set opens_at = now() - interval '9 days' where id = 7")
    at_ms = await sql.fetchval("select (extract(epoch from now() - interval '3 days') * 1000)::bigint")
    await stage.commit_log()
    await sql.execute("select set_config('app.erasing', 'on', false)")
    await sql.execute("update vote_analytics set cast_at = to_timestamp($1::bigint / 1000.0)", at_ms)
    await sql.execute("update log_commits set entries = array[$1::bigint << 10]", at_ms)
    await sql.execute(
        "delete from vote_rollups; insert into vote_rollups (show_id, hour, up_count)"
        " select show_id, date_trunc('hour', cast_at, 'UTC'), 1 from vote_analytics"
    )
    # This trigger of the test hides the row from the first read, so that only the second read finds it.
    await sql.execute(
        "create function hide_once() returns trigger language plpgsql as $$ begin"
        " if current_setting('test.seen', true) is distinct from 'on' then"
        " perform set_config('test.seen', 'on', true); return null; end if; return new; end $$;"
        "create trigger a_hide before update on vote_analytics for each row execute function hide_once()"
    )
    await stage.erase(LEAVER)
    await sql.execute("drop function hide_once cascade")
    await stage.commit_log()
    await stage.check(votes={show.first: (1, 0)})


async def test_nothing_is_erased_while_valkey_is_down(stage: Stage) -> None:
    """The erasure is all or nothing."""
    show = await stage.factory.show(7)
    await stage.vote_path.cast(7, LEAVER, (show.first, "up"))
    await stage.commit_log()
    away = HotErasure("unix:///nowhere", shard_count=SHARD_COUNT)
    leaver = Leaver(Identity(LEAVER, "user"), LEAVER)
    await erase(stage.vote_path.database, away, [leaver])
    with pytest.raises(Refused, match="Nothing was erased") as refused:
        await leaver.is_erased
    assert refused.value.code == "unavailable"
    assert await stage.factory.sql.fetchval("select count(*) from votes where user_id = $1", LEAVER) == 1
    await stage.erase(LEAVER)
    await stage.commit_log()
    await stage.check(votes={show.first: (1, 0)})


async def test_a_failed_commit_takes_nothing_out_of_the_counts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valkey has forgotten the leaver, and then the commit fails: the votes in the log count, as the user stays."""
    show = await stage.factory.show(7)
    await stage.vote_path.cast(7, LEAVER, (show.first, "up"))
    erase_hot = HotErasure.erase

    async def erase_and_fail(self: HotErasure, *given: Any) -> list[int]:
        self.corrected = await erase_hot(self, *given)  # type: ignore[attr-defined]
        return self.corrected  # type: ignore[attr-defined, no-any-return]

    monkeypatch.setattr(HotErasure, "erase", erase_and_fail)
    await stage.factory.sql.execute(
        "create function fail() returns trigger language plpgsql as $$ begin"
        " raise exception 'too late' using errcode = 'query_canceled'; end $$;"
        "create constraint trigger a_fail after delete on users deferrable initially deferred"
        " for each row execute function fail()"
    )
    leaver = Leaver(Identity(LEAVER, "user"), LEAVER)
    await erase(stage.vote_path.database, stage.hot_erasure, [leaver])
    with pytest.raises(Refused):
        await leaver.is_erased
    assert stage.hot_erasure.corrected == [7]  # type: ignore[attr-defined]
    await stage.factory.sql.execute("drop function fail cascade")
    await stage.commit_log()
    await stage.check(votes={show.first: (1, 0)}, gone=())


async def test_a_valkey_older_than_the_database(stage: Stage) -> None:
    """The erasure does not change its copy. The copy is discarded when a node opens it, so no erased user returns."""
    show = await stage.factory.show(7)
    (fan,) = await stage.factory.users(1)
    await stage.vote_path.cast(7, LEAVER, (show.first, "up"))
    await stage.vote_path.cast(7, fan, (show.first, "up"))
    await stage.commit_log()
    async with Redis.from_url(stage.vote_path.redis_url) as valkey:
        await valkey.hset("{7}:meta", "last", "1")
        await stage.erase(LEAVER)
        assert await valkey.xlen("{7}:log") == 0
    async with another_vote_path(stage) as vote_path:
        assert (await vote_path.cast(7, fan, (show.first, "down"))).code == "ok"
        await stage.commit_log()
    await stage.check(votes={show.first: (1, 1)})


async def test_erasure_while_two_nodes_accept_votes(stage: Stage) -> None:
    """The leavers and others cast without a pause, and a writer runs. The counts are those of the rows."""
    shows = [await stage.factory.show(number) for number in (7, 23, 8)]
    fans = await stage.factory.users(6)
    stop = asyncio.Event()

    async def vote(vote_path: VotePath, user: int) -> str:
        number, code = 0, "ok"
        while not stop.is_set() and code in ("ok", "unavailable"):
            show = shows[number % 3]
            choice = ("up", "down", "none")[number // 3 % 3]
            code = (await vote_path.cast(show.id, user, (show.songs[number % 2], choice))).code
            number += 1
        return code

    async with another_vote_path(stage) as other, stage.vote_path.writer():
        voters = [
            asyncio.create_task(vote(vote_path, user))
            for user in (*fans, LEAVER, OTHER_LEAVER)
            for vote_path in (stage.vote_path, other)
        ]
        await until(lambda: _has_voted(stage, LEAVER))
        await stage.erase(LEAVER)
        await until(lambda: _has_voted(stage, OTHER_LEAVER))
        await stage.erase(OTHER_LEAVER)
        codes = await asyncio.gather(*voters[-4:])
        assert codes == ["unauthenticated"] * 4
        stop.set()
        assert set(await asyncio.gather(*voters[:-4])) == {"ok"}
    await stage.commit_log()
    rows = await stage.factory.sql.fetch(
        "select setlist_song_id, count(*) filter (where choice = 'up'), count(*) filter (where choice = 'down')"
        " from votes group by 1"
    )
    await stage.check(votes={row[0]: (row[1], row[2]) for row in rows}, gone=[LEAVER, OTHER_LEAVER])


@asynccontextmanager
async def another_vote_path(stage: Stage) -> AsyncIterator[VotePath]:
    async with VotePath.open(stage.vote_path.database.url, stage.vote_path.redis_url) as vote_path:
        yield vote_path


async def _has_voted(stage: Stage, user: int) -> bool:
    return bool(await stage.factory.sql.fetchval("select count(*) from vote_analytics where user_id = $1", user) > 20)


async def test_no_vote_goes_to_a_ballot_that_is_set_aside(factory: RowFactory) -> None:
    """Bots of a group were erased, and their votes are void; the honest vote of the next erased fan still counts."""
    sql = factory.sql
    show, (fan,) = await factory.show(7), await factory.users(1)
    await sql.execute("insert into votes values ($1, $2, 7, 'up', now())", show.first, fan)
    await sql.execute("insert into users (nobody) select generate_series(1, 100)")
    await sql.execute(
        "with made as (insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
        " values (7, 3, '[]', 100, now(), now()) returning id)"
        " insert into vote_group_members (show_id, user_id, group_id, is_set_aside)"
        " select 7, u.id, made.id, true from users u, made where u.nobody is not null"
    )
    await sql.execute("select erase_user($1)", fan)
    assert await sql.fetchval("select up_count from setlist_songs where id = $1", show.first) == 1
