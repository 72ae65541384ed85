"""Administrators make and edit artists, venues and songs by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from server.catalog.queries import entry_editing as queries
from server.catalog.show_changes import Id, Reason
from server.errors import Refused, StoreConflict
from server.moderation.logs import refuse_stale, write_audit_log
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PreviewQuery, Revision
from server.protocol.instants import us_of
from server.protocol.slugs import Slug, made_slug, slugs_of
from server.protocol.time_zones import canonical_zone
from server.store.database import Database, savepoint

if TYPE_CHECKING:
    from server.store.database import Connection

Kind = Literal["artist", "venue", "song"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]
SongTitle = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"\S")]
Genre = Annotated[str, msgspec.Meta(max_length=80)]
City = Annotated[str, msgspec.Meta(min_length=1, max_length=120, pattern=r"\S")]
Region = Annotated[str, msgspec.Meta(max_length=80)]
Country = Annotated[
    str,
    msgspec.Meta(max_length=2, pattern="^[A-Z]{2}$", description="The two letters of a country.", examples=["DE"]),
]
CountryOrNone = Annotated[
    str,
    msgspec.Meta(
        max_length=2, pattern="^([A-Z]{2})?$", description="The two letters of a country; or empty.", examples=["DE"]
    ),
]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
TimeZone = Annotated[
    str, msgspec.Meta(max_length=80, description="An IANA time zone, such as Europe/Paris.", examples=["Europe/Paris"])
]
Capacity = Annotated[int, msgspec.Meta(ge=1, le=2_147_483_647)]
_Unset = msgspec.UnsetType
_UNSET = msgspec.UNSET


class MakeQuery(PreviewQuery, frozen=True):
    """`preview`: answers as if the entry were made, and makes nothing. `another`: makes it although one with this name exists."""

    another: bool = False


class NewArtist(msgspec.Struct, frozen=True, kw_only=True):
    """A new artist; without `slug`, the slug is made of the name."""

    name: Name
    genre: Genre = ""
    country: CountryOrNone = ""
    slug: Slug | None = None


class NewVenue(msgspec.Struct, frozen=True, kw_only=True):
    """A new venue; without `slug`, the slug is made of the name and the city."""

    name: Name
    city: City
    country: Country
    latitude: Latitude
    longitude: Longitude
    time_zone: TimeZone
    region: Region = ""
    capacity: Capacity | None = None
    slug: Slug | None = None


class NewSong(msgspec.Struct, frozen=True, kw_only=True):
    """A new song of the artist who wrote it."""

    artist: Id
    title: SongTitle


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    revision: Revision | None = None
    reason: Reason | None = None


class ArtistChange(_Change, frozen=True, kw_only=True):
    """The fields to change. With `revision`, the change is refused if somebody else changed the artist after it."""

    name: Name | _Unset = _UNSET
    genre: Genre | _Unset = _UNSET
    country: CountryOrNone | _Unset = _UNSET
    slug: Slug | _Unset = _UNSET


class VenueChange(_Change, frozen=True, kw_only=True):
    """The fields to change. With `revision`, the change is refused if somebody else changed the venue after it. Shows keep
    their own time zone.
    """

    name: Name | _Unset = _UNSET
    city: City | _Unset = _UNSET
    country: Country | _Unset = _UNSET
    latitude: Latitude | _Unset = _UNSET
    longitude: Longitude | _Unset = _UNSET
    time_zone: TimeZone | _Unset = _UNSET
    region: Region | _Unset = _UNSET
    capacity: Capacity | _Unset | None = _UNSET
    slug: Slug | _Unset = _UNSET


class SongChange(_Change, frozen=True, kw_only=True):
    """The fields to change. With `revision`, the change is refused if somebody else changed the song after it."""

    artist: Id | _Unset = _UNSET
    title: SongTitle | _Unset = _UNSET


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    revision: int
    show_count: int
    is_preview: bool


class EditedArtist(_Entry, frozen=True, kw_only=True):
    """An artist after the act; `show_count` shows have the artist on the bill."""

    slug: str
    name: str
    genre: str
    country: str


class EditedVenue(_Entry, frozen=True, kw_only=True):
    """A venue after the act; `show_count` shows are there."""

    slug: str
    name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int | None


class EditedSong(_Entry, frozen=True, kw_only=True):
    """A song after the act; `show_count` shows have the song in a set."""

    artist: int
    artist_name: str
    title: str


_ANSWERS: Mapping[Kind, Any] = {"artist": EditedArtist, "venue": EditedVenue, "song": EditedSong}
_NEW: Mapping[Kind, Any] = {"artist": NewArtist, "venue": NewVenue, "song": NewSong}
_CHANGES: Mapping[Kind, Any] = {"artist": ArtistChange, "venue": VenueChange, "song": SongChange}
_FETCH: Mapping[Kind, Any] = {"artist": queries.fetch_artist, "venue": queries.fetch_venue, "song": queries.fetch_song}
# Columns that a change does not write.
_OF_OTHERS = ("updated_at", "show_count", "artist_name")
_UPDATE: Mapping[Kind, Any] = {
    "artist": queries.update_artist,
    "venue": queries.update_venue,
    "song": queries.update_song,
}


class EntryEditingRoutes:
    """HTTP for administrators who make and edit entries. Takes: db, with its owner's rights."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        found: list[Endpoint] = []
        for kind in _ANSWERS:
            path, slugs = f"/api/admin/{kind}s", () if kind == "song" else (kind,)
            found += [
                Endpoint(
                    method="POST", path=path, handler=partial(self._post, kind), access="admin", query=MakeQuery,
                    body=_NEW[kind], answer=_ANSWERS[kind], status=201, codes=(Code.NOT_FOUND, Code.CONFLICT),
                    summary=f"Make a new {kind}; one of the same name only with `another`.",
                ),
                Endpoint(
                    method="PATCH", path=f"{path}/{{{kind}}}", handler=partial(self._patch, kind), access="admin",
                    query=PreviewQuery, body=_CHANGES[kind], answer=_ANSWERS[kind], slugs=slugs,
                    codes=(Code.NOT_FOUND, Code.CONFLICT), summary=f"Change the fields of a {kind}.",
                ),
            ]  # fmt: skip
        return found

    async def _post(self, kind: Kind, call: Call) -> Answer:
        """`POST /api/admin/{artists,venues,songs}`."""
        fields = _checked(msgspec.structs.asdict(call.body))
        is_preview = call.query.preview
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            if not call.query.another:
                await _refuse_same(connection, kind, fields)
            entry_id = await _insert(connection, kind, fields)
            after = await _FETCH[kind](connection, id=entry_id)
            document = _document(kind, after, is_preview=is_preview)
            detail = {name: [None, value] for name, value in fields.items() if value is not None}
            await _log(connection, call, f"{kind}.make", document, detail)
        return Answer(document=document)

    async def _patch(self, kind: Kind, call: Call) -> Answer:
        """`PATCH /api/admin/{artists,venues,songs}/{id}`."""
        given = {name: value for name, value in msgspec.structs.asdict(call.body).items() if value is not _UNSET}
        revision, reason = given.pop("revision"), given.pop("reason")
        fields, is_preview = _checked(given), call.query.preview
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            before = await lock_entry(connection, kind, await find_entry(connection, kind, call))
            subject = f"{kind}:{before['id']}"
            await refuse_stale(connection, subject, us_of(before["updated_at"]), revision)
            changed = {name: value for name, value in fields.items() if value != before[name]}
            if changed:
                columns = {name: value for name, value in before.items() if name not in _OF_OTHERS}
                await _write(partial(_UPDATE[kind], connection, **columns | changed), connection, kind)
            after = await _FETCH[kind](connection, id=before["id"])
            document = _document(kind, after, is_preview=is_preview)
            if changed:
                detail: dict[str, Any] = {name: [before[name], value] for name, value in changed.items()}
                if reason:
                    detail["reason"] = reason
                await _log(connection, call, f"{kind}.change", document, detail)
        return Answer(document=document)


