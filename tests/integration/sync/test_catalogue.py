"""The catalogue from providers: artists, shows, predicted and actual setlists, and their later changes."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from server.store.database import Database
from server.sync.artists import ArtistSyncService
from server.sync.jobs import queue_job
from server.sync.providers import Providers
from server.sync.queries import jobs
from server.sync.schedules import build_scheduler
from tests.support import providers as stand_in
from tests.support.providers.world import VENUES
from tests.support.running_node import until


async def bring_in(database: Database, providers: Providers, sql: Any, name: str) -> int:
    """Syncs an artist with all following jobs, by the scheduler."""
    artist = await ArtistSyncService(database, providers).sync(name)
    await again(database, providers, artist.id, sql)
    return artist.id


async def again(database: Database, providers: Providers, artist_id: int, sql: Any) -> None:
    """Syncs everything of an artist again, without the cache."""
    await sql.execute("delete from external_cache")
    for service, kind in (("ticketmaster", "shows"), ("setlistfm", "setlists"), ("spotify", "songs")):
        await queue_job(database, service, kind, str(artist_id))
        await build_scheduler(database, providers).run_until_idle()
    failed = await sql.fetch("select kind, error from sync_jobs where status not in ('succeeded', 'queued')")
    assert [tuple(row) for row in failed] == []


@asynccontextmanager
async def waiting_for_votes(database_url: str, show_id: int, work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Within the block votes of a show are being written, and the work waits for them without a lock on a show or a song."""
    writer, eyes = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    async with writer.transaction():
        await writer.execute(
            "select from log_positions where shard = $1 % (select count(*) from log_positions) for update", show_id
        )
        working = asyncio.create_task(work)
        await until(
            lambda: eyes.fetchval(
                "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%log_positions%'"
                " and datname = current_database() and pid <> pg_backend_pid())"
            )
        )
        await writer.execute("set local lock_timeout = '1s'")
        await writer.execute("select from shows for update")
        await writer.execute("select from setlist_songs for update")
        yield
    await working
    await writer.close()
    await eyes.close()


async def shows(sql: Any) -> list[tuple[Any, ...]]:
    """Date, venue, status and identities of all shows."""
    rows = await sql.fetch(
        "select s.local_date, v.name, s.status::text, (select count(*) from show_identities i where i.show_id = s.id)"
        " from shows s join venues v on v.id = s.venue_id order by s.local_date"
    )
    return [tuple(row) for row in rows]


