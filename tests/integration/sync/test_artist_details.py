"""Artists that are known by links alone get their details from MusicBrainz, many in one request."""

from __future__ import annotations

from typing import Any

import pytest

from server.errors import ProviderError
from server.store.database import Database
from server.sync.artists import ArtistSyncService
from server.sync.clients.musicbrainz import IDS_MAX
from server.sync.jobs import queue_job
from server.sync.providers import Providers
from server.sync.schedules import build_scheduler
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.providers.world import Artist

database_url, redis_url = one_node.database_url, one_node.redis_url


async def sync_all(database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any) -> None:
    """Syncs every artist of the world by name alone, as a node does, with a stale cache."""
    await sql.execute("update external_cache set fresh_until = now() - interval '1 second'")
    for artist in provider_services.world.artists:
        await sql.execute(
            "insert into artists (slug, name) values ($1, $2) on conflict do nothing",
            f"artist-{artist.number}",
            artist.name,
        )
    for row in await sql.fetch("select id from artists where slug like 'artist-%' order by id"):
        await queue_job(database, "musicbrainz", "artist", str(row["id"]))
    await build_scheduler(database, providers).run_until_idle()


def doubly_linked(artist: Artist) -> Artist:
    """Links an artist at Ticketmaster to MusicBrainz and to Spotify."""
    artist.attraction_id = artist.attraction_id or f"K8vZ918{artist.number:04d}"
    artist.is_linked_at_ticketmaster = artist.is_linked_to_spotify_there = artist.is_linked_at_musicbrainz = True
    return artist


async def catalogue(sql: Any) -> dict[str, list[Any]]:
    """Everything that a second sync must not change: what people see, and the results of the first sync."""
    wanted = {
        "artists": "select id, slug, name, country, genre, updated_at from artists order by id",
        "venues": "select id, slug, name, updated_at from venues order by id",
        "shows": "select id, slug, status, revision, updated_at from shows order by id",
        "songs": "select id, title, updated_at from songs order by id",
        "sets": "select id, setlist_id, song_id, position from setlist_songs order by id",
        "ids": "select service, external_id, artist_id, url from artist_identities order by 1, 2",
        "show ids": "select service, external_id, show_id, url from show_identities order by 1, 2",
        "song ids": "select service, external_id, song_id, url from song_identities order by 1, 2",
        "questions": "select service, external_id, artist_id, verdict from identity_reviews order by 1, 2, 3",
        "told": "select stage, outcome, message from import_log where outcome <> 'refused' order by id",
    }
    return {what: await sql.fetch(query) for what, query in wanted.items()}


