"""Tours over HTTP. A tour is an artist's shows between two dates, with its own leaderboard. Administrators make tours."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from server.errors import Refused
from server.game.queries import tours as queries
from server.moderation.logs import write_audit_log
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery
from server.store.database import Database
from server.store.reads import Readable

if TYPE_CHECKING:
    from server.store.database import Connection

TOUR_NAME_CHARS_MAX = 200

TourName = Annotated[str, msgspec.Meta(min_length=1, max_length=TOUR_NAME_CHARS_MAX, pattern=r"\S")]
_Unset = msgspec.UnsetType
_UNSET = msgspec.UNSET


class TourBody(msgspec.Struct, frozen=True, kw_only=True):
    """A tour: all shows of the artist from the first to the last date. Dates are local, as on tickets."""

    name: TourName
    first_date: dt.date
    last_date: dt.date


class TourChange(msgspec.Struct, frozen=True, kw_only=True):
    """The fields to change; a field that is left out stays."""

    name: TourName | _Unset = _UNSET
    first_date: dt.date | _Unset = _UNSET
    last_date: dt.date | _Unset = _UNSET


class Tour(msgspec.Struct, frozen=True, kw_only=True):
    """A tour of an artist. Its leaderboard is `/api/leaderboard?tour=` with its id."""

    id: int
    name: str
    first_date: str
    last_date: str


class TourList(msgspec.Struct, frozen=True):
    """The tours of an artist, the newest first."""

    items: list[Tour]


class TourArtist(msgspec.Struct, frozen=True):
    """The artist of a tour."""

    id: int
    name: str


class TourItem(Tour, frozen=True, kw_only=True):
    """A tour with its artist. `shows`: the number of its shows, without cancelled ones."""

    artist: TourArtist
    shows: int


class TourPage(msgspec.Struct, frozen=True):
    """A page of tours."""

    items: list[TourItem]
    next: str | None


class EditedTour(TourItem, frozen=True, kw_only=True):
    """A tour after the act."""

    is_preview: bool


class DeletedTour(msgspec.Struct, frozen=True, kw_only=True):
    """A tour that is gone, and its leaderboard. Its shows and their points stay."""

    id: int
    is_preview: bool


class TourRoutes:
    """The endpoints of tours. Takes: reads, for rows that anyone may see; owner, with the rights of administrators."""

    def __init__(self, reads: Readable, owner: Database) -> None:
        self._reads = reads
        self._owner = owner

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        one = "/api/admin/tours/{tour}"
        return [
            Endpoint(
                method="GET", path="/api/artists/{artist}/tours", handler=self.get_tours, answer=TourList,
                codes=(Code.NOT_FOUND,), slugs=("artist",), summary="The tours of an artist, the newest first.",
            ),
            Endpoint(
                method="GET", path="/api/admin/tours", handler=self.get_all_tours, access="admin", query=PageQuery, answer=TourPage,
                summary="List the tours of all artists, oldest first.",
            ),
            Endpoint(
                method="POST", path="/api/admin/artists/{artist}/tours", handler=self.post_tour, access="admin", query=PreviewQuery,
                body=TourBody, answer=EditedTour, status=201, codes=(Code.NOT_FOUND,), slugs=("artist",),
                summary="Make a tour of an artist.",
            ),
            Endpoint(
                method="PATCH", path=one, handler=self.patch_tour, access="admin", query=PreviewQuery, body=TourChange,
                answer=EditedTour, codes=(Code.NOT_FOUND,),
                summary="Change the name or the dates of a tour. Its leaderboard is counted again.",
            ),
            Endpoint(
                method="DELETE", path=one, handler=self.delete_tour, access="admin", query=PreviewQuery, answer=DeletedTour,
                codes=(Code.NOT_FOUND,), summary="Delete a tour and its leaderboard. Its shows and their points stay.",
            ),
        ]  # fmt: skip

    async def get_tours(self, call: Call) -> Answer:
        """`GET /api/artists/{artist}/tours`."""
        wanted = call.reference("artist")
        async with self._reads.connection() as connection:
            rows = [row async for row in queries.list_tours(connection, id=wanted.id, slug=wanted.slug)]
        if not rows:
            raise Refused(Code.NOT_FOUND, "No such artist.")
        return Answer(document=TourList([Tour(**_columns(row)) for row in rows if row["id"] is not None]))

    async def get_all_tours(self, call: Call) -> Answer:
        """`GET /api/admin/tours`."""
        query = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._owner.connection() as connection:
            listed = queries.list_all_tours(
                connection, id=None, after_id=after.id if after else 0, count=query.limit + 1
            )
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        return Answer(document=TourPage([TourItem(**_fields(row)) for row in page], following))

    async def post_tour(self, call: Call) -> Answer:
        """`POST /api/admin/artists/{artist}/tours`."""
        wanted, is_preview = call.reference("artist"), call.query.preview
        fields = msgspec.structs.asdict(call.body)
        _check_dates(fields)
        async with self._owner.rehearsal() if is_preview else self._owner.transaction() as connection:
            tour_id = await queries.insert_tour(connection, id=wanted.id, slug=wanted.slug, **fields)
            if tour_id is None:
                raise Refused(Code.NOT_FOUND, "No such artist.")
            row = await _find(connection, tour_id)
            await _log(
                connection, call, "tour.make", tour_id, {key: [None, value] for key, value in _told(row).items()}
            )
        return Answer(document=EditedTour(**_fields(row), is_preview=is_preview))

    async def patch_tour(self, call: Call) -> Answer:
        """`PATCH /api/admin/tours/{tour}`."""
        tour_id, is_preview = call.id("tour"), call.query.preview
        given = {name: value for name, value in msgspec.structs.asdict(call.body).items() if value is not _UNSET}
        async with self._owner.rehearsal() if is_preview else self._owner.transaction() as connection:
            before = await _lock(connection, tour_id)
            fields = {name: before[name] for name in ("name", "first_date", "last_date")} | given
            _check_dates(fields)
            await queries.update_tour(connection, id=tour_id, **fields)
            row = await _find(connection, tour_id)
            was, is_now = _told(before), _told(row)
            detail = {name: [was[name], is_now[name]] for name in is_now if was[name] != is_now[name]}
            await _log(connection, call, "tour.change", tour_id, detail)
        return Answer(document=EditedTour(**_fields(row), is_preview=is_preview))

    async def delete_tour(self, call: Call) -> Answer:
        """`DELETE /api/admin/tours/{tour}`."""
        tour_id, is_preview = call.id("tour"), call.query.preview
        async with self._owner.rehearsal() if is_preview else self._owner.transaction() as connection:
            before = await _lock(connection, tour_id)
            await queries.delete_tour(connection, id=tour_id)
            detail = {name: [value, None] for name, value in _told(before).items()}
            await _log(connection, call, "tour.delete", tour_id, detail)
        return Answer(document=DeletedTour(id=tour_id, is_preview=is_preview))


def _check_dates(fields: dict[str, Any]) -> None:
    if fields["first_date"] > fields["last_date"]:
        message = f"`last_date` {fields['last_date']} is before `first_date` {fields['first_date']}. Give a later one."
        raise Refused(Code.BAD_REQUEST, message)


async def _lock(connection: Connection, tour_id: int) -> Any:
    await queries.lock_tour(connection, id=tour_id)
    return await _find(connection, tour_id)


async def _find(connection: Connection, tour_id: int) -> Any:
    rows = [row async for row in queries.list_all_tours(connection, id=tour_id, after_id=0, count=1)]
    if not rows:
        raise Refused(Code.NOT_FOUND, "No such tour. Check its id.")
    return rows[0]


def _columns(row: Any) -> dict[str, Any]:
    dates = {name: row[name].isoformat() for name in ("first_date", "last_date")}
    return {"id": row["id"], "name": row["name"], **dates}


def _fields(row: Any) -> dict[str, Any]:
    return {**_columns(row), "artist": TourArtist(row["artist_id"], row["artist_name"]), "shows": row["show_count"]}


def _told(row: Any) -> dict[str, Any]:
    """The fields of a tour in the audit log."""
    told = _columns(row) | {"artist": row["artist_id"]}
    del told["id"]
    return told


async def _log(connection: Connection, call: Call, action: str, tour_id: int, detail: dict[str, Any]) -> None:
    await write_audit_log(connection, call.user, action, f"tour:{tour_id}", detail)
