"""Artists, shows and venues from providers, and their later changes."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from server.store.database import Database
from server.sync.artists import ArtistSyncService
from server.sync.providers import Providers
from server.sync.queries import jobs
from server.sync.schedules import build_scheduler
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.providers.world import VENUES
from tests.support.synced_catalogue import again, bring_in

database_url, redis_url = one_node.database_url, one_node.redis_url


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