async def test_many_artists_share_a_request_and_a_second_sync_changes_nothing(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """All have country and genre after the first sync; the second requests every page and writes nothing."""
    for number in range(IDS_MAX):
        doubly_linked(provider_services.world.add_artist(f"Late Arrival {number}"))
    await sync_all(database, providers, provider_services, sql)

    linked = [
        one
        for one in provider_services.world.artists
        if one.is_linked_at_ticketmaster and one.is_linked_to_spotify_there
    ]
    searches = [one.query["query"] for one in provider_services.musicbrainz.asked if one.path == "/ws/2/artist"]
    assert sum(query.startswith("arid:") for query in searches) == 2
    assert {mbid for query in searches if "arid:" in query for mbid in query[6:-1].split(" OR ")} == {
        one.mbid for one in linked
    }
    pages = provider_services.musicbrainz.paths()
    assert not [one for one in linked if f"/ws/2/artist/{one.mbid}" in pages]
    assert {tuple(row) for row in await sql.fetch("select country, genre from artists where slug like 'artist-%'")} == {
        ("US", "Indie rock")
    }
    evidences = (
        "select distinct i.evidence from artist_identities i where service = 'spotify' and external_id = any($1)"
    )
    found = [row["evidence"] for row in await sql.fetch(evidences, [one.spotify_ids[0] for one in linked])]
    assert found == ["linked at Ticketmaster"]
    # It has no link, and songs that came later in the same sync identified it.
    unlinked = next(one for one in provider_services.world.artists if not one.is_linked_at_musicbrainz)
    how = "select evidence from artist_identities where external_id = $1"
    assert (await sql.fetchval(how, unlinked.spotify_ids[0])).startswith("called the same, and ")
    before, asked = await catalogue(sql), len(pages)
    assert [what for what, rows in before.items() if not rows] == []

    await sync_all(database, providers, provider_services, sql)
    after = await catalogue(sql)
    new = {what: [row for row in rows if row not in before[what]] for what, rows in after.items()}
    assert {what: rows for what, rows in new.items() if rows} == {}
    assert {what: len(rows) for what, rows in after.items()} == {what: len(rows) for what, rows in before.items()}
    assert {f"/ws/2/artist/{one.mbid}" for one in provider_services.world.artists} == set(
        provider_services.musicbrainz.paths()[asked:]
    )
    assert provider_services.violations == []
    assert await sql.fetchval("select count(*) from sync_jobs where status <> 'succeeded'") == 0


async def test_a_link_to_another_name_is_removed_and_becomes_a_question(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """Nothing of the other artist is written; only a person's decision connects the two."""
    artist = provider_services.world.artists[0]
    artist.name_at_musicbrainz = "Quite Another Act"
    await sync_all(database, providers, provider_services, sql)
    row = await sql.fetchrow("select id, name, country, genre from artists where slug = 'artist-0'")
    assert tuple(row)[1:] == (artist.name, "", "")
    ids = "select external_id from artist_identities where artist_id = $1 and service = 'musicbrainz'"
    assert await sql.fetch(ids, row["id"]) == []
    asked = await sql.fetchrow(
        "select external_id, name, evidence, verdict::text from identity_reviews where service = 'musicbrainz'"
    )
    assert tuple(asked) == (
        artist.mbid, "Quite Another Act", "linked at Ticketmaster, but called 'Quite Another Act' at MusicBrainz", "open"
    )  # fmt: skip
    failed = await sql.fetch("select subject, error from sync_jobs where status <> 'succeeded' and kind = 'artist'")
    assert [(one["subject"], "has no artist called" in one["error"]) for one in failed] == [(str(row["id"]), True)]
    told = await sql.fetch("select message from import_log where outcome = 'refused' and stage = 'artists'")
    expected = "artist-0: linked at Ticketmaster, but called 'Quite Another Act' at MusicBrainz"
    assert any(one["message"].startswith(expected) for one in told)

    await sync_all(database, providers, provider_services, sql)
    assert await sql.fetch(ids, row["id"]) == []
    await sql.execute("update identity_reviews set verdict = 'same', decided_at = now() where service = 'musicbrainz'")
    provider_services.world.artists[0].name_at_musicbrainz = None
    await sync_all(database, providers, provider_services, sql)
    assert [one["external_id"] for one in await sql.fetch(ids, row["id"])] == [artist.mbid]
    assert await sql.fetchval("select genre from artists where slug = 'artist-0'") == "Indie rock"


async def test_a_merged_id_leads_to_the_other_artist(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A search does not find the old id; the artist's own page redirects."""
    old = provider_services.world.artists[0]
    new = provider_services.world.add_artist(old.name)
    new.attraction_id = None
    provider_services.world.merged[old.mbid] = new.mbid
    provider_services.world.artists.remove(new)
    await sync_all(database, providers, provider_services, sql)
    assert await sql.fetchval("select genre from artists where slug = 'artist-0'") == ""
    provider_services.world.artists.append(new)
    await sql.execute("update artist_identities set lacks_details = true where external_id = $1", old.mbid)
    await queue_job(database, "musicbrainz", "details", "all")
    await sql.execute("delete from external_cache")
    await build_scheduler(database, providers).run_until_idle()
    row = await sql.fetchrow("select id, country, genre from artists where slug = 'artist-0'")
    assert tuple(row)[1:] == ("US", "Indie rock")
    ids = await sql.fetch(
        "select external_id from artist_identities where artist_id = $1 and service = 'musicbrainz'", row["id"]
    )
    assert {one["external_id"] for one in ids} == {old.mbid, new.mbid}


async def test_a_person_gets_details_at_once(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A sync by hand is about one artist, so it asks MusicBrainz now."""
    await ArtistSyncService(database, providers).sync(provider_services.world.artists[0].name)
    assert tuple(await sql.fetchrow("select country, genre from artists")) == ("US", "Indie rock")
    assert await sql.fetchval("select count(*) from artist_identities where lacks_details") == 0


async def test_genres_are_the_tags_on_the_list_of_genres(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """The most chosen tag need not be a genre; a page of HTML is no list, and is requested again."""
    mbid = provider_services.world.artists[0].mbid
    provider_services.musicbrainz.fail(4, body=b"<html>busy</html>", content_type="text/html")
    with pytest.raises(ProviderError, match=r"a page of HTML instead of plain text"):
        await providers.musicbrainz.fetch_artists([mbid])
    (artist,) = await providers.musicbrainz.fetch_artists([mbid])
    assert [genre.name for genre in artist.genres] == ["indie rock", "pop"]
    page = await providers.musicbrainz.fetch_artist(mbid)
    assert page is not None
    assert (artist.genre, artist.country, artist.name) == (page.genre, page.country, page.name)
