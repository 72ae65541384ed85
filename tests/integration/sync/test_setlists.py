"""Predicted and actual setlists from providers, and their later changes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from server.store.database import Database
from server.sync.jobs import queue_job
from server.sync.providers import Providers
from server.sync.schedules import build_scheduler
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.providers.world import VENUES
from tests.support.synced_catalogue import again, bring_in, waiting_for_votes

database_url, redis_url = one_node.database_url, one_node.redis_url


async def test_an_actual_setlist_is_written_scored_and_corrected(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """The crowd's votes are scored against setlist.fm's setlist; a correction there is taken over once."""
    world = provider_services.world
    artist = world.artists[0]
    artist_id = await bring_in(database, providers, sql, artist.name)
    show_id = await sql.fetchval("select min(id) from shows")
    songs = [row["id"] for row in await sql.fetch(
        "select e.id from setlist_songs e join setlists l on l.id = e.setlist_id where l.show_id = $1 and l.type = 'predicted'"
        " order by l.position, e.position", show_id,
    )]  # fmt: skip
    titles = [row["title"] for row in await sql.fetch(
        "select g.title from setlist_songs e join songs g on g.id = e.song_id where e.id = any($1) order by array_position($1, e.id)", songs,
    )]  # fmt: skip
    # The show was last night: the fan voted for three songs, of which two were played.
    await sql.execute(
        "update shows set local_date = current_date - 1, starts_at = now() - interval '20 hours', opens_at = now() - interval '9 days',"
        " closes_at = now() - interval '19 hours' where id = $1", show_id,
    )  # fmt: skip
    fan = await sql.fetchval("insert into users default values returning id")
    for song in songs[:3]:
        await sql.execute(
            "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) values ($1, $2, $3, 'up', now() - interval '20 hours')",
            song, fan, show_id,
        )  # fmt: skip
    venue = VENUES[0]
    played = world.add_played(artist, venue, world.today - dt.timedelta(days=1), [*titles[1:5], "A Surprise"])
    other = world.add_played(artist, VENUES[4], world.today - dt.timedelta(days=1), ["Elsewhere"])
    assert other.id != played.id

    async def look_again() -> list[tuple[Any, ...]]:
        await sql.execute("delete from external_cache")
        await queue_job(database, "setlistfm", "played", str(show_id))
        await build_scheduler(database, providers).run_until_idle()
        await sql.execute("select score_show($1)", show_id)
        rows = await sql.fetch("select predicted, hits, played from show_accuracy where show_id = $1", show_id)
        return [tuple(row) for row in rows]

    assert await look_again() == [(3, 2, 5)]
    source = await sql.fetchrow(
        "select url, version from show_identities where service = 'setlistfm' and show_id = $1", show_id
    )
    assert source["url"].endswith(f"{played.id}.html")
    revision = await sql.fetchval("select revision from shows where id = $1", show_id)
    assert await look_again() == [(3, 2, 5)]
    assert await sql.fetchval("select revision from shows where id = $1", show_id) == revision

    world.edit(played, titles[:5])
    assert await look_again() == [(3, 3, 5)]
    assert await sql.fetchval("select count(*) from votes where show_id = $1", show_id) == 3
    assert await sql.fetchval("select count(*) from miscounts()") == 0
    assert (
        await sql.fetchval("select version from show_identities where service = 'setlistfm' and show_id = $1", show_id)
        != source["version"]
    )
    assert artist_id == 1


async def test_a_prediction_with_votes_or_changes_stays(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A prediction with votes, counted or set aside, or changed by a person, stays; an untouched one follows the artist's new setlists."""
    artist = provider_services.world.artists[0]
    artist_id = await bring_in(database, providers, sql, artist.name)
    voted, changed, free = [row["id"] for row in await sql.fetch("select id from shows order by local_date")]

    async def titles(show_id: int) -> list[str]:
        rows = await sql.fetch(
            "select g.title from setlists l join setlist_songs e on e.setlist_id = l.id join songs g on g.id = e.song_id"
            " where l.show_id = $1 and l.type = 'predicted' order by l.position, e.position", show_id,
        )  # fmt: skip
        return [row["title"] for row in rows]

    before = {show_id: await titles(show_id) for show_id in (voted, changed, free)}
    fan = await sql.fetchval("insert into users default values returning id")
    song = await sql.fetchval(
        "select e.id from setlist_songs e join setlists l on l.id = e.setlist_id where l.show_id = $1 limit 1", voted
    )
    await sql.execute(
        "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) values ($1, $2, $3, 'up', now())",
        song,
        fan,
        voted,
    )
    # Also when the only vote is set aside: it may come back.
    await sql.execute(
        "with made as (insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
        " values ($1, 9, '[]', 1, now(), now()) returning id) insert into vote_group_members (show_id, user_id, group_id,"
        " is_set_aside) select $1, $2, id, true from made",
        voted, fan,
    )  # fmt: skip
    await sql.execute(
        "delete from setlist_songs where id = (select max(e.id) from setlist_songs e join setlists l on l.id = e.setlist_id where l.show_id = $1)",
        changed,
    )
    of_a_person = await titles(changed)
    for back in range(15):
        provider_services.world.add_played(
            artist,
            VENUES[0],
            provider_services.world.today - dt.timedelta(days=1 + back % 3),
            [f"New {n}" for n in range(6)],
        )
    await again(database, providers, artist_id, sql)
    assert await titles(voted) == before[voted]
    assert await titles(changed) == of_a_person
    assert set(await titles(free)) == {f"New {n}" for n in range(6)}


