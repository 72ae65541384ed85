"""The catalogue from providers: artists, shows, what they will play and what they played; followed when it changes."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from server.store.database import Database
from server.sync.artists import ArtistSyncService
from server.sync.providers import Providers
from server.sync.scheduler import queue_job
from server.sync.schedules import scheduler_of
from tests.support import providers as stand_in
from tests.support.providers.world import VENUES


async def bring_in(database: Database, providers: Providers, sql: Any, name: str) -> int:
    """An artist with everything, by the scheduler."""
    artist = await ArtistSyncService(database, providers).sync(name)
    await again(database, providers, artist.id, sql)
    return artist.id


async def again(database: Database, providers: Providers, artist_id: int, sql: Any) -> None:
    """Everything of an artist once more, from the providers and not from the cache."""
    await sql.execute("delete from external_cache")
    for service, kind in (("ticketmaster", "shows"), ("setlistfm", "setlists"), ("spotify", "songs")):
        await queue_job(database, service, kind, str(artist_id))
        await scheduler_of(database, providers).finish()
    failed = await sql.fetch("select kind, error from sync_jobs where status not in ('succeeded', 'queued')")
    assert [tuple(row) for row in failed] == []


async def shows(sql: Any) -> list[tuple[Any, ...]]:
    """Date, venue, status and identities of all shows."""
    rows = await sql.fetch(
        "select s.local_date, v.name, s.status::text, (select count(*) from show_identities i where i.show_id = s.id)"
        " from shows s join venues v on v.id = s.venue_id order by s.local_date"
    )
    return [tuple(row) for row in rows]


async def test_an_artist_comes_with_shows_and_predictions_and_twice_is_once(
    database: Database, providers: Providers, outside: stand_in.Providers, sql: Any
) -> None:
    """Three shows of four listings and a VIP package, predicted from setlists; the second time nothing changes."""
    artist = outside.world.artists[0]
    artist_id = await bring_in(database, providers, sql, artist.name)

    identities = await sql.fetch(
        "select service::text, external_id, evidence from artist_identities where artist_id = $1 order by 1, 2",
        artist_id,
    )
    assert {(row["service"], row["external_id"]) for row in identities} == {
        ("musicbrainz", artist.mbid), ("ticketmaster", artist.attraction_id), ("spotify", artist.spotify_ids[0]),
    }  # fmt: skip
    today = outside.world.today
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
    assert outside.violations == []


async def test_what_changes_there_changes_here(
    database: Database, providers: Providers, outside: stand_in.Providers, sql: Any
) -> None:
    """Moved, cancelled, put off without a date and back again; a window that staff set moves with its show."""
    artist_id = await bring_in(database, providers, sql, outside.world.artists[0].name)
    events = [
        event
        for event in outside.world.events
        if event.artists[0].number == 0 and "VIP" not in event.name and not event.is_resale
    ]
    first, second, third = events
    await sql.execute(
        "update shows set opens_at = now() - interval '1 day', closes_at = starts_at - interval '1 hour' where local_date = $1",
        third.date,
    )
    outside.world.events = [event for event in outside.world.events if not event.is_resale]
    first.status = "cancelled"
    second.status, second.first_date, second.date = "postponed", second.date, None
    third.status, third.first_date, third.date = "rescheduled", third.date, third.date + dt.timedelta(days=30)
    await again(database, providers, artist_id, sql)
    assert [(date, status) for date, _, status, _ in await shows(sql)] == [
        (outside.world.today + dt.timedelta(days=5), "cancelled"),
        (outside.world.today + dt.timedelta(days=14), "cancelled"),
        (outside.world.today + dt.timedelta(days=53), "upcoming"),
    ]
    window = await sql.fetchrow(
        "select starts_at - closes_at as before, opens_at < now() as is_open from shows where local_date = $1",
        third.date,
    )
    assert (window["before"], window["is_open"]) == (dt.timedelta(hours=1), True)

    second.status, second.date = "rescheduled", outside.world.today + dt.timedelta(days=90)
    await again(database, providers, artist_id, sql)
    assert (await shows(sql))[-1][::2] == (second.date, "upcoming")
    assert await sql.fetchval("select count(*) from shows") == 3
