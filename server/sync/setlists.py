"""Syncs setlists from setlist.fm: what was played at shows, and predictions for coming shows.

Setlists of other shows are read and counted, but not stored: the terms of setlist.fm allow short copies only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from server.errors import StoreConflict
from server.protocol.texts import clean_line
from server.store.database import Database, savepoint
from server.store.rule_changes import ChangeRules
from server.sync.canonical_titles import CanonicalTitles, fetch_canonical_titles
from server.sync.clients import musicbrainz, setlistfm
from server.sync.clients.setlistfm import Setlist, SetlistFmClient
from server.sync.identities import LINK_CONFIDENCE, Identity, KnownArtist, fetch_known_artist, put_identities, slug_for
from server.sync.jobs import Job, JobImpossible, log_results
from server.sync.matching import name_similarity
from server.sync.prediction import PlayedSet, PlayedSong, Predicted, predict
from server.sync.queries import identities
from server.sync.queries import records as queries
from server.sync.record_writer import lock_shards, write_record
from server.sync.records import ArtistRecord, RecordResult, SetlistRecord, SetRecord, SetSong
from server.sync.references import RecordRefused
from server.sync.setlist_matching import is_encore, match_setlists, songs_of

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "setlists"
# A prediction is made of the last BASIS setlists with songs, within PAGES_MAX pages.
BASIS = 15
PAGES_MAX = 3
LOOK_AHEAD_DAYS = 365
SHOWS_PER_BATCH = 20
# From 0 to 1; less similar names belong to different artists.
NAME_SIMILARITY_MIN = 0.6


class SetlistSyncService:
    """Updates actual and predicted setlists."""

    def __init__(self, database: Database, client: SetlistFmClient, change_rules: ChangeRules) -> None:
        self._database = database
        self._client = client
        self._change_rules = change_rules

    async def sync(self, job: Job) -> None:
        """Updates the setlists of an artist's past and coming shows. The job's subject is the artist's id.

        Raises: JobImpossible: the artist has no MusicBrainz id; ProviderError; StoreUnavailable
        """
        mbid, artist = await self._fetch_artist(int(job.subject))
        history = await self._fetch_history(mbid)
        _refuse_namesake(artist, history)
        today = self._client.provider.now().date()
        async with self._database.connection() as connection:
            if history:
                await _put_artist_page(connection, artist, history[0])
            rows = identities.shows_of_artist(
                connection,
                artist_id=artist.id,
                # As far back as the pages reach: a setlist that setlist.fm still shows may be kept, and people correct
                # old ones.
                first=history[-1].date if history else today,
                last=today + dt.timedelta(days=LOOK_AHEAD_DAYS),
            )
            shows = [row async for row in rows if row["artist_id"] == artist.id]
        covered = {song.cover.mbid: song.cover for one in history for _, song in songs_of(one) if song.cover}
        async with self._database.connection() as connection:
            canonical = await fetch_canonical_titles(connection, artist.id, sorted(covered))
        songs = predict(to_played_sets(history, canonical))
        authors = [covered[song.by] for song in songs if song.by is not None]
        prediction = Prediction(songs, authors, basis=len(history))
        if not history:
            message = f"{artist.name}: setlist.fm has no setlist with songs, so nothing is predicted from there"
            async with self._database.connection() as connection:
                await log_results(connection, job.id, STAGE, [RecordResult(None, "refused", message)])
        setlists = match_setlists(history, shows)
        for start in range(0, len(shows), SHOWS_PER_BATCH):
            batch = shows[start : start + SHOWS_PER_BATCH]
            async with self._change_rules(self._database.transaction()) as change:
                connection = change.connection
                await lock_shards(connection, [show["slug"] for show in batch], change.hold)
                results: list[RecordResult] = []
                for show in batch:
                    if show["local_date"] <= today and show["id"] in setlists:
                        results.append(await _write_played(connection, artist, show, setlists[show["id"]]))
                    if songs and show["status"] == "upcoming" and show["local_date"] >= today:
                        results.append(await _write_prediction(connection, show, prediction))
                await log_results(connection, job.id, STAGE, results)
            await job.report_progress(STAGE, min(start + SHOWS_PER_BATCH, len(shows)), len(shows))

    async def sync_played(self, job: Job) -> None:
        """Updates the actual setlist of one show, once somebody has written it down. The job's subject is the show's id.

        Raises: JobImpossible, ProviderError, StoreUnavailable
        """
        async with self._database.connection() as connection:
            show = await identities.fetch_show(connection, show_id=int(job.subject))
        if show is None:
            raise JobImpossible(f"the catalogue has no show {job.subject} any more: there is nothing to sync")
        mbid, artist = await self._fetch_artist(show["artist_id"])
        page = await self._client.search_setlists(mbid, show["local_date"])
        day = {"first": show["local_date"], "last": show["local_date"]}
        async with self._database.connection() as connection:
            rows = identities.shows_of_artist(connection, artist_id=artist.id, **day)
            shows = [row async for row in rows if row["artist_id"] == artist.id]
        found = match_setlists([one for one in page.setlist if _is_by(one, mbid)], shows).get(show["id"])
        if found is not None:
            async with self._change_rules(self._database.transaction()) as change:
                connection = change.connection
                await lock_shards(connection, [show["slug"]], change.hold)
                await log_results(connection, job.id, STAGE, [await _write_played(connection, artist, show, found)])
        await job.report_progress(STAGE, int(found is not None), 1)

    async def _fetch_artist(self, artist_id: int) -> tuple[str, KnownArtist]:
        """The artist's MusicBrainz id, and the artist."""
        artist = await fetch_known_artist(self._database, artist_id)
        mbids = artist.ids.get(musicbrainz.SERVICE, [])
        if not mbids:
            raise JobImpossible(f"{artist.name} has no MusicBrainz id, which setlist.fm needs: sync the artist first")
        return mbids[0], artist

    async def _fetch_history(self, mbid: str) -> list[Setlist]:
        """The last setlists with songs, the newest first; setlist.fm lists coming shows too, without songs."""
        history: list[Setlist] = []
        for number in range(1, PAGES_MAX + 1):
            page = await self._client.fetch_artist_setlists(mbid, number)
            history += [
                one for one in page.setlist if one.date is not None and _is_by(one, mbid) and any(songs_of(one))
            ]
            if page.is_last or len(history) >= BASIS:
                break
        return sorted(history, key=lambda one: one.date or dt.date.min, reverse=True)


