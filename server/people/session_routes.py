"""Signing in and out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec

from server.errors import Refused
from server.people.sessions import keep_account, mint_token, sign_up, verify_token
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity, Role
from server.protocol.messages import TOKEN_CHARS_MAX
from server.store.database import Database


class SessionBody(msgspec.Struct, frozen=True):
    """`keep`: stay who the cookie names. Two tabs opened before the first vote must not become two users."""

    keep: bool = False


class SessionUser(msgspec.Struct, frozen=True):
    """Who signed in."""

    id: int
    role: Role


class SessionAnswer(msgspec.Struct, frozen=True):
    """A token for `Authorization: Bearer` and for `hello`; the same is kept as a cookie."""

    token: str
    user: SessionUser


class SignInQuery(msgspec.Struct, frozen=True):
    """The link that `serve` prints on its first start."""

    token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX, description="A signed token.")] = ""


class SessionRoutes:
    """Sessions over HTTP. Takes: count, by address, before a new account is made; raises Refused(rate_limited)."""

    def __init__(self, database: Database, secret: str, count: Callable[[str], Awaitable[None]]) -> None:
        self._database = database
        self._secret = secret
        self._count = count

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        return [
            Endpoint(
                method="POST", path="/api/session", handler=self.post_session, status=201,
                body=SessionBody, body_is_optional=True, answer=SessionAnswer,
                codes=(Code.FORBIDDEN,),
                summary="Sign in as a new anonymous user, or stay who the cookie names.",
            ),
            Endpoint(
                method="DELETE", path="/api/session", handler=self.delete_session, status=204,
                summary="Sign out: the cookie is forgotten.",
            ),
            Endpoint(
                method="GET", path="/signin", handler=self.get_signin, query=SignInQuery, status=303,
                summary="Turn a token into a cookie and go to the page.",
            ),
        ]  # fmt: skip

    async def post_session(self, call: Call) -> Answer:
        """`POST /api/session`."""
        identity = call.identity if call.body is not None and call.body.keep else None
        if identity is not None and identity.is_key:
            raise Refused(Code.FORBIDDEN, "A key gets no session: it would outlive the key.")
        if identity is not None and identity.issuer is not None:
            raise Refused(Code.FORBIDDEN, "An identity provider's token gets no session: it would outlive the token.")
        role = None if identity is None else await keep_account(self._database, identity)
        if identity is None or role is None:
            # Who was erased would be refused everywhere and come back here for ever.
            await self._count(call.address)
            identity = Identity(await sign_up(self._database), "user")
        else:
            identity = Identity(identity.user_id, role)
        token = mint_token(self._secret, identity.user_id, identity.role)
        return Answer(document={"token": token, "user": {"id": identity.user_id, "role": identity.role}}, session=token)

    async def get_signin(self, call: Call) -> Answer:
        """`GET /signin?token=`."""
        identity = verify_token(self._secret, call.query.token)
        role = await keep_account(self._database, identity)
        if role is None:
            raise Refused(Code.UNAUTHENTICATED, "This account is gone.")
        return Answer(headers={"Location": "/"}, session=mint_token(self._secret, identity.user_id, role))

    async def delete_session(self, _call: Call) -> Answer:
        """`DELETE /api/session`."""
        return Answer(session="")
