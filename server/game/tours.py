"""Tours over HTTP: an artist's shows between two dates, whose points have a leaderboard of their own. Staff makes them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec

from server.errors import Refused
from server.game.queries import tours as queries
from server.moderation.logs import write_audit_log
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.store.database import Database
from server.store.reads import Readable

TOUR_NAME_CHARS_MAX = 200


class TourBody(msgspec.Struct, frozen=True, kw_only=True):
    """A tour: all shows of the artist from the first to the last date, as tickets have them."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=TOUR_NAME_CHARS_MAX)]
    first_date: dt.date
    last_date: dt.date


class Tour(msgspec.Struct, frozen=True, kw_only=True):
    """A tour of an artist. Its leaderboard is `/api/leaderboard?tour=` with its id."""

    id: int
    name: str
    first_date: str
    last_date: str


class TourList(msgspec.Struct, frozen=True):
    """The tours of an artist, the newest first."""

    items: list[Tour]


class TourRoutes:
    """The endpoints of tours. Takes: reads, of what anyone may see; owner, whose rights administrators act with."""

    def __init__(self, reads: Readable, owner: Database) -> None:
        self._reads = reads
        self._owner = owner

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/artists/{artist}/tours", handler=self.get_tours, answer=TourList,
                codes=(Code.NOT_FOUND,), slugs=("artist",), summary="The tours of an artist, the newest first.",
            ),
            Endpoint(
                method="POST", path="/api/admin/artists/{artist}/tours", handler=self.post_tour, access="admin", body=TourBody,
                answer=Tour, status=201, codes=(Code.NOT_FOUND,), slugs=("artist",), summary="Make a tour of an artist.",
            ),
            Endpoint(
                method="DELETE", path="/api/admin/tours/{tour}", handler=self.delete_tour, access="admin", status=204,
                codes=(Code.NOT_FOUND,), summary="Delete a tour. Its shows and their points stay.",
            ),
        ]  # fmt: skip

    async def get_tours(self, call: Call) -> Answer:
        """`GET /api/artists/{artist}/tours`."""
        wanted = call.reference("artist")
        async with self._reads.connection() as connection:
            rows = [row async for row in queries.list_tours(connection, id=wanted.id, slug=wanted.slug)]
        if not rows:
            raise Refused(Code.NOT_FOUND, "No such artist.")
        return Answer(document=TourList([_tour(row) for row in rows if row["id"] is not None]))

    async def post_tour(self, call: Call) -> Answer:
        """`POST /api/admin/artists/{artist}/tours`."""
        wanted, body = call.reference("artist"), call.body
        if body.first_date > body.last_date:
            message = f"`last_date` {body.last_date} is before `first_date` {body.first_date}. Give a later one."
            raise Refused(Code.BAD_REQUEST, message)
        fields = msgspec.structs.asdict(body)
        async with self._owner.transaction() as connection:
            row = await queries.insert_tour(connection, id=wanted.id, slug=wanted.slug, **fields)
            if row is None:
                raise Refused(Code.NOT_FOUND, "No such artist.")
            tour = _tour(row)
            await write_audit_log(connection, call.user, "tour.make", f"tour:{tour.id}", msgspec.structs.asdict(tour))
        return Answer(document=tour)

    async def delete_tour(self, call: Call) -> Answer:
        """`DELETE /api/admin/tours/{tour}`."""
        tour_id = call.id("tour")
        async with self._owner.transaction() as connection:
            if await queries.delete_tour(connection, id=tour_id) is None:
                raise Refused(Code.NOT_FOUND, "No such tour.")
            await write_audit_log(connection, call.user, "tour.delete", f"tour:{tour_id}", {})
        return Answer()


def _tour(row: Any) -> Tour:
    return Tour(
        id=row["id"],
        name=row["name"],
        first_date=row["first_date"].isoformat(),
        last_date=row["last_date"].isoformat(),
    )