def _refuse_namesake(artist: KnownArtist, history: Sequence[Setlist]) -> None:
    """Refuses an id that belongs to another artist at setlist.fm: nobody checks links at providers.

    Raises: JobImpossible
    """
    names = {one.artist.name for one in history if one.artist is not None and one.artist.name}
    if names and all(name_similarity(name, artist.name) < NAME_SIMILARITY_MIN for name in names):
        raise JobImpossible(
            f"setlist.fm has another artist, {min(names)!r}, under the MusicBrainz id of {artist.name!r}: "
            "check the artist's MusicBrainz id"
        )


def to_played_sets(setlists: Sequence[Setlist], canonical: CanonicalTitles) -> list[PlayedSet]:
    """Setlists in the form for predictions: performed songs with canonical titles, medleys as their songs."""
    for setlist in setlists:
        canonical.learn((_author(song), song.name) for _, song in songs_of(setlist))
    return [_to_played_set(one, canonical) for one in setlists]


def _to_played_set(setlist: Setlist, canonical: CanonicalTitles) -> PlayedSet:
    performed = [
        (is_encore(one), _author(song), title)
        for one, song in songs_of(setlist)
        if not song.tape
        for title in canonical.parts(_author(song), song.name)
    ]
    last = max(1, len(performed) - 1)
    songs = [PlayedSong(title, by, number / last, encore) for number, (encore, by, title) in enumerate(performed)]
    return PlayedSet(setlist.date or dt.date.min, songs, setlist.tour_name)


def _author(song: setlistfm.Song) -> str | None:
    """The MusicBrainz id of the original artist of a cover; None: the artist's own song."""
    return song.cover.mbid or None if song.cover is not None else None


def _is_by(setlist: Setlist, mbid: str) -> bool:
    return setlist.artist is not None and setlist.artist.mbid == mbid


async def _put_artist_page(connection: Connection, artist: KnownArtist, setlist: Setlist) -> None:
    """Stores the artist's page at setlist.fm, because predictions must link to it."""
    assert setlist.artist is not None
    evidence = "setlists of the same MusicBrainz id"
    page = Identity(setlistfm.SERVICE, setlist.artist.mbid, setlist.artist.url[:500], LINK_CONFIDENCE, evidence)
    await put_identities(connection, artist.id, [page])


