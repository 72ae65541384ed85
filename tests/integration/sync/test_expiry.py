"""Actual setlists from setlist.fm are kept only while it shows them; their scores stay."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from server.insight.accuracy import score_shows
from server.store.database import Database
from server.sync import forgetting
from server.sync.forgetting import expire_played, forget
from server.sync.jobs import queue_job
from server.sync.providers import Providers
from server.sync.schedules import build_scheduler
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.providers.world import VENUES
from tests.support.running_node import until_a_lock_is_awaited
from tests.support.synced_catalogue import bring_in, waiting_for_votes
from tests.support.unheld import unheld

database_url, redis_url = one_node.database_url, one_node.redis_url

KEPT_DAYS = 14
ACTUAL = "select array_agg(id order by id) from setlists where type = 'actual'"
SCORED = "select show_id, predicted, hits, played, is_settled from show_accuracy order by show_id"
LINKS = "select external_id, show_id, url from show_identities where service = 'setlistfm' order by external_id"


async def last_months_show(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> int:
    """An artist with a show 41 days ago, of which the crowd predicted two songs of three, and with its setlist at setlist.fm."""
    world = provider_services.world
    artist = world.artists[0]
    artist_id = await bring_in(database, providers, sql, artist.name)
    show_id: int = await sql.fetchval("select min(id) from shows")
    await sql.execute(
        "update shows set local_date = current_date - 41, starts_at = now() - interval '41 days',"
        " opens_at = now() - interval '50 days', closes_at = now() - interval '42 days' where id = $1",
        show_id,
    )
    offered = await sql.fetch(
        "select e.id, g.title from setlist_songs e join songs g on g.id = e.song_id where e.show_id = $1 order by e.id limit 2",
        show_id,
    )
    fan = await sql.fetchval("insert into users default values returning id")
    for row in offered:
        await sql.execute(
            "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) values ($1, $2, $3, 'up', now())",
            row["id"], fan, show_id,
        )  # fmt: skip
    titles = [row["title"] for row in offered]
    world.add_played(artist, VENUES[0], world.today - dt.timedelta(days=41), [*titles, "A Surprise"])
    await ask_again(database, providers, sql, artist_id)
    return show_id


async def ask_again(database: Database, providers: Providers, sql: Any, artist_id: int) -> None:
    """The weekly sync of an artist's setlists."""
    await sql.execute("delete from external_cache")
    await queue_job(database, "setlistfm", "setlists", str(artist_id))
    await build_scheduler(database, providers).run_until_idle()
    await score_shows(sql)


async def not_seen_for_days(sql: Any, days: int = KEPT_DAYS + 1) -> None:
    await sql.execute("update show_identities set checked_at = now() - make_interval(days => $1)", days)