async def test_a_wrong_link_is_found(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """An id that belongs to another artist at setlist.fm gives no setlists, and the job says so."""
    artist_id = await sql.fetchval(
        "insert into artists (slug, name) values ('somebody', 'Somebody Quite Different') returning id"
    )
    await sql.execute(
        "insert into artist_identities (service, external_id, artist_id, confidence, evidence) values ('musicbrainz', $1, $2, 1, 'told')",
        provider_services.world.artists[0].mbid, artist_id,
    )  # fmt: skip
    await queue_job(database, "setlistfm", "setlists", str(artist_id))
    await build_scheduler(database, providers).run_until_idle()
    row = await sql.fetchrow("select status::text, error from sync_jobs where kind = 'setlists'")
    assert row["status"] == "failed"
    assert (
        "setlist.fm has another artist, 'Silver Harbour', under the MusicBrainz id of 'Somebody Quite Different'"
        in row["error"]
    )


async def test_without_setlists_top_tracks_are_predicted(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """When nobody has written a setlist, the first prediction has the top tracks, with titles for display."""
    artist = provider_services.world.artists[0]
    provider_services.world.played.clear()
    await bring_in(database, providers, sql, artist.name)
    rows = await sql.fetch("select distinct g.title from setlist_songs e join songs g on g.id = e.song_id")
    titles = {row["title"] for row in rows}
    assert len(titles) >= 5
    assert titles <= {song.title for song in artist.songs}
    assert await sql.fetchval("select count(*) from show_predictions") == 3


async def test_syncs_wait_for_votes_without_locks(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any, database_url: str
) -> None:
    """Writers of votes lock a shard first, and so does a sync: while it waits for a shard it has locked no show."""
    artist_id = await bring_in(database, providers, sql, provider_services.world.artists[0].name)

    async def hours_of_shows() -> set[int]:
        rows = await sql.fetch("select extract(hour from starts_at at time zone time_zone)::int as hour from shows")
        return {row["hour"] for row in rows}

    for hour, show in enumerate(await sql.fetch("select id from shows"), 17):
        for event in provider_services.world.events:
            event.time = dt.time(hour)
        async with waiting_for_votes(database_url, show["id"], again(database, providers, artist_id, sql)):
            # The shows wait here, not the setlists after them.
            assert hour not in await hours_of_shows()
        assert await hours_of_shows() == {hour}
        # Another song opened their last three nights, so the prediction changes for all shows.
        world = provider_services.world
        for days in range(1, 4):
            titles = [f"Opener {hour}", *[song.title for song in world.artists[0].songs[:8]]]
            world.add_played(world.artists[0], VENUES[4], world.today - dt.timedelta(days=days), titles)
        await sql.execute("delete from external_cache")
        await queue_job(database, "setlistfm", "setlists", str(artist_id))
        async with waiting_for_votes(database_url, show["id"], build_scheduler(database, providers).run_until_idle()):
            pass
