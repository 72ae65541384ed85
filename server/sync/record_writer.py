"""Writes records to the catalogue: resolves names to ids, fills in defaults, and writes each batch in one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from server.protocol.slugs import made_slug
from server.sync.canonical_titles import ensure_songs
from server.sync.matching import folded
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
)
from server.sync.references import RecordRefused, artists_named, find_artists, find_venues, venues_named
from server.sync.show_rows import make_show_rows
from server.sync.slugs import TableName, choose_slugs

if TYPE_CHECKING:
    from server.store.database import Connection

# None: the record stands in no file. It comes from a provider, and names others by their slugs.
Line = int | None

# Lets no vote of shows be decided until the transaction is over: store.rule_changes.RuleChange.hold. Gives: since when; None:
# the caller knows.
Hold = Callable[[Sequence[int]], Awaitable[dt.datetime | None]]


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
    await queries.take_turn(connection)
    known = await artists_named(connection, {artist.name for _, artist in records if artist.slug is None})
    rows = [
        {"slug": artist.slug, "name": artist.name, "genre": artist.genre, "country": artist.country}
        for _, artist in records
    ]
    notes = await _name_rows(connection, "artists", rows, [known.get(artist.name) for _, artist in records])
    await _lock_shards_of_names(connection, "artists", rows)
    return _noted(await _put(connection, queries.put_artists, records, rows, "slug"), notes)


async def _write_venues(
    connection: Connection, records: Sequence[tuple[Line, VenueRecord]], _hold: Hold
) -> list[RecordResult]:
    await queries.take_turn(connection)
    places = [(venue.name, venue.city, venue.country) for _, venue in records]
    unnamed = {place for place, (_, venue) in zip(places, records, strict=True) if venue.slug is None}
    known = await venues_named(connection, unnamed)
    rows = [msgspec.structs.asdict(venue) for _, venue in records]
    notes = await _name_rows(connection, "venues", rows, [known.get(place) for place in places])
    await _lock_shards_of_names(connection, "venues", rows)
    return _noted(await _put(connection, queries.put_venues, records, rows, "slug"), notes)


async def _name_rows(
    connection: Connection, table: TableName, rows: list[dict[str, Any]], known: Sequence[Any]
) -> list[str]:
    """Gives each row without a slug that of the row with its name, or a free one.

    Takes: known, the row of the catalogue with the name of each row; None: there is none
    Gives: a note for each row
    """
    notes = [""] * len(rows)
    new: dict[tuple[str, ...], list[int]] = {}
    for number, ours in enumerate(known):
        row = rows[number]
        if row["slug"] is not None:
            continue
        if ours is not None:
            if ours["name"] != row["name"]:
                notes[number] = f"it is called `{ours['name']}` here; give its slug `{ours['slug']}` to change the name"
            # The spelling that the catalogue had first stays.
            row.update({field: ours[field] for field in ("slug", "name", "city") if field in row})
            continue
        new.setdefault(_identity(table, row), []).append(number)
    made = [made_slug(table.removesuffix("s"), *_names(table, rows[numbers[0]])) for numbers in new.values()]
    slugs = await choose_slugs(connection, table, made, reserved=[row["slug"] for row in rows if row["slug"]])
    for numbers, wanted, slug in zip(new.values(), made, slugs, strict=True):
        for number in numbers:
            rows[number]["slug"] = slug
        if slug != wanted:
            notes[numbers[0]] = f"another name has the slug `{wanted}`"
    return notes


def _identity(table: TableName, row: dict[str, Any]) -> tuple[str, ...]:
    """What makes two rows without a slug one: the name, for a venue with its place."""
    return (*map(folded, _names(table, row)), row["country"] if table == "venues" else "")


def _names(table: TableName, row: dict[str, Any]) -> list[str]:
    return [row["name"], row["city"]] if table == "venues" else [row["name"]]


async def _write_songs(
    connection: Connection, records: Sequence[tuple[Line, SongRecord]], _hold: Hold
) -> list[RecordResult]:
    artists = await find_artists(connection, {song.artist for _, song in records}, is_file=_is_file(records))
    wanted = [(artists[song.artist]["id"], song.title) for _, song in records]
    songs, added = await ensure_songs(connection, wanted)
    results = []
    for (line, _), key in zip(records, wanted, strict=True):
        song = songs[key]
        results.append(RecordResult(line, "added" if song.id in added else "unchanged", song.title))
        added.discard(song.id)
    return results


async def _write_shows(
    connection: Connection, records: Sequence[tuple[Line, ShowRecord]], hold: Hold
) -> list[RecordResult]:
    await queries.take_turn(connection)
    is_file = _is_file(records)
    named = {show.artist for _, show in records} | {name for _, show in records for name in show.supports}
    artists = await find_artists(connection, named, is_file=is_file)
    venues = await find_venues(connection, {show.venue for _, show in records}, is_file=is_file)
    rows = await make_show_rows(connection, [show for _, show in records], artists, venues, is_file=is_file)
    named_supports = (
        (row["slug"], artists[name]["id"])
        for row, (_, show) in zip(rows, records, strict=True)
        for name in show.supports
    )
    # Two spellings of a name are one act.
    supports = list(dict.fromkeys(named_supports))
    at = await lock_shards(connection, [row["slug"] for row in rows], hold)
    results = await _put(connection, partial(queries.put_shows, at=at), records, rows, "slug")
    await queries.put_supports(
        connection, slugs=[slug for slug, _ in supports], artist_ids=[artist for _, artist in supports]
    )
    return results


def _is_file(records: Sequence[tuple[Line, Any]]) -> bool:
    return any(line is not None for line, _ in records)


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
        outcome, note = await _write_setlist(connection, setlist, shows[setlist.show], is_file=line is not None)
        results.append(RecordResult(line, outcome, setlist.show, note))
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


async def _write_setlist(
    connection: Connection, setlist: SetlistRecord, show: Any, *, is_file: bool
) -> tuple[Outcome, str]:
    """Writes a setlist.

    Gives: its outcome, and a note about songs that a set has twice
    """
    acts = await find_artists(
        connection,
        {one.artist for one in setlist.sets if one.artist} | {song.by for song in _songs(setlist) if song.by},
        is_file=is_file,
    )
    sets: list[dict[str, Any]] = []
    places: list[tuple[int, int, SetSong]] = []
    for number, one in enumerate(setlist.sets, start=1):
        act = acts[one.artist]["id"] if one.artist else None
        sets.append(
            {"position": number, "name": one.name or _set_name(setlist, number), "kind": one.kind, "artist_id": act}
        )
        places += [(number, acts[song.by]["id"] if song.by else act or show["artist_id"], song) for song in one.songs]
    songs, _ = await ensure_songs(connection, [(artist_id, song.title) for _, artist_id, song in places])
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    repeated: dict[str, int] = {}
    for number, artist_id, song in places:
        known = songs[artist_id, song.title]
        if (number, known.id) in rows:
            # A set holds each song once, at its first place: fans vote on it once.
            repeated[known.title] = number
            continue
        rows[number, known.id] = {
            "set": number,
            "position": sum(of == number for of, _ in rows) + 1,
            "song_id": known.id,
            "is_tape": song.is_tape,
            "medley": song.medley,
            "note": song.note,
        }
    supports = [one["artist_id"] for one in sets if one["artist_id"] not in (None, show["artist_id"])]
    await queries.put_supports(connection, slugs=[setlist.show] * len(supports), artist_ids=supports)
    await queries.defer_places(connection)
    of_show = {"show_id": show["id"], "type": setlist.type}
    changed = len([row async for row in queries.put_sets(connection, **of_show, rows=_json(sets))])
    moved: int = await queries.put_set_songs(connection, **of_show, rows=_json(list(rows.values())))
    await queries.delete_empty_sets(connection, **of_show, count=len(sets))
    await queries.check_places(connection)
    note = "; ".join(
        f"`{title}` is in set {number} more than once: it stands once, at its first place"
        for title, number in repeated.items()
    )
    return "changed" if changed or moved else "unchanged", note


def _set_name(setlist: SetlistRecord, number: int) -> str:
    one = setlist.sets[number - 1]
    if one.kind != "main":
        return one.kind.capitalize()
    if len(setlist.sets) == 1:
        return "Predicted setlist" if setlist.type == "predicted" else "Played"
    return f"Set {number}"


def _songs(setlist: SetlistRecord) -> Iterable[SetSong]:
    return (song for one in setlist.sets for song in one.songs)


async def _put(
    connection: Connection, put: Any, records: Sequence[tuple[Line, Any]], rows: list[dict[str, Any]], key: str
) -> list[RecordResult]:
    # Records with one key make one row, with the last value of each field.
    merged: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        given = {field: value for field, value in row.items() if value is not None}
        merged[row[key]] = {**row, **merged.get(row[key], {}), **given, "number": number}
    outcomes = {row["number"]: row["outcome"] async for row in put(connection, rows=_json(list(merged.values())))}
    return [
        RecordResult(line, outcomes.get(number, "unchanged"), str(rows[number][key]))
        for number, (line, _) in enumerate(records)
    ]


def _noted(results: Sequence[RecordResult], notes: Sequence[str]) -> list[RecordResult]:
    return [result._replace(note=note) for result, note in zip(results, notes, strict=True)]


def _json(rows: Any) -> str:
    return msgspec.json.encode(rows).decode()


_WRITERS: dict[str, Callable[[Connection, Sequence[Any], Hold], Awaitable[list[RecordResult]]]] = {
    "artists": _write_artists,
    "venues": _write_venues,
    "songs": _write_songs,
    "shows": _write_shows,
    "setlists": _write_setlists,
}
