"""integrity_check(): no violation in a sound database, and every rule finds its planted violation."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import VotePath

# Each statement breaks one rule without the triggers; with it stand the rule and the subject that must be reported.
PLANTED: dict[str, tuple[str, set[tuple[str, str]]]] = {
    "a song's tally": (
        "update setlist_songs set up_count = up_count + 1 where id = {song}",
        {("tally", "song:{song}"), ("history", "song:{song}")},
    ),
    "a set's count": ("update setlists set vote_count = 9 where show_id = 7", {("tally", "setlist:{setlist}")}),
    "a show's count": ("update shows set vote_count = 9 where id = 7", {("tally", "show:7")}),
    "a show's attendance": ("update shows set attendance_count = 9 where id = 7", {("tally", "show:7")}),
    "an artist's followers": ("update artist_stats set follower_count = 9", {("tally", "artist:1")}),
    "an artist's shows": ("update artist_stats set show_count = 9", {("tally", "artist:1")}),
    "a venue's reviews": ("update venues set review_count = 9", {("tally", "venue:1")}),
    "a venue's ratings": ("update venues set rating_sum = 9", {("tally", "venue:1")}),
    "a vote that was not counted": (
        "insert into votes values ({song}, {stranger}, 7, 'down', now())",
        {("tally", "song:{song}"), ("tally", "setlist:{setlist}"), ("tally", "show:7")},
    ),
    "a vote that has gone": (
        "delete from votes where user_id = {user} and setlist_song_id = {song}",
        {("tally", "song:{song}"), ("tally", "setlist:{setlist}"), ("tally", "show:7")},
    ),
    "a history that was cut": (
        "delete from vote_analytics where user_id = {user} and setlist_song_id = {song}",
        {("history", "song:{song}"), ("rollup", "show:7")},
    ),
    "a history that says otherwise": (
        "update vote_analytics set choice = 'down' where user_id = {user} and setlist_song_id = {song}",
        {("history", "song:{song}"), ("rollup", "show:7")},
    ),
    "a roll-up": ("update vote_rollups set withdrawn_count = 5", {("rollup", "show:7")}),
    "a roll-up that is missing": ("delete from vote_rollups", {("rollup", "show:7")}),
    "a window that was moved": (
        "update shows set opens_at = now() + interval '10 minutes' where id = 7",
        {("window", "show:7")},
    ),
    "a vote after the end": (
        "update votes set cast_at = now() + interval '2 hours' where user_id = {user} and setlist_song_id = {song}",
        {("window", "show:7")},
    ),
    "a vote after the final result": (
        "update shows set finalised_at = now() - interval '30 minutes', opens_at = now() - interval '2 hours' where id = 7",
        {("final", "show:7")},
    ),
    "a vote on a played song": (
        "update setlist_songs set played_at = now() - interval '30 minutes' where id = {song}",
        {("played", "song:{song}")},
    ),
    "a budget that was lowered": ("update shows set votes_per_user_max = 1 where id = 7", {("budget", "show:7")}),
    "a position from nowhere": ("update shows set position = 1::bigint << 60 where id = 7", {("position", "show:7")}),
    "a bill without its headliner": ("delete from show_artists where show_id = 7", {("bill", "show:7")}),
    "a headliner who is another": (
        "update show_artists set billing = 'support' where show_id = 7",
        {("bill", "show:7")},
    ),
}


async def check(sql: Any) -> set[tuple[str, str]]:
    return {(row["rule"], row["subject"]) for row in await sql.fetch("select * from integrity_check()")}


@pytest.fixture
async def ids(vote_path: VotePath, factory: RowFactory) -> dict[str, int]:
    """A show with real votes, reviews, followers and guests."""
    show = await factory.show(7)
    user, stranger = await factory.users(2)
    async with vote_path.writer():
        await vote_path.cast(7, user, (show.first, "up"), (show.songs[1], "down"))
        await vote_path.cast(7, user, (show.songs[2], "up"))
        await vote_path.cast(7, user, (show.songs[2], "none"))
        await until(vote_path.is_drained)
    await factory.sql.execute(
        f"insert into user_follows_artists values ({user}, 1); insert into user_show_attendance values ({user}, 7);"
        f"insert into venue_reviews (venue_id, user_id, rating, status) values (1, {user}, 5, 'approved')"
    )
    setlist = await factory.sql.fetchval("select id from setlists")
    return {"song": show.first, "user": user, "stranger": stranger, "setlist": setlist}


async def test_a_sound_database_has_no_violation(factory: RowFactory, ids: dict[str, int]) -> None:
    """Neither votes, changes and withdrawals through the whole vote path nor an erasure break a rule."""
    assert await check(factory.sql) == set()
    await factory.sql.execute(f"select erase_user({ids['user']})")
    assert await check(factory.sql) == set()


async def test_every_rule_finds_its_planted_violation(factory: RowFactory, ids: dict[str, int]) -> None:
    """One violation at a time, made without the triggers, is reported under its rule and subject, and no other is."""
    for name, (statement, expected) in PLANTED.items():
        transaction = factory.sql.transaction()
        await transaction.start()
        try:
            await factory.sql.execute("set local session_replication_role = replica")
            assert await factory.sql.execute(statement.format(**ids)) not in ("UPDATE 0", "DELETE 0"), name
            assert await check(factory.sql) == {(rule, of.format(**ids)) for rule, of in expected}, name
        finally:
            await transaction.rollback()
    assert {rule for _, expected in PLANTED.values() for rule, _ in expected} == {
        "tally", "history", "rollup", "window", "budget", "position", "bill", "final", "played",
    }  # fmt: skip


async def test_every_wrong_count_is_repaired(factory: RowFactory, ids: dict[str, int]) -> None:
    """repair_counts() counts the rows, and changes wrong counts only."""
    for name, (statement, expected) in PLANTED.items():
        if {rule for rule, _ in expected} != {"tally"} and name != "a song's tally":
            continue
        transaction = factory.sql.transaction()
        await transaction.start()
        try:
            await factory.sql.execute("set local session_replication_role = replica")
            await factory.sql.execute(statement.format(**ids))
            await factory.sql.execute("set local session_replication_role = origin")
            tallies = {of for rule, of in expected if rule == "tally"}
            assert await factory.sql.fetchval("select repair_counts()") == len(tallies), name
            assert await factory.sql.fetch("select * from miscounts()") == [], name
        finally:
            await transaction.rollback()


async def test_a_repair_waits_for_transactions_that_change_counts(
    factory: RowFactory, ids: dict[str, int], database_url: str
) -> None:
    """A review that is written in the meantime is counted once: by the repair, or after it."""
    await factory.sql.execute("update venues set review_count = 9, rating_sum = 9")
    author = await asyncpg.connect(database_url)
    watcher = await asyncpg.connect(database_url)
    try:
        writing = author.transaction()
        await writing.start()
        await author.execute(
            f"insert into venue_reviews (venue_id, user_id, rating, status) values (1, {ids['stranger']}, 2, 'approved')"
        )
        repair = asyncio.create_task(factory.sql.fetchval("select repair_counts()"))
        await until(lambda: watcher.fetchval("select exists (select from pg_locks where not granted)"))
        await writing.commit()
        assert await repair == 1
        assert await factory.sql.fetch("select * from miscounts()") == []
        assert await factory.sql.fetchval("select rating_sum from venues") == 7
    finally:
        await watcher.close()
        await author.close()