async def find_entry(connection: Connection, kind: Kind, call: Call) -> int:
    """The id of the entry that the path names by id or slug.

    Raises: Refused: not_found
    """
    if kind == "song":
        return call.id("song")
    reference = call.reference(kind)
    if reference.id is not None:
        return reference.id
    find = queries.id_of_artist if kind == "artist" else queries.id_of_venue
    found: int | None = await find(connection, slug=reference.slug)
    if found is None:
        raise no_such(kind)
    return found


async def lock_entry(connection: Connection, kind: Kind, entry_id: int) -> dict[str, Any]:
    """Locks the rows that a new name of an entry changes, and gives the columns of the entry.

    Raises: Refused: not_found
    Locks:  an artist, a venue: the shards of its shows; a song: its row
    """
    if kind == "song":
        await queries.lock_song(connection, id=entry_id)
    else:
        lock = queries.lock_shards_of_artist if kind == "artist" else queries.lock_shards_of_venue
        async for _ in lock(connection, id=entry_id):
            pass
    row = await _FETCH[kind](connection, id=entry_id)
    if row is None:
        raise no_such(kind)
    return dict(row)


def no_such(kind: Kind) -> Refused:
    """The refusal of an entry that is not there."""
    return Refused(Code.NOT_FOUND, f"No such {kind}. Check its id{'' if kind == 'song' else ' or slug'}.")


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with the time zone in its usual spelling.

    Raises: Refused: bad_request, no such time zone
    """
    if "time_zone" not in fields:
        return fields
    zone = canonical_zone(fields["time_zone"])
    if zone is None:
        raise Refused(
            Code.BAD_REQUEST, f"`time_zone` is {fields['time_zone']!r}. Give an IANA time zone, such as Europe/Paris."
        )
    return {**fields, "time_zone": zone}


async def _refuse_same(connection: Connection, kind: Kind, fields: dict[str, Any]) -> None:
    match kind:
        case "artist":
            same = await queries.same_artist(connection, name=fields["name"])
        case "venue":
            same = await queries.same_venue(connection, name=fields["name"], city=fields["city"])
        case "song":
            same = await queries.same_song(connection, artist=fields["artist"], title=fields["title"])
    if same is not None:
        message = (
            f"A {kind} of this name is there: {same}. Use it; or, if it is another one, repeat with `another=true`."
        )
        raise Refused(Code.CONFLICT, message)


async def _insert(connection: Connection, kind: Kind, fields: dict[str, Any]) -> int:
    if kind == "song":
        return int(await _write(partial(queries.insert_song, connection, **fields), connection, kind))
    insert = queries.insert_artist if kind == "artist" else queries.insert_venue
    names = [fields["name"], *([fields["city"]] if kind == "venue" else [])]
    given = fields["slug"]
    for slug in [given] if given else slugs_of(made_slug(kind, *names)):
        made: int | None = await insert(connection, **fields | {"slug": slug})
        if made is not None:
            return made
    raise Refused(Code.CONFLICT, f"Another {kind} has this slug. Give another `slug`.")


async def _write(statement: partial[Any], connection: Connection, kind: Kind) -> Any:
    """Runs a statement. Raises: Refused: conflict, a slug or a title is taken; not_found, the artist does not exist."""
    try:
        async with savepoint(connection):
            return await statement()
    except StoreConflict as error:
        if error.constraint == "songs_artist_id_fkey":
            raise Refused(Code.NOT_FOUND, "No artist has this id. Search for the artist, or make it first.") from error
        taken = "slug" if kind != "song" else "title"
        raise Refused(Code.CONFLICT, f"Another {kind} has this {taken}. Merge the two, or give another one.") from error


def _document(kind: Kind, row: Any, *, is_preview: bool) -> Any:
    columns = dict(row)
    return msgspec.convert(
        columns | {"revision": us_of(columns.pop("updated_at")), "is_preview": is_preview}, _ANSWERS[kind]
    )


async def _log(connection: Connection, call: Call, action: str, document: _Entry, detail: dict[str, Any]) -> None:
    subject = f"{action.partition('.')[0]}:{document.id}"
    await write_audit_log(connection, call.user, action, subject, {**detail, "revision": document.revision})
