"""What a commit does to the rows that it counts."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from server.store.database import WRITER_ROLE, Database
from server.voting.compaction import Compacted
from server.voting.queries import voting as queries
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import until_a_lock_is_awaited

database_url, redis_url = one_node.database_url, one_node.redis_url
factory = one_node.emptied_database

TABLES = ["setlist_songs", "setlists", "show_trending", "shows"]


async def changes(connection: Any) -> Counter[str]:
    """How many rows of the counted tables were changed so far."""
    await connection.execute("select pg_stat_force_next_flush()")
    rows = await connection.fetch("select relname, n_tup_upd from pg_stat_user_tables where relname = any($1)", TABLES)
    return Counter(dict(rows))


async def commit(
    connection: Any,
    show: int,
    votes: list[tuple[int, int, str | None]],
    at_ms: int,
    moves: Sequence[tuple[int, int, int]] = (),
) -> None:
    """Commits votes: song, user, choice. Takes: moves, of logs: shard, old and new position."""
    shards, old, new = zip(*moves, strict=True) if moves else ((), (), ())
    await queries.commit_log(
        connection, shards=shards, old_positions=old, new_positions=new, entries=[str(one) for one in new], song_ids=[song for song, _, _ in votes],
        user_ids=[user for _, user, _ in votes], show_ids=[show] * len(votes), choices=[choice for _, _, choice in votes],
        cast_ms=[at_ms] * len(votes), spent_user_ids=[], spent_days=[], spent=[], **Compacted().mark_parameters(),
        order_user_ids=[], order_show_ids=[], cast_orders=[], group_ids=[],
    )  # fmt: skip


async def plans_in_functions(connection: Any) -> Counter[str]:
    """How often each statement of a function was planned so far."""
    rows = await connection.fetch(
        "select query, plans from pg_stat_statements where not toplevel"
        " and dbid = (select oid from pg_database where datname = current_database())"
    )
    return Counter(dict(rows))


async def test_a_small_commit_is_not_planned_again(factory: RowFactory) -> None:
    """Each statement of a commit has one plan for all commits, also when they have a single vote."""
    show = await factory.show(7, song_count=1)
    users = await factory.users(12)
    (song,), sql = show.songs, factory.sql
    at_ms = await sql.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    await sql.execute(
        "create extension if not exists pg_stat_statements; analyze log_positions;"
        "set pg_stat_statements.track = 'all'; set pg_stat_statements.track_planning = on; set enable_seqscan = off"
    )
    for number, user in enumerate(users):
        before = await plans_in_functions(sql)
        await commit(sql, 7, [(song, user, "up")], at_ms + number, [(7, number, number + 1)])
    assert before
    assert await plans_in_functions(sql) - before == Counter()


async def test_a_commit_changes_each_counted_row_once(factory: RowFactory) -> None:
    """New, changed and withdrawn votes of a show move its song, set, show and heat in one change of each row."""
    show = await factory.show(7, song_count=1)
    users = await factory.users(30)
    (song,), sql = show.songs, factory.sql
    at_ms = await sql.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    await commit(sql, 7, [(song, user, "up") for user in users[:20]], at_ms)
    before = await changes(sql)
    mixed = [*[(song, user, None) for user in users[:3]], *[(song, user, "down") for user in users[3:6]]]
    await commit(sql, 7, [*mixed, *[(song, user, "up") for user in users[20:]]], at_ms + 1)
    assert await changes(sql) - before == Counter(TABLES)
    assert await sql.fetchrow("select up_count, down_count from setlist_songs where id = $1", song) == (24, 3)
    assert await sql.fetch("select * from miscounts()") == []


async def test_votes_that_are_only_added_leave_the_other_heat_alone(factory: RowFactory) -> None:
    """A commit adds the heat of new votes to that of the show, and does not add up all its votes again."""
    show = await factory.show(7, song_count=1)
    users = await factory.users(2)
    (song,), sql = show.songs, factory.sql
    at_ms = await sql.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    await commit(sql, 7, [(song, users[0], "up")], at_ms)
    # As if the show had a hundred more votes: whoever adds up its rows finds one.
    await sql.execute("update show_trending set heat = heat + log(2.0, 101) where show_id = 7")
    before = await sql.fetchval("select heat from show_trending where show_id = 7")
    await commit(sql, 7, [(song, users[1], "up")], at_ms)
    heat = await sql.fetchval("select heat from show_trending where show_id = 7")
    assert heat == pytest.approx(before + math.log2(102 / 101))


async def test_a_commit_reads_no_table_whole(database_url: str, factory: RowFactory) -> None:
    """Also when a table was empty as its statistics were taken, as after a restore: PostgreSQL then thinks that this is quick."""
    show = await factory.show(7, song_count=1)
    users = await factory.users(3)
    (song,), sql = show.songs, factory.sql
    at_ms = await sql.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    await sql.execute("analyze")
    before = await whole_reads(sql)
    writer = await Database.open(database_url, role=WRITER_ROLE, pool_size=1)
    try:
        for choice in ("up", "down", None):
            async with writer.transaction() as connection:
                await commit(connection, 7, [(song, user, choice) for user in users], at_ms)
                await connection.execute("select pg_stat_force_next_flush()")
    finally:
        await writer.close()
    assert await whole_reads(sql) - before == Counter()


async def test_a_commit_reads_no_index_whole(database_url: str, factory: RowFactory) -> None:
    """Also when the table was empty as its statistics were taken: a thousand voters of other days are not read for each vote."""
    show = await factory.show(7, song_count=1)
    users = await factory.users(100)
    (song,), sql = show.songs, factory.sql
    at_ms = await sql.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    await sql.execute("analyze")
    await sql.execute(
        "insert into voter_days (show_id, user_id, day) select 7, u, date '2026-01-01' + d"
        " from unnest($1::bigint[]) u, generate_series(1, 10) d",
        users,
    )
    writer = await Database.open(database_url, role=WRITER_ROLE, pool_size=1)
    try:
        before = await rows_read(sql)
        async with writer.transaction() as connection:
            await commit(connection, 7, [(song, user, "up") for user in users], at_ms)
            await connection.execute("select pg_stat_force_next_flush()")
    finally:
        await writer.close()
    assert max((await rows_read(sql) - before).values()) < 500


async def rows_read(connection: Any) -> Counter[str]:
    """How many rows were read from each index so far."""
    await connection.execute("select pg_stat_force_next_flush()")
    return Counter(dict(await connection.fetch("select indexrelname, idx_tup_read from pg_stat_user_indexes")))


async def whole_reads(connection: Any) -> Counter[str]:
    """How often each table was read whole so far."""
    rows = await connection.fetch("select relname, seq_scan from pg_stat_user_tables")
    return Counter(dict(rows))


async def test_a_commit_leaves_out_what_is_gone(factory: RowFactory) -> None:
    """Votes of a fan or on a song that was deleted since the cast, or on a song of another show, do not count; all others do."""
    show, other = await factory.show(7, song_count=2), await factory.show(8, song_count=1)
    fan, gone = await factory.users(2)
    (first, deleted), sql = show.songs, factory.sql
    await sql.execute("delete from users where id = $1", gone)
    await sql.execute("delete from setlist_songs where id = $1", deleted)
    at_ms = await sql.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    await commit(
        sql, 7, [(first, fan, "up"), (first, gone, "up"), (deleted, fan, "up"), (other.first, fan, "up")], at_ms
    )
    assert await sql.fetch("select setlist_song_id, user_id from votes") == [(first, fan)]
    assert await sql.fetchval("select count(*) from vote_analytics") == 1
    assert await sql.fetch("select * from miscounts()") == []


@pytest.mark.parametrize("choice", ["down", None])
async def test_a_commit_changes_no_vote_of_somebody_else(
    database_url: str, factory: RowFactory, choice: str | None
) -> None:
    """A vote that changes hands by an own statement of an operator, while a commit waits for its row, is left alone."""
    show = await factory.show(7, song_count=1)
    fan, heir = await factory.users(2)
    (song,), sql = show.songs, factory.sql
    at_ms = await sql.fetchval("select (extract(epoch from now()) * 1000)::bigint")
    await commit(sql, 7, [(song, fan, "up")], at_ms)
    operator = await asyncpg.connect(database_url)
    try:
        handing_on = operator.transaction()
        await handing_on.start()
        await operator.execute("update votes set user_id = $1 where user_id = $2", heir, fan)
        looking = await asyncpg.connect(database_url)
        waiting = asyncio.create_task(commit(sql, 7, [(song, fan, choice)], at_ms + 1))
        await until_a_lock_is_awaited(looking, "commit_log")
        await handing_on.commit()
        await waiting
        await looking.close()
    finally:
        await operator.close()
    assert await sql.fetch("select user_id, choice::text from votes") == [(heir, "up")]
