"""The endpoints that sign in and sign out, and the list of a user's sessions."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import msgspec

from server.clock import Clock
from server.errors import Refused
from server.people.ended_sessions import EndedSessions
from server.people.queries import sessions as queries
from server.people.sessions import TOKEN_TTL_S, OpenSession, Origin, device_of, open_link, renew_session, sign_up
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.identity import Identity, Role
from server.protocol.instants import iso
from server.protocol.messages import TOKEN_CHARS_MAX
from server.store.database import Database

ADDRESS_HASH_BYTES = 16
SIGNAL_HASH_BYTES = 8
DAY_MS = 86_400_000


class SessionBody(msgspec.Struct, frozen=True):
    """`keep`: keep the user of the cookie. Two tabs opened before the first vote must not become two users."""

    keep: bool = False


class SessionUser(msgspec.Struct, frozen=True):
    """The signed-in user."""

    id: int
    role: Role


class Session(msgspec.Struct, frozen=True):
    """The user of the request's token or cookie, null without one; the id of the database; its node's clock [ms since 1970]."""

    user: SessionUser | None
    installation: str
    time_ms: int


class SessionAnswer(msgspec.Struct, frozen=True):
    """A token for `Authorization: Bearer` and for `hello`. The cookie holds the same token."""

    token: str
    user: SessionUser
    installation: str


class SignInBody(msgspec.Struct, frozen=True, kw_only=True):
    """The token of a sign-in link. `replaces`: the user who is signed in now, if this sign-in may replace them."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=TOKEN_CHARS_MAX)]
    replaces: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] | None = None


class SessionItem(msgspec.Struct, frozen=True, kw_only=True):
    """A session. `renewed_at` is exact to the day; `is_current`: this request belongs to it."""

    id: int
    kind: Literal["fan", "link", "command"]
    device: str
    created_at: str
    renewed_at: str
    expires_at: str
    is_current: bool


class SessionPage(msgspec.Struct, frozen=True):
    """A page of sessions."""

    items: list[SessionItem]
    next: str | None


