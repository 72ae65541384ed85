"""Setlists from setlist.fm: what shows brought, and what the next ones will probably bring.

What was played at other shows is read, counted and not kept: their terms allow short copies only.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from server.errors import StoreConflict
from server.store.database import Database, savepoint
from server.sync.canonical_titles import CanonicalTitles, fetch_canonical_titles
from server.sync.clients import musicbrainz, setlistfm
from server.sync.clients.setlistfm import Setlist
from server.sync.file_import import log_outcomes
from server.sync.identities import identities
from server.sync.matching import judge_show, name_similarity
from server.sync.prediction import PlayedSet, PlayedSong, Predicted, predict
from server.sync.providers import Providers
from server.sync.record_writer import Outcomes, RecordRefused, lock_shards, queries, write_records
from server.sync.records import ArtistRecord, SetlistRecord, SetRecord, SetSong, slug_of
from server.sync.scheduler import Job, JobImpossible
from server.sync.venues import place_of_row, place_of_venue

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "setlists"
# A prediction is made of the last BASIS setlists that somebody has written down, within PAGES_MAX pages.
BASIS = 15
PAGES_MAX = 3
LOOK_AHEAD_DAYS = 365
SHOWS_PER_BATCH = 20
# Of 1; less is another name.
NAME_SIMILARITY_MIN = 0.6

# Sets that are no part of the show.
_APART = re.compile(r"\b(vip|soundcheck|sound check|preshow|pre-show|meet (and|&) greet)\b", re.IGNORECASE)
_ENCORE = re.compile(r"^encores?\b", re.IGNORECASE)


class SetlistSyncService:
    """Brings actual and predicted setlists up to date."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def sync(self, job: Job) -> None:
        """The setlists of an artist's shows, past and to come. Subject: the artist's id.

        Raises: Unfit: they have no MusicBrainz id; ProviderError; StoreUnavailable
        """
        mbid, artist = await self._identify(int(job.subject))
        history = await self._fetch_history(mbid)
        _refuse_namesake(artist, history)
        today = self._today()
        async with self._database.connection() as connection:
            if history:
                await _put_page(connection, artist, history[0])
            rows = identities.shows_of_artist(
                connection,
                artist_id=artist["id"],
                # As far back as the pages reach: what still stands there may be kept, and people put old ones right.
                first=history[-1].date if history else today,
                last=today + dt.timedelta(days=LOOK_AHEAD_DAYS),
            )
            shows = [row async for row in rows if row["artist_id"] == artist["id"]]
        covered = {song.cover.mbid: song.cover for one in history[:BASIS] for _, song in songs_of(one) if song.cover}
        async with self._database.connection() as connection:
            canonical = await fetch_canonical_titles(connection, artist["id"], sorted(covered))
        songs = predict([to_played_set(one, canonical) for one in history[:BASIS]])
        authors = [covered[song.by] for song in songs if song.by is not None]
        for begin in range(0, len(shows), SHOWS_PER_BATCH):
            batch = shows[begin : begin + SHOWS_PER_BATCH]
            async with self._database.transaction() as connection:
                await lock_shards(connection, [show["slug"] for show in batch])
                outcomes: Outcomes = []
                for show in batch:
                    if show["local_date"] <= today:
                        fitting = [one for one in history if _is_of(one, show)]
                        outcomes += [await _write_played(connection, artist, show, one) for one in fitting[:1]]
                    if songs and show["status"] == "upcoming" and show["local_date"] >= today:
                        prediction = Prediction(songs, authors, basis=len(history[:BASIS]))
                        outcomes.append(await _write_prediction(connection, artist, show, prediction))
                await log_outcomes(connection, job.id, STAGE, outcomes)
            await job.tell(STAGE, min(begin + SHOWS_PER_BATCH, len(shows)), len(shows))

    async def sync_played(self, job: Job) -> None:
        """What one show brought, once somebody has written it down. Subject: the show's id.

        Raises: Unfit, ProviderError, StoreUnavailable
        """
        client = self._providers.setlistfm
        assert client is not None
        async with self._database.connection() as connection:
            show = await identities.fetch_show(connection, show_id=int(job.subject))
        if show is None:
            raise JobImpossible(f"there is no show {job.subject} any more")
        mbid, artist = await self._identify(show["artist_id"])
        page = await client.search_setlists(mbid=mbid, day=show["local_date"])
        found = [one for one in page.setlist if _is_by(one, mbid) and _is_of(one, show)]
        # Two shows on one day are two setlists: the one that is written down is taken.
        found.sort(key=lambda one: not one.sets.set)
        async with self._database.transaction() as connection:
            await lock_shards(connection, [show["slug"]])
            outcomes = [await _write_played(connection, artist, show, one) for one in found[:1]]
            await log_outcomes(connection, job.id, STAGE, outcomes)
        for one, (_, outcome, _) in zip(found, outcomes, strict=False):
            if outcome == "changed":
                await client.forget_setlist(one.id)
        await job.tell(STAGE, len(found[:1]), 1)

    def _today(self) -> dt.date:
        assert self._providers.setlistfm is not None
        return self._providers.setlistfm.provider.now().date()

    async def _identify(self, artist_id: int) -> tuple[str, Any]:
        async with self._database.connection() as connection:
            artist = await identities.fetch_artist(connection, artist_id=artist_id)
        if artist is None:
            raise JobImpossible(f"there is no artist {artist_id} any more")
        mbids = msgspec.json.decode(artist["identities"], type=dict[str, list[str]]).get(musicbrainz.SERVICE, [])
        if not mbids:
            raise JobImpossible(f"{artist['name']} has no MusicBrainz id, by which setlist.fm knows artists")
        return mbids[0], artist

    async def _fetch_history(self, mbid: str) -> list[Setlist]:
        """The last setlists with songs, newest first. Those of shows to come are listed too, without any."""
        client = self._providers.setlistfm
        assert client is not None
        history: list[Setlist] = []
        for number in range(1, PAGES_MAX + 1):
            page = await client.fetch_artist_setlists(mbid, number)
            history += [
                one for one in page.setlist if one.date is not None and _is_by(one, mbid) and any(songs_of(one))
            ]
            if page.is_last or len(history) >= BASIS:
                break
        return sorted(history, key=lambda one: (one.date, one.id), reverse=True)


