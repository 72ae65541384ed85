"""Administrators make, change and delete brands."""

from __future__ import annotations

import base64
import binascii
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from server.catalog.brand_colours import Colours, faults_of
from server.catalog.brands import KnownBrands
from server.catalog.queries import brands as queries
from server.catalog.show_changes import Id
from server.errors import Refused, StoreConflict
from server.moderation.logs import refuse_stale, write_audit_log
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery, Revision
from server.protocol.instants import iso
from server.store.database import Database, savepoint

if TYPE_CHECKING:
    from server.store.database import Connection

BRANDS_MAX = 100
NAME_CHARS_MAX = 60
HOST_CHARS_MAX = 260
LOGO_BYTES_MAX = 256 * 1024
_LOGO_CHARS_MAX = LOGO_BYTES_MAX * 4 // 3 + 4
_BODY_BYTES_MAX = _LOGO_CHARS_MAX + 16 * 1024
# How a file of each type begins. SVG is not among them: it may hold scripts.
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}

LogoType = Literal["image/png", "image/jpeg", "image/webp"]
BrandName = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX, pattern=r"\S")]
Host = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=HOST_CHARS_MAX,
        pattern=r"^[a-z0-9.-]+(:[0-9]+)?$",
        description="The name under which browsers ask, in small letters; a port only when it is not 80 or 443.",
        examples=["vote.band.example"],
    ),
]
LogoText = Annotated[
    str,
    msgspec.Meta(max_length=_LOGO_CHARS_MAX, description="A PNG, JPEG or WebP file of at most 256 KiB, in base64."),
]
_Unset = msgspec.UnsetType
_UNSET = msgspec.UNSET


class NewBrand(msgspec.Struct, frozen=True, kw_only=True):
    """A new brand. With `artist` or `venue`, ids, its list has only their shows."""

    host: Host
    name: BrandName
    artist: Id | None = None
    venue: Id | None = None
    colours: Colours = Colours()
    logo: LogoText | None = None


class BrandChange(msgspec.Struct, frozen=True, kw_only=True):
    """The fields to change; a field that is left out stays, null clears it. With `revision`, the change is refused if somebody else
    changed the brand after it.
    """

    host: Host | _Unset = _UNSET
    name: BrandName | _Unset = _UNSET
    artist: Id | _Unset | None = _UNSET
    venue: Id | _Unset | None = _UNSET
    colours: Colours | _Unset = _UNSET
    logo: LogoText | _Unset | None = _UNSET
    revision: Revision | None = None


class BrandItem(msgspec.Struct, frozen=True, kw_only=True):
    """A brand. `logo_bytes` 0: it has no logo."""

    id: int
    host: str
    name: str
    artist: int | None
    venue: int | None
    colours: Colours
    logo_bytes: int
    logo_type: LogoType | None
    revision: int
    created_at: str


class EditedBrand(BrandItem, frozen=True, kw_only=True):
    """A brand after the act."""

    is_preview: bool


class BrandPage(msgspec.Struct, frozen=True):
    """A page of brands."""

    items: list[BrandItem]
    next: str | None


class DeletedBrand(msgspec.Struct, frozen=True, kw_only=True):
    """A brand that is gone. Its host shows the service itself, as long as it leads here."""

    id: int
    is_preview: bool


