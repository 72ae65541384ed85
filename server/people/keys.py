"""API keys: a program with a key acts as the administrator who created it, until the key expires or is revoked.

A key is shown once. Only its SHA-256 is stored, which is enough because a key is long and random. A websocket opened
with a key is closed when the key ends (access_monitor.py).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from server.errors import Refused
from server.moderation.logs import write_audit_log
from server.people.queries import keys as queries
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.identity import Identity, Role
from server.protocol.instants import iso
from server.store.database import Database

if TYPE_CHECKING:
    from server.store.database import Connection

KEY_PREFIX = "msk_"
KEY_BYTES = 32
KEY_CHARS = len(KEY_PREFIX) + 43  # 32 bytes in URL-safe base64
KEY_NAME_CHARS_MAX = 80
KEY_DAYS_MAX = 3650


class KeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """The name, the role and the life of a key. Without `expires_in_days` it is valid until it is revoked."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_NAME_CHARS_MAX)]
    role: Role = "user"
    expires_in_days: Annotated[int, msgspec.Meta(ge=1, le=KEY_DAYS_MAX)] | None = None


class KeyItem(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a key, without the key itself. `user_id` is its creator; `last_used_at` is exact to the minute."""

    id: int
    name: str
    role: Role
    user_id: int
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class NewKey(KeyItem, frozen=True, kw_only=True):
    """A new key, with the key itself. It is shown only this once."""

    key: str


class KeyPage(msgspec.Struct, frozen=True):
    """A page of keys."""

    items: list[KeyItem]
    next: str | None


class KeyRoutes:
    """The endpoints of API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path = "/api/admin/api-keys"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_keys, access="admin", query=PageQuery, answer=KeyPage,
                summary="List the API keys of all administrators, newest first.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_key, access="admin", body=KeyBody, status=201,
                answer=NewKey, summary="Create an API key that acts as you. It is shown only this once.",
            ),
            Endpoint(
                method="DELETE", path=path + "/{key}", handler=self.delete_key, access="admin", status=204,
                codes=(Code.NOT_FOUND,), summary="Revoke an API key, within two seconds on every node. Repeating it changes nothing.",
            ),
        ]  # fmt: skip

    async def get_keys(self, call: Call) -> Answer:
        """`GET /api/admin/api-keys`."""
        query = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._database.acting(call.user) as connection:
            listed = queries.list_keys(connection, after_id=after.id if after else None, count=query.limit + 1)
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        return Answer(document=KeyPage([KeyItem(**_fields(row)) for row in page], following))

    async def post_key(self, call: Call) -> Answer:
        """`POST /api/admin/api-keys`."""
        body, creator = call.body, call.user
        if creator.is_key:
            raise Refused(Code.FORBIDDEN, "An API key cannot create keys, because they would outlive it. Sign in.")
        key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
        async with self._database.acting(creator) as connection:
            row = await queries.insert_key(
                connection,
                name=body.name,
                key_hash=hash_key(key),
                role=body.role,
                user_id=creator.user_id,
                expires_in_days=body.expires_in_days,
            )
            await write_audit_log(connection, creator, "api_key.make", f"api_key:{row['id']}", {"role": body.role})
        return Answer(document=NewKey(key=key, **_fields(row)))

    async def delete_key(self, call: Call) -> Answer:
        """`DELETE /api/admin/api-keys/{key}`."""
        async with self._database.acting(call.user) as connection:
            await self._revoke(connection, call.user, call.id("key"))
        return Answer()

    async def _revoke(self, connection: Connection, actor: Identity, key_id: int) -> None:
        found = await queries.revoke_key(connection, id=key_id)
        if found is None:
            raise Refused(Code.NOT_FOUND, "No such API key.")
        await write_audit_log(connection, actor, "api_key.revoke", f"api_key:{key_id}", {})


def hash_key(key: str) -> bytes:
    """Hashes a key for storage and lookup.

    Raises: Refused: unauthenticated, the text does not have the form of a key
    """
    if len(key) != KEY_CHARS or not key.isascii():
        raise _invalid_key()
    return hashlib.sha256(key.encode()).digest()


async def fetch_key_identity(database: Database, key_hash: bytes) -> Identity:
    """Looks up a key, and records its use.

    Raises: Refused: unauthenticated; StoreUnavailable
    """
    async with database.connection() as connection:
        row = await queries.use_key(connection, key_hash=key_hash)
    if row is None:
        raise _invalid_key()
    return Identity(row["user_id"], row["role"], key_hash)


def _invalid_key() -> Refused:
    message = "The API key is unknown, expired or revoked. Ask an administrator for a new one."
    return Refused(Code.UNAUTHENTICATED, message)


def _fields(row: Any) -> dict[str, Any]:
    instants = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return {name: iso(value) if name in instants else value for name, value in row.items()}