def _refuse_namesake(artist: Any, history: Sequence[Setlist]) -> None:
    """Links elsewhere are not curated: an id under which setlist.fm knows somebody else is not ours.

    Raises: Unfit
    """
    called = {one.artist.name for one in history if one.artist is not None and one.artist.name}
    if called and all(name_similarity(name, artist["name"]) < NAME_SIMILARITY_MIN for name in called):
        raise JobImpossible(
            f"setlist.fm knows {min(called)!r} under the MusicBrainz id of {artist['name']!r}: look at it"
        )


def songs_of(setlist: Setlist) -> Iterable[tuple[setlistfm.Set, setlistfm.Song]]:
    """The songs of the show with their sets, those played from tape included; VIP sets and unknown songs left out."""
    for one in setlist.sets.set:
        if not _APART.search(one.name):
            yield from ((one, song) for song in one.song if song.name.strip())


def is_encore(one: setlistfm.Set) -> bool:
    """Whether a set is an encore; some have it in their name alone."""
    return one.encore is not None or bool(_ENCORE.match(one.name))


def to_played_set(setlist: Setlist, canonical: CanonicalTitles) -> PlayedSet:
    """A setlist to predict from: what was performed, songs written as they are here."""
    performed = [(one, song) for one, song in songs_of(setlist) if not song.tape]
    last = max(1, len(performed) - 1)
    return PlayedSet(
        setlist.date or dt.date.min,
        [
            PlayedSong(
                canonical.of(mbid := song.cover.mbid if song.cover else None, song.name),
                mbid,
                number / last,
                is_encore(one),
            )
            for number, (one, song) in enumerate(performed)
        ],
    )


def _is_by(setlist: Setlist, mbid: str) -> bool:
    return setlist.artist is not None and setlist.artist.mbid == mbid


def _is_of(setlist: Setlist, show: Any) -> bool:
    if setlist.venue is None or setlist.date != show["local_date"]:
        return False
    return judge_show(place_of_row(show), place_of_venue(setlist.venue)).outcome == "same"


async def _put_page(connection: Connection, artist: Any, setlist: Setlist) -> None:
    """Remembers the artist's page there, to which predictions link back."""
    assert setlist.artist is not None
    await queries.put_identities(
        connection, artist_id=artist["id"], services=[setlistfm.SERVICE], external_ids=[setlist.artist.mbid],
        urls=[setlist.artist.url[:500]], confidences=[0.95], evidences=["setlists of the same MusicBrainz id"],
    )  # fmt: skip


