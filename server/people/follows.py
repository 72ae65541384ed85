"""Follows of artists and attendances of shows."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from server.errors import Refused
from server.moderation.bans import refuse_banned
from server.people.marks import Marks
from server.people.queries import follows as queries
from server.people.relation_counts import RelationCounts, fetch_attendance_counts, fetch_follower_counts
from server.protocol.codes import Code
from server.protocol.http.cursors import InstantCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.instants import from_us, iso, us_of
from server.store.database import Database


class Following(msgspec.Struct, frozen=True):
    """Whether the user follows an artist, and the follower count."""

    following: bool
    count: int


class Going(msgspec.Struct, frozen=True):
    """Whether the user attends a show, and the attendance count."""

    going: bool
    count: int


class FollowedArtist(msgspec.Struct, frozen=True, kw_only=True):
    """An artist that the user follows."""

    id: int
    slug: str
    name: str
    follower_count: int
    followed_at: str


class FollowPage(msgspec.Struct, frozen=True):
    """A page of followed artists."""

    items: list[FollowedArtist]
    next: str | None


class AttendedShow(msgspec.Struct, frozen=True, kw_only=True):
    """A show that the user attends or attended."""

    id: int
    slug: str
    name: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: str
    starts_at: str
    artist: str
    venue: str
    attendance_count: int
    since: str


class AttendancePage(msgspec.Struct, frozen=True):
    """A page of attended shows."""

    items: list[AttendedShow]
    next: str | None


class FollowRoutes:
    """The endpoints of follows and attendances."""

    def __init__(self, db: Database, marks: Marks) -> None:
        self._db = db
        self._marks = marks

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        refusals = (Code.NOT_FOUND, Code.OVERLOADED, Code.UNAVAILABLE)
        follow, attendance = "/api/artists/{artist}/follow", "/api/shows/{show}/attendance"
        return [
            Endpoint(
                method="GET", path=follow, handler=self.get_follow, access="user", answer=Following,
                codes=(Code.NOT_FOUND,), slugs=("artist",), summary="Say whether you follow an artist.",
            ),
            Endpoint(
                method="GET", path=attendance, handler=self.get_going, access="user", answer=Going,
                codes=(Code.NOT_FOUND,), slugs=("show",), summary="Say whether you attend a show.",
            ),
            Endpoint(
                method="PUT", path=follow, handler=self.put_follow, access="user", answer=Following, codes=refusals,
                slugs=("artist",), summary="Follow an artist. Repeating it changes nothing.",
            ),
            Endpoint(
                method="DELETE", path=follow, handler=self.delete_follow, access="user", answer=Following,
                codes=refusals, slugs=("artist",), summary="Unfollow an artist.",
            ),
            Endpoint(
                method="PUT", path=attendance, handler=self.put_attendance, access="user", answer=Going, codes=refusals,
                slugs=("show",), summary="Attend a show. Repeating it changes nothing.",
            ),
            Endpoint(
                method="DELETE", path=attendance, handler=self.delete_attendance, access="user", answer=Going,
                codes=refusals, slugs=("show",), summary="Stop attending a show.",
            ),
            Endpoint(
                method="GET", path="/api/me/follows", handler=self.get_follows, access="user", query=PageQuery,
                answer=FollowPage, summary="List the artists that you follow, latest follow first.",
            ),
            Endpoint(
                method="GET", path="/api/me/attendance", handler=self.get_attendance, access="user", query=PageQuery,
                answer=AttendancePage, summary="List the shows that you attend or attended, latest show first.",
            ),
        ]  # fmt: skip

    async def get_follow(self, call: Call) -> Answer:
        """`GET /api/artists/{artist}/follow`."""
        artist_id, following = await self._fetch_relation(call, "artist", queries.find_follow)
        return Answer(
            document=Following(following, _count(await fetch_follower_counts(self._db, [artist_id]), artist_id))
        )

    async def get_going(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/attendance`."""
        show_id, going = await self._fetch_relation(call, "show", queries.find_attendance)
        return Answer(document=Going(going, _count(await fetch_attendance_counts(self._db, [show_id]), show_id)))

    async def put_follow(self, call: Call) -> Answer:
        """`PUT /api/artists/{artist}/follow`."""
        return await self._follow(call, following=True)

    async def delete_follow(self, call: Call) -> Answer:
        """`DELETE /api/artists/{artist}/follow`."""
        return await self._follow(call, following=False)

    async def put_attendance(self, call: Call) -> Answer:
        """`PUT /api/shows/{show}/attendance`."""
        return await self._attend(call, going=True)

    async def delete_attendance(self, call: Call) -> Answer:
        """`DELETE /api/shows/{show}/attendance`."""
        return await self._attend(call, going=False)

    async def _follow(self, call: Call, *, following: bool) -> Answer:
        artist_id = await self._find(call, "artist", queries.find_artist, adds=following)
        await self._marks.put("artist", artist_id, call.user.user_id, wanted=following)
        return Answer(
            document=Following(following, _count(await fetch_follower_counts(self._db, [artist_id]), artist_id))
        )

    async def _attend(self, call: Call, *, going: bool) -> Answer:
        show_id = await self._find(call, "show", queries.find_show, adds=going)
        await self._marks.put("show", show_id, call.user.user_id, wanted=going)
        return Answer(document=Going(going, _count(await fetch_attendance_counts(self._db, [show_id]), show_id)))

    async def _fetch_relation(self, call: Call, name: str, find: Any) -> tuple[int, bool]:
        """Gives the id of the artist or show in the path, and whether the user follows or attends it."""
        wanted = call.reference(name)
        async with self._db.acting(call.identity) as connection:
            row = await find(connection, id=wanted.id, slug=wanted.slug, user_id=call.user.user_id)
        if row is None:
            raise Refused(Code.NOT_FOUND, f"No such {name}.")
        return row["id"], row["is_marked"]

    async def _find(self, call: Call, name: str, find: Any, *, adds: bool) -> int:
        """Gives the id of the artist or show in the path. A ban from everything refuses additions, but not removals."""
        wanted = call.reference(name)
        async with self._db.acting(call.identity) as connection:
            await refuse_banned(connection, call.user.user_id, *(("all",) if adds else ()))
            found: int | None = await find(connection, id=wanted.id, slug=wanted.slug)
        if found is None:
            raise Refused(Code.NOT_FOUND, f"No such {name}.")
        return found

    async def get_follows(self, call: Call) -> Answer:
        """`GET /api/me/follows`."""
        rows, following = await self._list(call, queries.list_follows, "created_at")
        items = [
            FollowedArtist(
                id=row["id"],
                slug=row["slug"],
                name=row["name"],
                follower_count=row["follower_count"],
                followed_at=iso(row["created_at"]),
            )
            for row in rows
        ]
        return Answer(document=FollowPage(items, following))

    async def get_attendance(self, call: Call) -> Answer:
        """`GET /api/me/attendance`."""
        rows, following = await self._list(call, queries.list_attendance, "starts_at")
        items = [
            AttendedShow(
                id=row["id"],
                slug=row["slug"],
                name=row["name"],
                status=row["status"],
                local_date=row["local_date"].isoformat(),
                starts_at=iso(row["starts_at"]),
                artist=row["artist_name"],
                venue=row["venue_name"],
                attendance_count=row["attendance_count"],
                since=iso(row["created_at"]),
            )
            for row in rows
        ]
        return Answer(document=AttendancePage(items, following))

    async def _list(self, call: Call, select: Any, ordered_by: str) -> tuple[list[Any], str | None]:
        limit = call.query.limit
        after = decode_cursor(call.query.cursor, InstantCursor) if call.query.cursor else None
        async with self._db.acting(call.identity) as connection:
            rows = [
                row
                async for row in select(
                    connection,
                    user_id=call.user.user_id,
                    after_at=from_us(after.at_us) if after else None,
                    after_id=after.id if after else None,
                    count=limit + 1,
                )
            ]
        return cut_page(rows, limit, lambda last: InstantCursor(us_of(last[ordered_by]), last["id"]))


def _count(counts: RelationCounts, subject_id: int) -> int:
    return counts[subject_id][1] if subject_id in counts else 0
