"""Inserts shows with open voting, and users with tokens, directly into the database."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import asyncpg

from server.people.sessions import mint_token
from tests.support.node_process import SECRET

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Show:
    """A show with open voting: its artist and the ids of its setlist's songs."""

    id: int
    artist: int
    songs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class User:
    """A user and a token."""

    id: int
    token: str


async def make_shows(
    database_url: str, *, count: int = 1, songs: int = 6, votes_per_user_max: int | None = None
) -> list[Show]:
    """Inserts shows with consecutive ids, so that each is in another shard.

    One transaction inserts them all, so that a node never sees half a show.
    """
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            return [await _make_show(connection, songs, votes_per_user_max) for _ in range(count)]
    finally:
        await connection.close()


async def _make_show(
    connection: asyncpg.Connection[asyncpg.Record], songs: int, votes_per_user_max: int | None
) -> Show:
    number = next(_NUMBERS)
    artist = await connection.fetchval(
        "insert into artists (slug, name) values ($1, $1) returning id", f"artist-{number}"
    )
    venue = await connection.fetchval(
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ($1, $1, 'Austin', 'US', 30, -97, 'America/Chicago') returning id",
        f"venue-{number}",
    )
    show = await connection.fetchval(
        "insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at,"
        " votes_per_user_max) values ($1, $2, $3, $1, current_date, 'America/Chicago', now() + interval '1 day',"
        " now() - interval '1 day', now() + interval '1 day', $4) returning id",
        f"show-{number}", artist, venue, votes_per_user_max,
    )  # fmt: skip
    setlist = await connection.fetchval(
        "insert into setlists (show_id, type, name) values ($1, 'predicted', 'Main set') returning id", show
    )
    ids = []
    for place in range(1, songs + 1):
        song = await connection.fetchval(
            "insert into songs (artist_id, title) values ($1, $2) returning id", artist, f"Song {place}"
        )
        ids.append(
            await connection.fetchval(
                "insert into setlist_songs (setlist_id, show_id, song_id, position) values ($1, $2, $3, $4)"
                " returning id",
                setlist, show, song, place,
            )
        )  # fmt: skip
    return Show(show, artist, tuple(ids))


async def make_users(database_url: str, count: int) -> list[User]:
    """Inserts users, with tokens that every NodeProcess accepts."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("insert into users select from generate_series(1, $1::int) returning id", count)
    finally:
        await connection.close()
    return [User(row["id"], mint_token(SECRET, row["id"], "user")) for row in rows]
