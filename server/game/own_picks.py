"""The picks of the signed-in fan, over all shows."""

from __future__ import annotations

import msgspec

from server.game.queries import picks as queries
from server.protocol.http.cursors import InstantCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.instants import from_us, us_of
from server.protocol.listed_shows import ListedShow, fields_of_show
from server.store.database import Database


class OwnPickItem(ListedShow, frozen=True, kw_only=True):
    """Your pick for a show. `points` and `rank` are null until the show is over."""

    songs: int
    points: int | None
    rank: int | None


class OwnPickPage(msgspec.Struct, frozen=True):
    """A page of picks."""

    items: list[OwnPickItem]
    next: str | None


class OwnPickRoutes:
    """The endpoint of a fan's picks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/me/picks", handler=self.get_picks, access="user", query=PageQuery,
                answer=OwnPickPage, summary="List your picks, latest show first, with the points of shows that are over.",
            ),
        ]  # fmt: skip

    async def get_picks(self, call: Call) -> Answer:
        """`GET /api/me/picks`."""
        limit = call.query.limit
        after = decode_cursor(call.query.cursor, InstantCursor) if call.query.cursor else None
        async with self._db.acting(call.identity) as connection:
            found = queries.list_picks(
                connection,
                user_id=call.user.user_id,
                after_at=from_us(after.at_us) if after else None,
                after_id=after.id if after else None,
                count=limit + 1,
            )
            rows = [row async for row in found]
        page, following = cut_page(rows, limit, lambda last: InstantCursor(us_of(last["starts_at"]), last["id"]))
        items = [
            OwnPickItem(songs=row["song_count"], points=row["points"], rank=row["rank"], **fields_of_show(row))
            for row in page
        ]
        return Answer(document=OwnPickPage(items, following))
