"""API keys: for programs that act as whoever made them, until the key expires or is revoked.

A key is shown once; only its SHA-256 is kept, which is enough, because a key is random and long. A websocket that was
opened with one does not outlive it (access_monitor.py).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from server.clock import Clock
from server.errors import Refused, StoreUnavailable
from server.moderation.logs import write_audit_log
from server.people.oidc import Claims, OidcVerifier, is_foreign
from server.people.sessions import fetch_role
from server.protocol.codes import Code
from server.protocol.http.cursors import IdPlace, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.identity import Identity, Role
from server.protocol.instants import iso
from server.store.database import Database
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("keys.sql"))

KEY_PREFIX = "msk_"
KEY_BYTES = 32
KEY_CHARS = len(KEY_PREFIX) + 43  # 32 bytes in URL-safe base64
KEY_NAME_CHARS_MAX = 80
KEY_DAYS_MAX = 3650
# How long an answer of the database is believed: revoking a key, or erasing an account, acts within this.
BELIEVED_S = 1.0
BELIEVED_MAX = 1_000

# A key's hash; the id of a member of staff; whom a provider names, with the role it gives.
_Subject = bytes | int | tuple[str, str, str | None]


class KeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the key is for, what it may do, and for how many days it is good; left out: until it is revoked."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_NAME_CHARS_MAX)]
    role: Role = "user"
    expires_in_days: Annotated[int, msgspec.Meta(ge=1, le=KEY_DAYS_MAX)] | None = None


class KeyItem(msgspec.Struct, frozen=True, kw_only=True):
    """A key without the key: whom it speaks for, what it may do, when it was used last (to the minute)."""

    id: int
    name: str
    role: Role
    user_id: int
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class NewKey(KeyItem, frozen=True, kw_only=True):
    """A key that was just made, with the key itself: this is the only time it is shown."""

    key: str


class KeyPage(msgspec.Struct, frozen=True):
    """A page of keys."""

    items: list[KeyItem]
    next: str | None


class Authenticator:
    """Who comes with a token or a key, where it is worth asking the database.

    A user's token is believed by its signature alone: most requests are theirs, and what they change names its user in
    the database anyway. A key is looked up, and so is the account behind a token of staff, who may change what is not
    their own: the token gives no more than the account has. Each answer is believed for BELIEVED_S.

    Takes: verify, a token's signature -> Identity; raises Refused(unauthenticated); provider, whose tokens are taken too,
           and sign_in, who they are here
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        verify: Callable[[str], Identity],
        provider: OidcVerifier | None = None,
        sign_in: Callable[[Claims], Awaitable[Identity]] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._verify = verify
        self._provider = provider
        self._sign_in = sign_in
        self._believed: dict[_Subject, tuple[Identity, float]] = {}

    async def identify(self, token: str) -> Identity:
        """Whose token or key this is.

        Raises: Refused: unauthenticated; unavailable, the provider's keys are not known;
                StoreUnavailable: a key, or a provider's user, cannot be looked up
        """
        if token.startswith(KEY_PREFIX):
            key_hash = hash_key(token)
            return self._recall(key_hash) or self._believe(key_hash, await self._look_up(key_hash))
        if self._provider is not None and is_foreign(token):
            return await self._identify_foreign(self._provider, token)
        identity = self._verify(token)
        if identity.role == "user":
            return identity
        account = self._recall(identity.user_id) or await self._look_up_account(identity)
        return replace(identity, role=account.role) if identity.may(account.role) else identity

    async def _identify_foreign(self, provider: OidcVerifier, token: str) -> Identity:
        assert self._sign_in is not None
        claims = await provider.verify(token)
        subject = (claims.issuer, claims.subject, claims.role)
        account = self._recall(subject) or self._believe(subject, await self._sign_in(claims))
        return replace(account, expires_ms=claims.expires_ms, issuer=claims.issuer)

    async def _look_up(self, key_hash: bytes) -> Identity:
        async with self._database.connection() as connection:
            row = await queries.use_key(connection, key_hash=key_hash)
        if row is None:
            raise Refused(Code.UNAUTHENTICATED, "The API key is unknown, expired or revoked.")
        return Identity(row["user_id"], row["role"], key_hash)

    async def _look_up_account(self, identity: Identity) -> Identity:
        try:
            role = await fetch_role(self._database, identity)
        except StoreUnavailable:
            # Nothing can be written now; whoever looks after the engines must still get in.
            return identity
        if role is None:
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
        return self._believe(identity.user_id, Identity(identity.user_id, role))

    def _recall(self, subject: _Subject) -> Identity | None:
        identity, until_s = self._believed.get(subject, (None, 0.0))
        return identity if self._clock.monotonic_s() < until_s else None

    def _believe(self, subject: _Subject, identity: Identity) -> Identity:
        self._believed.pop(subject, None)
        self._believed[subject] = (identity, self._clock.monotonic_s() + BELIEVED_S)
        if len(self._believed) > BELIEVED_MAX:
            del self._believed[next(iter(self._believed))]
        return identity


