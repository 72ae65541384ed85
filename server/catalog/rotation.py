"""The rotation of an artist: which songs were played in the last shows, how well these were foreseen, and the songs by votes."""

from __future__ import annotations

from typing import TypedDict

from server.catalog.artists_venues_songs import find_artist
from server.catalog.documents import ArtistName, Day, PlaceName
from server.catalog.queries import rotation as queries
from server.protocol.accuracy import Accuracy, read_accuracy
from server.protocol.http.parameters import Reference
from server.store.reads import Readable

SHOWS_MAX = 20
SONGS_MAX = 100
VOTED_SHOWS_MAX = 50


class RotationShow(TypedDict):
    """A finished show whose played set is known. `accuracy`: null when it is not known, or not public yet."""

    id: int
    slug: str
    name: str
    local_date: Day
    venue: PlaceName
    accuracy: Accuracy | None


class RotationSong(TypedDict):
    """A song, and the ids of those of the shows in which it was played."""

    id: int
    title: str
    shows: list[int]


class VotedSong(TypedDict):
    """A song and its votes in shows whose counts everyone may see."""

    id: int
    title: str
    up: int
    down: int


class Rotation(TypedDict):
    """The last shows of an artist, latest first; the songs played in them, most often first; the songs by votes, best first."""

    artist: ArtistName
    shows: list[RotationShow]
    songs: list[RotationSong]
    votes: list[VotedSong]


async def fetch_rotation(db: Readable, reference: Reference) -> Rotation:
    """The rotation of an artist.

    Raises: Refused: not_found; StoreUnavailable
    """
    async with db.snapshot() as connection:
        artist = await find_artist(connection, reference)
        shows: list[RotationShow] = [
            {
                "id": row["id"],
                "slug": row["slug"],
                "name": row["name"],
                "local_date": row["local_date"].isoformat(),
                "venue": {
                    "id": row["venue_id"],
                    "slug": row["venue_slug"],
                    "name": row["venue_name"],
                    "city": row["city"],
                },
                "accuracy": read_accuracy(row["accuracy"]),
            }
            async for row in queries.shows_of_rotation(connection, artist_id=artist["id"], count=SHOWS_MAX)
        ]
        songs = queries.songs_of_rotation(connection, show_ids=[show["id"] for show in shows], count=SONGS_MAX)
        voted = queries.voted_songs(connection, artist_id=artist["id"], show_count=VOTED_SHOWS_MAX, count=SONGS_MAX)
        return {
            "artist": {"id": artist["id"], "slug": artist["slug"], "name": artist["name"]},
            "shows": shows,
            "songs": [{"id": row["id"], "title": row["title"], "shows": row["show_ids"]} async for row in songs],
            "votes": [
                {"id": row["id"], "title": row["title"], "up": row["up"], "down": row["down"]} async for row in voted
            ],
        }
