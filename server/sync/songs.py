"""Syncs songs with Spotify: a link for each song, and a first setlist for artists without any."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.errors import StoreConflict
from server.protocol.texts import clean_line
from server.store.database import Database, savepoint
from server.store.rule_changes import ChangeRules
from server.sync.clients import spotify
from server.sync.clients.spotify import SpotifyClient
from server.sync.identities import (
    DOUBTFUL_CONFIDENCE,
    SHARED_CONFIDENCE,
    Identity,
    KnownArtist,
    fetch_known_artist,
    save_identities,
)
from server.sync.jobs import Job, log_results
from server.sync.matching import plain_name, plain_title, shown_title
from server.sync.queries import identities
from server.sync.record_writer import Hold, lock_shards, write_record
from server.sync.records import RecordResult, SetlistRecord, SetRecord, SetSong
from server.sync.references import RecordRefused
from server.sync.setlists import LOOK_AHEAD_DAYS

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "songs"
SONGS_MAX = 1_000
SHARED_SONGS_MIN = 2
NAMESAKES_MAX = 3


class SongSyncService:
    """Links an artist's songs to their recordings."""

    def __init__(self, database: Database, client: SpotifyClient, change_rules: ChangeRules) -> None:
        self._database = database
        self._client = client
        self._change_rules = change_rules

    async def sync(self, job: Job) -> None:
        """Links songs to an artist's top tracks. The job's subject is the artist's id.

        An artist without a link to Spotify is searched by name, and recognised by songs of the catalogue.

        Raises: JobImpossible: the artist was deleted; ProviderError; StoreUnavailable
        """
        artist = await fetch_known_artist(self._database, int(job.subject))
        ids = artist.ids.get(spotify.SERVICE) or await self._find(artist)
        if not ids:
            message = (
                f"{artist.name}: Spotify has no artist who is surely this one, so its songs get no links: decide about a "
                "question in the sync manager, if there is one"
            )
            async with self._database.connection() as connection:
                await log_results(connection, job.id, STAGE, [RecordResult(None, "refused", message)])
            await job.report_progress(STAGE, 0, 0)
            return
        # An app without access to top tracks searches by name instead.
        tracks = await self._client.fetch_top_tracks(spotify.Artist(id=ids[0], name=artist.name))
        async with self._change_rules(self._database.transaction()) as change:
            connection = change.connection
            rows = identities.fetch_titles(connection, artist_id=artist.id, count=SONGS_MAX)
            songs = {plain_title(row["title"]): row["id"] async for row in rows}
            found = {plain_title(track.name): track for track in reversed(tracks)}
            matched = [(track, songs[key]) for key, track in found.items() if key in songs]
            await identities.put_song_identities(
                connection,
                service=spotify.SERVICE,
                external_ids=[track.id for track, _ in matched],
                song_ids=[song_id for _, song_id in matched],
                urls=[track.urls.spotify for track, _ in matched],
                isrcs=[track.external_ids.isrc for track, _ in matched],
            )
            results: list[RecordResult] = []
            if not songs and tracks:
                titles = list(
                    dict.fromkeys(title for track in tracks if (title := clean_line(shown_title(track.name))))
                )
                today = self._client.provider.now().date()
                results = await _write_first_setlists(connection, artist.id, titles, today, change.hold)
            await log_results(connection, job.id, "setlists", results)
        await job.report_progress(STAGE, len(matched), len(matched))

    async def _find(self, artist: KnownArtist) -> list[str]:
        """Finds the artist's ids at Spotify by shared songs; without enough of them a person is asked."""
        candidates = await self._client.search_artists(artist.name)
        namesakes = [one for one in candidates if plain_name(one.name) == plain_name(artist.name)]
        sure: list[Identity] = []
        doubtful: list[Identity] = []
        async with self._database.connection() as connection:
            titles = {
                plain_title(row["title"])
                async for row in identities.fetch_titles(connection, artist_id=artist.id, count=SONGS_MAX)
            }
        for one in namesakes[:NAMESAKES_MAX]:
            shared = titles & {plain_title(track.name) for track in await self._client.fetch_top_tracks(one)}
            by_name = Identity(
                spotify.SERVICE, one.id, spotify.PAGE_URL + one.id, DOUBTFUL_CONFIDENCE, "its name alone"
            )
            if len(shared) >= SHARED_SONGS_MIN:
                evidence = f"called the same, and {len(shared)} songs are the same"
                sure.append(by_name._replace(confidence=SHARED_CONFIDENCE, evidence=evidence))
            else:
                doubtful.append(by_name)
        saved = await save_identities(self._database, artist.id, artist.name, sure, [] if sure else doubtful)
        return [one.external_id for one in saved]


async def _write_first_setlists(
    connection: Connection, artist_id: int, titles: Sequence[str], today: dt.date, hold: Hold
) -> list[RecordResult]:
    """Predicts an artist's most heard songs for shows without a setlist, so that fans have something to vote on."""
    rows = identities.shows_of_artist(
        connection, artist_id=artist_id, first=today, last=today + dt.timedelta(days=LOOK_AHEAD_DAYS)
    )
    shows = [row async for row in rows if row["artist_id"] == artist_id and row["status"] == "upcoming"]
    await lock_shards(connection, [show["slug"] for show in shows], hold)
    results = []
    for show in shows:
        prediction = await identities.fetch_prediction(connection, show_id=show["id"])
        if prediction["standing"]:
            continue
        songs = [SetSong(title=title[:300]) for title in titles]
        record = SetlistRecord(show=show["slug"], type="predicted", sets=[SetRecord(songs=songs)])
        try:
            async with savepoint(connection):
                result = await write_record(connection, "setlists", record)
                await identities.put_prediction(connection, show_id=show["id"], service=spotify.SERVICE, basis=1)
        except (RecordRefused, StoreConflict) as error:
            results.append(RecordResult(None, "refused", f"{show['slug']}: {error}"))
            continue
        results.append(result._replace(message=f"{show['slug']}: predicted from the most heard songs"))
    return results