class KeyRoutes:
    """API keys over HTTP."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        path = "/api/admin/api-keys"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_keys, access="admin", query=PageQuery, answer=KeyPage,
                summary="API keys of all administrators, newest first.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_key, access="admin", body=KeyBody, status=201,
                answer=NewKey, summary="Make an API key that speaks for oneself; it is shown this once.",
            ),
            Endpoint(
                method="DELETE", path=path + "/{key}", handler=self.delete_key, access="admin", status=204,
                codes=(Code.NOT_FOUND,), summary="Revoke an API key, within two seconds on every node; twice is once.",
            ),
        ]  # fmt: skip

    async def get_keys(self, call: Call) -> Answer:
        """`GET /api/admin/api-keys`."""
        query = call.query
        after = decode_cursor(query.cursor, IdPlace) if query.cursor else None
        async with self._database.acting(call.user) as connection:
            listed = queries.list_keys(connection, after_id=after.id if after else None, count=query.limit + 1)
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdPlace(last["id"]))
        return Answer(document=KeyPage([KeyItem(**_fields(row)) for row in page], following))

    async def post_key(self, call: Call) -> Answer:
        """`POST /api/admin/api-keys`."""
        body, maker = call.body, call.user
        if maker.is_key:
            raise Refused(Code.FORBIDDEN, "A key makes no keys: they would outlive it. Sign in.")
        key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
        async with self._database.acting(maker) as connection:
            row = await queries.insert_key(
                connection,
                name=body.name,
                key_hash=hash_key(key),
                role=body.role,
                user_id=maker.user_id,
                expires_in_days=body.expires_in_days,
            )
            await write_audit_log(connection, maker, "api_key.make", f"api_key:{row['id']}", {"role": body.role})
        return Answer(document=NewKey(key=key, **_fields(row)))

    async def delete_key(self, call: Call) -> Answer:
        """`DELETE /api/admin/api-keys/{key}`."""
        async with self._database.acting(call.user) as connection:
            await self._revoke(connection, call.user, call.id("key"))
        return Answer()

    async def _revoke(self, connection: Connection, actor: Identity, key_id: int) -> None:
        found = await queries.revoke_key(connection, id=key_id)
        if found is None:
            raise Refused(Code.NOT_FOUND, "No such key.")
        await write_audit_log(connection, actor, "api_key.revoke", f"api_key:{key_id}", {})


def hash_key(key: str) -> bytes:
    """What is kept of a key.

    Raises: Refused: unauthenticated, this has not the form of a key
    """
    if len(key) != KEY_CHARS or not key.isascii():
        raise Refused(Code.UNAUTHENTICATED, "The API key is unknown, expired or revoked.")
    return hashlib.sha256(key.encode()).digest()


def _fields(row: Any) -> dict[str, Any]:
    instants = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return {name: iso(value) if name in instants else value for name, value in row.items()}
