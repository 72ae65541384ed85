"""Songs at Spotify: a page to link to from each of ours, and a first setlist for artists of whom nobody wrote one down."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from server.errors import StoreConflict
from server.store.database import Database, savepoint
from server.sync.clients import spotify
from server.sync.file_import import log_outcomes
from server.sync.identities import (
    DOUBTFUL_CONFIDENCE,
    SHARED_CONFIDENCE,
    Identity,
    identities,
    ids_by_service,
    save_identities,
)
from server.sync.matching import plain_name, plain_title, shown_title
from server.sync.providers import Providers
from server.sync.record_writer import Outcomes, RecordRefused, lock_shards, write_records
from server.sync.records import SetlistRecord, SetRecord, SetSong
from server.sync.scheduler import Job, JobImpossible
from server.sync.setlists import LOOK_AHEAD_DAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.store.database import Connection

STAGE = "songs"
SONGS_MAX = 1_000
SHARED_SONGS_MIN = 2
NAMESAKES_MAX = 3


class SongSyncService:
    """Brings an artist's songs together with their recordings."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def sync(self, job: Job) -> None:
        """What people hear most of an artist. Subject: the artist's id.

        Whoever is linked nowhere is looked for by name, and known again by songs of ours.

        Raises: Unfit: there is no such artist; ProviderError; StoreUnavailable
        """
        client = self._providers.spotify
        assert client is not None
        async with self._database.connection() as connection:
            artist = await identities.fetch_artist(connection, artist_id=int(job.subject))
        if artist is None:
            raise JobImpossible(f"there is no artist {job.subject} any more")
        ids = ids_by_service(artist).get(spotify.SERVICE) or await self._find(client, artist["id"], artist["name"])
        if not ids:
            await job.tell(STAGE, 0, 0)
            return
        # Without the name there is nothing to search by, where top tracks were withdrawn.
        tracks = await client.fetch_top_tracks(spotify.Artist(id=ids[0], name=artist["name"]))
        async with self._database.transaction() as connection:
            rows = identities.fetch_titles(connection, artist_id=artist["id"], count=SONGS_MAX)
            songs = {plain_title(row["title"]): row["id"] async for row in rows}
            found = {plain_title(track.name): track for track in reversed(tracks)}
            joined = [(track, songs[key]) for key, track in found.items() if key in songs]
            await identities.put_song_identities(
                connection,
                service=spotify.SERVICE,
                external_ids=[track.id for track, _ in joined],
                song_ids=[song_id for _, song_id in joined],
                urls=[track.urls.spotify for track, _ in joined],
                isrcs=[track.external_ids.isrc for track, _ in joined],
            )
            outcomes: Outcomes = []
            if not songs and tracks:
                titles = list(dict.fromkeys(shown_title(track.name) for track in tracks))
                outcomes = await _write_first_setlists(connection, artist["id"], titles, client.provider.now().date())
            await log_outcomes(connection, job.id, "setlists", outcomes)
        await job.tell(STAGE, len(joined), len(joined))

    async def _find(self, client: spotify.SpotifyClient, artist_id: int, name: str) -> list[str]:
        """Ids of the artist at Spotify; where songs do not tell, a person is asked."""
        called = [one for one in await client.search_artists(name) if plain_name(one.name) == plain_name(name)]
        sure: list[Identity] = []
        doubtful: list[Identity] = []
        async with self._database.connection() as connection:
            titles = {
                plain_title(row["title"])
                async for row in identities.fetch_titles(connection, artist_id=artist_id, count=SONGS_MAX)
            }
        for one in called[:NAMESAKES_MAX]:
            shared = titles & {plain_title(track.name) for track in await client.fetch_top_tracks(one)}
            if len(shared) >= SHARED_SONGS_MIN:
                told = f"called the same, and {len(shared)} songs are the same"
                sure.append((spotify.SERVICE, one.id, spotify.PAGE_URL + one.id, SHARED_CONFIDENCE, told))
            else:
                doubtful.append(
                    (spotify.SERVICE, one.id, spotify.PAGE_URL + one.id, DOUBTFUL_CONFIDENCE, "its name alone")
                )
        kept = await save_identities(self._database, artist_id, name, sure, [] if sure else doubtful)
        return [external_id for _, external_id, *_ in kept]


async def _write_first_setlists(
    connection: Connection, artist_id: int, titles: Sequence[str], today: dt.date
) -> Outcomes:
    """Better than nothing to vote on: what people hear most."""
    rows = identities.shows_of_artist(
        connection, artist_id=artist_id, first=today, last=today + dt.timedelta(days=LOOK_AHEAD_DAYS)
    )
    shows = [row async for row in rows if row["artist_id"] == artist_id and row["status"] == "upcoming"]
    await lock_shards(connection, [show["slug"] for show in shows])
    outcomes: Outcomes = []
    for show in shows:
        standing = await identities.fetch_prediction(connection, show_id=show["id"])
        if standing["standing"]:
            continue
        songs = [SetSong(title=title[:300]) for title in titles]
        record = SetlistRecord(show=show["slug"], type="predicted", sets=[SetRecord(songs=songs)])
        try:
            async with savepoint(connection):
                ((_, outcome, _),) = await write_records(connection, "setlists", [(0, record)])
                await identities.put_prediction(connection, show_id=show["id"], service=spotify.SERVICE, basis=1)
        except (RecordRefused, StoreConflict) as error:
            outcomes.append((0, "refused", f"{show['slug']}: {error}"))
            continue
        outcomes.append((0, outcome, f"{show['slug']}: what people hear most"))
    return outcomes
