"""Listings become shows: titles that say more than their status, two shows on one evening, and names that are found nowhere."""

from __future__ import annotations

import datetime as dt
from typing import Any

from server.store.database import Database
from server.sync.artists import ArtistSyncService
from server.sync.jobs import queue_job
from server.sync.providers import Providers
from server.sync.schedules import build_scheduler
from server.sync.terminal_tables import artist_as_table
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.providers.world import VENUES
from tests.support.synced_catalogue import again, bring_in

database_url, redis_url = one_node.database_url, one_node.redis_url


async def test_titles_decide_what_takes_place(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """Postponed in German without a new date: the show is off; with a new date it is back. Parking never is a show."""
    world = provider_services.world
    artist = world.add_artist("Camping in Alaska")
    event = world.add_event(artist, VENUES[3], world.today + dt.timedelta(days=40))
    world.add_event(artist, VENUES[3], world.today + dt.timedelta(days=41)).name = "Parkplatz – Camping in Alaska"
    artist_id = await bring_in(database, providers, sql, artist.name)

    async def statuses() -> list[str]:
        return [row["status"] for row in await sql.fetch("select status::text from shows order by local_date")]

    assert await statuses() == ["upcoming"]
    event.name = "VERSCHOBEN: Camping in Alaska"
    await again(database, providers, artist_id, sql)
    assert await statuses() == ["cancelled"]
    event.name = "NEUER TERMIN: Camping in Alaska"
    await again(database, providers, artist_id, sql)
    assert await statuses() == ["upcoming"]
    event.name = "Camping in Alaska (annulé)"
    await again(database, providers, artist_id, sql)
    assert await statuses() == ["cancelled"]


async def test_two_shows_on_one_evening_stay_two(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """18:00 and 21:30 in one hall are two shows with two slugs, also after a second sync; each gets its own setlist."""
    world = provider_services.world
    artist = world.add_artist("Twice A Night")
    day = world.today + dt.timedelta(days=20)
    for time in (dt.time(18), dt.time(21, 30)):
        world.add_event(artist, VENUES[0], day, time=time)
    artist_id = await bring_in(database, providers, sql, artist.name)
    shows = await sql.fetch("select id, slug, starts_at from shows order by starts_at")
    assert len(shows) == 2
    assert shows[1]["starts_at"] - shows[0]["starts_at"] == dt.timedelta(hours=3.5)
    await again(database, providers, artist_id, sql)
    assert await sql.fetch("select id, slug, starts_at from shows order by starts_at") == shows
    await sql.execute(
        "update shows set local_date = $1, starts_at = starts_at - interval '21 days', opens_at = opens_at - interval '21 days',"
        " closes_at = closes_at - interval '21 days'", world.today - dt.timedelta(days=1),
    )  # fmt: skip
    for title in ("Early Song", "Late Song"):
        world.add_played(artist, VENUES[0], world.today - dt.timedelta(days=1), [title])
    for show in shows:
        await sql.execute("delete from external_cache")
        await queue_job(database, "setlistfm", "played", str(show["id"]))
        await build_scheduler(database, providers).run_until_idle()
    played = await sql.fetch(
        "select l.show_id, g.title from setlists l join setlist_songs e on e.setlist_id = l.id join songs g on g.id = e.song_id"
        " where l.type = 'actual' order by l.show_id"
    )
    assert sorted(row["show_id"] for row in played) == sorted(show["id"] for show in shows)
    assert {row["title"] for row in played} == {"Early Song", "Late Song"}


async def test_a_name_that_is_found_nowhere_is_told(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """No act at Ticketmaster, no artist at Spotify, no setlist: the command's table and the runs' logs say so."""
    artist = provider_services.world.add_artist("Nowhere Else")
    artist.attraction_id, artist.spotify_ids = None, []
    synced = await ArtistSyncService(database, providers).sync(artist.name)
    assert synced.missing == ["spotify", "ticketmaster"]
    cells = [str(cell) for column in artist_as_table(synced).columns for cell in column.cells]
    assert cells.count("not found at") == 2
    for service, kind in (("setlistfm", "setlists"), ("spotify", "songs")):
        await queue_job(database, service, kind, str(synced.id))
    await build_scheduler(database, providers).run_until_idle()
    told = " ".join(
        row["message"] for row in await sql.fetch("select message from import_log where outcome = 'refused'")
    )
    for words in (
        "Nowhere Else: Ticketmaster has no act",
        "Nowhere Else: Spotify has no artist",
        "Nowhere Else: setlist.fm has no setlist",
    ):
        assert words in told