async def _write_played(connection: Connection, artist: KnownArtist, show: Any, setlist: Setlist) -> RecordResult:
    """Writes the actual setlist of a show, unless the catalogue already has this version."""
    versions = msgspec.json.decode(show["identities"], type=dict[str, str])
    if not any(songs_of(setlist)):
        return RecordResult(None, "unchanged", show["slug"])
    if versions.get(f"{setlistfm.SERVICE} {setlist.id}") == setlist.version_id:
        await identities.touch_show(connection, service=setlistfm.SERVICE, external_id=setlist.id)
        return RecordResult(None, "unchanged", show["slug"])
    try:
        async with savepoint(connection):
            covers = await _ensure_covered(
                connection, [song.cover for _, song in songs_of(setlist) if song.cover is not None]
            )
            canonical = await fetch_canonical_titles(connection, artist.id, sorted(covers))
            canonical.learn((_author(song), song.name) for _, song in songs_of(setlist))
            record = SetlistRecord(show=show["slug"], type="actual", sets=to_set_records(setlist, covers, canonical))
            msgspec.convert(msgspec.to_builtins(record), SetlistRecord)
            result = await write_record(connection, STAGE, record)
    except (RecordRefused, StoreConflict, ValueError) as error:
        return RecordResult(None, "refused", f"{show['slug']}: {error}")
    await identities.put_show_identity(
        connection, service=setlistfm.SERVICE, external_id=setlist.id, show_id=show["id"], url=setlist.url,
        version=setlist.version_id, confidence=0.95, evidence="the same artist, day and place",
    )  # fmt: skip
    await identities.put_played_songs(connection, service=setlistfm.SERVICE, external_id=setlist.id)
    return result._replace(message=f"{show['slug']}: actual setlist")


def to_set_records(setlist: Setlist, covers: Mapping[str, str], canonical: CanonicalTitles) -> list[SetRecord]:
    """The sets that were played, with canonical titles.

    Takes: covers, slugs of the covered artists by MusicBrainz id
    """
    sets, medley_count = [], 0
    for one in setlist.sets.set:
        # A set holds each song once; a repeat would not change how well the crowd predicted the set.
        songs: dict[tuple[str | None, str], SetSong] = {}
        for song in [song for of, song in songs_of(setlist) if of is one]:
            mbid = _author(song)
            titles = canonical.parts(mbid, song.name)
            medley_count += len(titles) > 1
            for title in titles:
                played = SetSong(
                    title=title,
                    by=covers.get(mbid) if mbid is not None else None,
                    is_tape=song.tape,
                    medley=medley_count if len(titles) > 1 else None,
                    note=song.info[:200],
                )
                songs.setdefault((mbid, title), played)
        if songs:
            kind: Literal["encore", "main"] = "encore" if is_encore(one) else "main"
            sets.append(SetRecord(songs=list(songs.values()), name=one.name.rstrip(": ")[:200] or None, kind=kind))
    return sets


async def _ensure_covered(connection: Connection, covered: Sequence[setlistfm.Artist]) -> dict[str, str]:
    """Slugs of the covered artists by MusicBrainz id; adds those that the catalogue lacks."""
    wanted = {one.mbid: one for one in covered if one.mbid and clean_line(one.name)}
    rows = identities.find_artists_by_id(connection, service=musicbrainz.SERVICE, external_ids=sorted(wanted))
    slugs = {row["external_id"]: row["slug"] async for row in rows}
    for mbid in sorted(wanted.keys() - slugs.keys()):
        name = wanted[mbid].name[:200]
        slug = await slug_for(connection, name, mbid)
        await write_record(connection, "artists", ArtistRecord(name=name, slug=slug))
        artist_id = await queries.find_artist_id(connection, slug=slug)
        assert artist_id is not None
        evidence = "named with a song of theirs at setlist.fm"
        identity = Identity(musicbrainz.SERVICE, mbid, musicbrainz.PAGE_URL + mbid, LINK_CONFIDENCE, evidence)
        await put_identities(connection, artist_id, [identity])
        slugs[mbid] = slug
    return slugs


class Prediction(NamedTuple):
    """Predicted songs, the original artists of the covers among them, and the number of setlists behind them."""

    songs: Sequence[Predicted]
    authors: Sequence[setlistfm.Artist]
    basis: int


async def _write_prediction(connection: Connection, show: Any, prediction: Prediction) -> RecordResult:
    """Writes a predicted setlist, unless somebody else wrote one, changed ours, or voted on it."""
    current = await identities.fetch_prediction(connection, show_id=show["id"])
    if current["standing"] and (current["vote_count"] > 0 or current["written"] != current["standing"]):
        return RecordResult(None, "unchanged", show["slug"])
    try:
        async with savepoint(connection):
            covers = await _ensure_covered(connection, prediction.authors)
            parts = [
                (kind, [song for song in prediction.songs if song.is_encore == (kind == "encore")])
                for kind in ("main", "encore")
            ]
            sets = [
                SetRecord(
                    songs=[
                        SetSong(title=song.title[:300], by=covers.get(song.by) if song.by else None) for song in part
                    ],
                    kind="encore" if kind == "encore" else "main",
                )
                for kind, part in parts
                if part
            ]
            record = SetlistRecord(show=show["slug"], type="predicted", sets=sets)
            result = await write_record(connection, STAGE, record)
            await identities.put_prediction(
                connection, show_id=show["id"], service=setlistfm.SERVICE, basis=prediction.basis
            )
    except (RecordRefused, StoreConflict) as error:
        return RecordResult(None, "refused", f"{show['slug']}: {error}")
    return result._replace(message=f"{show['slug']}: predicted from {prediction.basis} setlists")
