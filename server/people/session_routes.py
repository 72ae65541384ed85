"""The endpoints that sign in and sign out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec

from server.clock import Clock
from server.errors import Refused
from server.people.sessions import mint_token, renew_account, sign_up, verify_token
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity, Role
from server.protocol.messages import TOKEN_CHARS_MAX
from server.store.database import Database


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


class SignInQuery(msgspec.Struct, frozen=True):
    """The token of the link that `serve` prints on its first start."""

    token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX, description="A signed token.")] = ""


class SessionRoutes:
    """The endpoints of sessions.

    Takes: installation, the id of the database; count, counts new accounts by address; raises Refused(rate_limited);
           why_banned, gives the reason why a user may not connect, or None
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secret: str,
        *,
        installation: str,
        count: Callable[[str], Awaitable[None]],
        why_banned: Callable[[int], str | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._installation = installation
        self._why_banned = why_banned
        self._count = count

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="POST", path="/api/session", handler=self.post_session, status=201,
                body=SessionBody, body_is_optional=True, answer=SessionAnswer,
                codes=(Code.FORBIDDEN,),
                summary="Sign in as a new anonymous user, or keep the user of the cookie.",
            ),
            Endpoint(
                method="GET", path="/api/session", handler=self.get_session, answer=Session, codes=(Code.FORBIDDEN,),
                summary="Say who is signed in. A page without a websocket asks this in place of `hello`.",
            ),
            Endpoint(
                method="DELETE", path="/api/session", handler=self.delete_session, status=204,
                summary="Sign out: the cookie is deleted.",
            ),
            Endpoint(
                method="GET", path="/signin", handler=self.get_signin, query=SignInQuery, status=303,
                summary="Store the token of a sign-in link as a cookie, and redirect to the page.",
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
        role = None if identity is None else await renew_account(self._database, identity)
        if identity is None or role is None:
            # An erased user gets a new account: the old token would be refused everywhere and lead back here.
            await self._count(call.address)
            identity = Identity(await sign_up(self._database), "user")
        else:
            identity = Identity(identity.user_id, role)
        token = mint_token(self._secret, identity.user_id, identity.role)
        user = {"id": identity.user_id, "role": identity.role}
        return Answer(document={"token": token, "user": user, "installation": self._installation}, session=token)

    async def get_session(self, call: Call) -> Answer:
        """`GET /api/session`."""
        identity = call.identity
        banned = None if identity is None else self._why_banned(identity.user_id)
        if banned is not None:
            raise Refused(Code.FORBIDDEN, banned)
        user = None if identity is None else {"id": identity.user_id, "role": identity.role}
        now_ms = self._clock.now_ms()
        return Answer(document={"user": user, "installation": self._installation, "time_ms": now_ms})

    async def get_signin(self, call: Call) -> Answer:
        """`GET /signin?token=`."""
        identity = verify_token(self._secret, call.query.token)
        role = await renew_account(self._database, identity)
        if role is None:
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Ask for a new sign-in link.")
        return Answer(headers={"Location": "/"}, session=mint_token(self._secret, identity.user_id, role))

    async def delete_session(self, _call: Call) -> Answer:
        """`DELETE /api/session`."""
        return Answer(session="")