async def _write_played(connection: Connection, artist: Any, show: Any, setlist: Setlist) -> tuple[int, str, str]:
    """What a show brought. Unchanged when it is of the version that was written."""
    versions = msgspec.json.decode(show["identities"], type=dict[str, str])
    if not any(songs_of(setlist)):
        return (0, "unchanged", show["slug"])
    if versions.get(f"{setlistfm.SERVICE} {setlist.id}") == setlist.version_id:
        await identities.touch_show(connection, service=setlistfm.SERVICE, external_id=setlist.id)
        return (0, "unchanged", show["slug"])
    try:
        async with savepoint(connection):
            covers = await _ensure_covered(
                connection, artist, [song.cover for _, song in songs_of(setlist) if song.cover is not None]
            )
            canonical = await fetch_canonical_titles(connection, artist["id"], sorted(covers))
            record = SetlistRecord(show=show["slug"], type="actual", sets=to_set_records(setlist, covers, canonical))
            msgspec.convert(msgspec.to_builtins(record), SetlistRecord)
            ((_, outcome, _),) = await write_records(connection, STAGE, [(0, record)])
    except (RecordRefused, StoreConflict, msgspec.ValidationError) as error:
        return (0, "refused", f"{show['slug']}: {error}")
    await identities.put_show_identity(
        connection, service=setlistfm.SERVICE, external_id=setlist.id, show_id=show["id"], url=setlist.url,
        version=setlist.version_id, confidence=0.95, evidence="the same artist, day and place",
    )  # fmt: skip
    await identities.put_copy(connection, service=setlistfm.SERVICE, external_id=setlist.id)
    return (0, outcome, f"{show['slug']}: what was played")


def to_set_records(setlist: Setlist, covers: Mapping[str, str], canonical: CanonicalTitles) -> list[SetRecord]:
    """The sets that were played, songs written as they are here.

    Takes: covers, slugs of those whose songs were covered, by MusicBrainz id
    """
    sets, medley_count = [], 0
    for one in setlist.sets.set:
        # One set may not hold a song twice; the second time adds nothing to who foresaw it.
        songs: dict[tuple[str | None, str], SetSong] = {}
        for song in [song for of, song in songs_of(setlist) if of is one]:
            mbid = song.cover.mbid if song.cover is not None else None
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


async def _ensure_covered(connection: Connection, artist: Any, covered: Sequence[setlistfm.Artist]) -> dict[str, str]:
    """Slugs of the artists whose songs were covered, by MusicBrainz id; who is not in the catalogue is added."""
    wanted = {one.mbid: one for one in covered if one.mbid and one.name}
    rows = identities.find_artists_by_id(connection, service=musicbrainz.SERVICE, external_ids=sorted(wanted))
    slugs = {row["external_id"]: row["slug"] async for row in rows}
    for mbid in sorted(wanted.keys() - slugs.keys()):
        slug = slug_of(wanted[mbid].name)
        others = [row async for row in queries.find_ids(connection, service=musicbrainz.SERVICE, slug=slug)]
        if not slug or others or slug == artist["slug"]:
            # A namesake of somebody else.
            slug = f"{slug}-{mbid[:8]}".strip("-")
        record = ArtistRecord(name=wanted[mbid].name[:200], slug=slug)
        ((_, _, slug),) = await write_records(connection, "artists", [(0, record)])
        artist_id: int = await queries.find_artist_id(connection, slug=slug)
        await queries.put_identities(
            connection, artist_id=artist_id, services=[musicbrainz.SERVICE], external_ids=[mbid],
            urls=[musicbrainz.PAGE_URL + mbid], confidences=[0.95], evidences=["named with a song of theirs at setlist.fm"],
        )  # fmt: skip
        slugs[mbid] = slug
    return slugs


class Prediction(NamedTuple):
    """Songs for a show, who wrote those that are covers, and of how many setlists that was made."""

    songs: Sequence[Predicted]
    authors: Sequence[setlistfm.Artist]
    basis: int


async def _write_prediction(
    connection: Connection, artist: Any, show: Any, prediction: Prediction
) -> tuple[int, str, str]:
    """A predicted setlist, unless somebody else made one, changed ours, or has voted on it."""
    standing = await identities.fetch_prediction(connection, show_id=show["id"])
    if standing["standing"] and (standing["vote_count"] > 0 or standing["written"] != standing["standing"]):
        return (0, "unchanged", show["slug"])
    try:
        async with savepoint(connection):
            covers = await _ensure_covered(connection, artist, prediction.authors)
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
            ((_, outcome, _),) = await write_records(connection, STAGE, [(0, record)])
            await identities.put_prediction(
                connection, show_id=show["id"], service=setlistfm.SERVICE, basis=prediction.basis
            )
    except (RecordRefused, StoreConflict) as error:
        return (0, "refused", f"{show['slug']}: {error}")
    return (0, outcome, f"{show['slug']}: predicted from {prediction.basis} setlists")
