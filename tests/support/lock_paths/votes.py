"""Paths of votes: the writer's commit, shards, the counts that follow from votes, and groups of ballots."""

from __future__ import annotations

import datetime as dt
from typing import Any

from server.abuse.queries import watch
from server.admin.queries import retention
from server.game.queries import standings
from server.insight.queries import accuracy
from server.store.named_queries import sql_of
from server.voting.queries import reconcile, voting
from server.webhooks.queries import sender as webhooks


async def commit(connection: Any) -> None:
    """The writer's commit: votes, budgets, decisions on groups, attendance, follows and picks of two shards."""
    shards = await connection.fetch(
        "select id % (select count(*) from log_positions) from shows where id < 3 order by 1"
    )
    songs = await connection.fetch(
        "select e.id, e.show_id, u.id as user_id from setlist_songs e join setlists l on l.id = e.setlist_id, users u"
        " where l.type = 'predicted' and u.id < 3 order by 1, 3"
    )
    pairs = [(user, other) for user in (1, 2) for other in (1, 2)]
    await voting.commit_log_with_picks(
        connection, shards=[row[0] for row in shards], old_positions=[1000, 1000], new_positions=[2000, 2000],
        entries=["1", "2"], song_ids=[row["id"] for row in songs], user_ids=[row["user_id"] for row in songs],
        show_ids=[row["show_id"] for row in songs], choices=[("down", None)[row["id"] % 2] for row in songs],
        cast_ms=[await connection.fetchval("select extract(epoch from hour)::bigint * 1000 from vote_rollups limit 1")]
        * len(songs),
        spent_user_ids=[1, 2], spent_days=[20454, 20454], spent=[5, 5],
        going_user_ids=[pair[0] for pair in pairs], going_show_ids=[pair[1] for pair in pairs], goings=[False] * 4,
        following_user_ids=[pair[0] for pair in pairs], following_artist_ids=[pair[1] for pair in pairs],
        followings=[False] * 4,
        order_user_ids=[pair[0] for pair in pairs], order_show_ids=[pair[1] for pair in pairs], cast_orders=[5] * 4, group_ids=[1, 2],
        pick_user_ids=[pair[0] for pair in pairs], pick_show_ids=[pair[1] for pair in pairs], picked_songs=["2", "", "3", "2"],
        openers=[None] * 4, closers=[None] * 4, encores=[None] * 4, pick_ms=[1] * 4,
    )  # fmt: skip


async def open_shards(connection: Any) -> None:
    """A node that has connected to Valkey reads the positions behind the commits under way."""
    async for _ in voting.settled_positions(connection):
        pass


async def open_shard(connection: Any) -> None:
    """A node throws the hot copy of a shard away and goes on past its log."""
    await voting.lock_position(connection, shard=1)
    await voting.raise_position(connection, shard=1, at_least=0)


async def finalise(connection: Any) -> None:
    """The writer makes closed shows final."""
    shards = list(range(16))
    await voting.finalise_shows(connection, held=shards, empty=shards, shard_count=16, hot_now=dt.datetime.now(dt.UTC))


async def note_voting(connection: Any) -> None:
    """A sender notices that voting has closed by the clock."""
    await webhooks.note_due_voting(connection, since=None)


async def insert_group(connection: Any) -> None:
    """The watch stores a group that it found, with ballots that are in another one already."""
    await watch.insert_group(
        connection, show_id=1, user_ids=[1, 2], score=5, reasons="[]", began_ms=1_000, ended_ms=2_000
    )


async def extend_group(connection: Any) -> None:
    """A group that was found gets more ballots."""
    await watch.extend_group(connection, group_id=3, user_ids=[1, 2], score=5, reasons="[]", ended_ms=2_000)


async def set_group_rule(connection: Any) -> None:
    """A moderator says that groups of a show are set aside when they are found."""
    await connection.execute("select set_config('app.role', 'moderator', true)")
    await connection.execute("select lock_show(1), set_group_rule(1, true)")


async def prune_groups(connection: Any) -> None:
    """Groups whose votes count are deleted when their shows have been final for long."""
    await retention.delete_vote_groups(connection, days=1, count=10)


async def score(connection: Any) -> None:
    """A show is scored again, and all nodes are told."""
    await connection.execute(sql_of(accuracy.score_show), 1)
    await accuracy.tell_of_score(connection, show_id=1, up_to=0)


async def rank_artists(connection: Any) -> None:
    """The chore adds up the shows of the artists that wait."""
    await connection.execute("insert into artists_to_rank (artist_id) values (2), (1)")
    await connection.execute("select rank_artists()")


async def recount_trending(connection: Any) -> None:
    """Every heat is calculated again."""
    await connection.execute("select update_trending_scores()")


async def put_standings(connection: Any) -> None:
    """The points of a show that is over are written."""
    await standings.put_show_standings(connection, show_id=1, user_ids=[2, 1], points=[5, 4], ranks=[1, 2])


async def recount_standings(connection: Any) -> None:
    """The points of an artist's shows are added up."""
    await standings.recount_standings(connection, board="artist", subject_id=1)


async def repair(connection: Any) -> None:
    """Wrong counts are repaired."""
    await reconcile.repair_counts(connection)
