"""Lists every song of the catalogue for staff, also those that no show has."""

from __future__ import annotations

from typing import Annotated

import msgspec

from server.catalog.artists_venues_songs import song_item
from server.catalog.documents import SongPage
from server.catalog.queries import song_lists as queries
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.positions import EXACT_MAX
from server.store.database import Database


class SongsQuery(PageQuery, frozen=True, kw_only=True):
    """`artist`: only the songs of this artist, by title. Without it all songs, the newest first."""

    artist: (
        Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX, description="Only songs of this artist, by title.")] | None
    ) = None


class SongListRoutes:
    """HTTP for administrators who look through songs. Takes: db, with its owner's rights."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        return [
            Endpoint(
                method="GET", path="/api/admin/songs", handler=self.get_songs, access="admin", query=SongsQuery,
                answer=SongPage, summary="List the songs of an artist by title, or all songs, the newest first.",
            )
        ]  # fmt: skip

    async def get_songs(self, call: Call) -> Answer:
        """`GET /api/admin/songs`."""
        query: SongsQuery = call.query
        after = decode_cursor(query.cursor, IdCursor).id if query.cursor else None
        part = {"after_id": after, "count": query.limit + 1}
        async with self._db.connection() as connection:
            if query.artist is None:
                listed = queries.newest_songs(connection, **part)
            else:
                listed = queries.songs_by_title(connection, artist_id=query.artist, **part)
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        return Answer(document={"items": [song_item(row) for row in page], "next": following})