async def test_an_artist_gets_shows_and_predictions_and_a_second_sync_changes_nothing(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """Four listings and a VIP package make three shows with predicted setlists."""
    artist = provider_services.world.artists[0]
    artist_id = await bring_in(database, providers, sql, artist.name)

    identities = await sql.fetch(
        "select service::text, external_id, evidence from artist_identities where artist_id = $1 order by 1, 2",
        artist_id,
    )
    assert {(row["service"], row["external_id"]) for row in identities} == {
        ("musicbrainz", artist.mbid), ("ticketmaster", artist.attraction_id), ("spotify", artist.spotify_ids[0]),
        ("setlistfm", artist.mbid),
    }  # fmt: skip
    today = provider_services.world.today
    assert await shows(sql) == [
        (today + dt.timedelta(days=5), VENUES[0].name, "upcoming", 2),
        (today + dt.timedelta(days=14), VENUES[1].name, "upcoming", 1),
        (today + dt.timedelta(days=23), VENUES[2].name, "upcoming", 1),
    ]
    starts = await sql.fetch("select starts_at, time_zone from shows order by starts_at")
    assert [(row["starts_at"].astimezone(ZoneInfo(row["time_zone"])).hour) for row in starts] == [20] * 3

    titles = await sql.fetch(
        "select e.position, l.kind::text, g.title, a.name from setlists l join setlist_songs e on e.setlist_id = l.id"
        " join songs g on g.id = e.song_id join artists a on a.id = g.artist_id"
        " where l.show_id = (select min(id) from shows) and l.type = 'predicted' order by l.position, e.position"
    )
    predicted = [row["title"] for row in titles]
    assert set(predicted) <= {song.title for song in artist.songs}
    assert 8 <= len(predicted) <= 10
    assert {row["name"] for row in titles} <= {artist.name, "The Cover Originals"}
    assert {row["kind"] for row in titles} == {"main", "encore"}
    assert "Only For A Few" not in predicted
    assert "Intro Music" not in predicted

    links = await sql.fetch("select i.url, i.isrc, s.title from song_identities i join songs s on s.id = i.song_id")
    assert len(links) >= 5
    assert all(row["url"].startswith("https://open.spotify.com/track/") and row["isrc"] for row in links)

    before = await sql.fetch("select id, slug, revision, updated_at from shows order by id")
    counts = await sql.fetchrow(
        "select (select count(*) from songs), (select count(*) from setlist_songs), (select count(*) from venues)"
    )
    logged = await sql.fetchval("select count(*) from import_log")
    await again(database, providers, artist_id, sql)
    assert await sql.fetch("select id, slug, revision, updated_at from shows order by id") == before
    assert counts == await sql.fetchrow(
        "select (select count(*) from songs), (select count(*) from setlist_songs), (select count(*) from venues)"
    )
    assert await sql.fetchval("select count(*) from import_log") == logged
    assert provider_services.violations == []


async def test_changes_at_a_provider_change_the_catalogue(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """Moved, cancelled, postponed without a date and back again; a window that staff set moves with its show."""
    artist_id = await bring_in(database, providers, sql, provider_services.world.artists[0].name)
    events = [
        event
        for event in provider_services.world.events
        if event.artists[0].number == 0 and "VIP" not in event.name and not event.is_resale
    ]
    first, second, third = events
    await sql.execute(
        "update shows set opens_at = now() - interval '1 day', closes_at = starts_at - interval '1 hour' where local_date = $1",
        third.date,
    )
    provider_services.world.events = [event for event in provider_services.world.events if not event.is_resale]
    first.status = "cancelled"
    second.status, second.first_date, second.date = "postponed", second.date, None
    assert third.date is not None
    third.status, third.first_date, third.date = "rescheduled", third.date, third.date + dt.timedelta(days=30)
    await again(database, providers, artist_id, sql)
    assert [(date, status) for date, _, status, _ in await shows(sql)] == [
        (provider_services.world.today + dt.timedelta(days=5), "cancelled"),
        (provider_services.world.today + dt.timedelta(days=14), "cancelled"),
        (provider_services.world.today + dt.timedelta(days=53), "upcoming"),
    ]
    window = await sql.fetchrow(
        "select starts_at - closes_at as before, opens_at < now() as is_open from shows where local_date = $1",
        third.date,
    )
    assert (window["before"], window["is_open"]) == (dt.timedelta(hours=1), True)

    second.status, second.date = "rescheduled", provider_services.world.today + dt.timedelta(days=90)
    await again(database, providers, artist_id, sql)
    assert (await shows(sql))[-1][::2] == (second.date, "upcoming")
    assert await sql.fetchval("select count(*) from shows") == 3


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
    """A prediction with votes, or changed by a person, stays; an untouched one follows the artist's new setlists."""
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


async def test_the_headliner_has_the_show(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A support act's page lists the headliner's shows: one show with the act on its bill; an unknown headliner is reported."""
    world = provider_services.world
    head, support, stranger = world.artists[0], world.artists[1], world.artists[4]
    world.events.clear()
    together = world.add_event(head, VENUES[0], world.today + dt.timedelta(days=3))
    together.artists = [head, support]
    world.add_event(stranger, VENUES[1], world.today + dt.timedelta(days=4)).artists = [stranger, support]
    stranger.is_linked_at_ticketmaster = True
    await bring_in(database, providers, sql, head.name)
    await bring_in(database, providers, sql, support.name)
    rows = await sql.fetch(
        "select s.slug, a.name, b.billing::text from shows s join show_artists b on b.show_id = s.id join artists a on a.id = b.artist_id order by b.position"
    )
    assert [(row["name"], row["billing"]) for row in rows] == [(head.name, "headliner"), (support.name, "support")]
    told = await sql.fetch("select distinct message from import_log where outcome = 'refused'")
    assert [row["message"] for row in told] == [
        f"{stranger.name} on {world.today + dt.timedelta(days=4)}: the catalogue has no artist {stranger.name}, the headliner: sync that artist first"
    ]


async def test_venues_are_recognised_by_name_and_place(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A slightly different name matches; the same name in another country does not; another name at the same spot is a question."""
    ours = await sql.fetchval(
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ('ballroom', 'Grand Ballroom', 'New York', 'US', 40.75, -73.99, 'America/New_York') returning id"
    )
    await sql.execute(
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ('namesake', 'Lakeside Amphitheatre', 'London', 'GB', 51.5, -0.1, 'Europe/London'),"
        "        ('old-name', 'Something Else Entirely', 'Los Angeles', 'US', 34.0983, -118.3240, 'America/Los_Angeles')"
    )
    await bring_in(database, providers, sql, provider_services.world.artists[0].name)
    rows = await sql.fetch(
        "select v.id, v.slug, s.local_date from shows s join venues v on v.id = s.venue_id order by s.local_date"
    )
    assert rows[0]["id"] == ours
    assert rows[1]["slug"] == "lakeside-amphitheatre-chicago"
    reviews = await sql.fetch(
        "select r.name, v.slug, r.evidence from identity_reviews r join venues v on v.id = r.venue_id"
    )
    assert [tuple(row) for row in reviews] == [
        ("Palladium presented by Acme Bank", "old-name", "0 m apart, under another name")
    ]


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


async def test_a_venue_from_ticketmaster_takes_a_new_name(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """The new name of a sponsor is taken over and the slug stays; a venue from a person keeps its name."""
    await sql.execute(
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ('ballroom', 'Grand Ballroom', 'New York', 'US', 40.75, -73.99, 'America/New_York')"
    )
    await bring_in(database, providers, sql, provider_services.world.artists[0].name)
    for event in provider_services.world.events:
        event.venue = dataclasses.replace(event.venue, name=f"New {event.venue.name}")
    await sql.execute("delete from external_cache; update venue_identities set checked_at = now() - interval '31 days'")
    async with database.connection() as connection:
        assert (
            await jobs.queue_venues(
                connection, service="ticketmaster", older_than_s=30 * 86_400.0, count=9, spread_s=0.0
            )
            == 3
        )
    await build_scheduler(database, providers).run_until_idle()
    rows = await sql.fetch("select slug, name from venues order by slug")
    assert [tuple(row) for row in rows] == [
        ("ballroom", "Grand Ballroom"),
        ("lakeside-amphitheatre-chicago", "New Lakeside Amphitheatre"),
        ("palladium-presented-by-acme-bank-los-angeles", "New Palladium presented by Acme Bank"),
    ]
    assert (
        await sql.fetchval("select count(*) from venue_identities where checked_at > now() - interval '1 minute'") == 3
    )
    errors = await sql.fetch("select error from sync_jobs where status = 'failed'")
    assert [row["error"] for row in errors] == []


async def test_another_id_is_another_artist(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """An act with the same name and another MusicBrainz id is not ours, and makes no question."""
    artist, namesake = provider_services.world.artists[0], provider_services.world.artists[4]
    namesake.name, artist.attraction_id, namesake.is_linked_at_ticketmaster = artist.name, None, True
    synced = await ArtistSyncService(database, providers).sync(artist.mbid)
    assert synced.slug == "silver-harbour"
    assert await sql.fetchval("select count(*) from artist_identities where service = 'ticketmaster'") == 0
    assert await sql.fetchval("select count(*) from identity_reviews") == 0


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


async def test_decisions_of_staff_and_past_shows_stay(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A show that staff cancelled stays cancelled; a finished one is not moved, but reported."""
    artist_id = await bring_in(database, providers, sql, provider_services.world.artists[0].name)
    first, second, third = [row["id"] for row in await sql.fetch("select id from shows order by local_date")]
    await sql.execute("update shows set status = 'cancelled' where id = $1", first)
    await sql.execute("update shows set status = 'finished' where id = any($1)", [second, third])
    before = await sql.fetch("select id, local_date, starts_at, closes_at, status from shows order by id")
    moved = [
        event
        for event in provider_services.world.events
        if event.date == provider_services.world.today + dt.timedelta(days=23)
    ]
    for event in moved:
        event.date = provider_services.world.today + dt.timedelta(days=60)
    await again(database, providers, artist_id, sql)
    assert await sql.fetch("select id, local_date, starts_at, closes_at, status from shows order by id") == before
    told = await sql.fetch("select message from import_log where outcome = 'refused'")
    assert len(told) == 1
    assert f"is finished, but Ticketmaster lists it for {moved[0].date}: check its date" in told[0]["message"]
