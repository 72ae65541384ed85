"""A show's setlist as a list of recordings to listen to.

No service lets a program make a playlist without an account of the listener, so this is a list of links: Spotify's desktop program
makes a playlist of links that are pasted into it.
"""

from __future__ import annotations

from typing import Literal, TypedDict

import msgspec

from server.catalog.documents import SetlistType
from server.catalog.queries import playlists as queries
from server.catalog.results import ResultShow
from server.catalog.shows import find_show
from server.protocol.http.parameters import Reference
from server.store.reads import Readable


class PlaylistQuery(msgspec.Struct, frozen=True):
    """The format of a playlist. `text`: one link in a line."""

    format: Literal["json", "text"] = "json"


class Track(TypedDict):
    """A song and a recording of it. `isrc` names the recording at every service, `artist_mbid` its artist at MusicBrainz; what is not
    known is null.
    """

    song_id: int
    title: str
    artist: str
    url: str | None
    isrc: str | None
    artist_mbid: str | None


class Playlist(TypedDict):
    """The played sets of a show, or the predicted ones as long as nothing was played, in order. `missing` songs have no link."""

    show: ResultShow
    type: SetlistType
    service: Literal["spotify"]
    missing: int
    tracks: list[Track]


async def fetch_playlist(db: Readable, reference: Reference) -> Playlist:
    """The recordings of a show's songs. The order of predicted songs is that of the set, so it tells no counts.

    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        show = await find_show(connection, reference)
        rows = [row async for row in queries.tracks_of_show(connection, show_id=show["id"])]
    kind: SetlistType = "actual" if any(row["type"] == "actual" for row in rows) else "predicted"
    tracks: list[Track] = [
        {
            "song_id": row["song_id"],
            "title": row["title"],
            "artist": row["artist_name"],
            "url": row["url"],
            "isrc": row["isrc"],
            "artist_mbid": row["artist_mbid"],
        }
        for row in rows
        if row["type"] == kind
    ]
    return {
        "show": {"id": show["id"], "slug": show["slug"], "name": show["name"]},
        "type": kind,
        "service": "spotify",
        "missing": sum(track["url"] is None for track in tracks),
        "tracks": tracks,
    }


def as_text(playlist: Playlist) -> str:
    """One link in a line."""
    return "".join(f"{track['url']}\n" for track in playlist["tracks"] if track["url"] is not None)
