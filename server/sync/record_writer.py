"""Writes records to the catalogue: resolves names to ids, fills in defaults, and writes each batch in one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from server.sync.queries import records as queries
from server.sync.records import (
    ArtistRecord,
    Outcome,
    Record,
    RecordResult,
    SetlistRecord,
    SetSong,
    ShowRecord,
    SongRecord,
    VenueRecord,
    slug_of,
)

if TYPE_CHECKING:
    from server.store.database import Connection

# The defaults of a show: how long before its start voting opens, and its local start time.
VOTING = dt.timedelta(days=30)
STARTS_AT = "20:00"

Line = int | None  # None: the record stands in no file

# Lets no vote of shows be decided until the transaction is over: store.rule_changes.RuleChange.hold. Gives: since when; None:
# the caller knows.
Hold = Callable[[Sequence[int]], Awaitable[dt.datetime | None]]


class RecordRefused(Exception):
    """A record that cannot be written, for example because it names an unknown venue; the message is for a person."""


async def hold_nothing(_show_ids: Sequence[int]) -> None:
    """The hold of records whose shows the caller holds already, and of a dry run."""


async def write_records(
    connection: Connection, stage: str, records: Sequence[tuple[Line, Any]], hold: Hold
) -> list[RecordResult]:
    """Writes records of one stage, each with its line.

    Takes:  hold, called with the shows that may change

    Gives:  the result of each record, in the same order; none is refused
    Raises: RecordRefused, StoreConflict: the caller must roll back
    """
    return await _WRITERS[stage](connection, records, hold)


async def write_record(connection: Connection, stage: str, record: Record) -> RecordResult:
    """Writes one record that stands in no file, of a show that `lock_shards` has locked; raises as `write_records` does."""
    (result,) = await write_records(connection, stage, [(None, record)], hold_nothing)
    return result


async def _write_artists(
    connection: Connection, records: Sequence[tuple[Line, ArtistRecord]], _hold: Hold
) -> list[RecordResult]:
    rows = [
        {
            "slug": artist.slug or _slug(artist.name),
            "name": artist.name,
            "genre": artist.genre,
            "country": artist.country,
        }
        for _, artist in records
    ]
    await _lock_shards_of_names(connection, "artists", rows)
    return await _put(connection, queries.put_artists, records, rows, "slug")


async def _write_venues(
    connection: Connection, records: Sequence[tuple[Line, VenueRecord]], _hold: Hold
) -> list[RecordResult]:
    rows = [
        {**msgspec.structs.asdict(venue), "slug": venue.slug or _slug(venue.name, venue.city)} for _, venue in records
    ]
    await _lock_shards_of_names(connection, "venues", rows)
    return await _put(connection, queries.put_venues, records, rows, "slug")


async def _write_songs(
    connection: Connection, records: Sequence[tuple[Line, SongRecord]], _hold: Hold
) -> list[RecordResult]:
    artists = await _find_artists(connection, {song.artist for _, song in records})
    rows = [{"artist_id": artists[song.artist], "title": song.title} for _, song in records]
    return await _put(connection, queries.put_songs, records, rows, "title")


async def _write_shows(
    connection: Connection, records: Sequence[tuple[Line, ShowRecord]], hold: Hold
) -> list[RecordResult]:
    named = {show.artist for _, show in records} | {name for _, show in records for name in show.supports}
    artists = await _find_artists(connection, named)
    names = {row["id"]: row async for row in queries.fetch_artist_names(connection, ids=list(artists.values()))}
    references = sorted({show.venue for _, show in records})
    venues = {row["reference"]: row async for row in queries.find_venues(connection, references=references)}
    rows, supports = [], []
    for _, show in records:
        if show.venue not in venues:
            raise RecordRefused(f"no venue, or more than one, is called `{show.venue}`: give the slug of a venue")
        row = _show_row(show, names[artists[show.artist]], venues[show.venue])
        rows.append(row)
        supports += [(row["slug"], artists[name]) for name in show.supports]
    at = await lock_shards(connection, [row["slug"] for row in rows], hold)
    results = await _put(connection, partial(queries.put_shows, at=at), records, rows, "slug")
    await queries.put_supports(
        connection, slugs=[slug for slug, _ in supports], artist_ids=[artist for _, artist in supports]
    )
    return results


def _show_row(show: ShowRecord, artist: Any, venue: Any) -> dict[str, Any]:
    local = dt.datetime.combine(show.date, dt.time.fromisoformat(show.time or STARTS_AT), ZoneInfo(venue["time_zone"]))
    try:
        starts_at = local.astimezone(dt.UTC)
        opens_at = show.opens_at or starts_at - VOTING
    except OverflowError:
        raise RecordRefused(f"`date` {show.date} is outside of the calendar") from None
    closes_at = show.closes_at or starts_at
    if opens_at >= closes_at:
        raise RecordRefused("voting would close before it opens: change `opens_at` or `closes_at`")
    return {
        "slug": show.slug or f"{artist['slug']}-{venue['slug']}-{show.date}"[:300],
        "artist_id": artist["id"],
        "venue_id": venue["id"],
        "name": show.name,
        "default_name": f"{artist['name']} at {venue['name']}"[:300],
        "local_date": show.date,
        "time_zone": venue["time_zone"],
        "starts_at": starts_at,
        "opens_at": opens_at,
        "closes_at": closes_at,
        "votes_per_user_max": show.votes_per_user_max,
        "status": show.status,
    }


async def _write_setlists(
    connection: Connection, records: Sequence[tuple[Line, SetlistRecord]], hold: Hold
) -> list[RecordResult]:
    slugs = sorted({setlist.show for _, setlist in records})
    await lock_shards(connection, slugs, hold)
    shows = {row["slug"]: row async for row in queries.find_shows(connection, slugs=slugs)}
    results = []
    for line, setlist in records:
        if setlist.show not in shows:
            raise RecordRefused(f"no show has the slug `{setlist.show}`")
        outcome = await _write_setlist(connection, setlist, shows[setlist.show])
        results.append(RecordResult(line, outcome, setlist.show))
    return results


async def lock_shards(connection: Connection, slugs: Sequence[str], hold: Hold) -> dt.datetime | None:
    """Starts the lock order: until the transaction ends, no vote of these shows is decided or written, and no other sync
    goes on.

    Writers of votes lock the shard first too, so that the two cannot deadlock.

    Takes: slugs of all shows that the transaction may change, because shards are locked in order; hold, called with those
           that exist, before any row of theirs is locked
    Gives: the result of hold
    """
    await queries.take_turn(connection)
    at = await hold([row["id"] async for row in queries.find_shows(connection, slugs=slugs)])
    async for _ in queries.lock_shards(connection, slugs=slugs):
        pass
    return at


async def _lock_shards_of_names(connection: Connection, table_name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Until the transaction ends, no vote is written of shows whose search words change with a new name."""
    async for _ in queries.lock_shards_of_names(connection, table_name=table_name, rows=_json(rows)):
        pass