async def test_an_actual_setlist_expires_and_returns_when_it_is_shown_again(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """The set is deleted; its link and scores stay through other changes; shown again, it is written and scored again."""
    show_id = await last_months_show(database, providers, provider_services, sql)
    scores, links = await sql.fetch(SCORED), await sql.fetch(LINKS)
    assert [tuple(row) for row in scores] == [(show_id, 2, 2, 3, False)]
    assert [row["show_id"] for row in links] == [show_id]
    await not_seen_for_days(sql, KEPT_DAYS - 1)
    assert await expire_played(sql, unheld, KEPT_DAYS) == 0
    await not_seen_for_days(sql)
    artist_id = await sql.fetchval("select artist_id from shows where id = $1", show_id)
    await ask_again(database, providers, sql, artist_id)
    assert await expire_played(sql, unheld, KEPT_DAYS) == 0, "it was seen a moment ago"
    before = await sql.fetchval(ACTUAL)

    await not_seen_for_days(sql)
    assert await expire_played(sql, unheld, KEPT_DAYS) == 1
    assert await sql.fetchval(ACTUAL) is None
    await sql.execute("insert into shows_to_score (show_id) values ($1)", show_id)
    await score_shows(sql)
    assert [tuple(row) for row in await sql.fetch(SCORED)] == [(show_id, 2, 2, 3, True)]
    assert await sql.fetchval("select count(*) from voter_accuracy") == 1
    assert await sql.fetch(LINKS) == links
    assert await sql.fetch("select * from miscounts()") == []
    assert await expire_played(sql, unheld, KEPT_DAYS) == 0, "twice is once"

    await ask_again(database, providers, sql, artist_id)
    assert len(await sql.fetchval(ACTUAL)) == len(before)
    assert await sql.fetch(SCORED) == scores
    # Somebody deletes the setlist here: nothing is left to score by.
    await sql.execute("delete from setlists where type = 'actual'")
    await score_shows(sql)
    assert await sql.fetch(SCORED) == []


async def test_forgetting_deletes_the_scores_that_were_left(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """The scores follow from setlist.fm's data, even after the setlist itself expired."""
    await last_months_show(database, providers, provider_services, sql)
    await not_seen_for_days(sql)
    assert await expire_played(sql, unheld, KEPT_DAYS) == 1
    await forget(database, "ticketmaster", unheld)
    assert len(await sql.fetch(SCORED)) == 1
    await forget(database, "setlistfm", unheld)
    assert await sql.fetch(SCORED) == []


async def test_setlists_expire_in_batches_except_our_own(
    database: Database,
    providers: Providers,
    provider_services: stand_in.Providers,
    sql: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of six shows with an actual setlist, one is known here alone, one was shown lately under another id, one has a vote, and
    one was changed here: these stay, and setlists with votes or changes stay for good.
    """
    monkeypatch.setattr(forgetting, "SHOWS_PER_BATCH", 1)
    for artist in provider_services.world.artists[:2]:
        await bring_in(database, providers, sql, artist.name)
    own, fresh, voted, changed, *others = await sql.fetchval(
        "select array_agg(id order by id) from (select id from shows order by id limit 6) s"
    )
    add = (
        "insert into setlist_songs (setlist_id, show_id, song_id, position)"
        " select l.id, $1, (select id from songs order by id offset $2 limit 1), $2 + 1"
        " from setlists l where l.show_id = $1 and l.type = 'actual'"
    )
    for show_id in (own, fresh, voted, changed, *others):
        await sql.execute("insert into setlists (show_id, type, name) values ($1, 'actual', 'Played')", show_id)
        await sql.execute(add, show_id, 0)
    put = (
        "insert into show_identities (service, external_id, show_id, version, confidence, evidence, checked_at, songs)"
        " values ($1, 'x' || $2::bigint || $3::int, $2, 'v', 1, 'told', now() - make_interval(days => $3), songs_in_order($2, 'actual'))"
    )
    await sql.execute(put, "ticketmaster", own, 90)
    for show_id in (fresh, voted, changed, *others):
        await sql.execute(put, "setlistfm", show_id, 90)
    await sql.execute(put, "setlistfm", fresh, 1)
    await sql.execute(add, changed, 1)
    fan = await sql.fetchval("insert into users default values returning id")
    await sql.execute(
        "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) select max(id), $2, $1, 'up', now()"
        " from setlist_songs where show_id = $1", voted, fan,
    )  # fmt: skip
    assert await expire_played(sql, unheld, KEPT_DAYS) == len(others) == 2
    left = "select array_agg(distinct show_id order by show_id) from setlists where type = 'actual'"
    assert await sql.fetchval(left) == [own, fresh, voted, changed]
    told = await sql.fetch(
        "select show_id, version, songs from show_identities where service = 'setlistfm' order by 1, 2"
    )
    assert {row["show_id"] for row in told if row["songs"]} == {fresh}
    assert {row["show_id"] for row in told if not row["version"]} == set(others)
    await sql.execute("delete from votes")
    # Another person writes the setlist down: it is theirs, though the link is there.
    await sql.execute("insert into setlists (show_id, type, name) values ($1, 'actual', 'As I heard it')", others[0])
    await sql.execute(add, others[0], 0)
    assert await expire_played(sql, unheld, KEPT_DAYS) == 0
    assert (await forget(database, "setlistfm", unheld))["played"] == 1
    assert await sql.fetchval(left) == [own, voted, changed, others[0]]


async def test_expiring_waits_for_votes_without_locks(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any, database_url: str
) -> None:
    """Writers of votes and this deletion both lock the shard first, so they cannot deadlock."""
    show_id = await last_months_show(database, providers, provider_services, sql)
    await not_seen_for_days(sql)
    connection = await database._pool.acquire()
    try:
        async with waiting_for_votes(database_url, show_id, expire_played(connection, unheld, KEPT_DAYS)):
            assert await sql.fetchval(ACTUAL) is not None
    finally:
        await database._pool.release(connection)
    assert await sql.fetchval(ACTUAL) is None


async def test_a_show_that_is_deleted_while_its_batch_waits_is_skipped(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """The only show of a batch is deleted between listing and locking: nothing is left to expire, and nothing fails."""
    show_id = await last_months_show(database, providers, provider_services, sql)
    await not_seen_for_days(sql)
    # A transaction sees one state of pg_stat_activity, so another connection watches.
    async with database.connection() as connection, database.connection() as watcher:
        async with sql.transaction():
            await sql.execute(
                "select from log_positions where shard = $1 % (select count(*) from log_positions) for update", show_id
            )
            expiring = asyncio.create_task(expire_played(connection, unheld, KEPT_DAYS))
            await until_a_lock_is_awaited(watcher, "log_positions")
            await sql.execute("delete from shows where id = $1", show_id)
        assert await expiring == 0