class BrandEditingRoutes:
    """HTTP for administrators. Takes: db, with its owner's rights; known, what this node knows of brands."""

    def __init__(self, db: Database, known: KnownBrands) -> None:
        self._db = db
        self._known = known

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        path = "/api/admin/brands"
        one = f"{path}/{{brand}}"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_brands, access="admin", query=PageQuery, answer=BrandPage,
                summary="List the brands, oldest first.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_brand, access="admin", query=PreviewQuery, body=NewBrand, status=201,
                answer=EditedBrand, body_bytes_max=_BODY_BYTES_MAX, codes=(Code.NOT_FOUND, Code.CONFLICT),
                summary="Make a brand: the service under another name, host and colours. Colours that nobody can read are refused.",
            ),
            Endpoint(
                method="PATCH", path=one, handler=self.patch_brand, access="admin", query=PreviewQuery, body=BrandChange,
                answer=EditedBrand, body_bytes_max=_BODY_BYTES_MAX, codes=(Code.NOT_FOUND, Code.CONFLICT),
                summary="Change a brand.",
            ),
            Endpoint(
                method="DELETE", path=one, handler=self.delete_brand, access="admin", query=PreviewQuery, answer=DeletedBrand,
                codes=(Code.NOT_FOUND,), summary="Delete a brand.",
            ),
        ]  # fmt: skip

    async def get_brands(self, call: Call) -> Answer:
        """`GET /api/admin/brands`."""
        query = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._db.connection() as connection:
            listed = queries.list_brands(connection, id=None, after_id=after.id if after else 0, count=query.limit + 1)
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        return Answer(document=BrandPage([BrandItem(**_fields(row)) for row in page], following))

    async def post_brand(self, call: Call) -> Answer:
        """`POST /api/admin/brands`."""
        given, is_preview = msgspec.structs.asdict(call.body), call.query.preview
        _check_colours(call.body.colours)
        logo, logo_type = _logo_of(given.pop("logo"))
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            if await queries.count_brands(connection) >= BRANDS_MAX:
                raise Refused(Code.CONFLICT, f"There are {BRANDS_MAX} brands already. Delete one first.")
            await _check_subjects(connection, given)
            columns = given | {"colours": _text_of(call.body.colours)}
            insert = partial(queries.insert_brand, connection, **columns, logo=logo, logo_type=logo_type)
            row = await _find(connection, int(await _write(insert, connection)))
            told = _told(row)
            await _log(connection, call, "brand.make", row, {name: [None, value] for name, value in told.items()})
        await self._known.read()
        return Answer(document=EditedBrand(**_fields(row), is_preview=is_preview))

    async def patch_brand(self, call: Call) -> Answer:
        """`PATCH /api/admin/brands/{brand}`."""
        brand_id = call.id("brand")
        given = {name: value for name, value in msgspec.structs.asdict(call.body).items() if value is not _UNSET}
        revision, is_preview = given.pop("revision"), call.query.preview
        if "colours" in given:
            _check_colours(given["colours"])
            given["colours"] = _text_of(given["colours"])
        has_logo = "logo" in given
        logo, logo_type = _logo_of(given.pop("logo", None))
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            before = await _lock(connection, brand_id)
            await refuse_stale(connection, f"brand:{before['id']}", before["revision"], revision)
            await _check_subjects(connection, given)
            columns = {name: before[name] for name in ("host", "name", "artist", "venue", "colours")} | given
            await _write(partial(queries.update_brand, connection, id=before["id"], **columns), connection)
            if has_logo:
                await queries.update_logo(connection, id=before["id"], logo=logo, logo_type=logo_type)
            row = await _find(connection, before["id"])
            was, is_now = _told(before), _told(row)
            detail = {name: [was[name], is_now[name]] for name in is_now if was[name] != is_now[name]}
            if has_logo:
                detail.setdefault("logo_bytes", [was["logo_bytes"], is_now["logo_bytes"]])
            await _log(connection, call, "brand.change", row, detail)
        await self._known.read()
        return Answer(document=EditedBrand(**_fields(row), is_preview=is_preview))

    async def delete_brand(self, call: Call) -> Answer:
        """`DELETE /api/admin/brands/{brand}`."""
        is_preview = call.query.preview
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            before = await _lock(connection, call.id("brand"))
            await queries.delete_brand(connection, id=before["id"])
            detail = {name: [value, None] for name, value in _told(before).items()}
            await write_audit_log(connection, call.user, "brand.delete", f"brand:{before['id']}", detail)
        await self._known.read()
        return Answer(document=DeletedBrand(id=before["id"], is_preview=is_preview))


def _check_colours(colours: Colours) -> None:
    faults = faults_of(colours)
    if faults:
        raise Refused(
            Code.BAD_REQUEST, f"Not everybody could read these `colours`. {faults}. Take colours that differ more."
        )


def _logo_of(text: str | None) -> tuple[bytes | None, str | None]:
    """The logo and its type.

    Raises: Refused: bad_request, it is no picture of a known type, or too large
    """
    if text is None:
        return None, None
    try:
        logo = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(
            Code.BAD_REQUEST, "`logo` is not base64. Encode the file, without a prefix such as data:."
        ) from None
    if len(logo) > LOGO_BYTES_MAX:
        raise Refused(Code.BAD_REQUEST, f"`logo` has {len(logo)} bytes. Give a file of at most {LOGO_BYTES_MAX} bytes.")
    media_type = next((kind for signature, kind in _SIGNATURES.items() if logo.startswith(signature)), None)
    if media_type is None or (media_type == "image/webp" and logo[8:12] != b"WEBP"):
        raise Refused(
            Code.BAD_REQUEST, "`logo` is no PNG, JPEG or WebP file. SVG is not taken, because it may hold scripts."
        )
    return logo, media_type


def _text_of(colours: Colours) -> str:
    return msgspec.json.encode(colours).decode()


async def _check_subjects(connection: Connection, given: dict[str, Any]) -> None:
    unknown = await queries.unknown_subject(connection, artist=given.get("artist"), venue=given.get("venue"))
    if unknown is not None:
        raise Refused(Code.NOT_FOUND, f"No {unknown} has this id. Search for it, or make it first.")


async def _write(statement: partial[Any], connection: Connection) -> Any:
    try:
        async with savepoint(connection):
            return await statement()
    except StoreConflict as error:
        raise Refused(Code.CONFLICT, "Another brand has this `host`. Change that one, or give another host.") from error


async def _lock(connection: Connection, brand_id: int) -> Any:
    await queries.lock_brand(connection, id=brand_id)
    return await _find(connection, brand_id)


async def _find(connection: Connection, brand_id: int) -> Any:
    rows = [row async for row in queries.list_brands(connection, id=brand_id, after_id=0, count=1)]
    if not rows:
        raise Refused(Code.NOT_FOUND, "No such brand. Check its id.")
    return rows[0]


def _fields(row: Any) -> dict[str, Any]:
    columns = dict(row)
    return columns | {
        "colours": msgspec.json.decode(columns["colours"], type=Colours),
        "created_at": iso(columns["created_at"]),
    }


def _told(row: Any) -> dict[str, Any]:
    """What the audit log says of a brand."""
    told = {name: row[name] for name in ("host", "name", "artist", "venue", "logo_bytes")}
    return told | {"colours": msgspec.json.decode(row["colours"])}


async def _log(connection: Connection, call: Call, action: str, row: Any, detail: dict[str, Any]) -> None:
    detail = {**detail, "revision": row["revision"]}
    await write_audit_log(connection, call.user, action, f"brand:{row['id']}", detail)