class SessionRoutes:
    """The endpoints of sessions.

    Takes: ended, the sessions that were ended, which this adds to; installation, the id of the database; count, counts new
           accounts by address; raises Refused(rate_limited); why_banned, gives the reason why a user may not connect, or
           None
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secret: str,
        ended: EndedSessions,
        *,
        installation: str,
        count: Callable[[str], Awaitable[None]],
        why_banned: Callable[[int], str | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._ended = ended
        self._installation = installation
        self._why_banned = why_banned
        self._count = count

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path = "/api/me/sessions"
        return [
            Endpoint(
                method="POST", path="/api/session", handler=self.post_session, status=201,
                body=SessionBody, body_is_optional=True, answer=SessionAnswer,
                codes=(Code.FORBIDDEN,),
                summary="Sign in as a new anonymous user, or keep the user of the cookie.",
            ),
            Endpoint(
                method="GET", path="/api/session", handler=self.get_session, answer=Session, codes=(Code.FORBIDDEN,),
                read="free",
                summary="Say who is signed in. A page without a websocket asks this in place of `hello`.",
            ),
            Endpoint(
                method="DELETE", path="/api/session", handler=self.delete_session, status=204,
                summary="Sign out: the token is not valid any more, within two seconds on every node, and the cookie is deleted.",
            ),
            Endpoint(
                method="POST", path="/signin", handler=self.post_signin, body=SignInBody, answer=SessionAnswer, status=201,
                codes=(Code.UNAUTHENTICATED, Code.CONFLICT),
                summary="Sign in with the token of a sign-in link, once. Replaces a signed-in user only when `replaces` names them.",
            ),
            Endpoint(
                method="GET", path=path, handler=self.get_sessions, access="user", query=PageQuery, answer=SessionPage,
                summary="List your sessions, newest first.",
            ),
            Endpoint(
                method="DELETE", path=path, handler=self.delete_sessions, access="user", status=204,
                codes=(Code.FORBIDDEN,), summary="Sign out everywhere: end all your sessions, this one too.",
            ),
            Endpoint(
                method="DELETE", path=path + "/{session}", handler=self.delete_one, access="user", status=204,
                codes=(Code.FORBIDDEN, Code.NOT_FOUND), summary="End one of your sessions. Repeating it changes nothing.",
            ),
        ]  # fmt: skip

    async def post_session(self, call: Call) -> Answer:
        """`POST /api/session`."""
        identity = call.identity if call.body is not None and call.body.keep else None
        if identity is not None and identity.is_key:
            raise Refused(
                Code.FORBIDDEN,
                "An API key cannot start a session, because the session would outlive the key. Use the key itself.",
            )
        if identity is not None and identity.issuer is not None:
            message = "A token of an identity provider cannot start a session. Use that token itself."
            raise Refused(Code.FORBIDDEN, message)
        device = device_of(call.agent)
        session = None if identity is None else await renew_session(self._database, identity, device)
        if session is None:
            # An erased user gets a new account: the old token would be refused everywhere and lead back here.
            await self._count(call.address)
            day = self._clock.now_ms() // DAY_MS
            session = await sign_up(self._database, device, origin_of(self._secret, call.address, call.agent, day))
        return self.signed_in(session)

    async def get_session(self, call: Call) -> Answer:
        """`GET /api/session`."""
        identity = call.identity
        banned = None if identity is None else self._why_banned(identity.user_id)
        if banned is not None:
            raise Refused(Code.FORBIDDEN, banned)
        user = None if identity is None else {"id": identity.user_id, "role": identity.role}
        now_ms = self._clock.now_ms()
        return Answer(document={"user": user, "installation": self._installation, "time_ms": now_ms})

    async def post_signin(self, call: Call) -> Answer:
        """`POST /signin`."""
        before, body = call.identity, call.body
        if before is not None and body.replaces != before.user_id:
            raise Refused(
                Code.CONFLICT,
                f"Account {before.user_id} ({before.role}) is signed in here. Sign out first, or confirm that this sign-in replaces it.",
            )
        session = await open_link(self._database, self._secret, body.token, device_of(call.agent))
        if before is not None:
            await self.end_current(before)
        return self.signed_in(session)

    async def delete_session(self, call: Call) -> Answer:
        """`DELETE /api/session`."""
        if call.identity is not None:
            await self.end_current(call.identity)
        return Answer(session="")

    async def get_sessions(self, call: Call) -> Answer:
        """`GET /api/me/sessions`."""
        query, user = call.query, call.user
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._database.acting(user) as connection:
            listed = queries.list_sessions(
                connection, user_id=user.user_id, after_id=after.id if after else None, count=query.limit + 1
            )
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        items = [
            SessionItem(
                id=row["id"],
                kind=row["kind"],
                device=row["device"],
                created_at=iso(row["created_at"]),
                renewed_at=iso(row["renewed_at"]),
                expires_at=iso(row["expires_at"]),
                is_current=row["id"] == user.session_id,
            )
            for row in page
        ]
        return Answer(document=SessionPage(items, following))

    async def delete_sessions(self, call: Call) -> Answer:
        """`DELETE /api/me/sessions`."""
        user = call.user
        _refuse_keys(user)
        async with self._database.acting(user) as connection:
            rows = queries.end_sessions(connection, user_id=user.user_id)
            ended = [row["id"] async for row in rows]
            await queries.end_unlisted(connection, user_id=user.user_id, ttl_s=TOKEN_TTL_S)
        self._ended.add(*ended)
        self._ended.add_unlisted(user.user_id)
        return Answer(session="")

    async def delete_one(self, call: Call) -> Answer:
        """`DELETE /api/me/sessions/{session}`."""
        user, session_id = call.user, call.id("session")
        _refuse_keys(user)
        async with self._database.acting(user) as connection:
            found = await queries.end_session(connection, user_id=user.user_id, id=session_id)
        if found is None:
            raise Refused(Code.NOT_FOUND, "You have no such session.")
        self._ended.add(session_id)
        return Answer()

    async def end_current(self, identity: Identity) -> None:
        """Ends the session of a request. API keys and tokens of identity providers end where they were made."""
        if identity.is_key or identity.issuer is not None:
            return
        user_id, session_id = identity.user_id, identity.session_id
        async with self._database.acting(identity) as connection:
            if session_id is not None:
                await queries.end_session(connection, user_id=user_id, id=session_id)
            else:
                await queries.end_unlisted(connection, user_id=user_id, ttl_s=TOKEN_TTL_S)
        if session_id is not None:
            self._ended.add(session_id)
        else:
            self._ended.add_unlisted(user_id)

    def signed_in(self, session: OpenSession) -> Answer:
        """The answer that signs in: the token of the session, as JSON and as a cookie."""
        token = session.token(self._secret)
        user = {"id": session.user_id, "role": session.role}
        return Answer(document={"token": token, "user": user, "installation": self._installation}, session=token)


def hash_address(secret: str, address: str) -> bytes:
    """Hashes the address of a client, so that new accounts of one address can be found without storing it."""
    return hmac.digest(secret.encode(), b"address:" + address.encode(), hashlib.sha256)[:ADDRESS_HASH_BYTES]


def origin_of(secret: str, address: str, agent: str, day: int) -> Origin:
    """Where a sign-up comes from. Takes: day, since 1970; hashes of other days cannot be compared."""

    def of_day(value: str) -> bytes:
        return hmac.digest(secret.encode(), f"{day}:{value}".encode(), hashlib.sha256)[:SIGNAL_HASH_BYTES]

    return Origin(hash_address(secret, address), of_day(f"agent:{agent}"), of_day(f"subnet:{subnet_of(address)}"))


def subnet_of(address: str) -> str:
    """The network of an address: what one household or carrier gives to its customers, /24 or /48."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def _refuse_keys(identity: Identity) -> None:
    if identity.is_key:
        raise Refused(Code.FORBIDDEN, "An API key cannot end sessions. Sign in.")
