"""Signing in and out."""

from __future__ import annotations

import msgspec
import orjson
from aiohttp import web

from server.errors import Refused
from server.people.sessions import COOKIE, TOKEN_TTL_S, Identity, create_user, mint_token, verify_token
from server.protocol.codes import Code
from server.store.database import Database


class PeopleRoutes:
    """Sessions over HTTP, and who a request speaks for."""

    def __init__(self, database: Database, secret: str) -> None:
        self._database = database
        self._secret = secret

    def routes(self) -> list[web.RouteDef]:
        """What app adds to its router."""
        return [
            web.post("/api/session", self.post_session),
            web.delete("/api/session", self.delete_session),
            web.get("/signin", self.get_signin),
        ]

    def authenticate(self, token: str) -> Identity:
        """Whose token this is.

        Raises: Refused: unauthenticated
        """
        return verify_token(self._secret, token)

    def identify(self, request: web.Request) -> Identity | None:
        """Who a request speaks for: the header's token, else the cookie's; None: nobody.

        A stale cookie is nobody's fault and names nobody; a header's token was meant, so it must be good.
        Raises: Refused: unauthenticated, the header's token is not good
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise Refused(Code.UNAUTHENTICATED, "Only Bearer tokens are understood.")
            return self.authenticate(token.strip())
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            return self.authenticate(cookie)
        except Refused:
            return None

    def user_of(self, request: web.Request) -> int:
        """The id of who a request speaks for.

        Raises: Refused: unauthenticated, nobody or a bad token
        """
        identity = self.identify(request)
        if identity is None:
            raise Refused(Code.UNAUTHENTICATED, "Sign in to vote.")
        return identity.user_id

    async def post_session(self, request: web.Request) -> web.Response:
        """`POST /api/session`: a new anonymous user, or with `{"keep": true}` the one whose cookie came along.

        A page asks to keep: two tabs that were opened before the first vote must not become two users.
        """
        identity = self.identify(request) if await _wants_to_keep(request) else None
        if identity is None:
            identity = Identity(await create_user(self._database), "user")
        token = mint_token(self._secret, identity.user_id, identity.role)
        body = {"token": token, "user": {"id": identity.user_id, "role": identity.role}}
        response = web.Response(status=201, body=orjson.dumps(body), content_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        _keep(request, response, token)
        return response

    async def get_signin(self, request: web.Request) -> web.Response:
        """`GET /signin?token=`: the link that `serve` prints on its first start; turns the token into a cookie."""
        identity = self.authenticate(request.query.get("token", ""))
        response = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
        _keep(request, response, mint_token(self._secret, identity.user_id, identity.role))
        return response

    async def delete_session(self, request: web.Request) -> web.Response:
        """`DELETE /api/session`: forgets the cookie."""
        response = web.Response(status=204)
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=request.secure)
        return response


class _SessionBody(msgspec.Struct, frozen=True):
    keep: bool = False


async def _wants_to_keep(request: web.Request) -> bool:
    body = await request.read()
    if not body:
        return False
    try:
        return msgspec.json.decode(body, type=_SessionBody).keep
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refused(Code.BAD_REQUEST, "The body, if any, is a JSON object with a boolean `keep`.") from None


def _keep(request: web.Request, response: web.Response, token: str) -> None:
    response.set_cookie(
        COOKIE, token, max_age=TOKEN_TTL_S, httponly=True, samesite="Lax", secure=request.secure, path="/"
    )