async def _write_setlist(connection: Connection, setlist: SetlistRecord, show: Any) -> Outcome:
    acts = await _find_artists(
        connection,
        {one.artist for one in setlist.sets if one.artist} | {song.by for song in _songs(setlist) if song.by},
    )
    sets: list[dict[str, Any]] = []
    places: list[Any] = []
    for number, one in enumerate(setlist.sets, start=1):
        act = acts[one.artist] if one.artist else None
        sets.append(
            {"position": number, "name": one.name or _set_name(setlist, number), "kind": one.kind, "artist_id": act}
        )
        places += [
            (number, position, acts[song.by] if song.by else act or show["artist_id"], song)
            for position, song in enumerate(one.songs, start=1)
        ]
    song_ids = await _ensure_songs(connection, [(artist_id, song.title) for _, _, artist_id, song in places])
    rows = [
        {
            "set": number,
            "position": position,
            "song_id": song_ids[artist_id, song.title],
            "is_tape": song.is_tape,
            "medley": song.medley,
            "note": song.note,
        }
        for number, position, artist_id, song in places
    ]
    if len({(row["set"], row["song_id"]) for row in rows}) < len(rows):
        raise RecordRefused("a set holds the same song twice")
    supports = [one["artist_id"] for one in sets if one["artist_id"] not in (None, show["artist_id"])]
    await queries.put_supports(connection, slugs=[setlist.show] * len(supports), artist_ids=supports)
    await queries.defer_places(connection)
    of_show = {"show_id": show["id"], "type": setlist.type}
    changed = len([row async for row in queries.put_sets(connection, **of_show, rows=_json(sets))])
    moved: int = await queries.put_set_songs(connection, **of_show, rows=_json(rows))
    await queries.delete_empty_sets(connection, **of_show, count=len(sets))
    await queries.check_places(connection)
    return "changed" if changed or moved else "unchanged"


def _set_name(setlist: SetlistRecord, number: int) -> str:
    one = setlist.sets[number - 1]
    if one.kind != "main":
        return one.kind.capitalize()
    if len(setlist.sets) == 1:
        return "Predicted setlist" if setlist.type == "predicted" else "Played"
    return f"Set {number}"


def _songs(setlist: SetlistRecord) -> Iterable[SetSong]:
    return (song for one in setlist.sets for song in one.songs)


async def _ensure_songs(connection: Connection, wanted: Sequence[tuple[int, str]]) -> dict[tuple[int, str], int]:
    rows = [
        {"number": number, "artist_id": artist_id, "title": title} for number, (artist_id, title) in enumerate(wanted)
    ]
    async for _ in queries.put_songs(connection, rows=_json(rows)):
        pass
    return {
        (row["artist_id"], row["title"]): row["id"]
        async for row in queries.find_songs(
            connection, artist_ids=[artist_id for artist_id, _ in wanted], titles=[title for _, title in wanted]
        )
    }


async def _find_artists(connection: Connection, references: set[str]) -> dict[str, int]:
    """Finds ids by slug or name.

    Raises: RecordRefused: a reference fits no artist, or more than one
    """
    found = {
        row["reference"]: row["id"] async for row in queries.find_artists(connection, references=sorted(references))
    }
    for reference in sorted(references - found.keys()):
        raise RecordRefused(f"no artist, or more than one, is called `{reference}`: give the slug of an artist")
    return found


async def _put(
    connection: Connection, put: Any, records: Sequence[tuple[Line, Any]], rows: list[dict[str, Any]], key: str
) -> list[RecordResult]:
    numbered = [{**row, "number": number} for number, row in enumerate(rows)]
    outcomes = {row["number"]: row["outcome"] async for row in put(connection, rows=_json(numbered))}
    # When a batch has two records with one key, only the last one is written.
    return [
        RecordResult(line, outcomes.get(number, "unchanged"), str(rows[number][key]))
        for number, (line, _) in enumerate(records)
    ]


def _slug(*names: str) -> str:
    slug = slug_of(*names)
    if not slug:
        raise RecordRefused(f"`{names[0]}` has no letter or digit for a slug: give a `slug`")
    return slug


def _json(rows: Any) -> str:
    return msgspec.json.encode(rows).decode()


_WRITERS: dict[str, Callable[[Connection, Sequence[Any], Hold], Awaitable[list[RecordResult]]]] = {
    "artists": _write_artists,
    "venues": _write_venues,
    "songs": _write_songs,
    "shows": _write_shows,
    "setlists": _write_setlists,
}
