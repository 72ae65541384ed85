"""Inserts planned shows with their bills, sets, songs and votes, for the demo and for a large catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from server.sample.queries import inserts as queries
from server.sample.show_plans import PlannedShow
from server.sample.votes import VoteRow
from server.store.copying import copy_rows

if TYPE_CHECKING:
    from server.store.database import Connection

Progress = Callable[[str, int, int], None]  # stage, done, total
VOTE_COLUMNS = ("setlist_song_id", "user_id", "show_id", "choice", "cast_at")


def no_progress(stage: str, done: int, total: int) -> None:
    """Ignores the progress of a seed."""


class SeedResult(msgspec.Struct, frozen=True):
    """How many rows a seed added; all 0 when the data existed."""

    artists: int = 0
    venues: int = 0
    songs: int = 0
    users: int = 0
    shows: int = 0
    votes: int = 0
    profiles: int = 0
    follows: int = 0
    attendances: int = 0
    reviews: int = 0


class InsertedShow(msgspec.Struct, frozen=True):
    """The ids of an inserted show; song_ids, of the songs that fans vote on, in the order of `PlannedShow.predicted`."""

    id: int
    song_ids: list[int]


async def insert_shows(connection: Connection, shows: Sequence[PlannedShow]) -> dict[str, InsertedShow]:
    """Inserts shows whose artists, supports, venues and songs exist.

    Gives: the inserted shows by slug
    Cost:  four statements for any number of shows
    """
    ids = {row["slug"]: row["id"] async for row in queries.insert_shows(connection, rows=as_json(shows))}
    bill = [
        {"show_id": ids[show.slug], "artist": artist, "position": position}
        for show in shows
        for position, artist in enumerate(show.supports, start=2)
    ]
    await queries.insert_supports(connection, rows=as_json(bill))

    planned = {}
    for show in shows:
        set_counts = {"predicted": 0, "actual": 0}
        for planned_set in show.sets:
            set_counts[planned_set.type] += 1
            planned[ids[show.slug], planned_set.type, set_counts[planned_set.type]] = planned_set
    rows = [
        {
            "show_id": show_id,
            "type": type_,
            "position": position,
            "kind": planned_set.kind,
            "name": planned_set.name,
            "artist": planned_set.artist,
        }
        for (show_id, type_, position), planned_set in planned.items()
    ]
    setlist_ids: dict[tuple[int, str, int], int] = {
        (row["show_id"], row["type"], row["position"]): row["id"]
        async for row in queries.insert_setlists(connection, rows=as_json(rows))
    }
    songs = [
        {"setlist_id": setlist_ids[key], "show_id": key[0], "position": position, "song": song}
        for key, planned_set in planned.items()
        for position, song in enumerate(planned_set.songs, start=1)
    ]
    song_ids = {
        (row["setlist_id"], row["position"]): row["id"]
        async for row in queries.insert_setlist_songs(connection, rows=as_json(songs))
    }
    inserted: dict[int, list[int]] = {show_id: [] for show_id in ids.values()}
    for key, planned_set in planned.items():
        if key[1] == "predicted":
            inserted[key[0]] += [song_ids[setlist_ids[key], index + 1] for index in range(len(planned_set.songs))]
    return {slug: InsertedShow(show_id, inserted[show_id]) for slug, show_id in ids.items()}


async def insert_votes(connection: Connection, rows: Iterable[VoteRow], shows: Iterable[InsertedShow]) -> None:
    """Inserts all votes of shows that this transaction inserted, with their history and hourly counts; triggers count them.

    Takes: rows, one for each fan and song; an iterator is drawn from while the rows are sent
    """
    await copy_rows(connection, "votes", VOTE_COLUMNS, rows)
    song_ids = [song_id for show in shows for song_id in show.song_ids]
    await queries.insert_history(connection, song_ids=song_ids)


def as_json(rows: Any) -> str:
    """Rows as one JSON document, for jsonb_to_recordset."""
    return orjson.dumps(rows, default=msgspec.to_builtins).decode()
